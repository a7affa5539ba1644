/* SPDX-License-Identifier: MIT */
/* The fleet's rate limits and bulkheads. */
#include "share/fleet.h"

#include <string.h>

#define DAY_US (86400 * UINT64_C(1000000))

/* Tokens of a limit that adds none while the test runs. */
static uint32_t take_of(member *m, uint64_t burst, uint32_t want, uint32_t give_back,
                        uint32_t *wait_ms)
{
    const keel_wire_rate rate = { .name = "orders",
                                  .count = 10,
                                  .period_us = DAY_US,
                                  .burst = burst,
                                  .want = want,
                                  .give_back = give_back };
    keel_command command = command_new();
    uint32_t granted;
    redisReply *reply;

    ck_assert(keel_wire_rate_write(&command, &m->fleet, &rate));
    reply = fleet_run(&command);
    ck_assert(keel_wire_rate_read(reply, want, &granted, wait_ms));
    freeReplyObject(reply);
    return granted;
}

static uint32_t take(member *m, uint32_t want, uint32_t give_back, uint32_t *wait_ms)
{
    return take_of(m, 10, want, give_back, wait_ms);
}

/* As members do that know of a different number of others. */
START_TEST(a_member_with_a_smaller_burst_forgives_nobodys_debt)
{
    member a = member_named("a"), b = member_named("b");
    uint32_t wait_ms;

    ck_assert_uint_eq(take_of(&a, 10, 10, 0, &wait_ms), 10);
    ck_assert_uint_eq(take_of(&b, 2, 1, 0, &wait_ms), 0);
    ck_assert_uint_eq(take_of(&a, 10, 1, 0, &wait_ms), 0);
    ck_assert_uint_eq(take_of(&b, 2, 1, 0, &wait_ms), 0);
    ck_assert_uint_eq(take_of(&a, 10, 10, 0, &wait_ms), 0);
}
END_TEST

START_TEST(members_share_one_bucket)
{
    member a = member_named("a"), b = member_named("b");
    uint32_t wait_ms;

    ck_assert_uint_eq(take(&a, 6, 0, &wait_ms), 6);
    ck_assert_uint_eq(wait_ms, 0);
    ck_assert_uint_eq(take(&b, 6, 0, &wait_ms), 4);
    ck_assert_uint_gt(wait_ms, 0);
    ck_assert_uint_eq(take(&a, 1, 0, &wait_ms), 0);
}
END_TEST

START_TEST(unused_tokens_go_back_and_no_more_than_the_burst)
{
    member a = member_named("a");
    uint32_t wait_ms;

    take(&a, 10, 0, &wait_ms);
    ck_assert_uint_eq(take(&a, 10, 3, &wait_ms), 3);
    ck_assert_uint_eq(take(&a, 20, 1000, &wait_ms), 10);
}
END_TEST

START_TEST(a_full_bucket_far_ahead_is_an_empty_one_at_most)
{
    unsigned char raw[40] = { 82, 1, 0, 0, 0, 0, 0, 0, 0, 0x1f };
    member a = member_named("a");
    uint32_t wait_ms;

    store_raw(KEY("rl:orders"), raw, sizeof raw);
    ck_assert_uint_eq(take(&a, 1, 0, &wait_ms), 0);
    ck_assert_uint_eq(take(&a, 5, 5, &wait_ms), 5);
}
END_TEST

static const char *const no_buckets[] = { "", "x", "0123456789012345",
                                          "0123456789012345678901234567890123456789" };

START_TEST(what_cannot_be_a_bucket_is_a_new_one)
{
    member a = member_named("a");
    uint32_t wait_ms;

    store_raw(KEY("rl:orders"), no_buckets[_i], strlen(no_buckets[_i]));
    ck_assert_uint_eq(take(&a, 20, 0, &wait_ms), 10);
}
END_TEST

START_TEST(a_bucket_of_another_type_is_a_new_one_and_has_an_end)
{
    member a = member_named("a");
    uint32_t wait_ms;

    fleet_integer("RPUSH %s x", KEY("rl:orders"));
    ck_assert_uint_eq(take(&a, 20, 0, &wait_ms), 10);
    ck_assert_int_gt(fleet_integer("PTTL %s", KEY("rl:orders")), 86400000);
}
END_TEST

/* ---- bulkheads ------------------------------------------------------------------- */

static uint16_t hold(member *m, uint16_t want, uint16_t have, bool *waiting)
{
    const keel_wire_places places = {
        .name = "orders", .limit = 5, .want = want, .have = have, .lease_ms = 60000
    };
    keel_command command = command_new();
    uint16_t granted;
    redisReply *reply;

    ck_assert(keel_wire_places_write(&command, &m->fleet, &places));
    reply = fleet_run(&command);
    ck_assert(keel_wire_places_read(reply, want, &granted, waiting));
    freeReplyObject(reply);
    return granted;
}

START_TEST(members_share_the_places)
{
    member a = member_named("a"), b = member_named("b");
    bool waiting;

    ck_assert_uint_eq(hold(&a, 3, 0, &waiting), 3);
    ck_assert_uint_eq(hold(&b, 4, 0, &waiting), 2);
    ck_assert_int_eq(fleet_integer("ZCARD %s", KEY("bh:orders")), 5);
}
END_TEST

START_TEST(the_same_said_twice_is_the_same)
{
    member a = member_named("a");
    bool waiting;

    ck_assert_uint_eq(hold(&a, 3, 0, &waiting), 3);
    ck_assert_uint_eq(hold(&a, 3, 0, &waiting), 3);
    ck_assert_uint_eq(hold(&a, 5, 3, &waiting), 5);
    ck_assert_int_eq(fleet_integer("ZCARD %s", KEY("bh:orders")), 5);
}
END_TEST

START_TEST(places_go_back)
{
    member a = member_named("a"), b = member_named("b");
    bool waiting;

    hold(&a, 5, 0, &waiting);
    ck_assert_uint_eq(hold(&a, 1, 5, &waiting), 1);
    ck_assert_uint_eq(hold(&b, 5, 0, &waiting), 4);
    ck_assert_uint_eq(hold(&a, 0, 1, &waiting), 0);
    ck_assert_int_eq(fleet_integer("ZCARD %s", KEY("bh:orders")), 4);
}
END_TEST

START_TEST(places_that_are_not_renewed_run_out)
{
    member a = member_named("a"), b = member_named("b");
    bool waiting;

    hold(&a, 2, 0, &waiting);
    fleet_integer("ZADD %s 1 a:1 1 a:2", KEY("bh:orders"));
    ck_assert_uint_eq(hold(&b, 5, 0, &waiting), 5);
    ck_assert_uint_eq(hold(&a, 2, 2, &waiting), 0);
}
END_TEST

START_TEST(a_holder_hears_that_others_wait)
{
    member a = member_named("a"), b = member_named("b");
    bool waiting;

    hold(&a, 5, 0, &waiting);
    ck_assert(!waiting);
    hold(&b, 1, 0, &waiting);
    ck_assert(!waiting);
    hold(&a, 5, 5, &waiting);
    ck_assert(waiting);
}
END_TEST

START_TEST(who_asks_in_vain_hears_of_another_who_did)
{
    member a = member_named("a"), b = member_named("b");
    bool waiting;

    hold(&a, 5, 0, &waiting);
    hold(&b, 1, 0, &waiting);
    ck_assert_uint_eq(hold(&a, 6, 5, &waiting), 5);
    ck_assert(waiting);
    ck_assert_uint_eq(hold(&b, 1, 0, &waiting), 0);
    ck_assert(waiting);
    hold(&a, 5, 5, &waiting);
    ck_assert(waiting); /* and is not hidden by having asked in vain itself */
}
END_TEST

START_TEST(who_waits_does_so_for_a_third_of_a_lease)
{
    member a = member_named("a");
    long long before;
    bool waiting;

    fleet_integer("ZADD %s %lld early", KEY("bw:orders"), (long long)fleet_now() - 1);
    hold(&a, 5, 0, &waiting);
    ck_assert(!waiting);
    fleet_integer("ZADD %s 9e15 odd", KEY("bw:orders"));
    hold(&a, 5, 5, &waiting);
    ck_assert(!waiting);
    fleet_integer("ZADD %s %lld there", KEY("bw:orders"),
                  (long long)fleet_now() + 19000);
    hold(&a, 5, 5, &waiting);
    ck_assert(waiting);
    before = (long long)fleet_now();
    hold(&a, 6, 5, &waiting);
    ck_assert_int_eq(fleet_integer("ZCOUNT %s %lld %lld", KEY("bw:orders"),
                                   before + 20000, (long long)fleet_now() + 20000),
                     1);
    ck_assert_int_gt(fleet_integer("PTTL %s", KEY("bw:orders")), 0);
}
END_TEST

START_TEST(places_in_the_far_future_get_the_usual_time)
{
    member a = member_named("a");
    redisReply *score;
    bool waiting;

    fleet_integer("ZADD %s 9e15 odd", KEY("bh:orders"));
    ck_assert_uint_eq(hold(&a, 5, 0, &waiting), 4);
    score = fleet_ask("ZSCORE %s odd", KEY("bh:orders"));
    ck_assert_double_le(strtod(score->str, NULL), (double)(fleet_now() + 60000));
    freeReplyObject(score);
    ck_assert_int_gt(fleet_integer("PTTL %s", KEY("bh:orders")), 0);
}
END_TEST

START_TEST(places_of_another_type_are_replaced)
{
    member a = member_named("a");
    bool waiting;

    fleet_integer("RPUSH %s x", KEY("bh:orders"));
    fleet_integer("RPUSH %s x", KEY("bw:orders"));
    ck_assert_uint_eq(hold(&a, 9, 0, &waiting), 5);
    ck_assert(!waiting);
}
END_TEST

FLEET_SUITE("share/limits", ONE(members_share_one_bucket),
            ONE(a_member_with_a_smaller_burst_forgives_nobodys_debt),
            ONE(unused_tokens_go_back_and_no_more_than_the_burst),
            ONE(a_full_bucket_far_ahead_is_an_empty_one_at_most),
            ROWS(what_cannot_be_a_bucket_is_a_new_one, no_buckets),
            ONE(a_bucket_of_another_type_is_a_new_one_and_has_an_end),
            ONE(members_share_the_places), ONE(the_same_said_twice_is_the_same),
            ONE(places_go_back), ONE(places_that_are_not_renewed_run_out),
            ONE(a_holder_hears_that_others_wait),
            ONE(who_asks_in_vain_hears_of_another_who_did),
            ONE(who_waits_does_so_for_a_third_of_a_lease),
            ONE(places_in_the_far_future_get_the_usual_time),
            ONE(places_of_another_type_are_replaced))
