/* SPDX-License-Identifier: MIT */
#include "support/opened.h"

#include "call/machine.h"

#include <check.h>

static double draw(void *ctx)
{
    return ((const opened *)ctx)->draw;
}

void opened_init(opened *o, opened_clock clock, const char *const *environment,
                 const char *settings)
{
    opened_init_with_log(o, clock, environment, settings, NULL, NULL);
}

void opened_init_with_log(opened *o, opened_clock clock, const char *const *environment,
                          const char *settings, keel_log_fn *log, void *ctx)
{
    static const char *const nothing[] = { NULL };
    keel_options options = { .size = sizeof options,
                             .allocator = &o->memory.allocator,
                             .environment = environment ? environment : nothing,
                             .log = log,
                             .log_ctx = ctx };

    o->draw = 0.5;
    o->why = (keel_detail)KEEL_DETAIL_INIT;
    failing_allocator_init(&o->memory, 0);
    if (clock == OPENED_BY_HAND)
        vclock_init_by_hand(&o->clock);
    else
        vclock_init(&o->clock);
    if (clock != OPENED_REAL) {
        options.clock = &o->clock.clock;
        options.random = draw;
        options.random_ctx = o;
    }
    ck_assert_int_eq(keel_open(&o->rt, &options, NULL), KEEL_OK);
    ck_assert_msg(keel_pipeline_open(&o->pipeline, o->rt, "payments", settings,
                                     &o->why) == KEEL_OK,
                  "%s", o->why.text);
}

void opened_cleanup(opened *o)
{
    keel_pipeline_close(o->pipeline);
    ck_assert_int_eq(keel_close(o->rt, 60 * KEEL_S), KEEL_OK);
    ck_assert_int_eq(o->memory.live, 0);
    vclock_cleanup(&o->clock);
}

keel_pipeline_stats opened_look(const opened *o)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    ck_assert_int_eq(keel_pipeline_look(o->pipeline, &stats), KEEL_OK);
    return stats;
}

void opened_calls(const opened *o, keel_status status, unsigned count)
{
    keel_call call;

    while (count--) {
        keel_call_begin(&call, o->pipeline, NULL);
        ck_assert(keel_call_next(&call));
        keel_call_report(&call, status);
        keel_call_end(&call, NULL);
    }
}

keel_status opened_call(const opened *o, const keel_call_options *options,
                        keel_status status, keel_detail *why)
{
    keel_call call;

    keel_call_begin(&call, o->pipeline, options);
    while (keel_call_next(&call))
        keel_call_report(&call, status);
    return keel_call_end(&call, why);
}

static keel_status outcome_of(char letter)
{
    switch (letter) {
    case 'o':
        return KEEL_OK;
    case 'f':
        return KEEL_FAILED;
    case 't':
        return KEEL_THROTTLED;
    case 'i':
        return KEEL_IGNORED;
    case 'c':
        return KEEL_CLIENT_ERROR;
    case 'u':
        return KEEL_UNKNOWN;
    default:
        return KEEL_TIMEOUT;
    }
}

keel_status opened_play(opened *o, const char *script, const keel_call_options *options)
{
    keel_call call;

    keel_call_begin(&call, o->pipeline, options);
    while (keel_call_next(&call)) {
        if (*script == 'h')
            vclock_advance(&o->clock, keel_call_timeout_ns(&call));
        keel_call_report(&call, outcome_of(*script));
        script += script[1] != '\0';
    }
    return keel_call_end(&call, &o->why);
}

keel_status opened_replay(opened *o, const char *script, unsigned times)
{
    const keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_status status = KEEL_OK;

    while (times--)
        status = opened_play(o, script, &options);
    return status;
}

keel_status opened_succeed(const keel_attempt *attempt, keel_outcome *outcome,
                           void *ctx)
{
    (void)attempt;
    (void)outcome;
    (void)ctx;
    return KEEL_OK;
}

keel_status opened_fail(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    (void)attempt;
    (void)outcome;
    (void)ctx;
    return KEEL_FAILED;
}

uint64_t opened_timeout(keel_pipeline *pipeline)
{
    uint64_t timeout;
    keel_call call;

    keel_call_begin(&call, pipeline, NULL);
    ck_assert(keel_call_next(&call));
    timeout = keel_machine_allowance(keel_machine_of(&call)); /* no clock passes */
    keel_call_end(&call, NULL);
    return timeout;
}
