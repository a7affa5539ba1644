/* SPDX-License-Identifier: MIT */
/*
 * What processes of a fleet tell of its lock, without a call or a look of theirs: by their
 * relays, on a real Redis. Not for processes without one: that is tests/call/t_locked.c.
 */
#include <stdio.h>
#include <string.h>

#include "call/pipeline.h"
#include "share/follower.h"
#include "support/board_file.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/redis.h"
#include "support/suite.h"
#include "support/told.h"

enum { MEMBERS = 3 };

#define BREAKER "none; breaker=on"

static test_redis redis;
static board_file file;
static char url[64];
static opened members[MEMBERS];
static told logs[MEMBERS] = { TOLD_INIT, TOLD_INIT, TOLD_INIT };

static void start(const char *const *environment)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        opened_init_with_log(&members[i], OPENED_REAL, environment, BREAKER, told_line,
                             &logs[i]);
}

static void start_server(void)
{
    ck_assert(test_redis_start(&redis, ""));
    snprintf(url, sizeof url, "KEEL_REDIS=redis://127.0.0.1:%u", redis.port);
}

static void stop(void)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        opened_cleanup(&members[i]);
    test_redis_cleanup(&redis);
}

/* Until everybody has so many lines, the last of which holds the words. */
static bool all_say(unsigned lines, const char *words)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (told_lines(&logs[i]) < lines || !told_says(&logs[i], words))
            return false;
    return true;
}

static void comes_to_all(unsigned lines, const char *words)
{
    COMES(all_say(lines, words));
    for (unsigned i = 0; i < MEMBERS; i++)
        ck_assert_uint_eq(told_lines(&logs[i]), lines);
}

static void lock(const opened *by)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .any_version = true,
                                        .actor = "ada",
                                        .reason = "the rack is on fire" };

    ck_assert_int_eq(
        keel_pipeline_lock_as(by->pipeline, KEEL_LOCK_OPEN, &options, NULL), KEEL_OK);
}

static void lock_is_told_and_its_end(void)
{
    lock(&members[0]);
    comes_to_all(1, "lock=open was=none until=lifted actor=\"ada\" "
                    "reason=\"the rack is on fire\"");
    ck_assert_int_eq(keel_pipeline_unlock(members[2].pipeline), KEEL_OK);
    comes_to_all(2, "lock=none was=open why=lifted");
}

START_TEST(each_member_of_a_fleet_says_once_who_has_locked_it_and_why)
{
    const char *const environment[] = { url, NULL };

    start_server();
    start(environment);
    lock_is_told_and_its_end();
    stop();
}
END_TEST

/* One of them speaks for all, the others stand by. */
START_TEST(each_process_of_a_board_says_it_by_a_relay_that_stands_by)
{
    start_server();
    board_file_init(&file);
    file.environment[1] = url;
    start(file.environment);
    lock_is_told_and_its_end();
    stop();
    board_file_cleanup(&file);
}
END_TEST

static keel_event heard;

static void hear(const keel_event *event, void *ctx)
{
    (void)ctx;
    if (event->type == KEEL_EVENT_LOCKED)
        heard = *event;
}

static bool hears_by_a_call(void)
{
    opened_call(&members[1], NULL, KEEL_OK, NULL);
    return heard.lock == KEEL_LOCK_OPEN;
}

/* The next one after the relay has told; its line in the log comes a moment before. */
START_TEST(the_listener_hears_what_the_relay_has_seen_at_the_next_call)
{
    const char *const environment[] = { url, NULL };

    start_server();
    start(environment);
    ck_assert_int_eq(keel_events_listen(members[1].rt, hear, NULL), KEEL_OK);
    lock(&members[0]);
    comes_to_all(1, "lock=open");
    ck_assert_uint_eq(heard.size, 0);
    COMES(hears_by_a_call());
    stop();
}
END_TEST

/* ---- who and why --------------------------------------------------------------------- */

START_TEST(a_lock_that_nobody_can_be_asked_about_is_told_and_explained_later)
{
    const keel_wire_look look = { .view = { .lock = KEEL_LOCK_OPEN, .lock_epoch = 9 },
                                  .actor = { "ada", 3 },
                                  .reason = { "fire", 4 } };
    keel_follower f;
    const keel_plan *plan;

    start((const char *const[]){ NULL });
    plan = atomic_load(&members[0].pipeline->plan);
    keel_follower_init(&f, members[0].pipeline);
    keel_follower_hear_lock(&f, plan, &look.view, 1);
    ck_assert_int_eq(opened_call(&members[0], NULL, KEEL_OK, NULL),
                     KEEL_REJECTED_FORCED_OPEN);
    ck_assert_uint_eq(told_lines(&logs[0]), 0);
    keel_follower_leave_unexplained(&f, plan, 1);
    keel_follower_leave_unexplained(&f, plan, 1);
    ck_assert_uint_eq(told_lines(&logs[0]), 1);
    ck_assert(told_says(&logs[0], "lock=open was=none until=lifted actor=\"\""));
    ck_assert(f.wants_reason);
    keel_follower_explain_lock(&f, plan, &look, 1);
    ck_assert_uint_eq(told_lines(&logs[0]), 2);
    ck_assert(told_says(&logs[0], "lock=open was=open until=lifted actor=\"ada\" "
                                  "reason=\"fire\""));
    stop();
}
END_TEST

START_TEST(that_the_fleet_had_lifted_it_meanwhile_is_told)
{
    const keel_wire_locked answer = {
        .view = { .state = KEEL_WIRE_UNKNOWN, .lock = KEEL_LOCK_NONE, .lock_epoch = 9 },
        .actor = { "bob", 3 },
        .reason = { "", 0 }
    };
    keel_follower f;

    start((const char *const[]){ NULL });
    lock(&members[0]);
    keel_follower_init(&f, members[0].pipeline);
    keel_follower_locked(&f, atomic_load(&members[0].pipeline->plan), &answer, 1);
    ck_assert_uint_eq(told_lines(&logs[0]), 2);
    ck_assert(told_says(&logs[0], "lock=none was=open why=lifted"));
    stop();
}
END_TEST

START_TEST(who_takes_over_as_relay_asks_what_the_one_before_could_not)
{
    const keel_wire_view view = { .lock = KEEL_LOCK_OPEN, .lock_epoch = 9 };
    keel_follower dead, heir;
    const keel_plan *plan;

    start((const char *const[]){ NULL });
    plan = atomic_load(&members[0].pipeline->plan);
    keel_follower_init(&dead, members[0].pipeline);
    keel_follower_hear_lock(&dead, plan, &view, 1);
    keel_follower_init(&heir, members[0].pipeline);
    keel_follower_hear_lock(&heir, plan, &view, 1);
    ck_assert(heir.wants_reason);
    stop();
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(each_member_of_a_fleet_says_once_who_has_locked_it_and_why),
        ONE(each_process_of_a_board_says_it_by_a_relay_that_stands_by),
        ONE(the_listener_hears_what_the_relay_has_seen_at_the_next_call),
        ONE(a_lock_that_nobody_can_be_asked_about_is_told_and_explained_later),
        ONE(that_the_fleet_had_lifted_it_meanwhile_is_told),
        ONE(who_takes_over_as_relay_asks_what_the_one_before_could_not),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run("lock_told", 60, tests, sizeof tests / sizeof tests[0]);
}
