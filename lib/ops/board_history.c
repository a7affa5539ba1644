/* SPDX-License-Identifier: MIT */
/* The block of samples on a board, read from outside. */
#include "ops/board_history.h"

#include <string.h>

#include "base/clock.h"
#include "board/layout.h"

static const keel_history *find(const keel_board *board, const char *name)
{
    keel_board_entry e;
    void *block;

    for (uint32_t i = 0; keel_board_entry_at(board, i, &e, &block); i++)
        if (block && e.kind == KEEL_BLOCK_HISTORY && e.size >= sizeof(keel_history) &&
            !strcmp(e.name, name))
            return block;
    return NULL;
}

/* Bits that no writer sets are shown as if they were none. */
static bool is_sound(const keel_sample *sample)
{
    return (unsigned)sample->state <= KEEL_BREAKER_HALF_OPEN &&
           (unsigned)sample->lock <= KEEL_LOCK_OBSERVE;
}

/* A breaker without a sample is what it was: before is the last one that was read. */
static void read_second(const keel_history *history, uint64_t second,
                        const keel_sample *before, keel_second_view *view)
{
    keel_sample sample;

    view->has_sample = keel_history_read(history, second, &sample) && is_sound(&sample);
    view->is_known = view->has_sample || before;
    if (view->has_sample)
        view->sample = sample;
    else if (before)
        view->sample = (keel_sample){ .second = before->second,
                                      .state = before->state,
                                      .lock = before->lock,
                                      .generation = before->generation };
}

/* The seconds of the board's clock from first on. */
static void read_seconds(const keel_history *history, uint64_t first,
                         keel_history_view *view)
{
    keel_sample oldest;
    bool is_known =
        keel_history_read_before(history, first, &oldest) && is_sound(&oldest);
    const keel_sample *before = is_known ? &oldest : NULL;

    for (uint64_t i = 0; i < KEEL_HISTORY_SECONDS; i++) {
        keel_second_view *second = &view->seconds[i];

        read_second(history, first + i, before, second);
        before = second->is_known ? &second->sample : NULL;
    }
}

/* A word of refusals, if its second is one of those that are shown. */
static void add_refused(const _Atomic uint64_t *word, uint64_t first,
                        keel_history_view *view)
{
    uint64_t value = atomic_load_explicit(word, memory_order_relaxed);
    uint64_t i = (value >> 32) - first;

    if (i < KEEL_HISTORY_SECONDS)
        view->seconds[i].refused += value & UINT32_MAX;
}

static void add_lines(const keel_lines *lines, uint64_t first, keel_history_view *view)
{
    for (uint32_t n = 0; n < keel_lines_sets(lines); n++) {
        keel_stripes set = keel_lines_set(lines, n);

        for (uint32_t i = 0; i < set.count; i++)
            add_refused(&set.lines[i].words[KEEL_STRIPE_REFUSED], first, view);
    }
}

/* What is still in the lines of all processes, whatever window they count for. */
static void add_all_lines(keel_board *board, const char *name, uint64_t first,
                          keel_history_view *view)
{
    keel_board_entry e;
    void *block;

    for (uint32_t i = 0; keel_board_entry_at(board, i, &e, &block); i++) {
        keel_lines lines = { .words = block, .board = board };

        if (block && e.kind == KEEL_BLOCK_LINES && e.size >= sizeof *lines.words &&
            !strcmp(e.name, name))
            add_lines(&lines, first, view);
    }
}

bool keel_board_history(keel_board *board, const char *name,
                        const keel_instant *instant, keel_history_view *view)
{
    const keel_history *history = find(board, name);
    uint64_t newest = instant->now / KEEL_S;
    uint64_t first = newest - (KEEL_HISTORY_SECONDS - 1);

    *view = (keel_history_view){ .seconds[0].has_sample = false };
    if (!history)
        return false;
    for (uint64_t i = 0; i < KEEL_HISTORY_SECONDS; i++)
        view->seconds[i].at_s =
            instant->wall_ms / 1000 - (KEEL_HISTORY_SECONDS - 1 - i);
    if (newest < KEEL_HISTORY_SECONDS)
        return true; /* nothing is a minute old on a machine that was just started */
    read_seconds(history, first, view);
    for (size_t i = 0; i < KEEL_HISTORY_SECONDS; i++)
        add_refused(&history->refused[i], first, view);
    add_all_lines(board, name, first, view);
    return true;
}
