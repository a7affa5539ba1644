/* SPDX-License-Identifier: MIT */
/*
 * The places of a bulkhead that a host shares: a word each, 0 or its owner's (slot 8 |
 * id 56), taken and given back by one compare-and-swap. There is no count beside them,
 * so there is none that could be wrong: what a dead process held can be told by its word
 * (keel_places_forsake) and nothing else need be mended.
 */
#ifndef KEEL_POLICY_PLACES_H
#define KEEL_POLICY_PLACES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/fleet_places.h"

enum { KEEL_PLACES_MAX = 65535 };

typedef struct keel_places {
    _Atomic uint64_t *words;      /* NULL: nothing is shared */
    uint32_t limit;               /* of them */
    const _Atomic uint64_t *self; /* this process; 0: it has not joined */
    const _Atomic uint64_t
        *leased; /* of a fleet's, the host's; NULL: all are its own */
} keel_places;

/* How many words there are for a limit: so that most changes of it keep the words. */
uint32_t keel_places_room(uint32_t limit);

/* Whether this process can hold one: a child that found no slot cannot. */
static inline bool keel_places_has_joined(const keel_places *places)
{
    return atomic_load_explicit(places->self, memory_order_relaxed) != 0;
}

/* A place's number plus 1; 0: all are taken, or this process has not joined. */
uint16_t keel_places_take(const keel_places *places);

/* Gives a taken one back, if it is this process's still; place 0 is none. */
void keel_places_give_back(const keel_places *places, uint16_t place);

/* How many are taken, at a look. */
uint32_t keel_places_taken(const keel_places *places);

/*
 * How many can be taken at most as long as no more are leased: those, and what is held
 * beyond them from when they were more.
 */
uint32_t keel_places_bound(const keel_places *places);

/* Frees what the owner of a slot held. Once it is gone, and before the slot is another's.
 */
void keel_places_forsake(_Atomic uint64_t *words, uint32_t room, uint32_t slot);

#endif
