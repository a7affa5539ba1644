/* SPDX-License-Identifier: MIT */
#include "exec_share.h"

#include "call/pipeline.h"
#include "policy/fleet.h"

#define LOOK_EVERY_NS KEEL_MS

/* What the fleet says is told before it is done: open there, it is to be open here. */
static bool is_in_force(const keel_breaker *breaker, uint64_t now)
{
    uint64_t view = atomic_load_explicit(&breaker->fleet->view, memory_order_acquire);

    return keel_fleet_view_epoch(view) != 0 &&
           (keel_fleet_view_state(view) == KEEL_BREAKER_CLOSED ||
            keel_breaker_look(breaker, now).state != KEEL_BREAKER_CLOSED);
}

static bool has_heard(keel_pipeline *pipeline, uint64_t now)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(pipeline, &phase);
    bool has = !plan->breaker.fleet || is_in_force(&plan->breaker, now);

    keel_plan_exit(pipeline, phase);
    return has;
}

bool keel_exec_await_share(keel_pipeline *pipeline, keel_child *command,
                           uint64_t longest_ns)
{
    const keel_clock *clock = &command->clock;
    uint64_t now = clock->now(clock->ctx), until = keel_ns_add(now, longest_ns);

    while (now < until && !has_heard(pipeline, now)) {
        if (!keel_child_rest(command, now + LOOK_EVERY_NS))
            return false;
        now = clock->now(clock->ctx);
    }
    return true;
}
