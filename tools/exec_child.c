/* SPDX-License-Identifier: MIT */
#include "exec_child.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_NS (2 * KEEL_S)

static uint64_t now_of(const keel_child *command)
{
    return command->clock.now(command->clock.ctx);
}

/* ---- signals ----------------------------------------------------------------------- */

/* One that is ignored, as under nohup, stays so: blocked, it would come all the same. */
static bool is_ignored(int signal)
{
    struct sigaction action;

    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool keel_child_init(keel_child *command, char **argv)
{
    static const int handed_on[] = { SIGINT, SIGTERM, SIGHUP };
    const struct sigaction standard = { .sa_handler = SIG_DFL };

    *command = (keel_child){ .argv = argv };
    sigemptyset(&command->awaited);
    sigaddset(&command->awaited, SIGCHLD);
    for (size_t i = 0; i < sizeof handed_on / sizeof *handed_on; i++)
        if (!is_ignored(handed_on[i]))
            sigaddset(&command->awaited, handed_on[i]);
    /* who is started with SIGCHLD ignored never hears how a child has ended */
    sigaction(SIGCHLD, &standard, NULL);
    sigprocmask(SIG_BLOCK, &command->awaited, &command->before);
    return keel_clock_real(&command->clock);
}

/* The next signal until an instant. child: who is told of it; 0: nobody */
static void await_signal(keel_child *command, uint64_t until, pid_t child)
{
    uint64_t left = keel_ns_min(keel_ns_left(until, now_of(command)), 3600 * KEEL_S);
    struct timespec time = { (time_t)(left / KEEL_S), (long)(left % KEEL_S) };
    siginfo_t info;
    int signal = sigtimedwait(&command->awaited, &info, &time);

    if (signal <= 0 || signal == SIGCHLD)
        return;
    command->told = signal;
    /* what comes from the terminal has been sent to the command as well */
    if (child && info.si_code != SI_KERNEL)
        kill(child, signal);
}

bool keel_child_rest(keel_child *command, uint64_t until)
{
    while (!command->told && now_of(command) < until)
        await_signal(command, until, 0);
    return !command->told;
}

/* ---- running ----------------------------------------------------------------------- */

/* It finds signals as we found them. Returns an errno. */
static int start(const keel_child *command, pid_t *child)
{
    posix_spawnattr_t attributes;
    int error = posix_spawnattr_init(&attributes);

    if (error)
        return error;
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &command->before);
    error = posix_spawnp(child, command->argv[0], NULL, &attributes, command->argv,
                         environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status)
                             : KEEL_CHILD_SIGNALLED + WTERMSIG(status);
}

static bool has_ended(pid_t child, int *code)
{
    int status = 0;

    if (waitpid(child, &status, WNOHANG) == 0)
        return false;
    *code = code_of(status);
    return true;
}

static void await_end(keel_child *command, pid_t child, uint64_t until,
                      keel_child_result *result)
{
    while (!has_ended(child, &result->code)) {
        if (now_of(command) < until) {
            await_signal(command, until, child);
            continue;
        }
        kill(child, result->timed_out ? SIGKILL : SIGTERM);
        until = result->timed_out ? KEEL_NEVER : keel_ns_add(until, GRACE_NS);
        result->timed_out = true;
    }
}

keel_child_result keel_child_run(keel_child *command, uint64_t timeout_ns)
{
    uint64_t until = keel_ns_add(now_of(command), timeout_ns);
    keel_child_result result = { .code = 0 };
    pid_t child;

    result.start_error = start(command, &child);
    if (result.start_error)
        result.code = result.start_error == ENOENT ? KEEL_CHILD_NOT_FOUND
                                                   : KEEL_CHILD_NOT_EXECUTABLE;
    else
        await_end(command, child, until, &result);
    return result;
}
