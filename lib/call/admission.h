/* SPDX-License-Identifier: MIT */
/*
 * One attempt's way in and out: rate limiter, breaker, bulkhead, in that order; before
 * them, and once a call, the throttle. A
 * refusal further in gives back what was granted further out. Does no I/O and does not
 * sleep; where there is something to wait for it says until when.
 */
#ifndef KEEL_CALL_ADMISSION_H
#define KEEL_CALL_ADMISSION_H

#include "call/pipeline.h"

typedef enum keel_admission_stage {
    KEEL_ADMISSION_NONE = 0, /* nothing is held */
    KEEL_ADMISSION_RATE,     /* a token is reserved, its instant has not come */
    KEEL_ADMISSION_TOKEN,    /* the fleet is to lend one; none is held */
    KEEL_ADMISSION_QUEUE, /* token and breaker permit are held, a place is waited for */
    KEEL_ADMISSION_GRANTED
} keel_admission_stage;

typedef struct keel_admission {
    keel_breaker_permit permit;
    keel_place place;
    uint64_t rate_tat; /* of the token held, or KEEL_FLEET_TOKEN; 0: none. In the stage
                          TOKEN: until when one is waited for */
    uint8_t stage;
    bool has_permit;
} keel_admission;

/*
 * Who asks, and how long he may wait.
 *
 * until          neither limiter nor queue keep him longer
 * may_wait       false: a wait is a refusal
 * sleeps         he sleeps on his thread's word, else wake is called
 * skips_breaker  breaker.per_call: the call has its permit already, and only an operator's
 *                lock stops its attempts
 * is_call        the one attempt is all of a call: it passes the throttle
 */
typedef struct keel_admission_request {
    uint64_t now;
    uint64_t until;
    bool may_wait;
    bool sleeps;
    bool skips_breaker;
    bool is_call;
    void (*wake)(void *ctx);
    void *wake_ctx;
} keel_admission_request;

typedef struct keel_admission_answer {
    keel_status status; /* KEEL_OK: granted, or waiting; else KEEL_REJECTED_* */
    bool waits;         /* come back at wake_at */
    uint64_t wake_at;
    uint64_t retry_after_ns; /* of a refusal; 0: not known */
    keel_changes changes;
} keel_admission_answer;

/* Asks, or asks again after a wait. A refusal leaves the admission empty. */
void keel_admission_ask(keel_pipeline *pipeline, const keel_plan *plan,
                        keel_admission *admission,
                        const keel_admission_request *request,
                        keel_admission_answer *answer);

/*
 * The common case: a simple plan, a closed breaker, a token and a free place. False:
 * nothing was done, ask.
 * now  read only where plan->needs_time
 */
static inline bool keel_admission_try(const keel_plan *plan, keel_admission *admission,
                                      uint64_t now)
{
    const keel_policy *policy = &plan->policy;

    if (!plan->is_simple ||
        (policy->breaker &&
         !keel_breaker_admit_closed(&plan->breaker, policy, now, &admission->permit)) ||
        (policy->rate.count && !keel_rate_try(&plan->rate, now, &admission->rate_tat)))
        return false;
    if (plan->has_places &&
        !keel_bulkhead_try(&plan->bulkhead, &admission->place, now)) {
        if (policy->rate.count)
            keel_rate_give_back(&plan->rate, admission->rate_tat);
        admission->rate_tat = 0;
        return false;
    }
    admission->has_permit = policy->breaker;
    if (admission->has_permit && plan->breaker.starts.words)
        admission->permit.start_index =
            keel_starts_enter(&plan->breaker.starts, admission->permit.generation, now);
    admission->stage = KEEL_ADMISSION_GRANTED;
    return true;
}

/*
 * The end of a fast success that keel_admission_try admitted, if the breaker is as it
 * was. began, now: read only where there is a permit, or plan->needs_time.
 */
static inline bool keel_admission_try_end(const keel_plan *plan,
                                          keel_admission *admission, keel_stripe stripe,
                                          uint64_t began, uint64_t now)
{
    uint64_t slow_ns = plan->policy.slow_call_ns;

    if (!plan->is_simple ||
        (plan->adaptive.words && keel_adaptive_is_due(&plan->adaptive, now)) ||
        (admission->has_permit &&
         ((slow_ns && now - began > slow_ns) ||
          admission->permit.tracking != KEEL_TRACK_WINDOW ||
          !keel_breaker_end_plainly(&plan->breaker, admission->permit.generation,
                                    stripe, now))))
        return false;
    if (admission->has_permit && slow_ns)
        keel_starts_leave(&plan->breaker.starts, admission->permit.start_index);
    admission->has_permit = false;
    admission->rate_tat = 0;
    if (plan->adaptive.words)
        keel_adaptive_answered(&plan->adaptive, now - began,
                               keel_bulkhead_load(&plan->bulkhead));
    if (admission->place.held)
        keel_bulkhead_untake(&plan->bulkhead, &admission->place);
    admission->stage = KEEL_ADMISSION_NONE;
    return true;
}

/* What came of a granted attempt. */
typedef struct keel_admission_result {
    keel_status status; /* KEEL_CANCELLED: not used, all goes back */
    uint64_t duration_ns;
    uint64_t retry_after_ns;
    bool is_call; /* as it was when it asked: the throttle learns of it */
} keel_admission_result;

/* Ends whatever is held. False: the outcome came too late for the breaker. */
bool keel_admission_end(keel_pipeline *pipeline, const keel_plan *plan,
                        keel_admission *admission, const keel_admission_result *result,
                        uint64_t now, keel_changes *changes);

/* The same, but the place in the bulkhead stays taken until keel_admission_end. */
bool keel_admission_judge(keel_pipeline *pipeline, const keel_plan *plan,
                          keel_admission *admission,
                          const keel_admission_result *result, uint64_t now,
                          keel_changes *changes);

/* Asks for a permit of the breaker alone, for a whole call. */
void keel_admission_ask_permit(keel_pipeline *pipeline, const keel_plan *plan,
                               keel_breaker_permit *permit, uint64_t now,
                               keel_admission_answer *answer);

/* Ends one. False: the outcome came too late. */
bool keel_admission_end_permit(keel_pipeline *pipeline, const keel_plan *plan,
                               keel_breaker_permit *permit,
                               const keel_breaker_result *result, uint64_t now,
                               keel_changes *changes);

/*
 * The throttle, for calls that may make several attempts: asked before the first of them,
 * and told what the call came to when it is over, a refusal of keel's own included. Both
 * do nothing where it is off. False: refused, *answer says how.
 */
bool keel_admission_pass_throttle(keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now, keel_admission_answer *answer);
void keel_admission_count_call(const keel_plan *plan, keel_status status, uint64_t now);

static inline bool keel_admission_throttle(keel_pipeline *pipeline,
                                           const keel_plan *plan, uint64_t now,
                                           keel_admission_answer *answer)
{
    return KEEL_LIKELY(!plan->throttle.words) ||
           keel_admission_pass_throttle(pipeline, plan, now, answer);
}

static inline void keel_admission_call_over(const keel_plan *plan, keel_status status,
                                            uint64_t now)
{
    if (plan->throttle.words)
        keel_admission_count_call(plan, status, now);
}

/* The reason that goes with a rejection. */
keel_reason keel_reason_of(keel_status rejection);

/* How policies see a status. */
keel_breaker_outcome keel_outcome_of(keel_status status);

#endif
