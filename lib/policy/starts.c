/* SPDX-License-Identifier: MIT */
/* In-flight start stamps. */
#include "policy/starts.h"

#include <stddef.h>

void keel_starts_note_oldest(const keel_starts *starts, uint64_t start)
{
    uint64_t oldest = atomic_load(&starts->words->oldest);

    while ((oldest == 0 || start < oldest) &&
           !atomic_compare_exchange_weak(&starts->words->oldest, &oldest, start))
        ;
}

uint8_t keel_starts_enter_shared(const keel_starts *starts, uint64_t word)
{
    for (size_t i = KEEL_STARTS_OWNED; i < KEEL_STARTS; i++) {
        uint64_t none = 0;

        if (!atomic_load_explicit(&starts->words->starts[i], memory_order_relaxed) &&
            atomic_compare_exchange_strong(&starts->words->starts[i], &none, word))
            return (uint8_t)(i + 1);
    }
    return 0;
}

static uint64_t oldest_of(const keel_starts *starts)
{
    uint64_t oldest = 0;

    for (size_t i = 0; i < KEEL_STARTS; i++) {
        uint64_t start = atomic_load(&starts->words->starts[i]) & KEEL_START_MASK;

        if (start && (!oldest || start < oldest))
            oldest = start;
    }
    return oldest;
}

/*
 * With nothing in flight the next start will be no earlier than now. Never 0 again: a
 * thread that enters while we look finds a word that stands for it already.
 */
static void freshen(const keel_starts *starts, uint64_t now)
{
    uint64_t seen = atomic_load(&starts->words->oldest);
    uint64_t oldest = oldest_of(starts);

    atomic_compare_exchange_strong(&starts->words->oldest, &seen,
                                   oldest ? oldest : (now + 1) & KEEL_START_MASK);
}

void keel_starts_count(const keel_starts *starts, uint32_t generation, uint64_t now,
                       const keel_starts_limits *limits, uint32_t *slow, uint32_t *dead)
{
    *slow = 0;
    *dead = 0;
    freshen(starts, now);
    for (size_t i = 0; i < KEEL_STARTS; i++) {
        uint64_t word =
            atomic_load_explicit(&starts->words->starts[i], memory_order_acquire);
        uint64_t start = word & KEEL_START_MASK;

        /* a start is stored plus 1 */
        if (start <= limits->since || word >> 58 != (generation & 63))
            continue;
        *slow += start <= limits->slow;
        *dead += start <= limits->dead;
    }
}
