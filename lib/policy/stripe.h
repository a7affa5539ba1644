/* SPDX-License-Identifier: MIT */
/*
 * Stripes: one cache line per thread slot, so that what every call counts is written to
 * a line no other thread writes. The first three quarters of the stripes have one owner
 * each, the thread whose index it is, and need no locked instruction; the others are
 * shared by all further threads.
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
    KEEL_STRIPE_WINDOW = 0, /* fast successes of the breaker's current bucket */
    KEEL_STRIPE_CALLS = 1,  /* calls begun, for the retry budget */
    KEEL_STRIPE_BEGUN = 2,  /* settings phases: +0, +1 */
    KEEL_STRIPE_ENDED = 4,  /* settings phases: +0, +1 */
    KEEL_STRIPE_REJECTED = 6,
    KEEL_STRIPE_REFUSED = 7 /* on a shared board, of one second: history.h */
};

/* In a window's word: what it holds is just being added to its bucket (time_window.c). */
#define KEEL_STRIPE_FOLDING ((uint64_t)1 << 33)

typedef struct keel_stripe_line {
    _Alignas(64) _Atomic uint64_t words[KEEL_STRIPE_WORDS];
} keel_stripe_line;

/* All lines that threads of this process count in. */
typedef struct keel_stripes {
    keel_stripe_line *lines;
    uint32_t count;         /* a power of two, 4 at least */
    _Atomic uint32_t owned; /* the first three quarters; 0: there are none (yet) */
} keel_stripes;

/* The calling thread's line; is_owner: it is the only writer. */
typedef struct keel_stripe {
    keel_stripe_line *line;
    bool is_owner;
} keel_stripe;

/* Names `count` lines. */
static inline keel_stripes keel_stripes_of(keel_stripe_line *lines, uint32_t count)
{
    return (keel_stripes){ lines, count, count - count / 4 };
}

/* Two per processor, a power of two, 4 to KEEL_STRIPES_MAX. */
uint32_t keel_stripes_wanted(void);

/* The line of those who have none: of no window, and always being folded, so that
 * nobody counts there. */
extern keel_stripe_line keel_stripe_nowhere;

static inline keel_stripe keel_stripe_mine(const keel_stripes *stripes)
{
    uint32_t index = keel_thread_self()->index;
    /* acquire: who finds lines finds them where they are (lines.c) */
    uint32_t owned = atomic_load_explicit(&stripes->owned, memory_order_acquire);

    if (KEEL_LIKELY(index < owned))
        return (keel_stripe){ &stripes->lines[index], true };
    if (!owned)
        return (keel_stripe){ &keel_stripe_nowhere, false };
    index = owned + index % (stripes->count - owned);
    return (keel_stripe){ &stripes->lines[index], false };
}

static inline void keel_stripe_add(keel_stripe stripe, uint32_t word, uint64_t n)
{
    _Atomic uint64_t *at = &stripe.line->words[word];

    if (KEEL_LIKELY(stripe.is_owner))
        atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + n,
                              memory_order_release);
    else
        atomic_fetch_add_explicit(at, n, memory_order_release);
}

/* Adds one to a window's word if its upper half is tag; else changes nothing. */
static inline bool keel_stripe_bump(keel_stripe stripe, uint32_t word, uint64_t tag)
{
    _Atomic uint64_t *at = &stripe.line->words[word];
    uint64_t value = atomic_load_explicit(at, memory_order_relaxed);

    if (value >> 32 != tag)
        return false;
    if (KEEL_LIKELY(stripe.is_owner)) {
        atomic_store_explicit(at, value + 1, memory_order_relaxed);
        return true;
    }
    return atomic_compare_exchange_strong_explicit(
        at, &value, value + 1, memory_order_relaxed, memory_order_relaxed);
}

/* One word of all lines. */
static inline uint64_t keel_stripes_sum(const keel_stripes *stripes, uint32_t word)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < stripes->count; i++)
        sum +=
            atomic_load_explicit(&stripes->lines[i].words[word], memory_order_acquire);
    return sum;
}

#endif
