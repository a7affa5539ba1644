/* SPDX-License-Identifier: MIT */
/*
 * The flat-file store's locks, between threads and between processes: a word for the
 * ones, a byte of keel-store for the others, which the kernel gives back when its holder
 * dies. The byte belongs to an open file, not to the process, so closing another
 * descriptor of that file loses nothing. Whoever waits does so until a deadline, and no
 * longer: F_OFD_SETLKW would wait for ever for one who was stopped.
 */
#ifndef KEEL_BAG_STORE_FILE_LOCK_H
#define KEEL_BAG_STORE_FILE_LOCK_H

#include "bag/store/file_store.h"

/*
 * Returns  KEEL_OK; KEEL_DEADLINE, KEEL_CANCELLED, KEEL_FAILED: it is not held, and
 *          nothing was done
 */
keel_status keel_file_lock(keel_file_store *s, uint32_t number, const keel_bag_op *op,
                           keel_detail *why);
bool keel_file_try_lock(keel_file_store *s, uint32_t number);
void keel_file_unlock(keel_file_store *s, uint32_t number);

#endif
