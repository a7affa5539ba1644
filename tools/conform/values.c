/* SPDX-License-Identifier: MIT */
/* Values, flags and keys: what is stored comes back as it was. */
#include "conform/conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nothing_is_not_found(conform *c)
{
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 1), &item));
}

static void what_is_set_comes_back(conform *c)
{
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "one"));
    EXPECT_APPLIED(c, KEEL_APPLIED_YES);
    EXPECT_TEXT(c, key_of(c, 1), "one");
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "two, and longer"));
    EXPECT_TEXT(c, key_of(c, 1), "two, and longer");
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "3"));
    EXPECT_TEXT(c, key_of(c, 1), "3");
}

static void the_empty_value_is_one(conform *c)
{
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), ""));
    EXPECT_TEXT(c, key_of(c, 1), "");
}

static void any_bytes_are_a_value(conform *c)
{
    static const char wire[] = "\r\nEND\r\n$-1\r\n\0"; /* of protocols */
    unsigned char bytes[512];
    keel_bag_item item;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    memcpy(bytes + 100, wire, sizeof wire);
    EXPECT_STATUS(
        c, KEEL_OK,
        keel_bag_set(c->bag, key_of(c, 1), bytes, sizeof bytes, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT(c, item.length == sizeof bytes && !memcmp(c->value, bytes, sizeof bytes),
           "expected the %zu bytes that were set, not others, %zu of them",
           sizeof bytes, item.length);
}

static void a_large_value_comes_back_whole(conform *c)
{
    size_t length = c->abilities.value_max < 1000000 ? c->abilities.value_max : 1000000;
    char *sent = malloc(length), *back = malloc(length);
    keel_bag_item item = { .size = sizeof item, .buffer = back, .capacity = length };
    keel_status stored = KEEL_E_NOMEM, read = KEEL_E_NOMEM;
    bool is_same = false;

    if (sent && back) {
        for (size_t i = 0; i < length; i++)
            sent[i] = (char)(i * 31 >> 3);
        stored = keel_bag_set(c->bag, key_of(c, 1), sent, length, NULL, &c->why);
        read = keel_bag_get(c->bag, key_of(c, 1), &item, NULL, &c->why);
        is_same = item.length == length && memcmp(sent, back, length) == 0;
    }
    free(sent);
    free(back);
    EXPECT_STATUS(c, KEEL_OK, stored);
    EXPECT_STATUS(c, KEEL_OK, read);
    EXPECT(c, is_same, "expected the %zu bytes that were set, not others, %zu of them",
           length, item.length);
}

static void too_large_a_value_is_refused_and_the_old_one_stays(conform *c)
{
    size_t length = (size_t)c->abilities.value_max + 1;
    char *sent = length < (size_t)1 << 28 ? calloc(1, length) : NULL;
    keel_status status;

    if (!sent)
        return; /* nobody sends so much by mistake */
    if (set_text(c, key_of(c, 1), "old") != KEEL_OK)
        conform_say(c, __FILE__, __LINE__, "%s", c->why.text);
    status = keel_bag_set(c->bag, key_of(c, 1), sent, length, NULL, &c->why);
    free(sent);
    EXPECT_STATUS(c, KEEL_E_TOO_LARGE, status);
    EXPECT_APPLIED(c, KEEL_APPLIED_NO);
    EXPECT_TEXT(c, key_of(c, 1), "old");
}

static keel_status grow(conform *c, bool at_end, const char *value, size_t length)
{
    return at_end
               ? keel_bag_append(c->bag, key_of(c, 1), value, length, NULL, &c->why)
               : keel_bag_prepend(c->bag, key_of(c, 1), value, length, NULL, &c->why);
}

static void an_item_does_not_grow_beyond_what_may_be_set(conform *c)
{
    size_t length = (size_t)c->abilities.value_max;
    char *sent = length < (size_t)1 << 28 ? calloc(1, length) : NULL;
    keel_status set, append, prepend;
    keel_bag_item item;

    if (!sent)
        return;
    set = keel_bag_set(c->bag, key_of(c, 1), sent, length, NULL, &c->why);
    append = grow(c, true, sent, length);
    prepend = grow(c, false, sent, length); /* some have a little more room */
    free(sent);
    EXPECT_STATUS(c, KEEL_OK, set);
    EXPECT_STATUS(c, KEEL_E_TOO_LARGE, append);
    EXPECT_STATUS(c, KEEL_E_TOO_LARGE, prepend);
    EXPECT_APPLIED(c, KEEL_APPLIED_NO);
    EXPECT_STATUS(c, KEEL_OK, grow(c, true, "", 0));
    (void)get_item(c, key_of(c, 1), &item); /* there is no room for it */
    EXPECT_NUMBER(c, "a length of", length, item.length);
}

static void a_buffer_that_is_too_small_stays_as_it_was(conform *c)
{
    char small[4] = "abc";
    keel_bag_item item = { .size = sizeof item, .buffer = small, .capacity = 3 };

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "four and more"));
    EXPECT_STATUS(c, KEEL_E_BUFFER,
                  keel_bag_get(c->bag, key_of(c, 1), &item, NULL, &c->why));
    EXPECT_NUMBER(c, "a length of", strlen("four and more"), item.length);
    EXPECT(c, !strcmp(small, "abc"), "expected the buffer to stay as it was");
    item.buffer = NULL;
    item.capacity = 0;
    EXPECT_STATUS(c, KEEL_OK, keel_bag_get(c->bag, key_of(c, 1), &item, NULL, &c->why));
    EXPECT_NUMBER(c, "a length of", strlen("four and more"), item.length);
}

static void flags_come_back_and_are_replaced(conform *c)
{
    keel_bag_options options = { .size = sizeof options, .flags = 0xfedcba98 };
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_set(c->bag, key_of(c, 1), "x", 1, &options, &c->why));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT_NUMBER(c, "flags", 0xfedcba98, item.flags);
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "y"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT_NUMBER(c, "flags", 0, item.flags);
}

static void a_key_may_have_250_bytes_of_any_kind(conform *c)
{
    char key[KEEL_BAG_KEY_MAX + 1], other[KEEL_BAG_KEY_MAX + 1];
    const char *own = key_of(c, 1);

    for (size_t i = 0; i < KEEL_BAG_KEY_MAX; i++)
        key[i] = (char)(0x21 + i % 0x5e);
    memcpy(key, own, strlen(own));
    memcpy(key + 100, "../%2f\\*?[]\xc3\xa9\xff", 14);
    key[KEEL_BAG_KEY_MAX] = '\0';
    memcpy(other, key, sizeof key);
    other[KEEL_BAG_KEY_MAX - 1] ^= 1;
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key, "long"));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, other, "other"));
    EXPECT_TEXT(c, key, "long");
    EXPECT_TEXT(c, other, "other");
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, key, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, other, NULL, &c->why));
}

static void keys_differ_by_case_and_by_every_byte(conform *c)
{
    char lower[80], upper[80];

    snprintf(lower, sizeof lower, "%sabc", key_of(c, 1));
    snprintf(upper, sizeof upper, "%sABC", key_of(c, 1));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, lower, "lower"));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, upper, "upper"));
    EXPECT_TEXT(c, lower, "lower");
    EXPECT_TEXT(c, upper, "upper");
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, lower, NULL, &c->why));
    EXPECT_TEXT(c, upper, "upper");
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, upper, NULL, &c->why));
}

static void a_bad_key_is_refused_before_anything_is_sent(conform *c)
{
    char long_key[KEEL_BAG_KEY_MAX + 2];
    const char *const bad[] = { "",     "two words", "line\nfeed",
                                "\x01", "del\x7f",   long_key };

    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_STATUS(c, KEEL_E_ARGUMENT, set_text(c, bad[i], "x"));
        EXPECT_APPLIED(c, KEEL_APPLIED_NO);
    }
    EXPECT_STATUS(c, KEEL_E_ARGUMENT, set_text(c, NULL, "x"));
}

static void deleted_is_gone_and_deleting_nothing_says_so(conform *c)
{
    keel_bag_item item;
    keel_status second;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "x"));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, key_of(c, 1), NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 1), &item));
    second = keel_bag_delete(c->bag, key_of(c, 1), NULL, &c->why);
    if (c->abilities.native & KEEL_TELLS_DELETE)
        EXPECT_STATUS(c, KEEL_NOT_FOUND, second);
    else
        EXPECT(c, second == KEEL_OK || second == KEEL_NOT_FOUND,
               "expected KEEL_OK or KEEL_NOT_FOUND of a second delete, not %s",
               keel_status_name(second));
}

static void several_keys_are_answered_each(conform *c)
{
    char values[4][16];
    const char *keys[] = { key_of(c, 1), key_of(c, 2), key_of(c, 1), "bad key" };
    keel_bag_item items[4];
    keel_status statuses[4];

    for (size_t i = 0; i < 4; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
    EXPECT_STATUS(c, KEEL_OK, set_text(c, keys[0], "first"));
    EXPECT_STATUS(c, KEEL_PARTIAL,
                  keel_bag_get_many(c->bag, keys, items, statuses, 4, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, statuses[0]);
    EXPECT_NUMBER(c, "a length of", 5, items[0].length);
    EXPECT_STATUS(c, KEEL_NOT_FOUND, statuses[1]);
    EXPECT_STATUS(c, KEEL_OK, statuses[2]);
    EXPECT(c, !memcmp(values[2], "first", 5),
           "expected the value of a key that occurs twice both times");
    EXPECT_STATUS(c, KEEL_E_ARGUMENT, statuses[3]);
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_get_many(c->bag, keys, items, statuses, 3, NULL, &c->why));
}

static void a_hundred_keys_come_in_order(conform *c)
{
    enum { MANY = 100 };
    static char names[MANY][64], values[MANY][8];
    const char *keys[MANY];
    keel_bag_item items[MANY];
    keel_status statuses[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "%s", key_of(c, i));
        keys[i] = names[i];
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
        if (i % 3)
            EXPECT_STATUS(c, KEEL_OK,
                          keel_bag_set(c->bag, keys[i], &i, sizeof i, NULL, &c->why));
    }
    EXPECT_STATUS(
        c, KEEL_OK,
        keel_bag_get_many(c->bag, keys, items, statuses, MANY, NULL, &c->why));
    for (unsigned i = 0; i < MANY; i++) {
        EXPECT_STATUS(c, i % 3 ? KEEL_OK : KEEL_NOT_FOUND, statuses[i]);
        EXPECT(c, i % 3 == 0 || !memcmp(values[i], &i, sizeof i),
               "expected the value of key %u in its place, not another", i);
    }
}

const conform_check conform_values[] = {
    { "nothing_is_not_found", KEEL_CAN_GET, nothing_is_not_found },
    { "what_is_set_comes_back", KEEL_CAN_SET, what_is_set_comes_back },
    { "the_empty_value_is_one", KEEL_CAN_SET, the_empty_value_is_one },
    { "any_bytes_are_a_value", KEEL_CAN_SET, any_bytes_are_a_value },
    { "a_large_value_comes_back_whole", KEEL_CAN_SET, a_large_value_comes_back_whole },
    { "too_large_a_value_is_refused_and_the_old_one_stays", KEEL_CAN_SET,
      too_large_a_value_is_refused_and_the_old_one_stays },
    { "an_item_does_not_grow_beyond_what_may_be_set", KEEL_CAN_SET | KEEL_CAN_APPEND,
      an_item_does_not_grow_beyond_what_may_be_set },
    { "a_buffer_that_is_too_small_stays_as_it_was", KEEL_CAN_SET,
      a_buffer_that_is_too_small_stays_as_it_was },
    { "flags_come_back_and_are_replaced", KEEL_CAN_SET | KEEL_CAN_FLAGS,
      flags_come_back_and_are_replaced },
    { "a_key_may_have_250_bytes_of_any_kind", KEEL_CAN_SET | KEEL_CAN_DELETE,
      a_key_may_have_250_bytes_of_any_kind },
    { "keys_differ_by_case_and_by_every_byte", KEEL_CAN_SET | KEEL_CAN_DELETE,
      keys_differ_by_case_and_by_every_byte },
    { "a_bad_key_is_refused_before_anything_is_sent", KEEL_CAN_SET,
      a_bad_key_is_refused_before_anything_is_sent },
    { "deleted_is_gone_and_deleting_nothing_says_so", KEEL_CAN_SET | KEEL_CAN_DELETE,
      deleted_is_gone_and_deleting_nothing_says_so },
    { "several_keys_are_answered_each", KEEL_CAN_SET, several_keys_are_answered_each },
    { "a_hundred_keys_come_in_order", KEEL_CAN_SET, a_hundred_keys_come_in_order },
    { NULL, 0, NULL },
};
