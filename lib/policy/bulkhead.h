/* SPDX-License-Identifier: MIT */
/*
 * The bulkhead: at most so many attempts at once, and a bounded queue for those who
 * wait. The count is this process's; where a host counts together (places.h), who has a
 * place here still needs one of those, and waits for it with his place in hand, looking
 * again every few milliseconds: no process can wake another's threads.
 *
 * Where nobody may wait a place is one fetch-and-add, undone where it went too far; who
 * may queue takes one by compare-and-swap.
 *
 *   Whoever frees a place, or undoes what went too far, looks for waiters then; whoever
 *   starts to wait shows himself and looks for a place then. Both steps are sequentially
 *   consistent, so one of the two sees the other, and brings place and waiter together.
 *
 * An adaptive limit (adaptive.h) moves that of this process up and down below the
 * bulkhead's own. Places that will not come back (keel_bulkhead_lost) are added to it: a
 * limit that finds itself must not be used up by what is no load.
 *
 * Places, limit and queues belong to the pipeline, not to its settings of a moment: the
 * limit is that of now for all, and whoever frees a place serves all queues, those of
 * earlier sizes included.
 *
 * A waiter's slot: state 2 | ticket 62, where the ticket is never used twice.
 *   empty -> claimed -> waiting -> granted -> empty      waiting -> empty (gave up)
 * A grant nobody came for until its instant (a polled call that does not poll) goes back.
 */
#ifndef KEEL_POLICY_BULKHEAD_H
#define KEEL_POLICY_BULKHEAD_H

#include <stdatomic.h>

#include "settings/policy.h"
#include "policy/places.h"
#include "policy/starts.h"

/* Who leaves looks whether somebody waits, on a line that is not fought for. */
typedef struct keel_bulkhead_words {
    _Atomic uint64_t in_use;
    _Alignas(64) _Atomic uint64_t waiting; /* in all queues */
    _Atomic uint64_t tickets;
    _Atomic uint64_t unclaimed; /* grants to polled calls that have not come for them */
} keel_bulkhead_words;

typedef struct keel_waiter {
    _Atomic uint64_t word;
    _Atomic uint64_t until_ns;
    _Atomic uint64_t sleeper; /* the thread's index plus 1; 0: a polled call */
} keel_waiter;

/* What to call for a polled waiter; process memory, beside the slots. */
typedef struct keel_wake_hook {
    _Atomic(void *) fn; /* void (*)(void *) */
    _Atomic(void *) ctx;
} keel_wake_hook;

/* A queue of one size; its slots are on the board. */
typedef struct keel_queue {
    struct keel_queue *next;
    uint32_t limit;
    keel_waiter *waiters;
    keel_wake_hook hooks[];
} keel_queue;

/* What all settings of a pipeline have in common; process memory, as settings are. */
typedef struct keel_bulkhead_common {
    _Atomic uint64_t limit;       /* what holds: the smaller of the next two */
    _Atomic uint64_t own;         /* the bulkhead's; UINT64_MAX: it is off */
    _Atomic uint64_t adapted;     /* the adaptive limit's; 0: there is none */
    _Atomic uint64_t lost;        /* places that come on top of that */
    _Atomic bool lifo;            /* the last to come is the first to go in */
    _Atomic(keel_queue *) queues; /* of every size there ever was; only grows */
} keel_bulkhead_common;

typedef struct keel_bulkhead {
    keel_bulkhead_words *words;
    keel_bulkhead_common *common;
    keel_queue *queue;  /* the one to wait in; NULL: nobody may wait */
    keel_starts starts; /* when places were taken, to notice lost ones; may be off */
    keel_places places; /* of the host, where it counts together */
    keel_fleet_places *fleet; /* what this member has leased; NULL: no fleet */
} keel_bulkhead;

/* A place, or the wait for one. */
typedef struct keel_place {
    uint64_t ticket; /* 0: not waiting; held: until when the host's is waited for */
    uint32_t slot;
    uint8_t start_index;
    bool held;
    uint16_t shared; /* the host's, plus 1; 0: none */
} keel_place;

typedef enum keel_entry {
    KEEL_ENTERED, /* the place is taken */
    KEEL_QUEUED,  /* ask again, see keel_bulkhead_check */
    KEEL_FULL
} keel_entry;

/* Brings places and waiters together, while there are both. */
void keel_bulkhead_serve(const keel_bulkhead *bulkhead);

/* Gives a place back that is in no permit's hands. */
static inline void keel_bulkhead_put_back(const keel_bulkhead *bulkhead)
{
    atomic_fetch_sub(&bulkhead->words->in_use, 1);
    if (atomic_load(&bulkhead->words->waiting))
        keel_bulkhead_serve(bulkhead);
}

/* Without a queue: takes a place that is free. False: none is, nothing was done. */
static inline bool keel_bulkhead_try(const keel_bulkhead *bulkhead, keel_place *place,
                                     uint64_t now)
{
    keel_bulkhead_words *words = bulkhead->words;

    *place = (keel_place){ .ticket = 0 };
    /* pairs with the put-back of the one who left: his work happened before ours */
    if (atomic_fetch_add(&words->in_use, 1) >= atomic_load(&bulkhead->common->limit)) {
        keel_bulkhead_put_back(bulkhead);
        return false;
    }
    place->held = true;
    if (bulkhead->starts.words)
        place->start_index = keel_starts_enter(&bulkhead->starts, 0, now);
    return true;
}

/* Gives a held place back. */
static inline void keel_bulkhead_untake(const keel_bulkhead *bulkhead,
                                        keel_place *place)
{
    place->held = false;
    if (bulkhead->starts.words)
        keel_starts_leave(&bulkhead->starts, place->start_index);
    keel_bulkhead_put_back(bulkhead);
}

/*
 * Asks for a place.
 * until_ns       how long to queue; 0: not at all
 * sleeps         the caller sleeps on its thread's word; else wake(ctx) is called
 */
keel_entry keel_bulkhead_enter(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now, uint64_t until_ns, bool sleeps,
                               void (*wake)(void *ctx), void *ctx);

/* When a queued caller who is not woken before should ask again. */
uint64_t keel_bulkhead_wake_at(const keel_bulkhead *bulkhead, const keel_place *place,
                               uint64_t now);

/* Whether a queued caller's turn has come; KEEL_FULL: it gave up, its time is over. */
keel_entry keel_bulkhead_check(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now);

/* Ends a place or a wait, whichever there is; nothing for a place that is neither. */
void keel_bulkhead_leave(const keel_bulkhead *bulkhead, keel_place *place,
                         uint64_t now);

/* From now on limit and order are others; waiters take the places this makes free. */
void keel_bulkhead_set(const keel_bulkhead *bulkhead, uint64_t limit, bool lifo,
                       uint64_t now);

/*
 * The adaptive limit is this from now on; 0: there is none. keel_bulkhead_lost: so many
 * places were taken too long ago to be load.
 */
void keel_bulkhead_adapt(const keel_bulkhead *bulkhead, uint64_t adapted);
void keel_bulkhead_lost(const keel_bulkhead *bulkhead, uint64_t lost);

/* Attempts that are load: without lost ones. */
uint64_t keel_bulkhead_load(const keel_bulkhead *bulkhead);

/*
 * Of a fleet's bulkhead: from now on this member has so many places. No attempt under way
 * loses its own; keel_bulkhead_bound is how many there can be until more are leased.
 */
void keel_bulkhead_lease(const keel_bulkhead *bulkhead, uint64_t leased, bool lifo,
                         uint64_t now);
uint64_t keel_bulkhead_bound(const keel_bulkhead *bulkhead);

uint64_t keel_bulkhead_in_use(const keel_bulkhead *bulkhead);
uint64_t keel_bulkhead_waiting(const keel_bulkhead *bulkhead);

#endif
