/* SPDX-License-Identifier: MIT */
/*
 * What was counted in a breaker's window here and not told to the fleet yet. The fleet's
 * window has as many slots as the one here has buckets, but 64 at most, of one
 * millisecond at least; several buckets make a slot where they must.
 */
#ifndef KEEL_SHARE_DELTAS_H
#define KEEL_SHARE_DELTAS_H

#include "policy/window.h"
#include "share/wire.h"

typedef struct keel_told {
    uint64_t number; /* of the slot, since the clock began */
    uint32_t ok, bad, slow;
} keel_told;

typedef struct keel_deltas {
    uint32_t generation; /* what was told was of this one */
    uint32_t slots;
    uint32_t group; /* buckets in a slot */
    keel_told told[KEEL_WIRE_SLOTS];
    keel_told seen[KEEL_WIRE_SLOTS]; /* at the last look */
    keel_wire_delta news[KEEL_WIRE_SLOTS];
    uint8_t count;
    bool has_bad; /* among the news */
} keel_deltas;

/* The fleet's window for one here. False: it is by count, which fleets do not add up. */
bool keel_deltas_fit(keel_deltas *d, const keel_window *window, uint32_t *slot_ms);

/* Finds the news; nothing counts as told. */
void keel_deltas_look(keel_deltas *d, const keel_window *window, uint32_t generation,
                      uint64_t now);

/* The news of the last look were told. */
void keel_deltas_tell(keel_deltas *d);

/* Nothing was ever told. */
void keel_deltas_forget(keel_deltas *d);

#endif
