/* SPDX-License-Identifier: MIT */
/* Processes that a test starts, and their directories. */
#include "support/spawned.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool spawned_init(spawned *s, const char *name)
{
    const char *tmp = getenv("TMPDIR");
    int length;

    *s = (spawned){ .pid = 0 };
    if (!tmp || !*tmp)
        tmp = "/tmp";
    length = snprintf(s->dir, sizeof s->dir, "%s/keel-%s-XXXXXX", tmp, name);
    if (length > 0 && (size_t)length < sizeof s->dir && mkdtemp(s->dir))
        return true;
    fprintf(stderr, "no directory can be made in %s\n", tmp);
    s->dir[0] = '\0';
    return false;
}

void spawned_path(const spawned *s, const char *name, char path[SPAWNED_PATH_SIZE])
{
    snprintf(path, SPAWNED_PATH_SIZE, "%s/%s", s->dir, name);
}

static _Noreturn void become(const char *const argv[], int output)
{
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

/* Until nobody has the other end open any more, which closes when a child becomes another
 * program. */
static void await_end(int fd)
{
    char byte;

    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        ;
    close(fd);
}

/*
 * A process group of its own: one signal reaches all of it, and the terminal's Ctrl-C
 * does not. Who stopped it before it is that program would keep what is open here, such as
 * a port that is listened on, open in it.
 */
bool spawned_start(spawned *s, int at_our_end, const char *const argv[])
{
    char path[SPAWNED_PATH_SIZE];
    pid_t parent = getpid(), pid;
    int output, ours[2];

    spawned_path(s, "output", path);
    output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0)
        return false;
    if (pipe2(ours, O_CLOEXEC)) {
        close(output);
        return false;
    }
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, at_our_end);
        if (getppid() != parent)
            _exit(0);
        become(argv, output);
    }
    close(output);
    close(ours[1]);
    await_end(ours[0]);
    if (pid < 0)
        return false;
    s->pid = pid;
    return true;
}

bool spawned_has_ended(spawned *s)
{
    if (s->pid && waitpid(s->pid, NULL, WNOHANG) == s->pid)
        s->pid = 0;
    return !s->pid;
}

void spawned_print_output(const spawned *s)
{
    char path[SPAWNED_PATH_SIZE], line[512];
    FILE *file;

    spawned_path(s, "output", path);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        fputs(line, stderr);
    fclose(file);
}

/* Its threads stop one after the other: it is frozen when all of them have. */
void spawned_freeze(const spawned *s)
{
    int status;

    kill(s->pid, SIGSTOP);
    waitpid(s->pid, &status, WUNTRACED);
}

void spawned_thaw(const spawned *s)
{
    kill(s->pid, SIGCONT);
}

void spawned_stop(spawned *s)
{
    if (!s->pid)
        return;
    kill(-s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    s->pid = 0;
}

static int remove_entry(const char *path, const struct stat *file, int kind,
                        struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void spawned_cleanup(spawned *s)
{
    spawned_stop(s);
    if (s->dir[0])
        nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    s->dir[0] = '\0';
}
