/* SPDX-License-Identifier: MIT */
/* Walking over all records by name, so that a cursor is a name and stays good. */
#ifndef KEEL_BAG_STORE_FILE_SCAN_H
#define KEEL_BAG_STORE_FILE_SCAN_H

#include "bag/store/file_store.h"

/*
 * As keel_bag_ops.scan: the keys of one directory of records at most. What has expired is
 * removed on the way. KEEL_CORRUPT: the key of a record cannot be told; the cursor is
 * behind it, so whoever calls again goes on.
 */
keel_status keel_file_scan(keel_file_store *s, const keel_bag_op *op,
                           keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                           keel_detail *why);

#endif
