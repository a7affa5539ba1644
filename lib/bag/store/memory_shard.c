/* SPDX-License-Identifier: MIT */
/* The table of items. Not for what verbs make of them. */
#include "bag/store/memory_shard.h"

#include <string.h>

#include "base/memory.h"

enum { BUCKETS_FIRST = 16, SWEPT_AT_ONCE = 2 };

static size_t weight(const keel_memory_item *item)
{
    return sizeof *item + item->key_length + item->room;
}

static keel_memory_item **bucket_of(const keel_memory_shard *shard, uint64_t hash)
{
    return &shard->buckets[hash & (shard->bucket_count - 1)];
}

/* ---- the order of use ---------------------------------------------------------------- */

static void unlink_use(keel_memory_shard *shard, keel_memory_item *item)
{
    *(item->newer ? &item->newer->older : &shard->newest) = item->older;
    *(item->older ? &item->older->newer : &shard->oldest) = item->newer;
}

static void link_newest(keel_memory_shard *shard, keel_memory_item *item)
{
    item->newer = NULL;
    item->older = shard->newest;
    *(shard->newest ? &shard->newest->newer : &shard->oldest) = item;
    shard->newest = item;
}

void keel_memory_renew(keel_memory_shard *shard, keel_memory_item *item)
{
    if (shard->newest == item)
        return;
    unlink_use(shard, item);
    link_newest(shard, item);
}

/* ---- dropping ------------------------------------------------------------------------ */

void keel_memory_drop(keel_memory_shard *shard, keel_memory_item *item)
{
    keel_memory_item **link = bucket_of(shard, item->hash);

    while (*link != item)
        link = &(*link)->next;
    *link = item->next;
    unlink_use(shard, item);
    shard->count--;
    shard->bytes -= weight(item);
    keel_memory_free(shard->memory, item);
}

void keel_memory_drop_all(keel_memory_shard *shard)
{
    while (shard->oldest)
        keel_memory_drop(shard, shard->oldest);
    keel_memory_free(shard->memory, shard->buckets);
    shard->buckets = NULL;
    shard->bucket_count = shard->swept = 0;
}

static bool is_over(const keel_memory_item *item, int64_t now_ms)
{
    return item->expires_at_ms && item->expires_at_ms <= now_ms;
}

/* Nobody may ever ask for what has expired: each write looks at some. */
static void sweep(keel_memory_shard *shard, int64_t now_ms)
{
    for (int i = 0; i < SWEPT_AT_ONCE; i++) {
        keel_memory_item *item, *next;

        shard->swept = (shard->swept + 1) & (shard->bucket_count - 1);
        for (item = shard->buckets[shard->swept]; item; item = next) {
            next = item->next;
            if (is_over(item, now_ms))
                keel_memory_drop(shard, item);
        }
    }
}

/* ---- finding ------------------------------------------------------------------------- */

static bool is_of(const keel_memory_item *item, uint64_t hash, keel_bytes key)
{
    return item->hash == hash && item->key_length == key.length &&
           memcmp(item->bytes, key.at, key.length) == 0;
}

keel_memory_item *keel_memory_find(keel_memory_shard *shard, uint64_t hash,
                                   keel_bytes key, int64_t now_ms)
{
    keel_memory_item *item = shard->bucket_count ? *bucket_of(shard, hash) : NULL;

    while (item && !is_of(item, hash, key))
        item = item->next;
    if (!item || !is_over(item, now_ms))
        return item;
    keel_memory_drop(shard, item);
    return NULL;
}

/* ---- putting ------------------------------------------------------------------------- */

/* Twice as many buckets, once there is an item for each. False: no memory. */
static bool grow(keel_memory_shard *shard)
{
    size_t count = shard->bucket_count ? 2 * shard->bucket_count : BUCKETS_FIRST;
    keel_memory_item **fresh;

    if (shard->count < shard->bucket_count)
        return true;
    fresh = keel_memory_new(shard->memory, count * sizeof(keel_memory_item *));
    if (!fresh)
        return shard->bucket_count > 0; /* chains grow longer, that is all */
    for (keel_memory_item *item = shard->newest; item; item = item->older) {
        keel_memory_item **bucket = &fresh[item->hash & (count - 1)];

        item->next = *bucket;
        *bucket = item;
    }
    keel_memory_free(shard->memory, shard->buckets);
    shard->buckets = fresh;
    shard->bucket_count = count;
    return true;
}

/* The longest unused go first. */
static void make_room(keel_memory_shard *shard, size_t need)
{
    while (shard->most && shard->oldest && shard->bytes + need > shard->most)
        keel_memory_drop(shard, shard->oldest);
}

static keel_memory_item *new_item(const keel_memory_shard *shard, uint64_t hash,
                                  keel_bytes key, size_t length)
{
    keel_memory_item *item =
        keel_memory_new(shard->memory, sizeof *item + key.length + length);

    if (!item)
        return NULL;
    item->hash = hash;
    item->key_length = (uint32_t)key.length;
    item->length = item->room = length;
    memcpy(item->bytes, key.at, key.length);
    return item;
}

static void keep_value(keel_memory_item *item, const keel_memory_item *old, size_t at)
{
    size_t room = item->length - at;

    memcpy(keel_memory_value(item) + at, keel_memory_value(old),
           old->length < room ? old->length : room);
}

keel_memory_item *keel_memory_put(keel_memory_shard *shard, uint64_t hash,
                                  keel_bytes key, keel_memory_item *old, size_t length,
                                  size_t keep_at, int64_t now_ms)
{
    keel_memory_item *item;
    size_t need = sizeof *item + key.length + length;

    if ((shard->most && need > shard->most) || !grow(shard))
        return NULL;
    item = new_item(shard, hash, key, length);
    if (!item)
        return NULL;
    if (old) {
        keep_value(item, old, keep_at);
        item->flags = old->flags;
        item->expires_at_ms = old->expires_at_ms;
        keel_memory_drop(shard, old);
    }
    sweep(shard, now_ms);
    make_room(shard, need);
    item->next = *bucket_of(shard, hash);
    *bucket_of(shard, hash) = item;
    link_newest(shard, item);
    shard->count++;
    shard->bytes += need;
    return item;
}
