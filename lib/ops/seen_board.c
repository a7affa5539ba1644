/* SPDX-License-Identifier: MIT */
/* What there is on a board, and in its windows. */
#include "ops/seen_board.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT_WINDOW_MOST = 100000 };

bool keel_seen_board_read(keel_seen_board *d, keel_board *board)
{
    *d = (keel_seen_board){ .board = board };
    d->blocks = calloc(KEEL_BOARD_BLOCKS, sizeof *d->blocks);
    if (!d->blocks)
        return false;
    while (d->count < KEEL_BOARD_BLOCKS &&
           keel_board_entry_at(board, d->count, &d->blocks[d->count].e,
                               &d->blocks[d->count].block))
        d->count++;
    return true;
}

void keel_seen_board_cleanup(keel_seen_board *d)
{
    free(d->blocks);
    *d = (keel_seen_board){ .count = 0 };
}

bool keel_seen_block_is(const keel_seen_block *at, keel_block_kind kind, size_t size)
{
    return at->block && at->e.kind == (uint32_t)kind && at->e.size >= size;
}

bool keel_seen_block_is_used(const keel_seen_block *at)
{
    uint64_t users = 0;

    for (size_t i = 0; i < sizeof at->e.users / sizeof at->e.users[0]; i++)
        users |= at->e.users[i];
    return users;
}

static const keel_seen_block *find_lines(const keel_seen_board *d,
                                         const keel_board_entry *window)
{
    for (uint32_t i = 0; i < d->count; i++) {
        const keel_seen_block *at = &d->blocks[i];

        if (keel_seen_block_is(at, KEEL_BLOCK_LINES, sizeof(keel_lines_words)) &&
            at->e.width == window->width && at->e.count == window->count &&
            !strcmp(at->e.name, window->name))
            return at;
    }
    return NULL;
}

/* The key's width is twice the bucket's, and one more where slow calls are watched. */
static bool as_time_window(const keel_seen_board *d, const keel_seen_block *at,
                           keel_window *window)
{
    static const keel_stripes no_stripes = { .lines = NULL };
    uint64_t width = at->e.width / 2;
    bool has_slow = at->e.width % 2;
    const keel_seen_block *lines;

    if (!at->e.count || at->e.count > KEEL_WINDOW_MAX_BUCKETS || !width ||
        !keel_seen_block_is(at, KEEL_BLOCK_TIME_WINDOW,
                            keel_time_window_size(at->e.count, has_slow)))
        return false;
    keel_time_window_init(window, at->block, &no_stripes, KEEL_STRIPE_WINDOW,
                          width * at->e.count, at->e.count, has_slow);
    lines = find_lines(d, &at->e);
    window->lines =
        (keel_lines){ .words = lines ? lines->block : NULL, .board = d->board };
    return true;
}

static bool as_count_window(const keel_seen_block *at, keel_window *window)
{
    if (!at->e.count || at->e.count > COUNT_WINDOW_MOST ||
        !keel_seen_block_is(at, KEEL_BLOCK_COUNT_WINDOW,
                            keel_count_window_size(at->e.count)))
        return false;
    keel_count_window_init(window, at->block, at->e.count);
    return true;
}

static bool is_window_of(const keel_seen_board *d, const keel_seen_block *at,
                         const char *name, keel_window *window)
{
    return !strcmp(at->e.name, name) &&
           (as_time_window(d, at, window) || as_count_window(at, window));
}

static bool has_used_window(const keel_seen_board *d, const char *name)
{
    keel_window unused;

    for (uint32_t i = 0; i < d->count; i++)
        if (keel_seen_block_is_used(&d->blocks[i]) &&
            is_window_of(d, &d->blocks[i], name, &unused))
            return true;
    return false;
}

static void add_totals(keel_totals *sum, const keel_totals *totals)
{
    sum->total += totals->total;
    sum->failed += totals->failed;
    sum->slow += totals->slow;
    sum->bad += totals->bad;
}

void keel_seen_board_totals(const keel_seen_board *d, const char *name,
                            keel_breaker *breaker, uint64_t now, keel_totals *sum)
{
    bool only_used = has_used_window(d, name);

    for (uint32_t i = 0; i < d->count; i++) {
        const keel_seen_block *at = &d->blocks[i];
        keel_totals totals;

        if ((only_used && !keel_seen_block_is_used(at)) ||
            !is_window_of(d, at, name, &breaker->window))
            continue;
        totals = keel_breaker_look_back(breaker, now).totals;
        add_totals(sum, &totals);
    }
}
