/* SPDX-License-Identifier: MIT */
/*
 * Tokens that never return, whichever process makes them: each bag sets a million aside
 * at a time, by a mark in keel-store. A mark also is no smaller than the wall clock says,
 * so that a store that came out of a backup does not repeat what it made since; and if
 * the clock goes back, the mark holds.
 */
#ifndef KEEL_BAG_STORE_FILE_TOKEN_H
#define KEEL_BAG_STORE_FILE_TOKEN_H

#include "bag/store/file_store.h"

/* KEEL_OK, *token not 0; else nothing was written, and why. */
keel_status keel_file_token(keel_file_store *s, const keel_bag_op *op, uint64_t *token,
                            keel_detail *why);

#endif
