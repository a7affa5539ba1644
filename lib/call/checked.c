/* SPDX-License-Identifier: MIT */
/* What becomes of a pipeline whose active check has come to another state. Not for the
 * check itself: that is lib/health. */
#include "call/health.h"

#include <string.h>

/* ---- the breaker -------------------------------------------------------------------- */

/* Processes with a breaker of their own end its open period each for itself. */
static bool may_hasten(const keel_plan *plan, keel_check_state state, bool is_ours)
{
    return state == KEEL_CHECK_HEALTHY && plan->policy.breaker &&
           (is_ours || !plan->breaker.self);
}

static void hasten(keel_pipeline *pipeline, const keel_plan *plan,
                   keel_check_state state, bool is_ours)
{
    if (may_hasten(plan, state, is_ours) &&
        keel_breaker_hasten(&plan->breaker, keel_plan_now(pipeline, plan)))
        keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "health",
                         "pipeline=%s open=ended why=healthy", pipeline->name);
}

/* ---- telling ------------------------------------------------------------------------ */

static uint64_t hash_of(const keel_plan *plan, const char *endpoint)
{
    const keel_endpoints *set = plan->endpoints;
    uint32_t index = set && *endpoint ? keel_endpoints_find(set, endpoint) : 0;

    return set && *endpoint && index < set->count ? set->entries[index].hash : 0;
}

static void log_check(const keel_pipeline *pipeline, const char *endpoint,
                      keel_check_state state, keel_status status)
{
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "health",
                     "pipeline=%s%s%s check=%s status=%s", pipeline->name,
                     *endpoint ? " endpoint=" : "", endpoint,
                     state == KEEL_CHECK_HEALTHY ? "healthy" : "unhealthy",
                     keel_status_name(status));
}

void keel_pipeline_checked(keel_pipeline *pipeline, const char *endpoint,
                           keel_check_state state, keel_status status, bool is_ours)
{
    keel_runtime *rt = pipeline->runtime;
    keel_event_record record = { .type = KEEL_EVENT_HEALTH,
                                 .pipeline = pipeline->number,
                                 .status = (uint16_t)status,
                                 .at_ns = rt->clock.now(rt->clock.ctx) };
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(pipeline, &phase);

    record.endpoint = hash_of(plan, endpoint);
    log_check(pipeline, endpoint, state, status);
    keel_event_put(rt, &record);
    if (is_ours)
        keel_pipeline_note(pipeline, &record, 0);
    hasten(pipeline, plan, state, is_ours);
    keel_plan_exit(pipeline, phase);
    keel_events_deliver(rt);
}

/* ---- endpoints ---------------------------------------------------------------------- */

static void say(keel_pipeline *pipeline, const keel_plan *plan, const char *endpoint,
                bool is_healthy)
{
    const keel_endpoints *set = plan->endpoints;
    uint64_t now = keel_plan_now(pipeline, plan);

    for (uint32_t i = 0; set && i < set->count; i++)
        if (!endpoint || strcmp(set->entries[i].name, endpoint) == 0)
            keel_endpoints_say_health(set, i, is_healthy, now);
}

void keel_pipeline_say_health(keel_pipeline *pipeline, const char *endpoint,
                              bool is_healthy)
{
    keel_stripe stripe = keel_stripe_mine(&pipeline->stripes);
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter_as_it_is(pipeline, stripe, &phase);

    say(pipeline, plan, endpoint, is_healthy);
    keel_plan_exit_at(stripe, phase);
}
