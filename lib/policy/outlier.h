/* SPDX-License-Identifier: MIT */
/*
 * Outlier ejection: an endpoint that fails while others do not is taken out for a time.
 *
 *   in a row      eject.consecutive failures without a success between them
 *   success rate  once an eject.interval, of the endpoints with at least eject.min_calls
 *                 in it, if there are eject.min_hosts of these: below mean - eject.
 *                 success_rate * standard deviation (Envoy's outlier detection)
 *
 *   out for       min(eject.time's first * times, its longest), +- eject.jitter
 *   times         1 more with each ejection, 1 less with each interval not out
 *   at most       min(floor(eject.share * endpoints), endpoints - 1) at once, the one
 *                 about to go included
 *
 * Who comes first after an interval sweeps, in passing; there is no thread. An endpoint
 * is back when its time is over, whether anybody notices it or not.
 *
 * Its outcomes while it is out (in a panic, or of attempts begun before) do not count.
 */
#ifndef KEEL_POLICY_OUTLIER_H
#define KEEL_POLICY_OUTLIER_H

#include "base/clock.h"
#include "policy/endpoint_set.h"

/* How many of so many may be out at once. */
uint32_t keel_outliers_most(const keel_policy *policy, uint32_t hosts);

/* An outcome of an endpoint; nothing with eject off. */
void keel_outlier_record(const keel_endpoints *set, const keel_policy *policy,
                         uint32_t index, bool failed, uint64_t now,
                         const keel_random *random, keel_endpoint_changes *changes);

void keel_outliers_sweep(const keel_endpoints *set, const keel_policy *policy,
                         uint64_t now, const keel_random *random,
                         keel_endpoint_changes *changes);

/* Whether a sweep is due; also where a reload has made the interval shorter. */
static inline bool keel_outliers_are_due(const keel_endpoints *set,
                                         const keel_policy *policy, uint64_t now)
{
    uint64_t at = atomic_load_explicit(&set->words->sweep_at, memory_order_relaxed);

    return now >= at || at - now > policy->eject_interval_ns;
}

#endif
