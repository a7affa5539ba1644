/* SPDX-License-Identifier: MIT */
/* A runtime on a virtual clock with one pipeline. */
#include "support/lab.h"

#include <check.h>
#include <stddef.h>

static double draw(void *ctx)
{
    return ((const lab *)ctx)->draw;
}

static void open_on(lab *l, const char *const *environment, const char *settings)
{
    const keel_options options = { .size = sizeof options,
                                   .clock = &l->clock.clock,
                                   .random = draw,
                                   .random_ctx = l,
                                   .environment = environment };

    l->draw = 0.5;
    l->why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_open(&l->runtime, &options, &l->why), KEEL_OK);
    ck_assert_msg(keel_pipeline_open(&l->pipeline, l->runtime, "dep", settings,
                                     &l->why) == KEEL_OK,
                  "%s", l->why.text);
}

void lab_open_in(lab *l, const char *const *environment, const char *settings)
{
    char warning[300];

    vclock_init(&l->clock);
    open_on(l, environment, settings);
    ck_assert_msg(!keel_runtime_warning(l->runtime, 0, warning, sizeof warning), "%s",
                  warning);
}

void lab_open(lab *l, const char *settings)
{
    static const char *const nothing[] = { NULL };

    vclock_init(&l->clock);
    open_on(l, nothing, settings);
}

void lab_open_by_hand(lab *l, const char *settings)
{
    static const char *const nothing[] = { NULL };

    vclock_init_by_hand(&l->clock);
    open_on(l, nothing, settings);
}

void lab_close(lab *l)
{
    keel_pipeline_close(l->pipeline);
    ck_assert_int_eq(keel_close(l->runtime, 0), KEEL_OK);
    vclock_cleanup(&l->clock);
}

void lab_advance(lab *l, uint64_t ns)
{
    vclock_advance(&l->clock, ns);
}

keel_pipeline_stats lab_look(const lab *l)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    ck_assert_int_eq(keel_pipeline_look(l->pipeline, &stats), KEEL_OK);
    return stats;
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

keel_status lab_call(lab *l, const char *outcomes, const keel_call_options *options)
{
    keel_call call;

    keel_call_begin(&call, l->pipeline, options);
    while (keel_call_next(&call)) {
        if (*outcomes == 'h')
            lab_advance(l, keel_call_timeout_ns(&call));
        keel_call_report(&call, outcome_of(*outcomes));
        outcomes += outcomes[1] != '\0';
    }
    return keel_call_end(&call, &l->why);
}

keel_status lab_calls(lab *l, const char *outcomes, unsigned times)
{
    const keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_status status = KEEL_OK;

    while (times--)
        status = lab_call(l, outcomes, &options);
    return status;
}
