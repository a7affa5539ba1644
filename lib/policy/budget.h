/* SPDX-License-Identifier: MIT */
/*
 * The retry budget: how many extra attempts a pipeline may make. First attempts are
 * never gated. Four modes (keel-retry(7)):
 *   ratio     ratio * calls + floor * 10 s - extra >= 1, over the last ten seconds
 *             (after Finagle's RetryBudget)
 *   tokens    a bucket; a retry costs 10, 5 when throttled, paid in full; a success
 *             gives 1 back (after the AWS SDKs)
 *   grpc      level - 1 a failure, + refund a success; allowed strictly above half (A6)
 *   inflight  extra in flight < max(3, ratio * all in flight) (after Envoy)
 * Words start as zeros, which is a full budget: what is kept is what was spent.
 */
#ifndef KEEL_POLICY_BUDGET_H
#define KEEL_POLICY_BUDGET_H

#include <stdatomic.h>

#include "settings/policy.h"
#include "policy/window.h"

enum { KEEL_BUDGET_BUCKETS = 10 };

typedef struct keel_budget_words {
    _Atomic uint64_t spent;     /* tokens: tokens; grpc: millionths */
    _Atomic uint64_t in_flight; /* inflight: attempts under way */
    _Atomic uint64_t extra;     /* inflight: of these, extra ones (or about to begin) */
    uint64_t spare;
    keel_time_window_words window; /* ratio: calls are successes, extras failures */
} keel_budget_words;

size_t keel_budget_size(void);

typedef struct keel_budget {
    keel_budget_words *words;
    keel_window window;
} keel_budget;

void keel_budget_init(keel_budget *budget, keel_budget_words *words,
                      const keel_stripes *stripes);

/* A call begins. */
static inline void keel_budget_call(const keel_budget *budget,
                                    const keel_policy *policy, keel_stripe stripe,
                                    uint64_t now)
{
    if (policy->budget_mode == KEEL_BUDGET_RATIO &&
        !keel_window_try_ok(&budget->window, stripe, 0, now))
        keel_window_record(&budget->window, 0, now, false, false);
}

/* Asks for one extra attempt. False: the budget is spent. */
bool keel_budget_withdraw(const keel_budget *budget, const keel_policy *policy,
                          uint64_t now, bool throttled);

/* The extra attempt was not made after all. withdrawn_at: when it was asked for. */
void keel_budget_give_back(const keel_budget *budget, const keel_policy *policy,
                           uint64_t withdrawn_at, bool throttled);

/* An attempt begins; it ends, well or not. */
static inline void keel_budget_begin(const keel_budget *budget,
                                     const keel_policy *policy)
{
    if (policy->budget_mode == KEEL_BUDGET_INFLIGHT)
        atomic_fetch_add_explicit(&budget->words->in_flight, 1, memory_order_relaxed);
}

void keel_budget_end(const keel_budget *budget, const keel_policy *policy, bool extra,
                     bool ok, bool failed);

#endif
