/* SPDX-License-Identifier: MIT */
/* What becomes of a pipeline whose active check has come to another state. Not for the
 * check itself: that is lib/health. */
#include "call/health.h"

/* Processes with a breaker of their own end its open period each for itself. */
static bool may_hasten(const keel_plan *plan, keel_check_state state, bool is_ours)
{
    return state == KEEL_CHECK_HEALTHY && plan->policy.breaker &&
           (is_ours || !plan->breaker.self);
}

static void hasten(keel_pipeline *pipeline, keel_check_state state, bool is_ours)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(pipeline, &phase);
    bool is_over = may_hasten(plan, state, is_ours) &&
                   keel_breaker_hasten(&plan->breaker, keel_plan_now(pipeline, plan));

    keel_plan_exit(pipeline, phase);
    if (is_over)
        keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "health",
                         "pipeline=%s open=ended why=healthy", pipeline->name);
}

void keel_pipeline_checked(keel_pipeline *pipeline, keel_check_state state,
                           keel_status status, bool is_ours)
{
    keel_runtime *rt = pipeline->runtime;
    keel_event_record record = { .type = KEEL_EVENT_HEALTH,
                                 .pipeline = pipeline->number,
                                 .status = (uint16_t)status,
                                 .at_ns = rt->clock.now(rt->clock.ctx) };

    keel_runtime_log(rt, KEEL_LOG_INFO, "health", "pipeline=%s check=%s status=%s",
                     pipeline->name,
                     state == KEEL_CHECK_HEALTHY ? "healthy" : "unhealthy",
                     keel_status_name(status));
    keel_event_put(rt, &record);
    if (is_ours)
        keel_pipeline_note(pipeline, &record, 0);
    hasten(pipeline, state, is_ours);
    keel_events_deliver(rt);
}
