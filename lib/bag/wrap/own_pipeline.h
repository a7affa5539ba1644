/* SPDX-License-Identifier: MIT */
/*
 * The pipeline that a decorator has for itself: what it is called, and how it is opened
 * with what a spec says. Not for what is done under it.
 */
#ifndef KEEL_BAG_WRAP_OWN_PIPELINE_H
#define KEEL_BAG_WRAP_OWN_PIPELINE_H

#include <keel/bag_plugin.h>

#include "bag/options.h"
#include "base/name.h"

enum {
    KEEL_OWN_PIPELINE_NAME_SIZE = KEEL_NAME_MAX + 2, /* shows what is too long */
    KEEL_OWN_PIPELINE_SETTINGS_SIZE = KEEL_BAG_OPTION_SIZE + 64
};

/* What the options of such a decorator begin with. */
#define KEEL_OWN_PIPELINE_OPTION                                                       \
    {                                                                                  \
        .name = "name", .type = KEEL_BAG_TEXT,                                         \
        .meaning = "Of the pipeline, by which KEEL_<NAME> reaches it; by itself the "  \
                   "bag's name and the path in its tree."                              \
    }

/* The pipeline's name; false: it would be too long. */
bool keel_own_pipeline_name(char name[KEEL_OWN_PIPELINE_NAME_SIZE],
                            const keel_bag_setup *setup);

/*
 * Opens it. A pipeline opens with a mistake in its settings; in a spec it is an error as
 * any.
 *
 * written   what a spec says of it, one part after the other, NULL-ended
 * settings  what is made of that
 */
keel_status keel_own_pipeline_open(keel_pipeline **out, const keel_bag_setup *setup,
                                   const char *const written[], const char *settings,
                                   keel_detail *why);

#endif
