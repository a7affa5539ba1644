/* SPDX-License-Identifier: MIT */
/* A binary heap; see any book on algorithms. */
#include "http/client/timers.h"

#include "base/memory.h"

enum { FIRST_ROOM = 64 };

bool keel_timers_reserve(keel_timers *timers, uint32_t count)
{
    uint32_t room = timers->room ? timers->room : FIRST_ROOM;
    keel_timer **larger;

    if (count <= timers->room)
        return true;
    while (room < count)
        room *= 2;
    larger = keel_memory_resize(timers->memory, timers->heap,
                                timers->count * sizeof(keel_timer *),
                                room * sizeof(keel_timer *));
    if (!larger)
        return false;
    timers->heap = larger;
    timers->room = room;
    return true;
}

void keel_timers_cleanup(keel_timers *timers)
{
    keel_memory_free(timers->memory, timers->heap);
    timers->heap = NULL;
    timers->count = timers->room = 0;
}

static void put(keel_timers *timers, uint32_t place, keel_timer *timer)
{
    timers->heap[place - 1] = timer;
    timer->place = place;
}

static void rise(keel_timers *timers, keel_timer *timer, uint32_t place)
{
    for (; place > 1 && timers->heap[place / 2 - 1]->at_ns > timer->at_ns; place /= 2)
        put(timers, place, timers->heap[place / 2 - 1]);
    put(timers, place, timer);
}

static uint32_t earlier_child(const keel_timers *timers, uint32_t place)
{
    uint32_t child = 2 * place;

    return child < timers->count &&
                   timers->heap[child]->at_ns < timers->heap[child - 1]->at_ns
               ? child + 1
               : child;
}

static void sink(keel_timers *timers, keel_timer *timer, uint32_t place)
{
    while (2 * place <= timers->count) {
        uint32_t child = earlier_child(timers, place);

        if (timers->heap[child - 1]->at_ns >= timer->at_ns)
            break;
        put(timers, place, timers->heap[child - 1]);
        place = child;
    }
    put(timers, place, timer);
}

static void place_anew(keel_timers *timers, keel_timer *timer, uint32_t place)
{
    if (place > 1 && timers->heap[place / 2 - 1]->at_ns > timer->at_ns)
        rise(timers, timer, place);
    else
        sink(timers, timer, place);
}

static void take_out(keel_timers *timers, keel_timer *timer)
{
    keel_timer *last = timers->heap[--timers->count];
    uint32_t place = timer->place;

    timer->place = 0;
    if (last != timer)
        place_anew(timers, last, place);
}

void keel_timers_set(keel_timers *timers, keel_timer *timer, uint64_t at_ns)
{
    if (at_ns == KEEL_NEVER) {
        if (timer->place)
            take_out(timers, timer);
        return;
    }
    timer->at_ns = at_ns;
    if (timer->place)
        place_anew(timers, timer, timer->place);
    else
        rise(timers, timer, ++timers->count);
}

keel_timer *keel_timers_take(keel_timers *timers, uint64_t now)
{
    keel_timer *first = timers->count ? timers->heap[0] : NULL;

    if (!first || first->at_ns > now)
        return NULL;
    take_out(timers, first);
    return first;
}
