/* SPDX-License-Identifier: MIT */
/*
 * keel's part of the table of peers: the same ways that bench/peers goes, and the control
 * breaker, timed once by the wall. Lines of `what who nanoseconds` for bench/peers.sh,
 * which runs everybody in turn.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "subjects.h"

#define TIMED_NS 50000000u

enum { ROUNDS = 1000 };

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double rounds(bench_loop *loop, void *ctx)
{
    uint64_t begun = now_ns();
    uint64_t count = 0;

    while (now_ns() - begun < TIMED_NS) {
        loop(ROUNDS, ctx);
        count += ROUNDS;
    }
    return (double)(now_ns() - begun) / (double)count;
}

static void time_it(const char *what, const char *who, bench_loop *loop, void *ctx)
{
    rounds(loop, ctx);
    printf("%s %s %.1f\n", what, who, rounds(loop, ctx));
}

static void use_control(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        if (control_allow(ctx))
            control_done(ctx, true);
}

/* Mutexes are cheaper in a process with one thread; services have more. */
static void *park(void *ctx)
{
    (void)ctx;
    for (;;)
        pause();
    return NULL;
}

int main(void)
{
    static control_breaker control;
    keel_runtime *runtime = subject_runtime(NULL);
    keel_pipeline *closed, *open, *rate, *retry;
    pthread_t parked;

    if (!runtime || pthread_create(&parked, NULL, park, NULL))
        return 1;
    closed = subject_open(runtime, "closed", "none; breaker=on; breaker.buckets=100");
    open = subject_open_refusing(runtime, "open", "none; breaker=on");
    rate = subject_open(runtime, "rate", "none; rate=1000000000/s");
    retry = subject_open(runtime, "retry", "none; retry.attempts=3");
    if (!closed || !open || !rate || !retry)
        return 1;
    control_init(&control);
    time_it("closed", "keel", subject_permit, closed);
    time_it("closed", "keel_run", subject_run, closed);
    time_it("closed", "mutex-and-clock", use_control, &control);
    time_it("rejection", "keel", subject_permit_told, open);
    time_it("rejection", "keel_run", subject_run_told, open);
    time_it("limiter", "keel", subject_permit, rate);
    time_it("retry", "keel", subject_run, retry);
    return 0;
}
