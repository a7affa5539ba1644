/* SPDX-License-Identifier: MIT */
/*
 * One part of the memory store: a table of items, the longest unused of which go first.
 * Who writes holds the part's lock; who reads holds none, but stands in the reclaim's
 * phase: an item, once it can be found, does not change but for its end.
 */
#ifndef KEEL_BAG_STORE_MEMORY_SHARD_H
#define KEEL_BAG_STORE_MEMORY_SHARD_H

#include <stdatomic.h>

#include <keel/bag_plugin.h>

#include "bag/store/reclaim.h"

typedef struct keel_memory_item keel_memory_item;

/* retired is first: reclaim knows nothing else. used: since it was last looked at */
struct keel_memory_item {
    keel_retired retired;
    _Atomic(keel_memory_item *) next; /* of the same bucket */
    keel_memory_item *newer, *older;  /* under the lock */
    uint64_t hash;
    _Atomic int64_t expires_at_ms; /* 0: never */
    uint64_t token;
    uint64_t nonce;
    uint32_t flags;
    uint32_t key_length;
    size_t length;
    _Atomic bool used;
    char bytes[]; /* the key, then the value */
};

typedef struct keel_memory_table {
    keel_retired retired;
    size_t count; /* a power of two */
    _Atomic(keel_memory_item *) buckets[];
} keel_memory_table;

/*
 * most      bytes of items that are kept; 0: any number
 * removals  counts what may hide an item from who is just looking for it, by twos; odd
 *           while the table is made anew
 */
typedef struct keel_memory_shard {
    const keel_allocator *memory;
    keel_reclaim *reclaim;
    _Atomic(keel_memory_table *) table; /* NULL: there was no item yet */
    _Atomic uint32_t removals;
    size_t count;
    size_t bytes;
    size_t most;
    size_t swept; /* the bucket that was looked at last for what has expired */
    keel_memory_item *newest, *oldest;
    keel_retired_list retired;
} keel_memory_shard;

static inline char *keel_memory_value(const keel_memory_item *item)
{
    return (char *)(uintptr_t)item->bytes + item->key_length;
}

/* In a phase of the reclaim's. False: what is found, or not, is not certain. */
bool keel_memory_peek(keel_memory_shard *shard, uint64_t hash, keel_bytes key,
                      int64_t now_ms, keel_memory_item **item);

/* Under the lock, as all that follow: the live item of a key; NULL: none. What has
 * expired is dropped on the way. */
keel_memory_item *keel_memory_find(keel_memory_shard *shard, uint64_t hash,
                                   keel_bytes key, int64_t now_ms);

/* An item that nobody can find yet, with room for a value. NULL: no memory, or larger
 * than all may be. */
keel_memory_item *keel_memory_new_item(const keel_memory_shard *shard, uint64_t hash,
                                       keel_bytes key, size_t length);

/* Lets it be found, in the place of the one there is (old, NULL: none); others are
 * dropped for it where `most` is reached. False: no memory; it is given back. */
bool keel_memory_publish(keel_memory_shard *shard, keel_memory_item *item,
                         keel_memory_item *old, int64_t now_ms);

void keel_memory_drop(keel_memory_shard *shard, keel_memory_item *item);
void keel_memory_drop_all(keel_memory_shard *shard);

/* Once nobody uses the store any more. */
void keel_memory_cleanup(keel_memory_shard *shard);

#endif
