/* SPDX-License-Identifier: MIT */
/*
 * Counters that many threads add to: each of the first ones has a row of its own, and
 * adds without a locked instruction; the others share some rows. Sums are taken when
 * somebody looks.
 */
#ifndef KEEL_BAG_WRAP_COUNTS_H
#define KEEL_BAG_WRAP_COUNTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/thread.h"

enum { KEEL_COUNTS_OWNED = 28, KEEL_COUNTS_SHARED = 4 };

typedef struct keel_counts {
    _Atomic uint64_t *rows;
    uint32_t width; /* counters of a row, in whole cache lines */
} keel_counts;

/* count: how many counters. False: no memory. */
bool keel_counts_init(keel_counts *c, const keel_allocator *memory, uint32_t count);
void keel_counts_cleanup(keel_counts *c, const keel_allocator *memory);

uint64_t keel_counts_sum(const keel_counts *c, uint32_t number);

/* The row of this thread, for who adds to several counters. */
typedef struct keel_counts_row {
    _Atomic uint64_t *at;
    bool is_shared;
} keel_counts_row;

static inline keel_counts_row keel_counts_mine(const keel_counts *c)
{
    uint32_t index = keel_thread_self()->index;

    if (KEEL_LIKELY(index < KEEL_COUNTS_OWNED))
        return (keel_counts_row){ &c->rows[(size_t)index * c->width], false };
    index = KEEL_COUNTS_OWNED + index % KEEL_COUNTS_SHARED;
    return (keel_counts_row){ &c->rows[(size_t)index * c->width], true };
}

/* Returns what the row had before. */
static inline uint64_t keel_counts_row_add(keel_counts_row row, uint32_t number,
                                           uint64_t by)
{
    _Atomic uint64_t *at = &row.at[number];
    uint64_t before;

    if (row.is_shared)
        return atomic_fetch_add_explicit(at, by, memory_order_relaxed);
    before = atomic_load_explicit(at, memory_order_relaxed);
    atomic_store_explicit(at, before + by, memory_order_relaxed);
    return before;
}

static inline uint64_t keel_counts_add(const keel_counts *c, uint32_t number)
{
    return keel_counts_row_add(keel_counts_mine(c), number, 1);
}

#endif
