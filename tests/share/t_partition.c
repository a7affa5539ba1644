/* SPDX-License-Identifier: MIT */
/*
 * A member of a fleet in a network of its own, which is cut off from Redis while others
 * go on, and comes back. Where there are no network namespaces (as root, or with those of
 * users) it is skipped and says why.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/comes.h"
#include "support/opened.h"
#include "support/redis.h"
#include "support/suite.h"

#define BREAKER                                                                        \
    "none; breaker.min_calls=8; breaker.open=1h; breaker.open_jitter=0; deadline=10s;" \
    "share.trip=any"

#define HERE "10.213.0.1"
#define THERE "10.213.0.2"

/* Between the test and the member that is far away. */
typedef struct far_words {
    _Atomic bool is_to_fail; /* its dependency does */
    _Atomic unsigned calls;
    _Atomic unsigned wrong; /* calls whose end was not the dependency's own */
    _Atomic int state;
} far_words;

static far_words *far;
static test_redis redis;
static opened near;
static char url[64];
static const char *environment[] = { url, NULL };
static pid_t far_pid;

/* ---- networks ----------------------------------------------------------------------- */

static bool write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) >= 0;

    if (fd >= 0)
        close(fd);
    return is_written;
}

/* A network of this process's own; who is not root is it in a world of his own. */
static bool leave_network(void)
{
    char map[64];

    if (unshare(CLONE_NEWNET) == 0)
        return true;
    snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           write_to("/proc/self/setgroups", "deny") &&
           write_to("/proc/self/uid_map", map);
}

static bool run(const char *command)
{
    int status = system(command);

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool has_networks(void)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0)
        _exit(leave_network() && run("ip link add keel0 type veth peer name keel1 && "
                                     "ip link set lo up")
                  ? 0
                  : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- the member far away ------------------------------------------------------------ */

static void call(const opened *o)
{
    bool fails = atomic_load(&far->is_to_fail);
    keel_status status = opened_call(o, NULL, fails ? KEEL_FAILED : KEEL_OK, NULL);

    if (status != (fails ? KEEL_FAILED : KEEL_OK) && status != KEEL_REJECTED_OPEN)
        atomic_fetch_add(&far->wrong, 1);
    atomic_fetch_add(&far->calls, 1);
    atomic_store(&far->state, (int)opened_look(o).state);
}

static _Noreturn void be_far(void)
{
    static opened o;

    if (!leave_network())
        _exit(1);
    kill(getpid(), SIGSTOP); /* until it has its end of the cable */
    if (!run("ip address add " THERE "/24 dev keel1 && ip link set keel1 up"))
        _exit(2);
    opened_init(&o, OPENED_REAL, environment, BREAKER);
    for (;;) {
        call(&o);
        a_moment();
    }
}

static void lay_cable(void)
{
    char command[80];
    int status;

    ck_assert_int_eq(waitpid(far_pid, &status, WUNTRACED), far_pid);
    ck_assert(WIFSTOPPED(status));
    snprintf(command, sizeof command, "ip link set keel1 netns %d", (int)far_pid);
    ck_assert(run(command));
    kill(far_pid, SIGCONT);
}

/* ---- the tests ---------------------------------------------------------------------- */

static long long members(void)
{
    return test_redis_number(&redis, "ZCARD keel1:{default}:m");
}

static void start(void)
{
    far = mmap(NULL, sizeof *far, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
               -1, 0);
    ck_assert(far != MAP_FAILED);
    ck_assert(leave_network());
    ck_assert(run("ip link set lo up && ip link add keel0 type veth peer name keel1 && "
                  "ip address add " HERE "/24 dev keel0 && ip link set keel0 up"));
    ck_assert(test_redis_start(&redis, "bind 127.0.0.1 " HERE "\nprotected-mode no\n"));
    snprintf(url, sizeof url, "KEEL_REDIS=redis://" HERE ":%u", redis.port);
    far_pid = fork();
    ck_assert_int_ge(far_pid, 0);
    if (far_pid == 0)
        be_far();
    lay_cable();
    opened_init(&near, OPENED_REAL, environment, BREAKER);
    COMES(members() == 2);
}

static void finish(void)
{
    opened_cleanup(&near);
    kill(far_pid, SIGKILL);
    waitpid(far_pid, NULL, 0);
    test_redis_cleanup(&redis);
}

static const struct {
    const char *what;
    const char *cut;
    const char *mend;
} cuts[] = {
    { "the cable is pulled", "ip link set keel0 down", "ip link set keel0 up" },
    { "answers get lost", "ip route add blackhole " THERE "/32",
      "ip route del blackhole " THERE "/32" },
};

/* Long enough that the server, too, has noticed. */
static void far_away_nothing_is_noticed(void)
{
    unsigned begun = atomic_load(&far->calls);

    for (uint64_t until = now_ns() + 2 * KEEL_S; now_ns() < until; a_moment())
        ck_assert_int_eq(opened_call(&near, NULL, KEEL_OK, NULL), KEEL_OK);
    ck_assert_uint_gt(atomic_load(&far->calls), begun + 100);
    ck_assert_uint_eq(atomic_load(&far->wrong), 0);
}

static void say_how_long(const char *what, uint64_t begun)
{
    printf("%s: one again after %.1f ms\n", what, (double)(now_ns() - begun) / KEEL_MS);
}

START_TEST(who_was_cut_off_learns_what_happened_meanwhile)
{
    uint64_t begun;

    start();
    ck_assert(run(cuts[_i].cut));
    far_away_nothing_is_noticed();
    while (opened_look(&near).state == KEEL_BREAKER_CLOSED)
        opened_call(&near, NULL, KEEL_FAILED, NULL);
    ck_assert_int_eq(atomic_load(&far->state), KEEL_BREAKER_CLOSED);
    ck_assert(run(cuts[_i].mend));
    begun = now_ns();
    COMES(atomic_load(&far->state) == KEEL_BREAKER_OPEN);
    say_how_long(cuts[_i].what, begun);
    finish();
}
END_TEST

START_TEST(what_happened_to_who_was_cut_off_is_learned)
{
    uint64_t begun;

    start();
    ck_assert(run(cuts[_i].cut));
    far_away_nothing_is_noticed();
    atomic_store(&far->is_to_fail, true);
    COMES(atomic_load(&far->state) == KEEL_BREAKER_OPEN);
    ck_assert_int_eq(opened_look(&near).state, KEEL_BREAKER_CLOSED);
    ck_assert(run(cuts[_i].mend));
    begun = now_ns();
    COMES(opened_look(&near).state == KEEL_BREAKER_OPEN);
    say_how_long(cuts[_i].what, begun);
    finish();
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(who_was_cut_off_learns_what_happened_meanwhile, cuts),
        ROWS(what_happened_to_who_was_cut_off_is_learned, cuts),
    };

    if (!test_redis_is_installed() || !run("command -v ip >/dev/null"))
        return 77;
    if (!has_networks()) {
        printf("the kernel gives this process no network of its own\n"
               "0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    return suite_run("partition", 90, tests, sizeof tests / sizeof tests[0]);
}
