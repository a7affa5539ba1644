/* SPDX-License-Identifier: MIT */
/*
 * How long a dependency has been taking to answer: the quantiles of its recent
 * attempts' durations. Knowledge alone; what is done with it, a hedge or a refusal, is
 * decided elsewhere.
 *
 * A histogram with eight cells an octave, from 4 us to 69 s, on one word a cell:
 *   epoch 32 | weight 32        a duration weighs 64 in the epoch it is recorded in
 * An epoch is 20 s of the clock. A cell's weight is halved for every epoch that has
 * begun since its own, by whoever reads it or adds to it next; so nothing is swept, no
 * two writes belong together, and what was recorded at an instant counts half 20 s
 * later.
 *
 * Accuracy: what is told differs from the duration of that rank by no more than 4.5 %
 * (2^(1/16) - 1), whatever the distribution. Shorter than 4 us counts as 4 us, longer
 * than 69 s as 69 s. More than two million a second of one cell are not counted.
 *
 * What to record: every attempt that succeeded, and the first of several with what it had
 * taken when a copy of it answered. It would have taken longer still; but left out, the
 * tail that hedges cut off would be missing from what the next hedge waits for.
 */
#ifndef KEEL_POLICY_LATENCY_H
#define KEEL_POLICY_LATENCY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    KEEL_LATENCY_CELLS = 192,
    KEEL_LATENCY_LEAST = 50 /* durations, counted as they have aged */
};

#define KEEL_LATENCY_HALF_LIFE_NS ((uint64_t)20 * 1000000000)

/* 1.5 KiB, pointer-free; may lie on a shared board. All zero knows nothing. */
typedef struct keel_latency_words {
    _Atomic uint64_t cells[KEEL_LATENCY_CELLS];
} keel_latency_words;

/* One duration. now_ns: one clock for all who share the words. Any thread. */
void keel_latency_record(keel_latency_words *words, uint64_t duration_ns,
                         uint64_t now_ns);

/*
 * The duration that so many millionths stay within (500000: the median).
 *
 * ns       out; 0 where it is not known
 * Returns  false: fewer than 50 durations of the recent past are known. A dependency
 *          that is asked less often than about three times a second stays unknown
 */
bool keel_latency_quantile(const keel_latency_words *words, uint32_t ppm,
                           uint64_t now_ns, uint64_t *ns);

#endif
