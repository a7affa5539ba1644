/* SPDX-License-Identifier: MIT */
/* Outlier ejection. */
#include "policy/outlier.h"

#include <math.h>

#define FAILED ((uint64_t)1 << 32)

uint32_t keel_outliers_most(const keel_policy *policy, uint32_t hosts)
{
    uint32_t share = (uint32_t)((uint64_t)policy->eject_share_ppm * hosts / KEEL_PPM);

    return share < hosts ? share : hosts - 1;
}

/* ---- taking one out ------------------------------------------------------------- */

static uint32_t count_out(const keel_endpoints *set, uint64_t now)
{
    uint32_t count = 0;

    /* seq_cst, as the swap is: of two who eject at once, one at least sees both */
    for (uint32_t i = 0; i < set->count; i++)
        count +=
            keel_ejection_holds(atomic_load(&set->entries[i].words->ejection), now);
    return count;
}

/* min(first * times, longest), with jitter. */
static uint64_t out_length(const keel_policy *policy, uint32_t times,
                           const keel_random *random)
{
    double jitter = (double)policy->eject_jitter_ppm / KEEL_PPM;
    double length =
        fmin((double)policy->eject_base_ns * times, (double)policy->eject_longest_ns);

    if (jitter > 0)
        length *= 1 - jitter + 2 * jitter * keel_random_draw(random);
    return (uint64_t)length;
}

static void tell_ejected(uint32_t index, keel_cause cause, uint32_t times,
                         uint64_t for_ns, keel_endpoint_changes *changes)
{
    keel_endpoint_note(changes, &(keel_endpoint_change){ .event = KEEL_ENDPOINT_EJECTED,
                                                         .index = index,
                                                         .move = { .cause = cause },
                                                         .for_ns = for_ns,
                                                         .times = times });
}

/*
 * Who finds too many out after he has put one more out takes that back; so there may be
 * one too many for a moment, or for its time if he is killed in it. A choice that finds
 * nobody left uses all.
 */
static void eject(const keel_endpoints *set, const keel_policy *policy, uint32_t index,
                  keel_cause cause, uint64_t now, const keel_random *random,
                  keel_endpoint_changes *changes)
{
    keel_endpoint_words *words = set->entries[index].words;
    uint32_t most = keel_outliers_most(policy, set->count);
    uint64_t old = atomic_load(&words->ejection);
    uint32_t times = keel_ejection_times(old);
    uint64_t fresh, length;

    if (keel_ejection_holds(old, now) || count_out(set, now) >= most)
        return;
    times += times < KEEL_EJECTION_TIMES_MAX;
    length = out_length(policy, times, random);
    fresh = keel_ejection_pack(times, keel_ns_add(now, length + 999) / 1000);
    if (!atomic_compare_exchange_strong(&words->ejection, &old, fresh))
        return;
    if (count_out(set, now) > most) {
        atomic_compare_exchange_strong(&words->ejection, &fresh, old);
        return;
    }
    atomic_store_explicit(&words->row, 0, memory_order_relaxed);
    tell_ejected(index, cause, times, length, changes);
}

/* ---- in a row ------------------------------------------------------------------- */

static void count_failure(const keel_endpoints *set, const keel_policy *policy,
                          uint32_t index, uint64_t now, const keel_random *random,
                          keel_endpoint_changes *changes)
{
    _Atomic uint64_t *row = &set->entries[index].words->row;
    uint64_t failures = atomic_fetch_add_explicit(row, 1, memory_order_relaxed) + 1;

    if (policy->eject_consecutive && failures >= policy->eject_consecutive)
        eject(set, policy, index, KEEL_CAUSE_CONSECUTIVE, now, random, changes);
}

void keel_outlier_record(const keel_endpoints *set, const keel_policy *policy,
                         uint32_t index, bool failed, uint64_t now,
                         const keel_random *random, keel_endpoint_changes *changes)
{
    const keel_endpoint_entry *entry = &set->entries[index];

    if (!policy->eject || keel_endpoint_is_ejected(entry, now))
        return;
    /* one word of both, so that a sweep takes what belongs together */
    atomic_fetch_add_explicit(&entry->words->tally, failed ? FAILED : 1,
                              memory_order_relaxed);
    if (failed)
        count_failure(set, policy, index, now, random, changes);
    else if (atomic_load_explicit(&entry->words->row, memory_order_relaxed))
        atomic_store_explicit(&entry->words->row, 0, memory_order_relaxed);
}

/* ---- by success rate ------------------------------------------------------------ */

/* The rates of those with calls enough; -1: of the others. */
typedef struct rates {
    double of[KEEL_ENDPOINTS_MAX];
    uint32_t count;
    double sum;
} rates;

static double rate_of(uint64_t tally, uint32_t min_calls)
{
    uint64_t ok = (uint32_t)tally, calls = ok + (tally >> 32);

    return calls && calls >= min_calls ? (double)ok / (double)calls : -1;
}

/* Begins a new interval with what the last one came to. */
static void take_tallies(const keel_endpoints *set, const keel_policy *policy, rates *r)
{
    for (uint32_t i = 0; i < set->count; i++) {
        _Atomic uint64_t *tally = &set->entries[i].words->tally;

        r->of[i] = rate_of(atomic_exchange_explicit(tally, 0, memory_order_relaxed),
                           policy->eject_min_calls);
        if (r->of[i] < 0)
            continue;
        r->count++;
        r->sum += r->of[i];
    }
}

/* Below it an endpoint goes. */
static double threshold(const keel_endpoints *set, const rates *r, double deviations)
{
    double mean = r->sum / r->count, squares = 0;

    for (uint32_t i = 0; i < set->count; i++)
        if (r->of[i] >= 0)
            squares += (r->of[i] - mean) * (r->of[i] - mean);
    /* a little less: equal rates are not below their mean, whatever it is rounded to */
    return mean - deviations * sqrt(squares / r->count) - 1e-9;
}

static void judge(const keel_endpoints *set, const keel_policy *policy, const rates *r,
                  uint64_t now, const keel_random *random,
                  keel_endpoint_changes *changes)
{
    double least;

    if (policy->eject_deviations <= 0 || r->count < policy->eject_min_hosts)
        return;
    least = threshold(set, r, policy->eject_deviations);
    for (uint32_t i = 0; i < set->count; i++)
        if (r->of[i] >= 0 && r->of[i] < least)
            eject(set, policy, i, KEEL_CAUSE_FAILURE_RATE, now, random, changes);
}

/* ---- sweeps --------------------------------------------------------------------- */

/* Of one who is not out: that he is back is told once, and then he is forgiven. */
static void forgive(const keel_endpoints *set, uint32_t index, uint64_t intervals,
                    uint64_t now, keel_endpoint_changes *changes)
{
    _Atomic uint64_t *ejection = &set->entries[index].words->ejection;
    uint64_t old = atomic_load_explicit(ejection, memory_order_relaxed);
    uint64_t times = keel_ejection_times(old);
    uint64_t fresh = old & KEEL_EJECTION_UNTIL;
    bool was_out = old & KEEL_EJECTION_OUT;

    if (keel_ejection_holds(old, now) || (!times && !was_out))
        return;
    if (was_out && keel_endpoint_changes_are_full(changes))
        return; /* the next sweep has room to tell it */
    if (was_out)
        fresh |= times << 52;
    else
        fresh |= (times > intervals ? times - intervals : 0) << 52;
    if (atomic_compare_exchange_strong(ejection, &old, fresh) && was_out)
        keel_endpoint_note(changes,
                           &(keel_endpoint_change){ .event = KEEL_ENDPOINT_RESTORED,
                                                    .index = index,
                                                    .times = (uint32_t)times });
}

void keel_outliers_sweep(const keel_endpoints *set, const keel_policy *policy,
                         uint64_t now, const keel_random *random,
                         keel_endpoint_changes *changes)
{
    uint64_t due = atomic_load_explicit(&set->words->sweep_at, memory_order_relaxed);
    /* intervals in which nobody called were healthy ones, with nothing to judge */
    uint64_t missed = keel_ns_left(now, due) / policy->eject_interval_ns;
    rates r = { .count = 0 };

    if (!keel_outliers_are_due(set, policy, now) ||
        !atomic_compare_exchange_strong_explicit(
            &set->words->sweep_at, &due, keel_ns_add(now, policy->eject_interval_ns),
            memory_order_relaxed, memory_order_relaxed))
        return;
    take_tallies(set, policy, &r);
    if (!missed)
        judge(set, policy, &r, now, random, changes);
    for (uint32_t i = 0; i < set->count; i++)
        forgive(set, i, missed + 1, now, changes);
}
