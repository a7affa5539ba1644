/* SPDX-License-Identifier: MIT */
/* A set of endpoints on its own, for tests of policies. */
#include "support/loose_endpoints.h"

#include <check.h>
#include <string.h>

#include "base/seed.h"

static double seeded(void *ctx)
{
    loose_endpoints *l = ctx;

    return (double)(keel_mix(l->seed += 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
}

void loose_endpoints_init(loose_endpoints *l)
{
    memset(l, 0, sizeof *l);
    l->now = 1000 * KEEL_S;
    l->seed = 4;
    l->random = (keel_random){ seeded, l };
    l->policy = (keel_policy){
        .healthy_share_ppm = 700000,
        .eject = true,
        .eject_consecutive = 5,
        .eject_interval_ns = 10 * KEEL_S,
        .eject_base_ns = 30 * KEEL_S,
        .eject_longest_ns = 300 * KEEL_S,
        .eject_share_ppm = KEEL_PPM / 2,
        .eject_deviations = 1.9,
        .eject_min_hosts = 5,
        .eject_min_calls = 100,
        .eject_panic_ppm = KEEL_PPM / 2,
    };
    ck_assert_int_eq(keel_board_open(&l->parts.board, NULL), KEEL_OK);
    l->parts.shared = l->parts.board;
    l->parts.pipeline = "payments";
}

void loose_endpoints_cleanup(loose_endpoints *l)
{
    keel_endpoints_free(l->set);
    keel_board_close(l->parts.board);
}

void loose_breakers_on(loose_endpoints *l)
{
    keel_policy *p = &l->policy;

    p->breaker = true;
    p->window_calls = 8;
    p->min_calls = 4;
    p->failure_rate_ppm = KEEL_PPM / 2;
    p->slow_rate_ppm = KEEL_PPM;
    p->open_first_ns = p->open_longest_ns = 5 * KEEL_S;
    p->open_multiplier = 2;
    p->half_open_permits = 2;
    p->half_open_slow = 1;
    p->early_decision = true;
    p->half_open_max_wait_ns = 30 * KEEL_S;
    p->lease_ns = 2 * KEEL_S;
}

void loose_list(loose_endpoints *l, const char *list)
{
    keel_endpoints *old = l->set;

    l->policy.endpoints = keel_text_of(list);
    ck_assert_int_eq(keel_endpoints_new(&l->set, &l->parts, &l->policy), KEEL_OK);
    ck_assert_ptr_nonnull(l->set);
    keel_endpoints_take_over(l->set, &l->policy, old, &l->old_policy, l->now);
    l->old_policy = l->policy;
    keel_endpoints_free(old);
}

keel_status loose_choose(loose_endpoints *l, keel_endpoint_pick *pick)
{
    const keel_endpoint_request request = {
        .now = l->now, .random = &l->random, .tried = l->tried, .affinity = l->affinity
    };

    l->changes.count = 0;
    return keel_endpoints_choose(l->set, &l->policy, &request, pick, &l->retry_after_ns,
                                 &l->changes);
}

bool loose_pick_end(loose_endpoints *l, keel_endpoint_pick *pick,
                    keel_breaker_outcome outcome)
{
    const keel_breaker_result result = { .outcome = outcome };

    l->changes.count = 0;
    return keel_endpoints_end(l->set, &l->policy, pick, &result, l->now, &l->random,
                              &l->changes);
}

uint32_t loose_attempt(loose_endpoints *l, keel_breaker_outcome outcome)
{
    keel_endpoint_pick pick;

    /* an assertion each would take longer than all else */
    if (loose_choose(l, &pick) != KEEL_OK || !loose_pick_end(l, &pick, outcome))
        ck_abort_msg("nothing was chosen, or what was is not held");
    return pick.index;
}

void loose_spread(loose_endpoints *l, uint32_t attempts,
                  uint32_t counts[KEEL_ENDPOINTS_MAX])
{
    memset(counts, 0, KEEL_ENDPOINTS_MAX * sizeof counts[0]);
    while (attempts--)
        counts[loose_attempt(l, KEEL_OUTCOME_OK)]++;
}

void loose_outcomes(loose_endpoints *l, uint32_t index, bool failed, uint32_t count)
{
    l->changes.count = 0;
    while (count--)
        keel_outlier_record(l->set, &l->policy, index, failed, l->now, &l->random,
                            &l->changes);
}

keel_endpoint_view loose_view(const loose_endpoints *l, uint32_t index)
{
    keel_endpoint_view view;

    keel_endpoints_view(l->set, &l->policy, index, l->now, &view);
    return view;
}

bool loose_told(const loose_endpoints *l, keel_endpoint_event event, uint32_t index)
{
    for (uint32_t i = 0; i < l->changes.count; i++)
        if (l->changes.items[i].event == event && l->changes.items[i].index == index)
            return true;
    return false;
}
