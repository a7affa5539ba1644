/* SPDX-License-Identifier: MIT */
/* Start stamps of attempts in flight. */
#include <string.h>

#include "policy/starts.h"
#include "support/suite.h"

static keel_starts_words words;
static const keel_starts starts = { &words };

static void count(uint32_t generation, uint64_t now, uint64_t slow_limit,
                  uint32_t expected)
{
    uint32_t slow, dead;

    keel_starts_count(
        &starts, generation, now,
        &(keel_starts_limits){ .slow = slow_limit, .dead = slow_limit / 2 }, &slow,
        &dead);
    ck_assert_uint_eq(slow, expected);
    ck_assert_uint_le(dead, slow);
}

START_TEST(only_those_before_the_limit_are_counted)
{
    uint8_t a, b;

    memset(&words, 0, sizeof words);
    a = keel_starts_enter(&starts, 0, 100);
    b = keel_starts_enter(&starts, 0, 200);
    count(0, 300, 100, 0);
    count(0, 300, 101, 1);
    count(0, 300, 201, 2);
    keel_starts_leave(&starts, a);
    count(0, 300, 201, 1);
    keel_starts_leave(&starts, b);
    count(0, 300, 201, 0);
}
END_TEST

START_TEST(those_of_another_generation_are_not)
{
    uint8_t a;

    memset(&words, 0, sizeof words);
    a = keel_starts_enter(&starts, 3, 100);
    count(4, 300, 201, 0);
    count(3, 300, 201, 1);
    keel_starts_leave(&starts, a);
}
END_TEST

START_TEST(those_of_64_generations_before_are_known_by_their_age)
{
    const keel_starts_limits limits = { .since = 150, .slow = 300, .dead = 300 };
    uint32_t slow, dead;
    uint8_t a, b;

    memset(&words, 0, sizeof words);
    a = keel_starts_enter(&starts, 0, 149);
    b = keel_starts_enter(&starts, 64, 150);
    keel_starts_count(&starts, 64, 400, &limits, &slow, &dead);
    ck_assert_uint_eq(slow, 1);
    ck_assert_uint_eq(dead, 1);
    keel_starts_leave(&starts, a);
    keel_starts_leave(&starts, b);
}
END_TEST

START_TEST(a_cheap_look_never_misses_the_oldest)
{
    uint8_t places[4];

    memset(&words, 0, sizeof words);
    ck_assert(!keel_starts_maybe_before(&starts, 1000));
    places[0] = keel_starts_enter(&starts, 0, 100);
    places[1] = keel_starts_enter(&starts, 0, 500);
    ck_assert(!keel_starts_maybe_before(&starts, 100));
    ck_assert(keel_starts_maybe_before(&starts, 101));
    keel_starts_leave(&starts, places[0]);
    count(0, 600, 101, 0); /* freshens it */
    ck_assert(!keel_starts_maybe_before(&starts, 500));
    ck_assert(keel_starts_maybe_before(&starts, 501));
    keel_starts_leave(&starts, places[1]);
    count(0, 700, 501, 0);
    ck_assert(!keel_starts_maybe_before(&starts, 700));
    /* somebody who entered while we looked is no earlier than the look */
    ck_assert(keel_starts_maybe_before(&starts, 701));
}
END_TEST

START_TEST(a_start_at_zero_is_a_start)
{
    uint8_t a;

    memset(&words, 0, sizeof words);
    a = keel_starts_enter(&starts, 0, 0);
    ck_assert_uint_ne(a, 0);
    count(0, 10, 5, 1);
    keel_starts_leave(&starts, a);
    count(0, 10, 5, 0);
}
END_TEST

START_TEST(beyond_its_room_starts_go_unseen_and_do_no_harm)
{
    uint8_t places[KEEL_STARTS + 8];
    unsigned seen = 0;

    memset(&words, 0, sizeof words);
    for (size_t i = 0; i < sizeof places; i++) {
        places[i] = keel_starts_enter(&starts, 0, 100 + i);
        seen += places[i] != 0;
    }
    ck_assert_uint_ge(seen, KEEL_STARTS - KEEL_STARTS_OWNED);
    count(0, 300, 299, seen);
    for (size_t i = 0; i < sizeof places; i++)
        keel_starts_leave(&starts, places[i]);
    count(0, 300, 299, 0);
}
END_TEST

SUITE("starts", 30, ONE(only_those_before_the_limit_are_counted),
      ONE(those_of_another_generation_are_not),
      ONE(those_of_64_generations_before_are_known_by_their_age),
      ONE(a_cheap_look_never_misses_the_oldest), ONE(a_start_at_zero_is_a_start),
      ONE(beyond_its_room_starts_go_unseen_and_do_no_harm))
