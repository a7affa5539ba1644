/* SPDX-License-Identifier: MIT */
/* Reports, and when the fleet's breaker opens because of them. */
#include "share/fleet.h"

#include <string.h>

static void expect_open(keel_wire_view view, uint64_t epoch, uint8_t cause)
{
    ck_assert_int_eq(view.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(view.epoch, epoch);
    ck_assert_int_eq(view.cause, cause);
    ck_assert_uint_gt(view.remaining_ms, 0);
}

static void expect_closed(keel_wire_view view, uint64_t epoch)
{
    ck_assert_int_eq(view.state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(view.epoch, epoch);
}

/* ---- members --------------------------------------------------------------------- */

START_TEST(a_beat_keeps_a_member_and_counts_all)
{
    member a = member_named("a"), b = member_named("b");

    member_sync(&a, NULL, 0, NULL);
    ck_assert_uint_eq(a.last.live, 1);
    member_sync(&b, NULL, 0, NULL);
    ck_assert_uint_eq(b.last.live, 2);
    ck_assert_uint_eq(a.last.gen, b.last.gen);
    ck_assert_uint_eq(a.last.gen, 0xfeed);
}
END_TEST

START_TEST(a_silent_member_is_cleared_away_with_its_sequence)
{
    member a = member_named("a");

    fleet_integer("ZADD %s 1 gone", KEY("m"));
    fleet_integer("HSET %s gone 5", KEY("seq"));
    member_sync(&a, NULL, 0, NULL);
    ck_assert_uint_eq(a.last.live, 1);
    ck_assert_int_eq(fleet_integer("ZCARD %s", KEY("m")), 1);
    ck_assert_int_eq(fleet_integer("HLEN %s", KEY("seq")), 0);
}
END_TEST

START_TEST(a_member_that_leaves_is_no_longer_counted)
{
    const keel_wire_sync leave = { .member_ms = 0, .candidate = 1 };
    member a = member_named("a"), b = member_named("b");
    keel_command command = command_new();

    member_joins(&a);
    member_joins(&b);
    ck_assert(keel_wire_sync_write(&command, &a.fleet, &leave));
    freeReplyObject(fleet_run(&command));
    member_sync(&b, NULL, 0, NULL);
    ck_assert_uint_eq(b.last.live, 1);
    ck_assert_int_eq(fleet_integer("HEXISTS %s a", KEY("seq")), 0);
}
END_TEST

START_TEST(a_fleet_of_later_readers_shares_nothing_with_this_one)
{
    member a = member_named("a");

    member_sync(&a, NULL, 0, NULL);
    fleet_integer("HSET %s min_reader 2", KEY("meta"));
    member_joins(&a);
    ck_assert_uint_eq(a.last.min_reader, 2);
    ck_assert_int_eq(fleet_integer("EXISTS %s", KEY("b:" BREAKER)), 0);
}
END_TEST

START_TEST(a_large_fleet_is_asked_to_report_less_often)
{
    member a = member_named("a");

    member_joins(&a);
    ck_assert_uint_le(a.last.pace_ms, 1);
    for (int i = 0; i < 1000; i++)
        fleet_integer("ZADD %s %llu m%d", KEY("m"),
                      (unsigned long long)fleet_now() + 60000, i);
    member_counts(&a, 1, 1, 0);
    ck_assert_uint_ge(a.last.pace_ms, 40);
}
END_TEST

/* ---- windows --------------------------------------------------------------------- */

START_TEST(joining_changes_nothing)
{
    member a = member_named("a"), b = member_named("b");

    expect_closed(member_joins(&a), 1);
    member_counts(&a, 1, 0, 4);
    expect_open(member_joins(&b), 2, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_int_eq(read_stored().state, KEEL_BREAKER_OPEN);
}
END_TEST

typedef struct rate_case {
    const char *why;
    uint32_t ok, bad, slow;
    uint32_t failure_ppm, slow_ppm, consecutive;
    uint8_t cause; /* 0: stays closed */
} rate_case;

static const rate_case rate_cases[] = {
    { "nothing happened", 0, 0, 0, 500000, 0, 0, 0 },
    { "too few calls to judge", 0, 3, 0, 500000, 0, 0, 0 },
    { "the rate itself opens", 2, 2, 0, 500000, 0, 0, KEEL_CAUSE_FAILURE_RATE },
    { "below the rate", 3, 2, 0, 500000, 0, 0, 0 },
    { "no rate is watched", 0, 9, 0, 0, 0, 0, 0 },
    { "slow calls count by themselves", 4, 0, 3, 0, 750000, 0, KEEL_CAUSE_SLOW_RATE },
    { "too few are slow", 4, 0, 2, 0, 750000, 0, 0 },
    { "slow calls are not watched", 4, 0, 4, 500000, 0, 0, 0 },
    { "failures alone need no min_calls", 0, 2, 0, 0, 0, 2, KEEL_CAUSE_CONSECUTIVE },
    { "one success in the window and there is no row", 1, 3, 0, 0, 0, 2, 0 },
};

START_TEST(the_window_opens_the_breaker)
{
    const rate_case *row = &rate_cases[_i];
    member a = member_named("a");
    keel_wire_delta delta;
    keel_wire_report r = report_with(1, row->ok, row->bad, &delta);
    keel_wire_view view;

    delta.slow = row->slow;
    r.failure_ppm = row->failure_ppm;
    r.slow_ppm = row->slow_ppm;
    r.consecutive = row->consecutive;
    member_joins(&a);
    view = member_report(&a, &r);
    ck_assert_msg(view.cause == row->cause, "%s: %u", row->why, view.cause);
    ck_assert_msg((view.state == KEEL_BREAKER_OPEN) == (row->cause != 0), "%s",
                  row->why);
}
END_TEST

START_TEST(members_failures_add_up)
{
    member a = member_named("a"), b = member_named("b");

    member_joins(&a);
    member_counts(&a, 1, 1, 1);
    expect_open(member_counts(&b, 1, 0, 2), 2, KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

START_TEST(a_batch_counts_once_however_often_it_comes)
{
    member a = member_named("a");

    member_joins(&a);
    member_counts(&a, 1, 2, 1);
    ck_assert(a.last.applied);
    a.sequence--;
    member_counts(&a, 1, 2, 1);
    ck_assert(!a.last.applied);
    expect_window(3, 1);
    member_counts(&a, 1, 2, 1);
    ck_assert(a.last.applied);
    expect_window(6, 2);
}
END_TEST

typedef struct age_case {
    const char *why;
    uint8_t age;
    uint64_t calls;
} age_case;

static const age_case age_cases[] = {
    { "just now", 0, 5 },
    { "the oldest slot", 9, 5 },
    { "older than the window", 10, 0 },
    { "much older", 255, 0 },
};

START_TEST(outcomes_count_in_the_slot_of_their_age)
{
    const age_case *row = &age_cases[_i];
    const keel_wire_delta delta = { .age = row->age, .ok = 5 };
    member a = member_named("a");
    keel_wire_report r = report_seen(1);

    r.slot_ms = 3600000; /* the test ends within one slot */
    r.since_ms = UINT32_MAX;
    r.registers = true;
    r.deltas = &delta;
    r.delta_count = 1;
    member_report(&a, &r);
    expect_window(row->calls, 0);
}
END_TEST

START_TEST(what_came_before_it_closed_does_not_count)
{
    const keel_wire_delta delta = { .age = 5, .bad = 9 };
    stored s = stored_as(KEEL_BREAKER_CLOSED, 4);
    member a = member_named("a");
    keel_wire_report r = report_seen(4);

    s.changed = fleet_now();
    store(&s);
    r.deltas = &delta;
    r.delta_count = 1;
    expect_closed(member_report(&a, &r), 4);
    expect_window(0, 0);
}
END_TEST

START_TEST(outcomes_of_another_epoch_do_not_count)
{
    stored s = stored_as(KEEL_BREAKER_CLOSED, 4);
    member a = member_named("a");

    store(&s);
    expect_closed(member_counts(&a, 3, 0, 9), 4);
    expect_window(0, 0);
}
END_TEST

START_TEST(an_open_breaker_counts_nothing)
{
    stored s = stored_as(KEEL_BREAKER_OPEN, 4);
    member a = member_named("a");
    keel_wire_delta delta;
    keel_wire_report r = report_with(4, 0, 9, &delta);

    s.due = fleet_now() + 5000;
    store(&s);
    r.state = KEEL_BREAKER_OPEN;
    r.remaining_ms = 5000;
    expect_open(member_report(&a, &r), 4, 0);
    expect_window(0, 0);
}
END_TEST

START_TEST(other_settings_are_not_merged_and_the_latest_win)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_delta delta;
    keel_wire_report old = report_with(1, 1, 0, &delta), new = old;

    member_joins(&a);
    new.cfg_hash = 1;
    new.cfg_version = 2;
    new.slots = 20;
    ck_assert(!member_report(&a, &old).mismatch);
    ck_assert(!member_report(&b, &new).mismatch);
    expect_window(1, 0);
    ck_assert_uint_eq(read_stored().slots, 20);
    ck_assert(member_report(&a, &old).mismatch);
    expect_window(1, 0);
}
END_TEST

START_TEST(settings_from_the_far_future_hold_nobody)
{
    stored s = stored_as(KEEL_BREAKER_CLOSED, 1);
    member a = member_named("a");
    keel_wire_delta delta;
    const keel_wire_report r = report_with(1, 1, 0, &delta);

    s.cfg = 99;
    s.version = UINT32_MAX;
    store(&s);
    ck_assert(!member_report(&a, &r).mismatch);
    ck_assert_uint_eq(read_stored().cfg, r.cfg_hash);
}
END_TEST

/* ---- who decides ----------------------------------------------------------------- */

START_TEST(any_member_opens_the_fleet_where_that_is_wanted)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_report r = report_seen(1);

    member_joins(&a);
    member_joins(&b);
    r.want_open = true;
    r.cause = KEEL_CAUSE_CONSECUTIVE;
    expect_open(member_report(&a, &r), 2, KEEL_CAUSE_CONSECUTIVE);
    expect_open(member_report(&b, &r), 2, KEEL_CAUSE_CONSECUTIVE);
}
END_TEST

START_TEST(a_wish_to_open_of_another_epoch_is_too_late)
{
    stored s = stored_as(KEEL_BREAKER_CLOSED, 4);
    member a = member_named("a");
    keel_wire_report r = report_seen(2);

    store(&s);
    r.want_open = true;
    expect_closed(member_report(&a, &r), 4);
}
END_TEST

START_TEST(a_quorum_needs_that_many_members_who_saw_failures)
{
    member m[3] = { member_named("a"), member_named("b"), member_named("c") };
    keel_wire_delta delta;
    keel_wire_report r = report_with(1, 0, 9, &delta);

    member_joins(&m[0]);
    r.reporters = 3;
    expect_closed(member_report(&m[0], &r), 1);
    expect_closed(member_report(&m[0], &r), 1);
    expect_closed(member_report(&m[1], &r), 1);
    expect_open(member_report(&m[2], &r), 2, KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

START_TEST(a_reporter_counts_for_the_length_of_the_window)
{
    member m[2] = { member_named("a"), member_named("b") };
    keel_wire_delta delta;
    keel_wire_report r = report_with(1, 0, 9, &delta);

    member_joins(&m[0]);
    r.reporters = 2;
    member_report(&m[0], &r);
    fleet_integer("ZADD %s %llu a", KEY("r:" BREAKER),
                  (unsigned long long)fleet_now() - 10001);
    expect_closed(member_report(&m[1], &r), 1);
}
END_TEST

/* ---- watches --------------------------------------------------------------------- */

START_TEST(a_rate_waits_for_the_successes_of_all_who_know_the_breaker)
{
    member sick = member_named("a"), well = member_named("b");
    keel_wire_view view;

    member_joins(&sick);
    member_joins(&well);
    view = member_counts(&sick, 1, 0, 4);
    expect_closed(view, 1);
    ck_assert_uint_ne(view.watch, 0);
    ck_assert_uint_gt(view.again_ms, 0);
    ck_assert_uint_le(view.again_ms, 100);
    expect_closed(member_counts(&well, 1, 100, 0), 1);
    expect_window(104, 4);
}
END_TEST

/* A watch is open for 100 ms, and known for 200: what happens while the machine stands
 * still for longer tells nothing, and is played again. */
static void play_within(uint64_t ms, bool (*plays)(uint64_t until_ms))
{
    do
        freeReplyObject(fleet_ask("FLUSHALL"));
    while (!plays(fleet_now() + ms));
}

static bool all_answer(uint64_t until_ms)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_view first, last;

    member_joins(&a);
    member_joins(&b);
    first = member_counts(&a, 1, 0, 4);
    last = member_counts(&b, 1, 1, 1);
    if (fleet_now() >= until_ms)
        return false;
    expect_closed(first, 1);
    expect_open(last, 2, KEEL_CAUSE_FAILURE_RATE);
    return true;
}

START_TEST(a_rate_is_judged_at_once_when_all_have_answered)
{
    play_within(100, all_answer);
}
END_TEST

static bool one_answers_twice(uint64_t until_ms)
{
    member a = member_named("a"), b = member_named("b"), c = member_named("c");
    keel_wire_delta delta;
    keel_wire_report r = report_with(1, 0, 4, &delta);
    keel_wire_view once, twice;

    member_joins(&a);
    member_joins(&b);
    member_joins(&c);
    r.answered = member_report(&a, &r).watch;
    once = member_report(&a, &r);
    twice = member_report(&a, &r);
    if (fleet_now() >= until_ms)
        return false;
    expect_closed(once, 1);
    expect_closed(twice, 1);
    ck_assert_uint_eq(read_stored().answered, 1);
    ck_assert_uint_eq(read_stored().expected, 3);
    return true;
}

START_TEST(a_member_answers_a_watch_once)
{
    play_within(100, one_answers_twice);
}
END_TEST

static bool one_does_not_answer(uint64_t until_ms)
{
    member a = member_named("a"), b = member_named("b");
    stored s = stored_as(KEEL_BREAKER_CLOSED, 1);
    keel_wire_view view;

    member_joins(&a);
    member_joins(&b);
    s.watch = until_ms - 200;
    s.answered = 1;
    s.expected = 3; /* nine in ten would be all of them */
    store(&s);
    view = member_counts(&a, 1, 0, 4);
    if (fleet_now() >= until_ms)
        return false;
    expect_open(view, 2, KEEL_CAUSE_FAILURE_RATE);
    return true;
}

START_TEST(who_does_not_answer_is_not_waited_for_longer_than_100_ms)
{
    play_within(99, one_does_not_answer); /* the watch began 101 ms ago */
}
END_TEST

START_TEST(a_watch_that_nobody_came_back_to_decides_nothing)
{
    member a = member_named("a"), b = member_named("b");
    stored s = stored_as(KEEL_BREAKER_CLOSED, 1);

    member_joins(&a);
    member_joins(&b);
    s.watch = fleet_now() - 5000;
    s.answered = 1;
    s.expected = 2;
    store(&s);
    expect_closed(member_counts(&a, 1, 0, 4), 1);
    ck_assert_uint_gt(read_stored().watch, s.watch);
}
END_TEST

START_TEST(failures_that_calls_refute_ask_nobody)
{
    member a = member_named("a"), b = member_named("b");

    member_joins(&a);
    member_joins(&b);
    ck_assert_uint_eq(member_counts(&a, 1, 100, 0).watch, 0);
    ck_assert_uint_eq(member_counts(&a, 1, 0, 20).watch, 0);
    ck_assert_uint_eq(member_counts(&b, 1, 0, 1).watch, 0);
}
END_TEST

START_TEST(members_that_are_gone_are_not_waited_for)
{
    member a = member_named("a");

    member_joins(&a);
    for (int i = 0; i < 9; i++)
        fleet_integer("ZADD %s %llu gone%d", KEY("k:" BREAKER),
                      (unsigned long long)fleet_now() + 60000, i);
    expect_open(member_counts(&a, 1, 0, 4), 2, KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

/* ---- opening --------------------------------------------------------------------- */

typedef struct length_case {
    const char *why;
    uint16_t opens;         /* in a row so far */
    uint64_t closed_for_ms; /* before it opens */
    uint32_t jitter_ppm, wish_ms;
    uint32_t length_ms;
} length_case;

static const length_case length_cases[] = {
    { "the first", 0, 1, 1000000, 0, 1000 },
    { "the second in a row", 1, 1, 1000000, 0, 2000 },
    { "the third", 2, 1, 1000000, 0, 4000 },
    { "never longer than the longest", 9, 1, 1000000, 0, 8000 },
    { "closed long enough, it begins anew", 9, 60000, 1000000, 0, 1000 },
    { "the caller's draw", 1, 1, 900000, 0, 1800 },
    { "no longer than the most", 9, 1, 1100000, 0, 8000 },
    { "the other side's wish", 0, 1, 1000000, 3000, 3000 },
    { "a wish beyond the longest", 0, 1, 1000000, 90000, 8000 },
};

START_TEST(it_stays_open_longer_each_time_in_a_row)
{
    const length_case *row = &length_cases[_i];
    stored s = stored_as(KEEL_BREAKER_CLOSED, 1);
    member a = member_named("a");
    keel_wire_report r = report_seen(1);

    s.opens = row->opens;
    s.changed = fleet_now() - row->closed_for_ms;
    store(&s);
    r.want_open = true;
    r.opening.jitter_ppm = row->jitter_ppm;
    r.opening.wish_ms = row->wish_ms;
    ck_assert_msg(member_report(&a, &r).remaining_ms == row->length_ms, "%s: %u",
                  row->why, (unsigned)(read_stored().due - read_stored().changed));
}
END_TEST

/* ---- telling --------------------------------------------------------------------- */

START_TEST(all_changes_of_a_run_are_one_message)
{
    member a = member_named("a");
    keel_wire_report r[2] = { report_seen(1), report_seen(1) };
    keel_wire_view views[2];
    keel_wire_message message;
    keel_wire_event event;

    r[1].name = "stock";
    r[0].want_open = r[1].want_open = true;
    channel_open();
    member_sync(&a, r, 2, views);
    ck_assert(keel_wire_message_read(keel_text_of(channel_heard()), &message));
    ck_assert_uint_eq(message.gen, 0xfeed);
    ck_assert(keel_wire_message_next(&message, &event));
    ck_assert(keel_text_is(event.name, BREAKER));
    ck_assert_int_eq(event.view.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(event.view.epoch, 2);
    ck_assert_uint_eq(event.view.remaining_ms, 1000);
    ck_assert(keel_wire_message_next(&message, &event));
    ck_assert(keel_text_is(event.name, "stock"));
    ck_assert(!keel_wire_message_next(&message, &event));
}
END_TEST

START_TEST(nothing_is_told_when_nothing_changed)
{
    member a = member_named("a");

    channel_open();
    member_joins(&a);
    member_counts(&a, 1, 5, 1);
    ck_assert_str_eq(channel_heard(), "");
}
END_TEST

START_TEST(a_watch_is_told)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_message message;
    keel_wire_event event;
    keel_wire_view view;

    member_joins(&a);
    member_joins(&b);
    channel_open();
    view = member_counts(&a, 1, 0, 4);
    ck_assert(keel_wire_message_read(keel_text_of(channel_heard()), &message));
    ck_assert(keel_wire_message_next(&message, &event));
    ck_assert_uint_eq(event.view.watch, view.watch);
    ck_assert_int_eq(event.view.state, KEEL_BREAKER_CLOSED);
}
END_TEST

/* ---- a cluster ------------------------------------------------------------------- */

/* The connection to the node that has the namespace's slot, which all others name. */
static redisContext *connect_to_owner(const test_redis_cluster *c)
{
    for (int i = 0; i < TEST_REDIS_NODES; i++) {
        redisContext *connection = test_redis_connect(&c->nodes[i]);
        redisReply *reply = redisCommand(connection, "EXISTS " KEY("meta"));
        bool is_owner = reply && reply->type == REDIS_REPLY_INTEGER;

        freeReplyObject(reply);
        if (is_owner)
            return connection;
        redisFree(connection);
    }
    return NULL;
}

START_TEST(on_a_cluster_all_of_a_namespace_is_in_one_slot)
{
    redisContext *alone = fleet_connection;
    member a = member_named("a"), b = member_named("b");
    test_redis_cluster c;

    ck_assert(test_redis_cluster_start(&c));
    fleet_connection = connect_to_owner(&c);
    ck_assert_ptr_nonnull(fleet_connection);
    a.fleet.sharded = true;
    member_joins(&a);
    member_joins(&b);
    member_counts(&a, 1, 0, 4);
    expect_open(member_counts(&b, 1, 0, 4), 2, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_int_eq(member_claims(&a, 2, 1).as, KEEL_WIRE_EARLY);
    redisFree(fleet_connection);
    fleet_connection = alone;
    test_redis_cluster_cleanup(&c);
}
END_TEST

FLEET_SUITE("share/sync", ONE(a_beat_keeps_a_member_and_counts_all),
            ONE(a_silent_member_is_cleared_away_with_its_sequence),
            ONE(a_member_that_leaves_is_no_longer_counted),
            ONE(a_fleet_of_later_readers_shares_nothing_with_this_one),
            ONE(a_large_fleet_is_asked_to_report_less_often),
            ONE(joining_changes_nothing),
            ROWS(the_window_opens_the_breaker, rate_cases),
            ONE(members_failures_add_up),
            ONE(a_batch_counts_once_however_often_it_comes),
            ROWS(outcomes_count_in_the_slot_of_their_age, age_cases),
            ONE(what_came_before_it_closed_does_not_count),
            ONE(outcomes_of_another_epoch_do_not_count),
            ONE(an_open_breaker_counts_nothing),
            ONE(other_settings_are_not_merged_and_the_latest_win),
            ONE(settings_from_the_far_future_hold_nobody),
            ONE(any_member_opens_the_fleet_where_that_is_wanted),
            ONE(a_wish_to_open_of_another_epoch_is_too_late),
            ONE(a_quorum_needs_that_many_members_who_saw_failures),
            ONE(a_reporter_counts_for_the_length_of_the_window),
            ONE(a_rate_waits_for_the_successes_of_all_who_know_the_breaker),
            ONE(a_rate_is_judged_at_once_when_all_have_answered),
            ONE(a_member_answers_a_watch_once),
            ONE(who_does_not_answer_is_not_waited_for_longer_than_100_ms),
            ONE(a_watch_that_nobody_came_back_to_decides_nothing),
            ONE(failures_that_calls_refute_ask_nobody),
            ONE(members_that_are_gone_are_not_waited_for),
            ROWS(it_stays_open_longer_each_time_in_a_row, length_cases),
            ONE(all_changes_of_a_run_are_one_message),
            ONE(nothing_is_told_when_nothing_changed), ONE(a_watch_is_told),
            ONE(on_a_cluster_all_of_a_namespace_is_in_one_slot))
