/* SPDX-License-Identifier: MIT */
/*
 * Instants to come, the earliest first: a binary heap of pointers into what their owners
 * have. Not for what is done when one has come.
 */
#ifndef KEEL_HTTP_CLIENT_TIMERS_H
#define KEEL_HTTP_CLIENT_TIMERS_H

#include <keel/runtime.h>

#include "base/clock.h"

/* place: in the heap, from 1; 0: not set */
typedef struct keel_timer {
    uint64_t at_ns;
    uint32_t place;
} keel_timer;

/* All zero but memory is none. */
typedef struct keel_timers {
    const keel_allocator *memory;
    keel_timer **heap;
    uint32_t count;
    uint32_t room;
} keel_timers;

/* False: no memory for so many at once. */
bool keel_timers_reserve(keel_timers *timers, uint32_t count);
void keel_timers_cleanup(keel_timers *timers);

/* Sets or moves one, for which there is room; KEEL_NEVER: takes it out. */
void keel_timers_set(keel_timers *timers, keel_timer *timer, uint64_t at_ns);

/* The first, if its instant has come: no longer set. NULL: none has. */
keel_timer *keel_timers_take(keel_timers *timers, uint64_t now);

static inline uint64_t keel_timers_next(const keel_timers *timers)
{
    return timers->count ? timers->heap[0]->at_ns : KEEL_NEVER;
}

#endif
