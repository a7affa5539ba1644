/* SPDX-License-Identifier: MIT */
/*
 * The way of nearly every call: a simple plan, a closed breaker, a free place, a success
 * in time. Inline, because this is what keel costs; whatever is different takes
 * machine.c's way, and each function here says so by having done nothing.
 */
#ifndef KEEL_CALL_QUICK_H
#define KEEL_CALL_QUICK_H

#include "call/machine.h"

/* The clock of a call starts at its first step. */
static inline void keel_machine_begin_clock(keel_machine *m, uint64_t now)
{
    const keel_policy *policy = &m->plan->policy;

    m->flags.has_begun = true;
    m->began_at = now;
    if (policy->deadline_ns)
        m->deadline_at =
            keel_ns_min(m->deadline_at, keel_ns_add(now, policy->deadline_ns));
    if (policy->retry)
        keel_budget_call(&m->plan->budget, policy, keel_machine_stripe(m), now);
}

static inline bool keel_machine_is_late(const keel_machine *m, uint64_t now)
{
    return now >= m->deadline_at || m->deadline_at - now < keel_machine_least_ns(m);
}

static inline void keel_machine_begin_attempt(keel_machine *m, uint64_t now)
{
    uint64_t timeout = m->plan->policy.timeout_ns;

    m->phase = KEEL_PHASE_ATTEMPT;
    m->tries++;
    m->attempts++;
    m->flags.attempt_is_extra = m->attempts > 1;
    m->flags.has_token = false;
    m->attempt_at = now;
    m->attempt_until =
        keel_ns_min(m->deadline_at, timeout ? keel_ns_add(now, timeout) : KEEL_NEVER);
    keel_budget_begin(&m->plan->budget, &m->plan->policy);
}

/* True: make the attempt. */
static inline bool keel_machine_try(keel_machine *m, uint64_t now)
{
    if (m->phase != KEEL_PHASE_READY || m->cancel)
        return false;
    if (!m->flags.has_begun)
        keel_machine_begin_clock(m, now);
    if (keel_machine_is_late(m, now) ||
        !keel_admission_try(m->plan, &m->admission, now))
        return false;
    keel_machine_begin_attempt(m, now);
    return true;
}

/*
 * True: an open breaker that nobody holds has refused the call, which is over. This is
 * every call in an outage, so it takes no longer than a success.
 */
static inline bool keel_machine_try_refuse(keel_machine *m, uint64_t now)
{
    const keel_plan *plan = m->plan;
    uint64_t state, due;

    if (m->phase != KEEL_PHASE_READY || m->cancel || !plan->is_simple ||
        !plan->policy.breaker || m->attempts > 0 || m->flags.is_idempotent ||
        keel_machine_is_late(m, now) ||
        atomic_load_explicit(&m->pipeline->runtime->watchers, memory_order_relaxed) ||
        atomic_load_explicit(&plan->breaker.words->lock, memory_order_relaxed))
        return false;
    state = atomic_load_explicit(&plan->breaker.words->state, memory_order_acquire);
    due = keel_breaker_words_due(plan->breaker.words, state);
    if (keel_word_state(state) != KEEL_BREAKER_OPEN || now >= due)
        return false;
    m->status = KEEL_REJECTED_OPEN;
    m->phase = KEEL_PHASE_ENDED;
    m->reason = KEEL_REASON_OPEN;
    m->retry_after_ns = due - now;
    keel_count_rejected(m->pipeline, keel_machine_stripe(m), now);
    return true;
}

/* True: the success is recorded and the call is over. */
static inline bool keel_machine_try_ok(keel_machine *m, uint64_t now)
{
    const keel_policy *policy = &m->plan->policy;

    if (now > m->attempt_until ||
        !keel_admission_try_end(m->plan, &m->admission, keel_machine_stripe(m),
                                m->attempt_at, now))
        return false;
    if (policy->budget_mode > KEEL_BUDGET_RATIO)
        keel_budget_end(&m->plan->budget, policy, m->flags.attempt_is_extra, true,
                        false);
    m->status = KEEL_OK;
    m->phase = KEEL_PHASE_ENDED;
    m->reason = KEEL_REASON_NONE;
    m->retry_after_ns = 0;
    return true;
}

#endif
