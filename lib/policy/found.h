/* SPDX-License-Identifier: MIT */
/*
 * What each process of a board has found out for itself: its adaptive limit, and the
 * chance by which its throttle refuses. For people who look from outside; nothing here
 * decides. One word for each owner's slot, written by its owner once a second at most:
 *   limit 32 | chance in ppm, plus 1, 32      0: that one is off
 */
#ifndef KEEL_POLICY_FOUND_H
#define KEEL_POLICY_FOUND_H

#include <stdatomic.h>

#include "board/board.h"
#include "settings/policy.h"

#define KEEL_FOUND_EVERY_NS ((uint64_t)1000000000)

typedef struct keel_found {
    _Atomic uint64_t by_owner[KEEL_BOARD_OWNERS + 1]; /* a whole number of lines */
} keel_found;

static inline uint64_t keel_found_pack(uint32_t limit, bool throttles, double chance)
{
    return (uint64_t)limit << 32 |
           (throttles ? (uint32_t)(chance * KEEL_PPM + 0.5) + 1 : 0);
}

static inline uint32_t keel_found_limit(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* In ppm; false: the throttle is off. */
static inline bool keel_found_chance(uint64_t word, uint32_t *ppm)
{
    *ppm = (uint32_t)word - ((uint32_t)word != 0);
    return (uint32_t)word != 0;
}

#endif
