/* SPDX-License-Identifier: MIT */
/* A board as it is seen, locked and followed by one who has no part in it. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/shown_text.h"
#include "board/layout.h"
#include "call/pipeline.h"
#include "ops/board_events.h"
#include "ops/board_history.h"
#include "ops/board_lock.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/suite.h"

#define BREAKER "none; breaker.min_calls=8; breaker.open=5s; breaker.open_jitter=0"
#define WALL_MS ((uint64_t)1800000000000)

static board_file file;
static opened o;
static keel_board *board; /* the onlooker's */
static keel_view view;
static keel_lock_state standing, replaced; /* of the onlooker's last lock */

static void begin(const char *settings)
{
    keel_detail why = KEEL_DETAIL_INIT;

    board_file_init(&file);
    opened_init(&o, OPENED_VIRTUAL, file.environment, settings);
    ck_assert_msg(keel_board_map(&board, NULL, file.path, false, &why) == KEEL_OK, "%s",
                  why.text);
}

static void finish(void)
{
    keel_view_cleanup(&view);
    keel_board_close(board);
    opened_cleanup(&o);
    board_file_cleanup(&file);
}

static keel_instant instant(void)
{
    return (keel_instant){ .now = vclock_now(&o.clock), .wall_ms = WALL_MS };
}

static const keel_pipeline_view *look(void)
{
    keel_instant at = instant();

    keel_view_cleanup(&view);
    ck_assert_int_eq(keel_board_view(board, &at, &view), KEEL_OK);
    return view.count ? &view.pipelines[0] : NULL;
}

/* ---- what is seen ------------------------------------------------------------------ */

static const char *const windows[] = {
    BREAKER,
    BREAKER "; breaker.slow_call=1s",
    BREAKER "; breaker.window=100calls",
    BREAKER "; breaker.window=60s; breaker.buckets=12",
};

START_TEST(a_look_from_outside_says_what_the_process_itself_would)
{
    const keel_pipeline_view *p;

    begin(windows[_i]);
    opened_calls(&o, KEEL_OK, 5);
    opened_calls(&o, KEEL_FAILED, 3);
    p = look();
    ck_assert_uint_eq(view.count, 1);
    ck_assert_str_eq(p->name, "payments");
    ck_assert(p->has_breaker);
    ck_assert_int_eq(p->state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(p->totals.total, 8);
    ck_assert_uint_eq(p->totals.failed, 3);
    ck_assert_uint_eq(p->processes, 1);
    ck_assert_uint_eq(p->since_s, 0);
    finish();
}
END_TEST

/* An attempt at the one endpoint that is named. */
static void attempt(const char *name, keel_breaker_outcome outcome)
{
    const keel_plan *plan = atomic_load(&o.pipeline->plan);
    uint64_t bit = keel_endpoint_bit(keel_endpoints_find(plan->endpoints, name));
    const keel_endpoint_request request = { .now = vclock_now(&o.clock),
                                            .random = &o.rt->random,
                                            .tried = ~bit };
    const keel_breaker_result result = { .outcome = outcome };
    keel_endpoint_changes changes = { .count = 0 };
    keel_endpoint_pick pick;
    uint64_t retry_after;

    ck_assert_int_eq(keel_endpoints_choose(plan->endpoints, &plan->policy, &request,
                                           &pick, &retry_after, &changes),
                     KEEL_OK);
    ck_assert_uint_eq(keel_endpoint_bit(pick.index), bit);
    keel_endpoints_end(plan->endpoints, &plan->policy, &pick, &result, request.now,
                       request.random, &changes);
}

START_TEST(endpoints_are_seen_by_name_with_what_has_become_of_them)
{
    const keel_endpoint_line *e;

    begin(BREAKER "; breaker.window=8calls; breaker.min_calls=4; eject=on; "
                  "eject.jitter=0; eject.consecutive=2; "
                  "endpoints=b:1, https://a.example name=a, c:1");
    attempt("b:1", KEEL_OUTCOME_OK);
    attempt("c:1", KEEL_OUTCOME_FAILED);
    attempt("c:1", KEEL_OUTCOME_FAILED);
    look();
    ck_assert_uint_eq(view.count, 1);
    ck_assert_uint_eq(view.endpoint_count, 3);
    e = view.endpoints;
    ck_assert_str_eq(e[0].pipeline, "payments");
    ck_assert_str_eq(e[0].name, "a");
    ck_assert_str_eq(e[1].name, "b:1");
    ck_assert_uint_eq(e[1].totals.total, 1);
    ck_assert_str_eq(e[2].name, "c:1");
    ck_assert_uint_eq(e[2].totals.failed, 2);
    ck_assert_uint_eq(e[2].ejected_left_ns, 30 * KEEL_S);
    ck_assert_uint_eq(e[2].ejections, 1);
    vclock_advance(&o.clock, 30 * KEEL_S);
    attempt("c:1", KEEL_OUTCOME_FAILED);
    attempt("c:1", KEEL_OUTCOME_FAILED);
    look();
    ck_assert_int_eq(view.endpoints[2].state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(view.endpoints[2].probe_in_ns, 5 * KEEL_S);
    finish();
}
END_TEST

START_TEST(endpoints_that_no_settings_name_any_more_are_not_seen)
{
    begin("none; endpoints=a:1, b:1");
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "endpoints=b:1, c:1", KEEL_S, NULL),
        KEEL_OK);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "endpoints=c:1", KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "endpoints=c:1", KEEL_S, NULL),
                     KEEL_OK); /* plans that nobody follows are freed in passing */
    look();
    ck_assert_uint_eq(view.endpoint_count, 1);
    ck_assert_str_eq(view.endpoints[0].name, "c:1");
    finish();
}
END_TEST

/* Soon, and when the window is long over. */
static const uint64_t waited[] = { 2 * KEEL_S, 3600 * KEEL_S };

START_TEST(an_open_breaker_says_since_when_why_and_until_when)
{
    const keel_pipeline_view *p;
    uint64_t before = (uint64_t)time(NULL);

    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 8);
    vclock_advance(&o.clock, waited[_i]);
    p = look();
    ck_assert_int_eq(p->state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(p->generation, opened_look(&o).generation);
    ck_assert_int_eq(p->cause, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_uint_ge(p->since_s, before);
    ck_assert_uint_eq(p->probe_in_ns, opened_look(&o).open_left_ns);
    ck_assert_uint_eq(p->totals.failed, 8);
    finish();
}
END_TEST

START_TEST(adaptive_limit_and_throttle_are_shown_as_their_process_has_them)
{
    const keel_pipeline_view *p;

    begin(
        "none; breaker=on; breaker.min_calls=1000; throttle=on; throttle.min_calls=4; "
        "adaptive=aimd; adaptive.limit=2..9; adaptive.initial=3");
    p = look();
    ck_assert_uint_eq(p->adaptive.processes, 1);
    ck_assert_uint_eq(p->adaptive.most, 3);
    ck_assert_uint_eq(p->throttle.processes, 1);
    ck_assert_uint_eq(p->throttle.most, 0);
    o.draw = 0.95;
    opened_calls(&o, KEEL_OK, 1);
    opened_calls(&o, KEEL_TIMEOUT, 9);
    vclock_advance(&o.clock, KEEL_S);
    opened_calls(&o, KEEL_TIMEOUT, 1); /* ends a window; 10 requests, 1 accepted */
    p = look();
    ck_assert_uint_eq(p->adaptive.least, opened_look(&o).adaptive_limit);
    ck_assert_uint_eq(p->adaptive.most, 2);
    ck_assert_uint_eq(p->throttle.least, 727273); /* (10 - 2) / 11, before that call */
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "adaptive=off; throttle=off", KEEL_S, NULL),
        KEEL_OK);
    p = look();
    ck_assert_uint_eq(p->adaptive.processes, 0);
    ck_assert_uint_eq(p->throttle.processes, 0);
    finish();
}
END_TEST

START_TEST(a_half_open_one_says_how_many_permits_are_left)
{
    keel_permit permit;

    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 8);
    vclock_advance(&o.clock, 5 * KEEL_S);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    ck_assert_int_eq(look()->state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(view.pipelines[0].permits, opened_look(&o).permits);
    ck_assert_uint_eq(view.pipelines[0].probe_in_ns, 0);
    keel_permit_end(&permit, KEEL_OK);
    finish();
}
END_TEST

START_TEST(what_a_host_limits_together_says_what_is_left)
{
    keel_permit permit[3];
    const keel_pipeline_view *p;

    begin(BREAKER "; bulkhead=5; bulkhead.scope=host; rate=10/s; rate.scope=host");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(keel_permit_take(o.pipeline, &permit[i], NULL), KEEL_OK);
    p = look();
    ck_assert_uint_eq(p->places.limit, 5);
    ck_assert_uint_eq(p->places.in_use, 3);
    ck_assert_uint_eq(p->tokens.count, 10);
    ck_assert_uint_eq(p->tokens.period_ns, KEEL_S);
    ck_assert_uint_eq(p->tokens.burst, 10);
    ck_assert_uint_eq(p->tokens.left, 7);
    for (int i = 0; i < 3; i++)
        keel_permit_end(&permit[i], KEEL_OK);
    vclock_advance(&o.clock, 200 * KEEL_MS);
    p = look();
    ck_assert_uint_eq(p->places.in_use, 0);
    ck_assert_uint_eq(p->tokens.left, 9);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "bulkhead=7", KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(look()->places.limit, 7);
    finish();
}
END_TEST

START_TEST(what_each_process_limits_alone_is_not_known_to_the_board)
{
    begin(BREAKER "; bulkhead=5; rate=10/s");
    opened_calls(&o, KEEL_OK, 3);
    ck_assert_uint_eq(look()->places.limit, 0);
    ck_assert_uint_eq(view.pipelines[0].tokens.count, 0);
    finish();
}
END_TEST

START_TEST(pipelines_come_in_the_order_of_their_names)
{
    static const char *const names[] = { "zebra", "apple", "mango" };
    keel_pipeline *others[3];

    begin(BREAKER);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(keel_pipeline_open(&others[i], o.rt, names[i], BREAKER, NULL),
                         KEEL_OK);
    look();
    ck_assert_uint_eq(view.count, 4);
    ck_assert_str_eq(view.pipelines[0].name, "apple");
    ck_assert_str_eq(view.pipelines[1].name, "mango");
    ck_assert_str_eq(view.pipelines[2].name, "payments");
    ck_assert_str_eq(view.pipelines[3].name, "zebra");
    for (int i = 0; i < 3; i++)
        keel_pipeline_close(others[i]);
    finish();
}
END_TEST

START_TEST(a_pipeline_without_a_breaker_is_seen_and_cannot_be_locked)
{
    const keel_lock_options any = { .size = sizeof any, .any_version = true };
    keel_board_parts parts;
    keel_instant at;

    begin("none; breaker=off");
    at = instant();
    ck_assert(!look()->has_breaker);
    ck_assert(keel_board_find(board, "payments", &parts));
    ck_assert_int_eq(
        keel_board_lock(board, &parts, KEEL_LOCK_OPEN, &any, &at, &standing, &replaced),
        KEEL_E_STATE);
    finish();
}
END_TEST

START_TEST(what_is_not_shared_is_not_seen)
{
    keel_board_parts parts;

    begin(BREAKER "; share=off");
    ck_assert_ptr_null(look());
    ck_assert(!keel_board_find(board, "payments", &parts));
    finish();
}
END_TEST

static void wait_to_be_killed(int ready)
{
    opened_look(&o);
    opened_calls(&o, KEEL_OK, 1);
    CHILD(write(ready, "", 1) == 1);
    pause();
}

START_TEST(processes_are_those_that_live)
{
    int ready[2];
    pid_t pid;
    char byte;

    begin(BREAKER);
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0)
        wait_to_be_killed(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    look();
    ck_assert_uint_eq(view.process_count, 2);
    ck_assert_uint_eq(view.processes[0].pid, (uint32_t)getpid());
    ck_assert_uint_eq(view.processes[1].pid, (uint32_t)pid);
    ck_assert_uint_eq(view.pipelines[0].processes, 2);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    look();
    ck_assert_uint_eq(view.process_count, 1);
    ck_assert_uint_eq(view.pipelines[0].processes, 1);
    finish();
}
END_TEST

START_TEST(without_any_process_the_windows_still_say_what_they_know)
{
    const keel_pipeline_view *p;

    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 3);
    opened_cleanup(&o);
    p = look();
    ck_assert_uint_eq(view.process_count, 0);
    ck_assert_uint_eq(p->totals.failed, 3);
    opened_init(&o, OPENED_VIRTUAL, file.environment, BREAKER);
    finish();
}
END_TEST

START_TEST(a_process_that_comes_in_between_takes_nobodys_window)
{
    keel_pipeline *other;

    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 7);
    opened_cleanup(&o);
    opened_init(&o, OPENED_VIRTUAL, file.environment, "none");
    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "other", BREAKER, NULL), KEEL_OK);
    keel_pipeline_close(other);
    opened_cleanup(&o);
    opened_init(&o, OPENED_VIRTUAL, file.environment, BREAKER);
    opened_calls(&o, KEEL_FAILED, 1);
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    finish();
}
END_TEST

/* ---- locks ------------------------------------------------------------------------- */

static keel_status lock_with(keel_lock lock, const keel_lock_options *options)
{
    keel_instant at = instant();
    keel_board_parts parts;

    ck_assert(keel_board_find(board, "payments", &parts));
    return keel_board_lock(board, &parts, lock, options, &at, &standing, &replaced);
}

static keel_status lock_as(keel_lock lock, const char *actor, const char *reason)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .actor = actor,
                                        .reason = reason };

    return lock_with(lock, &options);
}

START_TEST(a_lock_from_outside_holds_with_the_very_next_call)
{
    begin(BREAKER);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OPEN, "alice", "moving house"), KEEL_OK);
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_uint_eq(look()->lock.set_s, WALL_MS / 1000);
    ck_assert_int_eq(view.pipelines[0].lock.lock, KEEL_LOCK_OPEN);
    ck_assert_str_eq(view.pipelines[0].lock.actor, "alice");
    ck_assert_str_eq(view.pipelines[0].lock.reason, "moving house");
    ck_assert_int_eq(
        lock_with(KEEL_LOCK_NONE, &(keel_lock_options){ .version = standing.version }),
        KEEL_OK);
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_OK);
    finish();
}
END_TEST

START_TEST(the_process_itself_sees_who_has_locked_from_outside)
{
    keel_lock_state seen = { .size = sizeof seen };

    begin(BREAKER);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OBSERVE, "alice", "a try"), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_lock_look(o.pipeline, &seen), KEEL_OK);
    ck_assert_int_eq(seen.lock, KEEL_LOCK_OBSERVE);
    ck_assert_str_eq(seen.actor, "alice");
    ck_assert_uint_eq(seen.version, standing.version);
    finish();
}
END_TEST

START_TEST(a_lock_that_stands_is_not_overwritten_unseen_however_often_one_tries)
{
    begin(BREAKER);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OPEN, "alice", "first"), KEEL_OK);
    for (int i = 0; i < 3 * KEEL_NOTES; i++) {
        ck_assert_int_eq(lock_as(KEEL_LOCK_CLOSED, "bob", "second"), KEEL_E_CONFLICT);
        ck_assert_str_eq(standing.actor, "alice");
        ck_assert_str_eq(standing.reason, "first");
    }
    ck_assert_int_eq(
        lock_with(KEEL_LOCK_CLOSED,
                  &(keel_lock_options){ .actor = "bob", .any_version = true }),
        KEEL_OK);
    ck_assert_str_eq(standing.actor, "bob");
    ck_assert_str_eq(replaced.actor, "alice");
    ck_assert_str_eq(replaced.reason, "first");
    finish();
}
END_TEST

START_TEST(only_the_version_that_was_seen_is_unlocked)
{
    begin(BREAKER);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OPEN, "alice", NULL), KEEL_OK);
    ck_assert_int_eq(lock_with(KEEL_LOCK_NONE,
                               &(keel_lock_options){ .version = standing.version + 1 }),
                     KEEL_E_CONFLICT);
    ck_assert_int_eq(look()->lock.lock, KEEL_LOCK_OPEN);
    ck_assert_int_eq(
        lock_with(KEEL_LOCK_NONE, &(keel_lock_options){ .version = standing.version }),
        KEEL_OK);
    ck_assert_uint_eq(look()->lock.size, 0);
    finish();
}
END_TEST

START_TEST(a_lock_whose_time_is_over_is_none_and_in_nobodys_way)
{
    const keel_lock_options hour = { .for_ns = 3600 * KEEL_S };

    begin(BREAKER);
    ck_assert_int_eq(lock_with(KEEL_LOCK_OPEN, &hour), KEEL_OK);
    vclock_advance(&o.clock, 3599 * KEEL_S);
    ck_assert_uint_le(look()->lock.left_ns, KEEL_S + KEEL_LOCK_UNIT_NS);
    ck_assert_int_eq(lock_as(KEEL_LOCK_CLOSED, "bob", NULL), KEEL_E_CONFLICT);
    vclock_advance(&o.clock, 2 * KEEL_S);
    ck_assert_uint_eq(look()->lock.size, 0);
    ck_assert_int_eq(lock_as(KEEL_LOCK_CLOSED, "bob", NULL), KEEL_OK);
    finish();
}
END_TEST

START_TEST(a_lock_outlives_all_processes_and_their_restart)
{
    begin(BREAKER);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OPEN, "alice", "until monday"), KEEL_OK);
    opened_cleanup(&o);
    opened_init(&o, OPENED_VIRTUAL, file.environment, BREAKER);
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_str_eq(look()->lock.reason, "until monday");
    finish();
}
END_TEST

/* ---- events ------------------------------------------------------------------------ */

static keel_event_cursor cursor;
static keel_event_view event;
static uint64_t lost;

static keel_event_found next(void)
{
    return keel_board_events_next(board, &cursor, vclock_now(&o.clock), &event, &lost);
}

static keel_health_state be_ill(char *text, size_t size, void *ctx)
{
    (void)text;
    (void)size;
    (void)ctx;
    return KEEL_HEALTH_FAIL;
}

START_TEST(what_active_checks_find_is_seen_and_told)
{
    const keel_pipeline_view *p;

    begin(BREAKER "; health.delay=0; health.fall=1; health.interval=1h");
    cursor = keel_board_events_begin(board);
    ck_assert(!look()->check.is_known);
    ck_assert_int_eq(keel_health_check(o.pipeline, be_ill, NULL, NULL), KEEL_OK);
    COMES(look()->check.is_known);
    p = look();
    ck_assert_int_eq(p->check.state, KEEL_CHECK_UNHEALTHY);
    ck_assert_int_eq(p->check.status, KEEL_FAILED);
    ck_assert_uint_eq(p->check.age_ns, 0);
    vclock_advance(&o.clock, 3 * KEEL_S);
    ck_assert_uint_eq(look()->check.age_ns, 3 * KEEL_S);
    COMES(next() == KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.type, KEEL_EVENT_HEALTH);
    ck_assert_int_eq(event.status, KEEL_FAILED);
    ck_assert_str_eq(event.name, "payments");
    finish();
}
END_TEST

/* One call, which goes to the endpoint whose turn it is. */
static void call_that(keel_status status)
{
    opened_call(&o, NULL, status, NULL);
}

START_TEST(what_becomes_of_endpoints_is_told_by_their_names)
{
    begin(
        "none; breaker.consecutive=2; breaker.min_calls=100; eject=on; eject.jitter=0; "
        "eject.consecutive=2; eject.share=100%; endpoints.choice=round_robin; "
        "endpoints=https://a.example name=a, b:1");
    cursor = keel_board_events_begin(board);
    call_that(KEEL_FAILED);
    call_that(KEEL_OK);
    call_that(KEEL_FAILED);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.type, KEEL_EVENT_ENDPOINT_TRANSITION);
    ck_assert_str_eq(event.name, "payments");
    ck_assert_str_eq(event.endpoint, "a");
    ck_assert_int_eq(event.to, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(event.cause, KEEL_CAUSE_CONSECUTIVE);
    ck_assert_uint_eq(event.generation, 1);
    ck_assert_uint_eq(event.total, 2);
    ck_assert_uint_eq(event.failed, 2);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.type, KEEL_EVENT_EJECTED);
    ck_assert_str_eq(event.endpoint, "a");
    ck_assert_uint_eq(event.out_ns, 30 * KEEL_S);
    ck_assert_int_eq(next(), KEEL_EVENT_END);
    ck_assert_int_eq(keel_pipeline_reset(o.pipeline), KEEL_OK);
    while (next() == KEEL_EVENT_FOUND && event.type != KEEL_EVENT_RESTORED)
        ;
    ck_assert_int_eq(event.type, KEEL_EVENT_RESTORED);
    ck_assert_str_eq(event.endpoint, "a");
    ck_assert_int_eq(event.cause, KEEL_CAUSE_RESET);
    finish();
}
END_TEST

START_TEST(panic_and_its_end_are_told_of_no_endpoint)
{
    begin("none; eject.jitter=0; eject.consecutive=1; eject.share=100%; "
          "endpoints.choice=round_robin; endpoints=a:1, b:1, c:1");
    cursor = keel_board_events_begin(board);
    call_that(KEEL_FAILED);
    call_that(KEEL_FAILED);
    call_that(KEEL_OK);
    vclock_advance(&o.clock, 30 * KEEL_S);
    call_that(KEEL_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.type, KEEL_EVENT_PANIC);
    ck_assert_str_eq(event.endpoint, "");
    while (next() == KEEL_EVENT_FOUND && event.type != KEEL_EVENT_CALM)
        ;
    ck_assert_int_eq(event.type, KEEL_EVENT_CALM);
    finish();
}
END_TEST

START_TEST(an_endpoint_that_nobody_has_named_is_a_question_mark)
{
    const keel_journal_record record = { .type = KEEL_EVENT_RESTORED,
                                         .pipeline = 1,
                                         .about = 4711 };

    begin("none; endpoints=a:1, b:1");
    cursor = keel_board_events_begin(board);
    keel_journal_put(keel_board_journal(board), &record);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_str_eq(event.endpoint, "?");
    finish();
}
END_TEST

START_TEST(events_come_in_order_with_who_and_why)
{
    begin(BREAKER);
    cursor = keel_board_events_begin(board);
    opened_calls(&o, KEEL_FAILED, 8);
    ck_assert_int_eq(lock_as(KEEL_LOCK_CLOSED, "alice", "it is not them"), KEEL_OK);
    ck_assert_int_eq(
        lock_with(KEEL_LOCK_NONE,
                  &(keel_lock_options){ .actor = "bob", .any_version = true }),
        KEEL_OK);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_str_eq(event.name, "payments");
    ck_assert_int_eq(event.type, KEEL_EVENT_TRANSITION);
    ck_assert_int_eq(event.to, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(event.failed, 8);
    ck_assert_uint_eq(event.pid, (uint32_t)getpid());
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.type, KEEL_EVENT_LOCKED);
    ck_assert_int_eq(event.lock.lock, KEEL_LOCK_CLOSED);
    ck_assert_str_eq(event.lock.actor, "alice");
    ck_assert_str_eq(event.lock.reason, "it is not them");
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.lock.lock, KEEL_LOCK_NONE);
    ck_assert_str_eq(event.lock.actor, "bob");
    ck_assert_int_eq(next(), KEEL_EVENT_END);
    finish();
}
END_TEST

START_TEST(who_locks_what_is_over_says_so_first)
{
    const keel_lock_options hour = { .for_ns = 3600 * KEEL_S, .actor = "alice" };

    begin(BREAKER);
    ck_assert_int_eq(lock_with(KEEL_LOCK_OPEN, &hour), KEEL_OK);
    cursor = keel_board_events_begin(board);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    vclock_advance(&o.clock, 3601 * KEEL_S);
    ck_assert_int_eq(next(), KEEL_EVENT_END); /* nobody has seen it yet */
    ck_assert_int_eq(lock_as(KEEL_LOCK_CLOSED, "bob", NULL), KEEL_OK);
    ck_assert_uint_eq(replaced.size, 0);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.type, KEEL_EVENT_LOCKED);
    ck_assert_int_eq(event.lock.lock, KEEL_LOCK_NONE);
    ck_assert_int_eq(event.cause, KEEL_CAUSE_EXPIRED);
    ck_assert_str_eq(event.lock.actor, "alice");
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_str_eq(event.lock.actor, "bob");
    ck_assert_int_eq(next(), KEEL_EVENT_END);
    finish();
}
END_TEST

static void next_transition(keel_breaker_state to, keel_cause cause, uint64_t total,
                            uint64_t failed)
{
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(event.to, to);
    ck_assert_int_eq(event.cause, cause);
    ck_assert_uint_eq(event.total, total);
    ck_assert_uint_eq(event.failed, failed);
}

START_TEST(what_ended_a_round_is_told_with_its_probes)
{
    begin(BREAKER "; breaker.half_open_permits=3");
    cursor = keel_board_events_begin(board);
    opened_calls(&o, KEEL_FAILED, 8);
    vclock_advance(&o.clock, 5 * KEEL_S);
    opened_calls(&o, KEEL_OK, 1);
    opened_calls(&o, KEEL_FAILED, 2);
    vclock_advance(&o.clock, 20 * KEEL_S);
    opened_calls(&o, KEEL_OK, 3);
    next_transition(KEEL_BREAKER_OPEN, KEEL_CAUSE_FAILURE_RATE, 8, 8);
    next_transition(KEEL_BREAKER_HALF_OPEN, KEEL_CAUSE_OPEN_ELAPSED, 0, 0);
    next_transition(KEEL_BREAKER_OPEN, KEEL_CAUSE_PROBES_FAILED, 3, 2);
    next_transition(KEEL_BREAKER_HALF_OPEN, KEEL_CAUSE_OPEN_ELAPSED, 0, 0);
    /* two are enough, where one of three may fail */
    next_transition(KEEL_BREAKER_CLOSED, KEEL_CAUSE_PROBES_OK, 2, 0);
    finish();
}
END_TEST

START_TEST(a_lock_of_the_services_own_is_told_with_its_note)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .actor = "the service" };

    begin(BREAKER);
    cursor = keel_board_events_begin(board);
    ck_assert_int_eq(keel_pipeline_lock_as(o.pipeline, KEEL_LOCK_OPEN, &options, NULL),
                     KEEL_OK);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_str_eq(event.lock.actor, "the service");
    finish();
}
END_TEST

START_TEST(a_lock_whose_note_is_another_locks_by_now_names_nobody)
{
    begin(BREAKER);
    cursor = keel_board_events_begin(board);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OPEN, "alice", NULL), KEEL_OK);
    for (int i = 0; i < KEEL_NOTES; i++)
        ck_assert_int_eq(
            lock_with(KEEL_LOCK_OPEN,
                      &(keel_lock_options){ .actor = "bob", .any_version = true }),
            KEEL_OK);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_str_eq(event.lock.actor, "");
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_str_eq(event.lock.actor, "bob");
    finish();
}
END_TEST

static void put(uint32_t number)
{
    const keel_journal_record record = { .type = KEEL_EVENT_WOULD_TRIP,
                                         .generation = number,
                                         .pipeline = UINT32_MAX };

    keel_journal_put(keel_board_journal(board), &record);
}

START_TEST(what_was_overwritten_is_counted_and_the_rest_is_read)
{
    begin(BREAKER);
    cursor = keel_board_events_begin(board);
    for (uint32_t i = 0; i < KEEL_JOURNAL_CELLS + 10; i++)
        put(i);
    ck_assert_int_eq(next(), KEEL_EVENT_LOST);
    ck_assert_uint_eq(lost, 10);
    for (uint32_t i = 10; i < KEEL_JOURNAL_CELLS + 10; i++) {
        ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
        ck_assert_uint_eq(event.generation, i);
        ck_assert_str_eq(event.name, "?");
    }
    ck_assert_int_eq(next(), KEEL_EVENT_END);
    /* who comes now begins with what there is */
    cursor = keel_board_events_begin(board);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_uint_eq(event.generation, 10);
    finish();
}
END_TEST

/* As if its writer had been killed. */
static void tear(uint64_t position)
{
    atomic_store(&keel_board_journal(board)->cells[position].turn, 0);
}

START_TEST(records_whose_writers_were_killed_are_passed_over_after_a_while)
{
    begin(BREAKER);
    cursor = keel_board_events_begin(board);
    for (uint32_t i = 0; i < 8; i++)
        put(i);
    for (uint32_t i = 2; i < 6; i++)
        tear(i);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(next(), KEEL_EVENT_AWAIT);
    vclock_advance(&o.clock, 199 * KEEL_MS);
    ck_assert_int_eq(next(), KEEL_EVENT_AWAIT);
    vclock_advance(&o.clock, KEEL_MS);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND); /* the four cost no more than one */
    ck_assert_uint_eq(event.generation, 6);
    put(8);
    put(9);
    tear(8);
    ck_assert_int_eq(next(), KEEL_EVENT_FOUND);
    ck_assert_int_eq(next(), KEEL_EVENT_AWAIT); /* this one was begun just now */
    finish();
}
END_TEST

/* ---- a file that lies -------------------------------------------------------------- */

/* Past the board's own interface, as another process may write. */
static keel_board_layout *layout(void)
{
    return (keel_board_layout *)((char *)keel_board_journal(board) -
                                 offsetof(keel_board_layout, journal));
}

static keel_board_entry *entry_of(keel_block_kind kind)
{
    for (uint32_t i = 0; i < KEEL_BOARD_BLOCKS; i++)
        if (layout()->directory[i].kind == (uint32_t)kind)
            return &layout()->directory[i];
    ck_abort_msg("no entry of kind %d", kind);
    return NULL;
}

typedef struct lie {
    const char *what;
    keel_block_kind kind;
    size_t at; /* in the entry */
    size_t size;
    uint64_t value;
    bool is_seen; /* the pipeline still is */
} lie;

#define LIE(field)                                                                     \
    offsetof(keel_board_entry, field), sizeof((keel_board_entry *)0)->field

static const lie lies[] = {
    { "a place behind the end", KEEL_BLOCK_PIPELINE, LIE(offset), 16 << 20, false },
    { "a place that wraps", KEEL_BLOCK_PIPELINE, LIE(offset), UINT64_MAX - 63, false },
    { "a place between lines", KEEL_BLOCK_PIPELINE, LIE(offset), 4, false },
    { "too small a block", KEEL_BLOCK_PIPELINE, LIE(size), 64, false },
    { "too large a block", KEEL_BLOCK_PIPELINE, LIE(size), UINT32_MAX, false },
    { "another kind", KEEL_BLOCK_PIPELINE, LIE(kind), 99, false },
    { "a name with capitals", KEEL_BLOCK_PIPELINE, 0, 1, 'P', false },
    { "a breaker that lies outside", KEEL_BLOCK_BREAKER, LIE(offset), 1 << 30, true },
    { "a breaker that is too small", KEEL_BLOCK_BREAKER, LIE(size), 8, true },
    { "no buckets", KEEL_BLOCK_TIME_WINDOW, LIE(count), 0, true },
    { "more buckets than fit", KEEL_BLOCK_TIME_WINDOW, LIE(count), 900, true },
    { "far more buckets", KEEL_BLOCK_TIME_WINDOW, LIE(count), UINT32_MAX, true },
    { "no width", KEEL_BLOCK_TIME_WINDOW, LIE(width), 1, true },
    { "a width that overflows", KEEL_BLOCK_TIME_WINDOW, LIE(width), UINT64_MAX, true },
    { "a window outside", KEEL_BLOCK_TIME_WINDOW, LIE(offset), 1 << 30, true },
    { "lines outside", KEEL_BLOCK_LINES, LIE(offset), 1 << 30, true },
    { "a window as one of calls", KEEL_BLOCK_TIME_WINDOW, LIE(kind),
      KEEL_BLOCK_COUNT_WINDOW, true },
};

START_TEST(a_directory_that_lies_is_not_followed)
{
    const lie *l = &lies[_i];
    keel_board_entry *e, true_one;

    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 3);
    e = entry_of(l->kind);
    true_one = *e;
    memcpy((char *)e + l->at, &l->value, l->size);
    ck_assert_msg((look() != NULL) == l->is_seen, "%s", l->what);
    *e = true_one;
    ck_assert_uint_eq(look()->totals.failed, 3);
    finish();
}
END_TEST

START_TEST(lines_that_lie_are_not_followed)
{
    keel_lines_words *lines;

    begin(BREAKER);
    opened_calls(&o, KEEL_OK, 3);
    lines = (keel_lines_words *)(layout()->blocks + entry_of(KEEL_BLOCK_LINES)->offset);
    atomic_store(&lines->used, UINT64_MAX);
    for (int i = 1; i < KEEL_BOARD_OWNERS; i++)
        atomic_store(&lines->sets[i], UINT64_MAX - (uint64_t)i);
    ck_assert_uint_eq(look()->totals.total, 3);
    finish();
}
END_TEST

START_TEST(a_name_without_an_end_is_no_name)
{
    keel_board_entry *e;

    begin(BREAKER);
    e = entry_of(KEEL_BLOCK_PIPELINE);
    memset(e->name, 'a', sizeof e->name);
    ck_assert_ptr_null(look());
    finish();
}
END_TEST

START_TEST(more_blocks_and_owners_than_there_can_be_are_not_looked_for)
{
    uint32_t count;

    begin(BREAKER);
    count = atomic_exchange(&layout()->head.block_count, UINT32_MAX);
    atomic_store(&layout()->head.owner_count, UINT32_MAX);
    look();
    ck_assert_uint_eq(view.count, 1);
    ck_assert_uint_eq(view.process_count, 1);
    atomic_store(&layout()->head.owner_count, 1);
    atomic_store(&layout()->head.block_count, count);
    finish();
}
END_TEST

START_TEST(a_journal_that_lies_ends_or_is_waited_for)
{
    begin(BREAKER);
    cursor = keel_board_events_begin(board);
    atomic_store(&keel_board_journal(board)->head, UINT64_MAX);
    ck_assert_int_eq(next(), KEEL_EVENT_LOST);
    ck_assert_int_eq(next(), KEEL_EVENT_AWAIT);
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_int_eq(next(), KEEL_EVENT_END);
    atomic_store(&keel_board_journal(board)->head, 0);
    ck_assert_int_eq(next(), KEEL_EVENT_END);
    finish();
}
END_TEST

/* ---- texts ------------------------------------------------------------------------- */

typedef struct text_case {
    const char *what;
    const char *text;
    const char *shown;
} text_case;

static const text_case texts[] = {
    { "plain", "it is them", "it is them" },
    { "an accent and a wide one", "d\303\251j\303\240 \360\237\230\200",
      "d\303\251j\303\240 \360\237\230\200" },
    { "a line's end", "a\nb\r", "a?b?" },
    { "an escape", "\033[31mred", "?[31mred" },
    { "the escape of the other set", "a\302\233b", "a??b" },
    { "delete", "a\177", "a?" },
    { "a byte that is no UTF-8", "a\377b", "a?b" },
    { "a character cut short", "a\342\202", "a??" },
    { "a slash written too long", "\300\257 \340\200\257", "?? ???" },
    { "half of a pair", "\355\240\200", "???" },
    { "beyond the last one", "\364\220\200\200", "????" },
    { "a turn of direction", "a\342\200\256b", "a???b" },
};

START_TEST(text_of_others_neither_steers_a_terminal_nor_breaks_json)
{
    char text[64];

    snprintf(text, sizeof text, "%s", texts[_i].text);
    keel_shown_text(text);
    ck_assert_msg(!strcmp(text, texts[_i].shown), "%s: %s", texts[_i].what, text);
}
END_TEST

START_TEST(who_locks_is_shown_without_control_characters)
{
    begin(BREAKER);
    ck_assert_int_eq(lock_as(KEEL_LOCK_OPEN, "al\033ice", "a\nb"), KEEL_OK);
    ck_assert_str_eq(look()->lock.actor, "al?ice");
    ck_assert_str_eq(view.pipelines[0].lock.reason, "a?b");
    finish();
}
END_TEST

/* ---- the last minute --------------------------------------------------------------- */

static keel_history_view minute;

static void look_back(void)
{
    keel_instant at = instant();

    ck_assert(keel_board_history(board, "payments", &at, &minute));
}

static const keel_second_view *second_ago(unsigned seconds)
{
    return &minute.seconds[KEEL_HISTORY_SECONDS - 1 - seconds];
}

START_TEST(the_last_minute_says_what_each_second_was_and_which_had_no_calls)
{
    begin(BREAKER);
    vclock_advance(&o.clock, 200 * KEEL_S);
    opened_calls(&o, KEEL_FAILED, 3);
    vclock_advance(&o.clock, 2 * KEEL_S);
    opened_calls(&o, KEEL_FAILED, 1);
    look_back();
    ck_assert(second_ago(0)->has_sample);
    ck_assert_uint_ge(second_ago(0)->sample.failures, 3);
    ck_assert_int_eq(second_ago(0)->sample.state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(second_ago(0)->at_s, WALL_MS / 1000);
    ck_assert(!second_ago(1)->has_sample);
    ck_assert_uint_eq(second_ago(1)->at_s, WALL_MS / 1000 - 1);
    ck_assert(second_ago(2)->has_sample);
    ck_assert(!second_ago(3)->has_sample);
    vclock_advance(&o.clock, 58 * KEEL_S);
    look_back();
    ck_assert(second_ago(58)->has_sample);
    ck_assert(!second_ago(0)->has_sample);
    vclock_advance(&o.clock, 2 * KEEL_S);
    look_back();
    for (unsigned i = 0; i < KEEL_HISTORY_SECONDS; i++)
        ck_assert(!second_ago(i)->has_sample);
    finish();
}
END_TEST

/* ---- refusals in it ---------------------------------------------------------------- */

static void refuse_permit(void)
{
    keel_permit permit;

    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_REJECTED_OPEN);
}

static void refuse_call(void)
{
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
}

static void refuse_run(void)
{
    ck_assert_int_eq(keel_run(o.pipeline, opened_succeed, NULL, NULL, NULL),
                     KEEL_REJECTED_OPEN);
}

/* With a token no quick way is gone. */
static void refuse_by_hand(void)
{
    keel_permit permit;

    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit, 0, NULL, NULL),
                     KEEL_REJECTED_OPEN);
}

typedef struct refused_case {
    const char *settings;
    void (*refuse)(void);
} refused_case;

static const refused_case refused_cases[] = {
    { BREAKER, refuse_permit },
    { BREAKER, refuse_call },
    { BREAKER, refuse_run },
    { BREAKER, refuse_by_hand },
    { BREAKER "; breaker.window=100calls", refuse_permit },
    { BREAKER "; bulkhead=5; bulkhead.queue=5", refuse_permit },
    { BREAKER "; rate=1000/s", refuse_call },
};

START_TEST(a_second_in_which_all_is_refused_says_open_and_how_many)
{
    const refused_case *c = &refused_cases[_i];

    begin(c->settings);
    opened_calls(&o, KEEL_FAILED, 8);
    for (int second = 1; second <= 3; second++) {
        vclock_advance(&o.clock, KEEL_S);
        for (int i = 0; i < second * 10; i++)
            c->refuse();
    }
    look_back();
    for (unsigned ago = 0; ago < 3; ago++) {
        ck_assert_uint_eq(second_ago(ago)->refused, (3 - ago) * 10);
        ck_assert(second_ago(ago)->has_sample);
        ck_assert_int_eq(second_ago(ago)->sample.state, KEEL_BREAKER_OPEN);
    }
    ck_assert_uint_eq(second_ago(3)->refused, 0);
    finish();
}
END_TEST

START_TEST(a_second_without_calls_is_what_the_one_before_was)
{
    begin(BREAKER);
    vclock_advance(&o.clock, 200 * KEEL_S);
    opened_calls(&o, KEEL_FAILED, 8);
    vclock_advance(&o.clock, 4 * KEEL_S);
    look_back();
    for (unsigned ago = 0; ago < 4; ago++) {
        ck_assert(!second_ago(ago)->has_sample && second_ago(ago)->is_known);
        ck_assert_int_eq(second_ago(ago)->sample.state, KEEL_BREAKER_OPEN);
        ck_assert_uint_eq(second_ago(ago)->sample.calls, 0);
    }
    ck_assert(!second_ago(5)->is_known);
    vclock_advance(&o.clock, 300 * KEEL_S);
    look_back();
    for (unsigned ago = 0; ago < KEEL_HISTORY_SECONDS; ago++)
        ck_assert_int_eq(second_ago(ago)->sample.state, KEEL_BREAKER_OPEN);
    finish();
}
END_TEST

static void refuse_in_child(void)
{
    keel_permit permit;

    for (int i = 0; i < 7; i++)
        CHILD(keel_permit_take(o.pipeline, &permit, NULL) == KEEL_REJECTED_OPEN);
}

START_TEST(refusals_of_all_processes_are_summed_and_outlive_them)
{
    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 8);
    vclock_advance(&o.clock, KEEL_S);
    refuse_permit();
    child_await(child_fork(refuse_in_child));
    child_await(child_fork(refuse_in_child));
    look_back();
    ck_assert_uint_eq(second_ago(0)->refused, 1 + 7 + 7);
    vclock_advance(&o.clock, KEEL_S);
    refuse_permit();
    look_back();
    ck_assert_uint_eq(second_ago(1)->refused, 1 + 7 + 7);
    ck_assert_uint_eq(second_ago(0)->refused, 1);
    finish();
}
END_TEST

START_TEST(refusals_are_kept_across_a_reload_to_another_window)
{
    begin(BREAKER);
    opened_calls(&o, KEEL_FAILED, 8);
    vclock_advance(&o.clock, KEEL_S);
    refuse_permit();
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "breaker.window=50calls", KEEL_S, NULL),
        KEEL_OK);
    refuse_permit();
    refuse_permit();
    look_back();
    ck_assert_uint_eq(second_ago(0)->refused, 3);
    finish();
}
END_TEST

START_TEST(what_has_no_last_minute_is_not_found)
{
    keel_instant at;

    begin(BREAKER);
    at = instant();
    ck_assert(!keel_board_history(board, "elsewhere", &at, &minute));
    ck_assert_uint_eq(minute.seconds[0].at_s, 0);
    finish();
}
END_TEST

SUITE("board_view", 60,
      ROWS(a_look_from_outside_says_what_the_process_itself_would, windows),
      ONE(endpoints_are_seen_by_name_with_what_has_become_of_them),
      ONE(endpoints_that_no_settings_name_any_more_are_not_seen),
      ROWS(an_open_breaker_says_since_when_why_and_until_when, waited),
      ONE(adaptive_limit_and_throttle_are_shown_as_their_process_has_them),
      ONE(a_half_open_one_says_how_many_permits_are_left),
      ONE(what_a_host_limits_together_says_what_is_left),
      ONE(what_each_process_limits_alone_is_not_known_to_the_board),
      ONE(pipelines_come_in_the_order_of_their_names),
      ONE(a_pipeline_without_a_breaker_is_seen_and_cannot_be_locked),
      ONE(what_is_not_shared_is_not_seen), ONE(processes_are_those_that_live),
      ONE(without_any_process_the_windows_still_say_what_they_know),
      ONE(a_process_that_comes_in_between_takes_nobodys_window),
      ONE(a_lock_from_outside_holds_with_the_very_next_call),
      ONE(the_process_itself_sees_who_has_locked_from_outside),
      ONE(a_lock_that_stands_is_not_overwritten_unseen_however_often_one_tries),
      ONE(only_the_version_that_was_seen_is_unlocked),
      ONE(a_lock_whose_time_is_over_is_none_and_in_nobodys_way),
      ONE(a_lock_outlives_all_processes_and_their_restart),
      ONE(what_active_checks_find_is_seen_and_told),
      ONE(what_becomes_of_endpoints_is_told_by_their_names),
      ONE(panic_and_its_end_are_told_of_no_endpoint),
      ONE(an_endpoint_that_nobody_has_named_is_a_question_mark),
      ONE(events_come_in_order_with_who_and_why),
      ONE(who_locks_what_is_over_says_so_first),
      ONE(what_ended_a_round_is_told_with_its_probes),
      ONE(a_lock_of_the_services_own_is_told_with_its_note),
      ONE(a_lock_whose_note_is_another_locks_by_now_names_nobody),
      ONE(what_was_overwritten_is_counted_and_the_rest_is_read),
      ONE(records_whose_writers_were_killed_are_passed_over_after_a_while),
      ROWS(a_directory_that_lies_is_not_followed, lies),
      ONE(lines_that_lie_are_not_followed), ONE(a_name_without_an_end_is_no_name),
      ONE(more_blocks_and_owners_than_there_can_be_are_not_looked_for),
      ONE(a_journal_that_lies_ends_or_is_waited_for),
      ROWS(text_of_others_neither_steers_a_terminal_nor_breaks_json, texts),
      ONE(who_locks_is_shown_without_control_characters),
      ONE(the_last_minute_says_what_each_second_was_and_which_had_no_calls),
      ROWS(a_second_in_which_all_is_refused_says_open_and_how_many, refused_cases),
      ONE(a_second_without_calls_is_what_the_one_before_was),
      ONE(refusals_of_all_processes_are_summed_and_outlive_them),
      ONE(refusals_are_kept_across_a_reload_to_another_window),
      ONE(what_has_no_last_minute_is_not_found))
