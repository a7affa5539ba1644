/* SPDX-License-Identifier: MIT */
/* A bounded stack of idle multi handles. */
#include "http/pool.h"

#include <pthread.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/process.h"
#include "http/check.h"
#include "base/sigpipe.h"

typedef struct idle_multi {
    CURLM *multi;
    uint64_t since;
} idle_multi;

/*
 * mu guards: idle, idle_count
 * oldest_since  since when the first of them is idle; KEEL_NEVER: none is
 */
struct keel_curl_pool {
    const keel_allocator *memory;
    const keel_clock *clock;
    uint64_t incarnation;     /* the process that made it */
    keel_curl_pool *parents;  /* left behind by fork: neither used nor closed */
    bool holds_libcurl;       /* a curl_global_init of ours */
    _Atomic(CURLM *) warmest; /* one given back lately: no lock for a lone caller */
    pthread_mutex_t mu;
    size_t idle_count;
    _Atomic uint64_t oldest_since;
    idle_multi idle[KEEL_CURL_IDLE_MAX]; /* a stack: the longest idle first */
};

static keel_curl_pool *pool_new(const keel_allocator *memory, const keel_clock *clock,
                                keel_curl_pool *parents)
{
    keel_curl_pool *pool = keel_memory_new(memory, sizeof *pool);

    if (!pool)
        return NULL;
    if (pthread_mutex_init(&pool->mu, NULL)) {
        keel_memory_free(memory, pool);
        return NULL;
    }
    pool->memory = memory;
    pool->clock = clock;
    atomic_store_explicit(&pool->oldest_since, KEEL_NEVER, memory_order_relaxed);
    pool->incarnation = keel_process_incarnation();
    pool->parents = parents;
    /* the caller's handles prove that it is initialised; ours keeps it so until the last
     * connection is closed, whatever the program does before */
    pool->holds_libcurl = keel_http_hold_libcurl();
    return pool;
}

static bool is_ours(const keel_curl_pool *pool)
{
    return pool && pool->incarnation == keel_process_incarnation();
}

keel_status keel_curl_pool_get(_Atomic(void *) *place, const keel_allocator *memory,
                               const keel_clock *clock, keel_curl_pool **out,
                               keel_detail *why)
{
    /* acquire pairs with the release below: we see the pool as it was made */
    void *found = atomic_load_explicit(place, memory_order_acquire);
    keel_curl_pool *fresh;

    *out = found;
    if (is_ours(found))
        return KEEL_OK;
    if (keel_http_check(why) != KEEL_OK)
        return KEEL_E_UNSUPPORTED;
    fresh = pool_new(memory, clock, found);
    if (!fresh)
        return keel_fail(why, KEEL_E_NOMEM, "curl: out of memory");
    if (atomic_compare_exchange_strong_explicit(
            place, &found, fresh, memory_order_release, memory_order_acquire)) {
        *out = fresh;
        return KEEL_OK;
    }
    fresh->parents = NULL; /* another thread was first, and its pool has them */
    keel_curl_pool_free(fresh);
    *out = found;
    return KEEL_OK;
}

void keel_curl_multi_close(CURLM *multi)
{
    keel_sigpipe guard;

    keel_sigpipe_block(&guard); /* a TLS connection says goodbye */
    curl_multi_cleanup(multi);
    keel_sigpipe_restore(&guard);
}

static void note_oldest_locked(keel_curl_pool *pool)
{
    atomic_store_explicit(&pool->oldest_since,
                          pool->idle_count ? pool->idle[0].since : KEEL_NEVER,
                          memory_order_relaxed);
}

CURLM *keel_curl_pool_take(keel_curl_pool *pool)
{
    /* acquire pairs with the release in keel_curl_pool_give: we see its connections */
    CURLM *multi = atomic_exchange_explicit(&pool->warmest, NULL, memory_order_acquire);

    if (multi)
        return multi;
    pthread_mutex_lock(&pool->mu);
    if (pool->idle_count)
        multi = pool->idle[--pool->idle_count].multi;
    note_oldest_locked(pool);
    pthread_mutex_unlock(&pool->mu);
    return multi ? multi : curl_multi_init();
}

/* Puts one aside; what does not fit comes back. */
static CURLM *put_aside(keel_curl_pool *pool, CURLM *multi)
{
    pthread_mutex_lock(&pool->mu);
    if (pool->idle_count < KEEL_CURL_IDLE_MAX) {
        pool->idle[pool->idle_count++] =
            (idle_multi){ multi, pool->clock->now_coarse(pool->clock->ctx) };
        multi = NULL;
    }
    note_oldest_locked(pool);
    pthread_mutex_unlock(&pool->mu);
    return multi;
}

static bool is_too_old(keel_curl_pool *pool, uint64_t since)
{
    return since != KEEL_NEVER &&
           keel_ns_left(pool->clock->now_coarse(pool->clock->ctx), since) >=
               KEEL_CURL_IDLE_NS;
}

/* The one that has been idle too long, if any: one a call, so that none pays for all. */
static CURLM *take_too_old(keel_curl_pool *pool)
{
    CURLM *multi = NULL;

    pthread_mutex_lock(&pool->mu);
    if (pool->idle_count && is_too_old(pool, pool->idle[0].since)) {
        multi = pool->idle[0].multi;
        pool->idle_count--;
        memmove(pool->idle, pool->idle + 1, pool->idle_count * sizeof *pool->idle);
        note_oldest_locked(pool);
    }
    pthread_mutex_unlock(&pool->mu);
    return multi;
}

void keel_curl_pool_give(keel_curl_pool *pool, CURLM *multi)
{
    CURLM *none = NULL;

    if (atomic_compare_exchange_strong_explicit(
            &pool->warmest, &none, multi, memory_order_release, memory_order_relaxed))
        multi = NULL;
    else
        multi = put_aside(pool, multi);
    /* a lone caller comes by here too, and lets go what a burst has left */
    if (!multi && is_too_old(pool, atomic_load_explicit(&pool->oldest_since,
                                                        memory_order_relaxed)))
        multi = take_too_old(pool);
    if (multi)
        keel_curl_multi_close(multi);
}

static void close_all(keel_curl_pool *pool)
{
    CURLM *warmest = atomic_load(&pool->warmest);

    if (warmest)
        keel_curl_multi_close(warmest);
    while (pool->idle_count)
        keel_curl_multi_close(pool->idle[--pool->idle_count].multi);
    if (pool->holds_libcurl)
        curl_global_cleanup();
    pthread_mutex_destroy(&pool->mu);
}

void keel_curl_pool_free(void *pool)
{
    keel_curl_pool *next = pool;

    while (next) {
        keel_curl_pool *closing = next;

        next = closing->parents;
        if (is_ours(closing))
            close_all(closing);
        keel_memory_free(closing->memory, closing);
    }
}
