/* SPDX-License-Identifier: MIT */
/* Handing out connections. What is done with them is not known here. */
#include "pool.h"

#include <time.h>

#define LONGEST_WAIT_NS 100000000 /* then the runtime's own clock is asked again */
#define CANCEL_LOOK_NS 10000000
#define SECOND_NS 1000000000

bool keel_sqlite_pool_init(keel_sqlite_pool *pool, const keel_sqlite_file *file,
                           size_t count)
{
    pthread_condattr_t monotonic;

    pool->file = file;
    pool->count = pool->idle_count = count;
    for (size_t i = 0; i < count; i++) {
        pool->connections[i] = (keel_sqlite_connection){ .file = file };
        pool->idle[i] = &pool->connections[i];
    }
    if (pthread_mutex_init(&pool->idle_mu, NULL))
        return false;
    if (pthread_condattr_init(&monotonic))
        goto fail;
    if (pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) ||
        pthread_cond_init(&pool->given, &monotonic))
        goto fail_attributes;
    pthread_condattr_destroy(&monotonic);
    return true;

fail_attributes:
    pthread_condattr_destroy(&monotonic);
fail:
    pthread_mutex_destroy(&pool->idle_mu);
    return false;
}

void keel_sqlite_pool_cleanup(keel_sqlite_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        keel_sqlite_connection_close(&pool->connections[i]);
    pthread_cond_destroy(&pool->given);
    pthread_mutex_destroy(&pool->idle_mu);
}

/* Until one is given back, or a while; false: there is no time left for that. */
static bool wait_locked(keel_sqlite_pool *pool, uint64_t until_ns,
                        const keel_cancel *cancel)
{
    uint64_t now_ns = keel_now(pool->file->runtime);
    uint64_t while_ns = cancel ? CANCEL_LOOK_NS : LONGEST_WAIT_NS;
    struct timespec until;

    if (now_ns >= until_ns || (cancel && keel_cancel_fired(cancel)))
        return false;
    if (until_ns - now_ns < while_ns)
        while_ns = until_ns - now_ns;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)while_ns;
    until.tv_sec += until.tv_nsec / SECOND_NS;
    until.tv_nsec %= SECOND_NS;
    pthread_cond_timedwait(&pool->given, &pool->idle_mu, &until);
    return true;
}

keel_sqlite_connection *keel_sqlite_pool_take(keel_sqlite_pool *pool, uint64_t until_ns,
                                              const keel_cancel *cancel)
{
    keel_sqlite_connection *c = NULL;

    pthread_mutex_lock(&pool->idle_mu);
    while (!pool->idle_count && wait_locked(pool, until_ns, cancel))
        ;
    if (pool->idle_count)
        c = pool->idle[--pool->idle_count];
    pthread_mutex_unlock(&pool->idle_mu);
    return c;
}

void keel_sqlite_pool_give(keel_sqlite_pool *pool, keel_sqlite_connection *c,
                           bool is_clean)
{
    if (!is_clean)
        keel_sqlite_connection_close(c);
    c->cancel = NULL;
    pthread_mutex_lock(&pool->idle_mu);
    pool->idle[pool->idle_count++] = c;
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->idle_mu);
}
