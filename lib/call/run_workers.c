/* SPDX-License-Identifier: MIT */
/*
 * The caller of a keel_run whose attempts run on workers: sleeps until one returns, a
 * time is over, or its token fires. With hedging there may be several; without, one.
 */
#include "call/run_workers.h"

#include "base/detail.h"
#include "base/thread.h"
#include "call/job.h"
#include "call/race.h"

enum { JOBS_MAX = 1 + KEEL_HEDGES_MAX };

typedef struct workers_run {
    keel_call *call;
    keel_machine *m;
    keel_run_shared *shared;
    keel_job *jobs[JOBS_MAX];
    size_t job_count;
    keel_status worker; /* not KEEL_OK: there was none for the machine's own attempt */
} workers_run;

/* ---- beginning attempts ---------------------------------------------------------- */

static void start(workers_run *r)
{
    keel_machine *m = r->m;
    uint32_t number = m->attempts;
    keel_copy *copy = keel_race_copy(m, number);
    keel_admission *admission = copy ? &copy->admission : &m->admission;
    uint64_t until = copy ? copy->until : m->attempt_until;
    keel_job *job;
    keel_status status = keel_job_start(&job, m, r->shared, number, admission, until);

    if (status == KEEL_OK)
        r->jobs[r->job_count++] = job;
    else if (copy)
        keel_race_withdraw(m, copy, keel_machine_now(m));
    else
        r->worker = status;
}

/* ---- ending them ----------------------------------------------------------------- */

static void forget(workers_run *r, size_t index)
{
    r->jobs[index] = r->jobs[--r->job_count];
}

/* Nobody wants its outcome any more. */
static void drop(workers_run *r, size_t index, bool has_lost)
{
    keel_job *job = r->jobs[index];

    if (!keel_job_leave(job, r->m, has_lost))
        keel_job_end(job, KEEL_CANCELLED);
    forget(r, index);
}

static void drop_all(workers_run *r)
{
    while (r->job_count)
        drop(r, r->job_count - 1, false);
}

/* Those that lost are left before their attempts end, so that their places go along; and
 * so are those whose time is over. */
static void drop_others(workers_run *r, const keel_job *but, bool have_lost)
{
    for (size_t i = r->job_count; i-- > 0;)
        if (r->jobs[i] != but)
            drop(r, i, have_lost);
}

static size_t index_of(const workers_run *r, const keel_job *job)
{
    size_t index = 0;

    while (r->jobs[index] != job)
        index++;
    return index;
}

static bool is_final(keel_status status)
{
    return keel_machine_is_final(keel_machine_known(status));
}

/* The deadline is everybody's: whoever is ended by it ends the others too. */
static bool ends_all(const workers_run *r, keel_status status, uint64_t now)
{
    return is_final(status) || now >= r->m->deadline_at;
}

/* By the instant that ends_all was asked of, so that the machine ends no others. */
static void report(workers_run *r, uint32_t number, const keel_outcome *outcome,
                   uint64_t now)
{
    keel_copy *copy = keel_race_copy(r->m, number);

    if (!keel_machine_is_alive(r->m)) /* a listener has forked */
        return;
    if (copy)
        keel_race_report(r->m, copy, outcome, now);
    else
        keel_machine_report(r->m, outcome, now);
}

static void take(workers_run *r, keel_job *job, uint64_t now)
{
    const keel_outcome outcome = keel_outcome_read(keel_job_outcome(job));

    if (ends_all(r, outcome.status, now))
        drop_others(r, job, is_final(outcome.status));
    report(r, keel_job_number(job), &outcome, now);
    forget(r, index_of(r, job));
    keel_job_end(job, outcome.status);
}

/* Its time is over, and it is left before its attempt ends, as those that lost are. */
static void time_out(workers_run *r, size_t index, uint64_t now)
{
    const keel_outcome outcome = { .size = sizeof outcome, .status = KEEL_TIMEOUT };
    keel_job *job = r->jobs[index];
    uint32_t number = keel_job_number(job);

    if (!keel_job_leave(job, r->m, false)) {
        take(r, job, now);
        return;
    }
    forget(r, index);
    if (ends_all(r, KEEL_TIMEOUT, now))
        drop_others(r, NULL, false);
    report(r, number, &outcome, now);
}

/* ---- waiting --------------------------------------------------------------------- */

static bool take_returned(workers_run *r, uint64_t now)
{
    for (size_t i = 0; i < r->job_count; i++)
        if (keel_job_has_returned(r->jobs[i])) {
            take(r, r->jobs[i], now);
            return true;
        }
    return false;
}

static bool end_overdue(workers_run *r, uint64_t now)
{
    for (size_t i = 0; i < r->job_count; i++)
        if (now >= keel_job_until(r->jobs[i])) {
            time_out(r, i, now);
            return true;
        }
    return false;
}

/* What became of the attempts meanwhile, one at a time. */
static bool end_one(workers_run *r, uint64_t now)
{
    if (take_returned(r, now))
        return true;
    if (!keel_cancel_fired(r->m->cancel))
        return end_overdue(r, now);
    drop_all(r);
    return false;
}

/* seen: the thread's word, from before anything was looked at. */
static void advance(workers_run *r, uint64_t now, uint32_t seen, keel_step *step)
{
    *step = keel_machine_step(r->m, now);
    if (*step == KEEL_STEP_ATTEMPT)
        start(r);
    if (*step != KEEL_STEP_WAIT)
        return;
    r->m->wake_at = keel_machine_wakes_at(r->m);
    keel_machine_sleep(r->m, seen);
}

/* Jobs are looked after before the machine, by the same instant: it would end attempts
 * whose callbacks still run, and give their places to others. */
static void drive(workers_run *r)
{
    keel_step step = KEEL_STEP_WAIT;

    while (step != KEEL_STEP_ENDED && r->worker == KEEL_OK) {
        uint32_t seen =
            atomic_load_explicit(&keel_thread_self()->word, memory_order_acquire);
        uint64_t now = keel_machine_now_after(r->m, r->m->wake_at);

        if (!end_one(r, now))
            advance(r, now, seen, &step);
        keel_events_deliver(r->m->pipeline->runtime);
    }
    drop_all(r);
}

static keel_status end(workers_run *r, keel_detail *why)
{
    if (r->worker == KEEL_OK)
        return keel_call_end(r->call, why);
    keel_call_end(r->call, NULL);
    return keel_fail(why, r->worker,
                     r->worker == KEEL_E_NOMEM ? "no memory to run it on a worker"
                                               : "no thread to run it on a worker");
}

keel_status keel_run_on_workers(keel_call *call, const keel_run_options *options,
                                keel_run_fn *fn, void *ctx, keel_detail *why)
{
    keel_machine *m = keel_machine_of(call);
    const keel_allocator *memory = m->pipeline->runtime->memory;
    workers_run r = { .call = call,
                      .m = m,
                      .shared = keel_run_shared_new(memory, options, fn, ctx) };

    r.worker = r.shared ? KEEL_OK : KEEL_E_NOMEM;
    m->flags.sleeps = true;
    m->flags.may_race = options->concurrent;
    if (keel_machine_is_alive(m))
        drive(&r);
    if (r.shared)
        keel_run_shared_leave(r.shared);
    else if (options->released)
        options->released(ctx);
    return end(&r, why);
}
