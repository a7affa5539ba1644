/* SPDX-License-Identifier: MIT */
/* The budget of copies, and when one is due. */
#include "policy/hedge.h"

#include "base/clock.h"

#define LEAST_NS KEEL_MS

bool keel_hedge_withdraw(keel_hedge_words *words)
{
    uint64_t credit = atomic_load_explicit(&words->credit, memory_order_relaxed);

    do {
        if (credit < KEEL_PPM)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &words->credit, &credit, credit - KEEL_PPM, memory_order_relaxed,
        memory_order_relaxed));
    return true;
}

void keel_hedge_give_back(keel_hedge_words *words)
{
    atomic_fetch_add_explicit(&words->credit, KEEL_PPM, memory_order_relaxed);
}

uint64_t keel_hedge_delay(const keel_policy *policy, const keel_latency_words *latency,
                          uint64_t now)
{
    uint64_t quantile_ns;

    if (!policy->hedge_quantile_ppm ||
        !keel_latency_quantile(latency, policy->hedge_quantile_ppm, now, &quantile_ns))
        return policy->hedge_ns;
    return quantile_ns > LEAST_NS ? quantile_ns : LEAST_NS;
}
