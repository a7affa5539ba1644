/* SPDX-License-Identifier: MIT */
/*
 * The journal of a board, read in order from outside. The reader keeps his place; nobody
 * waits for him. Not for the journal's cells: that is board/journal.c.
 */
#ifndef KEEL_OPS_BOARD_EVENTS_H
#define KEEL_OPS_BOARD_EVENTS_H

#include "ops/board_view.h"

/* A reader's place. All records below missed_to were begun before missed_at. */
typedef struct keel_event_cursor {
    uint64_t position;
    uint64_t missed_at;
    uint64_t missed_to;
} keel_event_cursor;

/* At the oldest event that is kept. */
keel_event_cursor keel_board_events_begin(keel_board *board);

/*
 * The next event. A record whose writer was killed half-way is passed over after 200 ms,
 * and with it all others that were begun before it was found.
 */
keel_event_found keel_board_events_next(keel_board *board, keel_event_cursor *cursor,
                                        uint64_t now, keel_event_view *event,
                                        uint64_t *lost);

#endif
