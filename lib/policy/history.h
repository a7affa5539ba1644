/* SPDX-License-Identifier: MIT */
/*
 * The last minute of a breaker on a shared board, second by second: what it was, what its
 * window held, and how many calls were refused. For people who look after a crash, or
 * while it goes on; nothing here decides.
 *
 * A sample is taken by the first call of a second that goes the long way or is refused,
 * and once more by a transition; so without a sample the breaker is what it was. It is
 * three words, the first of which is claimed by one of all processes:
 *   second 40 | state 2 | lock 3 | 0      mark 8 | calls 28 | failures 28
 *   mark 8 | slow 28 | generation 24 | 0  mark: the second's low bits
 *
 * Refusals are counted where a shared window's successes are, in a word of each line:
 *   second 32 | refused 32
 * The first one of another second moves what is there to the same word of all processes.
 */
#ifndef KEEL_POLICY_HISTORY_H
#define KEEL_POLICY_HISTORY_H

#include "base/clock.h"
#include "policy/breaker.h"

enum { KEEL_HISTORY_SECONDS = 60, KEEL_HISTORY_WORDS = 3 };

typedef struct keel_history {
    _Atomic uint64_t samples[KEEL_HISTORY_SECONDS][KEEL_HISTORY_WORDS];
    _Atomic uint64_t refused[KEEL_HISTORY_SECONDS]; /* but for those still in lines */
} keel_history;

typedef struct keel_sample {
    uint64_t second; /* of the board's clock */
    keel_breaker_state state;
    keel_lock lock;
    uint32_t generation;
    uint64_t calls;
    uint64_t failures;
    uint64_t slow;
} keel_sample;

/* Whether nobody has taken the sample of this second yet; cheap. */
static inline bool keel_history_is_due(const keel_history *history, uint64_t now_ns)
{
    uint64_t second = now_ns / KEEL_S;

    return atomic_load_explicit(&history->samples[second % KEEL_HISTORY_SECONDS][0],
                                memory_order_relaxed) >>
               24 !=
           second;
}

/* take: the first of a second stays. retake: after a transition */
void keel_history_take(keel_history *history, const keel_breaker *breaker,
                       uint64_t now_ns);
void keel_history_retake(keel_history *history, const keel_breaker *breaker,
                         uint64_t now_ns);

/* The sample of a second; false: there is none, or its writer did not come to its end. */
bool keel_history_read(const keel_history *history, uint64_t second,
                       keel_sample *sample);

/* The youngest sample that is kept from before a second; false: there is none. */
bool keel_history_read_before(const keel_history *history, uint64_t second,
                              keel_sample *sample);

/* One refusal, on the caller's line of a shared window. False: nothing was done, for it
 * is the first of its second there. */
static inline bool keel_history_try_refused(keel_stripe stripe, uint64_t now_ns)
{
    return keel_stripe_bump(stripe, KEEL_STRIPE_REFUSED, now_ns / KEEL_S);
}

void keel_history_refused(keel_history *history, keel_stripe stripe, uint64_t now_ns);

#endif
