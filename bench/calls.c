/* SPDX-License-Identifier: MIT */
/*
 * What keel's policies take per call, through libkeel.so as a service links it, in
 * multiples of what the machine takes for the least of it. The figures are those of the
 * README; every floor runs in this process, between the slices of its subject.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "control.h"
#include "floors.h"
#include "report.h"
#include "subjects.h"

#define BREAKER "none; breaker=on; breaker.window=10s; breaker.buckets=100"

static keel_runtime *runtime;
static floor_word words[2];
static control_breaker control;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static keel_pipeline *opened(const char *name, const char *settings)
{
    keel_pipeline *pipeline = subject_open(runtime, name, settings);

    if (!pipeline)
        exit(1);
    return pipeline;
}

static keel_pipeline *refusing(const char *name, const char *settings)
{
    keel_pipeline *pipeline = subject_open_refusing(runtime, name, settings);

    if (!pipeline)
        exit(1);
    return pipeline;
}

static void against_control(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        if (control_allow(ctx))
            control_done(ctx, true);
}

static void permit_and_mutex(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        subject_permit(1, ctx);
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

/* Can this bench see what it is for, and nothing that is not there? */
static void self_test(keel_pipeline *breaker)
{
    bench_figure same = { "self-test: a call against itself",
                          BENCH_COST,
                          0,
                          "itself",
                          BENCH_ONE(subject_permit, breaker),
                          BENCH_ONE(subject_permit, breaker) };
    bench_figure dearer = { "self-test: a mutex pair is seen",
                            BENCH_COST,
                            0,
                            "the call alone",
                            BENCH_ONE(permit_and_mutex, breaker),
                            BENCH_ONE(subject_permit, breaker) };
    double even = bench_report(&same);
    double odd = bench_report(&dearer);

    if (even < 0.95 || even > 1.05 || odd < 1.1)
        printf("the self-test failed: do not trust this run\n");
}

static void breakers(keel_pipeline *breaker)
{
    keel_pipeline *other = opened("other", BREAKER);
    keel_pipeline *ten =
        opened("ten", "none; breaker=on; breaker.window=400ms; breaker.buckets=10");
    keel_pipeline *thousand = opened(
        "thousand", "none; breaker=on; breaker.window=40s; breaker.buckets=1000");
    keel_pipeline *hundred = opened("hundred", "none; breaker.window=100calls");
    keel_pipeline *exact = opened("exact", BREAKER "; breaker.slow_call=1s");
    const bench_side one = BENCH_ONE(subject_permit, breaker);
    const bench_side both = BENCH_TWO(subject_permit, breaker, breaker);
    const bench_figure figures[] = {
        { "V, two threads, lines of their own", BENCH_SPEED, 0, "one thread",
          BENCH_TWO(floor_coarse_add, &words[0], &words[1]),
          BENCH_ONE(floor_coarse_add, &words[0]) },
        { "closed call", BENCH_COST, 1.5, "V", one,
          BENCH_ONE(floor_coarse_add, &words[0]) },
        { "closed call, two threads", BENCH_SPEED, 1.8, "one thread", both, one },
        { "closed call, two threads, one breaker", BENCH_SPEED, 0.95, "two breakers",
          both, BENCH_TWO(subject_permit, breaker, other) },
        { "closed call, 1000 buckets", BENCH_COST, 1.05, "10 buckets",
          BENCH_ONE(subject_permit, thousand), BENCH_ONE(subject_permit, ten) },
        { "closed call, window of 100 calls", BENCH_COST, 0, "V",
          BENCH_ONE(subject_permit, hundred), BENCH_ONE(floor_coarse_add, &words[0]) },
        { "closed call, exact latency", BENCH_COST, 1.25, "two clocks, one add",
          BENCH_ONE(subject_permit, exact),
          BENCH_ONE(floor_two_clocks_add, &words[0]) },
        { "closed call", BENCH_SPEED, 5, "mutex and clock", one,
          BENCH_ONE(against_control, &control) },
    };

    bench_report_all(figures, sizeof figures / sizeof figures[0]);
}

/* A refusal comes when the service is in trouble already: it must not cost more. */
static void refusals(keel_pipeline *breaker, keel_pipeline *standard)
{
    keel_pipeline *open = refusing("open", BREAKER);
    keel_pipeline *down = refusing("down", "standard");
    const bench_figure figures[] = {
        { "rejection", BENCH_COST, 2, "coarse clock",
          BENCH_ONE(subject_permit_told, open), BENCH_ONE(floor_coarse, NULL) },
        { "rejection", BENCH_COST, 1, "a success", BENCH_ONE(subject_permit_told, open),
          BENCH_ONE(subject_permit, breaker) },
        { "rejection, standard, permit", BENCH_COST, 1, "a success",
          BENCH_ONE(subject_permit_told, down), BENCH_ONE(subject_permit, standard) },
        { "rejection, standard, call", BENCH_COST, 1, "a success",
          BENCH_ONE(subject_call, down), BENCH_ONE(subject_call, standard) },
        { "rejection, standard, call with detail", BENCH_COST, 1, "a success with one",
          BENCH_ONE(subject_call_told, down), BENCH_ONE(subject_call_told, standard) },
        { "rejection, standard, call with detail", BENCH_COST, 0,
          "a success without one", BENCH_ONE(subject_call_told, down),
          BENCH_ONE(subject_call, standard) },
        { "rejection, standard, keel_run", BENCH_COST, 1, "a success",
          BENCH_ONE(subject_run, down), BENCH_ONE(subject_run, standard) },
        { "rejection, standard, keel_run with detail", BENCH_COST, 1,
          "a success with one", BENCH_ONE(subject_run_told, down),
          BENCH_ONE(subject_run_told, standard) },
        { "rejection, standard, keel_run with detail", BENCH_COST, 0,
          "a success without one", BENCH_ONE(subject_run_told, down),
          BENCH_ONE(subject_run, standard) },
    };

    bench_report_all(figures, sizeof figures / sizeof figures[0]);
}

static void presets(keel_pipeline *standard)
{
    const bench_figure figures[] = {
        { "standard preset, call", BENCH_COST, 3, "V",
          BENCH_ONE(subject_call, standard), BENCH_ONE(floor_coarse_add, &words[0]) },
        { "standard preset, keel_run", BENCH_COST, 3, "V",
          BENCH_ONE(subject_run, standard), BENCH_ONE(floor_coarse_add, &words[0]) },
        { "its skeleton, without any policy", BENCH_COST, 0, "V",
          BENCH_ONE(floor_skeleton, &words[0]),
          BENCH_ONE(floor_coarse_add, &words[0]) },
        { "standard preset, keel_run with detail", BENCH_COST, 0, "V",
          BENCH_ONE(subject_run_told, standard),
          BENCH_ONE(floor_coarse_add, &words[0]) },
    };

    bench_report_all(figures, sizeof figures / sizeof figures[0]);
}

static void others(void)
{
    keel_pipeline *bulkhead = opened("bulkhead", "none; bulkhead=1000");
    keel_pipeline *rate = opened("rate", "none; rate=1000000000/s");
    const bench_figure figures[] = {
        { "bulkhead, permit", BENCH_COST, 1.5, "add and subtract",
          BENCH_ONE(subject_permit, bulkhead), BENCH_ONE(floor_add_sub, &words[0]) },
        { "bulkhead, permit, two threads", BENCH_COST, 1.5, "likewise, two threads",
          BENCH_TWO(subject_permit, bulkhead, bulkhead),
          BENCH_TWO(floor_add_sub, &words[0], &words[0]) },
        { "limiter, permit", BENCH_COST, 1.25, "U", BENCH_ONE(subject_permit, rate),
          BENCH_ONE(floor_precise_add, &words[0]) },
    };

    bench_report_all(figures, sizeof figures / sizeof figures[0]);
}

/* What the retry policy adds to a call that needs none: the same with and without. */
static void retries(void)
{
    keel_pipeline *plain = opened("plain", "none");
    keel_pipeline *retry = opened("retry", "none; retry.attempts=3; retry.budget=off");
    const bench_side without = BENCH_ONE(subject_run, plain);
    bench_figure share = { "retry around a success, its share",
                           BENCH_COST,
                           3,
                           "indirect call",
                           BENCH_ONE(subject_run, retry),
                           BENCH_ONE(floor_indirect, NULL) };
    bench_figure whole = {
        "keel_run, every policy off",          BENCH_COST, 0, "V", without,
        BENCH_ONE(floor_coarse_add, &words[0])
    };

    bench_report_share(&share, &without);
    bench_report(&whole);
}

int main(void)
{
    keel_pipeline *breaker, *standard;

    runtime = subject_runtime(NULL);
    if (!runtime || !bench_open())
        return 1;
    control_init(&control);
    breaker = opened("breaker", BREAKER);
    standard = opened("standard", "standard");
    bench_report_begin("keel's policies, per call");
    self_test(breaker);
    breakers(breaker);
    refusals(breaker, standard);
    presets(standard);
    others();
    retries();
    bench_report_end();
    bench_close();
    control_cleanup(&control);
    return 0;
}
