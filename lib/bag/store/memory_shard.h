/* SPDX-License-Identifier: MIT */
/*
 * One part of the memory store: a table of items, least recently used ones last. Without
 * a lock of its own; who calls holds the part's.
 */
#ifndef KEEL_BAG_STORE_MEMORY_SHARD_H
#define KEEL_BAG_STORE_MEMORY_SHARD_H

#include <keel/bag_plugin.h>

typedef struct keel_memory_item {
    struct keel_memory_item *next; /* of the same bucket */
    struct keel_memory_item *newer, *older;
    uint64_t hash;
    int64_t expires_at_ms; /* 0: never */
    uint64_t token;
    uint64_t nonce;
    uint32_t flags;
    uint32_t key_length;
    size_t length;
    size_t room;  /* for the value */
    char bytes[]; /* the key, then the value */
} keel_memory_item;

/* most: bytes of items that are kept; 0: any number */
typedef struct keel_memory_shard {
    const keel_allocator *memory;
    keel_memory_item **buckets;
    size_t bucket_count; /* a power of two; 0: none yet */
    size_t count;
    size_t bytes;
    size_t most;
    size_t swept; /* the bucket that was looked at last for what has expired */
    keel_memory_item *newest, *oldest;
} keel_memory_shard;

static inline char *keel_memory_value(const keel_memory_item *item)
{
    return (char *)(uintptr_t)item->bytes + item->key_length;
}

/* The live item of a key; what has expired is dropped on the way. NULL: none. */
keel_memory_item *keel_memory_find(keel_memory_shard *shard, uint64_t hash,
                                   keel_bytes key, int64_t now_ms);

/* It was used just now. */
void keel_memory_renew(keel_memory_shard *shard, keel_memory_item *item);

/*
 * An item of a key with room for a value, in the place of the one there is (old, NULL:
 * none); its value is copied over as far as it fits, at an offset. Others are dropped
 * for it where `most` is reached. NULL: no memory, or larger than all may be; then
 * everything is as it was.
 */
keel_memory_item *keel_memory_put(keel_memory_shard *shard, uint64_t hash,
                                  keel_bytes key, keel_memory_item *old, size_t length,
                                  size_t keep_at, int64_t now_ms);

void keel_memory_drop(keel_memory_shard *shard, keel_memory_item *item);
void keel_memory_drop_all(keel_memory_shard *shard);

#endif
