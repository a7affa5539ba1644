/* SPDX-License-Identifier: MIT */
/* Gathering attempts in windows, and keeping what they come to. */
#include "policy/adaptive.h"

#include <string.h>

#define US_NS 1000
#define NOISE_US 100
#define TOO_LONG_NS (5 * KEEL_S) /* of aimd, where no timeout ends an attempt */

/* In words: a success, a drop, and where their neighbours end. */
#define SUCCESS ((uint64_t)1 << 48)
#define MICROSECONDS (SUCCESS - 1)
#define DROP ((uint64_t)1 << 32)
#define IN_FLIGHT (DROP - 1)

/* With so many the word is nearly full: what comes later in this window is not needed.
 * (Those that look at once and add then are fewer than there is room for.) */
enum { SUCCESSES_MAX = 60000 };

/* A dropped attempt of so many makes a dropped window. */
enum { DROPPED_OF = 10 };

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

void keel_adaptive_init(keel_adaptive *adaptive, keel_adaptive_words *words,
                        const keel_policy *policy)
{
    *adaptive = (keel_adaptive){ .words = words,
                                 .algorithm = policy->adaptive,
                                 .least = policy->adaptive_min,
                                 .most = policy->adaptive_max,
                                 .initial = policy->adaptive_initial };
    if (policy->adaptive == KEEL_ALGORITHM_AIMD) /* it looks at no other time */
        adaptive->too_long_ns = policy->timeout_ns ? policy->timeout_ns : TOO_LONG_NS;
}

static double within_bounds(const keel_adaptive *adaptive, double limit)
{
    if (limit < adaptive->least)
        return adaptive->least;
    return limit < adaptive->most ? limit : adaptive->most;
}

static double limit_of(const keel_adaptive *adaptive, uint64_t bits)
{
    return within_bounds(adaptive, bits ? double_of(bits) : adaptive->initial);
}

uint32_t keel_adaptive_limit(const keel_adaptive *adaptive)
{
    return (uint32_t)limit_of(
        adaptive, atomic_load_explicit(&adaptive->words->limit, memory_order_relaxed));
}

void keel_adaptive_forget(const keel_adaptive *adaptive)
{
    atomic_store_explicit(&adaptive->words->rtt, 0, memory_order_relaxed);
    atomic_store_explicit(&adaptive->words->windows, 0, memory_order_relaxed);
}

static void note_in_flight(const keel_adaptive *adaptive, uint64_t in_flight)
{
    _Atomic uint64_t *others = &adaptive->words->others;
    uint64_t old = atomic_load_explicit(others, memory_order_relaxed);

    in_flight = in_flight < IN_FLIGHT ? in_flight : IN_FLIGHT;
    while ((old & IN_FLIGHT) < in_flight &&
           !atomic_compare_exchange_weak_explicit(
               others, &old, (old & ~IN_FLIGHT) | in_flight, memory_order_relaxed,
               memory_order_relaxed))
        ;
}

void keel_adaptive_dropped(const keel_adaptive *adaptive, uint64_t in_flight)
{
    atomic_fetch_add_explicit(&adaptive->words->others, DROP, memory_order_relaxed);
    note_in_flight(adaptive, in_flight);
}

/* An hour and more is no time to average; and so the sum of a window fits its bits. */
static uint64_t microseconds(uint64_t duration_ns)
{
    uint64_t us = duration_ns / US_NS;

    if (us < NOISE_US)
        return NOISE_US;
    return us < UINT32_MAX ? us : UINT32_MAX;
}

void keel_adaptive_answered(const keel_adaptive *adaptive, uint64_t duration_ns,
                            uint64_t in_flight)
{
    _Atomic uint64_t *answered = &adaptive->words->answered;

    if (adaptive->too_long_ns && duration_ns > adaptive->too_long_ns) {
        keel_adaptive_dropped(adaptive, in_flight);
        return;
    }
    if (atomic_load_explicit(answered, memory_order_relaxed) / SUCCESS < SUCCESSES_MAX)
        atomic_fetch_add_explicit(answered, SUCCESS + microseconds(duration_ns),
                                  memory_order_relaxed);
    note_in_flight(adaptive, in_flight);
}

static bool has_enough(const keel_adaptive *adaptive)
{
    uint64_t answered =
        atomic_load_explicit(&adaptive->words->answered, memory_order_relaxed);
    uint64_t others =
        atomic_load_explicit(&adaptive->words->others, memory_order_relaxed);

    return answered / SUCCESS + others / DROP >= KEEL_ADAPTIVE_SAMPLES;
}

/* Takes what was counted, and leaves empty words to the next window. */
static keel_adaptive_sample take_sample(const keel_adaptive *adaptive)
{
    uint64_t answered =
        atomic_exchange_explicit(&adaptive->words->answered, 0, memory_order_relaxed);
    uint64_t others =
        atomic_exchange_explicit(&adaptive->words->others, 0, memory_order_relaxed);
    uint64_t successes = answered / SUCCESS, drops = others / DROP;
    keel_adaptive_sample sample = { .in_flight = others & IN_FLIGHT };

    if (successes)
        sample.rtt_ns = (double)(answered & MICROSECONDS) * US_NS / (double)successes;
    sample.dropped = drops && drops * DROPPED_OF >= successes + drops;
    return sample;
}

static void move_limit(const keel_adaptive *adaptive, const keel_random *random)
{
    keel_adaptive_words *words = adaptive->words;
    uint64_t bits = atomic_load_explicit(&words->limit, memory_order_relaxed);
    keel_adaptive_state state = {
        .limit = limit_of(adaptive, bits),
        .rtt_ns = double_of(atomic_load_explicit(&words->rtt, memory_order_relaxed)),
        .windows = (uint32_t)atomic_load_explicit(&words->windows, memory_order_relaxed)
    };
    keel_adaptive_sample sample = take_sample(adaptive);
    double limit = within_bounds(
        adaptive, keel_adaptive_rule(adaptive->algorithm, &state, &sample, random));

    /* fails for one who was stopped here for a whole window: the next one's limit stays,
     * and what is learnt beside it is a mean that bears it */
    if (!atomic_compare_exchange_strong_explicit(&words->limit, &bits, bits_of(limit),
                                                 memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    atomic_store_explicit(&words->rtt, bits_of(state.rtt_ns), memory_order_relaxed);
    atomic_store_explicit(&words->windows, state.windows, memory_order_relaxed);
}

bool keel_adaptive_turn(const keel_adaptive *adaptive, uint64_t now,
                        const keel_random *random)
{
    _Atomic uint64_t *until = &adaptive->words->until;
    uint64_t seen = atomic_load_explicit(until, memory_order_relaxed);

    /* one of all who see the window's end moves it on; the others' work is done */
    if (now < seen || (seen && !has_enough(adaptive)) ||
        !atomic_compare_exchange_strong_explicit(
            until, &seen, keel_ns_add(now, KEEL_ADAPTIVE_WINDOW_NS),
            memory_order_relaxed, memory_order_relaxed))
        return false;
    if (seen)
        move_limit(adaptive, random);
    return seen != 0;
}
