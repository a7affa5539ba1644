/* SPDX-License-Identifier: MIT */
/* Whole calls: the state machine of lib/call, told a scripted transport and time. */
#include <stdlib.h>

#include "call/machine.h"
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

static bool wait_for_timeout(keel_sim *sim, const keel_machine *m)
{
    if (m->attempt_until == KEEL_NEVER)
        return keel_sim_wrong(
            sim->error, sim->step,
            "the attempt hangs for ever: the settings give it neither "
            "timeout nor deadline");
    return keel_sim_move_to(sim, m->attempt_until);
}

/* One attempt: answers in time, or lets its time pass; then the machine ends it. */
static bool make_attempt(keel_sim *sim, keel_machine *m, const keel_sim_step *step)
{
    size_t number =
        m->attempts < step->outcome_count ? m->attempts : step->outcome_count;
    const keel_sim_outcome *script = &step->outcomes[number - 1];
    const keel_outcome outcome = { .size = sizeof outcome,
                                   .status = script->status,
                                   .retry_after_ns = script->retry_after_ns,
                                   .never_sent = script->never_sent };
    uint64_t end_at = keel_ns_add(sim->world.now, script->takes_ns);

    if (script->hangs || end_at > m->attempt_until)
        return wait_for_timeout(sim, m);
    if (!keel_sim_move_to(sim, end_at))
        return false;
    keel_machine_report(m, &outcome, end_at);
    return true;
}

static bool wait_out(keel_sim *sim, const keel_machine *m)
{
    if (m->wake_at == KEEL_NEVER) /* chaos.fail=hang */
        return wait_for_timeout(sim, m);
    if (keel_machine_backs_off(m) && !note_wait(sim, m->wake_at - sim->world.now))
        return false;
    return keel_sim_move_to(sim, m->wake_at);
}

/* False: the scenario cannot go on. */
static bool drive(keel_sim *sim, keel_machine *m, const keel_sim_step *step)
{
    keel_step next;
    bool goes_on = true;

    while (goes_on &&
           (next = keel_machine_step(m, sim->world.now)) != KEEL_STEP_ENDED) {
        goes_on =
            next == KEEL_STEP_ATTEMPT ? make_attempt(sim, m, step) : wait_out(sim, m);
        keel_events_deliver(sim->world.runtime);
    }
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
                                        .idempotent = step->is_idempotent };
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
    goes_on = drive(sim, m, step);
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
