/* SPDX-License-Identifier: MIT */
/*
 * Structs of a caller who was compiled with another keel's bag.h, and sentences about
 * parts whose path is long.
 */
#include <stdlib.h>
#include <string.h>

#include <keel/bag_plugin.h>
#include <keel/keel.h>

#include "support/opened.h"
#include "support/suite.h"

static opened o;
static keel_bag *bag;
static keel_detail why = KEEL_DETAIL_INIT;

static void setup(void)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    ck_assert_int_eq(keel_bag_open(&bag, o.rt, "sized", "memory://", &why), KEEL_OK);
    for (unsigned i = 0; i < 100; i++) {
        const keel_bag_options options = { .size = sizeof options, .flags = i };
        char key[] = { 'k', (char)('0' + i / 10), (char)('0' + i % 10), '\0' };

        ck_assert_int_eq(keel_bag_set(bag, key, key, 3, &options, &why), KEEL_OK);
    }
}

static void teardown(void)
{
    keel_bag_close(bag);
    opened_cleanup(&o);
}

/* ---- items --------------------------------------------------------------------------- */

/* As an older keel may have had it, and as a newer one may. */
typedef struct older_item {
    size_t size;
    void *buffer;
    size_t capacity;
    size_t length;
    uint32_t flags;
    int64_t expires_at_ms;
} older_item;

typedef struct newer_item {
    keel_bag_item known;
    uint64_t wish; /* 0: the default */
    uint64_t told;
} newer_item;

static keel_status get(const char *key, void *item)
{
    return keel_bag_get(bag, key, item, NULL, &why);
}

static keel_status get_and_touch(const char *key, void *item)
{
    return keel_bag_get_and_touch(bag, key, item, NULL, &why);
}

static keel_status get_one_of_many(const char *key, void *item)
{
    keel_status status = KEEL_E_STATE, all;

    all = keel_bag_get_many(bag, &key, item, &status, 1, NULL, &why);
    ck_assert_int_eq(all, status == KEEL_NOT_FOUND ? KEEL_OK : status);
    return status;
}

static keel_status (*const readers[])(const char *key,
                                      void *item) = { get, get_and_touch,
                                                      get_one_of_many };

START_TEST(an_older_callers_item_is_filled_as_far_as_it_reaches)
{
    char value[8];
    struct {
        older_item item;
        unsigned char behind[sizeof(keel_bag_item)];
    } s;

    memset(&s, 0xa5, sizeof s);
    s.item = (older_item){ .size = sizeof s.item,
                           .buffer = value,
                           .capacity = sizeof value };
    ck_assert_int_eq(readers[_i]("k42", &s.item), KEEL_OK);
    ck_assert_uint_eq(s.item.size, sizeof s.item);
    ck_assert_uint_eq(s.item.length, 3);
    ck_assert_mem_eq(value, "k42", 3);
    ck_assert_uint_eq(s.item.flags, 42);
    for (size_t i = 0; i < sizeof s.behind; i++)
        ck_assert_uint_eq(s.behind[i], 0xa5);
}
END_TEST

START_TEST(a_newer_callers_item_is_filled_where_it_asks_for_nothing_more)
{
    char value[8];
    newer_item item = {
        .known = { .size = sizeof item, .buffer = value, .capacity = sizeof value }
    };

    ck_assert_int_eq(readers[_i]("k42", &item), KEEL_OK);
    ck_assert_uint_eq(item.known.size, sizeof item);
    ck_assert_uint_eq(item.known.length, 3);
    ck_assert_uint_eq(item.known.flags, 42);
    ck_assert_int_eq(readers[_i]("none", &item), KEEL_NOT_FOUND);
    ck_assert_uint_eq(item.known.length, 0);
    item.wish = 1;
    ck_assert_int_eq(readers[_i]("k42", &item), KEEL_E_ARGUMENT);
}
END_TEST

START_TEST(an_item_without_a_size_or_a_buffer_is_none)
{
    keel_bag_item item = { .size = sizeof item.size - 1 };
    newer_item newer = { .known = { .size = sizeof newer, .capacity = 1 } };

    ck_assert_int_eq(readers[_i]("k42", &item), KEEL_E_ARGUMENT);
    item.size = 0;
    ck_assert_int_eq(readers[_i]("k42", &item), KEEL_E_ARGUMENT);
    ck_assert_int_eq(readers[_i]("k42", &newer), KEEL_E_ARGUMENT);
}
END_TEST

/* More than are handled at once; a key that is bad and one that is not there among them. */
START_TEST(many_items_lie_as_far_apart_as_they_are_long)
{
    enum { COUNT = 100 };
    static newer_item items[COUNT];
    static char keys[COUNT][4];
    const char *at[COUNT];
    keel_status statuses[COUNT];

    for (int i = 0; i < COUNT; i++) {
        keys[i][0] = 'k';
        keys[i][1] = (char)('0' + i / 10);
        keys[i][2] = (char)('0' + i % 10);
        at[i] = keys[i];
        items[i] = (newer_item){ .known = { .size = sizeof items[i] } };
    }
    at[50] = "bad key";
    at[60] = "none";
    items[70].wish = 1;
    ck_assert_int_eq(
        keel_bag_get_many(bag, at, &items[0].known, statuses, COUNT, NULL, &why),
        KEEL_PARTIAL);
    for (unsigned i = 0; i < COUNT; i++) {
        keel_status wanted = i == 50 || i == 70 ? KEEL_E_ARGUMENT
                             : i == 60          ? KEEL_NOT_FOUND
                                                : KEEL_OK;

        ck_assert_msg(statuses[i] == wanted, "%u: %s", i,
                      keel_status_name(statuses[i]));
        ck_assert_uint_eq(items[i].known.flags, wanted == KEEL_OK ? i : 0);
        ck_assert_uint_eq(items[i].known.length, wanted == KEEL_OK ? 3 : 0);
    }
}
END_TEST

/* ---- the other structs --------------------------------------------------------------- */

START_TEST(options_may_be_older_or_newer)
{
    struct {
        keel_bag_options known;
        uint64_t wish;
    } newer = { .known = { .size = sizeof newer, .flags = 7 } };
    keel_bag_options older = { .size = offsetof(keel_bag_options, flags), .flags = 7 };
    keel_bag_item item = { .size = sizeof item };

    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &newer.known, &why), KEEL_OK);
    ck_assert_int_eq(get("k", &item), KEEL_OK);
    ck_assert_uint_eq(item.flags, 7);
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &older, &why), KEEL_OK);
    ck_assert_int_eq(get("k", &item), KEEL_OK);
    ck_assert_uint_eq(item.flags, 0);
    newer.wish = 1;
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &newer.known, &why),
                     KEEL_E_ARGUMENT);
    older.size = sizeof older.size - 1;
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &older, &why), KEEL_E_ARGUMENT);
}
END_TEST

START_TEST(abilities_are_told_as_far_as_the_struct_reaches)
{
    struct {
        keel_bag_abilities known;
        uint64_t more;
    } newer = { .known = { .size = sizeof newer }, .more = 5 };
    keel_bag_abilities older = { .size = offsetof(keel_bag_abilities, value_max),
                                 .value_max = 5 };
    keel_bag_abilities tiny = { .size = sizeof tiny.size - 1, .native = 5 };

    ck_assert_int_eq(keel_bag_look(bag, &newer.known), KEEL_OK);
    ck_assert_uint_ne(newer.known.batch_max, 0);
    ck_assert_uint_eq(newer.more, 5);
    ck_assert_int_eq(keel_bag_look(bag, &older), KEEL_OK);
    ck_assert_uint_eq(older.effective, newer.known.effective);
    ck_assert_uint_eq(older.value_max, 5);
    ck_assert_int_eq(keel_bag_look(bag, &tiny), KEEL_E_ARGUMENT);
    ck_assert_uint_eq(tiny.size, sizeof tiny.size - 1);
    ck_assert_uint_eq(tiny.native, 5);
}
END_TEST

/* ---- sentences ----------------------------------------------------------------------- */

START_TEST(of_a_long_path_the_end_is_told_and_the_sentence_whole)
{
    char path[301];

    memset(path, 'p', sizeof path - 1);
    memcpy(path + sizeof path - 8, ".source", 8);
    keel_bag_fail(&why, KEEL_FAILED, KEEL_APPLIED_NO, path, "the connection was %s",
                  "reset");
    ck_assert_uint_eq(strlen(why.text), sizeof why.storage - 1);
    ck_assert_int_eq(strncmp(why.text, "...pp", 5), 0);
    ck_assert_str_eq(strstr(why.text, ".source"), ".source: the connection was reset");
}
END_TEST

START_TEST(a_sentence_that_is_cut_is_seen_to_be)
{
    char sentence[301];

    memset(sentence, 's', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    keel_bag_fail(&why, KEEL_FAILED, KEEL_APPLIED_NO, "memory", "%s", sentence);
    ck_assert_str_eq(why.text + strlen(why.text) - 5, "ss...");
}
END_TEST

SUITE_IN("bag/item", 30, setup, teardown,
         ROWS(an_older_callers_item_is_filled_as_far_as_it_reaches, readers),
         ROWS(a_newer_callers_item_is_filled_where_it_asks_for_nothing_more, readers),
         ROWS(an_item_without_a_size_or_a_buffer_is_none, readers),
         ONE(many_items_lie_as_far_apart_as_they_are_long),
         ONE(options_may_be_older_or_newer),
         ONE(abilities_are_told_as_far_as_the_struct_reaches),
         ONE(of_a_long_path_the_end_is_told_and_the_sentence_whole),
         ONE(a_sentence_that_is_cut_is_seen_to_be))
