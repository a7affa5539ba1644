/* SPDX-License-Identifier: MIT */
/* Endpoints of attempts, and what is told of them. */
#include "call/endpoint.h"

#include <inttypes.h>

#include "base/detail.h"

/* A lock that lets all calls through lets them through to the endpoints, too. */
static bool is_forced(const keel_plan *plan, uint64_t now)
{
    keel_lock lock = plan->policy.breaker ? keel_breaker_lock_now(&plan->breaker, now)
                                          : KEEL_LOCK_NONE;

    return lock == KEEL_LOCK_CLOSED || lock == KEEL_LOCK_DISABLED ||
           lock == KEEL_LOCK_OBSERVE;
}

bool keel_attempt_choose(keel_machine *m, keel_endpoint_pick *pick, uint64_t now,
                         keel_admission_answer *answer)
{
    const keel_endpoints *set = m->plan->endpoints;
    keel_endpoint_request request = { .now = now,
                                      .random = &m->pipeline->runtime->random,
                                      .tried = m->race->tried,
                                      .affinity = m->race->affinity };
    keel_endpoint_changes changes;
    keel_endpoint_pick chosen; /* *pick may tell of an attempt before, and keeps that */
    uint64_t retry_after_ns;
    keel_status status;

    changes.count = changes.lost = 0;
    status = keel_endpoints_choose(set, &m->plan->policy, &request, &chosen,
                                   &retry_after_ns, &changes);
    if (status != KEEL_OK && is_forced(m->plan, now)) {
        request.is_forced = true;
        status = keel_endpoints_choose(set, &m->plan->policy, &request, &chosen,
                                       &retry_after_ns, &changes);
    }
    keel_pipeline_tell_endpoints(m->pipeline, set, &changes, now);
    if (status == KEEL_OK) {
        *pick = chosen;
        m->race->tried |= keel_endpoint_bit(chosen.index);
        return true;
    }
    *answer =
        (keel_admission_answer){ .status = status, .retry_after_ns = retry_after_ns };
    return false;
}

void keel_attempt_let_go(keel_machine *m, keel_endpoint_pick *pick,
                         const keel_admission_result *result, uint64_t now)
{
    bool is_never =
        result->retry_after_ns == KEEL_NEVER; /* of this request, no other */
    const keel_breaker_result outcome = { .outcome = keel_outcome_of(result->status),
                                          .duration_ns = result->duration_ns,
                                          .retry_after_ns =
                                              is_never ? 0 : result->retry_after_ns };
    keel_endpoint_changes changes;

    changes.count = changes.lost = 0;
    keel_endpoints_end(m->plan->endpoints, &m->plan->policy, pick, &outcome, now,
                       &m->pipeline->runtime->random, &changes);
    keel_pipeline_tell_endpoints(m->pipeline, m->plan->endpoints, &changes, now);
}

/* ---- what is told ----------------------------------------------------------------- */

static keel_event_type event_of(const keel_endpoint_change *change)
{
    switch (change->event) {
    case KEEL_ENDPOINT_MOVED:
        return KEEL_EVENT_ENDPOINT_TRANSITION;
    case KEEL_ENDPOINT_EJECTED:
        return KEEL_EVENT_EJECTED;
    case KEEL_ENDPOINT_RESTORED:
        return KEEL_EVENT_RESTORED;
    case KEEL_ENDPOINTS_PANIC:
        return KEEL_EVENT_PANIC;
    case KEEL_ENDPOINTS_CALM:
        break;
    }
    return KEEL_EVENT_CALM;
}

static bool is_of_the_set(const keel_endpoint_change *change)
{
    return change->event == KEEL_ENDPOINTS_PANIC ||
           change->event == KEEL_ENDPOINTS_CALM;
}

static void log_change(const keel_pipeline *pipeline, const char *name,
                       const keel_endpoint_change *change)
{
    if (change->event == KEEL_ENDPOINT_MOVED)
        keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "endpoint",
                         "pipeline=%s endpoint=%s from=%s to=%s cause=%s",
                         pipeline->name, name,
                         keel_breaker_state_name(change->move.from),
                         keel_breaker_state_name(change->move.to),
                         keel_cause_name(change->move.cause));
    else
        keel_runtime_log(
            pipeline->runtime, KEEL_LOG_INFO, "endpoint",
            "pipeline=%s endpoint=%s event=%s cause=%s times=%u for_ns=%" PRIu64,
            pipeline->name, name, keel_event_type_name(event_of(change)),
            keel_cause_name(change->move.cause), (unsigned)change->times,
            change->for_ns);
}

static void tell_change(keel_pipeline *pipeline, const keel_endpoints *set,
                        const keel_endpoint_change *change, uint64_t now)
{
    const keel_endpoint_entry *entry =
        is_of_the_set(change) ? NULL : &set->entries[change->index];

    log_change(pipeline, entry ? entry->name : "*", change);
    keel_pipeline_tell(pipeline,
                       (keel_event_record){ .type = (uint8_t)event_of(change),
                                            .endpoint = entry ? entry->hash : 0,
                                            .from = (uint8_t)change->move.from,
                                            .to = (uint8_t)change->move.to,
                                            .cause = (uint8_t)change->move.cause,
                                            .generation = change->move.generation,
                                            .duration_ns = change->for_ns },
                       now);
}

void keel_pipeline_tell_endpoints(keel_pipeline *pipeline, const keel_endpoints *set,
                                  const keel_endpoint_changes *changes, uint64_t now)
{
    for (uint32_t i = 0; i < changes->count; i++)
        tell_change(pipeline, set, &changes->items[i], now);
}

const keel_endpoint_entry *keel_plan_endpoint(const keel_plan *plan, uint64_t hash)
{
    for (uint32_t i = 0; plan->endpoints && i < plan->endpoints->count; i++)
        if (plan->endpoints->entries[i].hash == hash)
            return &plan->endpoints->entries[i];
    return NULL;
}

const char *keel_plan_endpoint_name(const keel_plan *plan, uint64_t hash)
{
    const keel_endpoint_entry *entry = keel_plan_endpoint(plan, hash);

    return entry ? entry->name : "";
}

/* ---- what an author asks ------------------------------------------------------------ */

/* The endpoint of the call's own attempt, or of a copy; NULL: not known any more. */
static const keel_endpoint_pick *pick_of(const keel_machine *m, uint32_t attempt)
{
    const struct keel_race *race = m->race;

    if (!attempt)
        attempt = m->attempts;
    if (!attempt || !race)
        return NULL;
    if (race->own_number == attempt)
        return &race->pick;
    for (uint32_t i = 0; i < race->sent; i++)
        if (race->copies[i].number == attempt)
            return &race->copies[i].pick;
    return NULL;
}

/* With KEEL_DISABLED nothing is chosen: it is the first of the list. */
static const keel_endpoint_entry *entry_of(const keel_machine *m, uint32_t attempt)
{
    const keel_endpoint_pick *pick;

    if (keel_machine_holds_plainly(m))
        return m->attempts && attempt <= 1 ? m->plain->endpoints->entries : NULL;
    if (!keel_machine_is_alive(m) || !keel_machine_goes_to_endpoint(m))
        return NULL;
    pick = pick_of(m, attempt);
    return pick ? &m->plan->endpoints->entries[pick->index] : NULL;
}

/* Its place in the list. */
static uint32_t index_of(const keel_machine *m, const keel_endpoint_entry *entry)
{
    const keel_plan *plan = m->flags.is_plain ? m->plain : m->plan;

    return (uint32_t)(entry - plan->endpoints->entries);
}

bool keel_machine_endpoint(const keel_machine *m, uint32_t attempt, keel_endpoint *out)
{
    const keel_endpoint_entry *entry = entry_of(m, attempt);
    keel_endpoint all;

    if (!entry)
        return false;
    all = (keel_endpoint){ .size = sizeof all,
                           .index = index_of(m, entry),
                           .url = entry->url,
                           .name = entry->name,
                           .zone = entry->zone };
    return keel_struct_fill(out, &all, sizeof all);
}

keel_status keel_call_endpoint(const keel_call *call, uint32_t attempt,
                               keel_endpoint *out)
{
    const keel_machine *m = call ? keel_machine_of(call) : NULL;

    if (!m || !out || out->size < sizeof out->size)
        return KEEL_E_ARGUMENT;
    return m->magic == KEEL_CALL_MAGIC && keel_machine_endpoint(m, attempt, out)
               ? KEEL_OK
               : KEEL_E_STATE;
}
