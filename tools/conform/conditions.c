/* SPDX-License-Identifier: MIT */
/* Storing under a condition: add, replace, cas, append and prepend, delete_cas. */
#include "conform/conform.h"

#include <string.h>

static keel_status add_text(conform *c, const char *key, const char *text)
{
    return keel_bag_add(c->bag, key, text, strlen(text), NULL, &c->why);
}

static keel_status cas_text(conform *c, const char *key, const keel_bag_token *token,
                            const char *text)
{
    return keel_bag_cas(c->bag, key, token, text, strlen(text), NULL, &c->why);
}

static void add_stores_only_where_there_is_none(conform *c)
{
    const char *key = key_of(c, 1);

    EXPECT_STATUS(c, KEEL_OK, add_text(c, key, "first"));
    EXPECT_STATUS(c, KEEL_NOT_STORED, add_text(c, key, "second"));
    EXPECT_APPLIED(c, KEEL_APPLIED_NO);
    EXPECT_TEXT(c, key, "first");
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, key, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, add_text(c, key, "third"));
    EXPECT_TEXT(c, key, "third");
}

static void replace_stores_only_where_there_is_one(conform *c)
{
    const char *key = key_of(c, 1);

    EXPECT_STATUS(c, KEEL_NOT_STORED,
                  keel_bag_replace(c->bag, key, "a", 1, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "b"));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_replace(c->bag, key, "c", 1, NULL, &c->why));
    EXPECT_TEXT(c, key, "c");
}

static void cas_stores_over_what_was_seen_and_nothing_else(conform *c)
{
    const char *key = key_of(c, 1);
    keel_bag_item item;
    keel_bag_token first;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "a"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    EXPECT(c, item.token.length > 0, "expected a token, and there is none");
    first = item.token;
    EXPECT_STATUS(c, KEEL_OK, cas_text(c, key, &first, "b"));
    EXPECT_TEXT(c, key, "b");
    EXPECT_STATUS(c, KEEL_EXISTS, cas_text(c, key, &first, "c"));
    EXPECT_APPLIED(c, KEEL_APPLIED_NO);
    EXPECT_TEXT(c, key, "b");
}

static void cas_of_what_is_gone_finds_nothing(conform *c)
{
    const char *key = key_of(c, 1);
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "a"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, key, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, cas_text(c, key, &item.token, "b"));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key, &item));
}

static void a_token_of_an_item_that_was_made_anew_is_of_another(conform *c)
{
    const char *key = key_of(c, 1);
    keel_bag_item before, after;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "same"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &before));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, key, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "same"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &after));
    EXPECT(
        c,
        before.token.length != after.token.length ||
            memcmp(before.token.bytes, after.token.bytes, after.token.length) != 0,
        "expected another token after the item was deleted and set anew, not the same");
    EXPECT_STATUS(c, KEEL_EXISTS, cas_text(c, key, &before.token, "other"));
}

static void the_token_of_a_write_is_good_for_the_next(conform *c)
{
    const char *key = key_of(c, 1);
    keel_bag_token token;
    const keel_bag_options options = { .size = sizeof options, .token = &token };

    EXPECT_STATUS(c, KEEL_OK, keel_bag_set(c->bag, key, "a", 1, &options, &c->why));
    if (!token.length)
        return; /* it does not tell: the token has to be read */
    EXPECT_STATUS(c, KEEL_OK, cas_text(c, key, &token, "b"));
    EXPECT_STATUS(c, KEEL_EXISTS, cas_text(c, key, &token, "c"));
}

static void cas_sets_flags(conform *c)
{
    const keel_bag_options options = { .size = sizeof options, .flags = 7 };
    const char *key = key_of(c, 1);
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "a"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_cas(c->bag, key, &item.token, "b", 1, &options, &c->why));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    EXPECT_NUMBER(c, "flags", 7, item.flags);
}

static void appending_and_prepending_keep_what_there_is(conform *c)
{
    const keel_bag_options first = { .size = sizeof first, .flags = 5 };
    const keel_bag_options second = { .size = sizeof second, .flags = 9 };
    const char *key = key_of(c, 1);
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, keel_bag_set(c->bag, key, "b", 1, &first, &c->why));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_append(c->bag, key, "c", 1, &second, &c->why));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_prepend(c->bag, key, "a", 1, &second, &c->why));
    EXPECT_TEXT(c, key, "abc");
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    if (c->abilities.effective & KEEL_CAN_FLAGS)
        EXPECT_NUMBER(c, "flags", 5, item.flags);
    EXPECT_STATUS(c, KEEL_OK, keel_bag_append(c->bag, key, "", 0, NULL, &c->why));
    EXPECT_TEXT(c, key, "abc");
}

static void appending_to_nothing_makes_nothing(conform *c)
{
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_NOT_STORED,
                  keel_bag_append(c->bag, key_of(c, 1), "a", 1, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_STORED,
                  keel_bag_prepend(c->bag, key_of(c, 1), "a", 1, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 1), &item));
}

static void every_write_makes_a_seen_token_old(conform *c)
{
    const char *key = key_of(c, 1);
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "1"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_append(c->bag, key, "2", 1, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_EXISTS, cas_text(c, key, &item.token, "x"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &item));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "12"));
    EXPECT_STATUS(c, KEEL_EXISTS, cas_text(c, key, &item.token, "x"));
}

static void only_what_was_seen_is_deleted(conform *c)
{
    const char *key = key_of(c, 1);
    keel_bag_item seen, now;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "a"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &seen));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "b"));
    EXPECT_STATUS(c, KEEL_EXISTS,
                  keel_bag_delete_cas(c->bag, key, &seen.token, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key, &now));
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_delete_cas(c->bag, key, &now.token, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_FOUND,
                  keel_bag_delete_cas(c->bag, key, &now.token, NULL, &c->why));
}

#define STORES (KEEL_CAN_SET | KEEL_CAN_DELETE)

const conform_check conform_conditions[] = {
    { "add_stores_only_where_there_is_none", STORES | KEEL_CAN_ADD,
      add_stores_only_where_there_is_none },
    { "replace_stores_only_where_there_is_one", STORES | KEEL_CAN_REPLACE,
      replace_stores_only_where_there_is_one },
    { "cas_stores_over_what_was_seen_and_nothing_else", STORES | KEEL_CAN_CAS,
      cas_stores_over_what_was_seen_and_nothing_else },
    { "cas_of_what_is_gone_finds_nothing", STORES | KEEL_CAN_CAS,
      cas_of_what_is_gone_finds_nothing },
    { "a_token_of_an_item_that_was_made_anew_is_of_another", STORES | KEEL_CAN_CAS,
      a_token_of_an_item_that_was_made_anew_is_of_another },
    { "the_token_of_a_write_is_good_for_the_next", STORES | KEEL_CAN_CAS,
      the_token_of_a_write_is_good_for_the_next },
    { "cas_sets_flags", STORES | KEEL_CAN_CAS | KEEL_CAN_FLAGS, cas_sets_flags },
    { "appending_and_prepending_keep_what_there_is", STORES | KEEL_CAN_APPEND,
      appending_and_prepending_keep_what_there_is },
    { "appending_to_nothing_makes_nothing", STORES | KEEL_CAN_APPEND,
      appending_to_nothing_makes_nothing },
    { "every_write_makes_a_seen_token_old", STORES | KEEL_CAN_CAS | KEEL_CAN_APPEND,
      every_write_makes_a_seen_token_old },
    { "only_what_was_seen_is_deleted", STORES | KEEL_CAN_DELETE_CAS,
      only_what_was_seen_is_deleted },
    { NULL, 0, NULL },
};
