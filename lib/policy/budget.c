/* SPDX-License-Identifier: MIT */
/* The retry budget. Every mode counts first and looks then, so that it is never
 * exceeded. */
#include "policy/budget.h"

#include "base/clock.h"

enum { COST = 10, COST_THROTTLED = 5, FLOOR_IN_FLIGHT = 3 };

#define MICRO ((uint64_t)1000000)

size_t keel_budget_size(void)
{
    return sizeof(keel_budget_words) + KEEL_BUDGET_BUCKETS * sizeof(uint64_t);
}

void keel_budget_init(keel_budget *budget, keel_budget_words *words,
                      const keel_stripes *stripes)
{
    budget->words = words;
    keel_time_window_init(&budget->window, &words->window, stripes, KEEL_STRIPE_CALLS,
                          KEEL_BUDGET_BUCKETS * KEEL_S, KEEL_BUDGET_BUCKETS, false);
}

/* floor * 10 s, in millionths of an attempt */
static unsigned __int128 floor_micro(const keel_policy *policy)
{
    if (!policy->budget_floor.period_ns)
        return 0;
    return (unsigned __int128)policy->budget_floor.count * MICRO * KEEL_BUDGET_BUCKETS *
           KEEL_S / policy->budget_floor.period_ns;
}

static bool ratio_withdraw(const keel_budget *budget, const keel_policy *policy,
                           uint64_t now)
{
    keel_totals t;
    unsigned __int128 allowed;

    keel_window_record(&budget->window, 0, now, true, false);
    t = keel_window_sum(&budget->window, 0, now);
    allowed = (unsigned __int128)policy->budget_ratio_ppm * (t.total - t.failed) +
              floor_micro(policy);
    /* our own is counted already, hence no "- 1" */
    if (allowed >= (unsigned __int128)t.failed * MICRO)
        return true;
    keel_window_withdraw(&budget->window, 0, now);
    return false;
}

static bool tokens_withdraw(const keel_budget *budget, const keel_policy *policy,
                            uint64_t cost)
{
    uint64_t spent = atomic_load_explicit(&budget->words->spent, memory_order_relaxed);

    do {
        if (spent + cost > policy->budget_tokens)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->words->spent, &spent,
                                                    spent + cost, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static bool grpc_allows(const keel_budget *budget, const keel_policy *policy)
{
    uint64_t most = policy->budget_tokens * MICRO;
    uint64_t spent = atomic_load_explicit(&budget->words->spent, memory_order_relaxed);

    return spent < most && 2 * (most - spent) > most;
}

static bool in_flight_withdraw(const keel_budget *budget, const keel_policy *policy)
{
    uint64_t all =
        atomic_load_explicit(&budget->words->in_flight, memory_order_relaxed);
    uint64_t extra =
        atomic_fetch_add_explicit(&budget->words->extra, 1, memory_order_relaxed);

    if (extra < FLOOR_IN_FLIGHT || extra * MICRO < all * policy->budget_ratio_ppm)
        return true;
    atomic_fetch_sub_explicit(&budget->words->extra, 1, memory_order_relaxed);
    return false;
}

bool keel_budget_withdraw(const keel_budget *budget, const keel_policy *policy,
                          uint64_t now, bool throttled)
{
    switch (policy->budget_mode) {
    case KEEL_BUDGET_OFF:
        return true;
    case KEEL_BUDGET_RATIO:
        return ratio_withdraw(budget, policy, now);
    case KEEL_BUDGET_TOKENS:
        return tokens_withdraw(budget, policy, throttled ? COST_THROTTLED : COST);
    case KEEL_BUDGET_GRPC:
        return grpc_allows(budget, policy);
    case KEEL_BUDGET_INFLIGHT:
        return in_flight_withdraw(budget, policy);
    }
    return true;
}

/* spent - amount, not below zero; mostly there is nothing to do. */
static void give(const keel_budget *budget, uint64_t amount)
{
    uint64_t spent = atomic_load_explicit(&budget->words->spent, memory_order_relaxed);

    while (spent &&
           !atomic_compare_exchange_weak_explicit(
               &budget->words->spent, &spent, spent > amount ? spent - amount : 0,
               memory_order_relaxed, memory_order_relaxed))
        ;
}

/* spent + amount, not above most. */
static void take(const keel_budget *budget, uint64_t amount, uint64_t most)
{
    uint64_t spent = atomic_load_explicit(&budget->words->spent, memory_order_relaxed);

    while (spent < most &&
           !atomic_compare_exchange_weak_explicit(
               &budget->words->spent, &spent, keel_ns_min(spent + amount, most),
               memory_order_relaxed, memory_order_relaxed))
        ;
}

void keel_budget_give_back(const keel_budget *budget, const keel_policy *policy,
                           uint64_t withdrawn_at, bool throttled)
{
    if (policy->budget_mode == KEEL_BUDGET_RATIO)
        keel_window_withdraw(&budget->window, 0, withdrawn_at);
    else if (policy->budget_mode == KEEL_BUDGET_TOKENS)
        give(budget, throttled ? COST_THROTTLED : COST);
    else if (policy->budget_mode == KEEL_BUDGET_INFLIGHT)
        atomic_fetch_sub_explicit(&budget->words->extra, 1, memory_order_relaxed);
}

void keel_budget_end(const keel_budget *budget, const keel_policy *policy, bool extra,
                     bool ok, bool failed)
{
    if (policy->budget_mode == KEEL_BUDGET_INFLIGHT) {
        atomic_fetch_sub_explicit(&budget->words->in_flight, 1, memory_order_relaxed);
        if (extra)
            atomic_fetch_sub_explicit(&budget->words->extra, 1, memory_order_relaxed);
    } else if (policy->budget_mode == KEEL_BUDGET_TOKENS && ok) {
        give(budget, 1);
    } else if (policy->budget_mode == KEEL_BUDGET_GRPC && ok) {
        give(budget, policy->budget_refund_micro);
    } else if (policy->budget_mode == KEEL_BUDGET_GRPC && failed) {
        take(budget, MICRO, policy->budget_tokens * MICRO);
    }
}
