/* SPDX-License-Identifier: MIT */
/*
 * Writing past the cache: to the source first, and then the cache is told, whatever came
 * of it.
 */
#include <string.h>

#include "bag/wrap/cache.h"
#include "bag/wrap/key_hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "call/runtime.h"

/* ---- what came of it ----------------------------------------------------------------- */

static bool is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_NOT_FOUND || status == KEEL_NOT_STORED ||
           status == KEEL_EXISTS || status == KEEL_NOT_NUMBER ||
           status == KEEL_E_BUFFER; /* touched, and only the value did not fit */
}

/*
 * Refused before anything was sent: what the cache has is as good as before. Not so where
 * it was too large: memcached deletes what it has with what it refuses.
 */
static bool is_refused(keel_status status, const keel_detail *why)
{
    return !is_answer(status) && status != KEEL_E_TOO_LARGE &&
           (status == KEEL_READ_ONLY || keel_status_is_rejected(status) ||
            keel_status_is_error(status)) &&
           (!why || why->applied == KEEL_APPLIED_NO);
}

static keel_cache_kind mark_for(keel_status status, const keel_detail *why)
{
    bool is_known = is_answer(status) || (why && why->applied != KEEL_APPLIED_UNKNOWN);

    return is_known ? KEEL_CACHE_WRITTEN : KEEL_CACHE_DOUBT;
}

static keel_status end_write(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                             keel_status status, const keel_detail *why)
{
    uint64_t hash = keel_key_hash(key);

    if (is_refused(status, why))
        return status;
    keel_flights_spoil(&c->flights, key, hash);
    keel_cache_mark(c, op, key, hash, mark_for(status, why));
    return status;
}

/* ---- writing through ----------------------------------------------------------------- */

static bool is_whole(const keel_bag_put *put)
{
    return put->mode != KEEL_BAG_APPEND && put->mode != KEEL_BAG_PREPEND &&
           put->expires_at_ms != KEEL_BAG_KEEP_EXPIRY;
}

/* In the place of what was there before the source was written: of two writers at once
 * one at least finds that it has changed, and then neither value stays. */
static bool put_value(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                      const keel_cache_seen *seen, const keel_bag_put *put)
{
    size_t length = KEEL_CACHE_HEAD + put->value.length;
    const keel_cache_entry entry =
        keel_cache_entry_value(&c->terms, keel_random_draw(&c->runtime->random),
                               op->now_ms, put->flags, put->expires_at_ms);
    keel_bag_token fresh;
    char *bytes;
    bool is_there;

    if (length > c->cache->abilities.value_max || entry.kept_until_ms <= op->now_ms)
        return false;
    bytes = keel_memory_new(c->runtime->memory, length);
    if (!bytes)
        return false;
    if (put->value.length)
        memcpy(bytes + KEEL_CACHE_HEAD, put->value.at, put->value.length);
    is_there = keel_cache_put(c, op, key, seen, &entry, bytes, length, &fresh);
    keel_memory_free(c->runtime->memory, bytes);
    return is_there;
}

static keel_status store_through(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                                 const keel_bag_put *put, keel_bag_token *fresh,
                                 keel_detail *why)
{
    const keel_bag_child *source = c->source;
    uint64_t hash = keel_key_hash(key);
    keel_cache_look look;
    keel_status status;

    keel_cache_look_init(&look);
    keel_cache_look_up(c, op, key, 0, &look);
    keel_cache_look_cleanup(c, &look);
    status = source->ops->store(source->state, op, key, put, fresh, why);
    if (status != KEEL_OK || look.seen.use == KEEL_CACHE_AVOID ||
        keel_cache_poison_holds(&c->poison, hash))
        return end_write(c, op, key, status, why);
    keel_flights_spoil(&c->flights, key, hash);
    if (!put_value(c, op, key, &look.seen, put))
        keel_cache_mark(c, op, key, hash, KEEL_CACHE_WRITTEN);
    return status;
}

/* ---- the verbs ----------------------------------------------------------------------- */

keel_status keel_cache_store(void *state, const keel_bag_op *op, keel_bytes key,
                             const keel_bag_put *put, keel_bag_token *fresh,
                             keel_detail *why)
{
    keel_cache *c = state;
    const keel_bag_child *source = c->source;

    if (c->writes_through && is_whole(put))
        return store_through(c, op, key, put, fresh, why);
    return end_write(c, op, key,
                     source->ops->store(source->state, op, key, put, fresh, why), why);
}

keel_status keel_cache_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                              bool down, uint64_t by, uint64_t *number,
                              keel_bag_token *fresh, keel_detail *why)
{
    keel_cache *c = state;
    const keel_bag_child *source = c->source;

    return end_write(
        c, op, key,
        source->ops->add_to(source->state, op, key, down, by, number, fresh, why), why);
}

keel_status keel_cache_touch(void *state, const keel_bag_op *op, keel_bytes key,
                             int64_t expires_at_ms, keel_bag_item *item,
                             keel_detail *why)
{
    keel_cache *c = state;
    const keel_bag_child *source = c->source;

    return end_write(
        c, op, key,
        source->ops->touch(source->state, op, key, expires_at_ms, item, why), why);
}

keel_status keel_cache_remove(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_token *expected, keel_detail *why)
{
    keel_cache *c = state;
    const keel_bag_child *source = c->source;

    return end_write(c, op, key,
                     source->ops->remove(source->state, op, key, expected, why), why);
}

/* Which keys there were nobody knows: the cache is emptied, or not asked for a while. */
keel_status keel_cache_flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_cache *c = state;
    const keel_bag_child *source = c->source, *cache = c->cache;
    keel_status status = source->ops->flush(source->state, op, why);
    bool is_emptied;

    if (is_refused(status, why))
        return status;
    keel_flights_spoil_all(&c->flights);
    keel_cache_note_flush(c);
    is_emptied = mark_for(status, why) != KEEL_CACHE_DOUBT &&
                 cache->abilities.effective & KEEL_CAN_FLUSH &&
                 cache->ops->flush(cache->state, op, NULL) == KEEL_OK;
    keel_cache_distrust_all(c, is_emptied);
    return status;
}
