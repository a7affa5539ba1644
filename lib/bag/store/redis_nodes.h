/* SPDX-License-Identifier: MIT */
/*
 * The servers of one Redis store, each with a pool of connections. One, unless it is a
 * cluster: there who holds which slot is learnt by asking (MOVED says it) and forgotten
 * when a node is lost. Not for what is asked.
 */
#ifndef KEEL_BAG_STORE_REDIS_NODES_H
#define KEEL_BAG_STORE_REDIS_NODES_H

#include "net/connection_pool.h"
#include "net/redis_find.h"
#include "net/redis_slot.h"

enum { KEEL_REDIS_NODES = 128 };

typedef struct keel_redis_nodes keel_redis_nodes;

typedef struct keel_redis_node {
    const keel_redis_nodes *all;
    keel_redis_host at; /* of a cluster; another one's once nobody uses it any more */
    uint32_t users;     /* of a cluster */
    keel_connection_pool pool;
} keel_redis_node;

/* What a pool keeps: the dialer has to live as long as what was dialed. */
typedef struct keel_redis_connection {
    keel_redis *redis;
    keel_dialer dialer;
} keel_redis_connection;

/* What all connections have in common. must_keep: a server that evicts is refused */
typedef struct keel_redis_terms {
    const keel_allocator *memory;
    const keel_clock *clock;
    keel_redis_url url;
    uint32_t connections; /* to one server */
    uint64_t connect_ns;
    uint64_t idle_ns;
    bool must_keep;
} keel_redis_terms;

/*
 * nodes_mu guards: node, node_count, owner, turn, and users and at of each
 *
 * node   made when first heard of, freed at the end; where there are too many, one that
 *        has no slots and no users gives way
 * owner  of each slot, its number in node from 1 on; 0: not known
 * turn   whom to ask for a slot of which nothing is known
 */
struct keel_redis_nodes {
    keel_redis_terms terms;
    pthread_mutex_t nodes_mu;
    keel_redis_node *node[KEEL_REDIS_NODES];
    size_t node_count;
    size_t turn;
    uint8_t owner[KEEL_REDIS_SLOTS];
};

/* terms are copied, the password with them. KEEL_OK, KEEL_E_NOMEM. Connects to nobody. */
keel_status keel_redis_nodes_init(keel_redis_nodes *n, const keel_redis_terms *terms);
void keel_redis_nodes_cleanup(keel_redis_nodes *n);

/* Whoever is told a node by what follows is one of its users until he leaves it. NULL: no
 * node */
void keel_redis_nodes_leave(keel_redis_nodes *n, keel_redis_node *node);

/* Who is thought to hold a slot. */
keel_redis_node *keel_redis_nodes_of(keel_redis_nodes *n, uint32_t slot);

/* The node at an address, known from now on; NULL: no memory, or too many
 * that are of use. */
keel_redis_node *keel_redis_nodes_at(keel_redis_nodes *n, const keel_redis_host *at);

/* Its slot is that node's from now on. */
void keel_redis_nodes_learn(keel_redis_nodes *n, uint32_t slot,
                            const keel_redis_node *owner);

/* It is lost: its slots may be another's by now, and the others know whose. */
void keel_redis_nodes_forget(keel_redis_nodes *n, const keel_redis_node *lost);

/* How many were heard of. */
size_t keel_redis_nodes_count(keel_redis_nodes *n);

/*
 * Of those that hold slots the next by address, so that a scan finds its way even if it
 * is gone on with elsewhere; at NULL: the first. NULL: there is none. Of one server it is
 * that one, and only the first.
 */
keel_redis_node *keel_redis_nodes_after(keel_redis_nodes *n, const keel_redis_host *at);

#endif
