/* SPDX-License-Identifier: MIT */
/* The public face of a call, and the driver that sleeps. */
#include <keel/call.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/detail.h"
#include "base/thread.h"
#include "call/quick.h"
#include "call/race.h"

enum { FALLBACKS_AT_ONCE = 10 };

/* beginning */

/* What is not set here is set before it is read. */
void keel_machine_clear(keel_machine *m, keel_pipeline *pipeline)
{
    m->pipeline = pipeline;
    m->plan = NULL;
    m->cancel = NULL;
    m->wake = NULL;
    m->fallback = NULL;
    m->planned_in = 0;
    m->thread = NULL;
    m->began_at = 0;
    m->deadline_at = KEEL_NEVER;
    m->wake_at = 0;
    m->attempt_until = KEEL_NEVER;
    m->race = NULL;
    m->retry_after_ns = 0;
    m->admission.place.ticket = 0;
    m->admission.place.held = false;
    m->admission.rate_tat = 0;
    m->admission.stage = KEEL_ADMISSION_NONE;
    m->admission.has_permit = false;
    m->backoff = (keel_backoff_state){ 0, 0 };
    m->magic = KEEL_CALL_MAGIC;
    m->tries = 0;
    m->attempts = 0;
    m->most_tries = 1;
    m->system_errno = 0;
    m->status = KEEL_CANCELLED; /* until there is an outcome */
    m->phase = KEEL_PHASE_READY;
    m->reason = KEEL_REASON_NONE;
    m->applied = KEEL_APPLIED_UNKNOWN;
    m->flags = (keel_machine_flags){ .is_live = true };
}

static void begin_wrongly(keel_machine *m)
{
    m->phase = KEEL_PHASE_ENDED;
    m->status = KEEL_E_ARGUMENT;
}

static void take_options(keel_machine *m, const keel_call_options *o)
{
    m->cancel = o->cancel;
    m->wake = o->wake;
    m->wake_ctx = o->wake_ctx;
    m->fallback = o->fallback;
    m->fallback_ctx = o->fallback_ctx;
    m->flags.is_idempotent = o->idempotent;
    if (o->deadline_at_ns)
        m->deadline_at = o->deadline_at_ns;
    m->flags.is_nested = o->attempt > 1;
}

/* Without memory for them the call is over. */
void keel_machine_need_endpoints(keel_machine *m)
{
    if (keel_race_begin(m))
        return;
    m->phase = KEEL_PHASE_ENDED;
    m->status = KEEL_E_NOMEM;
}

/* Even a plain call of a pipeline with endpoints must go to one. */
static void hold_endpoints(keel_machine *m)
{
    keel_stripe stripe = keel_machine_stripe(m);
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter_at(m->pipeline, stripe, &phase);

    m->plain = NULL;
    if (plan->endpoints) {
        m->plain = plan;
        m->plan_phase = (uint8_t)phase;
        m->held_in = keel_process_incarnation();
    } else {
        keel_plan_exit_at(stripe, phase);
    }
}

/* KEEL_DISABLED: one attempt, no policy; only what belongs to a plain call. */
static void begin_plain(keel_machine *m)
{
    m->flags.is_plain = true;
    m->began_at = keel_now(m->pipeline->runtime);
    hold_endpoints(m);
}

static void begin_planned(keel_machine *m)
{
    uint32_t plan_phase;

    m->plan = keel_plan_enter_at(m->pipeline, keel_machine_stripe(m), &plan_phase);
    m->planned_in = keel_process_incarnation();
    m->plan_phase = (uint8_t)plan_phase;
    if (m->plan->policy.retry && !m->flags.is_nested)
        m->most_tries = m->plan->policy.retry_attempts;
    if (m->plan->endpoints)
        keel_machine_need_endpoints(m);
}

static void begin(keel_machine *m)
{
    if (keel_runtime_is_disabled(m->pipeline->runtime))
        begin_plain(m);
    else
        begin_planned(m);
}

/* By the precise clock, of which a caller's instant is: the coarse one is behind, and
 * would let an attempt begin that nobody waits for. */
static bool has_come(const keel_machine *m, uint64_t deadline_at)
{
    uint64_t now = keel_now(m->pipeline->runtime);

    return now >= deadline_at || deadline_at - now < keel_machine_least_ns(m);
}

static void begin_with(keel_machine *m, const keel_call_options *options)
{
    keel_call_options own = { .size = sizeof own };

    if (!keel_options_read(&own, sizeof own, options)) {
        begin_wrongly(m);
        return;
    }
    take_options(m, &own);
    begin(m);
    if (own.deadline_at_ns && m->plan && m->plan->uses_coarse_clock &&
        has_come(m, own.deadline_at_ns))
        m->deadline_at = 0;
    if (m->race)
        m->race->affinity = own.affinity;
}

void keel_call_begin(keel_call *call, keel_pipeline *pipeline,
                     const keel_call_options *options)
{
    keel_machine *m;

    if (!call)
        return;
    m = keel_machine_of(call);
    keel_machine_clear(m, pipeline);
    if (!pipeline)
        begin_wrongly(m);
    else if (options)
        begin_with(m, options);
    else
        begin(m);
}

static bool is_plain(const keel_machine *m)
{
    return m->magic == KEEL_CALL_MAGIC && m->flags.is_plain;
}

/* Begun before fork: it has no place in the child's counts, and is simply over. */
static bool is_foreign(const keel_machine *m)
{
    return m->planned_in && !keel_machine_is_alive(m);
}

/* the driver that sleeps */

/* `seen` is the thread's word from before the step that said "wait". */
void keel_machine_sleep(keel_machine *m, uint32_t seen)
{
    keel_thread_sleep(&m->pipeline->runtime->clock, seen, m->wake_at, m->cancel);
}

/* An attempt that was not reported is abandoned. */
static void leave_plain(keel_machine *m)
{
    if (m->phase == KEEL_PHASE_ATTEMPT)
        m->status = KEEL_IGNORED;
    m->phase = KEEL_PHASE_ENDED;
}

static bool next_plain(keel_machine *m)
{
    if (m->phase == KEEL_PHASE_READY) {
        m->phase = KEEL_PHASE_ATTEMPT;
        m->attempts = 1;
        return true;
    }
    leave_plain(m);
    return false;
}

static bool next_planned(keel_machine *m, uint64_t now)
{
    keel_step step;

    if (m->phase == KEEL_PHASE_ATTEMPT)
        keel_machine_abandon(m, now);
    m->flags.sleeps = true;
    for (;;) {
        /* seen before the step: a grant that comes after it changes the word */
        uint32_t seen =
            atomic_load_explicit(&keel_thread_self()->word, memory_order_acquire);

        step = keel_machine_step(m, now);
        if (step != KEEL_STEP_WAIT)
            break;
        keel_machine_sleep(m, seen);
        now = keel_machine_now_after(m, m->wake_at);
    }
    keel_events_deliver(m->pipeline->runtime);
    return step == KEEL_STEP_ATTEMPT;
}

/* Whatever is not the common case; sleeps. */
static KEEL_SELDOM bool next_by_hand(keel_machine *m, uint64_t now)
{
    int saved = errno;
    bool again = next_planned(m, now);

    errno = saved;
    return again;
}

bool keel_call_next(keel_call *call)
{
    keel_machine *m;
    uint64_t now;

    if (!call)
        return false;
    m = keel_machine_of(call);
    if (!keel_machine_is_alive(m))
        return is_plain(m) && next_plain(m);
    if (m->phase == KEEL_PHASE_ENDED)
        return false;
    now = keel_machine_now(m);
    if (KEEL_LIKELY(keel_machine_try(m, now)))
        return true;
    return !keel_machine_try_refuse(m, now) && next_by_hand(m, now);
}

static bool is_cancelled(const keel_machine *m)
{
    return m->phase != KEEL_PHASE_ENDED && m->cancel && keel_cancel_fired(m->cancel);
}

static keel_step poll_plain(keel_machine *m)
{
    if (is_cancelled(m)) {
        m->status = KEEL_CANCELLED;
        m->reason = KEEL_REASON_CANCELLED;
        m->phase = KEEL_PHASE_ENDED;
        return KEEL_STEP_ENDED;
    }
    if (m->phase == KEEL_PHASE_ATTEMPT)
        return KEEL_STEP_WAIT;
    return next_plain(m) ? KEEL_STEP_ATTEMPT : KEEL_STEP_ENDED;
}

static keel_step poll_planned(keel_machine *m, uint64_t now, uint64_t *wake_at)
{
    keel_step step;

    m->flags.may_race = true;
    step = keel_machine_step(m, now);
    if (step != KEEL_STEP_ENDED)
        *wake_at = keel_machine_wakes_at(m);
    keel_events_deliver(m->pipeline->runtime);
    return step;
}

keel_step keel_call_poll_at(keel_call *call, uint64_t now, uint32_t *attempt,
                            uint64_t *wake_at_ns)
{
    keel_machine *m = call ? keel_machine_of(call) : NULL;
    uint64_t wake_at = KEEL_NEVER;
    keel_step step = KEEL_STEP_ENDED;

    if (m && keel_machine_is_alive(m))
        step = poll_planned(m, now, &wake_at);
    else if (m && is_plain(m))
        step = poll_plain(m);
    if (wake_at_ns)
        *wake_at_ns = wake_at;
    if (attempt)
        *attempt = keel_call_attempt(call);
    return step;
}

keel_step keel_call_poll(keel_call *call, uint32_t *attempt, uint64_t *wake_at_ns)
{
    const keel_machine *m = call ? keel_machine_of(call) : NULL;
    uint64_t now = m && keel_machine_is_alive(m) ? keel_machine_now(m) : 0;

    return keel_call_poll_at(call, now, attempt, wake_at_ns);
}

/* what the attempt may know */

/* Of the latest attempt, which may be a copy. */
static uint64_t latest_until(const keel_machine *m)
{
    const keel_copy *copy = m->race ? keel_race_copy(m, m->attempts) : NULL;

    return copy ? copy->until : m->attempt_until;
}

uint64_t keel_call_timeout_ns(const keel_call *call)
{
    const keel_machine *m = call ? keel_machine_of(call) : NULL;
    uint64_t until = m && keel_machine_is_alive(m) ? latest_until(m) : KEEL_NEVER;

    return until == KEEL_NEVER ? KEEL_NEVER : keel_ns_left(until, keel_machine_now(m));
}

int keel_call_timeout_ms(const keel_call *call)
{
    uint64_t ns = keel_call_timeout_ns(call);
    uint64_t ms = ns / KEEL_MS + (ns % KEEL_MS != 0);

    if (ms > INT32_MAX)
        return INT32_MAX;
    return ms ? (int)ms : 1;
}

uint32_t keel_call_attempt(const keel_call *call)
{
    const keel_machine *m = call ? keel_machine_of(call) : NULL;

    return m && m->magic == KEEL_CALL_MAGIC ? m->attempts : 0;
}

/* The machine's own attempt is under way, and is the one that is meant. */
static bool is_own(const keel_machine *m, uint32_t attempt)
{
    if (m->phase != KEEL_PHASE_ATTEMPT || !keel_race_own_is_open(m) ||
        keel_race_holds(m))
        return false;
    return !attempt || attempt == (m->race ? m->race->own_number : m->attempts);
}

bool keel_call_attempt_is_open(const keel_call *call, uint32_t attempt)
{
    const keel_machine *m = call ? keel_machine_of(call) : NULL;

    if (!m || m->magic != KEEL_CALL_MAGIC || m->phase != KEEL_PHASE_ATTEMPT || !attempt)
        return false;
    if (!is_plain(m) && !keel_machine_is_alive(m))
        return false;
    return is_own(m, attempt) || keel_race_copy(m, attempt);
}

/* reports */

static void report_plain(keel_machine *m, const keel_outcome *outcome)
{
    m->status = (uint16_t)outcome->status;
    m->system_errno = outcome->system_errno;
    m->applied = (uint8_t)outcome->applied;
    m->phase = KEEL_PHASE_ENDED;
}

static void report(keel_machine *m, uint32_t attempt, const keel_outcome *outcome)
{
    bool is_alive = keel_machine_is_alive(m);
    keel_copy *copy =
        is_alive && m->phase == KEEL_PHASE_ATTEMPT ? keel_race_copy(m, attempt) : NULL;

    if (copy) {
        keel_race_report(m, copy, outcome, keel_machine_now(m));
    } else if (is_plain(m) && is_own(m, attempt)) {
        report_plain(m, outcome);
    } else if (is_alive && is_own(m, attempt)) {
        keel_machine_report(m, outcome, keel_machine_now(m));
    } else if (is_alive && outcome->status != KEEL_CANCELLED) {
        keel_count(&m->pipeline->counters->late);
        keel_pipeline_tell(m->pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_LATE,
                                                .attempt = attempt,
                                                .status = (uint16_t)outcome->status },
                           keel_machine_now(m));
    }
}

void keel_call_report_attempt(keel_call *call, uint32_t attempt,
                              const keel_outcome *outcome)
{
    keel_outcome own;

    if (!call || !outcome)
        return;
    own = keel_outcome_read(outcome);
    report(keel_machine_of(call), attempt, &own);
}

void keel_call_report(keel_call *call, keel_status status)
{
    keel_machine *m;

    if (!call)
        return;
    m = keel_machine_of(call);
    if (status != KEEL_OK || m->phase != KEEL_PHASE_ATTEMPT ||
        !keel_machine_is_alive(m) || !keel_machine_try_ok(m, keel_machine_now(m))) {
        keel_outcome outcome = { .size = sizeof outcome, .status = status };

        report(m, 0, &outcome);
    }
}

/* the end */

static bool may_fall_back(const keel_machine *m, keel_status status)
{
    return m->fallback && status != KEEL_OK && status != KEEL_CLIENT_ERROR &&
           status != KEEL_CANCELLED && status != KEEL_IGNORED &&
           !keel_status_is_error(status);
}

/* At most ten at once: a fallback that hangs must not take every thread with it. */
static keel_status fall_back(keel_machine *m, keel_detail *detail, uint64_t now)
{
    keel_pipeline *pipeline = m->pipeline;
    keel_status status = detail->code;

    if (now >= m->deadline_at && m->deadline_at != KEEL_NEVER)
        return status;
    if (atomic_fetch_add(&pipeline->counters->fallbacks, 1) < FALLBACKS_AT_ONCE) {
        detail->fallback = true;
        keel_pipeline_tell(pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_FALLBACK,
                                                .status = (uint16_t)status },
                           now);
        status = m->fallback(detail, m->fallback_ctx);
    }
    if (keel_machine_is_alive(
            m)) /* else it forked, and a child's counters begin at 0 */
        atomic_fetch_sub(&pipeline->counters->fallbacks, 1);
    return status;
}

static keel_status end_planned(keel_machine *m, keel_detail *why)
{
    /* only a story needs the time, and an end that is yet to come */
    uint64_t now = why || m->fallback || m->flags.has_call_permit ||
                           m->plan->throttle.words || m->phase != KEEL_PHASE_ENDED
                       ? keel_machine_now(m)
                       : m->began_at;
    keel_detail detail;
    keel_status status;

    if (m->phase != KEEL_PHASE_ENDED)
        keel_machine_abandon(m, now);
    status = keel_machine_conclude(m, &detail, now);
    if (may_fall_back(m, status))
        status = fall_back(m, &detail, now);
    keel_detail_fill(why, &detail);
    keel_plan_exit(m->pipeline, m->plan_phase);
    keel_pipeline_look_after(m->pipeline);
    return status;
}

/* A call that went well and whose story nobody wants needs no last look at the clock.
 */
static bool ended_well(const keel_machine *m, const keel_detail *why)
{
    const keel_pipeline *pipeline = m->pipeline;

    /* a simple plan has no breaker per call, no throttle and no race to look after */
    return m->status == KEEL_OK && !why && m->phase == KEEL_PHASE_ENDED &&
           m->plan->is_simple &&
           !keel_runtime_is_a_fork_unnoticed(pipeline->runtime, m->planned_in) &&
           !atomic_load_explicit(&pipeline->runtime->reload_wanted,
                                 memory_order_relaxed);
}

static keel_status end_plain(keel_machine *m, keel_detail *why)
{
    keel_status status;
    keel_detail detail;

    leave_plain(m);
    if (keel_machine_holds_plainly(m))
        keel_plan_exit(m->pipeline, m->plan_phase);
    status = (keel_status)m->status;
    detail = (keel_detail){ .size = sizeof detail,
                            .code = status,
                            .attempts = m->attempts,
                            .applied = (keel_applied)m->applied,
                            .system_errno = m->system_errno,
                            .elapsed_ns = keel_ns_left(keel_now(m->pipeline->runtime),
                                                       m->began_at),
                            .text = keel_status_text(status) };

    keel_detail_fill(why, &detail);
    return status;
}

static KEEL_SELDOM keel_status end_by_hand(keel_machine *m, keel_detail *why)
{
    int saved = errno;
    keel_status status;

    if (m->magic != KEEL_CALL_MAGIC)
        return keel_fail(why, KEEL_E_STATE,
                         "the call was not begun, or has ended already");
    if (is_foreign(m))
        status = keel_fail(why, KEEL_IGNORED, "the call was begun before fork");
    else if (m->plan)
        status = end_planned(m, why);
    else if (m->flags.is_plain)
        status = end_plain(m, why);
    else
        status =
            keel_fail(why, (keel_status)m->status,
                      m->pipeline ? "keel_call_begin: options: " KEEL_OPTIONS_REFUSED
                                  : "keel_call_begin: no pipeline");
    if (m->race)
        keel_race_free(m);
    m->magic = 0;
    m->planned_in = 0;
    errno = saved;
    return status;
}

keel_status keel_call_end(keel_call *call, keel_detail *why)
{
    keel_machine *m;

    if (!call)
        return keel_fail(why, KEEL_E_ARGUMENT, "no call");
    m = keel_machine_of(call);
    if (!keel_machine_is_alive(m) || !ended_well(m, why))
        return end_by_hand(m, why);
    keel_plan_exit_at(keel_machine_stripe(m), m->plan_phase);
    m->magic = 0;
    m->planned_in = 0;
    keel_events_deliver(m->pipeline->runtime);
    return KEEL_OK;
}

void keel_call_cleanup(keel_call *call)
{
    if (call && keel_machine_of(call)->magic == KEEL_CALL_MAGIC)
        keel_call_end(call, NULL);
}
