/* SPDX-License-Identifier: MIT */
/*
 * Memory that readers without a lock may still look at: given back once they have gone.
 */
#ifndef KEEL_BAG_STORE_RECLAIM_H
#define KEEL_BAG_STORE_RECLAIM_H

#include <pthread.h>

#include <keel/runtime.h>

#include "policy/phases.h"

/* At the beginning of what is to be given back. */
typedef struct keel_retired {
    struct keel_retired *next;
} keel_retired;

/* Blocks that wait, and how many bytes they are about. */
typedef struct keel_retired_list {
    keel_retired *first, *last;
    size_t bytes;
} keel_retired_list;

/* lists_mu guards: waiting, leaving, and changes of phase */
typedef struct keel_reclaim {
    const keel_allocator *memory;
    void *block; /* the stripes' lines */
    keel_stripes stripes;
    _Atomic uint32_t phase;
    pthread_mutex_t lists_mu;
    keel_retired_list waiting; /* some may be read by those of the present phase */
    keel_retired_list leaving; /* by those of the other one */
} keel_reclaim;

/* False: no memory. */
bool keel_reclaim_init(keel_reclaim *reclaim, const keel_allocator *memory);
/* Nobody reads any more. */
void keel_reclaim_cleanup(keel_reclaim *reclaim);

static inline uint32_t keel_reclaim_enter(keel_reclaim *reclaim)
{
    return keel_phase_enter(keel_stripe_mine(&reclaim->stripes), &reclaim->phase);
}

static inline void keel_reclaim_exit(keel_reclaim *reclaim, uint32_t phase)
{
    keel_phase_exit(keel_stripe_mine(&reclaim->stripes), phase);
}

/* No longer reachable. Puts it on a list of the caller's own. */
void keel_retire(keel_retired_list *list, keel_retired *block, size_t bytes);

/* Takes over the caller's list, and gives back what nobody can be reading. */
void keel_reclaim_take(keel_reclaim *reclaim, keel_retired_list *list);

#endif
