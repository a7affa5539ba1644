/* SPDX-License-Identifier: MIT */
/* Places that processes share. */
#include "policy/places.h"

#include "base/thread.h"

enum { LEAST_ROOM = 64, STRIDE = 8 /* words of a cache line */ };

uint32_t keel_places_room(uint32_t limit)
{
    uint32_t room = LEAST_ROOM;

    while (room < limit && room < KEEL_PLACES_MAX)
        room *= 2;
    return room;
}

static bool take(_Atomic uint64_t *place, uint64_t self)
{
    uint64_t free = 0;

    /* acquires what who left released: his work happened before ours. seq_cst with the
     * look at what is leased: see keep() and keel_places_bound() */
    return !atomic_load_explicit(place, memory_order_relaxed) &&
           atomic_compare_exchange_strong_explicit(
               place, &free, self, memory_order_seq_cst, memory_order_relaxed);
}

/* Not by a store: whoever took this process for dead has given the place to another. */
void keel_places_give_back(const keel_places *places, uint16_t place)
{
    uint64_t self;

    if (!place)
        return;
    self = atomic_load_explicit(places->self, memory_order_relaxed);
    atomic_compare_exchange_strong_explicit(&places->words[place - 1], &self, 0,
                                            memory_order_release, memory_order_relaxed);
}

static uint32_t limit_of(const keel_places *places)
{
    return places->leased
               ? (uint32_t)keel_fleet_places_limit(places->leased, places->limit)
               : places->limit;
}

/* Fewer may have been leased since we looked: then who told the fleet so may not have
 * seen us, and the place is none. */
static bool keep(const keel_places *places, uint32_t at)
{
    if (at < limit_of(places))
        return true;
    keel_places_give_back(places, (uint16_t)(at + 1));
    return false;
}

/* Threads begin to look in different lines, so that they seldom meet. */
uint16_t keel_places_take(const keel_places *places)
{
    uint64_t self = atomic_load_explicit(places->self, memory_order_relaxed);
    uint32_t limit = limit_of(places);
    uint32_t first = (keel_thread_self()->index + (uint32_t)(self >> 56)) * STRIDE;

    for (uint32_t i = 0; self && i < limit; i++) {
        uint32_t at = (first + i) % limit;

        if (take(&places->words[at], self) && keep(places, at))
            return (uint16_t)(at + 1);
    }
    return 0;
}

uint32_t keel_places_taken(const keel_places *places)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < places->limit; i++)
        taken += atomic_load_explicit(&places->words[i], memory_order_relaxed) != 0;
    return taken;
}

uint32_t keel_places_bound(const keel_places *places)
{
    uint32_t limit = limit_of(places), room = keel_places_room(places->limit);
    uint32_t bound = limit;

    for (uint32_t i = limit; i < room; i++)
        bound += atomic_load(&places->words[i]) != 0;
    return bound;
}

void keel_places_forsake(_Atomic uint64_t *words, uint32_t room, uint32_t slot)
{
    for (uint32_t i = 0; i < room; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);

        if (word && word >> 56 == slot)
            atomic_compare_exchange_strong_explicit(
                &words[i], &word, 0, memory_order_release, memory_order_relaxed);
    }
}
