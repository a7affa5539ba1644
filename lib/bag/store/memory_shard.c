/* SPDX-License-Identifier: MIT */
/* The table of items. Not for what verbs make of them. */
#include "bag/store/memory_shard.h"

#include <string.h>

#include "base/memory.h"

enum { BUCKETS_FIRST = 16, SWEPT_AT_ONCE = 2, RETIRED_BYTES = 64 * 1024 };

static size_t weight(const keel_memory_item *item)
{
    return sizeof *item + item->key_length + item->length;
}

static keel_memory_table *table_of(const keel_memory_shard *shard)
{
    /* acquire pairs with the release of who made it */
    return atomic_load_explicit(&shard->table, memory_order_acquire);
}

static _Atomic(keel_memory_item *) *bucket_of(keel_memory_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->count - 1)];
}

/* acquire pairs with the release that let the item be found */
static keel_memory_item *follow(_Atomic(keel_memory_item *) *link)
{
    return atomic_load_explicit(link, memory_order_acquire);
}

static void set(_Atomic(keel_memory_item *) *link, keel_memory_item *item)
{
    atomic_store_explicit(link, item, memory_order_release);
}

static bool is_over(keel_memory_item *item, int64_t now_ms)
{
    int64_t until = atomic_load_explicit(&item->expires_at_ms, memory_order_relaxed);

    return until && until <= now_ms;
}

/* ---- finding ------------------------------------------------------------------------- */

static bool is_of(const keel_memory_item *item, uint64_t hash, keel_bytes key)
{
    return item->hash == hash && item->key_length == key.length &&
           memcmp(item->bytes, key.at, key.length) == 0;
}

static keel_memory_item *search(const keel_memory_shard *shard, uint64_t hash,
                                keel_bytes key)
{
    keel_memory_table *table = table_of(shard);
    keel_memory_item *item = table ? follow(bucket_of(table, hash)) : NULL;

    while (item && !is_of(item, hash, key))
        item = follow(&item->next);
    return item;
}

bool keel_memory_peek(keel_memory_shard *shard, uint64_t hash, keel_bytes key,
                      int64_t now_ms, keel_memory_item **item)
{
    uint32_t before = atomic_load_explicit(&shard->removals, memory_order_acquire);

    *item = search(shard, hash, key);
    if (*item && is_over(*item, now_ms))
        *item = NULL;
    if (*item)
        return true;
    /* the way that was taken may have been bent while it was walked */
    atomic_thread_fence(memory_order_acquire);
    return !(before & 1) &&
           atomic_load_explicit(&shard->removals, memory_order_relaxed) == before;
}

keel_memory_item *keel_memory_find(keel_memory_shard *shard, uint64_t hash,
                                   keel_bytes key, int64_t now_ms)
{
    keel_memory_item *item = search(shard, hash, key);

    if (!item || !is_over(item, now_ms))
        return item;
    keel_memory_drop(shard, item);
    return NULL;
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

/* ---- dropping ------------------------------------------------------------------------ */

static void retire(keel_memory_shard *shard, keel_retired *block, size_t bytes)
{
    keel_retire(&shard->retired, block, bytes);
    if (shard->retired.bytes > RETIRED_BYTES)
        keel_reclaim_take(shard->reclaim, &shard->retired);
}

/* Before anything is bent: release, with the acquire of who looks twice. */
static void say_removals(keel_memory_shard *shard, uint32_t by)
{
    atomic_fetch_add_explicit(&shard->removals, by, memory_order_release);
    atomic_thread_fence(memory_order_release);
}

void keel_memory_drop(keel_memory_shard *shard, keel_memory_item *item)
{
    _Atomic(keel_memory_item *) *link = bucket_of(table_of(shard), item->hash);
    keel_memory_item *at;

    while ((at = follow(link)) != item)
        link = &at->next;
    say_removals(shard, 2);
    set(link, follow(&item->next)); /* its own link stays: somebody may stand on it */
    unlink_use(shard, item);
    shard->count--;
    shard->bytes -= weight(item);
    retire(shard, &item->retired, weight(item));
}

void keel_memory_drop_all(keel_memory_shard *shard)
{
    while (shard->oldest)
        keel_memory_drop(shard, shard->oldest);
    keel_reclaim_take(shard->reclaim, &shard->retired);
}

/* Nobody may ever ask for what has expired: each write looks at some. */
static void sweep(keel_memory_shard *shard, int64_t now_ms)
{
    keel_memory_table *table = table_of(shard);

    for (int i = 0; i < SWEPT_AT_ONCE; i++) {
        keel_memory_item *item, *next;

        shard->swept = (shard->swept + 1) & (table->count - 1);
        for (item = follow(&table->buckets[shard->swept]); item; item = next) {
            next = follow(&item->next);
            if (is_over(item, now_ms))
                keel_memory_drop(shard, item);
        }
    }
}

/* ---- publishing ---------------------------------------------------------------------- */

/* Twice as many buckets, once there is an item for each. False: no memory. */
static bool grow(keel_memory_shard *shard)
{
    keel_memory_table *old = table_of(shard), *fresh;
    size_t count = old ? 2 * old->count : BUCKETS_FIRST;
    size_t size = sizeof *fresh + count * sizeof fresh->buckets[0];

    if (old && shard->count < old->count)
        return true;
    fresh = keel_memory_new(shard->memory, size);
    if (!fresh)
        return old != NULL; /* chains grow longer, that is all */
    fresh->count = count;
    say_removals(shard, 1); /* odd: while it lasts nobody's way is straight */
    for (keel_memory_item *item = shard->newest; item; item = item->older) {
        _Atomic(keel_memory_item *) *bucket = bucket_of(fresh, item->hash);

        set(&item->next, follow(bucket));
        set(bucket, item);
    }
    atomic_store_explicit(&shard->table, fresh, memory_order_release);
    say_removals(shard, 1);
    if (old)
        retire(shard, &old->retired, size / 2);
    return true;
}

/* The longest unused go first; what was used since it was last looked at stays once. */
static void make_room(keel_memory_shard *shard)
{
    while (shard->most && shard->bytes > shard->most) {
        keel_memory_item *item = shard->oldest;

        if (!atomic_exchange_explicit(&item->used, false, memory_order_relaxed)) {
            keel_memory_drop(shard, item);
            continue;
        }
        unlink_use(shard, item);
        link_newest(shard, item);
    }
}

keel_memory_item *keel_memory_new_item(const keel_memory_shard *shard, uint64_t hash,
                                       keel_bytes key, size_t length)
{
    size_t need = sizeof(keel_memory_item) + key.length + length;
    keel_memory_item *item;

    if (shard->most && need > shard->most)
        return NULL;
    item = keel_memory_new(shard->memory, need);
    if (!item)
        return NULL;
    item->hash = hash;
    item->key_length = (uint32_t)key.length;
    item->length = length;
    atomic_init(&item->used, true); /* or it might go before it was ever asked for */
    memcpy(item->bytes, key.at, key.length);
    return item;
}

bool keel_memory_publish(keel_memory_shard *shard, keel_memory_item *item,
                         keel_memory_item *old, int64_t now_ms)
{
    _Atomic(keel_memory_item *) *bucket;

    if (!grow(shard)) {
        keel_memory_free(shard->memory, item);
        return false;
    }
    bucket = bucket_of(table_of(shard), item->hash);
    set(&item->next, follow(bucket));
    set(bucket, item); /* before the old one goes: the key is never without an item */
    link_newest(shard, item);
    shard->count++;
    shard->bytes += weight(item);
    if (old)
        keel_memory_drop(shard, old);
    sweep(shard, now_ms);
    make_room(shard);
    return true;
}

void keel_memory_cleanup(keel_memory_shard *shard)
{
    keel_memory_drop_all(shard);
    keel_memory_free(shard->memory, table_of(shard));
}
