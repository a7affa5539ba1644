/* SPDX-License-Identifier: MIT */
/*
 * Many keys in one exchange: MGET, or in a cluster, where that takes the keys of one slot
 * only, GETs sent at once to each node. What is moving just then is asked for by itself.
 */
#include <string.h>

#include "bag/store/redis_ask.h"
#include "base/memory.h"

enum { AT_ONCE = 128 };

/* Some of the keys, as Redis has them. */
typedef struct batch {
    keel_redis_store *s;
    const keel_bag_op *op;
    const keel_bytes *keys;
    keel_bag_item *items;
    keel_status *statuses;
    size_t count;
    keel_detail *why;
    char *
        packed; /* keys with their prefix; NULL: there is none, and they are as given */
    const char *argv[1 + AT_ONCE];
    size_t lengths[1 + AT_ONCE];
} batch;

/* False: no memory. */
static bool write_keys(batch *b)
{
    size_t size = 0, at = 0;
    const keel_text prefix = b->s->prefix;

    b->argv[0] = "MGET";
    b->lengths[0] = strlen(b->argv[0]);
    for (size_t i = 0; i < b->count; i++) {
        b->argv[1 + i] = b->keys[i].at;
        b->lengths[1 + i] = prefix.length + b->keys[i].length;
        size += b->lengths[1 + i];
    }
    if (!prefix.length)
        return true;
    b->packed = keel_memory_new(b->s->memory, size);
    for (size_t i = 0; b->packed && i < b->count; i++) {
        memcpy(b->packed + at, prefix.at, prefix.length);
        memcpy(b->packed + at + prefix.length, b->keys[i].at, b->keys[i].length);
        b->argv[1 + i] = b->packed + at;
        at += b->lengths[1 + i];
    }
    return b->packed != NULL;
}

static void fail_all(batch *b, keel_status status)
{
    for (size_t i = 0; i < b->count; i++)
        b->statuses[i] = status;
}

static void give(batch *b, size_t i, const redisReply *reply)
{
    b->statuses[i] = keel_redis_give(b->s, reply, b->op, &b->items[i], b->why);
}

static bool is_value(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL;
}

/* ---- one server ---------------------------------------------------------------------- */

/* An array with a value for each, which only no server would not give. */
static keel_status check_array(const batch *b, const redisReply *reply)
{
    keel_status status = keel_redis_refusal(b->s, reply, b->why);
    bool is_sound = status == KEEL_OK && reply->elements == b->count;

    if (status != KEEL_OK)
        return status;
    for (size_t i = 0; is_sound && i < b->count; i++)
        is_sound = is_value(reply->element[i]);
    if (is_sound)
        return KEEL_OK;
    return keel_bag_fail(b->why, KEEL_FAILED, KEEL_APPLIED_NO, b->s->path,
                         "what came is no reply to MGET");
}

static void get_by_mget(batch *b)
{
    const keel_redis_command mget = { 1 + (int)b->count, b->argv, b->lengths };
    const keel_redis_batch one = { &mget, 1, KEEL_REDIS_IS(ARRAY), false };
    redisReply *reply;
    keel_status status = keel_redis_exchange_all(
        b->s, b->op, keel_redis_nodes_of(&b->s->nodes, 0), &one, &reply, b->why);

    if (status == KEEL_OK) {
        status = check_array(b, reply);
        for (size_t i = 0; status == KEEL_OK && i < b->count; i++)
            give(b, i, reply->element[i]);
        freeReplyObject(reply);
    }
    if (status != KEEL_OK)
        fail_all(b, status);
}

/* ---- a cluster ----------------------------------------------------------------------- */

/* The keys of one node. numbers: which of the batch */
typedef struct share {
    keel_redis_node *node;
    size_t count;
    size_t numbers[AT_ONCE];
} share;

/* Which are still to be asked for, and of these those of the first one's node. */
static bool choose(const batch *b, share *sh, keel_redis_node *const nodes[],
                   const bool is_done[])
{
    sh->node = NULL;
    sh->count = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (is_done[i])
            continue;
        if (!sh->node)
            sh->node = nodes[i];
        if (nodes[i] == sh->node)
            sh->numbers[sh->count++] = i;
    }
    return sh->node != NULL;
}

/* A value, or the way to it: another node has the slot by now. */
static void take_reply(batch *b, size_t i, const redisReply *reply)
{
    if (is_value(reply))
        give(b, i, reply);
    else
        b->statuses[i] =
            keel_redis_store_get(b->s, b->op, b->keys[i], &b->items[i], b->why);
}

static void get_share(batch *b, const share *sh)
{
    const char *argv[2 * AT_ONCE];
    size_t lengths[2 * AT_ONCE];
    keel_redis_command commands[AT_ONCE];
    redisReply *replies[AT_ONCE];
    const keel_redis_batch all = { commands, sh->count,
                                   KEEL_REDIS_IS(STRING) | KEEL_REDIS_IS(NIL), false };
    keel_status status;

    for (size_t i = 0; i < sh->count; i++) {
        argv[2 * i] = "GET";
        lengths[2 * i] = strlen("GET");
        argv[2 * i + 1] = b->argv[1 + sh->numbers[i]];
        lengths[2 * i + 1] = b->lengths[1 + sh->numbers[i]];
        commands[i] = (keel_redis_command){ 2, argv + 2 * i, lengths + 2 * i };
    }
    status = keel_redis_exchange_all(b->s, b->op, sh->node, &all, replies, b->why);
    for (size_t i = 0; i < sh->count; i++)
        if (status == KEEL_OK)
            take_reply(b, sh->numbers[i], replies[i]);
        else
            b->statuses[sh->numbers[i]] = status;
    if (status == KEEL_OK)
        keel_redis_replies_free(replies, sh->count);
}

static void get_by_node(batch *b)
{
    keel_redis_node *nodes[AT_ONCE];
    bool is_done[AT_ONCE] = { false };
    share sh;

    for (size_t i = 0; i < b->count; i++)
        nodes[i] = keel_redis_nodes_of(
            &b->s->nodes,
            keel_redis_slot((keel_text){ b->argv[1 + i], b->lengths[1 + i] }));
    while (choose(b, &sh, nodes, is_done)) {
        get_share(b, &sh);
        for (size_t i = 0; i < sh.count; i++)
            is_done[sh.numbers[i]] = true;
    }
    for (size_t i = 0; i < b->count; i++)
        keel_redis_nodes_leave(&b->s->nodes, nodes[i]);
}

/* ---- both ---------------------------------------------------------------------------- */

static void get_some(batch *b)
{
    if (!write_keys(b))
        fail_all(b, keel_bag_fail(b->why, KEEL_E_NOMEM, KEEL_APPLIED_NO, b->s->path,
                                  "out of memory"));
    else if (b->s->nodes.terms.url.kind == KEEL_REDIS_CLUSTER)
        get_by_node(b);
    else
        get_by_mget(b);
    keel_memory_free(b->s->memory, b->packed);
}

void keel_redis_store_get_many(void *state, const keel_bag_op *op,
                               const keel_bytes keys[], keel_bag_item items[],
                               keel_status statuses[], size_t count, keel_detail *why)
{
    keel_redis_store *s = state;
    bool one_by_one = !s->envelope && op->wishes & KEEL_BAG_WANT_TTL;

    for (size_t at = 0; one_by_one && at < count; at++)
        statuses[at] = keel_redis_store_get(s, op, keys[at], &items[at], why);
    for (size_t at = 0; !one_by_one && at < count; at += AT_ONCE) {
        batch b = { .s = s,
                    .op = op,
                    .keys = keys + at,
                    .items = items + at,
                    .statuses = statuses + at,
                    .count = count - at < AT_ONCE ? count - at : AT_ONCE,
                    .why = why };

        get_some(&b);
    }
}
