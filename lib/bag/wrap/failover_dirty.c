/* SPDX-License-Identifier: MIT */
/* The table and the queue of dirty keys. */
#include "bag/wrap/failover_dirty.h"

#include <string.h>

#include "base/memory.h"
#include "base/seed.h"

enum { BUCKETS_FIRST = 64 };

void keel_dirty_init(keel_dirty *d, const keel_allocator *memory, size_t most)
{
    *d = (keel_dirty){ .memory = memory, .most = most, .seed = keel_seed() };
}

void keel_dirty_cleanup(keel_dirty *d)
{
    while (d->first)
        keel_dirty_drop(d, d->first);
    keel_memory_free(d->memory, d->buckets);
}

static uint64_t hash_of(const keel_dirty *d, keel_bytes key)
{
    const char *at = key.at;
    uint64_t hash = d->seed ^ key.length, word;
    size_t left = key.length;

    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = keel_mix(hash ^ word);
    }
    word = 0;
    memcpy(&word, at, left);
    return keel_mix(hash ^ word);
}

static keel_dirty_key **bucket_of(const keel_dirty *d, uint64_t hash)
{
    return &d->buckets[hash & (d->bucket_count - 1)];
}

/* ---- the queue ----------------------------------------------------------------------- */

static void leave_queue(keel_dirty *d, keel_dirty_key *k)
{
    *(k->before ? &k->before->after : &d->first) = k->after;
    *(k->after ? &k->after->before : &d->last) = k->before;
}

static void enter_queue(keel_dirty *d, keel_dirty_key *k)
{
    k->before = d->last;
    k->after = NULL;
    *(d->last ? &d->last->after : &d->first) = k;
    d->last = k;
}

void keel_dirty_move_last(keel_dirty *d, keel_dirty_key *k)
{
    leave_queue(d, k);
    enter_queue(d, k);
}

/* ---- the table ----------------------------------------------------------------------- */

static keel_dirty_key *find(const keel_dirty *d, keel_bytes key, uint64_t hash)
{
    keel_dirty_key *k = d->bucket_count ? *bucket_of(d, hash) : NULL;

    while (k && (k->hash != hash || k->length != key.length ||
                 memcmp(k->key, key.at, key.length) != 0))
        k = k->next;
    return k;
}

keel_dirty_key *keel_dirty_find(const keel_dirty *d, keel_bytes key)
{
    return d->count ? find(d, key, hash_of(d, key)) : NULL;
}

static bool grow(keel_dirty *d)
{
    size_t count = d->bucket_count ? 2 * d->bucket_count : BUCKETS_FIRST;
    keel_dirty_key **old = d->buckets, **buckets;

    if (d->count < d->bucket_count)
        return true;
    buckets = keel_memory_new(d->memory, count * sizeof(keel_dirty_key *));
    if (!buckets)
        return d->bucket_count > 0; /* fuller than it should be, and right */
    d->buckets = buckets;
    d->bucket_count = count;
    for (keel_dirty_key *k = d->first; k; k = k->after) {
        k->next = *bucket_of(d, k->hash);
        *bucket_of(d, k->hash) = k;
    }
    keel_memory_free(d->memory, old);
    return true;
}

keel_dirty_key *keel_dirty_have(keel_dirty *d, keel_bytes key)
{
    uint64_t hash = hash_of(d, key);
    keel_dirty_key *k = find(d, key, hash);

    if (k)
        return k;
    if (d->count >= d->most || !grow(d))
        return NULL;
    k = keel_memory_new(d->memory, sizeof *k + key.length);
    if (!k)
        return NULL;
    k->hash = hash;
    k->length = (uint8_t)key.length;
    memcpy(k->key, key.at, key.length);
    k->next = *bucket_of(d, hash);
    *bucket_of(d, hash) = k;
    enter_queue(d, k);
    d->count++;
    return k;
}

void keel_dirty_drop(keel_dirty *d, keel_dirty_key *k)
{
    keel_dirty_key **at = bucket_of(d, k->hash);

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    leave_queue(d, k);
    d->count--;
    keel_memory_free(d->memory, k);
}
