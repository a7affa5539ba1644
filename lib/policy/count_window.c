/* SPDX-License-Identifier: MIT */
/* The count window: a ring of 2-bit cells. The layout is drawn in window.h. */
#include "policy/window_kinds.h"

enum { POSITION_BITS = 40, CELLS_PER_WORD = 32 };

#define POSITION_MASK (((uint64_t)1 << POSITION_BITS) - 1)
#define GENERATION_MASK (((uint64_t)1 << 24) - 1)
#define FAILED_BITS 0x5555555555555555u
#define SLOW_BITS 0xaaaaaaaaaaaaaaaau

size_t keel_count_window_size(uint32_t calls)
{
    return sizeof(keel_count_window_words) +
           ((size_t)calls + CELLS_PER_WORD - 1) / CELLS_PER_WORD * sizeof(uint64_t);
}

void keel_count_window_init(keel_window *window, keel_count_window_words *words,
                            uint32_t calls)
{
    *window = (keel_window){ .by_count = words, .count = calls, .has_slow = true };
}

static uint64_t head_pack(uint32_t generation, uint64_t position)
{
    return (generation & GENERATION_MASK) << POSITION_BITS | position;
}

static bool head_is_of(uint64_t head, uint32_t generation)
{
    return head >> POSITION_BITS == (generation & GENERATION_MASK);
}

static bool head_is_after(uint64_t head, uint32_t generation)
{
    /* an untouched window is of no generation yet */
    return head && (((head >> POSITION_BITS) - generation) & GENERATION_MASK) - 1 <
                       GENERATION_MASK / 2;
}

/* The next position: from `calls` on the ring is full, and it stays at or above that.
 */
static uint64_t position_after(const keel_window *window, uint64_t position)
{
    return position + 1 == 2 * (uint64_t)window->count ? window->count : position + 1;
}

static void cell_set(const keel_window *window, uint64_t index, uint64_t bits)
{
    _Atomic uint64_t *word = &window->by_count->cells[index / CELLS_PER_WORD];
    unsigned shift = 2 * (unsigned)(index % CELLS_PER_WORD);
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    uint64_t fresh;

    do {
        fresh = (old & ~((uint64_t)3 << shift)) | bits << shift;
        if (fresh == old)
            return; /* mostly a success over a success */
    } while (!atomic_compare_exchange_weak_explicit(
        word, &old, fresh, memory_order_relaxed, memory_order_relaxed));
}

keel_recorded keel_count_window_record(const keel_window *window, uint32_t generation,
                                       bool failed, bool slow)
{
    _Atomic uint64_t *head = &window->by_count->head;
    uint64_t old = atomic_load_explicit(head, memory_order_relaxed);
    uint64_t position, next;

    do {
        if (head_is_after(old, generation))
            return KEEL_RECORDED_LATE;
        position = head_is_of(old, generation) ? old & POSITION_MASK : 0;
        next = position_after(window, position);
    } while (!atomic_compare_exchange_weak_explicit(
        head, &old, head_pack(generation, next), memory_order_relaxed,
        memory_order_relaxed));
    cell_set(window, position < window->count ? position : position - window->count,
             (failed ? 1u : 0u) | (slow ? 2u : 0u));
    return KEEL_RECORDED;
}

keel_totals keel_count_window_sum(const keel_window *window, uint32_t generation)
{
    uint64_t head = atomic_load_explicit(&window->by_count->head, memory_order_acquire);
    uint64_t position = head & POSITION_MASK;
    uint64_t valid = position < window->count ? position : window->count;
    keel_totals totals = { 0, 0, 0, 0 };

    if (!head_is_of(head, generation))
        return totals;
    totals.total = valid;
    for (uint64_t i = 0; i * CELLS_PER_WORD < valid; i++) {
        uint64_t left = valid - i * CELLS_PER_WORD;
        uint64_t word =
            atomic_load_explicit(&window->by_count->cells[i], memory_order_relaxed);

        if (left < CELLS_PER_WORD)
            word &= ((uint64_t)1 << (2 * left)) - 1;
        totals.failed += (uint64_t)__builtin_popcountll(word & FAILED_BITS);
        totals.slow += (uint64_t)__builtin_popcountll(word & SLOW_BITS);
        totals.bad += (uint64_t)__builtin_popcountll((word | word >> 1) & FAILED_BITS);
    }
    return totals;
}

static uint64_t cell_at(const keel_window *window, uint64_t index)
{
    uint64_t word = atomic_load_explicit(
        &window->by_count->cells[index / CELLS_PER_WORD], memory_order_relaxed);

    return word >> (2 * (index % CELLS_PER_WORD)) & 3;
}

void keel_count_window_refit(const keel_window *to, const keel_window *from,
                             uint32_t generation)
{
    uint64_t head = atomic_load_explicit(&from->by_count->head, memory_order_acquire);
    uint64_t position = head & POSITION_MASK;
    uint64_t valid = position < from->count ? position : from->count;
    uint64_t wanted = valid < to->count ? valid : to->count;

    if (!head_is_of(head, generation))
        return;
    for (uint64_t back = wanted; back > 0; back--) {
        /* position >= valid >= back, and the ring's index is the position modulo its
         * size */
        uint64_t cell = cell_at(from, (position + from->count - back) % from->count);

        keel_count_window_record(to, generation, cell & 1, cell & 2);
    }
}
