/* SPDX-License-Identifier: MIT */
/* The rate limiter. */
#include "policy/rate.h"

#include "base/clock.h"

/*
 * In whole nanoseconds. Cutting changes a rate by less than a thousandth; where it would
 * be more, the interval is rounded up, so that no rate is exceeded.
 */
static uint64_t interval_of(const keel_rate_limit *limit)
{
    uint64_t interval = limit->period_ns / limit->count;
    bool is_rough = interval < 1000 && limit->period_ns % limit->count;

    return is_rough ? interval + 1 : interval;
}

void keel_rate_init(keel_rate *rate, keel_rate_words *words, const keel_policy *policy)
{
    uint64_t interval = interval_of(&policy->rate);
    uint64_t more = policy->rate_burst - 1u;
    bool fits = !more || interval <= (KEEL_NEVER / 2) / more;

    *rate = (keel_rate){ .words = words,
                         .interval_ns = interval,
                         .burst_ns = fits ? interval * more : KEEL_NEVER / 2 };
}

bool keel_rate_take(const keel_rate *rate, uint64_t now, uint64_t most_wait_ns,
                    uint64_t *wait_ns, uint64_t *tat)
{
    uint64_t old = atomic_load_explicit(&rate->words->tat, memory_order_relaxed);
    uint64_t from, next;

    do {
        from = old > now ? old : now;
        next = keel_ns_add(from, rate->interval_ns);
        *wait_ns = keel_ns_left(from, keel_ns_add(now, rate->burst_ns));
        if (*wait_ns > most_wait_ns)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &rate->words->tat, &old, next, memory_order_relaxed, memory_order_relaxed));
    *tat = next;
    return true;
}

uint64_t keel_rate_left(const keel_rate *rate, uint64_t now)
{
    uint64_t tat = atomic_load_explicit(&rate->words->tat, memory_order_relaxed);
    uint64_t ahead = keel_ns_left(tat, now);

    return ahead > rate->burst_ns ? 0
                                  : (rate->burst_ns - ahead) / rate->interval_ns + 1;
}

void keel_rate_give_back(const keel_rate *rate, uint64_t tat)
{
    atomic_compare_exchange_strong_explicit(&rate->words->tat, &tat,
                                            keel_ns_left(tat, rate->interval_ns),
                                            memory_order_relaxed, memory_order_relaxed);
}

/* Beyond the burst, which would let calls through before the instant. */
static uint64_t tat_of_shut(const keel_rate *rate, uint64_t until)
{
    return keel_ns_add(until, rate->burst_ns);
}

static void raise_to(_Atomic uint64_t *word, uint64_t least)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    while (old < least && !atomic_compare_exchange_weak_explicit(word, &old, least,
                                                                 memory_order_relaxed,
                                                                 memory_order_relaxed))
        ;
}

void keel_rate_fit(const keel_rate *rate, uint64_t now)
{
    uint64_t shut_until =
        atomic_load_explicit(&rate->words->shut_until, memory_order_relaxed);
    bool is_shut = shut_until > now;
    uint64_t most =
        is_shut ? tat_of_shut(rate, shut_until)
                : keel_ns_add(keel_ns_add(now, rate->burst_ns), rate->interval_ns);
    uint64_t old = atomic_load_explicit(&rate->words->tat, memory_order_relaxed);

    while (old > most && !atomic_compare_exchange_weak_explicit(
                             &rate->words->tat, &old, most, memory_order_relaxed,
                             memory_order_relaxed))
        ;
    if (is_shut)
        raise_to(&rate->words->tat, most);
}

void keel_rate_drain(const keel_rate *rate, uint64_t now, uint64_t for_ns)
{
    uint64_t until = keel_ns_add(now, for_ns);

    raise_to(&rate->words->shut_until, until);
    raise_to(&rate->words->tat, tat_of_shut(rate, until));
}
