/* SPDX-License-Identifier: MIT */
/*
 * Stripes: one cache line per thread slot, so that what every call counts is written to
 * a line no other thread writes. The first three quarters of the stripes have one owner
 * each, the thread whose index it is, and need no locked instruction; the others are
 * shared by all further threads.
 *
 * A line holds the words of one pipeline; a keel_stripes names one word of each line.
 */
#ifndef KEEL_POLICY_STRIPE_H
#define KEEL_POLICY_STRIPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"

enum { KEEL_STRIPES_MAX = 64, KEEL_STRIPE_WORDS = 8 };

/* The words of a line, by use. */
enum {
    KEEL_STRIPE_WINDOW = 0, /* fast successes of the current bucket */
    KEEL_STRIPE_CALLS = 1,  /* calls begun, for the retry budget */
    KEEL_STRIPE_BEGUN = 2,  /* settings phases: +0, +1 */
    KEEL_STRIPE_ENDED = 4   /* settings phases: +0, +1 */
};

typedef struct keel_stripe_line {
    _Alignas(64) _Atomic uint64_t words[KEEL_STRIPE_WORDS];
} keel_stripe_line;

typedef struct keel_stripes {
    keel_stripe_line *lines;
    uint32_t count; /* a power of two, 4 at least */
    uint32_t word;
} keel_stripes;

/* Two per processor, a power of two, 4 to KEEL_STRIPES_MAX. */
uint32_t keel_stripes_wanted(void);

/* True: the caller is the only writer of the line it got. */
static inline keel_stripe_line *keel_stripe_mine(const keel_stripes *stripes,
                                                 bool *is_owner)
{
    uint32_t index = keel_thread_self()->index;
    uint32_t owned = stripes->count - stripes->count / 4;

    *is_owner = index < owned;
    return &stripes->lines[*is_owner ? index : owned + index % (stripes->count / 4)];
}

static inline void keel_stripe_add(_Atomic uint64_t *word, bool is_owner, uint64_t n)
{
    if (is_owner)
        atomic_store_explicit(word,
                              atomic_load_explicit(word, memory_order_relaxed) + n,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(word, n, memory_order_relaxed);
}

/* Adds one to a window's stripe word if its upper half is tag; else changes nothing. */
static inline bool keel_stripe_bump(const keel_stripes *stripes, uint64_t tag)
{
    bool is_owner;
    _Atomic uint64_t *word =
        &keel_stripe_mine(stripes, &is_owner)->words[stripes->word];
    uint64_t value = atomic_load_explicit(word, memory_order_relaxed);

    if (value >> 32 != tag)
        return false;
    if (is_owner) {
        atomic_store_explicit(word, value + 1, memory_order_relaxed);
        return true;
    }
    return atomic_compare_exchange_strong_explicit(
        word, &value, value + 1, memory_order_relaxed, memory_order_relaxed);
}

#endif
