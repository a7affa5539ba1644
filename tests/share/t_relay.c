/* SPDX-License-Identifier: MIT */
/*
 * Members of a fleet, each a runtime with its relay, on a real Redis. What the network
 * brings takes its time, so these tests wait for what must come, and fail if it does not.
 */
#include <stdio.h>
#include <string.h>

#include "call/pipeline.h"
#include "call/relay.h"
#include "policy/fleet.h"
#include "share/wire.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

enum { MEMBERS = 3 };

#define BREAKER                                                                        \
    "none; breaker.min_calls=8; breaker.open=300ms; breaker.open_jitter=0;"            \
    "breaker.half_open_permits=2; breaker.half_open_failures=0; breaker.lease=1s;"     \
    "deadline=10s;"

static test_redis redis;
static opened members[MEMBERS];
static unsigned member_count;
static char url[64];
static const char *environment[] = { url, NULL, NULL };

static void start_server(void)
{
    ck_assert(test_redis_start(&redis, ""));
    snprintf(url, sizeof url, "KEEL_REDIS=redis://127.0.0.1:%u", redis.port);
}

static void join(unsigned count, const char *settings)
{
    for (member_count = 0; member_count < count; member_count++)
        opened_init(&members[member_count], OPENED_REAL, environment, settings);
}

static void leave(void)
{
    for (unsigned i = 0; i < member_count; i++)
        opened_cleanup(&members[i]);
    test_redis_cleanup(&redis);
}

static const keel_fleet_words *fleet_of(const opened *o)
{
    return atomic_load(&o->pipeline->plan)->breaker.fleet;
}

static uint64_t epoch_of(const opened *o)
{
    return keel_fleet_view_epoch(atomic_load(&fleet_of(o)->view));
}

static keel_breaker_state view_of(const opened *o)
{
    return keel_fleet_view_state(atomic_load(&fleet_of(o)->view));
}

static void everybody_is_in(void)
{
    for (unsigned i = 0; i < member_count; i++)
        COMES(epoch_of(&members[i]) > 0);
}

static void start(unsigned count, const char *settings)
{
    start_server();
    join(count, settings);
    everybody_is_in();
}

static bool all_are(keel_breaker_state state)
{
    for (unsigned i = 0; i < member_count; i++)
        if (opened_look(&members[i]).state != state)
            return false;
    return true;
}

/* Calls until nobody is refused any more. */
static bool recovers(unsigned by)
{
    opened_call(&members[by], NULL, KEEL_OK, NULL);
    return all_are(KEEL_BREAKER_CLOSED);
}

START_TEST(what_the_fleet_sees_together_opens_it_for_all_and_probes_close_it)
{
    start(MEMBERS, BREAKER);
    for (unsigned i = 0; i < 9; i++)
        opened_call(&members[i % MEMBERS], NULL, KEEL_FAILED, NULL);
    COMES(all_are(KEEL_BREAKER_OPEN));
    for (unsigned i = 0; i < MEMBERS; i++)
        COMES(view_of(&members[i]) != KEEL_BREAKER_CLOSED);
    COMES(recovers(0));
    leave();
}
END_TEST

START_TEST(one_sick_host_among_healthy_ones_stays_alone)
{
    start(MEMBERS, BREAKER);
    opened_calls(&members[1], KEEL_OK, 100);
    opened_calls(&members[2], KEEL_OK, 100);
    for (unsigned i = 0; i < 8; i++)
        opened_call(&members[0], NULL, KEEL_FAILED, NULL);
    ck_assert_int_eq(opened_look(&members[0]).state, KEEL_BREAKER_OPEN);
    COMES(recovers(0)); /* by probes of its own */
    ck_assert_int_eq(view_of(&members[0]), KEEL_BREAKER_CLOSED);
    ck_assert_int_eq(opened_look(&members[1]).state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(opened_look(&members[1]).generation, 0);
    leave();
}
END_TEST

START_TEST(with_share_trip_any_one_is_enough)
{
    start(MEMBERS, BREAKER "share.trip=any");
    opened_calls(&members[1], KEEL_OK, 100);
    for (unsigned i = 0; i < 8; i++)
        opened_call(&members[0], NULL, KEEL_FAILED, NULL);
    COMES(all_are(KEEL_BREAKER_OPEN));
    leave();
}
END_TEST

/* What the server keeps as the reason of the only breaker's state. */
static unsigned stored_cause(void)
{
    redisReply *reply =
        test_redis_ask(&redis, "GETRANGE keel1:{default}:b:payments 3 3");
    unsigned cause;

    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->len, 1);
    cause = (unsigned char)reply->str[0];
    freeReplyObject(reply);
    return cause;
}

START_TEST(a_trip_by_a_row_of_failures_is_told_as_one)
{
    start(2, BREAKER "breaker.consecutive=3; breaker.open=1h; share.trip=any");
    for (unsigned i = 0; i < 3; i++)
        opened_call(&members[0], NULL, KEEL_FAILED, NULL);
    COMES(view_of(&members[1]) == KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(stored_cause(), KEEL_CAUSE_CONSECUTIVE);
    leave();
}
END_TEST

static void fail_with_a_wish(opened *o, uint64_t wish_ns)
{
    const keel_outcome outcome = { .size = sizeof outcome,
                                   .status = KEEL_FAILED,
                                   .retry_after_ns = wish_ns };
    keel_call call;

    keel_call_begin(&call, o->pipeline, NULL);
    while (keel_call_next(&call))
        keel_call_report_attempt(&call, 1, &outcome);
    keel_call_end(&call, NULL);
}

/* None of them has seen enough failures to open by itself. */
START_TEST(a_retry_after_keeps_the_whole_fleet_open_as_long)
{
    keel_pipeline_stats seen;

    start(MEMBERS, BREAKER "breaker.open=300ms..10m");
    for (unsigned i = 0; i < 9; i++)
        fail_with_a_wish(&members[i % MEMBERS], 300 * KEEL_S);
    COMES(all_are(KEEL_BREAKER_OPEN));
    COMES(view_of(&members[1]) == KEEL_BREAKER_OPEN);
    seen = opened_look(&members[1]);
    ck_assert_uint_gt(seen.open_left_ns, 200 * KEEL_S);
    leave();
}
END_TEST

START_TEST(a_lock_reaches_every_member_with_who_and_why)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .actor = "ada",
                                        .reason = "the rack is on fire" };
    keel_lock_state state = { .size = sizeof state };

    start(MEMBERS, BREAKER);
    ck_assert_int_eq(
        keel_pipeline_lock_as(members[0].pipeline, KEEL_LOCK_OPEN, &options, NULL),
        KEEL_OK);
    for (unsigned i = 0; i < MEMBERS; i++)
        COMES(opened_look(&members[i]).lock == KEEL_LOCK_OPEN);
    COMES(keel_pipeline_lock_look(members[2].pipeline, &state) == KEEL_OK &&
          strcmp(state.reason, options.reason) == 0);
    ck_assert_str_eq(state.actor, "ada");
    ck_assert_int_eq(keel_pipeline_unlock(members[2].pipeline), KEEL_OK);
    for (unsigned i = 0; i < MEMBERS; i++)
        COMES(opened_look(&members[i]).lock == KEEL_LOCK_NONE);
    leave();
}
END_TEST

START_TEST(a_lock_outlives_everybody_and_the_server_that_forgot_it)
{
    start(2, BREAKER);
    ck_assert_int_eq(keel_pipeline_lock(members[0].pipeline, KEEL_LOCK_OPEN, 0),
                     KEEL_OK);
    COMES(opened_look(&members[1]).lock == KEEL_LOCK_OPEN);
    opened_cleanup(&members[0]); /* who set it */
    opened_init(&members[0], OPENED_REAL, environment, BREAKER);
    COMES(opened_look(&members[0]).lock == KEEL_LOCK_OPEN);
    freeReplyObject(test_redis_ask(&redis, "FLUSHALL"));
    opened_cleanup(&members[0]);
    COMES(epoch_of(&members[1]) > 0);
    opened_init(&members[0], OPENED_REAL, environment, BREAKER);
    COMES(opened_look(&members[0]).lock == KEEL_LOCK_OPEN);
    leave();
}
END_TEST

START_TEST(a_lock_that_the_server_could_not_be_told_is_told_later)
{
    start(2, BREAKER);
    test_redis_freeze(&redis);
    ck_assert_int_eq(keel_pipeline_lock(members[0].pipeline, KEEL_LOCK_OPEN, 0),
                     KEEL_OK);
    COMES(atomic_load(&fleet_of(&members[0])->news) == 0); /* it has been tried */
    test_redis_thaw(&redis);
    COMES(opened_look(&members[1]).lock == KEEL_LOCK_OPEN);
    leave();
}
END_TEST

enum { MANY = KEEL_WIRE_BATCH + 6 };

static bool exists(unsigned number)
{
    return test_redis_number(&redis, "EXISTS keel1:{default}:b:p%u", number) == 1;
}

/* What was open is asked for once a second, in batches that do not hold them all. */
START_TEST(of_more_breakers_than_a_batch_holds_each_has_its_turn)
{
    keel_pipeline *many[MANY];
    char name[8];

    start(1, BREAKER);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "p%u", i);
        ck_assert_int_eq(keel_pipeline_open(&many[i], members[0].rt, name,
                                            "none; breaker.consecutive=1;"
                                            "breaker.open=1h; share.trip=any",
                                            NULL),
                         KEEL_OK);
        COMES(exists(i));
        ck_assert_int_eq(keel_pipeline_transition(many[i], KEEL_BREAKER_OPEN, 0),
                         KEEL_OK);
    }
    for (unsigned i = 0; i < MANY; i++)
        COMES(keel_fleet_view_state(
                  atomic_load(&atomic_load(&many[i]->plan)->breaker.fleet->view)) ==
              KEEL_BREAKER_OPEN);
    freeReplyObject(test_redis_ask(&redis,
                                   "DEL keel1:{default}:b:p0 "
                                   "keel1:{default}:b:p%d",
                                   (int)MANY - 1));
    COMES(exists(0));
    COMES(exists(MANY - 1));
    for (unsigned i = 0; i < MANY; i++)
        keel_pipeline_close(many[i]);
    leave();
}
END_TEST

START_TEST(without_the_server_everything_goes_on_by_the_rules_here)
{
    start(2, BREAKER);
    test_redis_stop(&redis);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(opened_call(&members[0], NULL, KEEL_FAILED, NULL),
                         KEEL_FAILED);
    ck_assert_int_eq(opened_look(&members[0]).state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(opened_call(&members[1], NULL, KEEL_OK, NULL), KEEL_OK);
    COMES(opened_call(&members[0], NULL, KEEL_OK, NULL) == KEEL_OK);
    leave();
}
END_TEST

START_TEST(an_open_fleet_recovers_though_the_server_is_gone)
{
    start(2, BREAKER "share.trip=any");
    for (unsigned i = 0; i < 8; i++)
        opened_call(&members[0], NULL, KEEL_FAILED, NULL);
    COMES(all_are(KEEL_BREAKER_OPEN));
    COMES(view_of(&members[1]) == KEEL_BREAKER_OPEN);
    test_redis_stop(&redis);
    COMES(recovers(0) || recovers(1));
    leave();
}
END_TEST

START_TEST(a_server_that_lost_its_data_hears_of_it_again)
{
    start(2, "none; breaker.min_calls=8; breaker.open=1h; breaker.open_jitter=0;"
             "share.trip=any");
    for (unsigned i = 0; i < 8; i++)
        opened_call(&members[0], NULL, KEEL_FAILED, NULL);
    COMES(view_of(&members[0]) == KEEL_BREAKER_OPEN);
    COMES(view_of(&members[1]) == KEEL_BREAKER_OPEN);
    test_redis_stop(&redis);
    opened_cleanup(&members[1]);
    ck_assert(test_redis_restart(&redis));
    opened_init(&members[1], OPENED_REAL, environment,
                "none; breaker.min_calls=8; breaker.open=1h; breaker.open_jitter=0;"
                "share.trip=any");
    COMES(opened_look(&members[1]).state == KEEL_BREAKER_OPEN);
    leave();
}
END_TEST

/* The server's breaker is closed at the number at which it was open, and says so: what
 * becomes of a replica that lagged and then went on by itself. */
static void tell_another_history(uint64_t epoch)
{
    long long heard = test_redis_number(
        &redis,
        "EVAL %s 3 keel1:{default}:b:payments keel1:{default}:meta keel1:{default}:ev "
        "%llu",
        "redis.call('SETRANGE', KEYS[1], 2, '\\0') "
        "return redis.call('PUBLISH', KEYS[3], 'v1 ' .. redis.call('HGET', KEYS[2], "
        "'gen') .. '\\npayments ' .. ARGV[1] .. ' 0 0 5 0 0 0 0')",
        (unsigned long long)epoch);

    ck_assert_int_eq(heard, 2); /* members */
}

START_TEST(of_two_histories_at_one_number_the_open_one_holds)
{
    uint64_t epoch;

    start(2, BREAKER "breaker.open=1h; share.trip=any");
    for (unsigned i = 0; i < 8; i++)
        opened_call(&members[0], NULL, KEEL_FAILED, NULL);
    for (unsigned i = 0; i < 2; i++)
        COMES(view_of(&members[i]) == KEEL_BREAKER_OPEN);
    epoch = epoch_of(&members[0]);
    tell_another_history(epoch);
    for (unsigned i = 0; i < 2; i++)
        COMES(epoch_of(&members[i]) == epoch + 1);
    ck_assert_uint_eq(stored_cause(), KEEL_WIRE_CAUSE_SPLIT);
    ck_assert(all_are(KEEL_BREAKER_OPEN));
    leave();
}
END_TEST

START_TEST(nothing_waits_for_a_server_that_is_frozen)
{
    uint64_t begun;

    start(2, BREAKER);
    test_redis_freeze(&redis);
    opened_calls(&members[0], KEEL_FAILED, 4);
    begun = now_ns();
    opened_cleanup(&members[1]);
    ck_assert_uint_lt(now_ns() - begun, 5 * KEEL_S);
    member_count = 1;
    test_redis_thaw(&redis);
    COMES(epoch_of(&members[0]) > 0);
    leave();
}
END_TEST

static const struct {
    const char *variable;
    const char *said;
} wrong_urls[] = {
    { "KEEL_REDIS=http://h", "KEEL_REDIS: begins with none of" },
    { "KEEL_REDIS=redis://", "KEEL_REDIS: host 1 is not a host" },
};

START_TEST(a_url_that_is_wrong_is_one_warning_and_nothing_is_shared)
{
    const char *wrong[] = { wrong_urls[_i].variable, NULL };
    char text[240];

    opened_init(&members[0], OPENED_REAL, wrong, BREAKER);
    ck_assert(keel_runtime_warning(members[0].rt, 0, text, sizeof text));
    ck_assert_msg(strncmp(text, wrong_urls[_i].said, strlen(wrong_urls[_i].said)) == 0,
                  "%s", text);
    ck_assert_int_eq(opened_call(&members[0], NULL, KEEL_OK, NULL), KEEL_OK);
    opened_cleanup(&members[0]);
}
END_TEST

SUITE("relay", 180,
      ONE(what_the_fleet_sees_together_opens_it_for_all_and_probes_close_it),
      ONE(one_sick_host_among_healthy_ones_stays_alone),
      ONE(with_share_trip_any_one_is_enough),
      ONE(a_trip_by_a_row_of_failures_is_told_as_one),
      ONE(a_retry_after_keeps_the_whole_fleet_open_as_long),
      ONE(a_lock_reaches_every_member_with_who_and_why),
      ONE(a_lock_outlives_everybody_and_the_server_that_forgot_it),
      ONE(a_lock_that_the_server_could_not_be_told_is_told_later),
      ONE(of_more_breakers_than_a_batch_holds_each_has_its_turn),
      ONE(without_the_server_everything_goes_on_by_the_rules_here),
      ONE(an_open_fleet_recovers_though_the_server_is_gone),
      ONE(a_server_that_lost_its_data_hears_of_it_again),
      ONE(of_two_histories_at_one_number_the_open_one_holds),
      ONE(nothing_waits_for_a_server_that_is_frozen),
      ROWS(a_url_that_is_wrong_is_one_warning_and_nothing_is_shared, wrong_urls))
