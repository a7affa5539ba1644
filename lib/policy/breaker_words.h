/* SPDX-License-Identifier: MIT */
/* Packing and unpacking of the breaker's words; drawn in breaker.h. */
#ifndef KEEL_POLICY_BREAKER_WORDS_H
#define KEEL_POLICY_BREAKER_WORDS_H

#include "policy/breaker.h"

/* Flags: what a success must look at more closely. */
enum {
    /* a rate is met, min_calls are not yet: any success may trip */
    KEEL_FLAG_ARMED = 1,
    /* enough bad ones to trip once successes leave the window */
    KEEL_FLAG_WATCH = 2,
    /* under an observe lock: the breach was told */
    KEEL_FLAG_BREACHED = 4
};

/*
 * Three bits more count, modulo 8, those who were about to make a transition. An
 * instant is later by as many nanoseconds.
 */
#define KEEL_CLAIM 8u
#define KEEL_CLAIMS 56u
#define KEEL_CLAIMS_NS 7u

/* Of a closed breaker, in the place of permits left: only a share is let through. */
#define KEEL_RAMPING 1u

#define KEEL_OPENS_MAX 63u

/* The state word, unpacked. */
typedef struct keel_state {
    keel_breaker_state state;
    uint32_t flags;
    uint32_t left;
    uint32_t ok;
    uint32_t failed;
    uint32_t slow;
    uint32_t generation;
} keel_state;

static inline keel_state keel_state_unpack(uint64_t word)
{
    return (keel_state){ .state = keel_word_state(word),
                         .flags = word >> 56 & 63,
                         .left = word >> 48 & 255,
                         .ok = word >> 40 & 255,
                         .failed = word >> 32 & 255,
                         .slow = word >> 24 & 255,
                         .generation = keel_word_generation(word) };
}

static inline uint64_t keel_state_pack(const keel_state *s)
{
    return (uint64_t)s->state << 62 | (uint64_t)s->flags << 56 |
           (uint64_t)s->left << 48 | (uint64_t)s->ok << 40 | (uint64_t)s->failed << 32 |
           (uint64_t)s->slow << 24 | (s->generation & KEEL_GENERATION_MASK);
}

/* One step, if the word is as expected; else expected says what it is. */
static inline bool keel_word_swap(_Atomic uint64_t *word, uint64_t *expected,
                                  uint64_t fresh)
{
    return atomic_compare_exchange_strong_explicit(
        word, expected, fresh, memory_order_acq_rel, memory_order_acquire);
}

/* All of a breaker's decision at one instant. */
typedef struct keel_breaker_now {
    uint64_t word; /* the state word, for the CAS */
    uint64_t due[2];
    keel_state s;
} keel_breaker_now;

static inline keel_breaker_now keel_breaker_read(const keel_breaker *breaker)
{
    const keel_breaker_words *words = breaker->words;
    keel_breaker_now now;
    uint64_t before;

    /* the same state before and after: the instants seen between belong to it */
    do {
        before = atomic_load_explicit(&words->state, memory_order_acquire);
        now.due[0] = atomic_load_explicit(&words->due[0], memory_order_acquire);
        now.due[1] = atomic_load_explicit(&words->due[1], memory_order_acquire);
        now.word = atomic_load_explicit(&words->state, memory_order_acquire);
    } while (now.word != before);
    now.s = keel_state_unpack(now.word);
    return now;
}

/* The instant of the present state, and the opens in a row that led to it. */
static inline uint64_t keel_breaker_due(const keel_breaker_now *n)
{
    return n->due[n->s.generation & 1] & KEEL_DUE_MASK;
}

static inline uint32_t keel_breaker_opens(const keel_breaker_now *n)
{
    return (uint32_t)(n->due[n->s.generation & 1] >> 58);
}

/* Which lock holds at an instant, and until when (0: until lifted). */
static inline keel_lock keel_breaker_locked(const keel_breaker *breaker, uint64_t now,
                                            uint64_t *until)
{
    uint64_t word = atomic_load_explicit(&breaker->words->lock, memory_order_acquire);

    *until = keel_lock_until_ns(word);
    return *until && *until <= now ? KEEL_LOCK_NONE : keel_lock_kind(word);
}

/* leases.c: the probes of a half-open round */
bool keel_lease_take(const keel_breaker *breaker, const keel_policy *policy,
                     uint32_t generation, uint64_t now, keel_breaker_permit *permit);
bool keel_lease_give_back(const keel_breaker *breaker,
                          const keel_breaker_permit *permit);
/* Takes one expired lease of a generation away. False: there is none. */
bool keel_lease_reclaim(const keel_breaker *breaker, const keel_policy *policy,
                        uint32_t generation, uint64_t now);

#endif
