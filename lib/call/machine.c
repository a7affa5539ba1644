/* SPDX-License-Identifier: MIT */
/*
 * The call's state machine.
 *
 *   ready      --admitted-->            attempt
 *              --limiter, queue-->      admitting --its turn--> attempt
 *              --refused-->             backoff, or ended
 *   attempt    --a copy is due-->       attempt, and one more (race.c)
 *              --ok, no way to retry--> ended
 *              --failed, timed out-->   backoff --the wait is over--> ready
 *   any        --cancel, deadline-->    ended
 *
 * What follows a failure or refusal is decided in retry.c. An attempt that chaos.c holds
 * back is in a phase of its own, until it, or a copy of it, is made.
 */
#include "call/machine.h"

#include "call/quick.h"
#include "call/endpoint.h"

#include "base/detail.h"
#include "base/thread.h"
#include "policy/feasibility.h"

static void tell_rejection(keel_machine *m, keel_status status, uint64_t retry_after_ns,
                           uint64_t now)
{
    keel_count_rejected(m->pipeline, keel_machine_stripe(m), now);
    keel_pipeline_tell(m->pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_REJECTED,
                                            .reason = m->reason,
                                            .status = (uint16_t)status,
                                            .duration_ns = retry_after_ns },
                       now);
}

static void refused(keel_machine *m, const keel_admission_answer *answer, uint64_t now)
{
    if (answer->status == KEEL_REJECTED_BULKHEAD_FULL)
        keel_pipeline_look_for_leaks(m->pipeline, m->plan, now);
    keel_retry_refused(m, answer, now);
    if (m->phase == KEEL_PHASE_ENDED)
        tell_rejection(m, answer->status, answer->retry_after_ns, now);
}

/* What was granted, or is waited for, is not used. */
static void give_admission_back(keel_machine *m, uint64_t now)
{
    const keel_admission_result unused = { .status = KEEL_CANCELLED };
    keel_changes changes = { .count = 0 };

    keel_admission_end(m->pipeline, m->plan, &m->admission, &unused, now, &changes);
    keel_pipeline_tell_changes(m->pipeline, &changes, now);
}

static void admit(keel_machine *m, uint64_t now)
{
    keel_admission_request request = { .now = now,
                                       .until = m->deadline_at,
                                       .may_wait = true,
                                       .sleeps = m->flags.sleeps,
                                       .skips_breaker = m->plan->policy.per_call,
                                       .wake = m->wake,
                                       .wake_ctx = m->wake_ctx };
    keel_admission_answer answer;

    keel_admission_ask(m->pipeline, m->plan, &m->admission, &request, &answer);
    if (answer.changes.count | answer.changes.would_trip)
        keel_pipeline_tell_changes(m->pipeline, &answer.changes, now);
    if (answer.status != KEEL_OK) {
        refused(m, &answer, now);
    } else if (answer.waits) {
        m->phase = KEEL_PHASE_ADMITTING;
        m->wake_at = answer.wake_at;
    } else if (keel_machine_goes_to_endpoint(m) &&
               !keel_attempt_choose(m, &m->race->pick, now, &answer)) {
        give_admission_back(m, now);
        refused(m, &answer, now);
    } else {
        keel_machine_begin_attempt(m, now);
        keel_race_renew(m);
        if (m->plan->policy.chaos_rate_ppm)
            keel_chaos_begin(m, now);
        if (m->phase == KEEL_PHASE_ATTEMPT)
            keel_race_prepare(m, now);
    }
}

static bool admit_call(keel_machine *m, uint64_t now)
{
    keel_admission_answer answer;

    if (keel_machine_take_permit(m, now, &answer))
        return true;
    refused(m, &answer, now);
    return false;
}

/* The throttle stands before retry: it is asked once a call. */
static bool pass_throttle(keel_machine *m, uint64_t now)
{
    keel_admission_answer answer = { .status = KEEL_OK };

    if (m->flags.has_passed_throttle)
        return true;
    m->flags.has_passed_throttle = true;
    if (keel_admission_throttle(m->pipeline, m->plan, now, &answer))
        return true;
    refused(m, &answer, now);
    return false;
}

static void out_of_time(keel_machine *m, keel_reason reason, uint64_t now)
{
    if (m->attempts == 0)
        m->status = KEEL_REJECTED_DEADLINE;
    keel_machine_finish(m, reason, now);
    if (m->attempts == 0)
        tell_rejection(m, KEEL_REJECTED_DEADLINE, 0, now);
}

static bool is_in_attempt(const keel_machine *m)
{
    return m->phase == KEEL_PHASE_ATTEMPT || m->phase == KEEL_PHASE_CHAOS;
}

/* Gives up whatever is open; the call does not end by that. */
static void let_go(keel_machine *m, uint64_t now)
{
    if (is_in_attempt(m))
        keel_machine_drop_attempts(m, now);
    else if (m->phase == KEEL_PHASE_ADMITTING)
        give_admission_back(m, now);
}

static void cancelled(keel_machine *m, uint64_t now)
{
    let_go(m, now);
    m->status = KEEL_CANCELLED;
    keel_machine_finish(m, KEEL_REASON_CANCELLED, now);
}

/* What is left of the deadline is less than answers are known to take. */
static bool is_hopeless(const keel_machine *m, uint64_t now)
{
    const keel_policy *policy = &m->plan->policy;

    return policy->infeasible_ppm && m->deadline_at != KEEL_NEVER &&
           keel_feasibility_refuses(policy, m->plan->latency, m->deadline_at - now, now,
                                    &m->pipeline->runtime->random);
}

static void ready(keel_machine *m, uint64_t now)
{
    if (!m->flags.has_begun)
        keel_machine_begin_clock(m, now);
    if (keel_machine_is_late(m, now))
        out_of_time(m, KEEL_REASON_DEADLINE, now);
    else if (is_hopeless(m, now))
        out_of_time(m, KEEL_REASON_DEADLINE_INFEASIBLE, now);
    else if (pass_throttle(m, now) && admit_call(m, now))
        admit(m, now);
}

/* The attempt's time is over: it is ended here, whatever its driver does. */
void keel_machine_expire(keel_machine *m, uint64_t now)
{
    keel_outcome outcome = { .size = sizeof outcome,
                             .status = KEEL_TIMEOUT,
                             .never_sent =
                                 keel_machine_is_held(m) && m->flags.repeats_chaos };

    keel_machine_report(m, &outcome, now);
}

static bool is_waiting(const keel_machine *m, uint64_t now)
{
    switch ((keel_phase)m->phase) {
    case KEEL_PHASE_BACKOFF:
    case KEEL_PHASE_CHAOS:
        return now < m->wake_at;
    case KEEL_PHASE_ADMITTING: /* a queue may answer before */
        return now < m->wake_at && m->admission.stage == KEEL_ADMISSION_RATE;
    case KEEL_PHASE_ATTEMPT:
        return now < keel_machine_wakes_at(m);
    default:
        return false;
    }
}

static void advance(keel_machine *m, uint64_t now)
{
    switch ((keel_phase)m->phase) {
    case KEEL_PHASE_BACKOFF:
    case KEEL_PHASE_READY:
        ready(m, now);
        break;
    case KEEL_PHASE_ADMITTING:
        if (keel_machine_is_late(m, now)) { /* a grant that came too late goes back */
            keel_machine_abandon(m, now);
            out_of_time(m, KEEL_REASON_DEADLINE, now);
        } else {
            admit(m, now);
        }
        break;
    case KEEL_PHASE_CHAOS:
        keel_chaos_advance(m, now);
        break;
    case KEEL_PHASE_ATTEMPT:
        if (m->flags.is_hedged)
            keel_race_advance(m, now);
        else
            keel_machine_expire(m, now);
        break;
    case KEEL_PHASE_ENDED:
        break;
    }
}

keel_step keel_machine_step(keel_machine *m, uint64_t now)
{
    while (m->phase != KEEL_PHASE_ENDED) {
        uint8_t before = m->phase;
        uint32_t attempts = m->attempts;

        if (m->cancel && keel_cancel_fired(m->cancel)) {
            cancelled(m, now);
            break;
        }
        if (is_waiting(m, now))
            return KEEL_STEP_WAIT;
        advance(m, now);
        if (m->phase == KEEL_PHASE_ATTEMPT &&
            (before != KEEL_PHASE_ATTEMPT || m->attempts != attempts))
            return KEEL_STEP_ATTEMPT;
        if (m->phase == KEEL_PHASE_ADMITTING && before == KEEL_PHASE_ADMITTING)
            return KEEL_STEP_WAIT; /* still in the queue */
    }
    return KEEL_STEP_ENDED;
}

/* ends of attempts */

static void tell_end(keel_machine *m, uint32_t attempt, keel_status status,
                     uint64_t duration_ns, bool in_time, uint64_t now)
{
    const keel_policy *policy = &m->plan->policy;

    if (!in_time) {
        keel_count(&m->pipeline->counters->late);
        keel_pipeline_tell(m->pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_LATE,
                                                .attempt = attempt,
                                                .status = (uint16_t)status },
                           now);
    }
    if (keel_outcome_of(status) == KEEL_OUTCOME_NEUTRAL)
        keel_count(&m->pipeline->counters->ignored);
    else if (policy->breaker && policy->slow_call_ns &&
             duration_ns > policy->slow_call_ns)
        keel_pipeline_tell(m->pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_SLOW,
                                                .attempt = attempt,
                                                .duration_ns = duration_ns },
                           now);
}

static keel_attempt_ref own_attempt(keel_machine *m)
{
    return (keel_attempt_ref){ .admission = &m->admission,
                               .pick = keel_machine_goes_to_endpoint(m) ? &m->race->pick
                                                                        : NULL,
                               .began_at = m->attempt_at,
                               .until = m->attempt_until,
                               .number = m->race ? m->race->own_number : m->attempts,
                               .is_extra = m->flags.attempt_is_extra };
}

static void learn_latency(const keel_plan *plan, keel_status status,
                          uint64_t duration_ns, uint64_t now)
{
    if (plan->latency && status == KEEL_OK)
        keel_latency_record(plan->latency, duration_ns, now);
}

void keel_machine_settle(keel_machine *m, const keel_attempt_ref *attempt,
                         keel_status status, uint64_t retry_after_ns, uint64_t now)
{
    keel_admission_result result = { .status = status,
                                     .duration_ns =
                                         keel_ns_left(now, attempt->began_at),
                                     .retry_after_ns = retry_after_ns };
    keel_changes changes = { .count = 0 };
    bool in_time = keel_admission_end(m->pipeline, m->plan, attempt->admission, &result,
                                      now, &changes);

    if (attempt->pick)
        keel_attempt_let_go(m, attempt->pick, &result, now);
    keel_budget_end(&m->plan->budget, &m->plan->policy, attempt->is_extra,
                    keel_outcome_of(status) == KEEL_OUTCOME_OK,
                    keel_outcome_of(status) == KEEL_OUTCOME_FAILED);
    learn_latency(m->plan, status, result.duration_ns, now);
    if (changes.count | changes.would_trip)
        keel_pipeline_tell_changes(m->pipeline, &changes, now);
    if (status != KEEL_OK || !in_time || m->plan->policy.slow_call_ns)
        tell_end(m, attempt->number, status, result.duration_ns, in_time, now);
}

/* What a late report counts as: which limit it broke. */
static keel_status lateness(const keel_machine *m, const keel_attempt_ref *attempt)
{
    uint64_t timeout = m->plan->policy.timeout_ns;

    return timeout && keel_ns_add(attempt->began_at, timeout) <= m->deadline_at
               ? KEEL_TIMEOUT
               : KEEL_DEADLINE;
}

static bool is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_CLIENT_ERROR || status == KEEL_IGNORED ||
           status == KEEL_CANCELLED;
}

keel_status keel_machine_judge(keel_machine *m, const keel_attempt_ref *attempt,
                               const keel_outcome *outcome, uint64_t now)
{
    keel_status counts_as = outcome->status;

    /* up to the instant itself an answer still counts; the timeout wins after it */
    if (keel_outcome_of(counts_as) != KEEL_OUTCOME_NEUTRAL &&
        (now > attempt->until || (now == attempt->until && counts_as == KEEL_TIMEOUT)))
        counts_as = lateness(m, attempt);
    if (counts_as != outcome->status && is_answer(outcome->status))
        keel_pipeline_warn_once(m->pipeline, KEEL_WARNED_OVERDUE);
    keel_machine_settle(m, attempt, counts_as, outcome->retry_after_ns, now);
    return counts_as;
}

void keel_machine_take(keel_machine *m, const keel_outcome *o, keel_status counts_as)
{
    m->system_errno = o->system_errno;
    m->applied = (uint8_t)o->applied;
    /* whoever holds the answer gets it, however late: it may tell of a write */
    m->status = (uint16_t)(is_answer(o->status) ? o->status : counts_as);
    m->flags.is_overdue = counts_as != o->status;
    m->retry_after_ns = o->retry_after_ns == UINT64_MAX ? 0 : o->retry_after_ns;
}

bool keel_machine_is_final(keel_status status)
{
    return is_answer(status) || keel_status_is_error(status);
}

void keel_machine_decide(keel_machine *m, const keel_outcome *o, keel_status counts_as,
                         uint64_t now)
{
    if (o->status == KEEL_CLIENT_ERROR)
        keel_machine_finish(m, KEEL_REASON_NOT_RETRYABLE, now);
    else if (o->status == KEEL_CANCELLED)
        keel_machine_finish(m, KEEL_REASON_CANCELLED, now);
    else if (keel_machine_is_final(o->status))
        keel_machine_finish(m, KEEL_REASON_NONE, now);
    else if (counts_as == KEEL_DEADLINE)
        keel_machine_finish(m, KEEL_REASON_DEADLINE, now);
    else
        keel_retry_decide(m, o, counts_as == KEEL_TIMEOUT, now);
}

keel_outcome keel_outcome_read(const keel_outcome *given)
{
    keel_outcome outcome = { .size = sizeof outcome };

    if (!keel_options_read(&outcome, sizeof outcome, given))
        outcome = (keel_outcome){ .size = sizeof outcome, .status = KEEL_E_ARGUMENT };
    return outcome;
}

void keel_machine_report(keel_machine *m, const keel_outcome *outcome, uint64_t now)
{
    keel_attempt_ref own = own_attempt(m);
    keel_outcome o = *outcome;
    keel_status counts_as;

    o.status = keel_machine_known(o.status);
    counts_as = keel_machine_judge(m, &own, &o, now);
    keel_machine_take(m, &o, counts_as);
    if (m->flags.is_hedged && keel_race_goes_on(m, &o, counts_as, now))
        return;
    keel_machine_decide(m, &o, counts_as, now);
}

void keel_machine_drop_attempts(keel_machine *m, uint64_t now)
{
    if (keel_race_own_is_open(m)) {
        keel_attempt_ref own = own_attempt(m);

        keel_machine_settle(m, &own, KEEL_CANCELLED, 0, now);
        m->status = KEEL_IGNORED;
    }
    keel_race_stop(m, now);
}

void keel_machine_abandon(keel_machine *m, uint64_t now)
{
    bool ends = is_in_attempt(m);

    let_go(m, now);
    if (ends)
        keel_machine_finish(m, KEEL_REASON_NONE, now);
}

void keel_machine_take_back(keel_machine *m, keel_bar bar)
{
    uint16_t status = m->status;
    uint64_t now;

    if (!keel_machine_is_alive(m)) /* its driver's hook has forked */
        return;
    now = keel_machine_now(m);
    keel_machine_drop_attempts(m, now);
    keel_machine_may_repeat(m, false, bar);
    m->attempts--;
    m->status = status;
    keel_machine_finish(m, KEEL_REASON_NOT_RETRYABLE, now);
}

/* Why there was no retry: the bars first. */
enum { CAUSE_BUDGET = KEEL_BAR_MAY_BE_APPLIED + 1, CAUSE_PUSHBACK, CAUSE_OPEN, CAUSES };

/* In the order of keel_bar and the causes. */
#define NOT_RETRIED(what)                                                              \
    {                                                                                  \
        what "; not retried: it was not declared idempotent",                          \
            what "; not retried: an answer had begun to arrive",                       \
            what "; not retried: its body had been read",                              \
            what "; not retried: it may have been applied",                            \
            what "; not retried: the retry budget is spent",                           \
            what "; not retried: the other side asked for a longer wait",              \
            what "; not retried: the breaker has opened"                               \
    }

static const char *const failed[CAUSES] = NOT_RETRIED("called and failed");
static const char *const timed_out[CAUSES] = NOT_RETRIED("called; no answer in time");
static const char *const throttled[CAUSES] =
    NOT_RETRIED("the dependency asks for less");

static int cause_of(const keel_machine *m)
{
    switch ((keel_reason)m->reason) {
    case KEEL_REASON_NOT_RETRYABLE:
        return (int)m->flags.bar;
    case KEEL_REASON_BUDGET:
        return CAUSE_BUDGET;
    case KEEL_REASON_PUSHBACK:
        return CAUSE_PUSHBACK;
    case KEEL_REASON_OPEN:
        return CAUSE_OPEN;
    default:
        return CAUSES; /* none to tell of */
    }
}

/* The status's own sentence, or where the reason says more, that. */
static const char *sentence_of(const keel_machine *m, keel_status status)
{
    int cause = cause_of(m);

    if (cause < CAUSES && status == KEEL_FAILED)
        return failed[cause];
    if (cause < CAUSES && status == KEEL_TIMEOUT)
        return timed_out[cause];
    if (cause < CAUSES && status == KEEL_THROTTLED)
        return throttled[cause];
    return keel_status_text(status);
}

void keel_machine_end_as(keel_machine *m, uint64_t began_at, keel_status status,
                         keel_reason reason, uint64_t retry_after_ns)
{
    m->phase = KEEL_PHASE_ENDED;
    m->began_at = began_at;
    m->flags.has_begun = true;
    m->flags.ends_as_another = true;
    m->status = (uint16_t)status;
    m->reason = (uint8_t)reason;
    m->retry_after_ns = retry_after_ns;
}

keel_status keel_machine_conclude(keel_machine *m, keel_detail *why, uint64_t now)
{
    keel_status status = (keel_status)m->status;

    keel_machine_end_permit(m, now); /* of one left between two attempts */
    if (!m->flags.ends_as_another)
        keel_admission_call_over(m->plan, status, now);
    /* field by field: the storage is large, and not used here */
    why->size = sizeof *why;
    why->code = status;
    why->reason = (keel_reason)m->reason;
    why->attempts = m->attempts;
    why->applied = m->attempts ? (keel_applied)m->applied : KEEL_APPLIED_NO;
    why->system_errno = m->system_errno;
    why->fallback = false;
    why->elapsed_ns = m->flags.has_begun ? keel_ns_left(now, m->began_at) : 0;
    why->retry_after_ns = status == KEEL_OK ? 0 : m->retry_after_ns;
    why->text = sentence_of(m, status);
    return status;
}
