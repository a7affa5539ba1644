/* SPDX-License-Identifier: MIT */
/* Admission of one attempt. Not for retry, deadline and budget: that is call.c. */
#include "call/admission.h"

#include "base/detail.h"
#include "call/host.h"

keel_breaker_outcome keel_outcome_of(keel_status status)
{
    switch (status) {
    case KEEL_OK:
    case KEEL_CLIENT_ERROR:
        return KEEL_OUTCOME_OK;
    case KEEL_FAILED:
    case KEEL_THROTTLED:
    case KEEL_TIMEOUT:
    case KEEL_DEADLINE:
    case KEEL_UNKNOWN:
        return KEEL_OUTCOME_FAILED;
    default: /* a refusal or an error of another use of keel; else something is wrong */
        return keel_status_is_known(status) ? KEEL_OUTCOME_NEUTRAL
                                            : KEEL_OUTCOME_FAILED;
    }
}

keel_reason keel_reason_of(keel_status rejection)
{
    switch (rejection) {
    case KEEL_REJECTED_OPEN:
        return KEEL_REASON_OPEN;
    case KEEL_REJECTED_FORCED_OPEN:
        return KEEL_REASON_FORCED_OPEN;
    case KEEL_REJECTED_HALF_OPEN:
        return KEEL_REASON_HALF_OPEN_FULL;
    case KEEL_REJECTED_BULKHEAD_FULL:
        return KEEL_REASON_BULKHEAD_FULL;
    case KEEL_REJECTED_BULKHEAD_TIMEOUT:
        return KEEL_REASON_BULKHEAD_TIMEOUT;
    case KEEL_REJECTED_RATE_LIMITED:
        return KEEL_REASON_RATE_LIMITED;
    default:
        return KEEL_REASON_DEADLINE;
    }
}

static void refuse(keel_admission_answer *answer, keel_status status,
                   uint64_t retry_after_ns)
{
    answer->status = status;
    answer->retry_after_ns = retry_after_ns;
}

static void wait_until(keel_admission_answer *answer, uint64_t at)
{
    answer->waits = true;
    answer->wake_at = at;
}

/* Each step returns true when the next one may follow. */

/* An open breaker is seen before the limiter is asked: nobody waits for a token, or
 * spends one, to be refused. */
static bool pass_open_breaker(const keel_plan *plan,
                              const keel_admission_request *request,
                              keel_admission_answer *answer)
{
    uint64_t retry_after;
    keel_status status;

    if (!plan->policy.breaker || request->skips_breaker)
        return true;
    status = keel_breaker_foresee(&plan->breaker, request->now, &retry_after);
    if (status != KEEL_OK)
        refuse(answer, status, retry_after);
    return status == KEEL_OK;
}

static bool pass_rate(const keel_plan *plan, keel_admission *admission,
                      const keel_admission_request *request,
                      keel_admission_answer *answer)
{
    uint64_t most = request->may_wait
                        ? keel_ns_min(plan->policy.rate_wait_ns,
                                      keel_ns_left(request->until, request->now))
                        : 0;
    uint64_t wait;

    if (!keel_rate_take(&plan->rate, request->now, most, &wait, &admission->rate_tat)) {
        admission->rate_tat = 0;
        refuse(answer, KEEL_REJECTED_RATE_LIMITED, wait);
        return false;
    }
    if (!wait)
        return true;
    admission->stage = KEEL_ADMISSION_RATE;
    wait_until(answer, request->now + wait);
    return false;
}

static bool pass_breaker(keel_pipeline *pipeline, const keel_plan *plan,
                         keel_admission *admission,
                         const keel_admission_request *request,
                         keel_admission_answer *answer)
{
    uint64_t retry_after;
    keel_status status = keel_breaker_admit(
        &plan->breaker, &plan->policy, request->now, &pipeline->runtime->random,
        &admission->permit, &retry_after, &answer->changes);

    if (status != KEEL_OK)
        refuse(answer, status, retry_after);
    admission->has_permit = status == KEEL_OK;
    return admission->has_permit;
}

static bool take_entry(keel_entry entry, keel_admission *admission,
                       const keel_plan *plan, uint64_t now,
                       keel_admission_answer *answer)
{
    switch (entry) {
    case KEEL_ENTERED:
        return true;
    case KEEL_QUEUED:
        admission->stage = KEEL_ADMISSION_QUEUE;
        wait_until(answer,
                   keel_bulkhead_wake_at(&plan->bulkhead, &admission->place, now));
        return false;
    case KEEL_FULL:
        break;
    }
    refuse(answer,
           admission->stage == KEEL_ADMISSION_QUEUE ? KEEL_REJECTED_BULKHEAD_TIMEOUT
                                                    : KEEL_REJECTED_BULKHEAD_FULL,
           0);
    return false;
}

static bool pass_bulkhead(const keel_plan *plan, keel_admission *admission,
                          const keel_admission_request *request,
                          keel_admission_answer *answer)
{
    uint64_t until = 0;
    keel_entry entry;

    if (request->may_wait && plan->policy.bulkhead_wait_ns)
        until = keel_ns_min(keel_ns_add(request->now, plan->policy.bulkhead_wait_ns),
                            request->until);
    entry = keel_bulkhead_enter(&plan->bulkhead, &admission->place, request->now, until,
                                request->sleeps, request->wake, request->wake_ctx);
    if (entry == KEEL_QUEUED && admission->has_permit)
        keel_breaker_pause(&plan->breaker, &plan->policy, &admission->permit,
                           request->now, until);
    return take_entry(entry, admission, plan, request->now, answer);
}

static bool pass_queue(const keel_plan *plan, keel_admission *admission,
                       const keel_admission_request *request,
                       keel_admission_answer *answer)
{
    keel_entry entry =
        keel_bulkhead_check(&plan->bulkhead, &admission->place, request->now);

    if (entry == KEEL_ENTERED && admission->has_permit)
        keel_breaker_resume(&plan->breaker, &plan->policy, &admission->permit,
                            request->now);
    return take_entry(entry, admission, plan, request->now, answer);
}

/* A refusal further in: the probe goes back, the token too if it is the newest. */
static void give_back(keel_pipeline *pipeline, const keel_plan *plan,
                      keel_admission *admission, uint64_t now, keel_changes *changes)
{
    const keel_breaker_result unused = { .outcome = KEEL_OUTCOME_NEUTRAL };

    if (admission->has_permit)
        keel_breaker_end(&plan->breaker, &plan->policy, &admission->permit, &unused,
                         now, &pipeline->runtime->random, changes);
    if (admission->rate_tat)
        keel_rate_give_back(&plan->rate, admission->rate_tat);
    *admission = (keel_admission){ .stage = KEEL_ADMISSION_NONE };
}

static bool go_on(keel_pipeline *pipeline, const keel_plan *plan,
                  keel_admission *admission, const keel_admission_request *request,
                  keel_admission_answer *answer)
{
    const keel_policy *policy = &plan->policy;

    switch ((keel_admission_stage)admission->stage) {
    case KEEL_ADMISSION_NONE:
        if (policy->rate.count && (!pass_open_breaker(plan, request, answer) ||
                                   !pass_rate(plan, admission, request, answer)))
            return false;
        /* fall through */
    case KEEL_ADMISSION_RATE:
        if (policy->breaker && !request->skips_breaker &&
            !pass_breaker(pipeline, plan, admission, request, answer))
            return false;
        return !policy->bulkhead || pass_bulkhead(plan, admission, request, answer);
    case KEEL_ADMISSION_QUEUE:
        return pass_queue(plan, admission, request, answer);
    case KEEL_ADMISSION_GRANTED:
        break;
    }
    return true;
}

void keel_admission_ask(keel_pipeline *pipeline, const keel_plan *plan,
                        keel_admission *admission,
                        const keel_admission_request *request,
                        keel_admission_answer *answer)
{
    *answer = (keel_admission_answer){ .status = KEEL_OK };
    if (pipeline->runtime->shared) /* a lease or a place needs its owner */
        keel_runtime_notice_fork(pipeline->runtime);
    if (go_on(pipeline, plan, admission, request, answer))
        admission->stage = KEEL_ADMISSION_GRANTED;
    else if (answer->status != KEEL_OK)
        give_back(pipeline, plan, admission, request->now, &answer->changes);
    if (plan->breaker.fleet && answer->status != KEEL_OK &&
        atomic_load(&plan->breaker.fleet->news))
        keel_pipeline_news(pipeline, plan); /* a probe is wanted */
    if (answer->status == KEEL_REJECTED_HALF_OPEN ||
        answer->status == KEEL_REJECTED_BULKHEAD_FULL || answer->waits)
        keel_host_bury(pipeline->runtime, request->now);
}

/*
 * Outcomes go to the window of now, also those of calls that began by other settings.
 * Its plan cannot be freed: whoever holds a permit stays in a phase.
 */
static const keel_plan *judging(const keel_pipeline *pipeline, const keel_plan *plan,
                                const keel_breaker_permit *permit)
{
    const keel_plan *present =
        atomic_load_explicit(&pipeline->plan, memory_order_acquire);

    return permit->tracking == KEEL_TRACK_WINDOW && present->policy.breaker ? present
                                                                            : plan;
}

/* What the fleet does not learn by asking now and then: failures, and how probes end. */
static bool is_news(const keel_policy *policy, const keel_breaker_permit *permit,
                    const keel_breaker_result *result)
{
    return result->outcome == KEEL_OUTCOME_FAILED ||
           permit->tracking == KEEL_TRACK_PROBE ||
           (policy->slow_call_ns && result->duration_ns > policy->slow_call_ns);
}

bool keel_admission_end_permit(keel_pipeline *pipeline, const keel_plan *plan,
                               keel_breaker_permit *permit,
                               const keel_breaker_result *result, uint64_t now,
                               keel_changes *changes)
{
    const keel_plan *judge = judging(pipeline, plan, permit);
    bool counts;

    if (permit->start_index)
        keel_starts_leave(&plan->breaker.starts, permit->start_index);
    permit->start_index = 0;
    if (judge->uses_coarse_clock != plan->uses_coarse_clock)
        now = keel_plan_now(pipeline, judge);
    counts = keel_breaker_end(&judge->breaker, &judge->policy, permit, result, now,
                              &pipeline->runtime->random, changes);
    if (judge->policy.breaker)
        keel_pipeline_sample(pipeline, judge, now);
    if (judge->breaker.fleet && is_news(&judge->policy, permit, result))
        keel_pipeline_news(pipeline, judge);
    return counts;
}

bool keel_admission_judge(keel_pipeline *pipeline, const keel_plan *plan,
                          keel_admission *admission,
                          const keel_admission_result *result, uint64_t now,
                          keel_changes *changes)
{
    keel_breaker_result outcome = { .outcome = keel_outcome_of(result->status),
                                    .duration_ns = result->duration_ns,
                                    .retry_after_ns = result->retry_after_ns };
    bool has_permit = admission->has_permit;

    /* "never again" is about this request, not about all others */
    if (outcome.retry_after_ns == KEEL_NEVER)
        outcome.retry_after_ns = 0;
    if (result->status == KEEL_THROTTLED && outcome.retry_after_ns &&
        plan->policy.rate.count)
        keel_rate_drain(&plan->rate, now,
                        keel_ns_min(outcome.retry_after_ns, plan->policy.after_cap_ns));
    if (result->status == KEEL_CANCELLED && admission->rate_tat)
        keel_rate_give_back(&plan->rate, admission->rate_tat);
    admission->rate_tat = 0;
    admission->has_permit = false;
    if (!has_permit)
        return true;
    return keel_admission_end_permit(pipeline, plan, &admission->permit, &outcome, now,
                                     changes);
}

bool keel_admission_end(keel_pipeline *pipeline, const keel_plan *plan,
                        keel_admission *admission, const keel_admission_result *result,
                        uint64_t now, keel_changes *changes)
{
    bool in_time =
        keel_admission_judge(pipeline, plan, admission, result, now, changes);

    if (plan->policy.bulkhead)
        keel_bulkhead_leave(&plan->bulkhead, &admission->place, now);
    admission->stage = KEEL_ADMISSION_NONE;
    return in_time;
}
