/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands for operators have in common: where pipelines are found, and what
 * is said of a name that is none of them.
 */
#ifndef KEEL_TOOLS_OPERATOR_H
#define KEEL_TOOLS_OPERATOR_H

#include "ops/source.h"

/*
 * The source that --board names (board, NULL: not given), or else KEEL_BOARD. NULL: it has
 * been said on standard error why there is none, and *code is what to exit with.
 */
keel_source *keel_operator_source(const char *command, const char *board, int *code);

/* NULL: there is no such pipeline. */
const keel_pipeline_view *keel_operator_find(const keel_view *view, const char *name);

/* Says so on standard error, with the name that was most likely meant and those there
 * are. Returns what to exit with. */
int keel_operator_unknown(const char *command, const keel_source *source,
                          const keel_view *view, const char *name);

#endif
