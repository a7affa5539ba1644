/* SPDX-License-Identifier: MIT */
/* Storing, counting and deleting. Not for giving items another time: that reads, too. */
#include "bag/store/memcached_write.h"

#include "bag/store/memcached_read.h"

#define SET KEEL_MEMCACHED_SET

static keel_text text_of(keel_bytes bytes)
{
    return (keel_text){ bytes.at, bytes.length };
}

/* What is no token of ours is none of the server's either: it counts them up from 1. */
static uint64_t token_of(const keel_bag_token *token)
{
    uint64_t number = keel_bag_token_number(token);

    return number ? number : UINT64_MAX;
}

static void tell_token(keel_bag_token *fresh, const keel_mc_reply *reply)
{
    if (reply->has & KEEL_MC_HAS_TOKEN)
        *fresh = keel_bag_token_of(reply->token);
}

/* ---- storing ------------------------------------------------------------------------- */

/* One item to be stored. token: with KEEL_BAG_CAS. */
typedef struct writing {
    keel_text key;
    keel_text value;
    keel_bag_mode mode;
    uint32_t flags;
    int64_t ttl_s;
    uint64_t token;
} writing;

static bool joins(keel_bag_mode mode)
{
    return mode == KEEL_BAG_APPEND || mode == KEEL_BAG_PREPEND;
}

static keel_mc_request meta_request(const writing *w)
{
    static const char modes[] = {
        [KEEL_BAG_SET] = 0, [KEEL_BAG_ADD] = 'E',    [KEEL_BAG_REPLACE] = 'R',
        [KEEL_BAG_CAS] = 0, [KEEL_BAG_APPEND] = 'A', [KEEL_BAG_PREPEND] = 'P'
    };
    keel_mc_request request = { .verb = KEEL_MC_META_SET,
                                .keys = &w->key,
                                .count = 1,
                                .value = w->value,
                                .flags = w->flags,
                                .ttl_s = w->ttl_s,
                                .token = w->token,
                                .wants = KEEL_MC_HAS_TOKEN,
                                .mode = modes[w->mode] };

    if (w->flags)
        request.gives |= KEEL_MC_GIVES_FLAGS;
    if (w->ttl_s)
        request.gives |= KEEL_MC_GIVES_TTL;
    if (w->mode == KEEL_BAG_CAS)
        request.gives |= KEEL_MC_GIVES_TOKEN;
    return request;
}

static keel_mc_request classic_request(const writing *w)
{
    static const keel_mc_verb verbs[] = {
        [KEEL_BAG_SET] = KEEL_MC_SET,         [KEEL_BAG_ADD] = KEEL_MC_ADD,
        [KEEL_BAG_REPLACE] = KEEL_MC_REPLACE, [KEEL_BAG_CAS] = KEEL_MC_CAS,
        [KEEL_BAG_APPEND] = KEEL_MC_APPEND,   [KEEL_BAG_PREPEND] = KEEL_MC_PREPEND,
    };

    return (keel_mc_request){ .verb = verbs[w->mode],
                              .keys = &w->key,
                              .count = 1,
                              .value = w->value,
                              .flags = w->flags,
                              .ttl_s = w->ttl_s,
                              .token = w->token };
}

static keel_status status_of(keel_mc_reply_kind kind)
{
    switch (kind) {
    case KEEL_MC_NS:
    case KEEL_MC_NOT_STORED:
        return KEEL_NOT_STORED;
    case KEEL_MC_EX:
    case KEEL_MC_EXISTS:
        return KEEL_EXISTS;
    case KEEL_MC_NF:
    case KEEL_MC_NOT_FOUND:
        return KEEL_NOT_FOUND;
    default:
        return KEEL_OK;
    }
}

static keel_status write_once(keel_memcached_exchange *e, const writing *w,
                              keel_bag_token *fresh)
{
    bool is_meta = keel_memcached_speaks_meta(e->connection);
    const keel_mc_request request = is_meta ? meta_request(w) : classic_request(w);
    const uint32_t expected =
        is_meta ? SET(KEEL_MC_HD) | SET(KEEL_MC_NS) | SET(KEEL_MC_EX) | SET(KEEL_MC_NF)
                : SET(KEEL_MC_STORED) | SET(KEEL_MC_NOT_STORED) | SET(KEEL_MC_EXISTS) |
                      SET(KEEL_MC_NOT_FOUND);
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_ask(e, &request, expected, &reply);

    if (status != KEEL_OK)
        return status;
    if (reply.kind == KEEL_MC_HD)
        tell_token(fresh, &reply);
    return status_of(reply.kind);
}

/* ---- with the time that there is ----------------------------------------------------- */

/* A time that is about to be over is not "for ever", as 0 would be. */
static int64_t ttl_left(const keel_memcached_exchange *e, const keel_mc_reply *seen)
{
    int64_t now_ms = e->op->now_ms, left_s = seen->ttl_s ? seen->ttl_s : 1;

    if (left_s < 0)
        return 0;
    if (left_s > INT32_MAX)
        left_s = INT32_MAX;
    return keel_memcached_ttl(now_ms, now_ms + left_s * 1000);
}

/* Over what was seen, or where nothing was. */
static keel_status write_over_seen(keel_memcached_exchange *e, const writing *w,
                                   const keel_mc_reply *seen, keel_bag_token *fresh)
{
    writing over = *w;

    over.mode = KEEL_BAG_ADD;
    if (seen->kind == KEEL_MC_HD) {
        over.mode = KEEL_BAG_CAS;
        over.token = seen->token;
        over.ttl_s = ttl_left(e, seen);
    }
    return write_once(e, &over, fresh);
}

/*
 * memcached knows no such thing: so the item's time and token are read, and it is stored
 * over the one that was seen. KEEL_E_CONFLICT: others were faster, nothing was done.
 */
static keel_status write_over(keel_memcached_exchange *e, const writing *w,
                              keel_bag_token *fresh)
{
    const keel_mc_request look = { .verb = KEEL_MC_META_GET,
                                   .keys = &w->key,
                                   .count = 1,
                                   .wants = KEEL_MC_HAS_TTL | KEEL_MC_HAS_TOKEN };
    keel_mc_reply seen;
    keel_status status =
        keel_memcached_exchange_ask(e, &look, SET(KEEL_MC_HD) | SET(KEEL_MC_EN), &seen);

    if (status != KEEL_OK)
        return status;
    if (seen.kind == KEEL_MC_EN && w->mode != KEEL_BAG_SET)
        return w->mode == KEEL_BAG_CAS ? KEEL_NOT_FOUND : KEEL_NOT_STORED;
    if (w->mode == KEEL_BAG_CAS && seen.token != w->token)
        return KEEL_EXISTS;
    status = write_over_seen(e, w, &seen, fresh);
    if (w->mode != KEEL_BAG_CAS && (status == KEEL_NOT_STORED ||
                                    status == KEEL_EXISTS || status == KEEL_NOT_FOUND))
        return KEEL_E_CONFLICT;
    return status;
}

static keel_status write_keeping(keel_memcached_exchange *e, const writing *w,
                                 keel_bag_token *fresh)
{
    keel_status status;

    if (w->mode == KEEL_BAG_ADD)
        return write_once(e, w, fresh); /* there is none whose time could be kept */
    if (!keel_memcached_speaks_meta(e->connection))
        return keel_memcached_exchange_refuse(e, "keeping an item's time");
    do
        status = write_over(e, w, fresh);
    while (status == KEEL_E_CONFLICT && keel_socket_now() < e->wait.until_ns);
    if (status != KEEL_E_CONFLICT)
        return status;
    return keel_bag_fail(e->why, KEEL_DEADLINE, KEEL_APPLIED_NO, e->store->path,
                         "others were always faster until the deadline");
}

/* An item that would grow too large is "not stored", as one that is not there. */
static keel_status explain(keel_memcached_exchange *e, const writing *w)
{
    uint64_t length;

    if (keel_memcached_length(e, w->key, &length) != KEEL_OK ||
        length + w->value.length <= e->store->value_max)
        return KEEL_NOT_STORED;
    return keel_bag_fail(e->why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, e->store->path,
                         "it would be larger than item_max");
}

keel_status keel_memcached_store_put(void *state, const keel_bag_op *op, keel_bytes key,
                                     const keel_bag_put *put, keel_bag_token *fresh,
                                     keel_detail *why)
{
    bool keeps = put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;
    writing w = { .key = text_of(key),
                  .value = text_of(put->value),
                  .mode = put->mode };
    keel_memcached_exchange e;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    if (!joins(put->mode)) {
        w.flags = put->flags;
        w.ttl_s = keeps ? 0 : keel_memcached_ttl(op->now_ms, put->expires_at_ms);
    }
    if (put->mode == KEEL_BAG_CAS)
        w.token = token_of(put->expected);
    status = keeps && !joins(put->mode) ? write_keeping(&e, &w, fresh)
                                        : write_once(&e, &w, fresh);
    if (status == KEEL_NOT_STORED && joins(put->mode))
        status = explain(&e, &w);
    return keel_memcached_exchange_end(&e, status);
}

/* ---- counting ------------------------------------------------------------------------ */

static keel_status count_meta(keel_memcached_exchange *e, keel_text key, bool down,
                              uint64_t by, uint64_t *number, keel_bag_token *fresh)
{
    const keel_mc_request request = { .verb = KEEL_MC_META_COUNT,
                                      .keys = &key,
                                      .count = 1,
                                      .by = by,
                                      .wants = KEEL_MC_WANTS_VALUE | KEEL_MC_HAS_TOKEN,
                                      .gives = KEEL_MC_GIVES_BY,
                                      .mode = down ? 'D' : 0 };
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_ask(
        e, &request, SET(KEEL_MC_VA) | SET(KEEL_MC_NF), &reply);

    if (status != KEEL_OK || reply.kind == KEEL_MC_NF)
        return status == KEEL_OK ? KEEL_NOT_FOUND : status;
    if (!keel_bag_number_read((keel_bytes){ reply.value.at, reply.value.length },
                              number))
        return keel_memcached_exchange_nonsense(e);
    tell_token(fresh, &reply);
    return KEEL_OK;
}

static keel_status count_classic(keel_memcached_exchange *e, keel_text key, bool down,
                                 uint64_t by, uint64_t *number)
{
    const keel_mc_request request = {
        .verb = down ? KEEL_MC_DECR : KEEL_MC_INCR, .keys = &key, .count = 1, .by = by
    };
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_ask(
        e, &request, SET(KEEL_MC_COUNT) | SET(KEEL_MC_NOT_FOUND), &reply);

    if (status != KEEL_OK || reply.kind == KEEL_MC_NOT_FOUND)
        return status == KEEL_OK ? KEEL_NOT_FOUND : status;
    *number = reply.number;
    return KEEL_OK;
}

keel_status keel_memcached_store_add_to(void *state, const keel_bag_op *op,
                                        keel_bytes key, bool down, uint64_t by,
                                        uint64_t *number, keel_bag_token *fresh,
                                        keel_detail *why)
{
    keel_memcached_exchange e;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    if (keel_memcached_speaks_meta(e.connection))
        status = count_meta(&e, text_of(key), down, by, number, fresh);
    else
        status = count_classic(&e, text_of(key), down, by, number);
    return keel_memcached_exchange_end(&e, status);
}

/* ---- deleting ------------------------------------------------------------------------ */

static keel_status remove_meta(keel_memcached_exchange *e, keel_text key,
                               const keel_bag_token *expected)
{
    keel_mc_request request = { .verb = KEEL_MC_META_DELETE, .keys = &key, .count = 1 };
    keel_mc_reply reply;
    keel_status status;

    if (expected) {
        request.gives = KEEL_MC_GIVES_TOKEN;
        request.token = token_of(expected);
    }
    status = keel_memcached_exchange_ask(
        e, &request, SET(KEEL_MC_HD) | SET(KEEL_MC_NF) | SET(KEEL_MC_EX), &reply);
    return status == KEEL_OK ? status_of(reply.kind) : status;
}

static keel_status remove_classic(keel_memcached_exchange *e, keel_text key)
{
    const keel_mc_request request = { .verb = KEEL_MC_DELETE,
                                      .keys = &key,
                                      .count = 1 };
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_ask(
        e, &request, SET(KEEL_MC_DELETED) | SET(KEEL_MC_NOT_FOUND), &reply);

    return status == KEEL_OK ? status_of(reply.kind) : status;
}

keel_status keel_memcached_store_remove(void *state, const keel_bag_op *op,
                                        keel_bytes key, const keel_bag_token *expected,
                                        keel_detail *why)
{
    keel_memcached_exchange e;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    if (keel_memcached_speaks_meta(e.connection))
        status = remove_meta(&e, text_of(key), expected);
    else if (expected)
        status = keel_memcached_exchange_refuse(&e, "deleting only what was seen");
    else
        status = remove_classic(&e, text_of(key));
    return keel_memcached_exchange_end(&e, status);
}

keel_status keel_memcached_store_flush(void *state, const keel_bag_op *op,
                                       keel_detail *why)
{
    const keel_mc_request request = { .verb = KEEL_MC_FLUSH_ALL };
    keel_memcached_exchange e;
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    status = keel_memcached_exchange_ask(&e, &request, SET(KEEL_MC_OK), &reply);
    return keel_memcached_exchange_end(&e, status);
}
