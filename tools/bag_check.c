/* SPDX-License-Identifier: MIT */
/* keel bag check: whether a spec is right, and what is doubtful in it; opens nothing. */
#include "bag.h"

#include <stdio.h>

#include "bag/check.h"
#include "base/warnings.h"
#include "call/runtime.h"
#include "keel.h"

static void print_from(keel_runtime *runtime, size_t first)
{
    char line[KEEL_WARNING_SIZE];

    for (size_t i = first; keel_runtime_warning(runtime, i, line, sizeof line); i++)
        keel_bag_tool_say("", line);
}

/* What else is wrong in the environment is for `keel config check`. */
int keel_bag_tool_check(const keel_bag_request *r)
{
    keel_runtime *runtime = r->runtime;
    size_t before = keel_warnings_total(&runtime->warnings);
    size_t mistakes = keel_config_mistakes(runtime->config);
    keel_detail why = KEEL_DETAIL_INIT;

    if (keel_bag_check(runtime->config, runtime->memory, KEEL_BAG_TOOL_NAME, r->spec,
                       &why) != KEEL_OK) {
        keel_bag_tool_say("", why.text);
        return KEEL_EXIT_SYSTEM;
    }
    print_from(runtime, before);
    if (keel_config_mistakes(runtime->config) > mistakes)
        return KEEL_EXIT_CONFIG;
    if (keel_warnings_total(&runtime->warnings) > before)
        return KEEL_EXIT_LINT;
    puts("no mistakes");
    return 0;
}
