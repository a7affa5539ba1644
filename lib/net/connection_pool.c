/* SPDX-License-Identifier: MIT */
/* Keeping connections. Not for talking over them. */
#include "net/connection_pool.h"

#include "base/detail.h"

#define CANCEL_LOOK_NS                                                                 \
    (10 * KEEL_MS) /* a token wakes who sleeps on its word, not here */

void keel_pool_init(keel_connection_pool *pool, const keel_pool_kind *kind, void *ctx,
                    const keel_clock *clock, uint32_t most, uint64_t idle_ns)
{
    *pool = (keel_connection_pool){ .kind = kind,
                                    .ctx = ctx,
                                    .clock = clock,
                                    .most = most < KEEL_POOL_MAX ? most : KEEL_POOL_MAX,
                                    .idle_ns = idle_ns };
    pthread_mutex_init(&pool->idle_mu, NULL);
}

static uint64_t now_of(const keel_connection_pool *pool)
{
    return pool->clock->now(pool->clock->ctx);
}

/* ---- taking -------------------------------------------------------------------------- */

typedef enum found { FOUND_IDLE, FOUND_ROOM, FOUND_NOTHING } found;

/* One that is idle and young enough, or room for a fresh one. *old: one to be closed. */
static found look(keel_connection_pool *pool, uint64_t now, keel_pooled *taken,
                  void **old)
{
    found what = FOUND_NOTHING;

    *old = NULL;
    pthread_mutex_lock(&pool->idle_mu);
    if (pool->idle_count) {
        uint32_t last = --pool->idle_count;

        taken->idle_ns = keel_ns_left(now, pool->idle[last].used_at);
        if (taken->idle_ns <= pool->idle_ns) {
            taken->connection = pool->idle[last].connection;
            what = FOUND_IDLE;
        } else {
            *old = pool->idle[last].connection;
            what = FOUND_ROOM;
        }
        pool->out++;
    } else if (pool->out < pool->most) {
        pool->out++;
        what = FOUND_ROOM;
    }
    pthread_mutex_unlock(&pool->idle_mu);
    return what;
}

/*
 * Who waits has said so before he looked for the last time: either he saw what was given,
 * or he is seen here. All of it is seq_cst.
 */
static void tell_who_waits(keel_connection_pool *pool)
{
    atomic_fetch_add(&pool->given, 1);
    if (atomic_load(&pool->waiting))
        pool->clock->wake((const uint32_t *)&pool->given, 1, pool->clock->ctx);
}

static void leave(keel_connection_pool *pool)
{
    pthread_mutex_lock(&pool->idle_mu);
    pool->out--;
    pthread_mutex_unlock(&pool->idle_mu);
    tell_who_waits(pool);
}

static keel_status open_fresh(keel_connection_pool *pool, uint64_t until_ns,
                              keel_pooled *taken, keel_detail *why)
{
    keel_status status = pool->kind->open(pool->ctx, until_ns, &taken->connection, why);

    if (status != KEEL_OK)
        leave(pool);
    return status;
}

/* KEEL_OK: somebody may have given one back. */
static keel_status wait_for_one(const keel_connection_pool *pool, uint32_t seen,
                                uint64_t until_ns, const keel_cancel *cancel,
                                keel_detail *why)
{
    uint64_t now = now_of(pool);
    uint64_t step = cancel ? keel_ns_min(until_ns, now + CANCEL_LOOK_NS) : until_ns;

    if (cancel && keel_cancel_fired(cancel))
        return keel_fail(why, KEEL_CANCELLED,
                         "cancelled while it waited for a connection");
    if (now >= until_ns)
        return keel_fail(why, KEEL_DEADLINE, "no connection was free in time");
    pool->clock->wait((const uint32_t *)&pool->given, seen, step, pool->clock->ctx);
    return KEEL_OK;
}

/* One that is idle, or a fresh one; KEEL_OK without a connection: there is no room. */
static keel_status try_to_take(keel_connection_pool *pool, uint64_t until_ns,
                               keel_pooled *taken, keel_detail *why)
{
    uint64_t now = now_of(pool);
    void *old;
    found what;

    if (now >= until_ns)
        return keel_fail(why, KEEL_DEADLINE, "no connection was free in time");
    taken->taken_at = now;
    what = look(pool, now, taken, &old);
    if (old)
        pool->kind->close(pool->ctx, old);
    taken->is_used = what == FOUND_IDLE;
    return what == FOUND_ROOM ? open_fresh(pool, until_ns, taken, why) : KEEL_OK;
}

keel_status keel_pool_take(keel_connection_pool *pool, uint64_t until_ns,
                           const keel_cancel *cancel, keel_pooled *taken,
                           keel_detail *why)
{
    keel_status status;

    *taken = (keel_pooled){ .connection = NULL };
    status = try_to_take(pool, until_ns, taken, why);
    if (status != KEEL_OK || taken->connection)
        return status;
    atomic_fetch_add(&pool->waiting, 1);
    while (status == KEEL_OK) {
        uint32_t seen = atomic_load(&pool->given);

        status = try_to_take(pool, until_ns, taken, why);
        if (status != KEEL_OK || taken->connection)
            break;
        status = wait_for_one(pool, seen, until_ns, cancel, why);
    }
    atomic_fetch_sub(&pool->waiting, 1);
    if (status != KEEL_OK)
        tell_who_waits(pool); /* who was woken, and has no more time, passes it on */
    return status;
}

/* ---- giving back --------------------------------------------------------------------- */

void keel_pool_give(keel_connection_pool *pool, const keel_pooled *taken, bool is_clean)
{
    if (!is_clean) {
        pool->kind->close(pool->ctx, taken->connection);
        leave(pool);
        return;
    }
    pthread_mutex_lock(&pool->idle_mu);
    pool->idle[pool->idle_count].connection = taken->connection;
    pool->idle[pool->idle_count++].used_at = taken->taken_at;
    pool->out--;
    pthread_mutex_unlock(&pool->idle_mu);
    tell_who_waits(pool);
}

void keel_pool_drain(keel_connection_pool *pool)
{
    void *connection;

    do {
        connection = NULL;
        pthread_mutex_lock(&pool->idle_mu);
        if (pool->idle_count)
            connection = pool->idle[--pool->idle_count].connection;
        pthread_mutex_unlock(&pool->idle_mu);
        if (connection)
            pool->kind->close(pool->ctx, connection);
    } while (connection);
}

void keel_pool_cleanup(keel_connection_pool *pool)
{
    keel_pool_drain(pool);
    pthread_mutex_destroy(&pool->idle_mu);
}
