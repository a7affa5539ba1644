/* SPDX-License-Identifier: MIT */
/*
 * The last minute of a pipeline's breaker as a board keeps it, a sample a second, made
 * ready to be shown. Not for the samples' words: that is policy/history.c.
 */
#ifndef KEEL_OPS_BOARD_HISTORY_H
#define KEEL_OPS_BOARD_HISTORY_H

#include "ops/board_view.h"
#include "policy/history.h"

/*
 * has_sample  false: no call has looked at the window in that second
 * is_known    the state was sampled, then or before. Without a sample the calls, failures
 *             and slow ones of it are zero, the rest is what it was
 * refused     calls
 */
typedef struct keel_second_view {
    uint64_t at_s; /* since 1970 */
    bool has_sample;
    bool is_known;
    keel_sample sample;
    uint64_t refused;
} keel_second_view;

/* Newest last. */
typedef struct keel_history_view {
    keel_second_view seconds[KEEL_HISTORY_SECONDS];
} keel_history_view;

/* False: the board keeps none of that name. */
bool keel_board_history(keel_board *board, const char *name,
                        const keel_instant *instant, keel_history_view *view);

#endif
