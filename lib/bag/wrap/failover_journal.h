/* SPDX-License-Identifier: MIT */
/*
 * The file that outlives a crash and says which keys are dirty: one slot of a disk's
 * sector for each, so that writers do not wait for one another and a torn slot harms
 * only a write that nobody was told of. Not for values: those are at the standby.
 */
#ifndef KEEL_BAG_WRAP_FAILOVER_JOURNAL_H
#define KEEL_BAG_WRAP_FAILOVER_JOURNAL_H

#include <pthread.h>

#include <keel/bag_plugin.h>

/* slots_mu guards: unused, unused_count, unused_room, end */
typedef struct keel_failover_journal {
    const keel_allocator *memory;
    bool is_there; /* from its opening to its closing; else there is no journal */
    int fd;
    pthread_mutex_t slots_mu;
    uint32_t *unused;
    size_t unused_count, unused_room;
    uint32_t end; /* the first slot that was never used */
} keel_failover_journal;

/* What a slot says. role: whose the newest state is. sequence: the higher holds. */
typedef struct keel_failover_mark {
    uint32_t slot;
    uint64_t sequence;
    int64_t expires_at_ms;
    keel_bytes key;
    keel_bytes role;
} keel_failover_mark;

/* False: the opening fails, why has been filled. */
typedef bool keel_failover_mark_fn(const keel_failover_mark *mark, void *ctx,
                                   keel_detail *why);

/*
 * Opens or makes it, for this process alone; fn is called for each key that it names.
 * Returns  KEEL_OK; KEEL_E_CONFIG: it cannot be written, is another's just now, or is
 *          something else, or fn said no; KEEL_E_NOMEM
 */
keel_status keel_failover_journal_open(keel_failover_journal *j,
                                       const keel_allocator *memory, const char *path,
                                       keel_failover_mark_fn *fn, void *ctx,
                                       keel_detail *why);
/* One that was never opened, all zero, is fine. */
void keel_failover_journal_close(keel_failover_journal *j);

/* On the disk once it returns true. mark->slot is set. errno stays. */
bool keel_failover_journal_note(keel_failover_journal *j, keel_failover_mark *mark);
/* The slot says nothing any more. is_synced: on the disk once it returns true. */
bool keel_failover_journal_clear(keel_failover_journal *j, uint32_t slot,
                                 bool is_synced);

#endif
