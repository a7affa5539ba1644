/* SPDX-License-Identifier: MIT */
/*
 * When the attempts in flight began, so that slow ones are seen before they end. Room
 * for 63 at a time; later ones are seen when they end. A word is generation 6 | start
 * 58; the first word is no later than the oldest start, so that mostly one look is
 * enough.
 */
#ifndef KEEL_POLICY_STARTS_H
#define KEEL_POLICY_STARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { KEEL_STARTS = 63 };

typedef struct keel_starts_words {
    _Atomic uint64_t oldest; /* 0: none */
    _Atomic uint64_t starts[KEEL_STARTS];
} keel_starts_words;

typedef struct keel_starts {
    keel_starts_words *words;
} keel_starts;

/* Notes a start; the place plus 1, or 0 when all are taken. */
uint8_t keel_starts_enter(const keel_starts *starts, uint32_t generation, uint64_t now);
void keel_starts_leave(const keel_starts *starts, uint8_t place);

/* Whether some attempt began before `limit`: a cheap look, sometimes wrongly true. */
static inline bool keel_starts_maybe_before(const keel_starts *starts, uint64_t limit)
{
    uint64_t oldest =
        atomic_load_explicit(&starts->words->oldest, memory_order_relaxed);

    return oldest && oldest < limit;
}

/* How many of a generation began before the two instants; freshens `oldest`. */
void keel_starts_count(const keel_starts *starts, uint32_t generation,
                       uint64_t slow_limit, uint64_t dead_limit, uint32_t *slow,
                       uint32_t *dead);

#endif
