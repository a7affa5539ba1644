/* SPDX-License-Identifier: MIT */
/*
 * What people write who have met other grammars, and how it is written here. Only for
 * items that were found to be wrong.
 */
#ifndef KEEL_SETTINGS_HINTS_H
#define KEEL_SETTINGS_HINTS_H

#include "base/settings.h"

/* ": leave the quotation marks out", to stand behind what is wrong; "": no idea. */
const char *keel_item_hint(const keel_item *item);

#endif
