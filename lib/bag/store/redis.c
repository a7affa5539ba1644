/* SPDX-License-Identifier: MIT */
/*
 * The Redis store: what each verb says to the server and what its answers mean. One
 * command of Redis' own where one will do, a script where reading and writing have to be
 * one step. Not for connections (redis_ask.h), nor for many keys at once.
 */
#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "bag/store/redis_ask.h"
#include "bag/store/redis_item.h"
#include "base/memory.h"
#include "base/random.h"

/* ---- what scripts answer ------------------------------------------------------------- */

enum { DONE = 1, ABSENT = 0, OTHER = 2, NO_NUMBER = 3, TOO_LARGE = 5 };

static keel_status say_foreign(const keel_redis_store *s, keel_detail *why)
{
    return keel_bag_fail(why, KEEL_CORRUPT, KEEL_APPLIED_NO, s->path,
                         s->envelope
                             ? "what is stored under that key is not keel's; raw=on "
                               "is for plain strings"
                             : "what is stored under that key is no string");
}

/* absent: what it is called that there is no item */
static keel_status status_of(const keel_redis_store *s, const redisReply *reply,
                             keel_status absent, keel_detail *why)
{
    switch (reply->integer) {
    case DONE:
        return KEEL_OK;
    case ABSENT:
        return absent;
    case OTHER:
        return KEEL_EXISTS;
    case NO_NUMBER:
        return KEEL_NOT_NUMBER;
    case TOO_LARGE:
        return keel_bag_fail(why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, s->path,
                             "it would be larger than value_max");
    default:
        return say_foreign(s, why);
    }
}

/* Asks, and reads an answer that is a number. */
static keel_status ask_for_number(keel_redis_store *s, const keel_bag_op *op,
                                  keel_redis_request *q, keel_status absent,
                                  keel_detail *why)
{
    redisReply *reply;
    keel_status status = keel_redis_exchange(s, op, q, &reply, why);

    if (status != KEEL_OK)
        return status;
    status = status_of(s, reply, absent, why);
    freeReplyObject(reply);
    return status;
}

/* ---- pieces of requests -------------------------------------------------------------- */

/* An expiry as scripts and SET are told it. */
typedef struct expiry {
    char binary[8];
    char text[24]; /* digits; "0": never; "keep" */
} expiry;

static void write_expiry(expiry *e, int64_t expires_at_ms)
{
    bool keeps = expires_at_ms == KEEL_BAG_KEEP_EXPIRY;

    keel_redis_number_write(e->binary, keeps ? 0 : (uint64_t)expires_at_ms);
    if (keeps)
        memcpy(e->text, "keep", sizeof "keep");
    else
        snprintf(e->text, sizeof e->text, "%lld", (long long)expires_at_ms);
}

/* The write's own, which is its token; a write that has none gets one. */
static uint64_t nonce_of(const keel_bag_op *op)
{
    return op->nonce ? op->nonce : keel_random_number();
}

/* Eight bytes that name a write, as they stand in an envelope. */
typedef struct name {
    char bytes[8];
} name;

static void add_name(keel_redis_request *q, name *n, uint64_t number)
{
    keel_redis_number_write(n->bytes, number);
    keel_redis_request_add(q, n->bytes, sizeof n->bytes);
}

/* A value in its envelope: the caller's own where it has none, else a copy. */
typedef struct sealed {
    const keel_allocator *memory;
    const char *at;
    size_t length;
    char *block; /* NULL: it lies in small, or is the caller's */
    char small[1024];
} sealed;

static bool seal(sealed *to, const keel_redis_store *s, uint64_t nonce,
                 const keel_bag_put *put)
{
    bool keeps = put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;
    const keel_redis_item item = { put->flags, nonce, keeps ? 0 : put->expires_at_ms,
                                   put->value };
    char *copy = to->small; /* cppcheck-suppress ctuuninitvar ; it is filled here */

    to->memory = s->memory;
    to->block = NULL;
    to->at = put->value.length ? put->value.at : "";
    to->length = s->envelope + put->value.length;
    if (!s->envelope)
        return true;
    if (to->length > sizeof to->small)
        copy = to->block = keel_memory_new(s->memory, to->length);
    if (!copy)
        return false;
    keel_redis_item_seal(copy, &item);
    memcpy(copy + s->envelope, to->at, put->value.length);
    to->at = copy;
    return true;
}

static void unseal(sealed *value)
{
    keel_memory_free(value->memory, value->block);
}

/* ---- reading ------------------------------------------------------------------------- */

keel_status keel_redis_give(const keel_redis_store *s, const redisReply *stored,
                            const keel_bag_op *op, keel_bag_item *item,
                            keel_detail *why)
{
    keel_redis_item found = { .expires_at_ms = -1,
                              .value = { stored->str, stored->len } };

    if (stored->type == REDIS_REPLY_NIL)
        return KEEL_NOT_FOUND;
    if (s->envelope && !keel_redis_item_open(&found, stored->str, stored->len))
        return say_foreign(s, why);
    item->flags = found.flags;
    item->expires_at_ms = found.expires_at_ms;
    item->marks = 0;
    item->token.length = 0;
    if (s->envelope && op->wishes & KEEL_BAG_WANT_TOKEN)
        item->token = keel_bag_token_of(found.nonce);
    if (op->nonce_found)
        *op->nonce_found = found.nonce;
    return keel_bag_item_fill(item, found.value.at, found.value.length);
}

/* A plain string and its expiry lie apart: a script reads both at one moment. */
static keel_status give_both(const keel_redis_store *s, const redisReply *reply,
                             const keel_bag_op *op, keel_bag_item *item,
                             keel_detail *why)
{
    keel_status status;

    if (reply->type == REDIS_REPLY_INTEGER)
        return status_of(s, reply, KEEL_NOT_FOUND, why);
    if (reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_INTEGER)
        return say_foreign(s, why);
    status = keel_redis_give(s, reply->element[0], op, item, why);
    item->expires_at_ms = reply->element[1]->integer;
    return status;
}

keel_status keel_redis_store_get(void *state, const keel_bag_op *op, keel_bytes key,
                                 keel_bag_item *item, keel_detail *why)
{
    keel_redis_store *s = state;
    bool wants_both = !s->envelope && op->wishes & KEEL_BAG_WANT_TTL;
    keel_redis_request q;
    redisReply *reply;
    keel_status status;

    if (wants_both)
        keel_redis_request_script(&q, s, KEEL_REDIS_SCRIPT_READ, key,
                                  KEEL_REDIS_IS(ARRAY));
    else
        keel_redis_request_begin(&q, s, "GET", key,
                                 KEEL_REDIS_IS(STRING) | KEEL_REDIS_IS(NIL));
    q.writes = false;
    status = keel_redis_exchange(s, op, &q, &reply, why);
    if (status != KEEL_OK)
        return status;
    status = wants_both ? give_both(s, reply, op, item, why)
                        : keel_redis_give(s, reply, op, item, why);
    freeReplyObject(reply);
    return status;
}

/* ---- storing ------------------------------------------------------------------------- */

/* What SET is told behind the value; e is borrowed. */
static void add_terms(keel_redis_request *q, const keel_bag_put *put, const expiry *e)
{
    if (put->mode != KEEL_BAG_SET)
        keel_redis_request_text(q, put->mode == KEEL_BAG_ADD ? "NX" : "XX");
    if (put->expires_at_ms > 0) {
        keel_redis_request_text(q, "PXAT");
        keel_redis_request_text(q, e->text);
    } else if (put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY &&
               put->mode != KEEL_BAG_ADD) {
        keel_redis_request_text(q, "KEEPTTL");
    }
}

/* set, add and replace are Redis' own; nil: the condition is not met. */
static keel_status set(keel_redis_store *s, const keel_bag_op *op, keel_bytes key,
                       const keel_bag_put *put, const sealed *value, keel_detail *why)
{
    keel_redis_request q;
    redisReply *reply;
    expiry e;
    keel_status status;

    keel_redis_request_begin(&q, s, "SET", key,
                             KEEL_REDIS_IS(STATUS) | KEEL_REDIS_IS(NIL));
    q.writes = true;
    write_expiry(&e, put->expires_at_ms);
    keel_redis_request_add(&q, value->at, value->length);
    add_terms(&q, put, &e);
    status = keel_redis_exchange(s, op, &q, &reply, why);
    if (status != KEEL_OK)
        return status;
    status = reply->type == REDIS_REPLY_NIL ? KEEL_NOT_STORED : KEEL_OK;
    freeReplyObject(reply);
    return status;
}

/* By token, or with the expiry that the envelope of the old one tells. */
static keel_status put_by_script(keel_redis_store *s, const keel_bag_op *op,
                                 keel_bytes key, const keel_bag_put *put,
                                 const sealed *value, keel_detail *why)
{
    bool is_cas = put->mode == KEEL_BAG_CAS;
    keel_redis_request q;
    name expected;
    expiry e;

    keel_redis_request_script(&q, s, KEEL_REDIS_SCRIPT_PUT, key, 0);
    write_expiry(&e, put->expires_at_ms);
    keel_redis_request_text(&q, is_cas                          ? "cas"
                                : put->mode == KEEL_BAG_REPLACE ? "replace"
                                                                : "set");
    add_name(&q, &expected, is_cas ? keel_bag_token_number(put->expected) : 0);
    keel_redis_request_add(&q, value->at, KEEL_REDIS_EXPIRY_AT);
    keel_redis_request_add(&q, e.binary, sizeof e.binary);
    keel_redis_request_text(&q, e.text);
    keel_redis_request_add(&q, value->at + s->envelope, value->length - s->envelope);
    return ask_for_number(s, op, &q, is_cas ? KEEL_NOT_FOUND : KEEL_NOT_STORED, why);
}

static keel_status join(keel_redis_store *s, const keel_bag_op *op, keel_bytes key,
                        const keel_bag_put *put, uint64_t nonce, keel_detail *why)
{
    keel_redis_request q;
    char most[24];
    name own;

    snprintf(most, sizeof most, "%llu", (unsigned long long)s->value_max);
    keel_redis_request_script(&q, s, KEEL_REDIS_SCRIPT_JOIN, key, 0);
    keel_redis_request_text(&q, put->mode == KEEL_BAG_APPEND ? "append" : "prepend");
    add_name(&q, &own, nonce);
    keel_redis_request_add(&q, put->value.length ? put->value.at : "",
                           put->value.length);
    keel_redis_request_text(&q, most);
    return ask_for_number(s, op, &q, KEEL_NOT_STORED, why);
}

static bool needs_script(const keel_redis_store *s, const keel_bag_put *put)
{
    return put->mode == KEEL_BAG_CAS || (s->envelope && put->mode != KEEL_BAG_ADD &&
                                         put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY);
}

static keel_status store_item(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_put *put, keel_bag_token *fresh,
                              keel_detail *why)
{
    keel_redis_store *s = state;
    uint64_t nonce = nonce_of(op);
    keel_status status;
    sealed value;

    if (put->mode == KEEL_BAG_APPEND || put->mode == KEEL_BAG_PREPEND) {
        status = join(s, op, key, put, nonce, why);
    } else if (!seal(&value, s, nonce, put)) {
        status =
            keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path, "out of memory");
    } else {
        status = needs_script(s, put) ? put_by_script(s, op, key, put, &value, why)
                                      : set(s, op, key, put, &value, why);
        unseal(&value);
    }
    if (status == KEEL_OK && s->envelope)
        *fresh = keel_bag_token_of(nonce);
    return status;
}

/* ---- changing ------------------------------------------------------------------------ */

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    keel_redis_store *s = state;
    keel_redis_request q;
    redisReply *reply;
    uint64_t nonce = nonce_of(op);
    char digits[24];
    name own;
    keel_status status;

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)by);
    keel_redis_request_script(&q, s, KEEL_REDIS_SCRIPT_ADD, key, KEEL_REDIS_IS(STRING));
    add_name(&q, &own, nonce);
    keel_redis_request_text(&q, down ? "down" : "up");
    keel_redis_request_text(&q, digits);
    status = keel_redis_exchange(s, op, &q, &reply, why);
    if (status != KEEL_OK)
        return status;
    if (reply->type == REDIS_REPLY_INTEGER)
        status = status_of(s, reply, KEEL_NOT_FOUND, why);
    else if (!keel_bag_number_read((keel_bytes){ reply->str, reply->len }, number))
        status = keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_UNKNOWN, s->path,
                               "what came is no number");
    else if (s->envelope)
        *fresh = keel_bag_token_of(nonce);
    freeReplyObject(reply);
    return status;
}

/* What was stored before, with the expiry that it has now. */
static keel_status give_touched(const keel_redis_store *s, const redisReply *stored,
                                const keel_bag_op *op, int64_t expires_at_ms,
                                keel_bag_item *item, keel_detail *why)
{
    keel_status status = keel_redis_give(s, stored, op, item, why);

    if (expires_at_ms != KEEL_BAG_KEEP_EXPIRY)
        item->expires_at_ms = expires_at_ms;
    return status;
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    keel_redis_store *s = state;
    keel_redis_request q;
    redisReply *reply;
    expiry e;
    keel_status status;

    keel_redis_request_script(&q, s, KEEL_REDIS_SCRIPT_TOUCH, key,
                              KEEL_REDIS_IS(STRING));
    write_expiry(&e, expires_at_ms);
    keel_redis_request_add(&q, e.binary, sizeof e.binary);
    keel_redis_request_text(&q, e.text);
    keel_redis_request_text(&q, item ? "tell" : "");
    status = keel_redis_exchange(s, op, &q, &reply, why);
    if (status != KEEL_OK)
        return status;
    if (reply->type == REDIS_REPLY_INTEGER)
        status = status_of(s, reply, KEEL_NOT_FOUND, why);
    else if (item)
        status = give_touched(s, reply, op, expires_at_ms, item, why);
    freeReplyObject(reply);
    return status;
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    keel_redis_store *s = state;
    keel_redis_request q;
    name token;

    if (expected) {
        keel_redis_request_script(&q, s, KEEL_REDIS_SCRIPT_REMOVE, key, 0);
        add_name(&q, &token, keel_bag_token_number(expected));
    } else {
        keel_redis_request_begin(&q, s, "UNLINK", key, KEEL_REDIS_IS(INTEGER));
        q.writes = true;
    }
    return ask_for_number(s, op, &q, KEEL_NOT_FOUND, why);
}

/* ---- is it there? -------------------------------------------------------------------- */

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_redis_store *s = state;
    const keel_redis_command ping = KEEL_REDIS_COMMAND("PING");
    const keel_redis_batch b = { &ping, 1, KEEL_REDIS_IS(STATUS), false };
    keel_redis_node *node = keel_redis_nodes_of(&s->nodes, 0);
    redisReply *reply;
    keel_status status = keel_redis_exchange_all(s, op, node, &b, &reply, why);

    keel_redis_nodes_leave(&s->nodes, node);
    if (status != KEEL_OK)
        return status;
    status = keel_redis_refusal(s, reply, why);
    freeReplyObject(reply);
    return status;
}

/* The schemes differ in who is asked, which the URL says. */
#define STORE(variable, scheme, sentence)                                              \
    const keel_bag_ops variable = {                                                    \
        .size = sizeof variable,                                                       \
        .abi = KEEL_BAG_ABI,                                                           \
        .name = scheme,                                                                \
        .options = keel_redis_options,                                                 \
        .meaning = sentence,                                                           \
        .open = keel_redis_store_open,                                                 \
        .close = keel_redis_store_close,                                               \
        .look = keel_redis_store_look,                                                 \
        .get = keel_redis_store_get,                                                   \
        .get_many = keel_redis_store_get_many,                                         \
        .store = store_item,                                                           \
        .add_to = add_to,                                                              \
        .touch = touch,                                                                \
        .remove = remove_item,                                                         \
        .flush = keel_redis_store_flush,                                               \
        .scan = keel_redis_store_scan,                                                 \
        .health = health,                                                              \
    }

STORE(keel_store_redis, "redis", "A Redis server.");
STORE(keel_store_rediss, "rediss", "A Redis server, by TLS.");
STORE(keel_store_redis_sentinel, "redis+sentinel",
      "The Redis server that sentinels take for the master.");
STORE(keel_store_redis_cluster, "redis+cluster", "A Redis cluster.");
