/* SPDX-License-Identifier: MIT */
/*
 * The inside of a memcached store, and its exchanges: a connection is taken, something is
 * asked and answered, it is given back, and every failure says how certain it is. Not for
 * what verbs ask.
 */
#ifndef KEEL_BAG_STORE_MEMCACHED_EXCHANGE_H
#define KEEL_BAG_STORE_MEMCACHED_EXCHANGE_H

#include <keel/bag_plugin.h>

#include "net/connection_pool.h"
#include "net/memcached.h"

typedef struct keel_memcached_store {
    const keel_allocator *memory;
    const keel_clock *clock;
    const char *path;
    size_t value_max; /* of what is stored */
    uint64_t connect_ns;
    keel_memcached_server server;
    keel_shared_resolver resolver;
    keel_connection_pool pool;
} keel_memcached_store;

/* How connections are made for the pool; its ctx is the store. */
extern const keel_pool_kind keel_memcached_connections;

/* One use of a connection. */
typedef struct keel_memcached_exchange {
    keel_memcached_store *store;
    const keel_bag_op *op;
    keel_detail *why;
    keel_pooled taken;
    keel_memcached *connection;
    keel_memcached_wait wait;
    bool is_spoilt;   /* nobody may use the connection any more */
    bool will_change; /* of what is to be sent something changes an item */
    bool may_change;  /* the same of what was sent last */
    bool is_in_doubt; /* and that has not been answered */
    int errno_before;
    keel_detail said; /* by who found out what went wrong */
} keel_memcached_exchange;

/* KEEL_OK: to be ended; else it was not begun, and nothing was sent. */
keel_status keel_memcached_exchange_begin(keel_memcached_exchange *e,
                                          keel_memcached_store *store,
                                          const keel_bag_op *op, keel_detail *why);

/* Returns status, so that `return keel_memcached_exchange_end(…)` reads well. */
keel_status keel_memcached_exchange_end(keel_memcached_exchange *e, keel_status status);

/* A set of replies; one that is in none of a request's is no reply to it. */
#define KEEL_MEMCACHED_SET(kind) (UINT32_C(1) << (kind))

/*
 * Sends one request and hears its first reply.
 *
 * Returns  KEEL_OK: it is one of `expected`; KEEL_NOT_NUMBER; else the failure is told
 */
keel_status keel_memcached_exchange_ask(keel_memcached_exchange *e,
                                        const keel_mc_request *request,
                                        uint32_t expected, keel_mc_reply *reply);

/* The same in parts, for several requests at once, or several replies to one. */
keel_status keel_memcached_exchange_add(keel_memcached_exchange *e,
                                        const keel_mc_request *request);
keel_status keel_memcached_exchange_send(keel_memcached_exchange *e);
keel_status keel_memcached_exchange_next(keel_memcached_exchange *e, uint32_t expected,
                                         keel_mc_reply *reply);

/* It is a reply, but none to what was asked. */
keel_status keel_memcached_exchange_nonsense(keel_memcached_exchange *e);

/* The server is too old for what is asked. */
keel_status keel_memcached_exchange_refuse(keel_memcached_exchange *e,
                                           const char *what);

#endif
