/* SPDX-License-Identifier: MIT */
/* keel_run: the loop around a callback, on the caller's thread or on a worker. */
#include <keel/call.h>

#include <errno.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/thread.h"
#include "base/worker_pool.h"
#include "call/quick.h"

/* on the caller's thread */

static bool is_bare_success(const keel_outcome *outcome)
{
    return outcome->status == KEEL_OK && outcome->applied == KEEL_APPLIED_UNKNOWN &&
           !outcome->system_errno;
}

static void run_attempts(keel_call *call, keel_run_fn *fn, void *ctx)
{
    const keel_machine *m = keel_machine_of(call);

    while (keel_call_next(call)) {
        keel_attempt attempt = { .size = sizeof attempt,
                                 .number = m->attempts,
                                 .timeout_ns = keel_machine_allowance(m),
                                 .cancel = m->cancel };
        keel_outcome outcome = { .size = sizeof outcome };
        keel_status status = fn(&attempt, &outcome, ctx);

        if (outcome.status == KEEL_OK)
            outcome.status = status;
        if (is_bare_success(&outcome))
            keel_call_report(call, KEEL_OK);
        else
            keel_call_report_attempt(call, attempt.number, &outcome);
    }
}

/*
 * The first attempt of nearly every run, with no more than it needs at hand; the call
 * itself is only made when there is more to tell.
 */
typedef struct first_attempt {
    keel_pipeline *pipeline;
    const keel_plan *plan;
    keel_stripe stripe;
    uint32_t plan_phase;
    uint64_t incarnation;
    uint64_t began_at;
    uint64_t deadline_at;
    uint64_t until;
    keel_admission admission;
} first_attempt;

static bool first_begins(first_attempt *f, keel_pipeline *pipeline)
{
    const keel_policy *policy;

    f->pipeline = pipeline;
    f->incarnation = keel_process_incarnation();
    f->stripe = keel_stripe_mine(&pipeline->stripes);
    f->plan = keel_plan_enter_at(pipeline, f->stripe, &f->plan_phase);
    policy = &f->plan->policy;
    f->began_at = keel_plan_now(pipeline, f->plan);
    f->deadline_at = policy->deadline_ns ? keel_ns_add(f->began_at, policy->deadline_ns)
                                         : KEEL_NEVER;
    f->until = policy->timeout_ns
                   ? keel_ns_min(f->deadline_at, f->began_at + policy->timeout_ns)
                   : f->deadline_at;
    f->admission.place.held = false;
    f->admission.place.ticket = 0;
    f->admission.rate_tat = 0;
    if (policy->retry)
        keel_budget_call(&f->plan->budget, policy, f->stripe, f->began_at);
    return policy->budget_mode <= KEEL_BUDGET_RATIO &&
           f->deadline_at - f->began_at >= KEEL_MS &&
           keel_admission_try(f->plan, &f->admission, f->began_at);
}

static keel_status first_made(const first_attempt *f, keel_run_fn *fn, void *ctx,
                              keel_outcome *outcome)
{
    const keel_attempt attempt = { .size = sizeof attempt,
                                   .number = 1,
                                   .timeout_ns = f->until - f->began_at };
    keel_status status = fn(&attempt, outcome, ctx);

    if (outcome->status == KEEL_OK)
        outcome->status = status;
    return outcome->status;
}

static bool first_ends_well(first_attempt *f, const keel_outcome *outcome, uint64_t now)
{
    if (!is_bare_success(outcome) || now > f->until ||
        f->incarnation != keel_process_incarnation() ||
        keel_runtime_is_a_fork_unnoticed(f->pipeline->runtime, f->incarnation) ||
        atomic_load_explicit(&f->pipeline->runtime->reload_wanted,
                             memory_order_relaxed) ||
        !keel_admission_try_end(f->plan, &f->admission, f->stripe, f->began_at, now))
        return false;
    keel_plan_exit_at(f->stripe, f->plan_phase);
    keel_events_deliver(f->pipeline->runtime);
    return true;
}

/* Makes the call that the first attempt was part of. */
static void first_told(keel_call *call, const first_attempt *f, bool idempotent,
                       bool was_made)
{
    keel_machine *m = keel_machine_of(call);

    keel_machine_clear(m, f->pipeline);
    m->plan = f->plan;
    m->planned_in = f->incarnation;
    m->plan_phase = (uint8_t)f->plan_phase;
    m->began_at = f->began_at;
    m->deadline_at = f->deadline_at;
    m->flags.has_begun = true;
    m->flags.is_idempotent = idempotent;
    if (f->plan->policy.retry)
        m->most_tries = f->plan->policy.retry_attempts;
    if (was_made) {
        m->admission = f->admission;
        keel_machine_begin_attempt(m, f->began_at);
    }
}

/* True: the run is over and went well; false: the call says how it goes on. */
static bool run_first(keel_call *call, keel_pipeline *pipeline, keel_run_fn *fn,
                      void *ctx, bool idempotent, keel_detail *why)
{
    keel_outcome outcome = { .size = sizeof outcome };
    first_attempt f;
    uint64_t now;

    if (!first_begins(&f, pipeline)) {
        first_told(call, &f, idempotent, false);
        return false;
    }
    first_made(&f, fn, ctx, &outcome);
    now = keel_plan_now(pipeline, f.plan);
    if (first_ends_well(&f, &outcome, now)) {
        if (why)
            keel_detail_say(why, KEEL_OK, KEEL_REASON_NONE, 1, now - f.began_at, 0);
        return true;
    }
    first_told(call, &f, idempotent, true);
    if (keel_machine_is_alive(keel_machine_of(call))) /* fn did not fork */
        keel_machine_report(keel_machine_of(call), &outcome, now);
    return false;
}

/* on a worker */

/* One keel_run with detach: ctx is let go when the caller and every job are done. */
typedef struct run {
    _Atomic uint32_t users;
    const keel_allocator *memory;
    keel_run_fn *fn;
    void *ctx;
    void (*released)(void *ctx);
} run;

/*
 *   running -> returned             fn was in time: the caller takes its outcome
 *   running -> leaving -> left      the worker ends the job when fn returns
 *                      -> late      fn returned while it was told to: the caller does
 */
enum { JOB_RUNNING = 0, JOB_RETURNED = 1, JOB_LEAVING = 2, JOB_LEFT = 3, JOB_LATE = 4 };

/*
 * A callback under way and the one who waits for it. Whoever comes second to the state
 * frees it. A job that was left keeps its place in the bulkhead, and its plan, until it
 * returns.
 */
typedef struct job {
    run *run;
    keel_attempt attempt;
    keel_outcome outcome;
    keel_cancel cancel;
    keel_pipeline *pipeline;
    const keel_plan *plan;
    keel_admission admission; /* the place, once the caller has left */
    uint32_t plan_phase;
    uint32_t caller; /* thread index */
    _Atomic uint32_t state;
} job;

static void run_leave(run *r)
{
    /* acq_rel: whoever is last sees all that the others did with ctx */
    if (atomic_fetch_sub_explicit(&r->users, 1, memory_order_acq_rel) != 1)
        return;
    if (r->released)
        r->released(r->ctx);
    keel_memory_free(r->memory, r);
}

static void job_free(job *j)
{
    run *r = j->run;

    keel_memory_free(r->memory, j);
    run_leave(r);
}

/* The job is over; keel_close may come as soon as this has been said. */
static void job_end(job *j)
{
    keel_runtime *rt = j->pipeline->runtime;

    job_free(j);
    keel_worker_pool_done(&rt->workers);
}

/* The caller is gone: what the callback held until now goes back. */
static void finish_left_job(job *j)
{
    keel_pipeline *pipeline = j->pipeline;
    const keel_admission_result late = { .status = KEEL_IGNORED };
    keel_changes changes = { .count = 0 };
    uint64_t now = keel_plan_now(pipeline, j->plan);

    keel_admission_end(pipeline, j->plan, &j->admission, &late, now, &changes);
    keel_count(&pipeline->counters->late);
    keel_pipeline_tell(pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_LATE,
                                            .attempt = j->attempt.number,
                                            .status = (uint16_t)j->outcome.status },
                       now);
    keel_plan_exit(pipeline, j->plan_phase);
    keel_events_deliver(pipeline->runtime);
    job_end(j);
}

static void work(void *ctx)
{
    job *j = ctx;
    uint32_t running = JOB_RUNNING, leaving = JOB_LEAVING;
    uint32_t caller = j->caller;
    keel_status status = j->run->fn(&j->attempt, &j->outcome, j->run->ctx);

    if (j->outcome.status == KEEL_OK)
        j->outcome.status = status;
    if (atomic_compare_exchange_strong(&j->state, &running, JOB_RETURNED))
        keel_thread_wake(caller); /* j may be gone by now */
    else if (!atomic_compare_exchange_strong(&j->state, &leaving, JOB_LATE))
        finish_left_job(j);
}

static job *job_new(const keel_call *call, run *r)
{
    keel_machine *m = keel_machine_of(call);
    job *j = keel_memory_new(r->memory, sizeof *j);

    if (!j)
        return NULL;
    *j = (job){ .run = r,
                .attempt = { .size = sizeof j->attempt,
                             .number = m->attempts,
                             .timeout_ns = keel_call_timeout_ns(call) },
                .outcome = { .size = sizeof j->outcome },
                .pipeline = m->pipeline,
                .plan = m->plan,
                .plan_phase = m->plan_phase,
                .caller = keel_thread_self()->index };
    j->attempt.cancel = &j->cancel;
    atomic_fetch_add_explicit(&r->users, 1, memory_order_relaxed);
    return j;
}

static bool has_returned(job *j)
{
    return atomic_load(&j->state) == JOB_RETURNED;
}

/* Waits for the worker until the attempt's instant, or a cancel. */
static void await(keel_machine *m, job *j)
{
    const keel_clock *clock = &m->pipeline->runtime->clock;
    uint32_t seen = atomic_load(&keel_thread_self()->word);

    while (!has_returned(j) && !keel_cancel_fired(m->cancel) &&
           clock->now(clock->ctx) < m->attempt_until) {
        m->wake_at = m->attempt_until;
        keel_machine_sleep(m, seen);
        seen = atomic_load(&keel_thread_self()->word);
    }
}

/*
 * Leaves a job that has not returned: with the place in the bulkhead and a hold of its
 * own on the plan it is the worker's. Its token is fired only when nothing that fn then
 * returns counts any more, so that a timeout stays one.
 */
static bool leave(keel_machine *m, job *j)
{
    uint32_t running = JOB_RUNNING, leaving = JOB_LEAVING;

    if (!atomic_compare_exchange_strong(&j->state, &running, JOB_LEAVING))
        return false;
    j->admission = (keel_admission){ .place = m->admission.place };
    m->admission.place = (keel_place){ .ticket = 0 };
    keel_plan_hold(m->pipeline, m->plan_phase);
    keel_cancel_fire(&j->cancel);
    if (!atomic_compare_exchange_strong(&j->state, &leaving, JOB_LEFT))
        finish_left_job(j);
    return true;
}

static void report_left(keel_machine *m)
{
    uint64_t now = keel_machine_now(m);
    keel_outcome outcome = { .size = sizeof outcome, .status = KEEL_TIMEOUT };

    if (keel_cancel_fired(m->cancel))
        outcome.status = KEEL_CANCELLED;
    else if (now < m->attempt_until)
        now = m->attempt_until; /* slept to by the precise clock */
    keel_machine_report(m, &outcome, now);
}

/* One attempt on a worker. An error: there was none to be had. */
static keel_status attempt_detached(keel_call *call, run *r)
{
    keel_machine *m = keel_machine_of(call);
    job *j = job_new(call, r);
    keel_status status;

    if (!j)
        return KEEL_E_NOMEM;
    status = keel_worker_pool_run(&m->pipeline->runtime->workers, r->memory, work, j);
    if (status != KEEL_OK) {
        job_free(j);
        return status;
    }
    await(m, j);
    if (!has_returned(j) && leave(m, j)) {
        report_left(m);
        return KEEL_OK;
    }
    keel_call_report_attempt(call, j->attempt.number, &j->outcome);
    job_end(j);
    return KEEL_OK;
}

static keel_status run_detached(keel_call *call, const keel_run_options *options,
                                keel_run_fn *fn, void *ctx, keel_detail *why)
{
    keel_machine *m = keel_machine_of(call);
    run *r = keel_memory_new(m->pipeline->runtime->memory, sizeof *r);
    keel_status worker = r ? KEEL_OK : KEEL_E_NOMEM;

    if (r)
        *r = (run){ .users = 1,
                    .memory = m->pipeline->runtime->memory,
                    .fn = fn,
                    .ctx = ctx,
                    .released = options->released };
    while (worker == KEEL_OK && keel_call_next(call))
        worker = attempt_detached(call, r);
    if (r)
        run_leave(r);
    else if (options->released)
        options->released(ctx);
    if (worker == KEEL_OK)
        return keel_call_end(call, why);
    keel_call_end(call, NULL);
    return keel_fail(why, worker,
                     worker == KEEL_E_NOMEM ? "no memory for a detached run"
                                            : "no thread for a detached run");
}

/* No options, or none that says more than whether the operation may be repeated. */
static bool is_plain(const keel_call_options *o)
{
    return !o || (!o->deadline_at_ns && !o->cancel && o->attempt <= 1 && !o->fallback);
}

/* A run that an open breaker refuses before it has begun. */
static bool is_refused(keel_pipeline *pipeline, keel_detail *why)
{
    uint64_t state, retry_after_ns;
    uint32_t gate = keel_gate_look(&pipeline->gate, &state);

    if (keel_word_state(state) != KEEL_BREAKER_OPEN ||
        !keel_gate_refuses(pipeline, gate, state, &retry_after_ns))
        return false;
    keel_detail_say(why, KEEL_REJECTED_OPEN, KEEL_REASON_OPEN, 0, 0, retry_after_ns);
    return true;
}

static keel_status run_here(keel_pipeline *pipeline, keel_run_fn *fn, void *ctx,
                            const keel_call_options *options, keel_detail *why)
{
    keel_call call;

    if (is_plain(options) && !keel_runtime_is_disabled(pipeline->runtime)) {
        if (run_first(&call, pipeline, fn, ctx, options && options->idempotent, why))
            return KEEL_OK;
    } else {
        keel_call_begin(&call, pipeline, options);
    }
    run_attempts(&call, fn, ctx);
    return keel_call_end(&call, why);
}

static KEEL_SELDOM keel_status run_with(keel_pipeline *pipeline, keel_run_fn *fn,
                                        void *ctx, const keel_run_options *options,
                                        keel_detail *why)
{
    keel_run_options own = { .size = sizeof own };
    keel_call_options call_options = { .size = sizeof call_options };
    int saved = errno;
    keel_status status;
    keel_call call;

    if (!keel_options_read(&own, sizeof own, options) ||
        !keel_options_read(&call_options, sizeof call_options, own.call))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_run: options, or their call's: " KEEL_OPTIONS_REFUSED);
    if (own.detach && !keel_runtime_is_disabled(pipeline->runtime)) {
        keel_call_begin(&call, pipeline, &call_options);
        status = run_detached(&call, &own, fn, ctx, why);
        errno = saved;
        return status;
    }
    status = run_here(pipeline, fn, ctx, &call_options, why);
    if (own.detach && own.released)
        own.released(ctx);
    return status;
}

keel_status keel_run(keel_pipeline *pipeline, keel_run_fn *fn, void *ctx,
                     const keel_run_options *options, keel_detail *why)
{
    if (!pipeline || !fn)
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_run needs a pipeline and a function");
    if (options)
        return run_with(pipeline, fn, ctx, options, why);
    return is_refused(pipeline, why) ? KEEL_REJECTED_OPEN
                                     : run_here(pipeline, fn, ctx, NULL, why);
}
