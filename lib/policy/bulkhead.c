/* SPDX-License-Identifier: MIT */
/* The bulkhead and its queue. The invariant stands in bulkhead.h. */
#include "policy/bulkhead.h"

#include <errno.h>

#include "base/thread.h"

enum { EMPTY = 0, CLAIMED = 1, WAITING = 2, GRANTED = 3 };

#define TICKET_MASK (((uint64_t)1 << 62) - 1)

static uint64_t slot_word(uint64_t state, uint64_t ticket)
{
    return state << 62 | (ticket & TICKET_MASK);
}

size_t keel_queue_size(uint32_t waiters)
{
    return sizeof(keel_queue_words) + waiters * sizeof(keel_waiter);
}

/* places */

static bool take_place(const keel_bulkhead *bulkhead)
{
    _Atomic uint64_t *in_use = &bulkhead->words->in_use;
    uint64_t taken = atomic_load(in_use);

    do {
        if (taken >= bulkhead->limit)
            return false;
    } while (!atomic_compare_exchange_weak(in_use, &taken, taken + 1));
    return true;
}

/* waiters */

static void wake(uint64_t sleeper, void (*fn)(void *), void *ctx)
{
    int saved = errno; /* the author's fn may change it; it belongs to our caller */

    if (sleeper)
        keel_thread_wake((uint32_t)(sleeper - 1));
    else if (fn)
        fn(ctx);
    errno = saved;
}

/* The slot whose turn it is; queue_limit: nobody waits. */
static uint32_t next_waiter(const keel_bulkhead *bulkhead, uint64_t *word)
{
    uint32_t best = bulkhead->queue_limit;

    for (uint32_t i = 0; i < bulkhead->queue_limit; i++) {
        uint64_t w = atomic_load(&bulkhead->queue->waiters[i].word);

        if (w >> 62 != WAITING)
            continue;
        if (best == bulkhead->queue_limit || (bulkhead->lifo ? w > *word : w < *word)) {
            best = i;
            *word = w;
        }
    }
    return best;
}

/* Gives the place we own to the next waiter. False: nobody waits, it is still ours. */
static bool grant(const keel_bulkhead *bulkhead)
{
    for (;;) {
        uint64_t word;
        uint32_t slot = next_waiter(bulkhead, &word);
        keel_waiter *waiter;
        uint64_t sleeper;
        void *fn, *ctx;

        if (slot == bulkhead->queue_limit)
            return false;
        waiter = &bulkhead->queue->waiters[slot];
        sleeper = atomic_load(&waiter->sleeper);
        fn = atomic_load(&bulkhead->hooks[slot].fn);
        ctx = atomic_load(&bulkhead->hooks[slot].ctx);
        /* the ticket in the word says that what we just read is this waiter's */
        if (atomic_compare_exchange_strong(&waiter->word, &word,
                                           slot_word(GRANTED, word))) {
            atomic_fetch_sub(&bulkhead->queue->waiting, 1);
            wake(sleeper, (void (*)(void *))(uintptr_t)fn, ctx);
            return true;
        }
    }
}

/* While there are places and waiters, brings them together. */
static void settle(const keel_bulkhead *bulkhead)
{
    uint64_t word;

    while (atomic_load(&bulkhead->queue->waiting) > 0 && take_place(bulkhead)) {
        if (grant(bulkhead))
            continue;
        atomic_fetch_sub(&bulkhead->words->in_use, 1);
        if (next_waiter(bulkhead, &word) == bulkhead->queue_limit)
            return;
    }
}

/* After the limit was lowered: gives back a place above it, which nobody may inherit. */
static bool shed(const keel_bulkhead *bulkhead)
{
    _Atomic uint64_t *in_use = &bulkhead->words->in_use;
    uint64_t taken = atomic_load(in_use);

    while (taken > bulkhead->limit)
        if (atomic_compare_exchange_weak(in_use, &taken, taken - 1))
            return true;
    return false;
}

static void free_place(const keel_bulkhead *bulkhead)
{
    if (shed(bulkhead))
        return;
    if (atomic_load(&bulkhead->queue->waiting) > 0 && grant(bulkhead))
        return;
    atomic_fetch_sub(&bulkhead->words->in_use, 1);
    settle(bulkhead);
}

/* Takes grants away from polled calls that did not come in time, and hands them on. */
static void reap(const keel_bulkhead *bulkhead, uint64_t now)
{
    for (uint32_t i = 0; i < bulkhead->queue_limit; i++) {
        keel_waiter *waiter = &bulkhead->queue->waiters[i];
        uint64_t word = atomic_load(&waiter->word);

        if (word >> 62 == GRANTED && !atomic_load(&waiter->sleeper) &&
            atomic_load(&waiter->until_ns) <= now &&
            atomic_compare_exchange_strong(&waiter->word, &word, EMPTY))
            free_place(bulkhead);
    }
}

static keel_entry enqueue(const keel_bulkhead *bulkhead, keel_place *place,
                          uint64_t now, uint64_t until_ns, bool sleeps,
                          void (*fn)(void *), void *ctx)
{
    keel_queue_words *queue = bulkhead->queue;

    for (uint32_t i = 0; i < bulkhead->queue_limit; i++) {
        keel_waiter *waiter = &queue->waiters[i];
        uint64_t empty = EMPTY;

        if (atomic_load(&waiter->word) != EMPTY ||
            !atomic_compare_exchange_strong(&waiter->word, &empty,
                                            slot_word(CLAIMED, 0)))
            continue;
        place->slot = i;
        place->ticket = atomic_fetch_add(&queue->tickets, 1) + 1;
        atomic_store(&waiter->until_ns, until_ns);
        atomic_store(&waiter->sleeper,
                     sleeps ? (uint64_t)keel_thread_self()->index + 1 : 0);
        atomic_store(&bulkhead->hooks[i].fn, (void *)(uintptr_t)fn);
        atomic_store(&bulkhead->hooks[i].ctx, ctx);
        atomic_fetch_add(&queue->waiting, 1);
        atomic_store(&waiter->word, slot_word(WAITING, place->ticket));
        settle(bulkhead);
        return keel_bulkhead_check(bulkhead, place, now);
    }
    return KEEL_FULL;
}

static keel_entry entered(const keel_bulkhead *bulkhead, keel_place *place,
                          uint64_t now)
{
    place->held = true;
    place->ticket = 0;
    if (bulkhead->starts.words)
        place->start_index = keel_starts_enter(&bulkhead->starts, 0, now);
    return KEEL_ENTERED;
}

keel_entry keel_bulkhead_enter(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now, uint64_t until_ns, bool sleeps,
                               void (*fn)(void *), void *ctx)
{
    if (!bulkhead->queue)
        return keel_bulkhead_try(bulkhead, place, now) ? KEEL_ENTERED : KEEL_FULL;
    *place = (keel_place){ .ticket = 0 };
    reap(bulkhead, now);
    /* those who wait already come first */
    if (atomic_load(&bulkhead->queue->waiting) == 0 && take_place(bulkhead))
        return entered(bulkhead, place, now);
    if (until_ns <= now)
        return KEEL_FULL;
    return enqueue(bulkhead, place, now, until_ns, sleeps, fn, ctx);
}

/* Leaves the queue. True: the place had been granted and is ours now. */
static bool withdraw(const keel_bulkhead *bulkhead, keel_place *place)
{
    _Atomic uint64_t *word = &bulkhead->queue->waiters[place->slot].word;
    uint64_t waiting = slot_word(WAITING, place->ticket);
    uint64_t granted = slot_word(GRANTED, place->ticket);

    place->ticket = 0;
    if (atomic_compare_exchange_strong(word, &waiting, EMPTY)) {
        atomic_fetch_sub(&bulkhead->queue->waiting, 1);
        return false;
    }
    return atomic_compare_exchange_strong(word, &granted, EMPTY);
}

keel_entry keel_bulkhead_check(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now)
{
    keel_waiter *waiter = &bulkhead->queue->waiters[place->slot];
    uint64_t word = atomic_load(&waiter->word);
    uint64_t granted = slot_word(GRANTED, place->ticket);

    if (word == granted &&
        atomic_compare_exchange_strong(&waiter->word, &granted, EMPTY))
        return entered(bulkhead, place, now);
    if (word == slot_word(WAITING, place->ticket) &&
        now < atomic_load(&waiter->until_ns))
        return KEEL_QUEUED;
    /* a grant that raced with the end of our wait is taken all the same */
    return withdraw(bulkhead, place) ? entered(bulkhead, place, now) : KEEL_FULL;
}

void keel_bulkhead_leave(const keel_bulkhead *bulkhead, keel_place *place, uint64_t now)
{
    if (place->ticket && withdraw(bulkhead, place))
        place->held = true;
    if (!place->held)
        return;
    if (!bulkhead->queue) {
        keel_bulkhead_untake(bulkhead, place);
        return;
    }
    place->held = false;
    if (bulkhead->starts.words)
        keel_starts_leave(&bulkhead->starts, place->start_index);
    free_place(bulkhead);
    reap(bulkhead, now);
}

void keel_bulkhead_settle(const keel_bulkhead *bulkhead, uint64_t now)
{
    if (!bulkhead->queue)
        return;
    reap(bulkhead, now);
    settle(bulkhead);
}

uint64_t keel_bulkhead_in_use(const keel_bulkhead *bulkhead)
{
    uint64_t in_use =
        atomic_load_explicit(&bulkhead->words->in_use, memory_order_relaxed);

    /* an entry that is just being undone is nobody's place */
    return bulkhead->queue || in_use <= bulkhead->limit ? in_use : bulkhead->limit;
}

uint64_t keel_bulkhead_waiting(const keel_bulkhead *bulkhead)
{
    return bulkhead->queue ? atomic_load(&bulkhead->queue->waiting) : 0;
}
