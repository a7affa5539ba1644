/* SPDX-License-Identifier: MIT */
/* All there is: scans and flushes. */
#include "conform/conform.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 300, ROUNDS_MOST = 1000000 };

/* How often each of the check's own keys was said. */
typedef struct seen {
    char prefix[64];
    unsigned times[MANY];
    unsigned heard; /* of whatever keys */
    bool has_enough, was_asked_again;
} seen;

static bool note(const char *key, void *ctx)
{
    seen *s = ctx;
    size_t length = strlen(s->prefix);
    unsigned number;

    if (strncmp(key, s->prefix, length) == 0 &&
        sscanf(key + length, "%u", &number) == 1 && number < MANY)
        s->times[number]++;
    return true;
}

/* As note, but has heard enough after every seventh of them. */
static bool note_few(const char *key, void *ctx)
{
    seen *s = ctx;

    note(key, ctx);
    s->heard++;
    s->was_asked_again = s->was_asked_again || s->has_enough;
    s->has_enough = s->heard % 7 == 0;
    return !s->has_enough;
}

static void store_all(conform *c, seen *s)
{
    *s = (seen){ .heard = 0 };
    snprintf(s->prefix, sizeof s->prefix, "%s", key_of(c, 0));
    *(strrchr(s->prefix, ':') + 1) = '\0';
    for (unsigned i = 0; i < MANY; i++)
        EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, i), "x"));
}

static void expect_all(conform *c, const seen *s)
{
    for (unsigned i = 0; i < MANY; i++) {
        if (!s->times[i]) {
            conform_say(c, __FILE__, __LINE__, "key %u of %u was not said", i, MANY);
            return;
        }
        EXPECT_STATUS(c, KEEL_OK, keel_bag_delete(c->bag, key_of(c, i), NULL, &c->why));
    }
}

static void a_scan_says_every_key_that_is_there_all_the_while(conform *c)
{
    static seen s;
    keel_bag_cursor cursor = { .length = 0 };
    unsigned rounds = 0;

    store_all(c, &s);
    while (!cursor.is_at_end && rounds++ < ROUNDS_MOST) {
        keel_bag_cursor kept = cursor; /* as if it came out of a file */

        cursor = kept;
        EXPECT_STATUS(c, KEEL_OK,
                      keel_bag_scan(c->bag, &cursor, note, &s, NULL, &c->why));
    }
    EXPECT(c, cursor.is_at_end, "expected a scan to end within %d rounds", ROUNDS_MOST);
    expect_all(c, &s);
}

static void who_has_heard_enough_goes_on_where_he_was(conform *c)
{
    static seen s;
    keel_bag_cursor cursor = { .length = 0 };
    unsigned rounds = 0;

    store_all(c, &s);
    while (!cursor.is_at_end && rounds++ < ROUNDS_MOST) {
        s.has_enough = false;
        EXPECT_STATUS(c, KEEL_OK,
                      keel_bag_scan(c->bag, &cursor, note_few, &s, NULL, &c->why));
        EXPECT(c, !s.was_asked_again, "expected no key after the function said no");
    }
    EXPECT(c, cursor.is_at_end, "expected a scan to end within %d rounds", ROUNDS_MOST);
    expect_all(c, &s);
}

static void a_flush_leaves_nothing_and_what_comes_after_stays(conform *c)
{
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "a"));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 2), "b"));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_flush(c->bag, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 3), "c"));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 1), &item));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 2), &item));
    EXPECT_TEXT(c, key_of(c, 3), "c");
}

const conform_check conform_all[] = {
    { "a_scan_says_every_key_that_is_there_all_the_while",
      KEEL_CAN_SET | KEEL_CAN_SCAN | KEEL_CAN_DELETE,
      a_scan_says_every_key_that_is_there_all_the_while },
    { "who_has_heard_enough_goes_on_where_he_was",
      KEEL_CAN_SET | KEEL_CAN_SCAN | KEEL_CAN_DELETE,
      who_has_heard_enough_goes_on_where_he_was },
    { "a_flush_leaves_nothing_and_what_comes_after_stays",
      KEEL_CAN_SET | KEEL_CAN_FLUSH,
      a_flush_leaves_nothing_and_what_comes_after_stays },
    { NULL, 0, NULL },
};
