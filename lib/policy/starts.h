/* SPDX-License-Identifier: MIT */
/*
 * When the attempts in flight began, so that slow ones are seen before they end. Room
 * for 63 at a time; later ones are seen when they end. In bits:
 *
 *   a start   generation 6 | instant plus 1 58      0 being none
 *
 * The first word is the oldest start, so that mostly one look is enough. It may be
 * later than that by as long as a thread stood between reading the clock and entering,
 * and a slow one is seen later by as much.
 */
#ifndef KEEL_POLICY_STARTS_H
#define KEEL_POLICY_STARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

enum { KEEL_STARTS = 63 };

#define KEEL_START_MASK (((uint64_t)1 << 58) - 1)

typedef struct keel_starts_words {
    _Atomic uint64_t oldest; /* 0: none yet */
    _Atomic uint64_t starts[KEEL_STARTS];
} keel_starts_words;

typedef struct keel_starts {
    keel_starts_words *words;
} keel_starts;

enum { KEEL_STARTS_OWNED = 31 }; /* places below belong to the thread of that index */

uint8_t keel_starts_enter_shared(const keel_starts *starts, uint64_t word);
void keel_starts_note_oldest(const keel_starts *starts, uint64_t start);

/* Notes a start; the place plus 1, or 0 when all are taken. */
static inline uint8_t keel_starts_enter(const keel_starts *starts, uint32_t generation,
                                        uint64_t now)
{
    uint64_t start = (now + 1) & KEEL_START_MASK;
    uint64_t word = (uint64_t)(generation & 63) << 58 | start;
    uint32_t index = keel_thread_self()->index;
    uint8_t place;

    if (index < KEEL_STARTS_OWNED &&
        !atomic_load_explicit(&starts->words->starts[index], memory_order_relaxed)) {
        atomic_store_explicit(&starts->words->starts[index], word,
                              memory_order_release);
        place = (uint8_t)(index + 1);
    } else {
        place = keel_starts_enter_shared(starts, word);
    }
    if (!atomic_load_explicit(&starts->words->oldest, memory_order_relaxed))
        keel_starts_note_oldest(starts, start);
    return place;
}

static inline void keel_starts_leave(const keel_starts *starts, uint8_t place)
{
    if (place)
        atomic_store_explicit(&starts->words->starts[place - 1], 0,
                              memory_order_release);
}

/* Whether some attempt began before `limit`: a cheap look, sometimes wrongly true. */
static inline bool keel_starts_maybe_before(const keel_starts *starts, uint64_t limit)
{
    uint64_t oldest =
        atomic_load_explicit(&starts->words->oldest, memory_order_relaxed);

    return oldest && oldest <= limit;
}

typedef struct keel_starts_limits {
    uint64_t since; /* when the generation began: what is older is one of 64 before */
    uint64_t slow;
    uint64_t dead;
} keel_starts_limits;

/* How many of a generation began before the two limits; freshens `oldest`. */
void keel_starts_count(const keel_starts *starts, uint32_t generation, uint64_t now,
                       const keel_starts_limits *limits, uint32_t *slow,
                       uint32_t *dead);

#endif
