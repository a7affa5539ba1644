/* SPDX-License-Identifier: MIT */
/* What operators do to a breaker, and what they see of a pipeline. */
#include "call/pipeline.h"

#include <inttypes.h>
#include <string.h>

/* the operator's side of the breaker */

/* Runs with a plan that stays; the plan decides whether there is a breaker. */
typedef struct visit {
    keel_pipeline *pipeline;
    const keel_plan *plan;
    uint32_t phase;
    uint64_t now;
} visit;

static bool visit_begin(visit *v, keel_pipeline *pipeline)
{
    if (!pipeline)
        return false;
    v->pipeline = pipeline;
    v->plan = keel_plan_enter_as_it_is(pipeline, keel_stripe_mine(&pipeline->stripes),
                                       &v->phase);
    v->now = keel_plan_now(pipeline, v->plan);
    return true;
}

static keel_status visit_end(visit *v, const keel_changes *changes, keel_status status)
{
    keel_pipeline_tell_changes(v->pipeline, changes, v->now);
    keel_plan_exit(v->pipeline, v->phase);
    keel_events_deliver(v->pipeline->runtime);
    return status;
}

keel_status keel_pipeline_lock(keel_pipeline *pipeline, keel_lock lock, uint64_t for_ns)
{
    keel_changes none = { .count = 0 };
    visit v;

    if ((uint32_t)lock > KEEL_LOCK_OBSERVE || !visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    if (!v.plan->policy.breaker)
        return visit_end(&v, &none, KEEL_E_STATE);
    keel_breaker_lock(&v.plan->breaker, lock, for_ns ? keel_ns_add(v.now, for_ns) : 0);
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "operator",
                     "pipeline=%s lock=%s for_ns=%" PRIu64, pipeline->name,
                     keel_lock_name(lock), for_ns);
    return visit_end(&v, &none, KEEL_OK);
}

keel_status keel_pipeline_unlock(keel_pipeline *pipeline)
{
    return keel_pipeline_lock(pipeline, KEEL_LOCK_NONE, 0);
}

keel_status keel_pipeline_reset(keel_pipeline *pipeline)
{
    keel_changes changes = { .count = 0 };
    visit v;

    if (!visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    if (!v.plan->policy.breaker)
        return visit_end(&v, &changes, KEEL_E_STATE);
    keel_breaker_reset(&v.plan->breaker, v.now, &changes);
    return visit_end(&v, &changes, KEEL_OK);
}

keel_status keel_pipeline_transition(keel_pipeline *pipeline, keel_breaker_state state,
                                     uint64_t for_ns)
{
    keel_changes changes = { .count = 0 };
    keel_status status;
    visit v;

    if ((uint32_t)state > KEEL_BREAKER_HALF_OPEN || !visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    status = v.plan->policy.breaker
                 ? keel_breaker_go(&v.plan->breaker, &v.plan->policy, state, for_ns,
                                   v.now, &pipeline->runtime->random, &changes)
                 : KEEL_E_STATE;
    return visit_end(&v, &changes, status);
}

/* looking */

static void look_at_breaker(const visit *v, keel_pipeline_stats *all)
{
    keel_breaker_view view = keel_breaker_look(&v->plan->breaker, v->now);

    all->breaker_on = true;
    all->state = view.state;
    all->lock = view.lock;
    all->generation = view.generation;
    all->calls = view.totals.total;
    all->failures = view.totals.failed;
    all->slow = view.totals.slow;
    all->permits = view.permits_left;
    all->open_left_ns =
        view.state == KEEL_BREAKER_OPEN ? keel_ns_left(view.due_at_ns, v->now) : 0;
}

static void look_at_counters(const keel_pipeline *pipeline, keel_pipeline_stats *all)
{
    const keel_counters *c = pipeline->counters;

    all->ignored_total = atomic_load(&c->ignored);
    all->late_results = atomic_load(&c->late);
    all->rejected_total = keel_stripes_sum(&pipeline->stripes, KEEL_STRIPE_REJECTED);
    all->retries_total = atomic_load(&c->retries);
    all->permits_ended_twice = atomic_load(&c->ended_twice);
    all->permits_leaked = atomic_load(&c->leaked);
    all->resends_total = atomic_load(&c->resends);
    all->events_lost = atomic_load(&pipeline->runtime->events->lost);
    all->board_bytes = keel_board_used_by(pipeline->runtime->board, pipeline->name);
}

keel_status keel_pipeline_look(keel_pipeline *pipeline, keel_pipeline_stats *stats)
{
    keel_pipeline_stats all = { .size = 0 };
    size_t size;
    visit v;

    if (!pipeline || !stats || stats->size < sizeof stats->size)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(pipeline->runtime);
    visit_begin(&v, pipeline);
    if (v.plan->policy.breaker)
        look_at_breaker(&v, &all);
    if (v.plan->policy.bulkhead) {
        all.in_flight = keel_bulkhead_in_use(&v.plan->bulkhead);
        all.queued = keel_bulkhead_waiting(&v.plan->bulkhead);
    }
    look_at_counters(pipeline, &all);
    keel_plan_exit(pipeline, v.phase);
    size = all.size = stats->size < sizeof all ? stats->size : sizeof all;
    memcpy((char *)stats + sizeof size, (char *)&all + sizeof size, size - sizeof size);
    return KEEL_OK;
}
