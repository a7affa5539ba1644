/* SPDX-License-Identifier: MIT */
/*
 * A bag of files in a directory of the test's own, and what tests do with it: texts in
 * and out, the file behind a key. Memory is counted, so that every test also proves that
 * nothing is lost.
 */
#ifndef KEEL_TESTS_SUPPORT_BAG_DIR_H
#define KEEL_TESTS_SUPPORT_BAG_DIR_H

#include <keel/keel.h>

#include "support/allocator.h"

typedef struct bag_dir {
    char directory[64]; /* holds nothing but the store's */
    char root[80];      /* the store's */
    char spec[160];
    failing_allocator memory;
    keel_runtime *rt;
    keel_bag *bag;
    keel_detail why; /* of the last verb */
} bag_dir;

typedef char bag_dir_path[256];

/* The directory alone. query: of the bags that are opened; "sync=none". */
void bag_dir_init(bag_dir *d, const char *query);
void bag_dir_cleanup(bag_dir *d);

/* A runtime and the bag, of the calling process. */
void bag_dir_open(bag_dir *d);
void bag_dir_close(bag_dir *d);

keel_status bag_dir_set(bag_dir *d, const char *key, const char *text);
/* text "": it is not there; else that is its value. Fails the test if neither is so. */
void bag_dir_expect(bag_dir *d, const char *key, const char *text);

/* Where the record of a key is, and what is written before it is there. */
const char *bag_dir_item(const bag_dir *d, bag_dir_path path, const char *key);
const char *bag_dir_new(const bag_dir *d, bag_dir_path path, const char *key);

/* Removes whatever is at a path, with all that is in it. */
void bag_dir_remove(const char *path);

/* Options with a deadline so far from now, of the bag's runtime. */
keel_bag_options bag_dir_within(const bag_dir *d, unsigned ms);

#endif
