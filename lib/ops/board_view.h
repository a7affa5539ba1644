/* SPDX-License-Identifier: MIT */
/*
 * What a mapped board says of every pipeline, read by a process that has no part in it.
 * Whatever comes from the file is distrusted: places, lengths, texts, numbers of states.
 * A pure look, in no way a snapshot: the board goes on while it is read.
 */
#ifndef KEEL_OPS_BOARD_VIEW_H
#define KEEL_OPS_BOARD_VIEW_H

#include "board/board.h"
#include "ops/view.h"
#include "policy/breaker.h"

/* The instant of a look, by three clocks. */
typedef struct keel_instant {
    uint64_t now;     /* the board's */
    uint64_t wall_ms; /* since 1970 */
    uint64_t boot_s;  /* since 1970: when the machine was started */
} keel_instant;

/* KEEL_OK, KEEL_E_NOMEM: *view is empty. Freed with keel_view_cleanup. */
keel_status keel_board_view(keel_board *board, const keel_instant *instant,
                            keel_view *view);

/* The parts of a pipeline by its name; NULL: it has none. *number: of its notice */
typedef struct keel_board_parts {
    keel_breaker_words *breaker;
    keel_notice *notice;
    uint32_t number;
} keel_board_parts;

/* False: no process has ever opened a pipeline of that name which shares. */
bool keel_board_find(const keel_board *board, const char *name,
                     keel_board_parts *parts);

/* The lock that stands at an instant, with its note; size 0: none. */
keel_lock_state keel_board_lock_look(const keel_board_parts *parts, uint64_t now);

/* A note's texts and time. */
void keel_lock_state_note(keel_lock_state *state, keel_notice *notice, uint32_t number);

#endif
