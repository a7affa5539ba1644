/* SPDX-License-Identifier: MIT */
/* Reading items, and giving them another time, which reads them too where it is wanted. */
#include "bag/store/memcached_read.h"

#include <string.h>

#define SET KEEL_MEMCACHED_SET

enum { MONTH_S = 30 * 24 * 60 * 60, AT_ONCE = 128 };

/*
 * Lengths of time up to thirty days go as such: then it does not matter what day the
 * server takes it to be. Those above it would take for an instant, so they go as one. A
 * part of a second counts as a whole one, as 0 means for ever.
 */
int64_t keel_memcached_ttl(int64_t now_ms, int64_t expires_at_ms)
{
    int64_t left_ms = expires_at_ms - now_ms, left_s;

    if (expires_at_ms == 0)
        return 0;
    if (left_ms <= 0)
        return -1;
    left_s = left_ms / 1000 + (left_ms % 1000 != 0);
    if (left_s <= MONTH_S)
        return left_s;
    left_s = expires_at_ms / 1000 + (expires_at_ms % 1000 != 0);
    return left_s < INT32_MAX ? left_s : INT32_MAX; /* as much as a server reads */
}

/* ---- one item ------------------------------------------------------------------------ */

static int64_t expiry_of(const keel_memcached_exchange *e, const keel_mc_reply *reply)
{
    if (!(reply->has & KEEL_MC_HAS_TTL) || reply->ttl_s > INT32_MAX)
        return -1;
    return reply->ttl_s < 0 ? 0 : e->op->now_ms + reply->ttl_s * 1000;
}

static keel_status give(const keel_memcached_exchange *e, const keel_mc_reply *reply,
                        keel_bag_item *item)
{
    item->flags = reply->flags;
    item->expires_at_ms = expiry_of(e, reply);
    item->marks = 0;
    item->token.length = 0;
    if (reply->has & KEEL_MC_HAS_TOKEN)
        item->token = keel_bag_token_of(reply->token);
    if (reply->kind != KEEL_MC_HD)
        return keel_bag_item_fill(item, reply->value.at, reply->value.length);
    item->length = (size_t)reply->size; /* its value was not asked for */
    return KEEL_OK;
}

/* A value goes over the wire only to who has a place for it. */
static uint32_t wants(const keel_bag_op *op, const keel_bag_item *item)
{
    uint32_t wanted = KEEL_MC_HAS_FLAGS;

    wanted |= item->buffer ? (uint32_t)KEEL_MC_WANTS_VALUE : KEEL_MC_HAS_SIZE;
    if (op->wishes & KEEL_BAG_WANT_TOKEN)
        wanted |= KEEL_MC_HAS_TOKEN;
    if (op->wishes & KEEL_BAG_WANT_TTL)
        wanted |= KEEL_MC_HAS_TTL;
    return wanted;
}

static uint32_t hit(const keel_bag_item *item)
{
    return item && item->buffer ? SET(KEEL_MC_VA) : SET(KEEL_MC_HD);
}

/* Asks with mg; gives: perhaps another time. */
static keel_status read_meta(keel_memcached_exchange *e, const keel_mc_request *request,
                             keel_bag_item *item)
{
    keel_mc_reply reply;
    keel_status status =
        keel_memcached_exchange_ask(e, request, hit(item) | SET(KEEL_MC_EN), &reply);

    if (status == KEEL_OK && reply.kind == KEEL_MC_EN)
        return KEEL_NOT_FOUND;
    return status == KEEL_OK && item ? give(e, &reply, item) : status;
}

static bool is_same(keel_text a, keel_text b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/*
 * A value, and END. Once the value is there it is the answer: what comes instead of END
 * says only that the connection is not to be used again.
 */
static keel_status read_classic(keel_memcached_exchange *e,
                                const keel_mc_request *request, keel_bag_item *item)
{
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_ask(
        e, request, SET(KEEL_MC_VALUE) | SET(KEEL_MC_END), &reply);

    if (status != KEEL_OK)
        return status;
    if (reply.kind == KEEL_MC_END)
        return KEEL_NOT_FOUND;
    if (!is_same(reply.key, request->keys[0]))
        return keel_memcached_exchange_nonsense(e);
    status = item ? give(e, &reply, item) : KEEL_OK;
    (void)keel_memcached_exchange_next(e, SET(KEEL_MC_END), &reply);
    return status;
}

static keel_status read_item(keel_memcached_exchange *e, keel_text key,
                             keel_bag_item *item)
{
    keel_mc_request request = { .keys = &key, .count = 1 };

    if (keel_memcached_speaks_meta(e->connection)) {
        request.verb = KEEL_MC_META_GET;
        request.wants = item ? wants(e->op, item) : 0;
        return read_meta(e, &request, item);
    }
    request.verb = e->op->wishes & KEEL_BAG_WANT_TOKEN ? KEEL_MC_GETS : KEEL_MC_GET;
    return read_classic(e, &request, item);
}

keel_status keel_memcached_store_get(void *state, const keel_bag_op *op, keel_bytes key,
                                     keel_bag_item *item, keel_detail *why)
{
    keel_memcached_exchange e;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    return keel_memcached_exchange_end(
        &e, read_item(&e, (keel_text){ key.at, key.length }, item));
}

keel_status keel_memcached_length(keel_memcached_exchange *e, keel_text key,
                                  uint64_t *length)
{
    keel_bag_item item = { .size = sizeof item };
    keel_status status = read_item(e, key, &item);

    *length = item.length;
    return status;
}

/* ---- several ------------------------------------------------------------------------- */

/* Some keys of one exchange; answered: those before it have an answer. */
typedef struct several {
    keel_memcached_exchange *e;
    const keel_text *keys;
    keel_bag_item *items;
    keel_status *statuses;
    size_t count, answered;
} several;

/* Hits come in the order of the keys, misses not at all. False: it is none of them. */
static bool place(several *s, const keel_mc_reply *reply)
{
    size_t i = s->answered;

    while (i < s->count && !is_same(s->keys[i], reply->key))
        i++;
    if (i == s->count)
        return false;
    while (s->answered < i)
        s->statuses[s->answered++] = KEEL_NOT_FOUND;
    s->statuses[s->answered++] = give(s->e, reply, &s->items[i]);
    return true;
}

static keel_status read_several_classic(several *s)
{
    const uint32_t expected = SET(KEEL_MC_VALUE) | SET(KEEL_MC_END);
    const keel_mc_request request = { .verb = s->e->op->wishes & KEEL_BAG_WANT_TOKEN
                                                  ? KEEL_MC_GETS
                                                  : KEEL_MC_GET,
                                      .keys = s->keys,
                                      .count = s->count };
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_ask(s->e, &request, expected, &reply);

    while (status == KEEL_OK && reply.kind == KEEL_MC_VALUE)
        status = place(s, &reply) ? keel_memcached_exchange_next(s->e, expected, &reply)
                                  : keel_memcached_exchange_nonsense(s->e);
    while (status == KEEL_OK && s->answered < s->count)
        s->statuses[s->answered++] = KEEL_NOT_FOUND;
    return status;
}

/* Each has a reply of its own. */
static keel_status read_several_meta(several *s)
{
    keel_status status = KEEL_OK;

    for (size_t i = 0; i < s->count && status == KEEL_OK; i++) {
        const keel_mc_request request = { .verb = KEEL_MC_META_GET,
                                          .keys = &s->keys[i],
                                          .count = 1,
                                          .wants = wants(s->e->op, &s->items[i]) };

        status = keel_memcached_exchange_add(s->e, &request);
    }
    if (status == KEEL_OK)
        status = keel_memcached_exchange_send(s->e);
    for (size_t i = 0; i < s->count && status == KEEL_OK; i++) {
        keel_mc_reply reply;

        status = keel_memcached_exchange_next(s->e, hit(&s->items[i]) | SET(KEEL_MC_EN),
                                              &reply);
        if (status == KEEL_OK)
            s->statuses[s->answered++] = reply.kind == KEEL_MC_EN
                                             ? KEEL_NOT_FOUND
                                             : give(s->e, &reply, &s->items[i]);
    }
    return status;
}

/*
 * One line of get is less work for both than many of mg; only those tell when an item
 * expires.
 */
static keel_status read_several(keel_memcached_exchange *e, const keel_bytes keys[],
                                keel_bag_item items[], keel_status statuses[],
                                size_t count)
{
    keel_text texts[AT_ONCE];
    several s = { e, texts, items, statuses, count, 0 };
    keel_status status;

    for (size_t i = 0; i < count; i++)
        texts[i] = (keel_text){ keys[i].at, keys[i].length };
    if ((e->op->wishes & KEEL_BAG_WANT_TTL) &&
        keel_memcached_speaks_meta(e->connection))
        status = read_several_meta(&s);
    else
        status = read_several_classic(&s);
    for (size_t i = s.answered; i < count; i++)
        statuses[i] = status;
    return status;
}

void keel_memcached_store_get_many(void *state, const keel_bag_op *op,
                                   const keel_bytes keys[], keel_bag_item items[],
                                   keel_status statuses[], size_t count,
                                   keel_detail *why)
{
    keel_memcached_exchange e;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);
    bool has_begun = status == KEEL_OK;

    for (size_t at = 0; at < count; at += AT_ONCE) {
        size_t some = count - at < AT_ONCE ? count - at : AT_ONCE;

        if (status == KEEL_OK)
            status = read_several(&e, keys + at, items + at, statuses + at, some);
        else
            for (size_t i = at; i < at + some; i++)
                statuses[i] = status;
    }
    if (has_begun)
        keel_memcached_exchange_end(&e, status);
}

/* ---- another time -------------------------------------------------------------------- */

static keel_status touch_meta(keel_memcached_exchange *e, keel_text key, int64_t ttl_s,
                              keel_bag_item *item)
{
    keel_mc_request request = { .verb = KEEL_MC_META_GET,
                                .keys = &key,
                                .count = 1,
                                .ttl_s = ttl_s,
                                .gives = KEEL_MC_GIVES_TTL };

    if (item) /* when it expires is known from us: of what is gone it would be nonsense */
        request.wants = wants(e->op, item) & ~(uint32_t)KEEL_MC_HAS_TTL;
    return read_meta(e, &request, item);
}

static keel_status touch_classic(keel_memcached_exchange *e, keel_text key,
                                 int64_t ttl_s, keel_bag_item *item)
{
    bool wants_token = e->op->wishes & KEEL_BAG_WANT_TOKEN;
    keel_mc_request request = { .keys = &key, .count = 1, .ttl_s = ttl_s };
    keel_mc_reply reply;
    keel_status status;

    if (item) {
        request.verb = wants_token ? KEEL_MC_GATS : KEEL_MC_GAT;
        return read_classic(e, &request, item);
    }
    request.verb = KEEL_MC_TOUCH;
    status = keel_memcached_exchange_ask(
        e, &request, SET(KEEL_MC_TOUCHED) | SET(KEEL_MC_NOT_FOUND), &reply);
    if (status == KEEL_OK && reply.kind == KEEL_MC_NOT_FOUND)
        return KEEL_NOT_FOUND;
    return status;
}

static keel_status touch(keel_memcached_exchange *e, keel_text key,
                         int64_t expires_at_ms, keel_bag_item *item)
{
    int64_t ttl_s;
    keel_status status;

    if (expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        return read_item(e, key, item);
    ttl_s = keel_memcached_ttl(e->op->now_ms, expires_at_ms);
    status = keel_memcached_speaks_meta(e->connection)
                 ? touch_meta(e, key, ttl_s, item)
                 : touch_classic(e, key, ttl_s, item);
    if (item && (status == KEEL_OK || status == KEEL_E_BUFFER))
        item->expires_at_ms = expires_at_ms;
    return status;
}

keel_status keel_memcached_store_touch(void *state, const keel_bag_op *op,
                                       keel_bytes key, int64_t expires_at_ms,
                                       keel_bag_item *item, keel_detail *why)
{
    keel_memcached_exchange e;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    status = touch(&e, (keel_text){ key.at, key.length }, expires_at_ms, item);
    return keel_memcached_exchange_end(&e, status);
}
