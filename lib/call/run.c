/* SPDX-License-Identifier: MIT */
/* keel_run: the loop around a callback, on the caller's thread. On workers:
 * run_workers.c. */
#include <keel/call.h>

#include <errno.h>

#include "base/detail.h"
#include "base/memory.h"
#include "call/job.h"
#include "call/quick.h"
#include "call/run_workers.h"

/* on the caller's thread */

static bool is_bare_success(const keel_outcome *outcome)
{
    return outcome->status == KEEL_OK && outcome->applied == KEEL_APPLIED_UNKNOWN &&
           !outcome->system_errno;
}

/* Makes one attempt. own: its memory, NULL: it has none. Returns what came of it. */
static keel_status run_attempt(keel_call *call, keel_run_fn *fn, void *ctx, void *own)
{
    const keel_machine *m = keel_machine_of(call);
    keel_endpoint endpoint = { .size = sizeof endpoint };
    keel_attempt attempt = { .size = sizeof attempt,
                             .number = m->attempts,
                             .timeout_ns = keel_machine_allowance(m),
                             .cancel = m->cancel,
                             .own = own };
    keel_outcome outcome = { .size = sizeof outcome };
    keel_status status;

    if (keel_call_endpoint(call, attempt.number, &endpoint) == KEEL_OK)
        attempt.endpoint = &endpoint;
    status = fn(&attempt, &outcome, ctx);
    if (outcome.status == KEEL_OK)
        outcome.status = status;
    if (is_bare_success(&outcome))
        keel_call_report(call, KEEL_OK);
    else
        keel_call_report_attempt(call, attempt.number, &outcome);
    return keel_outcome_read(&outcome).status;
}

static void run_attempts(keel_call *call, keel_run_fn *fn, void *ctx)
{
    while (keel_call_next(call))
        run_attempt(call, fn, ctx, NULL);
}

/* The same where each attempt has memory of its own. KEEL_E_NOMEM: there is none. */
static keel_status run_with_own(keel_call *call, const keel_allocator *memory,
                                const keel_run_options *options, keel_run_fn *fn,
                                void *ctx)
{
    while (keel_call_next(call)) {
        void *own = keel_memory_new(memory, options->own_size);

        if (!own)
            return KEEL_E_NOMEM;
        keel_run_settle_own(options, own, run_attempt(call, fn, ctx, own), ctx);
        keel_memory_free(memory, own);
    }
    return KEEL_OK;
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
    if (f->plan->endpoints)
        keel_machine_need_endpoints(m);
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

/* No options, or none that says more than whether the operation may be repeated. */
static bool is_plain(const keel_call_options *o)
{
    return !o || (!o->deadline_at_ns && !o->cancel && o->attempt <= 1 && !o->fallback &&
                  !o->affinity);
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

/* On the caller's thread, where attempts have memory of their own. */
static keel_status run_here_with_own(keel_pipeline *pipeline, keel_run_fn *fn,
                                     void *ctx, const keel_run_options *options,
                                     const keel_call_options *call_options,
                                     keel_detail *why)
{
    keel_call call;

    keel_call_begin(&call, pipeline, call_options);
    if (run_with_own(&call, pipeline->runtime->memory, options, fn, ctx) == KEEL_OK)
        return keel_call_end(&call, why);
    keel_call_end(&call, NULL);
    return keel_fail(why, KEEL_E_NOMEM, "no memory for an attempt's own");
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
    if ((own.detach || own.concurrent) &&
        !keel_runtime_is_disabled(pipeline->runtime)) {
        keel_call_begin(&call, pipeline, &call_options);
        status = keel_run_on_workers(&call, &own, fn, ctx, why);
        errno = saved;
        return status;
    }
    status = own.own_size
                 ? run_here_with_own(pipeline, fn, ctx, &own, &call_options, why)
                 : run_here(pipeline, fn, ctx, &call_options, why);
    if ((own.detach || own.concurrent) && own.released)
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
