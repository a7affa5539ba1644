/* SPDX-License-Identifier: MIT */
/* Opening and shutting the gate. Not for passing it: that is permit.c and run.c. */
#include "call/gate.h"

/* What is set once is the same ever after, and read meanwhile. */

static uint32_t set_breaker(keel_gate *gate, const keel_plan *plan)
{
    const keel_policy *policy = &plan->policy;

    if (!gate->breaker)
        gate->breaker = plan->breaker.words;
    /* one who saw the gate before may read it just now */
    if (plan->breaker.window.time)
        atomic_store_explicit(&gate->window, plan->breaker.window.time,
                              memory_order_relaxed);
    if (!plan->is_simple || plan->has_places || !policy->window_ns)
        return KEEL_GATE_BREAKER;
    if (!policy->slow_call_ns)
        return KEEL_GATE_BREAKER | KEEL_GATE_ALONE;
    if (!gate->starts.words)
        gate->starts = plan->breaker.starts;
    atomic_store_explicit(&gate->slow_call_ns, policy->slow_call_ns,
                          memory_order_relaxed);
    return KEEL_GATE_BREAKER | KEEL_GATE_TIMED;
}

static uint32_t set_places(keel_gate *gate, const keel_plan *plan)
{
    if (plan->needs_time)
        return 0;
    if (!gate->places.words)
        gate->places = (keel_bulkhead){ .words = plan->bulkhead.words,
                                        .common = plan->bulkhead.common };
    return KEEL_GATE_PLACES;
}

static uint32_t set_tokens(keel_gate *gate, const keel_plan *plan)
{
    if (!gate->tokens)
        gate->tokens = plan->rate.words;
    atomic_store_explicit(&gate->interval_ns, plan->rate.interval_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&gate->burst_ns, plan->rate.burst_ns, memory_order_relaxed);
    return KEEL_GATE_TOKENS;
}

static uint32_t set_policies(keel_gate *gate, const keel_plan *plan)
{
    const keel_policy *policy = &plan->policy;

    if (plan->is_override || policy->throttle || policy->adaptive)
        return 0;
    if (policy->breaker)
        return policy->rate.count ? 0 : set_breaker(gate, plan);
    if (!plan->is_simple || (policy->bulkhead && policy->rate.count))
        return 0;
    if (policy->bulkhead)
        return set_places(gate, plan);
    return policy->rate.count ? set_tokens(gate, plan) : 0;
}

void keel_gate_set(keel_gate *gate, const keel_plan *plan)
{
    uint32_t bits;

    if (plan->breaker.window.stripes) /* also where the gate is shut: refusals */
        atomic_store_explicit(&gate->lines, plan->breaker.window.stripes,
                              memory_order_relaxed);
    bits = set_policies(gate, plan);

    if (bits && plan->uses_coarse_clock)
        bits |= KEEL_GATE_COARSE;
    /* releases what is behind the gate; seq_cst for keel_pipeline's look at a request */
    atomic_store(&gate->bits, bits);
}

void keel_gate_shut(keel_gate *gate)
{
    atomic_store(&gate->bits, 0);
}
