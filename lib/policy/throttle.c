/* SPDX-License-Identifier: MIT */
/* The throttle. The formula stands in throttle.h. */
#include "policy/throttle.h"

#define MOST_REFUSED 0.9

#define CALM_CALLS ((uint64_t)UINT32_MAX)

size_t keel_throttle_size(void)
{
    return sizeof(keel_throttle_words) + KEEL_THROTTLE_BUCKETS * sizeof(uint64_t);
}

uint64_t keel_throttle_width(const keel_policy *policy)
{
    return policy->throttle_window_ns / KEEL_THROTTLE_BUCKETS;
}

void keel_throttle_init(keel_throttle *throttle, keel_throttle_words *words,
                        keel_stripe_line *lines, uint32_t count,
                        const keel_policy *policy)
{
    throttle->words = words;
    throttle->stripes = keel_stripes_of(lines, count);
    keel_time_window_init(&throttle->window, &words->window, &throttle->stripes,
                          KEEL_STRIPE_WINDOW, policy->throttle_window_ns,
                          KEEL_THROTTLE_BUCKETS, false);
}

double keel_throttle_formula(uint64_t requests, uint64_t accepts, double k)
{
    double excess = (double)requests - k * (double)accepts;
    double chance = excess / ((double)requests + 1);

    if (excess <= 0)
        return 0;
    return chance < MOST_REFUSED ? chance : MOST_REFUSED;
}

/* How many more may fail before the chance is more than 0, while nothing leaves the
 * window; successes, with a k of 1 or more, only make it more of them. */
static uint64_t calls_to_go(const keel_totals *t, double k)
{
    double left = k * (double)(t->total - t->failed) - (double)t->total;

    if (left < 1)
        return 0;
    return left < (double)CALM_CALLS ? (uint64_t)left : CALM_CALLS;
}

static double chance_of(const keel_totals *t, const keel_policy *policy)
{
    return t->total < policy->throttle_min_calls
               ? 0
               : keel_throttle_formula(t->total, t->total - t->failed,
                                       policy->throttle_k);
}

double keel_throttle_chance(const keel_throttle *throttle, const keel_policy *policy,
                            uint64_t now)
{
    keel_totals t = keel_window_sum(&throttle->window, 0, now);

    return chance_of(&t, policy);
}

/*
 * Sums up only where there is something to find: once a bucket while all goes well. The
 * word is a hint, and all its orders are relaxed: whoever fails while somebody sums is
 * noticed one call later.
 */
bool keel_throttle_refuses(const keel_throttle *throttle, const keel_policy *policy,
                           uint64_t now, const keel_random *random)
{
    _Atomic uint64_t *calm = &throttle->words->calm;
    uint64_t bucket = keel_window_number(&throttle->window, now) & UINT32_MAX;
    uint64_t seen = atomic_load_explicit(calm, memory_order_relaxed);
    keel_totals t;
    double chance;

    if (seen >> 32 == bucket && (seen & CALM_CALLS))
        return false;
    t = keel_window_sum(&throttle->window, 0, now);
    atomic_compare_exchange_strong_explicit(
        calm, &seen, bucket << 32 | calls_to_go(&t, policy->throttle_k),
        memory_order_relaxed, memory_order_relaxed);
    chance = chance_of(&t, policy);
    return chance > 0 && keel_random_draw(random) < chance;
}

void keel_throttle_look_again(const keel_throttle *throttle)
{
    atomic_store_explicit(&throttle->words->calm, 0, memory_order_relaxed);
}

static void be_less_calm(const keel_throttle *throttle)
{
    _Atomic uint64_t *calm = &throttle->words->calm;
    uint64_t seen = atomic_load_explicit(calm, memory_order_relaxed);

    while (seen & CALM_CALLS &&
           !atomic_compare_exchange_weak_explicit(
               calm, &seen, seen - 1, memory_order_relaxed, memory_order_relaxed))
        ;
}

void keel_throttle_count(const keel_throttle *throttle, bool accepted, uint64_t now)
{
    const keel_window *window = &throttle->window;

    if (accepted &&
        keel_window_try_ok(window, keel_stripe_mine(&throttle->stripes), 0, now))
        return;
    keel_window_record(window, 0, now, !accepted, false);
    if (!accepted)
        be_less_calm(throttle);
}
