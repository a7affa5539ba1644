/* SPDX-License-Identifier: MIT */
/*
 * The bulkhead: at most so many attempts at once, and a bounded queue for those who
 * wait. Process scope.
 *
 * Without a queue a place is one fetch-and-add, undone where it went too far. With one,
 * places are taken by compare-and-swap, so that nobody ever sees a place taken that is
 * not, and:
 *
 *   A place is owned by a permit, or by a thread that is handing it on. Whoever frees
 *   one gives it to the next waiter, or puts it back and looks for waiters once more;
 *   whoever starts to wait shows himself first and looks for a place then. Both steps
 *   are sequentially consistent, so one of the two sees the other.
 *
 * A waiter's slot: state 2 | ticket 62, where the ticket is never used twice.
 *   empty -> claimed -> waiting -> granted -> empty      waiting -> empty (gave up)
 * A grant nobody came for until its instant (a polled call that does not poll) is
 * handed on.
 */
#ifndef KEEL_POLICY_BULKHEAD_H
#define KEEL_POLICY_BULKHEAD_H

#include <stdatomic.h>

#include "policy/policy.h"
#include "policy/starts.h"

typedef struct keel_bulkhead_words {
    _Atomic uint64_t in_use;
} keel_bulkhead_words;

typedef struct keel_waiter {
    _Atomic uint64_t word;
    _Atomic uint64_t until_ns;
    _Atomic uint64_t sleeper; /* the thread's index plus 1; 0: a polled call */
} keel_waiter;

typedef struct keel_queue_words {
    _Atomic uint64_t waiting;
    _Atomic uint64_t tickets;
    keel_waiter waiters[];
} keel_queue_words;

size_t keel_queue_size(uint32_t waiters);

/* What to call for a polled waiter; process memory, beside the slots. */
typedef struct keel_wake_hook {
    _Atomic(void *) fn; /* void (*)(void *) */
    _Atomic(void *) ctx;
} keel_wake_hook;

typedef struct keel_bulkhead {
    keel_bulkhead_words *words;
    keel_queue_words *queue; /* NULL: no queue */
    keel_wake_hook *hooks;   /* one a slot */
    keel_starts starts; /* when places were taken, to notice lost ones; may be off */
    uint32_t limit;
    uint32_t queue_limit;
    bool lifo;
} keel_bulkhead;

/* A place, or the wait for one. */
typedef struct keel_place {
    uint64_t ticket; /* 0: not waiting */
    uint32_t slot;
    uint8_t start_index;
    bool held;
} keel_place;

typedef enum keel_entry {
    KEEL_ENTERED, /* the place is taken */
    KEEL_QUEUED,  /* ask again, see keel_bulkhead_check */
    KEEL_FULL
} keel_entry;

/*
 * Without a queue: takes a place that is free. False: none is, nothing was done.
 */
static inline bool keel_bulkhead_try(const keel_bulkhead *bulkhead, keel_place *place,
                                     uint64_t now)
{
    _Atomic uint64_t *in_use = &bulkhead->words->in_use;

    *place = (keel_place){ .ticket = 0 };
    /* acquire pairs with the release of the one who left: its work happened before ours
     */
    if (atomic_fetch_add_explicit(in_use, 1, memory_order_acquire) >= bulkhead->limit) {
        atomic_fetch_sub_explicit(in_use, 1, memory_order_relaxed);
        return false;
    }
    place->held = true;
    if (bulkhead->starts.words)
        place->start_index = keel_starts_enter(&bulkhead->starts, 0, now);
    return true;
}

/* Without a queue: gives a held place back. */
static inline void keel_bulkhead_untake(const keel_bulkhead *bulkhead,
                                        keel_place *place)
{
    place->held = false;
    if (bulkhead->starts.words)
        keel_starts_leave(&bulkhead->starts, place->start_index);
    atomic_fetch_sub_explicit(&bulkhead->words->in_use, 1, memory_order_release);
}

/*
 * Asks for a place.
 * until_ns       how long to queue; 0: not at all
 * sleeps         the caller sleeps on its thread's word; else wake(ctx) is called
 */
keel_entry keel_bulkhead_enter(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now, uint64_t until_ns, bool sleeps,
                               void (*wake)(void *ctx), void *ctx);

/* Whether a queued caller's turn has come; KEEL_FULL: it gave up, its time is over. */
keel_entry keel_bulkhead_check(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now);

/* Ends a place or a wait, whichever there is; nothing for a place that is neither. */
void keel_bulkhead_leave(const keel_bulkhead *bulkhead, keel_place *place,
                         uint64_t now);

/* After the limit was raised: waiters take the new places. */
void keel_bulkhead_settle(const keel_bulkhead *bulkhead, uint64_t now);

uint64_t keel_bulkhead_in_use(const keel_bulkhead *bulkhead);
uint64_t keel_bulkhead_waiting(const keel_bulkhead *bulkhead);

#endif
