/* SPDX-License-Identifier: MIT */
/*
 * What is said of endpoints by others than attempts: an operator, an active check; and how
 * they look. Not for which one is next: endpoint_choice.h.
 */
#ifndef KEEL_POLICY_ENDPOINT_STATE_H
#define KEEL_POLICY_ENDPOINT_STATE_H

#include "policy/endpoint_set.h"

/*
 * An operator's: all breakers closed with empty windows, nobody ejected or on the way to
 * it, everybody at full weight.
 */
void keel_endpoints_reset(const keel_endpoints *set, const keel_policy *policy,
                          uint64_t now, keel_endpoint_changes *changes);

/*
 * What an active check says. One that is ill is no candidate but in a panic. One that is
 * healthy again, and whose breaker is open, need not be waited for: the next call that goes
 * there is a probe. True: it is another than was said before.
 */
bool keel_endpoints_say_health(const keel_endpoints *set, uint32_t index,
                               bool is_healthy, uint64_t now);

bool keel_endpoints_are_all_ill(const keel_endpoints *set);

/* A pure look. ok, failed: of the breaker's window; without one, since the last sweep. */
typedef struct keel_endpoint_view {
    bool has_breaker;
    keel_breaker_view breaker;
    bool is_ill;
    uint64_t ejected_left_ns; /* 0: it is not out */
    uint32_t ejections;
    uint64_t in_flight;
    uint64_t ok;
    uint64_t failed;
    double weight; /* in force now: part of the settings' while it starts slowly */
} keel_endpoint_view;

void keel_endpoints_view(const keel_endpoints *set, const keel_policy *policy,
                         uint32_t index, uint64_t now, keel_endpoint_view *view);

/* Whether all are used since too few are healthy, as the latest choice found it. */
static inline bool keel_endpoints_are_in_panic(const keel_endpoints *set)
{
    return atomic_load_explicit(&set->words->panic, memory_order_relaxed) != 0;
}

#endif
