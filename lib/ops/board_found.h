/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a host have found out for themselves, each its own: adaptive
 * limits and chances of the throttle, as their board says.
 */
#ifndef KEEL_OPS_BOARD_FOUND_H
#define KEEL_OPS_BOARD_FOUND_H

#include "board/board.h"
#include "ops/view.h"

/* Fills in view->adaptive and view->throttle by its name. is_alive: which owners are */
void keel_board_found(const keel_board *board, const bool *is_alive,
                      keel_pipeline_view *view);

#endif
