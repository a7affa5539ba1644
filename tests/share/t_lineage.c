/* SPDX-License-Identifier: MIT */
/*
 * What a fleet remembers when its server does not: data lost, a replica that lagged,
 * two histories, clocks that went back, and values that nobody of ours has stored.
 */
#include "share/fleet.h"

#include <string.h>

static keel_wire_report seen(uint64_t epoch, uint8_t state, uint32_t remaining_ms)
{
    keel_wire_report r = report_seen(epoch);

    r.state = state;
    r.remaining_ms = remaining_ms;
    return r;
}

/* ---- the server and a member agree ----------------------------------------------- */

typedef struct agree_case {
    const char *why;
    uint8_t server_state;
    uint64_t server_epoch; /* 0: nothing is stored */
    uint8_t seen_state;
    uint64_t seen_epoch;
    uint32_t seen_remaining_ms;
    uint8_t state;
    uint64_t epoch;
    uint32_t remaining_least_ms, remaining_most_ms;
} agree_case;

enum { SHUT = KEEL_BREAKER_CLOSED, OPEN = KEEL_BREAKER_OPEN };
enum { HALF = KEEL_BREAKER_HALF_OPEN, NONE = KEEL_WIRE_UNKNOWN };

static const agree_case agree_cases[] = {
    { "nobody knows anything", 0, 0, NONE, 0, 0, SHUT, 1, 0, 0 },
    { "lost: closed comes back", 0, 0, SHUT, 5, 0, SHUT, 5, 0, 0 },
    { "lost: open comes back with its time", 0, 0, OPEN, 5, 3000, OPEN, 5, 2500, 3000 },
    { "lost: open and due", 0, 0, OPEN, 5, 0, OPEN, 5, 0, 0 },
    { "lost: a round comes back as open", 0, 0, HALF, 5, 0, OPEN, 6, 400, 500 },
    { "lost: a number without a state", 0, 0, NONE, 5, 0, SHUT, 5, 0, 0 },
    { "lost: open for no longer than can be", 0, 0, OPEN, 5, 60000, OPEN, 5, 7500,
      8000 },
    { "lagging: closed there, open here", SHUT, 4, OPEN, 5, 3000, OPEN, 5, 2500, 3000 },
    { "lagging: open there, closed here", OPEN, 4, SHUT, 5, 0, SHUT, 5, 0, 0 },
    { "lagging: a round here", OPEN, 4, HALF, 5, 0, OPEN, 6, 400, 500 },
    { "lagging: a number lifts the server's", OPEN, 4, NONE, 5, 0, OPEN, 5, 4500,
      5000 },
    { "split: open beats closed here", SHUT, 5, OPEN, 5, 3000, OPEN, 6, 2500, 3000 },
    { "split: open beats closed there", OPEN, 5, SHUT, 5, 0, OPEN, 6, 4500, 5000 },
    { "split: a round beats closed, as open", HALF, 5, SHUT, 5, 0, OPEN, 6, 400, 500 },
    { "split: the same from here", SHUT, 5, HALF, 5, 0, OPEN, 6, 400, 500 },
    { "split: open beats a round", OPEN, 5, HALF, 5, 0, OPEN, 6, 4500, 5000 },
    { "the server knows more", OPEN, 6, SHUT, 5, 0, OPEN, 6, 4500, 5000 },
    { "both know the same", HALF, 5, HALF, 5, 0, HALF, 5, 0, 0 },
    { "same number, no state", OPEN, 5, NONE, 5, 0, OPEN, 5, 4500, 5000 },
};

START_TEST(the_server_and_a_member_agree)
{
    const agree_case *row = &agree_cases[_i];
    const keel_wire_report r =
        seen(row->seen_epoch, row->seen_state, row->seen_remaining_ms);
    stored s = stored_as(row->server_state, row->server_epoch);
    member a = member_named("a");
    uint64_t begun = fleet_now();
    keel_wire_view view;

    s.due = row->server_state == OPEN ? begun + 5000 : 0;
    if (row->server_epoch)
        store(&s);
    view = member_report(&a, &r);
    ck_assert_msg(view.state == row->state, "%s: state %u", row->why, view.state);
    ck_assert_msg(view.epoch == row->epoch, "%s: epoch %u", row->why,
                  (unsigned)view.epoch);
    ck_assert_msg(view.remaining_ms + (fleet_now() - begun) >=
                          row->remaining_least_ms &&
                      view.remaining_ms <= row->remaining_most_ms,
                  "%s: remaining %u", row->why, view.remaining_ms);
}
END_TEST

typedef struct later_case {
    const char *why;
    uint8_t server_state, server_cause;
    uint64_t server_epoch;
    uint32_t server_since_ms;
    uint8_t seen_state;
    uint64_t seen_epoch;
    uint32_t seen_since_ms;
    uint8_t state;
    uint64_t epoch;
} later_case;

static const later_case later_cases[] = {
    { "opened after the member's closing", OPEN, 1, 4, 100, SHUT, 5, 9000, OPEN, 6 },
    { "opened before it: only lagging", OPEN, 1, 4, 9000, SHUT, 5, 100, SHUT, 5 },
    { "a round begun after it", HALF, 4, 4, 100, SHUT, 5, 9000, OPEN, 6 },
    { "a round begun before it", HALF, 4, 4, 9000, SHUT, 5, 100, SHUT, 5 },
    { "brought back closed, open there since", SHUT, 30, 5, 9000, OPEN, 4, 100, OPEN,
      6 },
    { "brought back closed, a round there", SHUT, 30, 5, 9000, HALF, 4, 100, OPEN, 6 },
    { "brought back, closed after it", SHUT, 30, 5, 100, OPEN, 4, 9000, SHUT, 5 },
    { "closed by probes: the member heard late", SHUT, 5, 5, 9000, OPEN, 4, 100, SHUT,
      5 },
};

START_TEST(what_closed_in_a_lost_history_ends_no_later_trouble)
{
    const later_case *row = &later_cases[_i];
    keel_wire_report r = seen(row->seen_epoch, row->seen_state, 0);
    stored s = stored_as(row->server_state, row->server_epoch);
    member a = member_named("a");
    keel_wire_view view;

    r.since_ms = row->seen_since_ms;
    s.cause = row->server_cause;
    s.changed = fleet_now() - row->server_since_ms;
    s.due = row->server_state == OPEN ? fleet_now() + 5000 : 0;
    store(&s);
    view = member_report(&a, &r);
    ck_assert_msg(view.state == row->state, "%s: state %u", row->why, view.state);
    ck_assert_msg(view.epoch == row->epoch, "%s: epoch %u", row->why,
                  (unsigned)view.epoch);
}
END_TEST

START_TEST(what_is_brought_back_closed_is_closed_for_as_long_as_it_was)
{
    keel_wire_report r = seen(5, SHUT, 0);
    member a = member_named("a");

    r.since_ms = 7000;
    ck_assert_uint_ge(member_report(&a, &r).since_ms, 7000);
    ck_assert_uint_lt(member_report(&a, &r).since_ms, 17000);
}
END_TEST

START_TEST(what_a_member_brings_back_is_told)
{
    const keel_wire_report r = seen(5, OPEN, 3000);
    member a = member_named("a");
    keel_wire_message message;
    keel_wire_event event;

    channel_open();
    member_report(&a, &r);
    ck_assert(keel_wire_message_read(keel_text_of(channel_heard()), &message));
    ck_assert(keel_wire_message_next(&message, &event));
    ck_assert_uint_eq(event.view.epoch, 5);
    ck_assert_int_eq(event.view.cause, KEEL_WIRE_CAUSE_RESEEDED);
}
END_TEST

START_TEST(a_flushed_server_is_another_generation_and_heals_with_the_next_syncs)
{
    const keel_wire_report late = seen(3, SHUT, 0), open = seen(5, OPEN, 3000);
    member a = member_named("a"), b = member_named("b");
    const keel_wire_sync other = {
        .sequence = 9, .member_ms = 15000, .candidate = 2, .reports = &open, .count = 1
    };
    keel_command command = command_new();
    keel_wire_view view;
    redisReply *reply;

    member_joins(&a);
    freeReplyObject(fleet_ask("FLUSHALL"));
    freeReplyObject(fleet_ask("SCRIPT FLUSH"));
    ck_assert_int_eq(member_report(&b, &late).state, SHUT);
    freeReplyObject(fleet_ask("DEL %s", KEY("meta")));
    ck_assert(keel_wire_sync_write(&command, &a.fleet, &other));
    reply = fleet_run(&command);
    ck_assert(keel_wire_sync_read(reply, &other, &a.last, &view));
    freeReplyObject(reply);
    ck_assert_uint_eq(a.last.gen, 2);
    ck_assert_int_eq(view.state, OPEN);
    ck_assert_uint_eq(view.epoch, 5);
}
END_TEST

START_TEST(a_restarted_server_learns_its_scripts_again)
{
    const keel_wire_report r = seen(5, OPEN, 3000);
    member a = member_named("a");

    member_joins(&a);
    redisFree(fleet_connection);
    ck_assert(test_redis_restart(&fleet_redis));
    fleet_connection = test_redis_connect(&fleet_redis);
    ck_assert_int_eq(member_report(&a, &r).state, OPEN);
}
END_TEST

START_TEST(a_promoted_replica_that_lagged_learns_what_it_missed)
{
    test_redis master = fleet_redis, replica;
    stored s = stored_as(SHUT, 4);
    const keel_wire_report r = seen(5, OPEN, 3000);
    member a = member_named("a");

    store(&s);
    ck_assert(test_redis_start_replica(&replica, &master));
    redisFree(fleet_connection);
    test_redis_stop(&fleet_redis);
    fleet_connection = test_redis_connect(&replica);
    freeReplyObject(fleet_ask("REPLICAOF NO ONE"));
    ck_assert_uint_eq(read_stored().epoch, 4);
    ck_assert_int_eq(member_report(&a, &r).state, OPEN);
    ck_assert_uint_eq(read_stored().epoch, 5);
    test_redis_cleanup(&replica);
}
END_TEST

START_TEST(leases_of_a_lost_breaker_do_not_return)
{
    stored s = stored_as(OPEN, 5);
    member a = member_named("a");
    uint32_t before, after;

    s.due = fleet_now() - 1;
    s.fence = (uint32_t)(fleet_now() % 0x80000000u);
    store(&s);
    before = member_claims(&a, 5, 1).fences[0];
    freeReplyObject(fleet_ask("FLUSHALL"));
    member_joins(&a);
    after = read_stored().fence;
    ck_assert_uint_ge(after + 1, before);
}
END_TEST

/* ---- clocks ---------------------------------------------------------------------- */

START_TEST(a_clock_that_went_back_keeps_nobody_open_for_longer)
{
    const keel_wire_report r = seen(5, OPEN, MOST_MS);
    stored s = stored_as(OPEN, 5);
    member a = member_named("a");
    keel_wire_view view;

    s.due = fleet_now() + 3600000;
    store(&s);
    view = member_report(&a, &r);
    ck_assert_uint_eq(view.epoch, 5);
    ck_assert_uint_eq(view.remaining_ms, MOST_MS);
    ck_assert_uint_le(read_stored().due, fleet_now() + MOST_MS);
}
END_TEST

START_TEST(of_two_ends_of_one_open_period_the_earlier_one_holds)
{
    const keel_wire_report r = seen(5, OPEN, 100);
    stored s = stored_as(OPEN, 5);
    member a = member_named("a");
    keel_wire_view view;

    s.due = fleet_now() + MOST_MS;
    store(&s);
    view = member_report(&a, &r);
    ck_assert_uint_eq(view.epoch, 5);
    ck_assert_uint_le(view.remaining_ms, 100);
    ck_assert_uint_le(read_stored().due, fleet_now() + 100);
}
END_TEST

START_TEST(a_claim_after_the_clock_went_back_waits_no_longer_either)
{
    stored s = stored_as(OPEN, 5);
    member a = member_named("a");

    s.due = fleet_now() + 3600000;
    store(&s);
    ck_assert_int_eq(member_claims(&a, 5, 1).as, KEEL_WIRE_EARLY);
    ck_assert_uint_le(read_stored().due, fleet_now() + MOST_MS);
}
END_TEST

START_TEST(a_window_from_the_future_counts_from_now)
{
    stored s = stored_as(SHUT, 5);
    member a = member_named("a");

    s.changed = fleet_now() + 3600000;
    s.watch = s.changed;
    s.answered = 1;
    s.expected = 9;
    store(&s);
    ck_assert_int_eq(member_counts(&a, 5, 0, 4).state, OPEN);
}
END_TEST

/* ---- hostile values -------------------------------------------------------------- */

typedef struct hostile_case {
    const char *why;
    uint8_t magic, fmt, state;
    uint64_t epoch;
    uint32_t slot_ms;
    size_t slots;
    uint64_t watch;
} hostile_case;

static const hostile_case hostile_cases[] = {
    { "another magic", 74, 1, OPEN, 5, 1000, 10, 0 },
    { "no format", 75, 0, OPEN, 5, 1000, 10, 0 },
    { "no such state", 75, 1, 3, 5, 1000, 10, 0 },
    { "an epoch beyond counting", 75, 1, OPEN, UINT64_C(1) << 60, 1000, 10, 0 },
    { "an epoch far ahead", 75, 1, OPEN, 5 + (1 << 21), 1000, 10, 0 },
    { "no epoch", 75, 1, OPEN, 0, 1000, 10, 0 },
    { "slots of no length", 75, 1, OPEN, 5, 0, 10, 0 },
    { "no slots", 75, 1, OPEN, 5, 1000, 0, 0 },
    { "a watch that no answer can name", 75, 1, SHUT, 5, 1000, 10, UINT64_C(1) << 60 },
};

START_TEST(a_breaker_that_cannot_be_is_replaced_by_what_a_member_knows)
{
    const hostile_case *row = &hostile_cases[_i];
    stored s = stored_as(row->state, row->epoch);
    const keel_wire_report r = seen(4, SHUT, 0);
    member a = member_named("a");
    keel_wire_view view;

    s.magic = row->magic;
    s.fmt = row->fmt;
    s.slot_ms = row->slot_ms;
    s.slots = row->slots;
    s.watch = row->watch;
    s.expected = row->watch > 0;
    store(&s);
    view = member_report(&a, &r);
    ck_assert_msg(view.state == SHUT && view.epoch == 4, "%s: state %u epoch %llu",
                  row->why, view.state, (unsigned long long)view.epoch);
    ck_assert_msg(a.last.corrupt == 1, "%s", row->why);
    ck_assert_uint_eq(read_stored().epoch, 4);
}
END_TEST

static const char *const short_values[] = {
    "", "K", "\x4b\x01", "K\x01 and some more",
    "0123456789012345678901234567890123456789"
};

START_TEST(a_truncated_breaker_is_replaced)
{
    member a = member_named("a");

    store_raw(KEY("b:" BREAKER), short_values[_i], strlen(short_values[_i]));
    ck_assert_uint_eq(member_joins(&a).epoch, 1);
    ck_assert_uint_eq(a.last.corrupt, 1);
}
END_TEST

START_TEST(a_truncated_breaker_gives_no_leases)
{
    member a = member_named("a");

    store_raw(KEY("b:" BREAKER), short_values[_i], strlen(short_values[_i]));
    ck_assert_int_eq(member_claims(&a, 5, 1).as, KEEL_WIRE_LOST);
    ck_assert_int_eq(member_ends(&a, 5, 1, KEEL_WIRE_BAD).as, KEEL_WIRE_IGNORED);
}
END_TEST

START_TEST(what_a_later_keel_has_written_is_read_and_not_written)
{
    stored s = stored_as(OPEN, 9);
    member a = member_named("a");
    keel_wire_view view;

    s.fmt = 2;
    s.due = fleet_now() + 3000;
    s.slots = 3;
    store(&s);
    view = member_joins(&a);
    ck_assert(view.newer);
    ck_assert_int_eq(view.state, OPEN);
    ck_assert_uint_eq(view.epoch, 9);
    ck_assert_int_eq(member_claims(&a, 9, 1).as, KEEL_WIRE_LOST);
    ck_assert_int_eq(read_stored().fmt, 2);
}
END_TEST

START_TEST(a_member_with_an_absurd_epoch_is_refused)
{
    const keel_wire_report r = seen(5 + (1 << 21), OPEN, 3000);
    stored s = stored_as(SHUT, 5);
    member a = member_named("a");

    store(&s);
    ck_assert(member_report(&a, &r).refused);
    ck_assert_uint_eq(read_stored().epoch, 5);
    ck_assert_int_eq(read_stored().state, SHUT);
}
END_TEST

START_TEST(an_epoch_beyond_counting_is_not_brought_back)
{
    const keel_wire_report r = seen(UINT64_C(1) << 53, OPEN, 3000);
    member a = member_named("a");

    member_report(&a, &r);
    ck_assert_uint_eq(read_stored().epoch, 1);
}
END_TEST

static const char *const all_keys[] = {
    KEY("meta"),       KEY("m"),          KEY("seq"),
    KEY("idx"),        KEY("b:" BREAKER), KEY("lk:" BREAKER),
    KEY("k:" BREAKER), KEY("r:" BREAKER), KEY("l:" BREAKER),
};

static void use_everything(member *a)
{
    const keel_wire_lock lock = { .name = BREAKER,
                                  .kind = KEEL_LOCK_OBSERVE,
                                  .expected = KEEL_WIRE_ANY_LOCK,
                                  .for_ms = 60000,
                                  .reason = "",
                                  .actor = "" };
    keel_wire_delta delta;
    keel_wire_report r = report_with(0, 0, 4, &delta);
    keel_wire_view view;
    stored s;

    r.registers = true;
    r.reporters = 2;
    view = member_report(a, &r);
    ck_assert_int_eq(view.state, SHUT);
    member_locks(a, &lock);
    freeReplyObject(fleet_ask("DEL %s", KEY("lk:" BREAKER)));
    s = read_stored();
    s.state = OPEN;
    s.due = 1;
    store(&s);
    ck_assert_uint_eq(member_claims(a, s.epoch, 1).count, 1);
    member_locks(a, &lock);
}

START_TEST(a_key_of_another_type_is_replaced)
{
    member a = member_named("a");

    fleet_integer("RPUSH %s x", all_keys[_i]);
    use_everything(&a);
    ck_assert_int_eq(fleet_integer("EXISTS %s", all_keys[_i]), 1);
}
END_TEST

START_TEST(every_key_has_an_end)
{
    member a = member_named("a");

    use_everything(&a);
    for (size_t i = 0; i < sizeof all_keys / sizeof *all_keys; i++)
        if (strcmp(all_keys[i], KEY("b:" BREAKER)) == 0)
            ck_assert_int_gt(fleet_integer("PTTL %s", all_keys[i]), 500000);
        else
            ck_assert_msg(fleet_integer("PTTL %s", all_keys[i]) > 0, "%s", all_keys[i]);
    ck_assert_int_eq(fleet_integer("DBSIZE"), sizeof all_keys / sizeof *all_keys);
}
END_TEST

FLEET_SUITE("share/lineage", ROWS(the_server_and_a_member_agree, agree_cases),
            ROWS(what_closed_in_a_lost_history_ends_no_later_trouble, later_cases),
            ONE(what_is_brought_back_closed_is_closed_for_as_long_as_it_was),
            ONE(what_a_member_brings_back_is_told),
            ONE(a_flushed_server_is_another_generation_and_heals_with_the_next_syncs),
            ONE(a_restarted_server_learns_its_scripts_again),
            ONE(a_promoted_replica_that_lagged_learns_what_it_missed),
            ONE(leases_of_a_lost_breaker_do_not_return),
            ONE(a_clock_that_went_back_keeps_nobody_open_for_longer),
            ONE(of_two_ends_of_one_open_period_the_earlier_one_holds),
            ONE(a_claim_after_the_clock_went_back_waits_no_longer_either),
            ONE(a_window_from_the_future_counts_from_now),
            ROWS(a_breaker_that_cannot_be_is_replaced_by_what_a_member_knows,
                 hostile_cases),
            ROWS(a_truncated_breaker_is_replaced, short_values),
            ROWS(a_truncated_breaker_gives_no_leases, short_values),
            ONE(what_a_later_keel_has_written_is_read_and_not_written),
            ONE(a_member_with_an_absurd_epoch_is_refused),
            ONE(an_epoch_beyond_counting_is_not_brought_back),
            ROWS(a_key_of_another_type_is_replaced, all_keys),
            ONE(every_key_has_an_end))
