/* SPDX-License-Identifier: MIT */
/* A callback on a worker, and who of the two gives the memory back. */
#include "health/job.h"

#include "base/memory.h"
#include "base/worker_pool.h"

typedef enum job_state { RUNS, HAS_RETURNED, IS_LEFT } job_state;

struct keel_health_job {
    keel_health *health;
    keel_health_callback *callback; /* stays: it is claimed for this run */
    _Atomic uint32_t state;         /* a job_state; the second to move it frees */
    keel_health_state said;
};

static void run(void *ctx)
{
    keel_health_job *job = ctx;
    keel_health *h = job->health;
    keel_runtime *rt = h->rt;
    char text[KEEL_HEALTH_TEXT_SIZE] = "";

    job->said = job->callback->fn(text, sizeof text, job->callback->ctx);
    keel_health_callback_end(h, job->callback);
    /* release, for the one who takes it; acquire, of one who has left it */
    if (atomic_exchange(&job->state, HAS_RETURNED) == IS_LEFT)
        keel_memory_free(rt->memory, job);
    keel_health_rouse(h);
    keel_worker_pool_done(&rt->workers);
}

keel_health_job *keel_health_job_start(keel_health *h, keel_pipeline *pipeline)
{
    const keel_allocator *memory = h->rt->memory;
    keel_health_job *job = keel_memory_new(memory, sizeof *job);

    if (!job)
        return NULL;
    job->health = h;
    job->callback = keel_health_callback_begin(h, pipeline);
    if (!job->callback)
        goto fail;
    if (keel_worker_pool_run(&h->rt->workers, memory, run, job) == KEEL_OK)
        return job;
    keel_health_callback_end(h, job->callback);
fail:
    keel_memory_free(memory, job);
    return NULL;
}

bool keel_health_job_take(keel_health_job *job, keel_health_state *state)
{
    if (atomic_load(&job->state) != HAS_RETURNED)
        return false;
    *state = job->said;
    keel_memory_free(job->health->rt->memory, job);
    return true;
}

void keel_health_job_leave(keel_health_job *job)
{
    if (job && atomic_exchange(&job->state, IS_LEFT) == HAS_RETURNED)
        keel_memory_free(job->health->rt->memory, job);
}
