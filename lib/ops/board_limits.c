/* SPDX-License-Identifier: MIT */
/* Places and tokens on a board, read from outside. */
#include "ops/board_limits.h"

#include <string.h>

#include "board/layout.h"
#include "policy/places.h"
#include "policy/rate.h"

/* Processes with another limit may hold places of another block; those count too. */
static uint64_t places_taken(const keel_board_entry *e, void *block)
{
    const keel_places places = { .words = block, .limit = e->count };

    return e->size / sizeof(uint64_t) >= e->count ? keel_places_taken(&places) : 0;
}

/* A rate that no settings can say is none. */
static bool is_sound(const keel_policy *p)
{
    return p->rate.count && p->rate_burst && p->rate.period_ns >= p->rate.count;
}

static uint64_t tokens_left(const keel_notice *notice, void *block, uint64_t now)
{
    const keel_policy policy = {
        .rate = { .count = atomic_load(&notice->rate_count),
                  .period_ns = atomic_load(&notice->rate_period_ns) },
        .rate_burst = (uint32_t)atomic_load(&notice->rate_burst)
    };
    keel_rate rate;

    if (!is_sound(&policy))
        return 0;
    keel_rate_init(&rate, block, &policy);
    return keel_rate_left(&rate, now);
}

static void look_at(const keel_board_entry *e, void *block, const keel_notice *notice,
                    uint64_t now, keel_pipeline_view *view)
{
    if (e->kind == KEEL_BLOCK_PLACES && view->places.limit)
        view->places.in_use += places_taken(e, block);
    else if (e->kind == KEEL_BLOCK_RATE && e->size >= sizeof(keel_rate_words) &&
             view->tokens.count)
        view->tokens.left = tokens_left(notice, block, now);
}

void keel_board_limits(const keel_board *board, const keel_notice *notice, uint64_t now,
                       keel_pipeline_view *view)
{
    keel_board_entry e;
    void *block;

    view->places.limit = atomic_load(&notice->places);
    view->tokens =
        (keel_tokens_view){ .count = atomic_load(&notice->rate_count),
                            .period_ns = atomic_load(&notice->rate_period_ns),
                            .burst = atomic_load(&notice->rate_burst) };
    if (!view->places.limit && !view->tokens.count)
        return;
    for (uint32_t i = 0; keel_board_entry_at(board, i, &e, &block); i++)
        if (block && !strcmp(e.name, view->name))
            look_at(&e, block, notice, now, view);
}
