/* SPDX-License-Identifier: MIT */
/* What follows an attempt that did not succeed. Not for how long back-off is:
 * backoff.c. */
#include "call/machine.h"

static void wait_for(keel_machine *m, uint64_t now, uint64_t wait_ns)
{
    m->phase = KEEL_PHASE_BACKOFF;
    m->wake_at = keel_ns_add(now, wait_ns);
}

/* Whether an attempt after the wait would begin too late. */
static bool reaches_deadline(const keel_machine *m, uint64_t now, uint64_t wait_ns)
{
    uint64_t least = keel_machine_least_ns(m);

    return m->deadline_at != KEEL_NEVER &&
           keel_ns_add(keel_ns_add(now, wait_ns), least) >= m->deadline_at;
}

static bool tries_are_left(const keel_machine *m)
{
    return m->tries < m->most_tries;
}

static uint64_t draw_backoff(keel_machine *m, bool throttled)
{
    keel_backoff_policy policy = m->plan->policy.backoff;
    double u = 0;

    if (throttled) {
        policy.base_ns = m->plan->policy.throttle_base_ns;
        policy.cap_ns = m->plan->policy.throttle_cap_ns;
    }
    if (keel_backoff_draws(&policy))
        u = keel_random_draw(&m->pipeline->runtime->random);
    return keel_backoff_ns(&policy, &m->backoff, m->tries, u);
}

/*
 * The token is asked for before the wait, so that nobody waits in vain. One that paid
 * for a try which was refused locally, and so made no load, pays for the next one.
 */
static bool pay(keel_machine *m, bool throttled, uint64_t now)
{
    if (m->attempts == 0 || m->flags.has_token)
        return true;
    if (!keel_budget_withdraw(&m->plan->budget, &m->plan->policy, now, throttled)) {
        keel_pipeline_tell(m->pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_BUDGET,
                                                .attempt = m->attempts,
                                                .status = m->status },
                           now);
        return false;
    }
    m->flags.has_token = true;
    m->flags.token_is_throttled = throttled;
    m->withdrawn_at = now;
    return true;
}

static void back_off(keel_machine *m, bool throttled, uint64_t least_ns, uint64_t now)
{
    uint64_t wait = draw_backoff(m, throttled);

    if (least_ns > wait)
        wait = least_ns; /* a server's hint is never undercut, nor jittered */
    if (reaches_deadline(m, now, wait)) {
        keel_machine_finish(m, KEEL_REASON_DEADLINE, now);
        return;
    }
    if (!pay(m, throttled, now)) {
        keel_machine_finish(m, KEEL_REASON_BUDGET, now);
        return;
    }
    keel_count(&m->pipeline->counters->retries);
    keel_pipeline_tell(m->pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_RETRY,
                                            .attempt = m->attempts,
                                            .status = m->status,
                                            .duration_ns = wait },
                       now);
    wait_for(m, now, wait);
}

/* A hint that lies beyond what we may wait for ends the call; the caller gets it. */
static bool is_pushed_back(const keel_machine *m, uint64_t hint, uint64_t now)
{
    return hint == UINT64_MAX || (hint && (hint > m->plan->policy.after_cap_ns ||
                                           reaches_deadline(m, now, hint)));
}

void keel_retry_decide(keel_machine *m, const keel_outcome *outcome, bool timed_out,
                       uint64_t now)
{
    bool throttled = outcome->status == KEEL_THROTTLED;

    if (!tries_are_left(m)) {
        keel_machine_finish(m, timed_out ? KEEL_REASON_TIMEOUT : KEEL_REASON_EXHAUSTED,
                            now);
    } else if (!m->flags.is_idempotent && !outcome->never_sent) {
        keel_pipeline_warn_once(m->pipeline, (keel_warned)m->flags.bar);
        keel_machine_finish(m, KEEL_REASON_NOT_RETRYABLE, now);
    } else if (is_pushed_back(m, outcome->retry_after_ns, now)) {
        keel_machine_finish(m, KEEL_REASON_PUSHBACK, now);
    } else {
        back_off(m, throttled, outcome->retry_after_ns, now);
    }
}

/* Refusals that spare the dependency: another try would be one too many of them. */
static bool is_protective(keel_status rejection)
{
    return rejection == KEEL_REJECTED_OPEN || rejection == KEEL_REJECTED_FORCED_OPEN ||
           rejection == KEEL_REJECTED_HALF_OPEN || rejection == KEEL_REJECTED_RAMPING ||
           rejection == KEEL_REJECTED_THROTTLED;
}

static void finish_refused(keel_machine *m, keel_status rejection,
                           uint64_t retry_after_ns, uint64_t now)
{
    if (m->attempts == 0)
        m->status = (uint16_t)rejection; /* else the last real outcome stands */
    keel_machine_finish(m, keel_reason_of(rejection), now);
    m->retry_after_ns = retry_after_ns; /* keel's hint, not the dependency's */
}

/*
 * Whether an open breaker is waited for, exactly until it lets probes pass. Waiting is
 * retry's business: a call that was not declared idempotent and has made no attempt yet
 * is refused at once, so that an outage costs its callers no time.
 */
static bool waits_for_probes(const keel_machine *m, uint64_t open_left_ns, uint64_t now)
{
    return !m->flags.never_waits_for_probes &&
           (m->flags.is_idempotent || m->attempts > 0) && m->most_tries > 1 &&
           tries_are_left(m) && m->deadline_at != KEEL_NEVER &&
           !reaches_deadline(m, now, open_left_ns);
}

void keel_retry_refused(keel_machine *m, const keel_admission_answer *answer,
                        uint64_t now)
{
    keel_status rejection = answer->status;
    const keel_policy *policy = &m->plan->policy;

    if (rejection == KEEL_REJECTED_OPEN &&
        waits_for_probes(m, answer->retry_after_ns, now)) {
        wait_for(m, now, answer->retry_after_ns);
        return;
    }
    if (policy->retry_on_local && !is_protective(rejection)) {
        m->tries++;
        if (tries_are_left(m)) {
            if (m->attempts == 0)
                m->status = (uint16_t)rejection;
            back_off(m, false, 0, now);
            if (m->phase != KEEL_PHASE_ENDED || m->attempts > 0)
                return; /* else it was never called: for what refused it at last */
        }
    }
    if (rejection == KEEL_REJECTED_BULKHEAD_TIMEOUT && now >= m->deadline_at)
        rejection = KEEL_REJECTED_DEADLINE;
    finish_refused(m, rejection, answer->retry_after_ns, now);
}

void keel_machine_finish(keel_machine *m, keel_reason reason, uint64_t now)
{
    m->phase = KEEL_PHASE_ENDED;
    m->reason = (uint8_t)reason;
    keel_machine_end_permit(m, now);
    if (!m->flags.has_token)
        return;
    m->flags.has_token = false;
    keel_budget_give_back(&m->plan->budget, &m->plan->policy, m->withdrawn_at,
                          m->flags.token_is_throttled);
}
