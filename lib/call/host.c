/* SPDX-License-Identifier: MIT */
/* A runtime's part in a shared board. Not for the board itself. */
#include "call/host.h"

#include "board/layout.h"
#include "call/pipeline.h"
#include "policy/health_state.h"

#define BURY_EVERY_NS KEEL_S

typedef struct burial {
    uint64_t now;
} burial;

/* Leases end and places are free; what the dead one counted stays counted, and is no
 * longer being folded. What an entry of a file says of itself is not trusted. */
static void bury_block(keel_board *board, const keel_board_entry *e, void *block,
                       uint32_t slot, uint64_t now)
{
    keel_breaker_words *words = block;
    keel_endpoint_words *endpoint = block;

    if (e->kind == KEEL_BLOCK_BREAKER && e->size >= sizeof *words)
        keel_leases_forsake(words->leases, KEEL_BREAKER_OWN_LEASES, slot, now);
    else if (e->kind == KEEL_BLOCK_ENDPOINT && e->size >= sizeof *endpoint)
        keel_leases_forsake(endpoint->breaker.leases, KEEL_BREAKER_OWN_LEASES, slot,
                            now);
    else if (e->kind == KEEL_BLOCK_LEASES && e->size / sizeof(uint64_t) >= e->count)
        keel_leases_forsake(block, e->count, slot, now);
    else if (e->kind == KEEL_BLOCK_PLACES && e->size / sizeof(uint64_t) >= e->count)
        keel_places_forsake(block, e->count, slot);
    else if (e->kind == KEEL_BLOCK_LINES && e->size >= sizeof(keel_lines_words))
        keel_lines_forsake(&(keel_lines){ block, board }, slot);
    else if (e->kind == KEEL_BLOCK_HEALTH && e->size >= sizeof(keel_health_words))
        keel_health_forsake(block, slot);
}

static void bury(keel_board *board, uint32_t slot, void *ctx)
{
    const burial *b = ctx;
    keel_board_entry entry;
    void *block;

    for (uint32_t i = 0; keel_board_entry_at(board, i, &entry, &block); i++)
        if (block)
            bury_block(board, &entry, block, slot, b->now);
}

static bool join(keel_runtime *rt)
{
    burial b = { rt->clock.now(rt->clock.ctx) };

    return keel_board_join(rt->shared, bury, &b);
}

void keel_host_join(keel_runtime *rt)
{
    const char *path = keel_config_process(rt->config)->board;
    keel_detail why = KEEL_DETAIL_INIT;

    if (!path || keel_runtime_is_disabled(rt))
        return;
    if (keel_board_map(&rt->shared, rt->memory, path, true, &why) != KEEL_OK) {
        keel_warn(&rt->warnings, "KEEL_BOARD: %s; nothing is shared", why.text);
        return;
    }
    if (join(rt))
        return;
    keel_warn(&rt->warnings,
              "KEEL_BOARD: the board %s has no room for this process, or its lock is "
              "held; nothing is shared",
              path);
    keel_host_leave(rt);
}

void keel_host_leave(keel_runtime *rt)
{
    keel_board_close(rt->shared);
    rt->shared = NULL;
}

void keel_host_check(keel_runtime *rt)
{
    if (!rt->shared || rt->is_board_lost || keel_board_is_in_place(rt->shared))
        return;
    rt->is_board_lost = true;
    keel_warn(
        &rt->warnings,
        "KEEL_BOARD: the board %s was deleted or replaced; processes that start now "
        "do not share with this one",
        keel_config_process(rt->config)->board);
}

/* The lines that the parent's threads count in are not the child's. */
static void rejoin_lines(const keel_pipeline *pipeline)
{
    const keel_plan *plan = atomic_load(&pipeline->plan);
    const keel_window *window = &plan->breaker.window;

    if (window->lines.words)
        keel_lines_join(&window->lines, (keel_stripes *)(uintptr_t)window->stripes);
}

void keel_host_forked(keel_runtime *rt)
{
    if (!rt->shared)
        return;
    keel_board_forked(rt->shared);
    if (!join(rt)) {
        /* it shares all the same, and counts in the buckets */
        keel_warn(&rt->warnings,
                  "KEEL_BOARD: the board has no room for this child, or its lock is "
                  "held; limits of the host are its own");
        return;
    }
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        rejoin_lines(rt->pipelines[i]);
}

void keel_host_bury(keel_runtime *rt, uint64_t now)
{
    burial b = { now };

    if (rt->shared && keel_board_bury_is_due(rt->shared, now, BURY_EVERY_NS))
        keel_board_bury(rt->shared, bury, &b);
}
