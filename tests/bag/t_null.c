/* SPDX-License-Identifier: MIT */
/* Each function of bags with each of its arguments missing once. */
#include <string.h>

#include <keel/bag_plugin.h>
#include <keel/keel.h>

#include "support/opened.h"
#include "support/suite.h"
#include "support/without.h"

static opened o;
static keel_bag *bag, *other;
static keel_detail why;
static char buffer[16], text[64];
static keel_bag_item item = { .size = sizeof item,
                              .buffer = buffer,
                              .capacity = sizeof buffer };
static const keel_bag_options options = { .size = sizeof options };
static const keel_bag_op op = { .size = sizeof op };
static const char *const keys[] = { "k" };
static const char *volatile no_format;
static keel_status status;
static keel_bag_token token;
static keel_bag_cursor cursor;
static keel_bag_abilities abilities = { .size = sizeof abilities };
static uint64_t number;

static bool go_on(const char *key, void *ctx)
{
    (void)key;
    (void)ctx;
    return true;
}

/* Two items: "k", and "n", a number. */
static void begin(void)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, "none");
    why = (keel_detail)KEEL_DETAIL_INIT;
    token = keel_bag_token_of(7);
    ck_assert_int_eq(
        keel_bag_open(&bag, o.rt, "test", "memory://?allow_flush=on", &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, NULL, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(bag, "n", "9", 1, NULL, &why), KEEL_OK);
}

static void end(void)
{
    keel_bag_close(bag);
    opened_cleanup(&o);
}

/* A verb that stores one value; first, second: keys that it can store. */
#define STORES_NOTHING_WITHOUT(verb, first, second)                                    \
    WITHOUT(verb, bag, verb(NULL, "k", "v", 1, NULL, &why) == KEEL_E_ARGUMENT);        \
    WITHOUT(verb, key, verb(bag, NULL, "v", 1, NULL, &why) == KEEL_E_ARGUMENT);        \
    WITHOUT(verb, value, verb(bag, "k", NULL, 1, NULL, &why) == KEEL_E_ARGUMENT);      \
    WITHOUT(verb, options, verb(bag, first, "v", 1, NULL, &why) == KEEL_OK);           \
    WITHOUT(verb, why, verb(bag, second, "v", 1, &options, NULL) == KEEL_OK)

START_TEST(nothing_is_stored_without_its_arguments)
{
    begin();
    STORES_NOTHING_WITHOUT(keel_bag_set, "k", "k");
    STORES_NOTHING_WITHOUT(keel_bag_add, "new", "newer");
    STORES_NOTHING_WITHOUT(keel_bag_replace, "k", "k");
    STORES_NOTHING_WITHOUT(keel_bag_append, "k", "k");
    STORES_NOTHING_WITHOUT(keel_bag_prepend, "k", "k");
    end();
}
END_TEST

START_TEST(nothing_is_compared_without_its_arguments)
{
    begin();
    WITHOUT(keel_bag_cas, bag,
            keel_bag_cas(NULL, "k", &token, "v", 1, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_cas, key,
            keel_bag_cas(bag, NULL, &token, "v", 1, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_cas, token,
            keel_bag_cas(bag, "k", NULL, "v", 1, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_cas, value,
            keel_bag_cas(bag, "k", &token, NULL, 1, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_cas, options,
            keel_bag_cas(bag, "k", &token, "v", 1, NULL, &why) == KEEL_EXISTS);
    WITHOUT(keel_bag_cas, why,
            keel_bag_cas(bag, "k", &token, "v", 1, &options, NULL) == KEEL_EXISTS);
    WITHOUT(keel_bag_delete_cas, bag,
            keel_bag_delete_cas(NULL, "k", &token, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_delete_cas, key,
            keel_bag_delete_cas(bag, NULL, &token, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_delete_cas, token,
            keel_bag_delete_cas(bag, "k", NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_delete_cas, options,
            keel_bag_delete_cas(bag, "k", &token, NULL, &why) == KEEL_EXISTS);
    WITHOUT(keel_bag_delete_cas, why,
            keel_bag_delete_cas(bag, "k", &token, &options, NULL) == KEEL_EXISTS);
    end();
}
END_TEST

#define COUNTS_NOTHING_WITHOUT(verb)                                                   \
    WITHOUT(verb, bag, verb(NULL, "n", 1, &number, NULL, &why) == KEEL_E_ARGUMENT);    \
    WITHOUT(verb, key, verb(bag, NULL, 1, &number, NULL, &why) == KEEL_E_ARGUMENT);    \
    WITHOUT(verb, number, verb(bag, "n", 1, NULL, NULL, &why) == KEEL_OK);             \
    WITHOUT(verb, options, verb(bag, "n", 1, &number, NULL, &why) == KEEL_OK);         \
    WITHOUT(verb, why, verb(bag, "n", 1, &number, &options, NULL) == KEEL_OK)

START_TEST(nothing_is_changed_without_its_arguments)
{
    begin();
    COUNTS_NOTHING_WITHOUT(keel_bag_incr);
    COUNTS_NOTHING_WITHOUT(keel_bag_decr);
    WITHOUT(keel_bag_touch, bag,
            keel_bag_touch(NULL, "k", NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_touch, key,
            keel_bag_touch(bag, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_touch, options, keel_bag_touch(bag, "k", NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_touch, why, keel_bag_touch(bag, "k", &options, NULL) == KEEL_OK);
    WITHOUT(keel_bag_delete, bag,
            keel_bag_delete(NULL, "k", NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_delete, key,
            keel_bag_delete(bag, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_delete, options, keel_bag_delete(bag, "k", NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_delete, why, keel_bag_delete(bag, "n", &options, NULL) == KEEL_OK);
    WITHOUT(keel_bag_flush, bag, keel_bag_flush(NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_flush, options, keel_bag_flush(bag, NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_flush, why, keel_bag_flush(bag, &options, NULL) == KEEL_OK);
    end();
}
END_TEST

START_TEST(nothing_is_read_without_its_arguments)
{
    begin();
    WITHOUT(keel_bag_get, bag,
            keel_bag_get(NULL, "k", &item, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get, key,
            keel_bag_get(bag, NULL, &item, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get, item,
            keel_bag_get(bag, "k", NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get, options,
            keel_bag_get(bag, "k", &item, NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_get, why,
            keel_bag_get(bag, "k", &item, &options, NULL) == KEEL_OK);
    WITHOUT(keel_bag_get_and_touch, bag,
            keel_bag_get_and_touch(NULL, "k", &item, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_and_touch, key,
            keel_bag_get_and_touch(bag, NULL, &item, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_and_touch, item,
            keel_bag_get_and_touch(bag, "k", NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_and_touch, options,
            keel_bag_get_and_touch(bag, "k", &item, NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_get_and_touch, why,
            keel_bag_get_and_touch(bag, "k", &item, &options, NULL) == KEEL_OK);
    WITHOUT(keel_bag_get_many, bag,
            keel_bag_get_many(NULL, keys, &item, &status, 1, NULL, &why) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_many, keys,
            keel_bag_get_many(bag, NULL, &item, &status, 1, NULL, &why) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_many, items,
            keel_bag_get_many(bag, keys, NULL, &status, 1, NULL, &why) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_many, statuses,
            keel_bag_get_many(bag, keys, &item, NULL, 1, NULL, &why) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_get_many, options,
            keel_bag_get_many(bag, keys, &item, &status, 1, NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_get_many, why,
            keel_bag_get_many(bag, keys, &item, &status, 1, &options, NULL) == KEEL_OK);
    WITHOUT(keel_bag_scan, bag,
            keel_bag_scan(NULL, &cursor, go_on, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_scan, cursor,
            keel_bag_scan(bag, NULL, go_on, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_scan, fn,
            keel_bag_scan(bag, &cursor, NULL, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_scan, ctx,
            keel_bag_scan(bag, &cursor, go_on, NULL, &options, &why) == KEEL_OK);
    WITHOUT(keel_bag_scan, options,
            keel_bag_scan(bag, &cursor, go_on, &why, NULL, &why) == KEEL_OK);
    WITHOUT(keel_bag_scan, why,
            keel_bag_scan(bag, &cursor, go_on, &why, &options, NULL) == KEEL_OK);
    end();
}
END_TEST

START_TEST(nothing_is_opened_or_looked_at_without_its_arguments)
{
    begin();
    WITHOUT(keel_bag_open, bag,
            keel_bag_open(NULL, o.rt, "a", "memory://", &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_open, runtime,
            keel_bag_open(&other, NULL, "a", "memory://", &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_open, name,
            keel_bag_open(&other, o.rt, NULL, "memory://", &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_open, spec,
            keel_bag_open(&other, o.rt, "a", NULL, &why) == KEEL_E_CONFIG);
    WITHOUT(keel_bag_open, why,
            keel_bag_open(&other, o.rt, "a", "", NULL) == KEEL_E_CONFIG);
    WITHOUT(keel_bag_close, bag, RETURNS(keel_bag_close(NULL)));
    WITHOUT(keel_bag_describe, bag,
            keel_bag_describe(NULL, text, sizeof text) == 0 && !*text);
    WITHOUT(keel_bag_describe, text, keel_bag_describe(bag, NULL, 10) > 0);
    WITHOUT(keel_bag_look, bag, keel_bag_look(NULL, &abilities) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_look, abilities, keel_bag_look(bag, NULL) == KEEL_E_ARGUMENT);
    end();
}
END_TEST

START_TEST(what_plugins_use_bears_nothing_too)
{
    keel_bytes key = { "k", 1 };
    keel_bag_child child = { .path = "" };

    WITHOUT(keel_bag_fail, why,
            keel_bag_fail(NULL, KEEL_FAILED, KEEL_APPLIED_NO, "p", "x") == KEEL_FAILED);
    WITHOUT(keel_bag_fail, path,
            keel_bag_fail(&why, KEEL_FAILED, KEEL_APPLIED_NO, NULL, "x") ==
                KEEL_FAILED);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    WITHOUT(keel_bag_fail, format,
            keel_bag_fail(&why, KEEL_FAILED, KEEL_APPLIED_NO, "p", no_format) ==
                KEEL_FAILED);
#pragma GCC diagnostic pop
    WITHOUT(keel_bag_item_fill, item,
            keel_bag_item_fill(NULL, "v", 1) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_item_fill, value,
            keel_bag_item_fill(&item, NULL, 1) == KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_number_read, number, !keel_bag_number_read(key, NULL));
    WITHOUT(keel_bag_token_number, token, keel_bag_token_number(NULL) == 0);
    WITHOUT(keel_bag_child_get_many, child,
            RETURNS(keel_bag_child_get_many(NULL, &op, &key, &item, &status, 1, &why)));
    WITHOUT(
        keel_bag_child_get_many, op,
        RETURNS(keel_bag_child_get_many(&child, NULL, &key, &item, &status, 1, &why)));
    WITHOUT(
        keel_bag_child_get_many, keys,
        RETURNS(keel_bag_child_get_many(&child, &op, NULL, &item, &status, 1, &why)));
    WITHOUT(
        keel_bag_child_get_many, items,
        RETURNS(keel_bag_child_get_many(&child, &op, &key, NULL, &status, 1, &why)));
    WITHOUT(keel_bag_child_get_many, statuses,
            RETURNS(keel_bag_child_get_many(&child, &op, &key, &item, NULL, 1, &why)));
    WITHOUT(
        keel_bag_child_get_many, why,
        RETURNS(keel_bag_child_get_many(&child, &op, NULL, &item, &status, 1, NULL)));
}
END_TEST

SUITE("bag/null", 10, ONE(nothing_is_stored_without_its_arguments),
      ONE(nothing_is_compared_without_its_arguments),
      ONE(nothing_is_changed_without_its_arguments),
      ONE(nothing_is_read_without_its_arguments),
      ONE(nothing_is_opened_or_looked_at_without_its_arguments),
      ONE(what_plugins_use_bears_nothing_too))
