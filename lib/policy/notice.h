/* SPDX-License-Identifier: MIT */
/*
 * What is told of a pipeline to those who look from outside: its latest transition, its
 * limits, and who holds its breaker, and why. Not for decisions: the lock itself is one word of the
 * breaker's, which names a note here.
 *
 *   lock word   kind 3 | note 3 | until 58      until in 64 ns; 0: until lifted
 *   told        generation 24 | cause 8 | wall second 32
 *
 * Notes are written before the word that names them, in turn; so a note is read whole if
 * the word is the same before and after, unless seven others were written meanwhile.
 */
#ifndef KEEL_POLICY_NOTICE_H
#define KEEL_POLICY_NOTICE_H

#include <stdatomic.h>

#include <keel/events.h>

enum {
    KEEL_NOTES = 7,
    KEEL_NOTE_WORDS = 32,
    KEEL_LOCK_UNIT_NS = 64,
    KEEL_LOCK_ACTOR_SIZE = 48,
    KEEL_LOCK_REASON_SIZE = 184
};

/*
 * Texts end with NUL; seconds are wall time, 0: none. A fleet tells of a lock before it
 * tells who has set it, and why; until it is known, set_s is 0.
 */
typedef struct keel_note {
    uint64_t set_s;
    uint64_t until_s;
    uint64_t epoch; /* of a lock of the whole fleet; 0: of this host */
    char actor[KEEL_LOCK_ACTOR_SIZE];
    char reason[KEEL_LOCK_REASON_SIZE];
} keel_note;

typedef struct keel_notice {
    _Atomic uint64_t told;
    _Atomic uint64_t tickets;
    /* limits that the host counts together, as the latest settings have them; 0: none */
    _Atomic uint64_t places;
    _Atomic uint64_t rate_count;
    _Atomic uint64_t rate_period_ns;
    _Atomic uint64_t rate_burst;
    uint64_t spare[2];
    _Atomic uint64_t notes[KEEL_NOTES][KEEL_NOTE_WORDS];
} keel_notice;

_Static_assert(sizeof(keel_note) == KEEL_NOTE_WORDS * sizeof(uint64_t),
               "a note fills its words");

/* False: who and why are still to come. */
static inline bool keel_note_is_complete(const keel_note *note)
{
    return note->set_s || !note->epoch;
}

/* Returns the note's number, 1 to KEEL_NOTES. */
uint32_t keel_notice_write(keel_notice *notice, const keel_note *note);

/* A number out of range, or 0, is an empty note. */
void keel_notice_read(keel_notice *notice, uint32_t number, keel_note *note);

/* What a note says, as a number by which it is known again. */
uint32_t keel_notice_check(keel_notice *notice, uint32_t number);

void keel_notice_tell(keel_notice *notice, uint32_t generation, keel_cause cause,
                      uint64_t wall_s);

/* What led to a generation, and when; false: it was not told (yet). */
bool keel_notice_told(keel_notice *notice, uint32_t generation, keel_cause *cause,
                      uint64_t *wall_s);

static inline uint64_t keel_lock_pack(keel_lock lock, uint32_t note, uint64_t until_ns)
{
    uint64_t most = ((uint64_t)1 << 58) - 1;
    uint64_t until = until_ns / KEEL_LOCK_UNIT_NS + (until_ns % KEEL_LOCK_UNIT_NS != 0);

    return lock == KEEL_LOCK_NONE ? 0
                                  : (uint64_t)lock << 61 | (uint64_t)note << 58 |
                                        (until < most ? until : most);
}

static inline keel_lock keel_lock_kind(uint64_t word)
{
    return (keel_lock)(word >> 61);
}

static inline uint32_t keel_lock_note(uint64_t word)
{
    return word >> 58 & 7;
}

/* 0: until lifted */
static inline uint64_t keel_lock_until_ns(uint64_t word)
{
    return (word & (((uint64_t)1 << 58) - 1)) * KEEL_LOCK_UNIT_NS;
}

/* Its time is over; that of no lock never is. */
static inline bool keel_lock_is_over(uint64_t word, uint64_t now)
{
    uint64_t until = keel_lock_until_ns(word);

    return until && until <= now;
}

/* The lock that stands now: one that has run out is none. */
static inline uint64_t keel_lock_standing(const _Atomic uint64_t *lock, uint64_t now)
{
    uint64_t word = atomic_load_explicit(lock, memory_order_acquire);

    return keel_lock_is_over(word, now) ? 0 : word;
}

#endif
