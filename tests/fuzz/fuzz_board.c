/* SPDX-License-Identifier: MIT */
/*
 * Any bytes behind the head of a board, as a process gone wrong might leave them: a look
 * from outside, the journal and a lock touch nothing that is not the board's.
 *
 * The input is a row of patches {offset 3, length 1, bytes}; each offset counts lines of
 * 8 bytes from where the head's own numbers begin. What they have changed is zeroed again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "board/layout.h"
#include "ops/board_events.h"
#include "ops/board_lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATCH_HEAD = 4, EVENTS_MOST = 3 * KEEL_JOURNAL_CELLS };

static const size_t begin = offsetof(keel_board_head, block_count);

/* A valid one, mapped once; its file is gone at once. NULL: none can be had. */
static keel_board *open_board(void)
{
    char directory[] = "/tmp/keel-fuzz-board-XXXXXX", path[64];
    keel_board *board = NULL;

    if (!mkdtemp(directory))
        return NULL;
    snprintf(path, sizeof path, "%s/board", directory);
    if (keel_board_map(&board, NULL, path, true, NULL) != KEEL_OK)
        board = NULL;
    unlink(path);
    rmdir(directory);
    return board;
}

static void patch(char *layout, const uint8_t *input, size_t size, bool is_undone)
{
    while (size >= PATCH_HEAD) {
        size_t at = begin + 8 * (size_t)(input[0] | input[1] << 8 | input[2] << 16);
        size_t length = input[3];

        input += PATCH_HEAD;
        size -= PATCH_HEAD;
        length = length < size ? length : size;
        if (at + length <= KEEL_BOARD_FILE_SIZE && is_undone)
            memset(layout + at, 0, length);
        else if (at + length <= KEEL_BOARD_FILE_SIZE)
            memcpy(layout + at, input, length);
        input += length;
        size -= length;
    }
}

static void expect_text(const char *text, size_t size)
{
    if (!memchr(text, '\0', size) || strchr(text, '\033'))
        __builtin_trap();
}

static void look(keel_board *board, const keel_instant *instant)
{
    keel_view view;

    if (keel_board_view(board, instant, &view) != KEEL_OK)
        return;
    for (size_t i = 0; i < view.count; i++) {
        if (!keel_name_is_valid(view.pipelines[i].name))
            __builtin_trap();
        expect_text(view.pipelines[i].lock.actor, KEEL_LOCK_ACTOR_SIZE);
        expect_text(view.pipelines[i].lock.reason, KEEL_LOCK_REASON_SIZE);
    }
    keel_view_cleanup(&view);
}

/* It comes to an end: two waits at most, since nobody writes meanwhile. */
static void follow(keel_board *board, uint64_t now)
{
    keel_event_cursor cursor = keel_board_events_begin(board);
    keel_event_view event;
    uint64_t lost, waits = 0;

    for (int i = 0; i < EVENTS_MOST; i++)
        switch (keel_board_events_next(board, &cursor, now, &event, &lost)) {
        case KEEL_EVENT_FOUND:
            expect_text(event.lock.actor, KEEL_LOCK_ACTOR_SIZE);
            break;
        case KEEL_EVENT_LOST:
            break;
        case KEEL_EVENT_AWAIT:
            now += KEEL_S;
            if (++waits > 2)
                __builtin_trap();
            break;
        case KEEL_EVENT_END:
            return;
        case KEEL_EVENT_AWAY: /* a file never is */
        case KEEL_EVENT_BACK:
            __builtin_trap();
        }
    __builtin_trap();
}

/* Where the input says a breaker is; what that has changed is zeroed as well. */
static void lock(keel_board *board, const keel_instant *instant)
{
    const keel_lock_options options = { .any_version = true, .actor = "fuzz" };
    keel_lock_state standing, replaced;
    keel_board_parts parts;

    if (!keel_board_find(board, "a", &parts) || !parts.breaker)
        return;
    if (keel_board_lock(board, &parts, KEEL_LOCK_OPEN, &options, instant, &standing,
                        &replaced) == KEEL_OK &&
        standing.lock != KEEL_LOCK_OPEN)
        __builtin_trap();
    memset((void *)parts.notice, 0, sizeof *parts.notice);
    memset((void *)parts.breaker, 0, sizeof *parts.breaker);
    memset((void *)keel_board_journal(board), 0, sizeof(keel_journal));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const keel_instant instant = { .now = 1000 * KEEL_S, .wall_ms = 1000000 };
    static keel_board *board;
    char *layout;

    if (!board)
        board = open_board();
    if (!board)
        return 0;
    layout = (char *)keel_board_journal(board) - offsetof(keel_board_layout, journal);
    patch(layout, data, size, false);
    look(board, &instant);
    follow(board, instant.now);
    lock(board, &instant);
    patch(layout, data, size, true);
    return 0;
}
