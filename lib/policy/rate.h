/* SPDX-License-Identifier: MIT */
/*
 * Rate limit: the generic cell rate algorithm (ITU-T I.371) on one word, the
 * theoretical arrival time tat of the next token.
 *
 *   T         period / count
 *   tau       T * (burst - 1)
 *   admitted  when max(tat, now) - tau <= now; then tat = max(tat, now) + T
 */
#ifndef KEEL_POLICY_RATE_H
#define KEEL_POLICY_RATE_H

#include <stdatomic.h>

#include "settings/policy.h"

struct keel_fleet_tokens;

typedef struct keel_rate_words {
    _Atomic uint64_t tat;
    _Atomic uint64_t shut_until; /* the other side's wish, in tat already */
} keel_rate_words;

typedef struct keel_rate {
    keel_rate_words *words;
    uint64_t interval_ns; /* T */
    uint64_t burst_ns;    /* tau */
    struct keel_fleet_tokens
        *fleet; /* fleet_tokens.h; NULL: no fleet counts together */
} keel_rate;

void keel_rate_init(keel_rate *rate, keel_rate_words *words, const keel_policy *policy);

/*
 * Takes a token that is there, or will be within wait_ns at the most.
 * wait_ns  out: how long until it is; on refusal, until one would be
 * tat      out: to give this token back
 * False: refused, nothing taken.
 */
bool keel_rate_take(const keel_rate *rate, uint64_t now, uint64_t most_wait_ns,
                    uint64_t *wait_ns, uint64_t *tat);

/* Takes a token that is there now. False: none is, nothing was done. */
static inline bool keel_rate_try(const keel_rate *rate, uint64_t now, uint64_t *tat)
{
    uint64_t old = atomic_load_explicit(&rate->words->tat, memory_order_relaxed);
    uint64_t from = old > now ? old : now;

    *tat = from + rate->interval_ns;
    return from - now <= rate->burst_ns && *tat > from &&
           atomic_compare_exchange_strong_explicit(&rate->words->tat, &old, *tat,
                                                   memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* Tokens that are there at an instant. */
uint64_t keel_rate_left(const keel_rate *rate, uint64_t now);

/* Gives an unused token back, if no later one was taken. It may have been taken at another
 * interval; then what is given back is a little more or less than it was. */
void keel_rate_give_back(const keel_rate *rate, uint64_t tat);

/*
 * After a reload: nobody waits longer for a token than these settings, or the other
 * side's wish, can make him.
 */
void keel_rate_fit(const keel_rate *rate, uint64_t now);

/* When who wishes to be left alone no longer does; the past: nobody does. */
static inline uint64_t keel_rate_shut_until(const keel_rate *rate)
{
    return atomic_load_explicit(&rate->words->shut_until, memory_order_relaxed);
}

/*
 * The other side asked to be left alone for a while: tat is moved there, so what of the
 * burst the while covers is gone.
 */
void keel_rate_drain(const keel_rate *rate, uint64_t now, uint64_t for_ns);

#endif
