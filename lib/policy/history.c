/* SPDX-License-Identifier: MIT */
/* Samples of a breaker, and refusals, second by second. */
#include "policy/history.h"

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

/* ---- samples ----------------------------------------------------------------------- */

static uint64_t head_of(uint64_t second, const keel_breaker_view *view)
{
    return second << 24 | (uint64_t)view->state << 22 | (uint64_t)view->lock << 19;
}

static void write_counts(_Atomic uint64_t *sample, uint64_t second,
                         const keel_breaker_view *view)
{
    atomic_store_explicit(&sample[1],
                          mark_of(second) | count_of(view->totals.total) << 28 |
                              count_of(view->totals.failed),
                          memory_order_release);
    atomic_store_explicit(&sample[2],
                          mark_of(second) | count_of(view->totals.slow) << 28 |
                              (uint64_t)(view->generation & KEEL_GENERATION_MASK) << 4,
                          memory_order_release);
}

static void take(keel_history *history, const keel_breaker *breaker, uint64_t now_ns,
                 bool is_anew)
{
    uint64_t second = now_ns / KEEL_S & SECOND_MASK;
    _Atomic uint64_t *sample = history->samples[second % KEEL_HISTORY_SECONDS];
    uint64_t old = atomic_load_explicit(&sample[0], memory_order_relaxed);
    keel_breaker_view view;

    if (old >> 24 > second || (old >> 24 == second && !is_anew))
        return;
    view = keel_breaker_look_back(breaker, now_ns);
    if (atomic_compare_exchange_strong(&sample[0], &old, head_of(second, &view)))
        write_counts(sample, second, &view); /* else somebody else takes it */
}

void keel_history_take(keel_history *history, const keel_breaker *breaker,
                       uint64_t now_ns)
{
    take(history, breaker, now_ns, false);
}

void keel_history_retake(keel_history *history, const keel_breaker *breaker,
                         uint64_t now_ns)
{
    take(history, breaker, now_ns, true);
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

bool keel_history_read_before(const keel_history *history, uint64_t second,
                              keel_sample *sample)
{
    bool is_found = false;
    keel_sample other;

    *sample = (keel_sample){ .second = 0 };
    for (size_t i = 0; i < KEEL_HISTORY_SECONDS; i++) {
        uint64_t at =
            atomic_load_explicit(&history->samples[i][0], memory_order_relaxed) >> 24;

        if (at >= second || at <= sample->second ||
            !keel_history_read(history, at, &other))
            continue;
        *sample = other;
        is_found = true;
    }
    return is_found;
}

/* ---- refusals ---------------------------------------------------------------------- */

/* Of a second whose word is a younger one's by now, nothing is kept: it was a minute ago. */
static void add_refused(keel_history *history, uint64_t second, uint64_t count)
{
    _Atomic uint64_t *word = &history->refused[second % KEEL_HISTORY_SECONDS];
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    uint64_t base;

    do {
        if (old >> 32 > second)
            return;
        base = old >> 32 == second ? old : second << 32;
    } while (!atomic_compare_exchange_weak_explicit(
        word, &old, base + count, memory_order_relaxed, memory_order_relaxed));
}

/* Killed between the two steps, it has lost a second's refusals of one line. */
void keel_history_refused(keel_history *history, keel_stripe stripe, uint64_t now_ns)
{
    _Atomic uint64_t *word = &stripe.line->words[KEEL_STRIPE_REFUSED];
    uint64_t second = now_ns / KEEL_S;
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    while (old >> 32 < second)
        if (atomic_compare_exchange_weak_explicit(word, &old, second << 32 | 1,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed)) {
            add_refused(history, old >> 32, old & UINT32_MAX);
            return;
        }
    /* a shared line's other writer was quicker, a clock is behind, or it is nobody's */
    add_refused(history, second, 1);
}
