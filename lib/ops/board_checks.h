/* SPDX-License-Identifier: MIT */
/* What active checks of a pipeline have found, as its host's board says. */
#ifndef KEEL_OPS_BOARD_CHECKS_H
#define KEEL_OPS_BOARD_CHECKS_H

#include "ops/seen_board.h"
#include "ops/view.h"

/* Fills in the check of a pipeline by its name. */
void keel_board_checks(const keel_seen_board *d, uint64_t now,
                       keel_pipeline_view *view);

#endif
