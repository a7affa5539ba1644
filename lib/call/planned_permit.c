/* SPDX-License-Identifier: MIT */
/* Permits that follow a plan: whatever the policies are, and whoever waits. */
#include "call/permit.h"

#include "base/thread.h"

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
    keel_count_rejected(pipeline, keel_stripe_mine(&pipeline->stripes), now);
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
    const keel_cancel *cancel = patient ? patient->cancel : NULL;
    uint64_t now = keel_plan_now(p->pipeline, p->plan);

    for (;;) {
        uint32_t seen = atomic_load(&keel_thread_self()->word);
        keel_admission_request request = { .now = now,
                                           .until = patient ? patient->until : now,
                                           .may_wait = patient != NULL,
                                           .sleeps = true,
                                           .is_call = true };
        keel_admission_answer answer;

        if (keel_cancel_fired(cancel)) {
            give_up(p, now);
            return KEEL_CANCELLED;
        }
        if (p->admission.stage == KEEL_ADMISSION_RATE && now < p->began_at) {
            now = sleep_in(p, seen, p->began_at, cancel);
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
        now = sleep_in(p, seen, answer.wake_at, cancel);
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
    p->kind = KEEL_PERMIT_PLANNED;
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
    p->kind = KEEL_PERMIT_NONE;
    keel_pipeline_look_after(pipeline);
    return status;
}

keel_status keel_planned_permit_take(keel_pipeline *pipeline, permit *p,
                                     const patience *patient, uint64_t *retry_after_ns)
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

static void end(permit *p, const keel_outcome *outcome)
{
    keel_admission_result result = { .status = outcome->status,
                                     .retry_after_ns = outcome->retry_after_ns,
                                     .is_call = true };
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

void keel_planned_permit_end_outcome(permit *p, const keel_outcome *outcome)
{
    p->kind = KEEL_PERMIT_ENDED;
    if (p->plan && keel_permit_is_ours(p))
        end(p, outcome);
}

static KEEL_SELDOM void end_by_hand(permit *p, keel_status status)
{
    keel_outcome outcome = { .size = sizeof outcome, .status = status };

    keel_planned_permit_end_outcome(p, &outcome);
}

/* A plain success under a simple plan. False: nothing was done. */
static bool end_at_once(permit *p)
{
    keel_stripe stripe;
    uint64_t now;

    if (!p->plan || !keel_permit_is_ours(p) ||
        atomic_load_explicit(&p->pipeline->runtime->reload_wanted,
                             memory_order_relaxed))
        return false;
    stripe = keel_stripe_mine(&p->pipeline->stripes);
    now = p->admission.has_permit || p->plan->needs_time
              ? keel_plan_now(p->pipeline, p->plan)
              : 0;
    if (!keel_admission_try_end(p->plan, &p->admission, stripe, p->began_at, now))
        return false;
    p->kind = KEEL_PERMIT_ENDED;
    keel_plan_exit_at(stripe, p->phase);
    keel_events_deliver(p->pipeline->runtime);
    return true;
}

void keel_planned_permit_end(permit *p, keel_status status)
{
    if (status != KEEL_OK || !end_at_once(p))
        end_by_hand(p, status);
}

void keel_planned_permit_become(permit *p)
{
    keel_pipeline *pipeline = p->pipeline;

    clear(p, pipeline);
    p->plan = keel_plan_enter(pipeline, &p->phase);
}
