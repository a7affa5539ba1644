/* SPDX-License-Identifier: MIT */
/* Adaptive limits and chances of the throttle on a board, read from outside. */
#include "ops/board_found.h"

#include <string.h>

#include "board/layout.h"
#include "policy/found.h"

static void add(keel_range_view *range, uint64_t value)
{
    if (!range->processes || value < range->least)
        range->least = value;
    if (value > range->most)
        range->most = value;
    range->processes++;
}

/* Of those who use it: what a slot's owner before has left is nobody's. */
static void look_at(const keel_board_entry *e, keel_found *found, const bool *is_alive,
                    keel_pipeline_view *view)
{
    for (uint32_t slot = 0; slot < KEEL_BOARD_OWNERS; slot++) {
        uint64_t word =
            atomic_load_explicit(&found->by_owner[slot], memory_order_relaxed);
        uint32_t ppm;

        if (!is_alive[slot] || !(e->users[slot / 64] >> slot % 64 & 1))
            continue;
        if (keel_found_limit(word))
            add(&view->adaptive, keel_found_limit(word));
        if (keel_found_chance(word, &ppm))
            add(&view->throttle, ppm);
    }
}

void keel_board_found(const keel_board *board, const bool *is_alive,
                      keel_pipeline_view *view)
{
    keel_board_entry e;
    void *block;

    for (uint32_t i = 0; keel_board_entry_at(board, i, &e, &block); i++)
        if (block && e.kind == KEEL_BLOCK_FOUND && e.size >= sizeof(keel_found) &&
            !strcmp(e.name, view->name))
            look_at(&e, block, is_alive, view);
}
