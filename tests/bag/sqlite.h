/* SPDX-License-Identifier: MIT */
/* A bag in a SQLite file of the test's own, through the plugin as it was built. */
#ifndef KEEL_TESTS_BAG_SQLITE_H
#define KEEL_TESTS_BAG_SQLITE_H

#include <keel/keel.h>

#include "support/spawned.h"

typedef struct sqlite_bag {
    spawned folder; /* of the plugin, and of kv.db */
    keel_runtime *rt;
    keel_bag *bag;
    keel_detail why; /* of the last verb */
} sqlite_bag;

/* The folder alone, so that children can open bags of their own. */
void sqlite_bag_init(sqlite_bag *b);
/* A bag on kv.db; query: "" or "?sync=off". */
void sqlite_bag_open(sqlite_bag *b, const char *query);
/* A bag of any spec; NULL where it cannot be opened, and b->why why. */
keel_status sqlite_bag_try(sqlite_bag *b, const char *spec);
void sqlite_bag_close(sqlite_bag *b);
void sqlite_bag_cleanup(sqlite_bag *b);

/* The path of a file in the folder; of the last few that were asked for. */
const char *sqlite_bag_file(const sqlite_bag *b, const char *name);

/* Verbs with texts. */
keel_status sqlite_bag_set(sqlite_bag *b, const char *key, const char *text);
/* "": it is not there, or could not be read: b->why */
const char *sqlite_bag_get(sqlite_bag *b, const char *key);

#endif
