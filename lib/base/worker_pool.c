/* SPDX-License-Identifier: MIT */
/* Workers for detached runs. */
#include "base/worker_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/process.h"

enum { IDLE_S = 60 };

typedef struct worker {
    struct worker *next; /* in `idle` or `finished` */
    keel_worker_pool *pool;
    pthread_t thread;
    pthread_cond_t wake;
    void (*fn)(void *ctx);
    void *ctx;
} worker;

/* workers_mu guards: everything below it, and the workers' fn, ctx and next */
struct keel_worker_pool {
    const keel_allocator *memory;
    uint64_t incarnation;
    pthread_mutex_t workers_mu;
    pthread_cond_t changed;
    worker *idle;
    worker *finished; /* to be joined */
    uint32_t running; /* jobs begun and not done */
    uint32_t threads;
    bool closing;
};

static void cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static struct timespec instant(uint64_t at_ns)
{
    return (struct timespec){ (time_t)(at_ns / KEEL_S), (long)(at_ns % KEEL_S) };
}

static uint64_t now_ns(void)
{
    keel_clock clock;

    keel_clock_real(&clock);
    return clock.now(clock.ctx);
}

static void unlink_idle_locked(keel_worker_pool *pool, worker *w)
{
    worker **at = &pool->idle;

    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
}

/* Waits for a job. False: it has been idle too long, or the pool closes. */
static bool wait_locked(keel_worker_pool *pool, worker *w)
{
    struct timespec until = instant(now_ns() + IDLE_S * KEEL_S);
    int rc = 0;

    w->next = pool->idle;
    pool->idle = w;
    while (!w->fn && !pool->closing && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&w->wake, &pool->workers_mu, &until);
    if (w->fn)
        return true;
    unlink_idle_locked(pool, w);
    return false;
}

static void *work(void *ctx)
{
    worker *w = ctx;
    keel_worker_pool *pool = w->pool;

    pthread_mutex_lock(&pool->workers_mu);
    do {
        void (*fn)(void *) = w->fn;
        void *fn_ctx = w->ctx;

        pthread_mutex_unlock(&pool->workers_mu);
        /* cppcheck-suppress nullPointer ; wait_locked is true only with a new fn */
        fn(fn_ctx);
        pthread_mutex_lock(&pool->workers_mu);
        w->fn = NULL;
    } while (!pool->closing && wait_locked(pool, w));
    w->next = pool->finished;
    pool->finished = w;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->workers_mu);
    return NULL;
}

static void join_finished_locked(keel_worker_pool *pool)
{
    while (pool->finished) {
        worker *w = pool->finished;

        pool->finished = w->next;
        pool->threads--;
        pthread_mutex_unlock(&pool->workers_mu);
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->wake);
        keel_memory_free(pool->memory, w);
        pthread_mutex_lock(&pool->workers_mu);
    }
}

/* A worker's thread takes no signals: they belong to the application's threads. */
static int start_thread(worker *w)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Its place among threads and running jobs is counted already. */
static keel_status add_worker(keel_worker_pool *pool, void (*fn)(void *), void *ctx)
{
    worker *w = keel_memory_new(pool->memory, sizeof *w);

    if (!w)
        return KEEL_E_NOMEM;
    w->pool = pool;
    w->fn = fn;
    w->ctx = ctx;
    cond_init_monotonic(&w->wake);
    if (start_thread(w)) {
        pthread_cond_destroy(&w->wake);
        keel_memory_free(pool->memory, w);
        return KEEL_E_SYSTEM;
    }
    return KEEL_OK;
}

static keel_worker_pool *pool_new(const keel_allocator *memory)
{
    keel_worker_pool *pool = keel_memory_new(memory, sizeof *pool);

    if (!pool)
        return NULL;
    pool->memory = memory;
    pool->incarnation = keel_process_incarnation();
    pthread_mutex_init(&pool->workers_mu, NULL);
    cond_init_monotonic(&pool->changed);
    return pool;
}

static void pool_free(keel_worker_pool *pool)
{
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->workers_mu);
    keel_memory_free(pool->memory, pool);
}

/* The pool of this process; a parent's is left alone: its threads are not here. */
static keel_worker_pool *pool_of(keel_worker_pool_place *place,
                                 const keel_allocator *memory)
{
    keel_worker_pool *pool = atomic_load(place);
    keel_worker_pool *fresh;

    if (pool && pool->incarnation == keel_process_incarnation())
        return pool;
    fresh = pool_new(memory);
    if (!fresh)
        return NULL;
    if (atomic_compare_exchange_strong(place, &pool, fresh))
        return fresh;
    pool_free(fresh);
    return pool;
}

keel_status keel_worker_pool_run(keel_worker_pool_place *place,
                                 const keel_allocator *memory, void (*fn)(void *ctx),
                                 void *ctx)
{
    keel_worker_pool *pool = pool_of(place, memory);
    keel_status status;
    worker *w;

    if (!pool)
        return KEEL_E_NOMEM;
    pthread_mutex_lock(&pool->workers_mu);
    join_finished_locked(pool);
    pool->running++;
    w = pool->idle;
    if (w) {
        pool->idle = w->next;
        w->fn = fn;
        w->ctx = ctx;
        pthread_cond_signal(&w->wake);
    } else {
        pool->threads++;
    }
    pthread_mutex_unlock(&pool->workers_mu);
    if (w)
        return KEEL_OK;
    status = add_worker(pool, fn, ctx);
    if (status == KEEL_OK)
        return KEEL_OK;
    pthread_mutex_lock(&pool->workers_mu);
    pool->threads--;
    pool->running--;
    pthread_mutex_unlock(&pool->workers_mu);
    return status;
}

void keel_worker_pool_done(keel_worker_pool_place *place)
{
    keel_worker_pool *pool = atomic_load(place);

    pthread_mutex_lock(&pool->workers_mu);
    pool->running--;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->workers_mu);
}

static bool wait_for_jobs_locked(keel_worker_pool *pool, uint64_t wait_ns)
{
    struct timespec until =
        instant(keel_ns_min(keel_ns_add(now_ns(), wait_ns), (uint64_t)INT64_MAX));
    int rc = 0;

    while (pool->running && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&pool->changed, &pool->workers_mu, &until);
    return pool->running == 0;
}

bool keel_worker_pool_close(keel_worker_pool_place *place, uint64_t wait_ns)
{
    keel_worker_pool *pool = atomic_load(place);

    if (!pool || pool->incarnation != keel_process_incarnation())
        return true;
    pthread_mutex_lock(&pool->workers_mu);
    if (!wait_for_jobs_locked(pool, wait_ns)) {
        pthread_mutex_unlock(&pool->workers_mu);
        return false;
    }
    pool->closing = true;
    for (worker *w = pool->idle; w; w = w->next)
        pthread_cond_signal(&w->wake);
    while (pool->threads) {
        join_finished_locked(pool);
        if (pool->threads)
            pthread_cond_wait(&pool->changed, &pool->workers_mu);
    }
    pthread_mutex_unlock(&pool->workers_mu);
    pool_free(pool);
    atomic_store(place, NULL);
    return true;
}
