/* SPDX-License-Identifier: MIT */
/*
 * The last minute of a pipeline's breaker as a board keeps it, a sample a second, made
 * ready to be shown. Not for the samples' words: that is policy/history.c.
 */
#ifndef KEEL_OPS_BOARD_HISTORY_H
#define KEEL_OPS_BOARD_HISTORY_H

#include "ops/board_view.h"
#include "policy/history.h"

/* has_sample false: no call went the long way in that second, and all but at_s is zero */
typedef struct keel_second_view {
    uint64_t at_s; /* since 1970 */
    bool has_sample;
    keel_sample sample;
} keel_second_view;

/* Newest last. */
typedef struct keel_history_view {
    keel_second_view seconds[KEEL_HISTORY_SECONDS];
} keel_history_view;

/* False: the board keeps none of that name. */
bool keel_board_history(const keel_board *board, const char *name,
                        const keel_instant *instant, keel_history_view *view);

#endif
