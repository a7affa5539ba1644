/* SPDX-License-Identifier: MIT */
/* Stores and decorators of others, from shared objects. Not for what they do then. */
#ifndef KEEL_BAG_LOADER_H
#define KEEL_BAG_LOADER_H

#include <keel/bag_plugin.h>

#include "base/text.h"

/*
 * Loads keel_bag_NAME.so, once for the life of the process, from the first of the folders
 * that has it.
 *
 * folders  absolute, cut by ":"; NULL: none before the one that keel was installed with
 * Returns  KEEL_OK; KEEL_NOT_FOUND: no folder has it, and why is as it was;
 *          KEEL_E_CONFIG: there is one, and why it was refused; KEEL_E_LIMIT
 * Threads  any; no lock is held while its constructors run
 */
keel_status keel_bag_load(const keel_bag_ops **ops, keel_text name, const char *folders,
                          keel_detail *why);

/*
 * A plugin's table as one of `size` bytes, with its size: functions that an older one has
 * not are NULL, what a newer one has more is left out. NULL: no memory.
 */
keel_bag_ops *keel_bag_table_copy(const keel_bag_ops *table, size_t size);

/* The folder that is searched last. */
const char *keel_bag_load_folder(void);

/* An ability that a part tells and has no function for; NULL: none. */
const char *keel_bag_overstates(const keel_bag_ops *ops, uint32_t native);

#endif
