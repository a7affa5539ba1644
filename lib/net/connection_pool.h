/* SPDX-License-Identifier: MIT */
/*
 * Connections to one server, kept for the next who needs one, no more than a number at
 * once. Knows no protocol. A connection whose last outcome is not known is never given
 * to anybody else: who takes one says whether it is clean when he gives it back.
 */
#ifndef KEEL_NET_CONNECTION_POOL_H
#define KEEL_NET_CONNECTION_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include <keel/call.h>

#include "base/clock.h"

enum { KEEL_POOL_MAX = 256 };

/*
 * How connections are made and ended; ctx is the first argument of both.
 *
 * open   until an instant; *connection is set on KEEL_OK
 * close  without waiting
 */
typedef struct keel_pool_kind {
    keel_status (*open)(void *ctx, uint64_t until_ns, void **connection,
                        keel_detail *why);
    void (*close)(void *ctx, void *connection);
} keel_pool_kind;

/* idle_mu guards: idle, idle_count, out */
typedef struct keel_connection_pool {
    const keel_pool_kind *kind;
    void *ctx;
    const keel_clock *clock;
    uint64_t idle_ns; /* unused for longer, a connection is not trusted any more */
    uint32_t most;
    pthread_mutex_t idle_mu;
    uint32_t idle_count;
    uint32_t out;
    struct {
        void *connection;
        uint64_t used_at;   /* when it was last taken */
    } idle[KEEL_POOL_MAX];  /* the last one was used last */
    _Atomic uint32_t given; /* counts; who waits for one sleeps on it */
    _Atomic uint32_t waiting;
} keel_connection_pool;

/* What a user of one holds. */
typedef struct keel_pooled {
    void *connection;
    bool is_used; /* it served somebody before: the server may have closed it since */
    uint64_t taken_at; /* on the pool's clock */
    uint64_t idle_ns;  /* since it was last taken before that */
} keel_pooled;

/* most: 1 to KEEL_POOL_MAX. clock, kind and ctx are borrowed. */
void keel_pool_init(keel_connection_pool *pool, const keel_pool_kind *kind, void *ctx,
                    const keel_clock *clock, uint32_t most, uint64_t idle_ns);

/*
 * An idle connection, or a fresh one; waits where as many as may be are out.
 *
 * cancel   NULL: none
 * Returns  KEEL_OK; KEEL_DEADLINE: none was free in time; KEEL_CANCELLED; what open
 *          returned. Nothing was sent
 */
keel_status keel_pool_take(keel_connection_pool *pool, uint64_t until_ns,
                           const keel_cancel *cancel, keel_pooled *taken,
                           keel_detail *why);

/*
 * Who has answered just now is there, and need not be looked at: a server that goes away
 * in so short a time might as well go in the midst of the next exchange, and then nobody
 * could tell either.
 */
#define KEEL_POOL_FRESH_NS (50 * (uint64_t)1000)

static inline bool keel_pool_is_fresh(const keel_pooled *taken)
{
    return !taken->is_used || taken->idle_ns < KEEL_POOL_FRESH_NS;
}

/* is_clean false: it is closed. */
void keel_pool_give(keel_connection_pool *pool, const keel_pooled *taken,
                    bool is_clean);

/* Closes all that are idle: the server has been away, they are dead. */
void keel_pool_drain(keel_connection_pool *pool);

/* None may be out. */
void keel_pool_cleanup(keel_connection_pool *pool);

#endif
