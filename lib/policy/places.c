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

    /* acquire pairs with the release of who left: his work happened before ours */
    return !atomic_load_explicit(place, memory_order_relaxed) &&
           atomic_compare_exchange_strong_explicit(
               place, &free, self, memory_order_acquire, memory_order_relaxed);
}

/* Threads begin to look in different lines, so that they seldom meet. */
uint16_t keel_places_take(const keel_places *places)
{
    uint64_t self = atomic_load_explicit(places->self, memory_order_relaxed);
    uint32_t limit = places->limit;
    uint32_t first = (keel_thread_self()->index + (uint32_t)(self >> 56)) * STRIDE;

    for (uint32_t i = 0; self && i < limit; i++) {
        uint32_t at = (first + i) % limit;

        if (take(&places->words[at], self))
            return (uint16_t)(at + 1);
    }
    return 0;
}

void keel_places_give_back(const keel_places *places, uint16_t place)
{
    if (place)
        atomic_store_explicit(&places->words[place - 1], 0, memory_order_release);
}

uint32_t keel_places_taken(const keel_places *places)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < places->limit; i++)
        taken += atomic_load_explicit(&places->words[i], memory_order_relaxed) != 0;
    return taken;
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
