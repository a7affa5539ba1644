/* SPDX-License-Identifier: MIT */
/* Whole calls: the state machine of lib/call, told a scripted transport and time. */
#include <stdlib.h>

#include "call/race.h"
#include "simulate_run.h"

static bool note_wait(keel_sim *sim, uint64_t wait_ns)
{
    size_t room = sim->wait_room ? 2 * sim->wait_room : 16;
    uint64_t *grown;

    if (sim->wait_count == sim->wait_room) {
        grown = realloc(sim->waits, room * sizeof *grown);
        if (!grown)
            return keel_sim_failed(sim->error, "out of memory");
        sim->waits = grown;
        sim->wait_room = room;
    }
    sim->waits[sim->wait_count++] = wait_ns;
    return true;
}

/* An attempt under way: which one, and how and when the script lets it end. */
typedef struct flight {
    uint32_t number;
    uint64_t end_at; /* KEEL_NEVER: it hangs */
    const keel_sim_outcome *script;
} flight;

/* Those of one call, the first and its copies. */
typedef struct flights {
    flight items[1 + KEEL_HEDGES_MAX];
    size_t count;
} flights;

/* What comes of an attempt: what was said of its endpoint, else the step's own. */
static const keel_sim_outcome *script_of(keel_sim *sim, const keel_call *call,
                                         uint32_t number, const keel_sim_step *step)
{
    size_t nth = number < step->outcome_count ? number : step->outcome_count;
    const keel_sim_outcome *script = &step->outcomes[nth - 1];
    keel_endpoint endpoint = { .size = sizeof endpoint };

    if (keel_call_endpoint(call, number, &endpoint) != KEEL_OK)
        return script;
    keel_sim_note_endpoint(sim, endpoint.name);
    return keel_sim_outcome_at(sim, endpoint.name, script);
}

static void take_off(flights *all, keel_sim *sim, const keel_call *call,
                     uint32_t number, const keel_sim_step *step)
{
    const keel_sim_outcome *script = script_of(sim, call, number, step);

    all->items[all->count++] =
        (flight){ .number = number,
                  .end_at = script->hangs
                                ? KEEL_NEVER
                                : keel_ns_add(sim->world.now, script->takes_ns),
                  .script = script };
}

/* Forgets those that are no longer wanted. The first to end; NULL: none will. */
static flight *first_to_end(flights *all, const keel_call *call)
{
    flight *first = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < all->count; i++)
        if (keel_call_attempt_is_open(call, all->items[i].number))
            all->items[kept++] = all->items[i];
    all->count = kept;
    for (size_t i = 0; i < kept; i++)
        if (all->items[i].end_at < (first ? first->end_at : KEEL_NEVER))
            first = &all->items[i];
    return first;
}

static bool land(keel_sim *sim, keel_call *call, const flight *f)
{
    const keel_outcome outcome = { .size = sizeof outcome,
                                   .status = f->script->status,
                                   .retry_after_ns = f->script->retry_after_ns,
                                   .never_sent = f->script->never_sent };

    if (!keel_sim_move_to(sim, f->end_at))
        return false;
    keel_call_report_attempt(call, f->number, &outcome);
    return true;
}

static bool wait_out(keel_sim *sim, const keel_machine *m)
{
    uint64_t until = keel_machine_wakes_at(m);

    if (until == KEEL_NEVER)
        until = m->attempt_until; /* chaos.fail=hang */
    if (until == KEEL_NEVER)
        return keel_sim_wrong(
            sim->error, sim->step,
            "the attempt hangs for ever: the settings give it neither "
            "timeout nor deadline");
    if (keel_machine_backs_off(m) && !note_wait(sim, until - sim->world.now))
        return false;
    return keel_sim_move_to(sim, until);
}

/* Whatever comes first: an attempt ends by the script, or what the machine waits for. */
static bool go_on(keel_sim *sim, keel_call *call, flights *all)
{
    const keel_machine *m = keel_machine_of(call);
    const flight *next = first_to_end(all, call);

    /* up to the instant itself an answer is in time */
    return next && next->end_at <= keel_machine_wakes_at(m) ? land(sim, call, next)
                                                            : wait_out(sim, m);
}

/* False: the scenario cannot go on. */
static bool drive(keel_sim *sim, keel_call *call, const keel_sim_step *step)
{
    keel_machine *m = keel_machine_of(call);
    flights all = { .count = 0 };
    keel_step next;
    bool goes_on = true;

    while (goes_on &&
           (next = keel_machine_step(m, sim->world.now)) != KEEL_STEP_ENDED) {
        if (next == KEEL_STEP_ATTEMPT)
            take_off(&all, sim, call, m->attempts, step);
        else
            goes_on = go_on(sim, call, &all);
        keel_events_deliver(sim->world.runtime);
    }
    sim->tally.hedges += m->race ? m->race->sent : 0;
    return goes_on;
}

static bool is_refusal(keel_status status, keel_reason reason)
{
    switch (reason) {
    case KEEL_REASON_OPEN:
    case KEEL_REASON_FORCED_OPEN:
    case KEEL_REASON_HALF_OPEN_FULL:
    case KEEL_REASON_BULKHEAD_FULL:
    case KEEL_REASON_BULKHEAD_TIMEOUT:
    case KEEL_REASON_RATE_LIMITED:
    case KEEL_REASON_RAMPING:
    case KEEL_REASON_THROTTLED:
        return true;
    default:
        return keel_status_is_rejected(status);
    }
}

static void count(keel_sim_tally *tally, keel_status status, const keel_detail *why)
{
    bool refused = is_refusal(status, why->reason);

    tally->attempts += why->attempts;
    if (why->reason != KEEL_REASON_NONE) {
        tally->reason = why->reason;
        tally->retry_after_ns =
            refused || why->reason == KEEL_REASON_PUSHBACK ? why->retry_after_ns : 0;
    }
    if (refused)
        tally->rejected++;
    else if (status == KEEL_OK)
        tally->ok++;
    else if (status == KEEL_IGNORED)
        tally->ignored++;
    else
        tally->failed++;
}

static bool call_once(keel_sim *sim, const keel_sim_step *step)
{
    const keel_call_options options = { .size = sizeof options,
                                        .idempotent = step->is_idempotent,
                                        .affinity = step->affinity };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_call call;
    keel_machine *m;
    keel_status status;
    bool goes_on;

    sim->wait_count = 0;
    keel_call_begin(&call, sim->world.pipeline, &options);
    m = keel_machine_of(&call);
    /* here an attempt with less than a millisecond left can succeed */
    m->flags.is_live = false;
    if (step->has_deadline)
        m->deadline_at =
            keel_ns_min(m->deadline_at, keel_ns_add(sim->world.now, step->deadline_ns));
    m->flags.may_race = true;
    goes_on = drive(sim, &call, step);
    status = keel_call_end(&call, &why);
    count(&sim->tally, status, &why);
    return goes_on;
}

bool keel_sim_calls(keel_sim *sim, const keel_sim_step *step)
{
    for (uint64_t i = 0; i < step->times; i++)
        if (!call_once(sim, step))
            return false;
    return true;
}
