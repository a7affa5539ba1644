/* SPDX-License-Identifier: MIT */
/* What resilient makes of its options, for who checks them without opening it. */
#ifndef KEEL_BAG_WRAP_RESILIENT_H
#define KEEL_BAG_WRAP_RESILIENT_H

#include <keel/bag_plugin.h>

#include "bag/wrap/own_pipeline.h"

/* Its settings, with the preset before them. */
void keel_resilient_settings(char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE],
                             const keel_bag_setup *setup);

#endif
