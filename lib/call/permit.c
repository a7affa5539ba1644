/* SPDX-License-Identifier: MIT */
/* Permits alone: admission without retry, deadline and budget. */
#include <keel/call.h>

#include <errno.h>

#include "base/detail.h"
#include "base/thread.h"
#include "call/admission.h"

#define PERMIT_MAGIC 0x6b706d74u
#define PERMIT_ENDED 0x656e6464u
/* These follow no plan: of a closed breaker alone, and of a bulkhead alone. */
#define PERMIT_AT_THE_GATE 0x6b676174u
#define PERMIT_OF_A_PLACE 0x6b706c63u

typedef struct permit {
    keel_pipeline *pipeline;
    const keel_plan *plan; /* NULL: a plain one (KEEL_DISABLED) */
    uint64_t incarnation;
    uint64_t began_at; /* 0: nobody needs it */
    keel_admission admission;
    uint32_t magic;
    uint32_t phase;
} permit;

_Static_assert(sizeof(permit) <= sizeof(keel_permit),
               "keel_permit has room for a permit");

static permit *inside(keel_permit *public_permit)
{
    return (permit *)(uintptr_t)public_permit->keel_private;
}

/* What a wait needs to know; NULL where the caller does not wait. */
typedef struct patience {
    uint64_t until;
    keel_cancel *cancel;
} patience;

/* Sleeps; the instant it is then: one that was slept to has come, by either clock. */
static uint64_t sleep_in(const permit *p, uint32_t seen, uint64_t until,
                         const keel_cancel *cancel)
{
    const keel_clock *clock = &p->pipeline->runtime->clock;
    uint64_t now;

    keel_thread_sleep(clock, seen, until, cancel);
    now = keel_plan_now(p->pipeline, p->plan);
    return now < until && clock->now(clock->ctx) >= until ? until : now;
}

static void tell_refusal(const permit *p, const keel_admission_answer *answer,
                         uint64_t now)
{
    keel_pipeline *pipeline = p->pipeline;

    if (answer->status == KEEL_REJECTED_BULKHEAD_FULL)
        keel_pipeline_look_for_leaks(pipeline, p->plan, now);
    keel_count_rejected(pipeline);
    keel_pipeline_tell(
        pipeline,
        (keel_event_record){ .type = KEEL_EVENT_REJECTED,
                             .reason = (uint8_t)keel_reason_of(answer->status),
                             .status = (uint16_t)answer->status,
                             .duration_ns = answer->retry_after_ns },
        now);
}

static void give_up(permit *p, uint64_t now)
{
    const keel_admission_result unused = { .status = KEEL_CANCELLED };
    keel_changes changes = { .count = 0 };

    keel_admission_end(p->pipeline, p->plan, &p->admission, &unused, now, &changes);
    keel_pipeline_tell_changes(p->pipeline, &changes, now);
}

/* Asks until granted, refused, out of time or cancelled. */
static KEEL_SELDOM keel_status ask(permit *p, const patience *patient,
                                   uint64_t *retry_after_ns)
{
    uint64_t now = keel_plan_now(p->pipeline, p->plan);

    for (;;) {
        uint32_t seen = atomic_load(&keel_thread_self()->word);
        keel_admission_request request = { .now = now,
                                           .until = patient ? patient->until : now,
                                           .may_wait = patient != NULL,
                                           .sleeps = true };
        keel_admission_answer answer;

        if (patient && keel_cancel_fired(patient->cancel)) {
            give_up(p, now);
            return KEEL_CANCELLED;
        }
        if (p->admission.stage == KEEL_ADMISSION_RATE && now < p->began_at) {
            now = sleep_in(p, seen, p->began_at, patient->cancel);
            continue;
        }
        keel_admission_ask(p->pipeline, p->plan, &p->admission, &request, &answer);
        keel_pipeline_tell_changes(p->pipeline, &answer.changes, now);
        if (answer.status != KEEL_OK)
            tell_refusal(p, &answer, now);
        p->began_at = answer.waits ? answer.wake_at : now;
        if (retry_after_ns)
            *retry_after_ns = answer.retry_after_ns;
        if (!answer.waits)
            return answer.status;
        now = sleep_in(p, seen, answer.wake_at, patient->cancel);
    }
}

static void clear(permit *p, keel_pipeline *pipeline)
{
    p->pipeline = pipeline;
    p->plan = NULL;
    p->incarnation = keel_process_incarnation();
    p->began_at = 0;
    p->admission.place.ticket = 0;
    p->admission.place.held = false;
    p->admission.rate_tat = 0;
    p->admission.stage = KEEL_ADMISSION_NONE;
    p->admission.has_permit = false;
    p->magic = PERMIT_MAGIC;
}

static KEEL_SELDOM keel_status take_by_hand(permit *p, keel_stripe stripe,
                                            const patience *patient,
                                            uint64_t *retry_after_ns)
{
    keel_pipeline *pipeline = p->pipeline;
    keel_status status = ask(p, patient, retry_after_ns);

    if (status == KEEL_OK) {
        keel_events_deliver(pipeline->runtime);
        return KEEL_OK;
    }
    keel_plan_exit_at(stripe, p->phase);
    p->magic = 0;
    keel_pipeline_look_after(pipeline);
    return status;
}

static KEEL_APART keel_status take_or_wait(keel_pipeline *pipeline, permit *p,
                                           const patience *patient,
                                           uint64_t *retry_after_ns)
{
    keel_stripe stripe = keel_stripe_mine(&pipeline->stripes);

    clear(p, pipeline);
    if (retry_after_ns)
        *retry_after_ns = 0;
    if (keel_runtime_is_disabled(pipeline->runtime))
        return KEEL_OK;
    p->plan = keel_plan_enter_at(pipeline, stripe, &p->phase);
    if (p->plan->needs_time)
        p->began_at = keel_plan_now(pipeline, p->plan);
    /* who waits looks at the token, even where there is nothing to wait for */
    if (patient || !keel_admission_try(p->plan, &p->admission, p->began_at))
        return take_by_hand(p, stripe, patient, retry_after_ns);
    keel_events_deliver(pipeline->runtime);
    return KEEL_OK;
}

static KEEL_APART keel_status refuse_at_the_gate(keel_pipeline *pipeline, permit *p,
                                                 uint32_t gate, uint64_t state,
                                                 uint64_t *retry_after_ns)
{
    uint64_t hint;

    if (!keel_gate_refuses(pipeline, gate, state, &hint))
        return take_or_wait(pipeline, p, NULL, retry_after_ns);
    if (retry_after_ns)
        *retry_after_ns = hint;
    p->magic = 0;
    return KEEL_REJECTED_OPEN;
}

static KEEL_APART keel_status take_place(keel_pipeline *pipeline, permit *p,
                                         uint64_t *retry_after_ns)
{
    keel_place place;

    if (!keel_bulkhead_try(&pipeline->gate_places, &place, 0))
        return take_or_wait(pipeline, p, NULL, retry_after_ns);
    p->pipeline = pipeline;
    p->incarnation = keel_process_incarnation();
    p->magic = PERMIT_OF_A_PLACE;
    if (retry_after_ns)
        *retry_after_ns = 0;
    return KEEL_OK;
}

keel_status keel_permit_take(keel_pipeline *pipeline, keel_permit *public_permit,
                             uint64_t *retry_after_ns)
{
    uint64_t state;
    uint32_t gate;
    permit *p;

    if (!pipeline || !public_permit)
        return KEEL_E_ARGUMENT;
    p = inside(public_permit);
    gate = keel_gate_look(pipeline, &state);
    if (state >> 62 == KEEL_BREAKER_CLOSED && gate & KEEL_GATE_ALONE) {
        p->pipeline = pipeline;
        p->incarnation = keel_process_incarnation();
        p->admission.permit.generation = (uint32_t)(state & 0xffffff);
        p->magic = PERMIT_AT_THE_GATE;
        if (retry_after_ns)
            *retry_after_ns = 0;
        return KEEL_OK;
    }
    if (state >> 62 == KEEL_BREAKER_OPEN)
        return refuse_at_the_gate(pipeline, p, gate, state, retry_after_ns);
    if (gate & KEEL_GATE_PLACES)
        return take_place(pipeline, p, retry_after_ns);
    return take_or_wait(pipeline, p, NULL, retry_after_ns);
}

keel_status keel_permit_wait(keel_pipeline *pipeline, keel_permit *public_permit,
                             uint64_t until_at_ns, keel_cancel *cancel,
                             uint64_t *retry_after_ns)
{
    patience patient = { until_at_ns, cancel };
    int saved = errno;
    keel_status status;

    if (!pipeline || !public_permit)
        return KEEL_E_ARGUMENT;
    status = take_or_wait(pipeline, inside(public_permit), &patient, retry_after_ns);
    errno = saved;
    return status;
}

static void end(permit *p, const keel_outcome *outcome)
{
    keel_admission_result result = { .status = outcome->status,
                                     .retry_after_ns = outcome->retry_after_ns };
    keel_changes changes = { .count = 0 };
    uint64_t now = keel_plan_now(p->pipeline, p->plan);

    if (p->began_at)
        result.duration_ns = keel_ns_left(now, p->began_at);
    if (!keel_admission_end(p->pipeline, p->plan, &p->admission, &result, now,
                            &changes)) {
        keel_count(&p->pipeline->counters->late);
        keel_pipeline_tell(p->pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_LATE,
                                                .status = (uint16_t)outcome->status },
                           now);
    }
    if (keel_outcome_of(outcome->status) == KEEL_OUTCOME_NEUTRAL)
        keel_count(&p->pipeline->counters->ignored);
    if (changes.count | changes.would_trip)
        keel_pipeline_tell_changes(p->pipeline, &changes, now);
    keel_plan_exit(p->pipeline, p->phase);
    keel_pipeline_look_after(p->pipeline);
}

/* A permit from the gate gets the plan of now: the breaker is the same in all of them. */
static void leave_the_gate(permit *p)
{
    uint32_t generation = p->admission.permit.generation;
    keel_pipeline *pipeline = p->pipeline;
    bool is_foreign = p->incarnation != keel_process_incarnation();

    clear(p, pipeline);
    if (is_foreign)
        return; /* taken before fork: in the child it is about nothing */
    p->plan = keel_plan_enter(pipeline, &p->phase);
    if (!p->plan->policy.breaker)
        return;
    p->admission.has_permit = true;
    p->admission.permit = (keel_breaker_permit){ .generation = generation,
                                                 .tracking = KEEL_TRACK_WINDOW };
}

/* The place goes back whatever the settings are now. */
static void end_place(permit *p, keel_status status)
{
    p->magic = PERMIT_ENDED;
    if (p->incarnation != keel_process_incarnation())
        return; /* the parent's */
    if (keel_outcome_of(status) == KEEL_OUTCOME_NEUTRAL)
        keel_count(&p->pipeline->counters->ignored);
    keel_bulkhead_put_back(&p->pipeline->gate_places);
}

void keel_permit_end_outcome(keel_permit *public_permit, const keel_outcome *outcome)
{
    keel_outcome own = { .size = sizeof own, .status = KEEL_IGNORED };
    permit *p = public_permit ? inside(public_permit) : NULL;

    if (!p)
        return;
    /* what cannot be read ends it all the same: its place must not stay taken */
    (void)keel_options_read(&own, sizeof own, outcome);
    if (p->magic == PERMIT_AT_THE_GATE)
        leave_the_gate(p);
    if (p->magic == PERMIT_OF_A_PLACE) {
        end_place(p, own.status);
    } else if (p->magic == PERMIT_ENDED) {
        keel_count(&p->pipeline->counters->ended_twice);
    } else if (p->magic == PERMIT_MAGIC) {
        p->magic = PERMIT_ENDED;
        if (p->plan && p->incarnation == keel_process_incarnation())
            end(p, &own);
    }
}

static KEEL_SELDOM void end_by_hand(permit *p, keel_status status)
{
    keel_outcome outcome = { .size = sizeof outcome, .status = status };

    keel_permit_end_outcome((keel_permit *)(void *)p, &outcome);
}

/*
 * A plain success of a permit from the gate, by the words on the board alone, which stay
 * whatever the settings. False: nothing was done.
 */
static bool end_at_the_gate(permit *p)
{
    keel_pipeline *pipeline = p->pipeline;
    uint32_t gate = atomic_load_explicit(&pipeline->gate, memory_order_acquire);
    uint32_t generation = p->admission.permit.generation;

    if (!(gate & KEEL_GATE_ALONE) || p->incarnation != keel_process_incarnation() ||
        !keel_breaker_words_are_plain(pipeline->gate_words, generation) ||
        !keel_window_words_try_ok(
            atomic_load_explicit(&pipeline->gate_window, memory_order_relaxed),
            KEEL_STRIPE_WINDOW, keel_stripe_mine(&pipeline->stripes), generation,
            keel_gate_now(pipeline, gate)))
        return false;
    p->magic = PERMIT_ENDED;
    return true;
}

/* A plain success under a simple plan. False: nothing was done. */
static bool end_at_once(permit *p)
{
    keel_stripe stripe;
    uint64_t now;

    if (p->magic != PERMIT_MAGIC || !p->plan ||
        p->incarnation != keel_process_incarnation() ||
        atomic_load_explicit(&p->pipeline->runtime->reload_wanted,
                             memory_order_relaxed))
        return false;
    stripe = keel_stripe_mine(&p->pipeline->stripes);
    now = p->admission.has_permit ? keel_plan_now(p->pipeline, p->plan) : 0;
    if (!keel_admission_try_end(p->plan, &p->admission, stripe, p->began_at, now))
        return false;
    p->magic = PERMIT_ENDED;
    keel_plan_exit_at(stripe, p->phase);
    keel_events_deliver(p->pipeline->runtime);
    return true;
}

static KEEL_APART void end_apart(permit *p, keel_status status)
{
    if (p->magic == PERMIT_OF_A_PLACE)
        end_place(p, status);
    else if (status != KEEL_OK || !end_at_once(p))
        end_by_hand(p, status);
}

void keel_permit_end(keel_permit *public_permit, keel_status status)
{
    permit *p = public_permit ? inside(public_permit) : NULL;

    if (!p)
        return;
    if (p->magic != PERMIT_AT_THE_GATE)
        end_apart(p, status);
    else if (status != KEEL_OK || !end_at_the_gate(p))
        end_by_hand(p, status);
}
