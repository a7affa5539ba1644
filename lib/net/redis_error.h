/* SPDX-License-Identifier: MIT */
/* What an error reply of Redis is about, by its first word; and where it sends us. */
#ifndef KEEL_NET_REDIS_ERROR_H
#define KEEL_NET_REDIS_ERROR_H

#include <hiredis/hiredis.h>

#include "net/redis_url.h"

typedef enum keel_redis_error {
    KEEL_REDIS_NO_ERROR,
    KEEL_REDIS_NOSCRIPT,    /* the script is not cached: send its text */
    KEEL_REDIS_READONLY,    /* a replica */
    KEEL_REDIS_LOADING,     /* reads its data after a start */
    KEEL_REDIS_OOM,         /* at maxmemory: no writes */
    KEEL_REDIS_MOVED,       /* the slot lives elsewhere */
    KEEL_REDIS_ASK,         /* the slot is moving: this once, elsewhere */
    KEEL_REDIS_NOPERM,      /* not in the user's ACL */
    KEEL_REDIS_NOAUTH,      /* no password was given */
    KEEL_REDIS_WRONGPASS,   /* the wrong one was */
    KEEL_REDIS_WRONGTYPE,   /* the key holds something else */
    KEEL_REDIS_CLUSTERDOWN, /* no majority, or slots without a node */
    KEEL_REDIS_MASTERDOWN,  /* a replica without its master */
    KEEL_REDIS_TRYAGAIN,    /* keys of one command on two nodes, for now */
    KEEL_REDIS_BUSY,        /* a script runs too long */
    KEEL_REDIS_OTHER
} keel_redis_error;

/* KEEL_REDIS_NO_ERROR: a reply that is none. */
keel_redis_error keel_redis_error_of(const redisReply *reply);

/*
 * Whether it is what Redis itself says before it has done anything. Of other errors, above
 * all a proxy's whose server did not answer, nobody knows.
 */
bool keel_redis_is_refusal(const redisReply *reply);

typedef struct keel_redis_move {
    uint32_t slot;
    keel_redis_host to; /* name "": the node that said so */
} keel_redis_move;

/* False: it is neither MOVED nor ASK, or does not say where. */
bool keel_redis_move_read(keel_redis_move *move, const redisReply *reply);

#endif
