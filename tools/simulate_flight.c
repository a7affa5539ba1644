/* SPDX-License-Identifier: MIT */
/*
 * Attempts that begin in one step and end in another. Some of them queue, so whenever
 * the clock has moved they are looked after: here is where it moves.
 */
#include "base/clock.h"
#include "base/text.h"
#include "call/endpoint.h"
#include "simulate_run.h"

/* A label of the scenario's, fit for a message. */
#define QUOTED(text) keel_quote((char[KEEL_QUOTE_SIZE]){ "" }, keel_text_of(text))

static void tell(keel_sim *sim, const keel_changes *changes)
{
    keel_pipeline_tell_changes(sim->world.pipeline, changes, sim->world.now);
    keel_events_deliver(sim->world.runtime);
}

static void finish(keel_sim *sim, keel_sim_flight *flight)
{
    flight->state = KEEL_SIM_FLIGHT_NONE;
    keel_plan_exit(sim->world.pipeline, flight->plan_phase);
}

/* ---- ways in --------------------------------------------------------------------- */

static void refuse(keel_sim *sim, keel_sim_flight *flight,
                   const keel_admission_answer *answer)
{
    finish(sim, flight);
    sim->tally.rejected++;
    sim->tally.reason = keel_reason_of(answer->status);
    sim->tally.retry_after_ns = answer->retry_after_ns;
}

static void grant(keel_sim *sim, keel_sim_flight *flight)
{
    flight->state = KEEL_SIM_FLIGHT_UNDER_WAY;
    flight->began_at = sim->world.now;
    sim->tally.attempts++;
}

/*
 * Chooses where it goes to, as for an attempt of a call. Where there is nobody to go to,
 * what was granted goes back.
 */
static void choose(keel_sim *sim, keel_sim_flight *flight,
                   keel_admission_answer *answer)
{
    keel_pipeline *pipeline = sim->world.pipeline;
    const keel_endpoints *set = flight->plan->endpoints;
    const keel_endpoint_request request = { .now = sim->world.now,
                                            .random = &sim->world.runtime->random };
    const keel_admission_result unused = { .status = KEEL_CANCELLED };
    keel_endpoint_changes changes = { .count = 0 };

    answer->status =
        keel_endpoints_choose(set, &flight->plan->policy, &request, &flight->pick,
                              &answer->retry_after_ns, &changes);
    keel_pipeline_tell_endpoints(pipeline, set, &changes, sim->world.now);
    if (answer->status == KEEL_OK) {
        keel_sim_note_endpoint(sim, set->entries[flight->pick.index].name);
        return;
    }
    answer->changes.count = 0;
    keel_admission_end(pipeline, flight->plan, &flight->admission, &unused,
                       sim->world.now, &answer->changes);
    tell(sim, &answer->changes);
}

/* Asks once. True: the limiter wants it to come back at flight->wake_at. */
static bool ask(keel_sim *sim, keel_sim_flight *flight)
{
    const keel_admission_request request = {
        .now = sim->world.now, .until = KEEL_NEVER, .may_wait = true, .is_call = true
    };
    keel_admission_answer answer;

    keel_admission_ask(sim->world.pipeline, flight->plan, &flight->admission, &request,
                       &answer);
    tell(sim, &answer.changes);
    flight->wake_at = answer.wake_at;
    if (answer.status == KEEL_OK && !answer.waits && flight->plan->endpoints)
        choose(sim, flight, &answer);
    if (answer.status != KEEL_OK)
        refuse(sim, flight, &answer);
    else if (!answer.waits)
        grant(sim, flight);
    else if (flight->admission.stage == KEEL_ADMISSION_QUEUE)
        flight->state = KEEL_SIM_FLIGHT_QUEUED;
    else
        return true;
    return false;
}

/* ---- those who queue ------------------------------------------------------------- */

/* Takes those who queue no longer out of the list. */
static void tidy_queue(keel_sim *sim)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->queued_count; i++)
        if (sim->flights[sim->queued[i]].state == KEEL_SIM_FLIGHT_QUEUED)
            sim->queued[kept++] = sim->queued[i];
    sim->queued_count = kept;
}

void keel_sim_settle(keel_sim *sim)
{
    for (size_t i = 0; i < sim->queued_count; i++)
        (void)ask(sim, &sim->flights[sim->queued[i]]);
    tidy_queue(sim);
}

bool keel_sim_move_to(keel_sim *sim, uint64_t at_ns)
{
    if (at_ns > KEEL_SIM_CLOCK_END)
        return keel_sim_wrong(sim->error, sim->step,
                              "the clock would run beyond its end, four years on");
    sim->world.now = at_ns;
    keel_sim_settle(sim);
    return true;
}

bool keel_sim_begin(keel_sim *sim, const keel_sim_step *step)
{
    keel_sim_flight *flight = &sim->flights[step->label];

    if (flight->state != KEEL_SIM_FLIGHT_NONE)
        return keel_sim_wrong(sim->error, sim->step, "%s has begun and not ended",
                              QUOTED(step->text));
    *flight = (keel_sim_flight){ .state = KEEL_SIM_FLIGHT_NONE, .begun_in = sim->step };
    flight->plan = keel_plan_enter(sim->world.pipeline, &flight->plan_phase);
    while (ask(sim, flight))
        if (!keel_sim_move_to(sim, flight->wake_at)) {
            finish(sim, flight);
            return false;
        }
    if (flight->state == KEEL_SIM_FLIGHT_QUEUED)
        sim->queued[sim->queued_count++] = step->label;
    return true;
}

/* ---- ways out -------------------------------------------------------------------- */

static bool is_late(const keel_sim *sim, const keel_sim_flight *flight)
{
    uint64_t timeout = flight->plan->policy.timeout_ns;

    return timeout && sim->world.now > keel_ns_add(flight->began_at, timeout);
}

/* Its endpoint learns what came of it. */
static void let_go(keel_sim *sim, keel_sim_flight *flight,
                   const keel_admission_result *result)
{
    const keel_plan *plan = flight->plan;
    const keel_breaker_result outcome = { .outcome = keel_outcome_of(result->status),
                                          .duration_ns = result->duration_ns,
                                          .retry_after_ns = result->retry_after_ns };
    keel_endpoint_changes changes = { .count = 0 };

    keel_endpoints_end(plan->endpoints, &plan->policy, &flight->pick, &outcome,
                       sim->world.now, &sim->world.runtime->random, &changes);
    keel_pipeline_tell_endpoints(sim->world.pipeline, plan->endpoints, &changes,
                                 sim->world.now);
}

static void leave(keel_sim *sim, keel_sim_flight *flight, keel_status status,
                  uint64_t retry_after_ns)
{
    const keel_admission_result result = {
        .status = status,
        .duration_ns = keel_ns_left(sim->world.now, flight->began_at),
        .retry_after_ns = retry_after_ns,
        .is_call = true,
    };
    keel_counters *counters = sim->world.pipeline->counters;
    keel_changes changes = { .count = 0 };

    if (!keel_admission_end(sim->world.pipeline, flight->plan, &flight->admission,
                            &result, sim->world.now, &changes))
        keel_count(&counters->late);
    if (flight->plan->endpoints)
        let_go(sim, flight, &result);
    if (status == KEEL_IGNORED)
        keel_count(&counters->ignored);
    tell(sim, &changes);
    finish(sim, flight);
}

static void count(keel_sim_tally *tally, keel_status status)
{
    if (status == KEEL_OK)
        tally->ok++;
    else if (status == KEEL_IGNORED)
        tally->ignored++;
    else
        tally->failed++;
    if (status == KEEL_TIMEOUT)
        tally->reason = KEEL_REASON_TIMEOUT;
    else if (status == KEEL_CLIENT_ERROR)
        tally->reason = KEEL_REASON_NOT_RETRYABLE;
    else if (status != KEEL_OK && status != KEEL_IGNORED)
        tally->reason = KEEL_REASON_EXHAUSTED;
}

static void withdraw(keel_sim *sim, keel_sim_flight *flight)
{
    leave(sim, flight, KEEL_CANCELLED, 0);
    tidy_queue(sim);
    sim->tally.reason = KEEL_REASON_CANCELLED;
}

bool keel_sim_end(keel_sim *sim, const keel_sim_step *step)
{
    keel_sim_flight *flight = &sim->flights[step->label];
    keel_status status = step->outcomes->status;

    if (flight->state == KEEL_SIM_FLIGHT_NONE)
        return keel_sim_wrong(sim->error, sim->step,
                              "%s is not in flight: it was refused, or has ended",
                              QUOTED(step->text));
    if (flight->state == KEEL_SIM_FLIGHT_QUEUED) {
        withdraw(sim, flight);
        return true;
    }
    if (is_late(sim, flight))
        status = KEEL_TIMEOUT;
    leave(sim, flight, status, step->outcomes->retry_after_ns);
    count(&sim->tally, status);
    return true;
}

void keel_sim_tell_of_unended(const keel_sim *sim)
{
    for (size_t i = 0; i < sim->scenario->label_count; i++) {
        const keel_sim_flight *flight = &sim->flights[i];

        if (flight->state == KEEL_SIM_FLIGHT_NONE)
            continue;
        fprintf(sim->world.warnings,
                "keel simulate: warning: step %zu: %s was begun and not ended\n",
                flight->begun_in,
                QUOTED(sim->scenario->steps[flight->begun_in - 1].text));
    }
}

void keel_sim_abandon(keel_sim *sim)
{
    for (size_t i = 0; i < sim->scenario->label_count; i++)
        if (sim->flights[i].state != KEEL_SIM_FLIGHT_NONE)
            leave(sim, &sim->flights[i], KEEL_CANCELLED, 0);
}
