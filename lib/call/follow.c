/* SPDX-License-Identifier: MIT */
/*
 * Which plan a pipeline follows: new settings, overrides, and when old plans are freed.
 */
#include "call/pipeline.h"

#include <errno.h>
#include <inttypes.h>

#include "base/detail.h"
#include "base/memory.h"
#include "call/health.h"

/* retiring plans */

static bool is_drained(const keel_pipeline *pipeline, uint32_t phase)
{
    return keel_phase_is_drained(&pipeline->stripes, phase);
}

/* One look: whatever can be freed now is. */
void keel_pipeline_free_drained_locked(keel_pipeline *pipeline)
{
    uint32_t phase = atomic_load_explicit(&pipeline->phase, memory_order_relaxed);

    if (pipeline->draining && is_drained(pipeline, phase ^ 1))
        keel_plan_free_all(&pipeline->draining);
    if (!pipeline->retired || pipeline->draining || !is_drained(pipeline, phase ^ 1))
        return;
    pipeline->draining = pipeline->retired;
    pipeline->retired = NULL;
    atomic_store_explicit(&pipeline->phase, phase ^ 1, memory_order_relaxed);
    if (is_drained(pipeline, phase))
        keel_plan_free_all(&pipeline->draining);
}

static void retire_locked(keel_pipeline *pipeline, keel_plan *plan)
{
    if (plan) {
        plan->next_retired = pipeline->retired;
        pipeline->retired = plan;
    }
    keel_pipeline_free_drained_locked(pipeline);
}

/* following settings */

static void set_gate(keel_pipeline *pipeline, const keel_plan *plan)
{
    keel_runtime *rt = pipeline->runtime;

    if (keel_runtime_is_disabled(rt))
        return;
    keel_gate_set(&pipeline->gate, plan);
    /* a request that shut the gate before it was set has set its flag before that */
    if (atomic_load(&rt->reload_wanted))
        keel_gate_shut(&pipeline->gate);
}

/* Calls under way hold words that the scopes have chosen, so a reload cannot choose
 * others. */
static void keep_scopes_locked(keel_pipeline *pipeline, keel_policy *policy)
{
    const keel_scopes now = { true, policy->share, policy->bulkhead_scope,
                              policy->rate_scope };
    keel_scopes *first = &pipeline->scopes;

    if (!first->is_set)
        *first = now;
    if (first->share != now.share || first->bulkhead != now.bulkhead ||
        first->rate != now.rate)
        keel_warn(
            &pipeline->runtime->warnings,
            "%s: share, bulkhead.scope and rate.scope stay as they were when it was "
            "first opened",
            pipeline->name);
    policy->share = first->share;
    policy->bulkhead_scope = first->bulkhead;
    policy->rate_scope = first->rate;
}

/* The shared board is full: a pipeline that opens now does without. */
static void go_alone_locked(keel_pipeline *pipeline, keel_policy *policy)
{
    keel_warn(
        &pipeline->runtime->warnings,
        "KEEL_BOARD: the board has no room for %s, or its lock is held; its state is "
        "this process's own",
        pipeline->name);
    pipeline->scopes = (keel_scopes){ .is_set = true };
    policy->share = policy->bulkhead_scope = policy->rate_scope = KEEL_SCOPE_PROCESS;
}

keel_status keel_pipeline_stage_locked(keel_pipeline *pipeline, keel_detail *why)
{
    keel_runtime *rt = pipeline->runtime;
    keel_plan_parts parts = { .memory = rt->memory,
                              .board = rt->board,
                              .shared = rt->shared,
                              .name = pipeline->name,
                              .stripes = &pipeline->stripes,
                              .bulkhead = &pipeline->bulkhead,
                              .tick_ns = rt->clock.tick_ns };
    keel_policy policy;
    bool is_full;
    keel_status status =
        keel_config_resolve(rt->config, pipeline->name, pipeline->code,
                            pipeline->override_text, &policy, NULL, why);

    if (status != KEEL_OK)
        return status;
    keep_scopes_locked(pipeline, &policy);
    pipeline->staged = keel_plan_new(&parts, &policy, &is_full);
    if (!pipeline->staged && is_full && parts.shared && !atomic_load(&pipeline->plan)) {
        go_alone_locked(pipeline, &policy);
        pipeline->staged = keel_plan_new(&parts, &policy, &is_full);
    }
    if (!pipeline->staged)
        return is_full ? keel_fail(why, KEEL_E_LIMIT,
                                   "the board has no room for the pipeline")
                       : keel_fail(why, KEEL_E_NOMEM,
                                   "no memory for the pipeline's settings");
    return keel_succeed(why);
}

void keel_pipeline_follow_locked(keel_pipeline *pipeline)
{
    const keel_clock *clock = &pipeline->runtime->clock;
    keel_plan *old = atomic_load(&pipeline->plan);
    keel_plan *plan = pipeline->staged;

    pipeline->staged = NULL;
    plan->is_override = pipeline->override_text != NULL;
    /* first, so that no call finds the new window empty and makes it look in use */
    keel_plan_take_over(plan, old, clock->now(clock->ctx));
    atomic_store_explicit(&pipeline->plan, plan, memory_order_release);
    /* pairs with the one in adapt_places (admission.c): either an attempt that ends by the
     * old plan sees the new one, or the limit it has set is seen here */
    atomic_thread_fence(memory_order_seq_cst);
    keel_plan_adapt(plan, old);
    set_gate(pipeline, plan);
    keel_pipeline_publish_limits_locked(pipeline);
    retire_locked(pipeline, old);
}

void keel_pipeline_drop_locked(keel_pipeline *pipeline)
{
    keel_plan_free(pipeline->staged);
    pipeline->staged = NULL;
    set_gate(pipeline, atomic_load(&pipeline->plan)); /* a request has shut it */
}

keel_status keel_pipeline_replan_locked(keel_pipeline *pipeline, keel_detail *why)
{
    keel_status status = keel_pipeline_stage_locked(pipeline, why);

    if (status == KEEL_OK)
        keel_pipeline_follow_locked(pipeline);
    return status;
}

/* overrides */

static keel_status set_override_locked(keel_pipeline *pipeline, const char *settings,
                                       uint64_t until, keel_detail *why)
{
    keel_runtime *rt = pipeline->runtime;
    char *old = pipeline->override_text;
    char *fresh = settings ? keel_memory_copy(rt->memory, settings) : NULL;
    keel_status status;

    if (settings && !fresh)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the override");
    status = settings ? keel_config_check_override(rt->config, pipeline->name,
                                                   pipeline->code, settings, why)
                      : KEEL_OK;
    if (status == KEEL_OK) {
        pipeline->override_text = fresh;
        status = keel_pipeline_replan_locked(pipeline, why);
    }
    if (status == KEEL_OK) {
        pipeline->override_until = until;
        keel_memory_free(rt->memory, old);
    } else {
        pipeline->override_text = old;
        keel_memory_free(rt->memory, fresh);
    }
    return status;
}

keel_status keel_pipeline_override(keel_pipeline *pipeline, const char *settings,
                                   uint64_t for_ns, keel_detail *why)
{
    keel_runtime *rt;
    int saved = errno;
    bool lifts = !settings || !*settings;
    keel_status status;

    if (!pipeline)
        return keel_fail(why, KEEL_E_ARGUMENT, "no pipeline");
    if (!lifts && for_ns == 0)
        return keel_fail(why, KEEL_E_ARGUMENT, "an override needs an end: for_ns is 0");
    rt = pipeline->runtime;
    keel_runtime_lock(rt);
    status = set_override_locked(
        pipeline, lifts ? NULL : settings,
        lifts ? 0 : keel_ns_add(rt->clock.now(rt->clock.ctx), for_ns), why);
    keel_runtime_unlock(rt);
    keel_health_attend(rt);
    if (status == KEEL_OK)
        keel_runtime_log(rt, KEEL_LOG_INFO, "operator",
                         "pipeline=%s override=%s for_ns=%" PRIu64, pipeline->name,
                         lifts ? "lifted" : "set", lifts ? 0 : for_ns);
    keel_events_deliver(rt);
    errno = saved;
    return status;
}

static void expire_override(keel_pipeline *pipeline)
{
    keel_runtime *rt = pipeline->runtime;
    bool is_over;

    if (!keel_runtime_try_lock(rt))
        return; /* somebody is changing settings just now; the next one looks again */
    is_over = pipeline->override_text &&
              rt->clock.now(rt->clock.ctx) >= pipeline->override_until &&
              set_override_locked(pipeline, NULL, 0, NULL) == KEEL_OK;
    keel_runtime_unlock(rt);
    if (is_over)
        keel_runtime_log(rt, KEEL_LOG_INFO, "operator", "pipeline=%s override=expired",
                         pipeline->name);
}

KEEL_SELDOM const keel_plan *keel_plan_after_override(keel_pipeline *pipeline,
                                                      const keel_plan *plan,
                                                      keel_stripe stripe,
                                                      uint32_t *phase)
{
    int saved = errno;

    expire_override(pipeline);
    errno = saved;
    if (atomic_load_explicit(&pipeline->plan, memory_order_relaxed) == plan)
        return plan;
    keel_plan_exit_at(stripe, *phase);
    return keel_plan_enter_as_it_is(pipeline, stripe, phase);
}
