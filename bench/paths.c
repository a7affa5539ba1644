/* SPDX-License-Identifier: MIT */
/*
 * Goes each way through keel a number of times, in one thread and on a clock that stands
 * still, for a tool that counts instructions. Every way is gone twice, in loops of two
 * lengths, each between calls of path_mark: the difference of the two is the cost of the
 * rounds alone. tests/instructions.sh reads it.
 *
 *     paths          the names, in their order
 *     paths -        all of them
 *     paths NAME N   one of them N times, for a profile
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "subjects.h"

#define MS ((uint64_t)1000000)
#define BREAKER "none; breaker=on; breaker.window=10s; breaker.buckets=100"

/* One clock for all: moved by hand, so that every run takes the same way. */
static uint64_t now_ns = 1000000 * MS;
static uint64_t step_ns;

static uint64_t read_clock(void *ctx)
{
    (void)ctx;
    return now_ns;
}

static bool wait_until(const uint32_t *word, uint32_t expected, uint64_t until_ns,
                       void *ctx)
{
    (void)word;
    (void)expected;
    (void)ctx;
    now_ns = until_ns;
    return false;
}

static void wake(const uint32_t *word, int count, void *ctx)
{
    (void)word;
    (void)count;
    (void)ctx;
}

static const keel_clock hand_clock = { .now = read_clock,
                                       .now_coarse = read_clock,
                                       .wait = wait_until,
                                       .wake = wake,
                                       .tick_ns = 4 * MS };

/* A call after a pause in which step_ns went by. */
static void permit_after_idle(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        now_ns += step_ns;
        subject_permit(1, ctx);
    }
}

typedef struct path {
    const char *name;
    const char *settings;
    bench_loop *loop;
    bool refuses;
    uint64_t step_ms;
} path;

static const path paths[] = {
    { "closed", BREAKER, subject_permit, false, 0 },
    { "closed-10-buckets", "none; breaker=on; breaker.window=1s; breaker.buckets=10",
      subject_permit, false, 0 },
    { "closed-1000-buckets",
      "none; breaker=on; breaker.window=100s; breaker.buckets=1000", subject_permit,
      false, 0 },
    { "closed-100-calls", "none; breaker=on; breaker.window=100calls", subject_permit,
      false, 0 },
    { "closed-1000-calls", "none; breaker=on; breaker.window=1000calls", subject_permit,
      false, 0 },
    { "closed-slow-calls", BREAKER "; breaker.slow_call=1s", subject_permit, false, 0 },
    /* one bucket of 100 ms later, half a window of 1000 of them, ten windows */
    { "idle-bucket-10-buckets",
      "none; breaker=on; breaker.window=1s; breaker.buckets=10", permit_after_idle,
      false, 100 },
    { "idle-bucket-1000-buckets",
      "none; breaker=on; breaker.window=100s; breaker.buckets=1000", permit_after_idle,
      false, 100 },
    { "idle-half-10-buckets", "none; breaker=on; breaker.window=1s; breaker.buckets=10",
      permit_after_idle, false, 500 },
    { "idle-half-1000-buckets",
      "none; breaker=on; breaker.window=100s; breaker.buckets=1000", permit_after_idle,
      false, 50000 },
    { "idle-long-10-buckets", "none; breaker=on; breaker.window=1s; breaker.buckets=10",
      permit_after_idle, false, 10000 },
    { "idle-long-1000-buckets",
      "none; breaker=on; breaker.window=100s; breaker.buckets=1000", permit_after_idle,
      false, 1000000 },
    { "rejection", BREAKER, subject_permit_told, true, 0 },
    { "bulkhead", "none; bulkhead=1000", subject_permit, false, 0 },
    { "limiter", "none; rate=1000000000/s", subject_permit, false, 0 },
    { "run-none", "none", subject_run, false, 0 },
    { "run-retry", "none; retry.attempts=3; retry.budget=off", subject_run, false, 0 },
    { "standard-permit", "standard", subject_permit, false, 0 },
    { "standard-call", "standard", subject_call, false, 0 },
    { "standard-call-told", "standard", subject_call_told, false, 0 },
    { "standard-run", "standard", subject_run, false, 0 },
    { "standard-run-told", "standard", subject_run_told, false, 0 },
    { "standard-permit-rejection", "standard", subject_permit_told, true, 0 },
    { "standard-call-rejection", "standard", subject_call, true, 0 },
    { "standard-call-rejection-told", "standard", subject_call_told, true, 0 },
    { "standard-run-rejection", "standard", subject_run, true, 0 },
    { "standard-run-rejection-told", "standard", subject_run_told, true, 0 },
};

enum { PATHS = sizeof paths / sizeof paths[0], LENGTH = 1000 };

static const path *path_named(const char *name)
{
    for (size_t i = 0; i < PATHS; i++)
        if (strcmp(paths[i].name, name) == 0)
            return &paths[i];
    return NULL;
}

static void go_two_lengths(const path *p, keel_pipeline *pipeline)
{
    p->loop(LENGTH, pipeline); /* whatever comes first only */
    path_mark();
    p->loop(LENGTH, pipeline);
    path_mark();
    p->loop(3 * LENGTH, pipeline);
    path_mark();
}

/* n  how often; 0: in two lengths */
static bool go(const path *p, uint64_t n)
{
    keel_runtime *runtime = subject_runtime(&hand_clock);
    keel_pipeline *pipeline;

    if (!runtime)
        return false;
    pipeline = p->refuses ? subject_open_refusing(runtime, "path", p->settings)
                          : subject_open(runtime, "path", p->settings);
    if (!pipeline)
        return false;
    step_ns = p->step_ms * MS;
    if (n)
        p->loop(n, pipeline);
    else
        go_two_lengths(p, pipeline);
    keel_pipeline_close(pipeline);
    return keel_close(runtime, 0) == KEEL_OK;
}

static bool go_all(void)
{
    for (size_t i = 0; i < PATHS; i++)
        if (!go(&paths[i], 0))
            return false;
    return true;
}

static void list(void)
{
    for (size_t i = 0; i < PATHS; i++)
        puts(paths[i].name);
}

int main(int argc, char **argv)
{
    const path *p = argc == 3 ? path_named(argv[1]) : NULL;

    if (argc == 1)
        list();
    else if (argc == 2 && strcmp(argv[1], "-") == 0)
        return !go_all();
    else if (p)
        return !go(p, strtoull(argv[2], NULL, 10));
    return argc != 1;
}
