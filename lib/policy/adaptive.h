/* SPDX-License-Identifier: MIT */
/*
 * The adaptive limit: how many attempts may be under way at once, found out from how
 * they go. Attempts are gathered in windows of a second and ten attempts at least; each
 * window moves the limit once, by one of the rules in adaptive_rules.h. Who counts the
 * attempts, and refuses, is the bulkhead, whose limit is this one where it is smaller.
 *
 * What an attempt tells:
 *   answered well            its time, 100 us at least: what is quicker is noise
 *   timed out, or throttled  that it was dropped; never a time
 *   anything else            nothing: a failure is often quicker than an answer, and a
 *                            cancelled attempt has shown nothing
 * One dropped attempt of ten, or more, makes a window that was dropped: fewer are the
 * noise of every day, which must not wear the limit down.
 *
 * The words belong to one process. Those of a window are counted with single additions,
 * so whoever ends a window while others count takes each of them once; an attempt may
 * fall half into the next window, which ten attempts bear.
 */
#ifndef KEEL_POLICY_ADAPTIVE_H
#define KEEL_POLICY_ADAPTIVE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "policy/adaptive_rules.h"

#define KEEL_ADAPTIVE_WINDOW_NS KEEL_S

enum { KEEL_ADAPTIVE_SAMPLES = 10 };

typedef struct keel_adaptive_words {
    _Atomic uint64_t until; /* of the window; 0: none has begun */
    _Atomic uint64_t limit; /* the bits of a double; 0: adaptive.initial */
    _Atomic uint64_t rtt;   /* of keel_adaptive_state, likewise */
    _Atomic uint64_t windows;
    /* counted by every attempt: successes 16 | their microseconds 48; dropped 32 | the
     * most in flight 32 */
    _Alignas(64) _Atomic uint64_t answered;
    _Atomic uint64_t others;
} keel_adaptive_words;

typedef struct keel_adaptive {
    keel_adaptive_words *words; /* NULL: off */
    keel_algorithm algorithm;
    uint32_t least;
    uint32_t most;
    uint32_t initial;
    uint64_t too_long_ns; /* an answer later than this was dropped; 0: none is */
} keel_adaptive;

void keel_adaptive_init(keel_adaptive *adaptive, keel_adaptive_words *words,
                        const keel_policy *policy);

/* The limit of now: within its bounds, so never 0. */
uint32_t keel_adaptive_limit(const keel_adaptive *adaptive);

/* After a reload to another rule, which has nothing learnt yet; the limit stays. */
void keel_adaptive_forget(const keel_adaptive *adaptive);

/* Whether a window may be over: then keel_adaptive_turn is to be called. */
static inline bool keel_adaptive_is_due(const keel_adaptive *adaptive, uint64_t now)
{
    return now >= atomic_load_explicit(&adaptive->words->until, memory_order_relaxed);
}

/*
 * An attempt has ended; in_flight counts it too. All orders are relaxed: each word is a
 * count of its own, and publishes nothing.
 */
void keel_adaptive_answered(const keel_adaptive *adaptive, uint64_t duration_ns,
                            uint64_t in_flight);
void keel_adaptive_dropped(const keel_adaptive *adaptive, uint64_t in_flight);

/* Ends the window if it is over. True: the limit may be another one now. */
bool keel_adaptive_turn(const keel_adaptive *adaptive, uint64_t now,
                        const keel_random *random);

#endif
