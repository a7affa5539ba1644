/* SPDX-License-Identifier: MIT */
/* A breaker on its own, for tests of policies. */
#include "support/loose_breaker.h"

#include <check.h>
#include <string.h>

static double scripted(void *ctx)
{
    loose_breaker *b = ctx;

    return b->draw_count ? b->draws[b->drawn++ % b->draw_count] : 0.5;
}

void loose_breaker_init(loose_breaker *b)
{
    memset(b, 0, sizeof *b);
    b->now = 1000 * KEEL_S;
    b->random = (keel_random){ scripted, b };
    b->policy = (keel_policy){
        .breaker = true,
        .deadline_ns = 10 * KEEL_S,
        .window_ns = 10 * KEEL_S,
        .window_buckets = 10,
        .min_calls = 4,
        .failure_rate_ppm = KEEL_PPM / 2,
        .slow_rate_ppm = KEEL_PPM,
        .open_first_ns = 5 * KEEL_S,
        .open_longest_ns = 60 * KEEL_S,
        .open_multiplier = 2,
        .stable_ns = 10 * KEEL_S,
        .half_open_permits = 3,
        .half_open_failures = 1,
        .half_open_slow = 2,
        .early_decision = true,
        .half_open_max_wait_ns = 30 * KEEL_S,
        .lease_ns = 2 * KEEL_S,
    };
    loose_breaker_refit(b);
}

void loose_breaker_refit(loose_breaker *b)
{
    const keel_policy *p = &b->policy;

    b->stripes = keel_stripes_of(b->lines, LOOSE_STRIPES);
    b->breaker = (keel_breaker){ .words = &b->words, .leases = b->leases };
    if (p->slow_call_ns)
        b->breaker.starts.words = &b->starts;
    if (p->window_calls) {
        ck_assert_uint_le(keel_count_window_size(p->window_calls), sizeof b->window);
        keel_count_window_init(&b->breaker.window, (void *)b->window, p->window_calls);
        return;
    }
    ck_assert_uint_le(keel_time_window_size(p->window_buckets, p->slow_call_ns != 0),
                      sizeof b->window);
    keel_time_window_init(&b->breaker.window, (void *)b->window, &b->stripes,
                          KEEL_STRIPE_WINDOW, p->window_ns, p->window_buckets,
                          p->slow_call_ns != 0);
}

keel_status loose_admit(loose_breaker *b, keel_breaker_permit *permit)
{
    b->changes = (keel_changes){ .count = 0 };
    return keel_breaker_admit(&b->breaker, &b->policy, b->now, &b->random, permit,
                              &b->retry_after_ns, &b->changes);
}

bool loose_end_with(loose_breaker *b, const keel_breaker_permit *permit,
                    keel_breaker_result result)
{
    b->changes = (keel_changes){ .count = 0 };
    return keel_breaker_end(&b->breaker, &b->policy, permit, &result, b->now,
                            &b->random, &b->changes);
}

bool loose_end(loose_breaker *b, const keel_breaker_permit *permit,
               keel_breaker_outcome outcome)
{
    return loose_end_with(b, permit, (keel_breaker_result){ .outcome = outcome });
}

void loose_calls(loose_breaker *b, keel_breaker_outcome outcome, unsigned count)
{
    keel_breaker_permit permit;

    while (count--) {
        ck_assert_int_eq(loose_admit(b, &permit), KEEL_OK);
        ck_assert(loose_end(b, &permit, outcome));
    }
}

keel_breaker_view loose_look(const loose_breaker *b)
{
    return keel_breaker_look(&b->breaker, b->now);
}

void loose_trip(loose_breaker *b)
{
    for (int i = 0; i < 1000 && loose_look(b).state == KEEL_BREAKER_CLOSED; i++)
        loose_calls(b, KEEL_OUTCOME_FAILED, 1);
    ck_assert_int_eq(loose_look(b).state, KEEL_BREAKER_OPEN);
}

void loose_probe(loose_breaker *b, keel_breaker_permit *permit)
{
    loose_trip(b);
    b->now = loose_look(b).due_at_ns;
    ck_assert_int_eq(loose_admit(b, permit), KEEL_OK);
    ck_assert_int_eq(loose_look(b).state, KEEL_BREAKER_HALF_OPEN);
}
