/* SPDX-License-Identifier: MIT */
/* The endpoints of all pipelines on a board, as others see them. */
#ifndef KEEL_OPS_BOARD_ENDPOINTS_H
#define KEEL_OPS_BOARD_ENDPOINTS_H

#include "ops/seen_board.h"
#include "ops/view.h"

/* Fills the view's endpoints: those that some process has in its settings, by pipeline and
 * name. False: no memory. */
bool keel_board_endpoints(const keel_seen_board *d, uint64_t now, keel_view *view);

#endif
