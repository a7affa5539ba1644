/* SPDX-License-Identifier: MIT */
/* Samples of a breaker, once a second. */
#include "policy/history.h"

#include "base/clock.h"

#define COUNT_MASK (((uint64_t)1 << 28) - 1)
#define SECOND_MASK (((uint64_t)1 << 40) - 1)

static uint64_t count_of(uint64_t n)
{
    return n < COUNT_MASK ? n : COUNT_MASK;
}

static uint64_t mark_of(uint64_t second)
{
    return second << 56;
}

void keel_history_take(keel_history *history, const keel_breaker *breaker,
                       uint64_t now_ns)
{
    uint64_t second = now_ns / KEEL_S & SECOND_MASK;
    _Atomic uint64_t *sample = history->samples[second % KEEL_HISTORY_SECONDS];
    uint64_t old = atomic_load_explicit(&sample[0], memory_order_relaxed);
    keel_breaker_view view;

    if (old >> 24 == second)
        return;
    view = keel_breaker_look(breaker, now_ns);
    if (!atomic_compare_exchange_strong(&sample[0], &old,
                                        second << 24 | (uint64_t)view.state << 22 |
                                            (uint64_t)view.lock << 19))
        return; /* somebody else takes it */
    atomic_store_explicit(&sample[1],
                          mark_of(second) | count_of(view.totals.total) << 28 |
                              count_of(view.totals.failed),
                          memory_order_release);
    atomic_store_explicit(&sample[2],
                          mark_of(second) | count_of(view.totals.slow) << 28 |
                              (uint64_t)(view.generation & KEEL_GENERATION_MASK) << 4,
                          memory_order_release);
}

bool keel_history_read(const keel_history *history, uint64_t second,
                       keel_sample *sample)
{
    const _Atomic uint64_t *words = history->samples[second % KEEL_HISTORY_SECONDS];
    uint64_t counts = atomic_load_explicit(&words[1], memory_order_acquire);
    uint64_t rest = atomic_load_explicit(&words[2], memory_order_acquire);
    uint64_t first = atomic_load_explicit(&words[0], memory_order_acquire);

    *sample = (keel_sample){ .second = second,
                             .state = (keel_breaker_state)(first >> 22 & 3),
                             .lock = (keel_lock)(first >> 19 & 7),
                             .generation = (uint32_t)(rest >> 4 & KEEL_GENERATION_MASK),
                             .calls = counts >> 28 & COUNT_MASK,
                             .failures = counts & COUNT_MASK,
                             .slow = rest >> 28 & COUNT_MASK };
    return first >> 24 == (second & SECOND_MASK) && counts >> 56 == (second & 0xff) &&
           rest >> 56 == (second & 0xff);
}
