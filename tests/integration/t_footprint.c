/* SPDX-License-Identifier: MIT */
/*
 * A call costs no allocation and no system call, whether it is let through or refused,
 * and however it ends. Every round runs in a child whose kernel filter (seccomp) reports
 * each system call but a clock read, which is one only where the machine has no faster
 * way, and whose malloc counts. So it is where the breaker is shared, by processes or by
 * a fleet: filter and counts are the calling thread's alone, not the relay's. Not for
 * builds with a sanitizer: those bring both.
 */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <keel/keel.h>

#include "support/allocator.h"
#include "support/board_file.h"
#include "support/redis.h"
#include "support/suite.h"
#include "support/watched_malloc.h"

enum { ROUNDS = 1000 };

/* What a child counted; in memory it shares with its parent. */
typedef struct footprint {
    volatile sig_atomic_t system_calls;
    volatile sig_atomic_t last_system_call;
    volatile long mallocs;
    volatile long hooked; /* allocations through the runtime's own hook */
    bool measured;
} footprint;

static footprint *seen;

/* system calls, watched */

static void count_system_call(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    seen->system_calls++;
    seen->last_system_call = info->si_syscall;
}

#define ALLOW(number)                                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                               \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* From here on every other system call only raises SIGSYS, for good. */
static bool watch_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_exit_group),
        ALLOW(SYS_clock_gettime),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
    struct sigaction action = { .sa_sigaction = count_system_call,
                                .sa_flags = SA_SIGINFO };

    return sigaction(SIGSYS, &action, NULL) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ways through keel */

typedef void way(keel_pipeline *pipeline, keel_status outcome);

static void by_permit(keel_pipeline *pipeline, keel_status outcome)
{
    keel_permit permit;
    uint64_t retry_after;

    if (keel_permit_take(pipeline, &permit, &retry_after) == KEEL_OK)
        keel_permit_end(&permit, outcome);
}

static void by_call(keel_pipeline *pipeline, keel_status outcome)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_call call;

    keel_call_begin(&call, pipeline, NULL);
    while (keel_call_next(&call))
        keel_call_report(&call, outcome);
    keel_call_end(&call, &why);
}

static void by_poll(keel_pipeline *pipeline, keel_status outcome)
{
    keel_call call;

    keel_call_begin(&call, pipeline, NULL);
    while (keel_call_poll(&call, NULL, NULL) == KEEL_STEP_ATTEMPT)
        keel_call_report(&call, outcome);
    keel_call_end(&call, NULL);
}

static keel_status answer(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    (void)attempt;
    (void)outcome;
    return *(keel_status *)ctx;
}

static void by_run(keel_pipeline *pipeline, keel_status outcome)
{
    keel_detail why = KEEL_DETAIL_INIT;

    keel_run(pipeline, answer, &outcome, NULL, &why);
}

/* planted mistakes */

static void by_malloc(keel_pipeline *pipeline, keel_status outcome)
{
    char *volatile block = strdup("by libc itself");

    by_permit(pipeline, outcome);
    free(block);
}

static void by_system_call(keel_pipeline *pipeline, keel_status outcome)
{
    by_permit(pipeline, outcome);
    syscall(SYS_getppid);
}

/* the child */

typedef struct footprint_case {
    const char *why;
    const char *settings;
    way *go;
    keel_status outcome;
    bool refuses; /* the breaker is open */
    const char *const *environment;
} footprint_case;

static board_file file;
static test_redis redis;
static char redis_variable[SPAWNED_PATH_SIZE + 32];

static const char *const no_variables[] = { NULL };
static const char *const by_board[] = { file.variable, NULL };
static const char *const by_redis[] = { redis_variable, NULL };
static const char *const by_both[] = { file.variable, redis_variable, NULL };

static void go_rounds(const footprint_case *row, keel_pipeline *pipeline)
{
    for (int i = 0; i < ROUNDS; i++)
        row->go(pipeline, row->outcome);
}

static void measure(const footprint_case *row)
{
    failing_allocator hook;
    keel_options options = { .size = sizeof options,
                             .environment =
                                 row->environment ? row->environment : no_variables,
                             .allocator = &hook.allocator };
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    long mallocs_before, hooked_before;

    failing_allocator_init(&hook, 0);
    if (keel_open(&runtime, &options, NULL) != KEEL_OK ||
        keel_pipeline_open(&pipeline, runtime, "watched", row->settings, NULL) !=
            KEEL_OK)
        return;
    if (row->refuses &&
        keel_pipeline_transition(pipeline, KEEL_BREAKER_OPEN, 3600000000000) != KEEL_OK)
        return;
    go_rounds(row, pipeline); /* a thread's first call may set things up */
    mallocs_before = watched_mallocs();
    hooked_before = hook.calls;
    seen->measured = watch_system_calls();
    go_rounds(row, pipeline);
    seen->mallocs = watched_mallocs() - mallocs_before;
    seen->hooked = hook.calls - hooked_before;
}

static footprint footprint_of(const footprint_case *row)
{
    footprint found;
    pid_t child;
    int status;

    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    ck_assert_ptr_ne(seen, MAP_FAILED);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        measure(row);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(status, 0);
    found = *seen;
    munmap(seen, sizeof *seen);
    ck_assert_msg(found.measured, "%s: nothing was measured", row->why);
    return found;
}

#define BREAKER "none; breaker=on"

static const footprint_case cases[] = {
    { "the hot path", BREAKER, by_permit, KEEL_OK, false, NULL },
    { "an open breaker", BREAKER, by_permit, KEEL_OK, true, NULL },
    { "an outcome that is neutral", BREAKER, by_permit, KEEL_IGNORED, false, NULL },
    { "failures, until it trips, and refusals then", BREAKER, by_permit, KEEL_FAILED,
      false, NULL },
    { "a count window", BREAKER "; breaker.window=100calls", by_permit, KEEL_OK, false,
      NULL },
    { "slow calls are watched", BREAKER "; breaker.slow_call=1s", by_permit, KEEL_OK,
      false, NULL },
    { "limiter and bulkhead", "none; bulkhead=8; rate=1000000000/s", by_permit, KEEL_OK,
      false, NULL },
    { "a limiter that refuses", "none; rate=1/h", by_permit, KEEL_OK, false, NULL },
    { "standard, permits alone", "standard", by_permit, KEEL_OK, false, NULL },
    { "standard, the loop", "standard", by_call, KEEL_OK, false, NULL },
    { "standard, the loop, refused", "standard", by_call, KEEL_OK, true, NULL },
    { "standard, polled", "standard", by_poll, KEEL_OK, false, NULL },
    { "standard, polled, refused", "standard", by_poll, KEEL_OK, true, NULL },
    { "standard, a callback", "standard", by_run, KEEL_OK, false, NULL },
    { "standard, a callback, refused", "standard", by_run, KEEL_OK, true, NULL },
    { "a client error", "standard", by_call, KEEL_CLIENT_ERROR, false, NULL },
    { "failures that are not retried", "standard; breaker=off", by_call, KEEL_FAILED,
      false, NULL },
    { "every policy off", "none", by_run, KEEL_OK, false, NULL },
    { "shared by a board", BREAKER, by_permit, KEEL_OK, false, by_board },
    { "shared by a board, refused", BREAKER, by_permit, KEEL_OK, true, by_board },
    { "shared by a board, standard", "standard", by_call, KEEL_OK, false, by_board },
    { "a bulkhead of the host", "none; bulkhead=8; bulkhead.scope=host", by_permit,
      KEEL_OK, false, by_board },
    { "shared by a fleet", BREAKER, by_permit, KEEL_OK, false, by_redis },
    { "shared by a fleet, refused", BREAKER, by_permit, KEEL_OK, true, by_redis },
    { "shared by a fleet, standard", "standard", by_call, KEEL_OK, false, by_redis },
    { "shared by both", "standard", by_run, KEEL_OK, false, by_both },
};

static void share(void)
{
    board_file_init(&file);
    ck_assert(test_redis_start(&redis, ""));
    snprintf(redis_variable, sizeof redis_variable, "KEEL_REDIS=unix:%s", redis.socket);
}

static void share_no_more(void)
{
    test_redis_cleanup(&redis);
    board_file_cleanup(&file);
}

START_TEST(a_call_allocates_nothing_and_makes_no_system_call)
{
    const footprint_case *row = &cases[_i];
    footprint found;

    if (row->environment)
        share();
    found = footprint_of(row);
    if (row->environment)
        share_no_more();
    ck_assert_msg(found.mallocs == 0, "%s: %ld allocations", row->why, found.mallocs);
    /* the relay allocates through it, too; what a call did is among its mallocs */
    ck_assert_msg(row->environment || found.hooked == 0,
                  "%s: %ld allocations through the hook", row->why, found.hooked);
    ck_assert_msg(found.system_calls == 0, "%s: %d system calls, the last was %d",
                  row->why, (int)found.system_calls, (int)found.last_system_call);
}
END_TEST

START_TEST(a_planted_allocation_is_counted)
{
    footprint_case row = cases[0];

    row.go = by_malloc;
    ck_assert_int_eq(footprint_of(&row).mallocs, ROUNDS);
}
END_TEST

START_TEST(a_planted_system_call_is_counted)
{
    footprint_case row = cases[0];
    footprint found;

    row.go = by_system_call;
    found = footprint_of(&row);
    ck_assert_int_eq(found.system_calls, ROUNDS);
    ck_assert_int_eq(found.last_system_call, SYS_getppid);
}
END_TEST

SUITE("footprint", 10, ROWS(a_call_allocates_nothing_and_makes_no_system_call, cases),
      ONE(a_planted_allocation_is_counted), ONE(a_planted_system_call_is_counted))
