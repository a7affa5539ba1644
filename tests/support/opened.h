/* SPDX-License-Identifier: MIT */
/*
 * A runtime with one pipeline, "payments", for tests that see keel from the outside:
 * its own clock and draws, an environment that is the test's alone, and memory that is
 * counted, so that every test also proves that nothing is lost.
 */
#ifndef KEEL_TESTS_SUPPORT_OPENED_H
#define KEEL_TESTS_SUPPORT_OPENED_H

#include <keel/keel.h>

#include "base/clock.h"
#include "support/allocator.h"
#include "support/vclock.h"

typedef enum opened_clock {
    OPENED_VIRTUAL, /* a wait takes no time: for tests with one thread */
    OPENED_BY_HAND, /* a wait lasts until the test moves the clock */
    OPENED_REAL     /* draws are real too */
} opened_clock;

typedef struct opened {
    vclock clock;
    double draw; /* every draw, 0.5 at first */
    failing_allocator memory;
    keel_runtime *rt;
    keel_pipeline *pipeline;
    keel_detail why; /* of the last call that was played */
} opened;

/* environment: NULL-ended; NULL: empty. o must stay where it is. */
void opened_init(opened *o, opened_clock clock, const char *const *environment,
                 const char *settings);

/* The same with a hook for its log. */
void opened_init_with_log(opened *o, opened_clock clock, const char *const *environment,
                          const char *settings, keel_log_fn *log, void *ctx);

/* Fails the test if something still runs or memory was not given back. */
void opened_cleanup(opened *o);

/* The pipeline's figures of now. */
keel_pipeline_stats opened_look(const opened *o);

/* count calls, each of one attempt that ends so; fails the test if one is refused. */
void opened_calls(const opened *o, keel_status status, unsigned count);

/* A whole call in the blocking loop, every attempt of which ends so. */
keel_status opened_call(const opened *o, const keel_call_options *options,
                        keel_status status, keel_detail *why);

/*
 * A whole call in the blocking loop; each attempt takes no time and ends as the script
 * says: o ok, f failed, t throttled, i ignored, c client error, u unknown, h hangs until
 * its timeout. The last one repeats. Fills o->why.
 */
keel_status opened_play(opened *o, const char *script,
                        const keel_call_options *options);

/* The same for an idempotent call, times over; returns the last one's status. */
keel_status opened_replay(opened *o, const char *script, unsigned times);

/* For keel_run: KEEL_OK and KEEL_FAILED at once. */
keel_run_fn opened_succeed, opened_fail;

/* What a call of now would be given for its attempt; it counts for nothing. */
uint64_t opened_timeout(keel_pipeline *pipeline);

#endif
