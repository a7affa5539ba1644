/* SPDX-License-Identifier: MIT */
/* The bulkhead and its queue. The invariant stands in bulkhead.h. */
#include "policy/bulkhead.h"

#include <errno.h>

#include "base/clock.h"
#include "base/thread.h"

#define SLICE_NS (5 * KEEL_MS) /* who waits for another process looks as often */

enum { EMPTY = 0, CLAIMED = 1, WAITING = 2, GRANTED = 3 };

#define TICKET_MASK (((uint64_t)1 << 62) - 1)

static uint64_t slot_word(uint64_t state, uint64_t ticket)
{
    return state << 62 | (ticket & TICKET_MASK);
}

/* places */

static bool take_place(const keel_bulkhead *bulkhead)
{
    _Atomic uint64_t *in_use = &bulkhead->words->in_use;
    uint64_t taken = atomic_load(in_use);

    do {
        if (taken >= atomic_load(&bulkhead->common->limit))
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

/* One waiter, with the word he was found by. */
typedef struct candidate {
    keel_queue *queue; /* NULL: nobody waits */
    uint32_t slot;
    uint64_t word;
} candidate;

static void look_in(keel_queue *queue, bool lifo, candidate *best)
{
    for (uint32_t i = 0; i < queue->limit; i++) {
        uint64_t word = atomic_load(&queue->waiters[i].word);

        if (word >> 62 == WAITING &&
            (!best->queue || (lifo ? word > best->word : word < best->word)))
            *best = (candidate){ queue, i, word };
    }
}

/* Whose turn it is. */
static candidate next_waiter(const keel_bulkhead *bulkhead)
{
    bool lifo = atomic_load_explicit(&bulkhead->common->lifo, memory_order_relaxed);
    candidate best = { .queue = NULL };

    for (keel_queue *q = atomic_load(&bulkhead->common->queues); q; q = q->next)
        look_in(q, lifo, &best);
    return best;
}

/* Gives the place we own to the next waiter. False: nobody waits, it is still ours. */
static bool grant(const keel_bulkhead *bulkhead)
{
    for (;;) {
        candidate c = next_waiter(bulkhead);
        keel_waiter *waiter;
        uint64_t sleeper;
        void *fn, *ctx;

        if (!c.queue)
            return false;
        waiter = &c.queue->waiters[c.slot];
        sleeper = atomic_load(&waiter->sleeper);
        fn = atomic_load(&c.queue->hooks[c.slot].fn);
        ctx = atomic_load(&c.queue->hooks[c.slot].ctx);
        /* the ticket in the word says that what we just read is this waiter's */
        if (atomic_compare_exchange_strong(&waiter->word, &c.word,
                                           slot_word(GRANTED, c.word))) {
            atomic_fetch_sub(&bulkhead->words->waiting, 1);
            if (!sleeper)
                atomic_fetch_add(&bulkhead->words->unclaimed, 1);
            wake(sleeper, (void (*)(void *))(uintptr_t)fn, ctx);
            return true;
        }
    }
}

void keel_bulkhead_serve(const keel_bulkhead *bulkhead)
{
    while (atomic_load(&bulkhead->words->waiting) > 0 && take_place(bulkhead)) {
        if (grant(bulkhead))
            continue;
        /* nobody waited; who began to just now found this place taken */
        atomic_fetch_sub(&bulkhead->words->in_use, 1);
        if (!next_waiter(bulkhead).queue)
            return;
    }
}

/* Takes a grant out of its slot. False: it is not there. */
static bool claim(const keel_bulkhead *bulkhead, keel_waiter *waiter, uint64_t granted)
{
    bool is_polled = !atomic_load(&waiter->sleeper);

    if (!atomic_compare_exchange_strong(&waiter->word, &granted, EMPTY))
        return false;
    if (is_polled)
        atomic_fetch_sub(&bulkhead->words->unclaimed, 1);
    return true;
}

static void reap_in(const keel_bulkhead *bulkhead, keel_queue *queue, uint64_t now)
{
    for (uint32_t i = 0; i < queue->limit; i++) {
        keel_waiter *waiter = &queue->waiters[i];
        uint64_t word = atomic_load(&waiter->word);

        if (word >> 62 == GRANTED && !atomic_load(&waiter->sleeper) &&
            atomic_load(&waiter->until_ns) <= now && claim(bulkhead, waiter, word))
            keel_bulkhead_put_back(bulkhead);
    }
}

/* Takes grants away from polled calls that did not come in time. */
static void reap(const keel_bulkhead *bulkhead, uint64_t now)
{
    if (!atomic_load_explicit(&bulkhead->words->unclaimed, memory_order_relaxed))
        return;
    for (keel_queue *q = atomic_load(&bulkhead->common->queues); q; q = q->next)
        reap_in(bulkhead, q, now);
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

/* Leaves the queue. True: the place had been granted and is ours now. */
static bool withdraw(const keel_bulkhead *bulkhead, keel_place *place)
{
    keel_waiter *waiter = &bulkhead->queue->waiters[place->slot];
    uint64_t waiting = slot_word(WAITING, place->ticket);
    uint64_t granted = slot_word(GRANTED, place->ticket);

    place->ticket = 0;
    if (atomic_compare_exchange_strong(&waiter->word, &waiting, EMPTY)) {
        atomic_fetch_sub(&bulkhead->words->waiting, 1);
        return false;
    }
    return claim(bulkhead, waiter, granted);
}

static keel_entry check_here(const keel_bulkhead *bulkhead, keel_place *place,
                             uint64_t now)
{
    keel_waiter *waiter = &bulkhead->queue->waiters[place->slot];
    uint64_t word = atomic_load(&waiter->word);

    if (word == slot_word(GRANTED, place->ticket) && claim(bulkhead, waiter, word))
        return entered(bulkhead, place, now);
    if (word == slot_word(WAITING, place->ticket) &&
        now < atomic_load(&waiter->until_ns))
        return KEEL_QUEUED;
    /* a grant that raced with the end of our wait is taken all the same */
    return withdraw(bulkhead, place) ? entered(bulkhead, place, now) : KEEL_FULL;
}

static keel_entry enqueue(const keel_bulkhead *bulkhead, keel_place *place,
                          uint64_t now, uint64_t until_ns, bool sleeps,
                          void (*fn)(void *), void *ctx)
{
    keel_queue *queue = bulkhead->queue;

    for (uint32_t i = 0; i < queue->limit; i++) {
        keel_waiter *waiter = &queue->waiters[i];
        uint64_t empty = EMPTY;

        if (atomic_load(&waiter->word) != EMPTY ||
            !atomic_compare_exchange_strong(&waiter->word, &empty,
                                            slot_word(CLAIMED, 0)))
            continue;
        place->slot = i;
        place->ticket = atomic_fetch_add(&bulkhead->words->tickets, 1) + 1;
        atomic_store(&waiter->until_ns, until_ns);
        atomic_store(&waiter->sleeper,
                     sleeps ? (uint64_t)keel_thread_self()->index + 1 : 0);
        atomic_store(&queue->hooks[i].fn, (void *)(uintptr_t)fn);
        atomic_store(&queue->hooks[i].ctx, ctx);
        atomic_fetch_add(&bulkhead->words->waiting, 1);
        atomic_store(&waiter->word, slot_word(WAITING, place->ticket));
        keel_bulkhead_serve(bulkhead);
        return check_here(bulkhead, place, now);
    }
    return KEEL_FULL;
}

/* With a place here: now one of the host's. Who may not queue does not wait for it. */
static keel_entry enter_host(const keel_bulkhead *bulkhead, keel_place *place,
                             uint64_t now, uint64_t until_ns)
{
    place->ticket = 0;
    place->shared = keel_places_take(&bulkhead->places);
    if (place->shared || !keel_places_has_joined(&bulkhead->places))
        return KEEL_ENTERED; /* who has not joined has the limit here alone */
    if (bulkhead->queue && now < until_ns) {
        place->ticket = until_ns;
        return KEEL_QUEUED;
    }
    keel_bulkhead_untake(bulkhead, place);
    return KEEL_FULL;
}

static keel_entry enter_here(const keel_bulkhead *bulkhead, keel_place *place,
                             uint64_t now, uint64_t until_ns, bool sleeps,
                             void (*fn)(void *), void *ctx)
{
    if (!bulkhead->queue)
        return keel_bulkhead_try(bulkhead, place, now) ? KEEL_ENTERED : KEEL_FULL;
    *place = (keel_place){ .ticket = 0 };
    reap(bulkhead, now);
    /* those who wait already come first */
    if (atomic_load(&bulkhead->words->waiting) == 0 && take_place(bulkhead))
        return entered(bulkhead, place, now);
    if (until_ns <= now)
        return KEEL_FULL;
    return enqueue(bulkhead, place, now, until_ns, sleeps, fn, ctx);
}

keel_entry keel_bulkhead_enter(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now, uint64_t until_ns, bool sleeps,
                               void (*fn)(void *), void *ctx)
{
    keel_entry entry = enter_here(bulkhead, place, now, until_ns, sleeps, fn, ctx);

    return entry == KEEL_ENTERED && bulkhead->places.words
               ? enter_host(bulkhead, place, now, until_ns)
               : entry;
}

uint64_t keel_bulkhead_wake_at(const keel_bulkhead *bulkhead, const keel_place *place,
                               uint64_t now)
{
    return place->held ? keel_ns_min(keel_ns_add(now, SLICE_NS), place->ticket)
                       : atomic_load(&bulkhead->queue->waiters[place->slot].until_ns);
}

keel_entry keel_bulkhead_check(const keel_bulkhead *bulkhead, keel_place *place,
                               uint64_t now)
{
    uint64_t until_ns;
    keel_entry entry;

    if (place->held)
        return enter_host(bulkhead, place, now, place->ticket);
    /* read before the slot is another's */
    until_ns = atomic_load(&bulkhead->queue->waiters[place->slot].until_ns);
    entry = check_here(bulkhead, place, now);
    return entry == KEEL_ENTERED && bulkhead->places.words
               ? enter_host(bulkhead, place, now, until_ns)
               : entry;
}

void keel_bulkhead_leave(const keel_bulkhead *bulkhead, keel_place *place, uint64_t now)
{
    if (!place->held && place->ticket && withdraw(bulkhead, place))
        place->held = true;
    place->ticket = 0;
    if (place->held) {
        keel_places_give_back(&bulkhead->places, place->shared);
        place->shared = 0;
        keel_bulkhead_untake(bulkhead, place);
    }
    if (bulkhead->queue)
        reap(bulkhead, now);
}

static uint64_t smaller_limit(const keel_bulkhead_common *common)
{
    uint64_t own = atomic_load(&common->own);
    uint64_t adapted = atomic_load(&common->adapted);

    return adapted ? keel_ns_min(own, adapted + atomic_load(&common->lost)) : own;
}

/*
 * After a change of what the limit is made of. Each who changes something looks again
 * after he has written; all is sequentially consistent, so the last to write has seen
 * what everybody else changed.
 */
static void settle_limit(const keel_bulkhead *bulkhead)
{
    keel_bulkhead_common *common = bulkhead->common;
    uint64_t limit;

    do {
        limit = smaller_limit(common);
        atomic_store(&common->limit, limit);
    } while (smaller_limit(common) != limit);
    keel_bulkhead_serve(bulkhead);
}

void keel_bulkhead_adapt(const keel_bulkhead *bulkhead, uint64_t adapted)
{
    if (atomic_load_explicit(&bulkhead->common->adapted, memory_order_relaxed) ==
        adapted)
        return;
    atomic_store(&bulkhead->common->adapted, adapted);
    settle_limit(bulkhead);
}

void keel_bulkhead_lost(const keel_bulkhead *bulkhead, uint64_t lost)
{
    if (atomic_load_explicit(&bulkhead->common->lost, memory_order_relaxed) == lost)
        return;
    atomic_store(&bulkhead->common->lost, lost);
    settle_limit(bulkhead);
}

uint64_t keel_bulkhead_load(const keel_bulkhead *bulkhead)
{
    return keel_ns_left(
        atomic_load_explicit(&bulkhead->words->in_use, memory_order_relaxed),
        atomic_load_explicit(&bulkhead->common->lost, memory_order_relaxed));
}

void keel_bulkhead_set(const keel_bulkhead *bulkhead, uint64_t limit, bool lifo,
                       uint64_t now)
{
    atomic_store_explicit(&bulkhead->common->lifo, lifo, memory_order_relaxed);
    atomic_store(&bulkhead->common->own, limit);
    reap(bulkhead, now);
    settle_limit(bulkhead);
}

void keel_bulkhead_lease(const keel_bulkhead *bulkhead, uint64_t leased, bool lifo,
                         uint64_t now)
{
    atomic_store(&bulkhead->fleet->leased, leased + 1);
    if (!bulkhead->places.words &&
        atomic_load_explicit(&bulkhead->common->own, memory_order_relaxed) != leased)
        keel_bulkhead_set(bulkhead, leased, lifo, now);
}

uint64_t keel_bulkhead_bound(const keel_bulkhead *bulkhead)
{
    uint64_t in_use, limit;

    if (bulkhead->places.words)
        return keel_places_bound(&bulkhead->places);
    in_use = atomic_load(&bulkhead->words->in_use);
    limit = atomic_load(&bulkhead->common->own);
    return in_use > limit ? in_use : limit;
}

uint64_t keel_bulkhead_in_use(const keel_bulkhead *bulkhead)
{
    uint64_t in_use =
        atomic_load_explicit(&bulkhead->words->in_use, memory_order_relaxed);
    uint64_t limit = atomic_load_explicit(&bulkhead->common->own, memory_order_relaxed);

    /* an entry that is just being undone is nobody's place; an adaptive limit may have
     * shrunk below what is in use */
    return in_use < limit ? in_use : limit;
}

uint64_t keel_bulkhead_waiting(const keel_bulkhead *bulkhead)
{
    return atomic_load(&bulkhead->words->waiting);
}
