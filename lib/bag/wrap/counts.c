/* SPDX-License-Identifier: MIT */
/* The rows of counters. */
#include "bag/wrap/counts.h"

enum { ROWS = KEEL_COUNTS_OWNED + KEEL_COUNTS_SHARED, IN_A_LINE = 8 };

bool keel_counts_init(keel_counts *c, const keel_allocator *memory, uint32_t count)
{
    c->width = (count + IN_A_LINE - 1) / IN_A_LINE * IN_A_LINE;
    c->rows = keel_memory_new(memory, sizeof *c->rows * ROWS * c->width);
    return c->rows != NULL;
}

void keel_counts_cleanup(keel_counts *c, const keel_allocator *memory)
{
    keel_memory_free(memory, (void *)c->rows);
}

uint64_t keel_counts_sum(const keel_counts *c, uint32_t number)
{
    uint64_t sum = 0;

    for (uint32_t row = 0; row < ROWS; row++)
        sum += atomic_load_explicit(&c->rows[row * c->width + number],
                                    memory_order_relaxed);
    return sum;
}
