/* SPDX-License-Identifier: MIT */
/* The endpoints of all pipelines on a board, as others see them. */
#ifndef KEEL_OPS_BOARD_ENDPOINTS_H
#define KEEL_OPS_BOARD_ENDPOINTS_H

#include "ops/seen_board.h"
#include "ops/view.h"

/* Fills the view's endpoints: those that some process has in its settings, by pipeline and
 * name. False: no memory. */
bool keel_board_endpoints(const keel_seen_board *d, uint64_t now, keel_view *view);

/*
 * The name of a pipeline's endpoint by the lower half of its hash, "?" where nobody has
 * left it on the board.
 */
void keel_board_endpoint_name(const keel_board *board, const char *pipeline,
                              uint32_t about, char to[KEEL_ENDPOINT_NAME_SHOWN + 1]);

#endif
