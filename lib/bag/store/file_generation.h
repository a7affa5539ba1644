/* SPDX-License-Identifier: MIT */
/*
 * The directories of records. All 256 are made beside their place and come into it by one
 * rename; a flush takes them out of it by another, and others are made by whoever writes
 * next. So a directory that was opened before a flush still takes what began before it,
 * and no lock is needed against one.
 */
#ifndef KEEL_BAG_STORE_FILE_GENERATION_H
#define KEEL_BAG_STORE_FILE_GENERATION_H

#include "bag/store/file_store.h"

#define KEEL_FILE_ITEMS "items"
#define KEEL_FILE_NEW "new"

/* The directory of a stripe, for writing; made where there is none. *dir: to be closed. */
keel_status keel_file_open_stripe(keel_file_store *s, uint32_t stripe,
                                  const keel_bag_op *op, int *dir, keel_detail *why);

/* The same for reading; -1: errno says why. */
int keel_file_look_into_stripe(const keel_file_store *s, uint32_t stripe);

/* Takes all records away, durably. */
keel_status keel_file_drop_items(keel_file_store *s, keel_detail *why);

/* Whether a failed change of a directory, as errno says, has left it as it was. */
keel_applied keel_file_certainty(void);

/* Removes what was dropped, until an instant; and what dead writers have left. */
void keel_file_clean(keel_file_store *s, uint64_t until_ns);
void keel_file_remove_leftovers(keel_file_store *s);

#endif
