/* SPDX-License-Identifier: MIT */
/* What is said of endpoints, and how they look. */
#include "policy/endpoint_state.h"

#include "base/clock.h"
#include "policy/endpoint_draw.h"

/* ---- an operator --------------------------------------------------------------- */

static void reset_breaker(const keel_endpoint_entry *entry, const keel_policy *policy,
                          uint32_t index, uint64_t now, keel_endpoint_changes *changes)
{
    keel_changes moves = { .count = 0 };

    /* closed so long ago that it does not start slowly */
    if (entry->breaker.words)
        keel_breaker_reset(&entry->breaker, keel_ns_left(now, policy->slow_start_ns),
                           &moves);
    keel_endpoint_note_moves(changes, index, &moves);
}

static void reset_ejection(const keel_endpoint_entry *entry, uint32_t index,
                           keel_endpoint_changes *changes)
{
    uint64_t ejection = atomic_exchange(&entry->words->ejection, 0);

    atomic_store_explicit(&entry->words->row, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->words->tally, 0, memory_order_relaxed);
    if (ejection & KEEL_EJECTION_OUT)
        keel_endpoint_note(
            changes, &(keel_endpoint_change){ .event = KEEL_ENDPOINT_RESTORED,
                                              .index = index,
                                              .move = { .cause = KEEL_CAUSE_RESET } });
}

/* What a check says stands; since when one is healthy is forgotten. */
static void forget_return(const keel_endpoint_entry *entry)
{
    uint64_t health = atomic_load_explicit(&entry->words->health, memory_order_relaxed);

    if (!(health & KEEL_ENDPOINT_ILL))
        atomic_compare_exchange_strong(&entry->words->health, &health, 0);
}

void keel_endpoints_reset(const keel_endpoints *set, const keel_policy *policy,
                          uint64_t now, keel_endpoint_changes *changes)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const keel_endpoint_entry *entry = &set->entries[i];

        reset_breaker(entry, policy, i, now, changes);
        reset_ejection(entry, i, changes);
        forget_return(entry);
    }
}

/* ---- active checks ------------------------------------------------------------- */

bool keel_endpoints_say_health(const keel_endpoints *set, uint32_t index,
                               bool is_healthy, uint64_t now)
{
    const keel_endpoint_entry *entry = &set->entries[index];
    _Atomic uint64_t *health = &entry->words->health;
    uint64_t old = atomic_load_explicit(health, memory_order_relaxed);
    uint64_t fresh = is_healthy ? now & ~KEEL_ENDPOINT_ILL : now | KEEL_ENDPOINT_ILL;

    do {
        if (is_healthy != !!(old & KEEL_ENDPOINT_ILL))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        health, &old, fresh, memory_order_relaxed, memory_order_relaxed));
    if (is_healthy && entry->breaker.words)
        (void)keel_breaker_hasten(&entry->breaker, now);
    return true;
}

bool keel_endpoints_are_all_ill(const keel_endpoints *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (!keel_endpoint_is_ill(&set->entries[i]))
            return false;
    return true;
}

/* ---- looks --------------------------------------------------------------------- */

void keel_endpoints_view(const keel_endpoints *set, const keel_policy *policy,
                         uint32_t index, uint64_t now, keel_endpoint_view *view)
{
    const keel_endpoint_entry *entry = &set->entries[index];
    const keel_endpoint_words *words = entry->words;
    uint64_t ejection = atomic_load_explicit(&words->ejection, memory_order_relaxed);
    uint64_t tally = atomic_load_explicit(&words->tally, memory_order_relaxed);

    *view = (keel_endpoint_view){
        .has_breaker = entry->breaker.words != NULL,
        .is_ill = keel_endpoint_is_ill(entry),
        .ejected_left_ns = keel_ejection_holds(ejection, now)
                               ? keel_ejection_until_ns(ejection) - now
                               : 0,
        .ejections = keel_ejection_times(ejection),
        .in_flight = keel_endpoint_load(entry),
        .ok = (uint32_t)tally,
        .failed = tally >> 32,
        .weight = (double)keel_endpoint_weight_now(entry, policy, now) /
                  KEEL_ENDPOINT_WEIGHT_UNIT,
    };
    if (!view->has_breaker)
        return;
    view->breaker = keel_breaker_look(&entry->breaker, now);
    view->failed = view->breaker.totals.failed;
    view->ok = view->breaker.totals.total - view->failed;
}
