/* SPDX-License-Identifier: MIT */
#include "support/bag_dir.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/store/file_record.h"
#include "base/clock.h"

void bag_dir_init(bag_dir *d, const char *query)
{
    *d = (bag_dir){ .why = KEEL_DETAIL_INIT };
    snprintf(d->directory, sizeof d->directory, "/tmp/keel-bag-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(d->directory));
    snprintf(d->root, sizeof d->root, "%s/s", d->directory);
    snprintf(d->spec, sizeof d->spec, "file://%s?%s", d->root, query);
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void bag_dir_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void bag_dir_cleanup(bag_dir *d)
{
    bag_dir_remove(d->directory);
}

void bag_dir_open(bag_dir *d)
{
    static const char *const nothing[] = { NULL };
    const keel_options options = { .size = sizeof options,
                                   .allocator = &d->memory.allocator,
                                   .environment = nothing };

    failing_allocator_init(&d->memory, 0);
    ck_assert_int_eq(keel_open(&d->rt, &options, NULL), KEEL_OK);
    ck_assert_msg(keel_bag_open(&d->bag, d->rt, "files", d->spec, &d->why) == KEEL_OK,
                  "%s", d->why.text);
}

void bag_dir_close(bag_dir *d)
{
    keel_bag_close(d->bag);
    ck_assert_int_eq(keel_close(d->rt, 60 * KEEL_S), KEEL_OK);
    ck_assert_int_eq(d->memory.live, 0);
}

keel_status bag_dir_set(bag_dir *d, const char *key, const char *text)
{
    return keel_bag_set(d->bag, key, text, strlen(text), NULL, &d->why);
}

void bag_dir_expect(bag_dir *d, const char *key, const char *text)
{
    char value[1024] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value - 1 };
    keel_status status = keel_bag_get(d->bag, key, &item, NULL, &d->why);

    if (!*text) {
        ck_assert_msg(status == KEEL_NOT_FOUND, "%s is there, or not quite: %s", key,
                      d->why.text);
        return;
    }
    ck_assert_msg(status == KEEL_OK, "%s: %s", key, d->why.text);
    ck_assert_str_eq(value, text);
}

static const char *path_of(const bag_dir *d, bag_dir_path path, const char *key,
                           bool is_new)
{
    char name[KEEL_FILE_NAME_SIZE];

    ck_assert(keel_file_name(name, (keel_bytes){ key, strlen(key) }));
    snprintf(path, sizeof(bag_dir_path), "%s/items/%.2s/%s", d->root, name,
             is_new ? "new" : name);
    return path;
}

const char *bag_dir_item(const bag_dir *d, bag_dir_path path, const char *key)
{
    return path_of(d, path, key, false);
}

const char *bag_dir_new(const bag_dir *d, bag_dir_path path, const char *key)
{
    return path_of(d, path, key, true);
}

keel_bag_options bag_dir_within(const bag_dir *d, unsigned ms)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns = keel_now(d->rt) + ms * KEEL_MS };
}
