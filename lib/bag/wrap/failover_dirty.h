/* SPDX-License-Identifier: MIT */
/*
 * The keys whose newest state is at a standby, and those on their way there. A table and
 * a queue; no lock and no I/O of its own.
 */
#ifndef KEEL_BAG_WRAP_FAILOVER_DIRTY_H
#define KEEL_BAG_WRAP_FAILOVER_DIRTY_H

#include <keel/bag_plugin.h>

enum { KEEL_DIRTY_NO_SLOT = 0 };

/*
 * version        raised by each write that begins at a standby
 * writers        of those under way; while there are any it is neither dropped nor clean
 * is_dirty       one has been acknowledged: its owner is asked, and nobody else
 * expires_at_ms  as last written, for owners that cannot tell
 * slot           where the journal says so; KEEL_DIRTY_NO_SLOT: it does not
 * slot_sequence, slot_expires_at_ms, slot_owner  what it says there
 */
typedef struct keel_dirty_key {
    struct keel_dirty_key *next; /* of the same bucket */
    struct keel_dirty_key *before, *after;
    uint64_t hash;
    uint64_t version;
    int64_t expires_at_ms;
    uint64_t slot_sequence;
    int64_t slot_expires_at_ms;
    uint32_t writers;
    uint32_t slot;
    uint8_t slot_owner;
    uint8_t owner;
    bool is_dirty;
    uint8_t length;
    char key[];
} keel_dirty_key;

/* first is the one that was looked at the longest ago */
typedef struct keel_dirty {
    const keel_allocator *memory;
    keel_dirty_key **buckets;
    size_t bucket_count; /* a power of two; 0: none yet */
    size_t count;
    size_t most;
    uint64_t seed;
    keel_dirty_key *first, *last;
} keel_dirty;

void keel_dirty_init(keel_dirty *d, const keel_allocator *memory, size_t most);
void keel_dirty_cleanup(keel_dirty *d);

keel_dirty_key *keel_dirty_find(const keel_dirty *d, keel_bytes key);
/* The key, added if it is not there. NULL: no memory, or no room for one more. */
keel_dirty_key *keel_dirty_have(keel_dirty *d, keel_bytes key);
void keel_dirty_drop(keel_dirty *d, keel_dirty_key *k);
void keel_dirty_move_last(keel_dirty *d, keel_dirty_key *k);

#endif
