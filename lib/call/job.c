/* SPDX-License-Identifier: MIT */
/* Jobs: attempts on workers. Who waits for which of them is run_workers.c's story. */
#include "call/job.h"

#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"
#include "base/worker_pool.h"
#include "call/endpoint.h"

enum { RUNNING = 0, RETURNED = 1, LEAVING = 2, LEFT = 3, LATE = 4 };

struct keel_job {
    keel_run_shared *run;
    keel_attempt attempt;
    keel_endpoint endpoint;
    keel_outcome outcome;
    keel_cancel cancel;
    keel_pipeline *pipeline;
    const keel_plan *plan;
    keel_admission *lent;     /* the attempt's, while the caller waits */
    keel_admission admission; /* its place, once the caller has left */
    uint64_t until;
    uint32_t plan_phase;
    uint32_t caller; /* thread index */
    _Atomic uint32_t state;
    bool has_lost; /* written while leaving, read once left */
    _Alignas(max_align_t) char own[];
};

keel_run_shared *keel_run_shared_new(const keel_allocator *memory,
                                     const keel_run_options *options, keel_run_fn *fn,
                                     void *ctx)
{
    keel_run_shared *run = keel_memory_new(memory, sizeof *run);
    const keel_run_shared begun = {
        .users = 1, .memory = memory, .fn = fn, .ctx = ctx, .options = *options
    };

    if (run)
        memcpy(run, &begun, sizeof begun);
    return run;
}

void keel_run_shared_leave(keel_run_shared *run)
{
    /* acq_rel: whoever is last sees all that the others did with ctx */
    if (atomic_fetch_sub_explicit(&run->users, 1, memory_order_acq_rel) != 1)
        return;
    if (run->options.released)
        run->options.released(run->ctx);
    keel_memory_free(run->memory, run);
}

static void job_free(keel_job *job)
{
    keel_run_shared *run = job->run;

    keel_memory_free(run->memory, job);
    keel_run_shared_leave(run);
}

void keel_run_settle_own(const keel_run_options *options, void *own, keel_status status,
                         void *ctx)
{
    bool is_answer =
        status == KEEL_OK || status == KEEL_IGNORED || status == KEEL_CLIENT_ERROR;

    if (is_answer && options->adopt)
        options->adopt(own, ctx);
    else if (!is_answer && options->discard)
        options->discard(own, ctx);
}

void keel_job_end(keel_job *job, keel_status status)
{
    keel_runtime *runtime = job->pipeline->runtime;

    keel_run_settle_own(&job->run->options, job->attempt.own, status, job->run->ctx);
    job_free(job);
    /* keel_close may come as soon as this has been said */
    keel_worker_pool_done(&runtime->workers);
}

static void tell_late(const keel_job *job, uint64_t now)
{
    keel_count(&job->pipeline->counters->late);
    keel_pipeline_tell(job->pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_LATE,
                                            .attempt = job->attempt.number,
                                            .status = (uint16_t)job->outcome.status },
                       now);
}

/* The caller is gone: what the callback held until now goes back. */
static void end_left(keel_job *job)
{
    keel_pipeline *pipeline = job->pipeline;
    const keel_admission_result late = { .status = KEEL_IGNORED };
    keel_changes changes = { .count = 0 };
    uint64_t now = keel_plan_now(pipeline, job->plan);

    keel_admission_end(pipeline, job->plan, &job->admission, &late, now, &changes);
    if (!job->has_lost)
        tell_late(job, now);
    keel_plan_exit(pipeline, job->plan_phase);
    keel_events_deliver(pipeline->runtime);
    keel_job_end(job, KEEL_CANCELLED);
}

static void work(void *ctx)
{
    keel_job *job = ctx;
    uint32_t running = RUNNING, leaving = LEAVING;
    uint32_t caller = job->caller;
    keel_status status = job->run->fn(&job->attempt, &job->outcome, job->run->ctx);

    if (job->outcome.status == KEEL_OK)
        job->outcome.status = status;
    if (atomic_compare_exchange_strong(&job->state, &running, RETURNED))
        keel_thread_wake(caller); /* the job may be gone by now */
    else if (!atomic_compare_exchange_strong(&job->state, &leaving, LATE))
        end_left(job);
}

/* Its texts are the plan's, which a job that was left holds. */
static void name_endpoint(keel_job *job, const keel_machine *m)
{
    job->endpoint.size = sizeof job->endpoint;
    if (keel_machine_endpoint(m, job->attempt.number, &job->endpoint))
        job->attempt.endpoint = &job->endpoint;
}

static keel_job *job_new(keel_machine *m, keel_run_shared *run, uint32_t number,
                         keel_admission *admission, uint64_t until)
{
    size_t own_size = run->options.own_size;
    keel_job *job = own_size > SIZE_MAX - sizeof *job
                        ? NULL
                        : keel_memory_new(run->memory, sizeof *job + own_size);
    uint64_t now = keel_machine_now(m);

    if (!job)
        return NULL;
    job->run = run;
    job->attempt =
        (keel_attempt){ .size = sizeof job->attempt,
                        .number = number,
                        .timeout_ns =
                            until == KEEL_NEVER ? KEEL_NEVER : keel_ns_left(until, now),
                        .cancel = &job->cancel,
                        .own = own_size ? job->own : NULL };
    name_endpoint(job, m);
    job->outcome.size = sizeof job->outcome;
    job->pipeline = m->pipeline;
    job->plan = m->plan;
    job->plan_phase = m->plan_phase;
    job->lent = admission;
    job->until = until;
    job->caller = keel_thread_self()->index;
    atomic_fetch_add_explicit(&run->users, 1, memory_order_relaxed);
    return job;
}

keel_status keel_job_start(keel_job **out, keel_machine *m, keel_run_shared *run,
                           uint32_t number, keel_admission *admission, uint64_t until)
{
    keel_job *job = job_new(m, run, number, admission, until);
    keel_status status = job ? keel_worker_pool_run(&m->pipeline->runtime->workers,
                                                    run->memory, work, job)
                             : KEEL_E_NOMEM;

    *out = status == KEEL_OK ? job : NULL;
    if (job && status != KEEL_OK)
        job_free(job);
    return status;
}

uint32_t keel_job_number(const keel_job *job)
{
    return job->attempt.number;
}

uint64_t keel_job_until(const keel_job *job)
{
    return job->until;
}

bool keel_job_has_returned(keel_job *job)
{
    return atomic_load(&job->state) == RETURNED;
}

const keel_outcome *keel_job_outcome(const keel_job *job)
{
    return &job->outcome;
}

/*
 * With the place in the bulkhead and a hold of its own on the plan the job is the
 * worker's. Its token is fired only when nothing that fn then returns counts any more, so
 * that a timeout stays one.
 */
bool keel_job_leave(keel_job *job, keel_machine *m, bool has_lost)
{
    uint32_t running = RUNNING, leaving = LEAVING;

    if (!atomic_compare_exchange_strong(&job->state, &running, LEAVING))
        return false;
    job->admission = (keel_admission){ .place = job->lent->place };
    job->lent->place = (keel_place){ .ticket = 0 };
    job->has_lost = has_lost;
    keel_plan_hold(m->pipeline, m->plan_phase);
    keel_cancel_fire(&job->cancel);
    if (!atomic_compare_exchange_strong(&job->state, &leaving, LEFT))
        end_left(job);
    return true;
}
