/* SPDX-License-Identifier: MIT */
/* What all views have in common, whoever fills them. */
#include "ops/view.h"

#include <stdlib.h>

#include "share/wire.h"

void keel_view_cleanup(keel_view *view)
{
    free(view->pipelines);
    free(view->endpoints);
    free(view->processes);
    *view = (keel_view){ .count = 0 };
}

const char *keel_view_cause_name(keel_cause cause)
{
    switch ((unsigned)cause) {
    case KEEL_WIRE_CAUSE_RESEEDED:
        return "reseeded";
    case KEEL_WIRE_CAUSE_SPLIT:
        return "split";
    default:
        return keel_cause_name(cause);
    }
}

const char *keel_view_check_name(keel_check_state state)
{
    static const char *const names[] = { "unknown", "healthy", "unhealthy" };

    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "?";
}
