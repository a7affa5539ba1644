/* SPDX-License-Identifier: MIT */
/* The public look at one endpoint. Not for the choice of one. */
#include "base/detail.h"
#include "base/text.h"
#include "call/pipeline.h"

_Static_assert(sizeof((keel_endpoint_stats *)0)->url > KEEL_ENDPOINT_URL_MAX,
               "a URL fits");
_Static_assert(sizeof((keel_endpoint_stats *)0)->name > KEEL_ENDPOINT_NAME_MAX,
               "a name fits");
_Static_assert(sizeof((keel_endpoint_stats *)0)->zone > KEEL_ENDPOINT_ZONE_MAX,
               "a zone fits");

static void look_at_breaker(const keel_breaker_view *view, uint64_t now,
                            keel_endpoint_stats *all)
{
    all->breaker_on = true;
    all->state = view->state;
    all->generation = view->generation;
    all->open_left_ns =
        view->state == KEEL_BREAKER_OPEN ? keel_ns_left(view->due_at_ns, now) : 0;
}

static void look_at(const keel_plan *plan, uint32_t index, uint64_t now,
                    keel_endpoint_stats *all)
{
    const keel_endpoint_entry *entry = &plan->endpoints->entries[index];
    keel_endpoint_view view;

    keel_endpoints_view(plan->endpoints, &plan->policy, index, now, &view);
    all->index = index;
    all->tier = entry->tier;
    all->weight = entry->weight;
    all->weight_now = view.weight;
    if (view.has_breaker)
        look_at_breaker(&view.breaker, now, all);
    all->healthy = !view.is_ill;
    all->panic = keel_endpoints_are_in_panic(plan->endpoints);
    all->ejections = view.ejections;
    all->ejected_left_ns = view.ejected_left_ns;
    all->in_flight = view.in_flight;
    all->successes = view.ok;
    all->failures = view.failed;
    keel_text_copy(all->zone, sizeof all->zone, keel_text_of(entry->zone));
    keel_text_copy(all->name, sizeof all->name, keel_text_of(entry->name));
    keel_text_copy(all->url, sizeof all->url, keel_text_of(entry->url));
}

keel_status keel_pipeline_endpoint_look(keel_pipeline *pipeline, uint32_t index,
                                        keel_endpoint_stats *stats)
{
    keel_endpoint_stats all = { .size = 0 };
    const keel_plan *plan;
    uint32_t phase;
    bool is_there;

    if (!pipeline || !stats || stats->size < sizeof stats->size)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(pipeline->runtime);
    plan = keel_plan_enter(pipeline, &phase);
    is_there = plan->endpoints && index < plan->endpoints->count;
    if (is_there)
        look_at(plan, index, keel_plan_now(pipeline, plan), &all);
    keel_plan_exit(pipeline, phase);
    if (!is_there)
        return KEEL_E_STATE;
    keel_struct_fill(stats, &all, sizeof all);
    return KEEL_OK;
}
