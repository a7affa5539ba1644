/* SPDX-License-Identifier: MIT */
/* Opening a decorator's pipeline. */
#include "bag/wrap/own_pipeline.h"

#include <stdio.h>
#include <string.h>

#include "base/detail.h"
#include "call/runtime.h"

#define OVERRIDE "override "

bool keel_own_pipeline_name(char name[KEEL_OWN_PIPELINE_NAME_SIZE],
                            const keel_bag_setup *setup)
{
    const char *given = setup->values[0].text;

    if (given)
        snprintf(name, KEEL_OWN_PIPELINE_NAME_SIZE, "%s", given);
    else
        snprintf(name, KEEL_OWN_PIPELINE_NAME_SIZE, "%s.%s", setup->bag, setup->path);
    return strlen(name) <= KEEL_NAME_MAX;
}

static keel_status check(const keel_bag_setup *setup, const char *name,
                         const char *settings, keel_detail *why)
{
    keel_runtime *runtime = setup->runtime;
    keel_detail wrong = KEEL_DETAIL_INIT;
    const char *place;
    keel_status status;

    keel_runtime_lock(runtime);
    status = keel_config_check_override(runtime->config, name, NULL, settings, &wrong);
    keel_runtime_unlock(runtime);
    if (status == KEEL_OK)
        return KEEL_OK;
    place = strstr(wrong.text, OVERRIDE); /* as which they were read */
    return keel_failf(why, status, "in the settings of %s, %s", setup->path,
                      place ? place + strlen(OVERRIDE) : wrong.text);
}

keel_status keel_own_pipeline_open(keel_pipeline **out, const keel_bag_setup *setup,
                                   const char *const written[], const char *settings,
                                   keel_detail *why)
{
    char name[KEEL_OWN_PIPELINE_NAME_SIZE];

    if (!keel_own_pipeline_name(name, setup))
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s: the pipeline's name would be too long: name one",
                          setup->path);
    for (; *written; written++) {
        keel_status status = check(setup, name, *written, why);

        if (status != KEEL_OK)
            return status;
    }
    return keel_pipeline_open(out, setup->runtime, name, settings, why);
}
