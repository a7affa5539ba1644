/* SPDX-License-Identifier: MIT */
/* The loops over keel's calls. */
#include "subjects.h"

#include <stdio.h>

#define HOUR_NS (3600 * (uint64_t)1000000000)

void subject_permit(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        keel_permit permit;

        if (keel_permit_take(ctx, &permit, NULL) == KEEL_OK)
            keel_permit_end(&permit, KEEL_OK);
    }
}

void subject_permit_told(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        keel_permit permit;
        uint64_t retry_after;

        if (keel_permit_take(ctx, &permit, &retry_after) == KEEL_OK)
            keel_permit_end(&permit, KEEL_OK);
        BENCH_SINK(retry_after);
    }
}

void subject_call(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        keel_call call;

        keel_call_begin(&call, ctx, NULL);
        while (keel_call_next(&call))
            keel_call_report(&call, KEEL_OK);
        BENCH_SINK(keel_call_end(&call, NULL));
    }
}

void subject_call_told(uint64_t n, void *ctx)
{
    keel_detail why = KEEL_DETAIL_INIT;

    for (uint64_t i = 0; i < n; i++) {
        keel_call call;

        keel_call_begin(&call, ctx, NULL);
        while (keel_call_next(&call))
            keel_call_report(&call, KEEL_OK);
        BENCH_SINK(keel_call_end(&call, &why));
    }
}

static keel_status succeed(const keel_attempt *attempt, keel_outcome *outcome,
                           void *ctx)
{
    (void)outcome;
    (void)ctx;
    BENCH_SINK(attempt);
    return KEEL_OK;
}

void subject_run(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        BENCH_SINK(keel_run(ctx, succeed, NULL, NULL, NULL));
}

void subject_run_told(uint64_t n, void *ctx)
{
    keel_detail why = KEEL_DETAIL_INIT;

    for (uint64_t i = 0; i < n; i++)
        BENCH_SINK(keel_run(ctx, succeed, NULL, NULL, &why));
}

keel_pipeline *subject_open(keel_runtime *runtime, const char *name,
                            const char *settings)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_pipeline *pipeline;

    if (keel_pipeline_open(&pipeline, runtime, name, settings, &why) != KEEL_OK)
        fprintf(stderr, "bench: %s: %s\n", name, why.text);
    return pipeline;
}

keel_pipeline *subject_open_refusing(keel_runtime *runtime, const char *name,
                                     const char *settings)
{
    keel_pipeline *pipeline = subject_open(runtime, name, settings);

    if (pipeline &&
        keel_pipeline_transition(pipeline, KEEL_BREAKER_OPEN, HOUR_NS) != KEEL_OK)
        fprintf(stderr, "bench: %s cannot be opened\n", name);
    return pipeline;
}

keel_runtime *subject_runtime(const keel_clock *clock)
{
    static const char *const nothing[] = { "KEEL_STRICT=on", NULL };
    keel_options options = { .size = sizeof options,
                             .clock = clock,
                             .environment = nothing };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *runtime;

    if (keel_open(&runtime, &options, &why) != KEEL_OK)
        fprintf(stderr, "bench: %s\n", why.text);
    return runtime;
}
