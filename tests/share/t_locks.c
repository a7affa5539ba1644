/* SPDX-License-Identifier: MIT */
/* Operators' locks, and the look that people take. */
#include "share/fleet.h"

#include <string.h>

static keel_wire_lock lock_of(keel_lock kind, uint64_t expected)
{
    return (keel_wire_lock){ .name = BREAKER,
                             .kind = kind,
                             .expected = expected,
                             .reason = "card network down",
                             .actor = "ops 1" };
}

static keel_wire_locked set(member *m, keel_lock kind, uint64_t expected)
{
    const keel_wire_lock lock = lock_of(kind, expected);

    return member_locks(m, &lock);
}

START_TEST(a_lock_without_an_end_has_none)
{
    member a = member_named("a");
    keel_wire_view view;

    member_joins(&a);
    ck_assert(set(&a, KEEL_LOCK_OPEN, 0).done);
    ck_assert_int_eq(fleet_integer("PTTL %s", KEY("lk:" BREAKER)), -1);
    ck_assert_int_eq(fleet_integer("PTTL %s", KEY("idx")), -1);
    freeReplyObject(fleet_ask("DEL %s", KEY("b:" BREAKER)));
    view = member_joins(&a);
    ck_assert_int_eq(view.lock, KEEL_LOCK_OPEN);
    ck_assert_uint_eq(view.lock_remaining_ms, 0);
    ck_assert_int_eq(fleet_integer("PTTL %s", KEY("idx")), -1);
}
END_TEST

START_TEST(a_lock_with_an_end_ends)
{
    keel_wire_lock lock = lock_of(KEEL_LOCK_CLOSED, 0);
    member a = member_named("a");
    keel_wire_view view;

    lock.for_ms = 60000;
    view = member_locks(&a, &lock).view;
    ck_assert_uint_gt(view.lock_remaining_ms, 59000);
    ck_assert_int_gt(fleet_integer("PTTL %s", KEY("lk:" BREAKER)), 59000);
    lock.for_ms = 1;
    lock.expected = KEEL_WIRE_ANY_LOCK;
    member_locks(&a, &lock);
    while (fleet_integer("EXISTS %s", KEY("lk:" BREAKER)))
        ;
    ck_assert_int_eq(member_joins(&a).lock, KEEL_LOCK_NONE);
}
END_TEST

START_TEST(of_two_operators_the_second_learns_of_the_first)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_locked first = set(&a, KEEL_LOCK_OPEN, 0);
    keel_wire_locked second = set(&b, KEEL_LOCK_CLOSED, 0);

    ck_assert(first.done);
    ck_assert(!second.done);
    ck_assert_int_eq(second.view.lock, KEEL_LOCK_OPEN);
    ck_assert_uint_eq(second.view.lock_epoch, first.view.lock_epoch);
    second = set(&b, KEEL_LOCK_CLOSED, first.view.lock_epoch);
    ck_assert(second.done);
    ck_assert_uint_gt(second.view.lock_epoch, first.view.lock_epoch);
}
END_TEST

START_TEST(a_lifted_lock_is_remembered_so_that_no_member_brings_it_back)
{
    member a = member_named("a");
    keel_wire_lock again = lock_of(KEEL_LOCK_OPEN, 0);
    keel_wire_locked locked = set(&a, KEEL_LOCK_OPEN, 0), lifted;

    lifted = set(&a, KEEL_LOCK_NONE, locked.view.lock_epoch);
    ck_assert(lifted.done);
    ck_assert_int_eq(lifted.view.lock, KEEL_LOCK_NONE);
    again.restored = locked.view.lock_epoch;
    ck_assert(!member_locks(&a, &again).done);
    ck_assert_int_eq(member_joins(&a).lock, KEEL_LOCK_NONE);
    ck_assert_int_gt(fleet_integer("PTTL %s", KEY("lk:" BREAKER)), 0);
    ck_assert_int_gt(fleet_integer("PTTL %s", KEY("idx")), 0);
}
END_TEST

START_TEST(a_lock_that_the_server_lost_comes_back_under_its_number)
{
    member a = member_named("a");
    keel_wire_lock again = lock_of(KEEL_LOCK_OPEN, 0);
    keel_wire_locked locked = set(&a, KEEL_LOCK_OPEN, 0);

    freeReplyObject(fleet_ask("FLUSHALL"));
    again.restored = locked.view.lock_epoch;
    ck_assert(member_locks(&a, &again).done);
    ck_assert_uint_eq(member_joins(&a).lock_epoch, locked.view.lock_epoch);
    ck_assert_int_eq(member_joins(&a).lock, KEEL_LOCK_OPEN);
}
END_TEST

START_TEST(a_lock_from_the_far_future_is_not_brought_back)
{
    member a = member_named("a");
    keel_wire_lock again = lock_of(KEEL_LOCK_OPEN, 0);

    again.restored = UINT64_C(1) << 52;
    ck_assert(!member_locks(&a, &again).done);
}
END_TEST

START_TEST(a_lock_is_told)
{
    member a = member_named("a");
    keel_wire_message message;
    keel_wire_event event;

    channel_open();
    set(&a, KEEL_LOCK_OBSERVE, 0);
    ck_assert(keel_wire_message_read(keel_text_of(channel_heard()), &message));
    ck_assert(keel_wire_message_next(&message, &event));
    ck_assert_int_eq(event.view.lock, KEEL_LOCK_OBSERVE);
    ck_assert_int_eq(event.view.state, KEEL_WIRE_UNKNOWN);
}
END_TEST

START_TEST(a_locked_breaker_counts_but_does_not_open)
{
    member a = member_named("a");

    member_joins(&a);
    set(&a, KEEL_LOCK_OBSERVE, 0);
    ck_assert_int_eq(member_counts(&a, 1, 0, 9).state, KEEL_BREAKER_CLOSED);
    expect_window(9, 9);
}
END_TEST

static const char *const no_locks[] = { "", "L",
                                        "L\x01\x01 and what is no lock at all, by far",
                                        "0123456789012345678901234567890123456789" };

START_TEST(what_cannot_be_a_lock_locks_nothing_and_is_replaced)
{
    member a = member_named("a");

    store_raw(KEY("lk:" BREAKER), no_locks[_i], strlen(no_locks[_i]));
    ck_assert_int_eq(member_joins(&a).lock, KEEL_LOCK_NONE);
    ck_assert_uint_eq(a.last.corrupt, 1);
    ck_assert(set(&a, KEEL_LOCK_OPEN, 0).done);
}
END_TEST

/* It could not be answered, and with it nothing else in the same batch. */
START_TEST(a_lock_with_more_to_say_than_an_answer_holds_is_none)
{
    unsigned char raw[32 + KEEL_WIRE_REASON + 1] = { 76, 1, KEEL_LOCK_OPEN };
    member a = member_named("a");

    raw[11] = 1; /* its number */
    raw[28] = (KEEL_WIRE_REASON + 1) >> 8;
    raw[29] = (KEEL_WIRE_REASON + 1) & 255;
    store_raw(KEY("lk:" BREAKER), raw, sizeof raw);
    ck_assert_int_eq(member_joins(&a).lock, KEEL_LOCK_NONE);
    ck_assert_uint_eq(a.last.corrupt, 1);
    ck_assert(set(&a, KEEL_LOCK_OPEN, 0).done);
}
END_TEST

/* ---- the look -------------------------------------------------------------------- */

START_TEST(breakers_and_locks_are_listed_by_name)
{
    keel_wire_lock lock = lock_of(KEEL_LOCK_OPEN, 0);
    member a = member_named("a");
    keel_command command = command_new();
    keel_text names[4];
    redisReply *reply;
    keel_wire_page page;

    member_joins(&a);
    lock.name = "stock";
    member_locks(&a, &lock);
    fleet_integer("ZADD %s +inf {odd}", KEY("idx"));
    fleet_integer("ZADD %s 1 gone", KEY("idx"));
    ck_assert(keel_wire_names_write(&command, &a.fleet, 0, 100));
    reply = fleet_run(&command);
    ck_assert(keel_wire_names_read(reply, names, 4, &page));
    ck_assert_uint_eq(page.count, 2);
    ck_assert_uint_eq(page.listed, 3);
    ck_assert_uint_eq(page.live, 1);
    ck_assert(keel_text_is(names[0], BREAKER));
    ck_assert(keel_text_is(names[1], "stock"));
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_look_says_why_a_breaker_is_as_it_is)
{
    static const char *const names[] = { BREAKER, "stock" };
    member a = member_named("a");
    keel_command command = command_new();
    keel_wire_look looks[2];
    redisReply *reply;

    member_joins(&a);
    member_counts(&a, 1, 1, 9);
    set(&a, KEEL_LOCK_CLOSED, 0);
    ck_assert(keel_wire_looks_write(&command, &a.fleet, names, 2));
    reply = fleet_run(&command);
    ck_assert(keel_wire_looks_read(reply, looks, 2));
    ck_assert_int_eq(looks[0].view.state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(looks[0].view.cause, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_uint_gt(looks[0].view.remaining_ms, 0);
    ck_assert_int_eq(looks[0].view.lock, KEEL_LOCK_CLOSED);
    ck_assert(keel_text_is(looks[0].reason, "card network down"));
    ck_assert(keel_text_is(looks[0].actor, "ops 1"));
    ck_assert_int_eq(looks[1].view.state, KEEL_WIRE_UNKNOWN);
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_replica_answers_a_look)
{
    static const char *const names[] = { BREAKER };
    member a = member_named("a");
    keel_command command = command_new();
    keel_wire_look look;
    test_redis replica;
    redisContext *connection;
    redisReply *reply;

    member_joins(&a);
    ck_assert(test_redis_start_replica(&replica, &fleet_redis));
    connection = test_redis_connect(&replica);
    ck_assert(keel_wire_looks_write(&command, &a.fleet, names, 1));
    reply = fleet_run_on(connection, &command);
    ck_assert(keel_wire_looks_read(reply, &look, 1));
    ck_assert_uint_eq(look.view.epoch, 1);
    freeReplyObject(reply);
    redisFree(connection);
    test_redis_cleanup(&replica);
}
END_TEST

FLEET_SUITE("share/locks", ONE(a_lock_without_an_end_has_none),
            ONE(a_lock_with_an_end_ends),
            ONE(of_two_operators_the_second_learns_of_the_first),
            ONE(a_lifted_lock_is_remembered_so_that_no_member_brings_it_back),
            ONE(a_lock_that_the_server_lost_comes_back_under_its_number),
            ONE(a_lock_from_the_far_future_is_not_brought_back), ONE(a_lock_is_told),
            ONE(a_lock_with_more_to_say_than_an_answer_holds_is_none),
            ONE(a_locked_breaker_counts_but_does_not_open),
            ROWS(what_cannot_be_a_lock_locks_nothing_and_is_replaced, no_locks),
            ONE(breakers_and_locks_are_listed_by_name),
            ONE(a_look_says_why_a_breaker_is_as_it_is), ONE(a_replica_answers_a_look))
