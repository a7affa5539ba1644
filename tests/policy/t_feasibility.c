/* SPDX-License-Identifier: MIT */
/* Which calls are refused because they cannot be answered in time. */
#include <string.h>

#include "base/clock.h"
#include "policy/feasibility.h"
#include "support/suite.h"

enum { RATE = 100, RECOVERY_S = 90 };

static keel_latency_words words;
static uint64_t now = 1000 * KEEL_S;
static double drawn = 0.5;
static unsigned draws;

static double draw(void *ctx)
{
    (void)ctx;
    draws++;
    return drawn;
}

static const keel_random fixed = { draw, NULL };

/* Half of a hundred recent answers took 10 ms, the others 100. */
static void begin(void)
{
    memset(&words, 0, sizeof words);
    draws = 0;
    for (int i = 0; i < 50; i++) {
        keel_latency_record(&words, 10 * KEEL_MS, now);
        keel_latency_record(&words, 100 * KEEL_MS, now);
    }
}

typedef struct call_case {
    const char *why;
    uint32_t ppm;
    uint64_t left_ns;
    double drawn;
    bool refused;
    unsigned draws;
} call_case;

static const call_case calls[] = {
    { "off", 0, 1, 0.5, false, 0 },
    { "no deadline", 500000, KEEL_NEVER, 0.5, false, 0 },
    { "more than is needed", 500000, 11 * KEEL_MS, 0.5, false, 0 },
    { "less than is needed", 500000, 9 * KEEL_MS, 0.5, true, 1 },
    { "no time at all", 500000, 0, 0.5, true, 1 },
    { "a stricter quantile", 900000, 90 * KEEL_MS, 0.5, true, 1 },
    { "enough for that one too", 900000, 110 * KEEL_MS, 0.5, false, 0 },
    { "one in twenty is tried", 500000, 1, 0.049999, false, 1 },
    { "and no more", 500000, 1, 0.05, true, 1 },
};

START_TEST(a_call_that_cannot_be_answered_is_refused)
{
    const call_case *row = &calls[_i];
    keel_policy policy = { .infeasible_ppm = row->ppm };

    begin();
    drawn = row->drawn;
    ck_assert_msg(keel_feasibility_refuses(&policy, &words, row->left_ns, now,
                                           &fixed) == row->refused,
                  "%s", row->why);
    ck_assert_uint_eq(draws, row->draws);
}
END_TEST

START_TEST(while_too_little_is_known_nobody_is_refused)
{
    keel_policy policy = { .infeasible_ppm = 500000 };

    begin();
    now += 3 * KEEL_LATENCY_HALF_LIFE_NS;
    ck_assert(!keel_feasibility_refuses(&policy, &words, 0, now, &fixed));
    ck_assert_uint_eq(draws, 0);
}
END_TEST

/* All callers have 50 ms, and the few that are tried are all that is learnt from. */
START_TEST(a_dependency_that_is_quick_again_is_found_again)
{
    keel_policy policy = { .infeasible_ppm = 500000 };
    uint64_t healed;
    unsigned refused = 1;

    memset(&words, 0, sizeof words);
    for (int i = 0; i < 60 * RATE; i++, now += KEEL_S / RATE)
        keel_latency_record(&words, 80 * KEEL_MS, now);
    healed = now;
    while (refused) {
        refused = 0;
        for (unsigned i = 0; i < RATE; i++, now += KEEL_S / RATE) {
            drawn = (i % 20) / 20.0;
            if (keel_feasibility_refuses(&policy, &words, 50 * KEEL_MS, now, &fixed))
                refused++;
            else
                keel_latency_record(&words, 10 * KEEL_MS, now);
        }
        ck_assert_uint_lt(now - healed, RECOVERY_S * KEEL_S);
    }
}
END_TEST

SUITE("feasibility", 10, ROWS(a_call_that_cannot_be_answered_is_refused, calls),
      ONE(while_too_little_is_known_nobody_is_refused),
      ONE(a_dependency_that_is_quick_again_is_found_again))
