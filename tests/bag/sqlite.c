/* SPDX-License-Identifier: MIT */
/* Opening bags in SQLite for tests. */
#include "bag/sqlite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/plugins.h"

void sqlite_bag_init(sqlite_bag *b)
{
    *b = (sqlite_bag){ .why = KEEL_DETAIL_INIT };
    ck_assert(spawned_init(&b->folder, "sqlite"));
    plugins_add(&b->folder, ".libs/keel_bag_sqlite.so", "sqlite");
}

keel_status sqlite_bag_try(sqlite_bag *b, const char *spec)
{
    char path[SPAWNED_PATH_SIZE + 32];
    const char *const environment[] = { path, NULL };
    const keel_options options = { .size = sizeof options, .environment = environment };

    snprintf(path, sizeof path, "KEEL_PLUGIN_PATH=%s", b->folder.dir);
    if (!b->rt)
        ck_assert_int_eq(keel_open(&b->rt, &options, &b->why), KEEL_OK);
    return keel_bag_open(&b->bag, b->rt, "kv", spec, &b->why);
}

void sqlite_bag_open(sqlite_bag *b, const char *query)
{
    char spec[2 * SPAWNED_PATH_SIZE];

    snprintf(spec, sizeof spec, "sqlite://%s%s", sqlite_bag_file(b, "kv.db"), query);
    ck_assert_msg(sqlite_bag_try(b, spec) == KEEL_OK, "%s", b->why.text);
}

void sqlite_bag_close(sqlite_bag *b)
{
    keel_bag_close(b->bag);
    b->bag = NULL;
    ck_assert_int_eq(keel_close(b->rt, 0), KEEL_OK);
    b->rt = NULL;
}

void sqlite_bag_cleanup(sqlite_bag *b)
{
    if (b->rt)
        sqlite_bag_close(b);
    spawned_cleanup(&b->folder);
}

const char *sqlite_bag_file(const sqlite_bag *b, const char *name)
{
    static char paths[4][SPAWNED_PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    spawned_path(&b->folder, name, path);
    return path;
}

keel_status sqlite_bag_set(sqlite_bag *b, const char *key, const char *text)
{
    return keel_bag_set(b->bag, key, text, strlen(text), NULL, &b->why);
}

const char *sqlite_bag_get(sqlite_bag *b, const char *key)
{
    static char value[4096];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value - 1 };

    if (keel_bag_get(b->bag, key, &item, NULL, &b->why) != KEEL_OK)
        item.length = 0;
    value[item.length] = '\0';
    return value;
}
