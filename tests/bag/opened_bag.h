/* SPDX-License-Identifier: MIT */
/*
 * A bag of any spec in a runtime of its own, with KEEL_CHAOS=allow, whose operations are
 * handed to its root by hand: so a test says what time it is for its items.
 */
#ifndef KEEL_TESTS_BAG_OPENED_BAG_H
#define KEEL_TESTS_BAG_OPENED_BAG_H

#include "bag/bag.h"
#include "support/opened.h"

typedef struct opened_bag {
    opened o;
    keel_bag *bag;
    int64_t now_ms; /* of items; moved by the test */
    uint32_t wishes;
    keel_cancel *cancel;
    keel_detail why; /* of the last verb */
    keel_bag_item item;
    char value[4096];
} opened_bag;

void opened_bag_init(opened_bag *b, opened_clock clock, const char *spec);
/* Fails the test if anything was not given back. */
void opened_bag_cleanup(opened_bag *b);

/* The text is in value; item and why say the rest. */
keel_status opened_bag_get(opened_bag *b, const char *key);
keel_status opened_bag_store(opened_bag *b, keel_bag_mode mode, const char *key,
                             const char *text);
keel_status opened_bag_remove(opened_bag *b, const char *key);
keel_status opened_bag_incr(opened_bag *b, const char *key);

/* One operation more, for verbs that have no function here. */
keel_bag_op opened_bag_op(const opened_bag *b);

/* Tells a part something; fails the test unless it is done. */
void opened_bag_tell(opened_bag *b, const char *path, const char *command);
/* "misses=" in what a part answers; 0 where it is not in it. */
unsigned opened_bag_count(opened_bag *b, const char *path, const char *command,
                          const char *name);

#endif
