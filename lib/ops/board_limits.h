/* SPDX-License-Identifier: MIT */
/*
 * The limits that the processes of a host count together, as their board says: places of
 * a bulkhead that are taken, tokens that are left. Not for what a process counts alone.
 */
#ifndef KEEL_OPS_BOARD_LIMITS_H
#define KEEL_OPS_BOARD_LIMITS_H

#include "board/board.h"
#include "ops/view.h"
#include "policy/notice.h"

/* Fills in places and tokens of a pipeline by its name. notice: its own, on that board */
void keel_board_limits(const keel_board *board, const keel_notice *notice, uint64_t now,
                       keel_pipeline_view *view);

#endif
