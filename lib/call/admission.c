/* SPDX-License-Identifier: MIT */
/* Admission of one attempt. Not for retry, deadline and budget: that is call.c. */
#include "call/admission.h"

#include "base/detail.h"
#include "call/host.h"

#define TOKEN_LOOK_NS (5 * KEEL_MS) /* who waits for the fleet's looks as often */

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
    case KEEL_REJECTED_RAMPING:
        return KEEL_REASON_RAMPING;
    case KEEL_REJECTED_THROTTLED:
        return KEEL_REASON_THROTTLED;
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

bool keel_admission_pass_throttle(keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now, keel_admission_answer *answer)
{
    keel_pipeline_tell_found(pipeline, plan, now);
    if (!keel_throttle_refuses(&plan->throttle, &plan->policy, now,
                               &pipeline->runtime->random))
        return true;
    refuse(answer, KEEL_REJECTED_THROTTLED, 0);
    return false;
}

void keel_admission_count_call(const keel_plan *plan, keel_status status, uint64_t now)
{
    keel_breaker_outcome outcome = keel_outcome_of(status);

    if (outcome == KEEL_OUTCOME_NEUTRAL && !keel_status_is_rejected(status))
        return;
    keel_throttle_count(&plan->throttle, outcome == KEEL_OUTCOME_OK, now);
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

/* How long the caller may wait for a token, from now on. */
static uint64_t patience_for_token(const keel_plan *plan,
                                   const keel_admission *admission,
                                   const keel_admission_request *request)
{
    uint64_t most = admission->stage == KEEL_ADMISSION_TOKEN
                        ? keel_ns_left(admission->rate_tat, request->now)
                        : plan->policy.rate_wait_ns;

    return request->may_wait
               ? keel_ns_min(most, keel_ns_left(request->until, request->now))
               : 0;
}

/* How long until there can be one again, as far as is known. */
static uint64_t wait_for_fleet(const keel_rate *rate, uint64_t now)
{
    uint64_t next = atomic_load_explicit(&rate->fleet->next_at, memory_order_relaxed);
    uint64_t shut = keel_rate_shut_until(rate);

    return keel_ns_left(next > shut ? next : shut, now);
}

static bool take_fleet_token(keel_pipeline *pipeline, const keel_plan *plan,
                             keel_admission *admission, uint64_t now)
{
    keel_fleet_tokens *tokens = plan->rate.fleet;

    if (keel_rate_shut_until(&plan->rate) > now)
        return false;
    if (keel_fleet_tokens_take(tokens))
        return true;
    if (admission->stage != KEEL_ADMISSION_TOKEN) /* at the first look */
        atomic_fetch_add(&tokens->missed, 1);
    keel_pipeline_wants(pipeline, &tokens->wanted);
    return false;
}

/* Who waits looks now and then: nobody knows who is to have the next one. */
static bool pass_fleet_rate(keel_pipeline *pipeline, const keel_plan *plan,
                            keel_admission *admission,
                            const keel_admission_request *request,
                            keel_admission_answer *answer)
{
    uint64_t most = patience_for_token(plan, admission, request);
    uint64_t wait;

    if (take_fleet_token(pipeline, plan, admission, request->now)) {
        admission->stage = KEEL_ADMISSION_NONE;
        admission->rate_tat = KEEL_FLEET_TOKEN;
        return true;
    }
    wait = wait_for_fleet(&plan->rate, request->now);
    if (wait < most) {
        admission->stage = KEEL_ADMISSION_TOKEN;
        admission->rate_tat = keel_ns_add(request->now, most);
        wait_until(answer, request->now + keel_ns_min(most, TOKEN_LOOK_NS));
        return false;
    }
    admission->rate_tat = 0;
    refuse(answer, KEEL_REJECTED_RATE_LIMITED,
           wait > KEEL_TOKENS_SOON_NS ? wait : KEEL_TOKENS_SOON_NS);
    return false;
}

/* The limiter here; of a fleet that cannot be asked, this member's part. */
static keel_rate own_rate(const keel_plan *plan)
{
    return plan->rate.fleet ? keel_fleet_tokens_share(&plan->rate) : plan->rate;
}

static bool pass_own_rate(const keel_plan *plan, keel_admission *admission,
                          const keel_admission_request *request,
                          keel_admission_answer *answer)
{
    keel_rate rate = own_rate(plan);
    uint64_t most = patience_for_token(plan, admission, request);
    uint64_t wait;

    admission->stage = KEEL_ADMISSION_NONE;
    if (!keel_rate_take(&rate, request->now, most, &wait, &admission->rate_tat)) {
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

static bool pass_rate(keel_pipeline *pipeline, const keel_plan *plan,
                      keel_admission *admission, const keel_admission_request *request,
                      keel_admission_answer *answer)
{
    return keel_fleet_tokens_govern(plan->rate.fleet, request->now)
               ? pass_fleet_rate(pipeline, plan, admission, request, answer)
               : pass_own_rate(plan, admission, request, answer);
}

/* The token too if it is the newest; of the fleet's, any. */
static void give_token_back(const keel_plan *plan, keel_admission *admission)
{
    uint64_t tat = admission->rate_tat;
    bool is_held = tat && admission->stage != KEEL_ADMISSION_TOKEN;
    keel_rate rate = own_rate(plan);

    admission->rate_tat = 0;
    if (is_held && rate.fleet && tat == KEEL_FLEET_TOKEN)
        keel_fleet_tokens_put_back(rate.fleet);
    else if (is_held)
        keel_rate_give_back(&rate, tat);
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

/* Of a call that has its permit: what others found since does not stop it, an operator
 * who holds the breaker open does. */
static bool pass_lock(const keel_plan *plan, const keel_admission_request *request,
                      keel_admission_answer *answer)
{
    uint64_t retry_after;

    if (keel_breaker_foresee(&plan->breaker, request->now, &retry_after) !=
        KEEL_REJECTED_FORCED_OPEN)
        return true;
    refuse(answer, KEEL_REJECTED_FORCED_OPEN, retry_after);
    return false;
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

/* A refusal further in: probe and token go back. */
static void give_back(keel_pipeline *pipeline, const keel_plan *plan,
                      keel_admission *admission, uint64_t now, keel_changes *changes)
{
    const keel_breaker_result unused = { .outcome = KEEL_OUTCOME_NEUTRAL };

    if (admission->has_permit)
        keel_breaker_end(&plan->breaker, &plan->policy, &admission->permit, &unused,
                         now, &pipeline->runtime->random, changes);
    give_token_back(plan, admission);
    *admission = (keel_admission){ .stage = KEEL_ADMISSION_NONE };
}

static bool go_on(keel_pipeline *pipeline, const keel_plan *plan,
                  keel_admission *admission, const keel_admission_request *request,
                  keel_admission_answer *answer)
{
    const keel_policy *policy = &plan->policy;

    switch ((keel_admission_stage)admission->stage) {
    case KEEL_ADMISSION_NONE:
        if (request->is_call &&
            !keel_admission_throttle(pipeline, plan, request->now, answer))
            return false;
        /* fall through */
    case KEEL_ADMISSION_TOKEN:
        if (policy->rate.count &&
            (!pass_open_breaker(plan, request, answer) ||
             !pass_rate(pipeline, plan, admission, request, answer)))
            return false;
        /* fall through */
    case KEEL_ADMISSION_RATE:
        if (policy->breaker &&
            !(request->skips_breaker
                  ? pass_lock(plan, request, answer)
                  : pass_breaker(pipeline, plan, admission, request, answer)))
            return false;
        return !plan->has_places || pass_bulkhead(plan, admission, request, answer);
    case KEEL_ADMISSION_QUEUE:
        return pass_queue(plan, admission, request, answer);
    case KEEL_ADMISSION_GRANTED:
        break;
    }
    return true;
}

/* A call that was refused has found that a probe is due, which is the fleet's to lend. */
static void ask_for_probe(const keel_pipeline *pipeline, const keel_plan *plan)
{
    if (plan->breaker.fleet && atomic_load(&plan->breaker.fleet->news))
        keel_pipeline_news(pipeline, plan);
}

/* What a call found that is the fleet's to change: a probe is wanted, or a place. */
static void tell_fleet(const keel_pipeline *pipeline, const keel_plan *plan,
                       const keel_admission *admission,
                       const keel_admission_answer *answer)
{
    keel_fleet_places *places = plan->bulkhead.fleet;
    bool queues = answer->waits && admission->stage == KEEL_ADMISSION_QUEUE;

    if (answer->status != KEEL_OK)
        ask_for_probe(pipeline, plan);
    if (!places || !(queues || answer->status == KEEL_REJECTED_BULKHEAD_FULL))
        return;
    atomic_fetch_add(&places->refused, 1);
    keel_pipeline_wants(pipeline, &places->wanted);
}

static void begin_asking(keel_pipeline *pipeline, const keel_plan *plan, uint64_t now,
                         keel_admission_answer *answer)
{
    *answer = (keel_admission_answer){ .status = KEEL_OK };
    if (atomic_load_explicit(
            &pipeline->runtime->has_peers,
            memory_order_relaxed)) /* a lease or a place needs its owner */
        keel_runtime_notice_fork(pipeline->runtime);
    keel_pipeline_see_lock(pipeline, plan, now);
}

void keel_admission_ask_permit(keel_pipeline *pipeline, const keel_plan *plan,
                               keel_breaker_permit *permit, uint64_t now,
                               keel_admission_answer *answer)
{
    begin_asking(pipeline, plan, now, answer);
    answer->status = keel_breaker_admit(&plan->breaker, &plan->policy, now,
                                        &pipeline->runtime->random, permit,
                                        &answer->retry_after_ns, &answer->changes);
    if (answer->status != KEEL_OK)
        ask_for_probe(pipeline, plan);
    if (answer->status == KEEL_REJECTED_HALF_OPEN)
        keel_host_bury(pipeline->runtime, now);
}

void keel_admission_ask(keel_pipeline *pipeline, const keel_plan *plan,
                        keel_admission *admission,
                        const keel_admission_request *request,
                        keel_admission_answer *answer)
{
    begin_asking(pipeline, plan, request->now, answer);
    if (go_on(pipeline, plan, admission, request, answer))
        admission->stage = KEEL_ADMISSION_GRANTED;
    else if (answer->status != KEEL_OK)
        give_back(pipeline, plan, admission, request->now, &answer->changes);
    if (answer->status != KEEL_OK && request->is_call)
        keel_admission_call_over(plan, answer->status, request->now);
    tell_fleet(pipeline, plan, admission, answer);
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
    keel_pipeline_see_lock(pipeline, judge, now);
    if (judge->breaker.fleet && is_news(&judge->policy, permit, result))
        keel_pipeline_news(pipeline, judge);
    return counts;
}

static inline bool judge(keel_pipeline *pipeline, const keel_plan *plan,
                         keel_admission *admission, const keel_admission_result *result,
                         uint64_t now, keel_changes *changes)
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
    if (result->status == KEEL_CANCELLED)
        give_token_back(plan, admission);
    admission->rate_tat = 0;
    admission->has_permit = false;
    if (!has_permit)
        return true;
    return keel_admission_end_permit(pipeline, plan, &admission->permit, &outcome, now,
                                     changes);
}

bool keel_admission_judge(keel_pipeline *pipeline, const keel_plan *plan,
                          keel_admission *admission,
                          const keel_admission_result *result, uint64_t now,
                          keel_changes *changes)
{
    return judge(pipeline, plan, admission, result, now, changes);
}

/* The limit of now, whoever changes the settings meanwhile; returns the plan that it is
 * by. plan: one with places */
static const keel_plan *adapt_places(const keel_pipeline *pipeline,
                                     const keel_plan *plan)
{
    const keel_plan *present;

    do {
        present = atomic_load_explicit(&pipeline->plan, memory_order_acquire);
        keel_plan_adapt(present, plan);
        /* pairs with the one in keel_pipeline_follow_locked */
        atomic_thread_fence(memory_order_seq_cst);
    } while (atomic_load_explicit(&pipeline->plan, memory_order_relaxed) != present);
    return present;
}

/*
 * What an attempt tells the adaptive limit. Windows are ended by the settings of now,
 * whatever those of the attempt are.
 */
static KEEL_APART void adapt(keel_pipeline *pipeline, const keel_plan *plan,
                             const keel_admission_result *result, uint64_t now)
{
    const keel_plan *present =
        atomic_load_explicit(&pipeline->plan, memory_order_acquire);
    uint64_t in_flight = keel_bulkhead_load(&plan->bulkhead);

    if (result->status == KEEL_OK)
        keel_adaptive_answered(&plan->adaptive, result->duration_ns, in_flight);
    else if (result->status == KEEL_TIMEOUT || result->status == KEEL_DEADLINE ||
             result->status == KEEL_THROTTLED)
        keel_adaptive_dropped(&plan->adaptive, in_flight);
    if (!present->adaptive.words ||
        !keel_adaptive_turn(&present->adaptive, now, &pipeline->runtime->random))
        return;
    keel_pipeline_look_for_leaks(pipeline, present, now);
    present = adapt_places(pipeline, plan);
    keel_pipeline_tell_found_now(pipeline, present, now);
}

bool keel_admission_end(keel_pipeline *pipeline, const keel_plan *plan,
                        keel_admission *admission, const keel_admission_result *result,
                        uint64_t now, keel_changes *changes)
{
    bool in_time = judge(pipeline, plan, admission, result, now, changes);

    if (plan->adaptive.words && admission->stage == KEEL_ADMISSION_GRANTED)
        adapt(pipeline, plan, result, now);
    if (result->is_call)
        keel_admission_call_over(plan, result->status, now);
    if (plan->has_places)
        keel_bulkhead_leave(&plan->bulkhead, &admission->place, now);
    admission->stage = KEEL_ADMISSION_NONE;
    return in_time;
}
