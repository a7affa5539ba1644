/* SPDX-License-Identifier: MIT */
/*
 * One exchange of the Redis store: commands out over a pooled connection, replies in, and
 * what can be said of them. Follows where a cluster sends it and sends a script's text
 * where the server does not know it, as in both cases nothing was done. Repeats nothing
 * else, and keeps no connection whose outcome is not known.
 *
 * Every failure is told in why, with `applied`: NO for what only reads, before anything
 * was sent, and where Redis itself has refused; else UNKNOWN.
 */
#ifndef KEEL_BAG_STORE_REDIS_ASK_H
#define KEEL_BAG_STORE_REDIS_ASK_H

#include "bag/store/redis_scripts.h"
#include "bag/store/redis_store.h"

enum { KEEL_REDIS_ARGS = 12 };

/* Kinds of replies, as a set; errors are always among them. */
#define KEEL_REDIS_IS(type) (1U << REDIS_REPLY_##type)

/* One command about one key. Its arguments are borrowed. answers: kinds of replies */
typedef struct keel_redis_request {
    bool writes;
    unsigned answers;
    keel_redis_key key;
    const keel_script *script; /* NULL: a command of Redis' own */
    int argc;
    const char *argv[KEEL_REDIS_ARGS];
    size_t lengths[KEEL_REDIS_ARGS];
} keel_redis_request;

/* verb key */
void keel_redis_request_begin(keel_redis_request *q, const keel_redis_store *s,
                              const char *verb, keel_bytes key, unsigned answers);
/* script key envelope; an integer always is an answer */
void keel_redis_request_script(keel_redis_request *q, const keel_redis_store *s,
                               keel_redis_script_id script, keel_bytes key,
                               unsigned answers);
void keel_redis_request_add(keel_redis_request *q, const void *at, size_t length);
void keel_redis_request_text(keel_redis_request *q, const char *text);

/* Its reply, which is one of its answers; freed by freeReplyObject. NULL unless KEEL_OK. */
keel_status keel_redis_exchange(keel_redis_store *s, const keel_bag_op *op,
                                keel_redis_request *q, redisReply **reply,
                                keel_detail *why);

/* Several commands to one node. answers: of each */
typedef struct keel_redis_batch {
    const keel_redis_command *commands;
    size_t count;
    unsigned answers;
    bool writes;
} keel_redis_batch;

/* KEEL_OK: each has a reply, perhaps an error; freed by keel_redis_replies_free. */
keel_status keel_redis_exchange_all(keel_redis_store *s, const keel_bag_op *op,
                                    keel_redis_node *node, const keel_redis_batch *b,
                                    redisReply **replies, keel_detail *why);
void keel_redis_replies_free(redisReply **replies, size_t count);

/* What an error reply means; KEEL_OK: it is none. Nothing was applied. */
keel_status keel_redis_refusal(const keel_redis_store *s, const redisReply *reply,
                               keel_detail *why);

#endif
