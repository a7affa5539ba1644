/* SPDX-License-Identifier: MIT */
/* What resilient makes of its options, for who checks them without opening it. */
#ifndef KEEL_BAG_WRAP_RESILIENT_H
#define KEEL_BAG_WRAP_RESILIENT_H

#include <keel/bag_plugin.h>

#include "bag/options.h"
#include "base/name.h"

enum {
    KEEL_RESILIENT_NAME_SIZE = KEEL_NAME_MAX + 2, /* shows what is too long */
    KEEL_RESILIENT_SETTINGS_SIZE = KEEL_BAG_OPTION_SIZE + 32
};

/* The pipeline's name; false: it would be too long. */
bool keel_resilient_name(char name[KEEL_RESILIENT_NAME_SIZE],
                         const keel_bag_setup *setup);

/* Its settings, with the preset before them. */
void keel_resilient_settings(char settings[KEEL_RESILIENT_SETTINGS_SIZE],
                             const keel_bag_setup *setup);

#endif
