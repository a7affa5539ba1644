/* SPDX-License-Identifier: MIT */
/*
 * Hedging: when a second copy of a slow call is due, and how many copies all calls of a
 * pipeline may send. Not for the race between copies: call/race.h.
 *
 * The budget is credit in millionths of a copy: every call that may be hedged adds
 * hedge.budget of one, a copy takes a whole one. What is saved up is bounded, so that a
 * quiet hour pays for no storm: at any time at most hedge.budget * calls + 10 copies
 * have been sent. (brpc refreshes a cached ratio every 5 s, and lets a burst through
 * between; here it is counted as it happens.)
 */
#ifndef KEEL_POLICY_HEDGE_H
#define KEEL_POLICY_HEDGE_H

#include <stdatomic.h>

#include "policy/latency.h"
#include "settings/policy.h"

enum { KEEL_HEDGE_SAVED_MAX = 10 };

/* Zeros: nothing is saved. */
typedef struct keel_hedge_words {
    _Atomic uint64_t credit;
    _Atomic uint64_t sent; /* copies, ever */
    _Atomic uint64_t won;  /* of these, answered first */
    uint64_t spare[5];
} keel_hedge_words;

/* A call begins that may be hedged. Relaxed: a count, which orders nothing. */
static inline void keel_hedge_call(keel_hedge_words *words, const keel_policy *policy)
{
    uint64_t most = (uint64_t)KEEL_HEDGE_SAVED_MAX * KEEL_PPM;

    if (atomic_load_explicit(&words->credit, memory_order_relaxed) < most)
        atomic_fetch_add_explicit(&words->credit, policy->hedge_budget_ppm,
                                  memory_order_relaxed);
}

/* Asks for one copy. False: the budget is spent. */
bool keel_hedge_withdraw(keel_hedge_words *words);

/* The copy was not sent after all. */
void keel_hedge_give_back(keel_hedge_words *words);

/*
 * After how long a copy is due; KEEL_NEVER: not at all. Of a quantile at least 1 ms:
 * below that a copy costs more than it saves.
 */
uint64_t keel_hedge_delay(const keel_policy *policy, const keel_latency_words *latency,
                          uint64_t now);

#endif
