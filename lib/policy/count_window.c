/* SPDX-License-Identifier: MIT */
/*
 * The count window: a ring of 2-bit cells. The layout is drawn in window.h.
 *
 * The newest outcome stands in the head itself, so that one swap records it. Its cell
 * is written by whoever comes next, before he moves the head on: a thread that stops
 * anywhere leaves a window that is right. Each write of a cell changes the version of
 * its word, so that one who was stopped before his finds that another has done it.
 */
#include "policy/window_kinds.h"

enum {
    POSITION_BITS = 20,
    LAP_BITS = 18, /* so that a head does not come back with the ring's next round */
    PLACE_BITS = LAP_BITS + POSITION_BITS,
    NEWEST_BITS = 2,
    GENERATION_SHIFT = PLACE_BITS + NEWEST_BITS,
    CELLS_PER_WORD = 26
};

#define POSITION_MASK (((uint64_t)1 << POSITION_BITS) - 1)
#define PLACE_MASK (((uint64_t)1 << PLACE_BITS) - 1)
#define GENERATION_MASK (((uint64_t)1 << 24) - 1)
#define CELLS_MASK (((uint64_t)1 << (2 * CELLS_PER_WORD)) - 1)
#define VERSION_ONE (CELLS_MASK + 1)
#define FAILED_BITS ((uint64_t)0x5555555555555555)

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

/* the head; its position counts outcomes, the newest is the one before it */

static uint64_t head_pack(uint32_t generation, uint64_t newest, uint64_t place)
{
    return (generation & GENERATION_MASK) << GENERATION_SHIFT | newest << PLACE_BITS |
           (place & PLACE_MASK);
}

static uint64_t head_newest(uint64_t head)
{
    return head >> PLACE_BITS & 3;
}

static uint64_t head_position(uint64_t head)
{
    return head & POSITION_MASK;
}

static bool head_is_of(uint64_t head, uint32_t generation)
{
    return head >> GENERATION_SHIFT == (generation & GENERATION_MASK);
}

static bool head_is_after(uint64_t head, uint32_t generation)
{
    /* an untouched window is of no generation yet */
    return head && (((head >> GENERATION_SHIFT) - generation) & GENERATION_MASK) - 1 <
                       GENERATION_MASK / 2;
}

/*
 * Lap and position after those of a head. From `calls` on the ring is full, and the
 * position stays at or above that.
 */
static uint64_t place_after(const keel_window *window, uint64_t head)
{
    uint64_t next = (head & PLACE_MASK) + 1;

    if (KEEL_LIKELY((next & POSITION_MASK) != 2 * (uint64_t)window->count))
        return next;
    return next - window->count + ((uint64_t)1 << POSITION_BITS);
}

/* Where the outcome is that was the newest but `back` before this position; 0: it. */
static uint64_t index_of(const keel_window *window, uint64_t position, uint64_t back)
{
    uint64_t index = position + window->count - 1 - back;

    while (index >= window->count) /* twice at most; a division is dearer */
        index -= window->count;
    return index;
}

/* the cells */

static _Atomic uint64_t *word_of(const keel_window *window, uint64_t index)
{
    return &window->by_count->cells[index / CELLS_PER_WORD];
}

static unsigned shift_of(uint64_t index)
{
    return 2 * (unsigned)(index % CELLS_PER_WORD);
}

static uint64_t cell_of(uint64_t word, uint64_t index)
{
    return word >> shift_of(index) & 3;
}

static uint64_t with_cell(uint64_t word, uint64_t index, uint64_t outcome)
{
    return (word & ~((uint64_t)3 << shift_of(index))) | outcome << shift_of(index);
}

/*
 * Writes the newest outcome to its cell, unless it is there, as mostly a success over a
 * success is, or the head has gone on, which it did after somebody else had written it.
 * Release pairs with the acquire of the head in sums: by the next head every cell but its
 * newest is there.
 */
static void settle(const keel_window *window, uint64_t head)
{
    uint64_t index = index_of(window, head_position(head), 0);
    _Atomic uint64_t *word = word_of(window, index);
    /* acquire: the head is looked at after the word */
    uint64_t old = atomic_load_explicit(word, memory_order_acquire);

    while (cell_of(old, index) != head_newest(head) &&
           atomic_load_explicit(&window->by_count->head, memory_order_relaxed) ==
               head &&
           !atomic_compare_exchange_weak_explicit(
               word, &old, with_cell(old, index, head_newest(head)) + VERSION_ONE,
               memory_order_acq_rel, memory_order_acquire))
        ;
}

keel_recorded keel_count_window_record(const keel_window *window, uint32_t generation,
                                       bool failed, bool slow)
{
    _Atomic uint64_t *head = &window->by_count->head;
    uint64_t old = atomic_load_explicit(head, memory_order_acquire);
    uint64_t outcome = (failed ? 1u : 0u) | (slow ? 2u : 0u);
    uint64_t so_far;

    do {
        so_far = 0;
        if (head_is_of(old, generation))
            so_far = old;
        else if (head_is_after(old, generation))
            return KEEL_RECORDED_LATE;
        if (head_position(so_far))
            settle(window, so_far);
    } while (!atomic_compare_exchange_weak_explicit(
        head, &old, head_pack(generation, outcome, place_after(window, so_far)),
        memory_order_acq_rel, memory_order_acquire));
    return KEEL_RECORDED;
}

void keel_count_window_begin(const keel_window *window, uint64_t head,
                             uint32_t generation)
{
    atomic_compare_exchange_strong_explicit(&window->by_count->head, &head,
                                            head_pack(generation, 0, 0),
                                            memory_order_acq_rel, memory_order_relaxed);
}

void keel_count_window_renew(const keel_window *window, uint32_t generation)
{
    atomic_store_explicit(&window->by_count->head, head_pack(generation, 0, 0),
                          memory_order_release);
}

/* The outcomes of one word that count: all up to `valid`, the newest by the head. */
static uint64_t valid_cells(const keel_window *window, uint64_t first, uint64_t valid,
                            uint64_t head)
{
    uint64_t newest = index_of(window, head_position(head), 0);
    uint64_t word = atomic_load_explicit(word_of(window, first), memory_order_relaxed);

    if (newest / CELLS_PER_WORD == first / CELLS_PER_WORD)
        word = with_cell(word, newest, head_newest(head));
    return valid - first < CELLS_PER_WORD
               ? word & (((uint64_t)1 << shift_of(valid)) - 1)
               : word & CELLS_MASK;
}

static uint64_t valid_count(const keel_window *window, uint64_t head)
{
    uint64_t position = head_position(head);

    return position < window->count ? position : window->count;
}

keel_totals keel_count_window_sum(const keel_window *window, uint32_t generation)
{
    /* acquire pairs with the release in settle */
    uint64_t head = atomic_load_explicit(&window->by_count->head, memory_order_acquire);
    keel_totals totals = { 0, 0, 0, 0 };

    if (!head_is_of(head, generation))
        return totals;
    totals.total = valid_count(window, head);
    for (uint64_t first = 0; first < totals.total; first += CELLS_PER_WORD) {
        uint64_t cells = valid_cells(window, first, totals.total, head);
        uint64_t failed = cells & FAILED_BITS;
        uint64_t slow = cells >> 1 & FAILED_BITS;

        totals.failed += (uint64_t)__builtin_popcountll(failed);
        totals.slow += (uint64_t)__builtin_popcountll(slow);
        totals.bad += (uint64_t)__builtin_popcountll(failed | slow);
    }
    return totals;
}

static uint64_t outcome_at(const keel_window *window, uint64_t head, uint64_t back)
{
    uint64_t index = index_of(window, head_position(head), back);

    if (back == 0)
        return head_newest(head);
    return cell_of(atomic_load_explicit(word_of(window, index), memory_order_relaxed),
                   index);
}

void keel_count_window_refit(const keel_window *to, const keel_window *from,
                             uint32_t generation)
{
    uint64_t head = atomic_load_explicit(&from->by_count->head, memory_order_acquire);
    uint64_t valid = valid_count(from, head);

    if (!head_is_of(head, generation))
        return;
    for (uint64_t back = valid < to->count ? valid : to->count; back > 0; back--) {
        uint64_t outcome = outcome_at(from, head, back - 1);

        keel_count_window_record(to, generation, outcome & 1, outcome & 2);
    }
}
