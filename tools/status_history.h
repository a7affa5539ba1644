/* SPDX-License-Identifier: MIT */
/* keel status --history: the last minute of one pipeline, second by second. */
#ifndef KEEL_TOOLS_STATUS_HISTORY_H
#define KEEL_TOOLS_STATUS_HISTORY_H

#include "ops/source.h"

/* view: of the same source. Returns what to exit with. */
int keel_history_show(keel_source *source, const keel_view *view, const char *name,
                      bool as_json);

#endif
