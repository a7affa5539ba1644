/* SPDX-License-Identifier: MIT */
/* Counting: 64 bits without sign, in decimal digits. */
#include "conform/conform.h"

#include <string.h>

typedef struct step {
    const char *why;
    const char *before;
    bool down;
    uint64_t by;
    uint64_t after;
} step;

static const step steps[] = {
    { "one more", "41", false, 1, 42 },
    { "one less", "42", true, 1, 41 },
    { "nothing more", "7", false, 0, 7 },
    { "a digit more", "999", false, 1, 1000 },
    { "a digit less", "1000", true, 1, 999 },
    { "many digits less", "10000000000000000000", true, 9999999999999999999u, 1 },
    { "below nothing", "3", true, 5, 0 },
    { "from nothing", "0", true, 1, 0 },
    { "past half", "9223372036854775807", false, 1, 9223372036854775808u },
    { "to the end", "18446744073709551614", false, 1, UINT64_MAX },
    { "past the end", "18446744073709551615", false, 1, 0 },
    { "far past the end", "18446744073709551615", false, UINT64_MAX, UINT64_MAX - 1 },
    { "above what a double holds", "9007199254740993", false, 2, 9007199254740995u },
};

static bool is_number(conform *c, const char *key, uint64_t wanted)
{
    keel_bag_item item;
    uint64_t number;

    return get_item(c, key, &item) == KEEL_OK &&
           keel_bag_number_read((keel_bytes){ c->value, item.length }, &number) &&
           number == wanted;
}

static void numbers_are_added_to_and_taken_from(conform *c)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const step *s = &steps[i];
        uint64_t number = 1;

        EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), s->before));
        EXPECT_STATUS(c, KEEL_OK,
                      (s->down ? keel_bag_decr : keel_bag_incr)(
                          c->bag, key_of(c, 1), s->by, &number, NULL, &c->why));
        if (number != s->after || !is_number(c, key_of(c, 1), s->after)) {
            conform_say(c, __FILE__, __LINE__, "%s: %llu is told, %llu is right",
                        s->why, (unsigned long long)number,
                        (unsigned long long)s->after);
            return;
        }
    }
}

static void counting_nothing_makes_nothing(conform *c)
{
    keel_bag_item item;
    uint64_t number;

    EXPECT_STATUS(c, KEEL_NOT_FOUND,
                  keel_bag_incr(c->bag, key_of(c, 1), 1, &number, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_FOUND,
                  keel_bag_decr(c->bag, key_of(c, 1), 1, &number, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 1), &item));
}

static void what_is_no_number_stays_as_it_is(conform *c)
{
    static const char *const texts[] = {
        "", "hi", "-1", "1x", "1.5", "0x10", "18446744073709551616"
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), texts[i]));
        EXPECT_STATUS(c, KEEL_NOT_NUMBER,
                      keel_bag_incr(c->bag, key_of(c, 1), 1, NULL, NULL, &c->why));
        EXPECT_TEXT(c, key_of(c, 1), texts[i]);
    }
}

static void counting_keeps_flags(conform *c)
{
    const keel_bag_options options = { .size = sizeof options, .flags = 77 };
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_set(c->bag, key_of(c, 1), "9", 1, &options, &c->why));
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_incr(c->bag, key_of(c, 1), 1, NULL, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT_NUMBER(c, "flags", 77, item.flags);
}

static void counting_makes_a_seen_token_old(conform *c)
{
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "5"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_incr(c->bag, key_of(c, 1), 1, NULL, NULL, &c->why));
    EXPECT_STATUS(
        c, KEEL_EXISTS,
        keel_bag_cas(c->bag, key_of(c, 1), &item.token, "x", 1, NULL, &c->why));
}

#define COUNTS (KEEL_CAN_SET | KEEL_CAN_INCR)

const conform_check conform_numbers[] = {
    { "numbers_are_added_to_and_taken_from", COUNTS,
      numbers_are_added_to_and_taken_from },
    { "counting_nothing_makes_nothing", COUNTS, counting_nothing_makes_nothing },
    { "what_is_no_number_stays_as_it_is", COUNTS, what_is_no_number_stays_as_it_is },
    { "counting_keeps_flags", COUNTS | KEEL_CAN_FLAGS, counting_keeps_flags },
    { "counting_makes_a_seen_token_old", COUNTS | KEEL_CAN_CAS,
      counting_makes_a_seen_token_old },
    { NULL, 0, NULL },
};
