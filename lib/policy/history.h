/* SPDX-License-Identifier: MIT */
/*
 * The last minute of a breaker on a shared board, a sample a second: what it was and what
 * its window held. For people who look after a crash, or while it goes on; nothing here
 * decides. A second in which no call went the long way has no sample: nothing was called,
 * or all was refused.
 *
 * A sample is three words, the first of which is claimed by one of all processes:
 *   second 40 | state 2 | lock 3 | 0      mark 8 | calls 28 | failures 28
 *   mark 8 | slow 28 | generation 24 | 0  mark: the second's low bits
 */
#ifndef KEEL_POLICY_HISTORY_H
#define KEEL_POLICY_HISTORY_H

#include "policy/breaker.h"

enum { KEEL_HISTORY_SECONDS = 60, KEEL_HISTORY_WORDS = 3 };

typedef struct keel_history {
    _Atomic uint64_t samples[KEEL_HISTORY_SECONDS][KEEL_HISTORY_WORDS];
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
    uint64_t second = now_ns / 1000000000u;

    return atomic_load_explicit(&history->samples[second % KEEL_HISTORY_SECONDS][0],
                                memory_order_relaxed) >>
               24 !=
           second;
}

void keel_history_take(keel_history *history, const keel_breaker *breaker,
                       uint64_t now_ns);

/* The sample of a second; false: there is none, or its writer did not come to its end. */
bool keel_history_read(const keel_history *history, uint64_t second,
                       keel_sample *sample);

#endif
