/* SPDX-License-Identifier: MIT */
/* One record's file: found, read, written whole into its place, removed. */
#ifndef KEEL_BAG_STORE_FILE_ITEM_H
#define KEEL_BAG_STORE_FILE_ITEM_H

#include "bag/store/file_record.h"
#include "bag/store/file_store.h"

/* A record whose head is sound. fd: to be closed with keel_file_found_close; -1: none. */
typedef struct keel_file_found {
    int fd;
    keel_file_record record;
    char key[KEEL_BAG_KEY_MAX + 1];
} keel_file_found;

/*
 * dir, at   a directory and a path in it that ends with the record's name
 * key       that it must be of; at NULL: of any
 * Returns   KEEL_OK; KEEL_NOT_FOUND; KEEL_CORRUPT: something else is there than was
 *           written; KEEL_FAILED: it cannot be read. found->fd is -1 unless KEEL_OK
 */
keel_status keel_file_find(const keel_file_store *s, int dir, const char *at,
                           keel_bytes key, keel_file_found *found, keel_detail *why);
void keel_file_found_close(keel_file_found *found);

/* Its value, value_length bytes. KEEL_OK, KEEL_CORRUPT, KEEL_FAILED. */
keel_status keel_file_read_value(const keel_file_store *s, const keel_file_found *found,
                                 void *to, keel_detail *why);

enum { KEEL_FILE_PARTS = 2 };

/*
 * Writes a record in the place of the one there is, under the stripe's lock. Length and
 * checksum of the value are reckoned from its parts.
 *
 * is_gone  set where the directory was removed by a flush: nothing was written
 */
keel_status keel_file_put(const keel_file_store *s, int dir, const char *name,
                          keel_bytes key, keel_file_record *record,
                          const keel_bytes parts[KEEL_FILE_PARTS], bool *is_gone,
                          keel_detail *why);

/* Removes it, under the stripe's lock. KEEL_NOT_FOUND: it was not there. */
keel_status keel_file_remove(const keel_file_store *s, int dir, const char *name,
                             keel_detail *why);

#endif
