/* SPDX-License-Identifier: MIT */
/* Processes of a host that share a board: one breaker, one bulkhead, one limiter. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "board/file.h"
#include "call/pipeline.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/opened.h"
#include "support/suite.h"

static board_file file;
static opened a, b;

static void begin(const char *settings)
{
    board_file_init(&file);
    opened_init(&a, OPENED_VIRTUAL, file.environment, settings);
    ck_assert_ptr_nonnull(a.rt->shared);
}

static void finish(void)
{
    opened_cleanup(&a);
    board_file_cleanup(&file);
}

/* Two runtimes, as if two processes. */
static void begin_two(const char *settings)
{
    begin(settings);
    opened_init(&b, OPENED_VIRTUAL, file.environment, settings);
}

static void finish_two(void)
{
    opened_cleanup(&b);
    finish();
}

static void advance(uint64_t ns)
{
    vclock_advance(&a.clock, ns);
    vclock_advance(&b.clock, ns);
}

#define BREAKER "none; breaker.min_calls=8; breaker.open=5s; breaker.open_jitter=0"

START_TEST(what_one_process_learns_the_other_knows)
{
    begin_two(BREAKER);
    opened_calls(&a, KEEL_FAILED, 7);
    ck_assert_int_eq(opened_call(&b, NULL, KEEL_FAILED, NULL), KEEL_FAILED);
    ck_assert_int_eq(opened_look(&a).state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(opened_call(&b, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    advance(5 * KEEL_S);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(opened_call(i % 2 ? &a : &b, NULL, KEEL_OK, NULL), KEEL_OK);
    ck_assert_int_eq(opened_look(&a).state, KEEL_BREAKER_CLOSED);
    ck_assert_int_eq(opened_look(&b).state, KEEL_BREAKER_CLOSED);
    finish_two();
}
END_TEST

/* By the quick ways too, which count in stripes of each process. */
static const char *const ways[] = {
    BREAKER,
    BREAKER "; deadline=10s; bulkhead=8",
    BREAKER "; breaker.slow_call=1s",
    BREAKER "; breaker.window=100calls",
};

START_TEST(the_successes_of_all_count_against_the_failures_of_one)
{
    begin_two(ways[_i]);
    opened_calls(&a, KEEL_OK, 50);
    opened_calls(&b, KEEL_FAILED, 49);
    ck_assert_int_eq(opened_look(&b).state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(opened_look(&b).calls, 99);
    opened_calls(&b, KEEL_FAILED, 1);
    ck_assert_int_eq(opened_look(&a).state, KEEL_BREAKER_OPEN);
    finish_two();
}
END_TEST

START_TEST(permits_at_the_gate_count_for_all)
{
    keel_permit permit;

    begin_two(BREAKER);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL), KEEL_OK);
        keel_permit_end(&permit, KEEL_OK);
    }
    opened_calls(&b, KEEL_FAILED, 9);
    ck_assert_int_eq(opened_look(&b).state, KEEL_BREAKER_CLOSED);
    opened_calls(&b, KEEL_FAILED, 1);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL), KEEL_REJECTED_OPEN);
    finish_two();
}
END_TEST

START_TEST(windows_of_another_shape_do_not_mix_but_the_state_is_one)
{
    begin(BREAKER);
    opened_init(&b, OPENED_VIRTUAL, file.environment, BREAKER "; breaker.window=20s");
    opened_calls(&b, KEEL_OK, 100);
    opened_calls(&a, KEEL_FAILED, 7);
    ck_assert_uint_eq(opened_look(&a).calls, 7);
    ck_assert_uint_eq(opened_look(&b).calls, 100);
    opened_calls(&a, KEEL_FAILED, 1);
    ck_assert_int_eq(opened_call(&b, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    finish_two();
}
END_TEST

START_TEST(a_reload_of_one_leaves_the_others_window_as_it_is)
{
    begin_two(BREAKER);
    opened_calls(&a, KEEL_FAILED, 4);
    ck_assert_int_eq(keel_pipeline_override(b.pipeline,
                                            "breaker.window=20s; breaker.buckets=20",
                                            KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(opened_look(&a).calls, 4);
    ck_assert_uint_eq(opened_look(&b).calls, 4); /* carried over */
    opened_calls(&a, KEEL_OK, 3);
    ck_assert_uint_eq(opened_look(&a).calls, 7);
    ck_assert_int_eq(keel_pipeline_override(b.pipeline, NULL, 0, NULL), KEEL_OK);
    ck_assert_uint_eq(opened_look(&b).calls, 7); /* and it came back to a's */
    finish_two();
}
END_TEST

/* Else each of its calls would go the long way for good. */
START_TEST(a_window_that_another_process_left_is_quick_again_for_who_comes)
{
    begin(BREAKER);
    opened_calls(&a, KEEL_OK, 2);
    ck_assert_int_eq(
        keel_pipeline_override(a.pipeline, "breaker.window=20s", KEEL_S, NULL),
        KEEL_OK);
    opened_init(&b, OPENED_VIRTUAL, file.environment, BREAKER);
    opened_calls(&b, KEEL_OK, 2);
    /* by the tag, which is above 2 where the quick way finds it */
    ck_assert_uint_gt(atomic_load(&b.pipeline->plan)->breaker.window.time->tag, 2);
    finish_two();
}
END_TEST

START_TEST(what_is_not_shared_is_each_processs_own)
{
    begin_two(BREAKER "; share=off; bulkhead=1; rate=1/h");
    opened_calls(&a, KEEL_FAILED, 1);
    opened_calls(&b, KEEL_FAILED, 1); /* a token of its own */
    ck_assert_uint_eq(opened_look(&a).calls, 1);
    finish_two();
}
END_TEST

START_TEST(the_hosts_limit_is_one_for_all)
{
    keel_permit mine, theirs;

    begin_two("none; bulkhead=1; bulkhead.scope=host");
    ck_assert_int_eq(keel_permit_take(a.pipeline, &mine, NULL), KEEL_OK);
    ck_assert_int_eq(keel_permit_take(b.pipeline, &theirs, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end(&mine, KEEL_OK);
    ck_assert_int_eq(keel_permit_take(b.pipeline, &theirs, NULL), KEEL_OK);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &mine, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end(&theirs, KEEL_FAILED);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &mine, NULL), KEEL_OK);
    keel_permit_end(&mine, KEEL_OK);
    finish_two();
}
END_TEST

START_TEST(who_may_queue_waits_for_a_place_of_another_process)
{
    keel_permit mine, theirs;

    begin_two(
        "none; bulkhead=1; bulkhead.scope=host; bulkhead.queue=4; bulkhead.wait=1s");
    ck_assert_int_eq(keel_permit_take(a.pipeline, &mine, NULL), KEEL_OK);
    ck_assert_int_eq(keel_permit_wait(b.pipeline, &theirs,
                                      vclock_now(&b.clock) + 20 * KEEL_MS, NULL, NULL),
                     KEEL_REJECTED_BULKHEAD_TIMEOUT);
    ck_assert_uint_eq(vclock_now(&b.clock), VCLOCK_START + 20 * KEEL_MS);
    keel_permit_end(&mine, KEEL_OK);
    ck_assert_int_eq(keel_permit_wait(b.pipeline, &theirs, KEEL_NEVER, NULL, NULL),
                     KEEL_OK);
    keel_permit_end(&theirs, KEEL_OK);
    finish_two();
}
END_TEST

START_TEST(the_hosts_rate_is_one_for_all)
{
    begin_two("none; rate=2/h; rate.scope=host");
    opened_calls(&a, KEEL_OK, 1);
    opened_calls(&b, KEEL_OK, 1);
    ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_REJECTED_RATE_LIMITED);
    ck_assert_int_eq(opened_call(&b, NULL, KEEL_OK, NULL), KEEL_REJECTED_RATE_LIMITED);
    finish_two();
}
END_TEST

START_TEST(a_scope_stays_as_it_was_when_the_pipeline_was_opened)
{
    keel_permit mine, theirs;

    begin_two("none; bulkhead=1; bulkhead.scope=host");
    ck_assert_int_eq(
        keel_pipeline_override(b.pipeline, "bulkhead.scope=process", KEEL_S, NULL),
        KEEL_OK);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &mine, NULL), KEEL_OK);
    ck_assert_int_eq(keel_permit_take(b.pipeline, &theirs, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end(&mine, KEEL_OK);
    finish_two();
}
END_TEST

START_TEST(a_board_that_was_deleted_is_told_of_once_at_a_reload)
{
    char text[256];

    begin(BREAKER);
    ck_assert_int_eq(keel_reload(a.rt, NULL), KEEL_OK);
    ck_assert(!keel_runtime_warning(a.rt, 0, text, sizeof text));
    unlink(file.path);
    ck_assert_int_eq(keel_reload(a.rt, NULL), KEEL_OK);
    ck_assert_int_eq(keel_reload(a.rt, NULL), KEEL_OK);
    ck_assert(keel_runtime_warning(a.rt, 0, text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "was deleted or replaced"));
    ck_assert(!keel_runtime_warning(a.rt, 1, text, sizeof text));
    opened_calls(&a, KEEL_FAILED, 8); /* it goes on with what it has mapped */
    ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    finish();
}
END_TEST

/* ---- forked ---------------------------------------------------------------------- */

static void fail_once(void)
{
    keel_status status = opened_call(&a, NULL, KEEL_FAILED, NULL);

    CHILD(status == KEEL_FAILED || status == KEEL_REJECTED_OPEN);
}

START_TEST(a_prefork_server_of_eight_trips_in_one_time_out)
{
    pid_t workers[8];

    begin(BREAKER);
    for (int i = 0; i < 8; i++)
        workers[i] = child_fork(fail_once);
    for (int i = 0; i < 8; i++)
        child_await(workers[i]);
    ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    finish();
}
END_TEST

static void succeed_often(void)
{
    for (int i = 0; i < 1000; i++)
        CHILD(opened_call(&a, NULL, KEEL_OK, NULL) == KEEL_OK);
}

START_TEST(a_forked_child_counts_beside_its_parent_and_not_in_its_lines)
{
    pid_t children[4];

    begin(BREAKER);
    for (int i = 0; i < 4; i++)
        children[i] = child_fork(succeed_often);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_OK);
    for (int i = 0; i < 4; i++)
        child_await(children[i]);
    ck_assert_uint_eq(opened_look(&a).calls, 5000);
    finish();
}
END_TEST

/* Waits for ever, with whatever it holds; the test kills it. */
static void hold(int ready)
{
    CHILD(write(ready, "", 1) == 1);
    for (;;)
        pause();
}

static pid_t killed_in(void (*fn)(int ready))
{
    int ready[2];
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0)
        fn(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void hold_a_place(int ready)
{
    keel_permit permit;

    CHILD(keel_permit_take(a.pipeline, &permit, NULL) == KEEL_OK);
    hold(ready);
}

START_TEST(a_place_comes_back_from_a_process_that_was_killed)
{
    keel_permit permit;

    begin("none; bulkhead=1; bulkhead.scope=host");
    killed_in(hold_a_place);
    /* the refusal that finds it dead gives it back */
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    finish();
}
END_TEST

static keel_permit inherited;
static keel_call inherited_call;

static void end_what_is_inherited(void)
{
    keel_permit_end(&inherited, KEEL_OK);
    keel_call_report(&inherited_call, KEEL_OK);
    keel_call_end(&inherited_call, NULL);
}

START_TEST(a_childs_copy_of_a_permit_or_call_gives_back_nothing_of_its_parents)
{
    keel_permit permit;

    begin("none; bulkhead=2; bulkhead.scope=host");
    ck_assert_int_eq(keel_permit_take(a.pipeline, &inherited, NULL), KEEL_OK);
    keel_call_begin(&inherited_call, a.pipeline, NULL);
    ck_assert(keel_call_next(&inherited_call));
    child_await(child_fork(end_what_is_inherited));
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end(&inherited, KEEL_OK);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    keel_call_report(&inherited_call, KEEL_OK);
    keel_call_end(&inherited_call, NULL);
    finish();
}
END_TEST

static void call_and_look_at_errno(void)
{
    keel_permit permit;

    errno = 4711;
    CHILD(keel_permit_take(a.pipeline, &permit, NULL) == KEEL_OK);
    CHILD(errno == 4711);
}

START_TEST(errno_stays_when_a_child_joins_and_when_a_refusal_buries)
{
    keel_permit permit;

    begin("none; bulkhead=1; bulkhead.scope=host");
    child_await(child_fork(call_and_look_at_errno));
    killed_in(hold_a_place);
    vclock_advance(&a.clock, 2 * KEEL_S);
    errno = 4711;
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL), KEEL_OK);
    ck_assert_int_eq(errno, 4711);
    keel_permit_end(&permit, KEEL_OK);
    finish();
}
END_TEST

static void no_bury(keel_board *board, uint32_t slot, void *ctx)
{
    (void)board;
    (void)slot;
    (void)ctx;
}

/* The parent's place is taken, and this one has no slot to take another with. */
static void call_without_a_slot(void)
{
    keel_permit permit;
    char text[256];

    CHILD(keel_permit_take(a.pipeline, &permit, NULL) == KEEL_OK);
    CHILD(keel_runtime_warning(a.rt, 0, text, sizeof text));
    CHILD(strstr(text, "no room for this child"));
    keel_permit_end(&permit, KEEL_FAILED);
}

START_TEST(a_child_that_finds_no_slot_has_the_limit_for_itself_and_shares_the_breaker)
{
    keel_board *others[KEEL_BOARD_OWNERS - 1];
    keel_permit permit;

    begin("none; breaker.min_calls=2; bulkhead=1; bulkhead.scope=host");
    for (int i = 0; i < KEEL_BOARD_OWNERS - 1; i++) {
        ck_assert_int_eq(keel_board_map(&others[i], NULL, file.path, false, NULL),
                         KEEL_OK);
        ck_assert(keel_board_join(others[i], no_bury, NULL));
    }
    ck_assert_int_eq(keel_permit_take(a.pipeline, &permit, NULL), KEEL_OK);
    child_await(child_fork(call_without_a_slot));
    keel_permit_end(&permit, KEEL_FAILED);
    ck_assert_int_eq(opened_look(&a).state, KEEL_BREAKER_OPEN);
    for (int i = 0; i < KEEL_BOARD_OWNERS - 1; i++)
        keel_board_close(others[i]);
    finish();
}
END_TEST

static void hold_a_probe(int ready)
{
    keel_permit permit;

    vclock_advance(&a.clock, 5 * KEEL_S);
    CHILD(keel_permit_take(a.pipeline, &permit, NULL) == KEEL_OK);
    hold(ready);
}

START_TEST(a_probe_comes_back_from_a_process_that_was_killed)
{
    begin(BREAKER "; breaker.half_open_permits=1; breaker.half_open_max_wait=1h;"
                  "breaker.lease=1h; breaker.open=5s");
    opened_calls(&a, KEEL_FAILED, 8);
    killed_in(hold_a_probe);
    vclock_advance(&a.clock, 5 * KEEL_S);
    ck_assert_int_eq(opened_look(&a).state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_REJECTED_HALF_OPEN);
    /* it counts as failed, as one whose lease has run out */
    ck_assert_int_eq(opened_call(&a, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(opened_look(&a).state, KEEL_BREAKER_OPEN);
    finish();
}
END_TEST

static void die_at_once(int ready)
{
    opened_call(&a, NULL, KEEL_OK, NULL);
    hold(ready);
}

/* More than there are slots. */
START_TEST(a_storm_of_children_leaves_no_slot_taken)
{
    begin(BREAKER);
    for (int i = 0; i < 300; i++)
        killed_in(die_at_once);
    ck_assert_uint_le(keel_board_owner_count(a.rt->shared), 4);
    finish();
}
END_TEST

/* One who stands still with the directory's lock. The test's limit is what waiting a
 * second for each would meet. */
START_TEST(closing_waits_for_nobody)
{
    keel_options options = { .size = sizeof options };
    keel_runtime *rts[70];
    keel_pipeline *pipeline;
    keel_board_file raw;

    begin(BREAKER);
    options.environment = file.environment;
    for (int i = 0; i < 70; i++) {
        ck_assert_int_eq(keel_open(&rts[i], &options, NULL), KEEL_OK);
        ck_assert_int_eq(
            keel_pipeline_open(&pipeline, rts[i], "payments", BREAKER, NULL), KEEL_OK);
        keel_pipeline_close(pipeline);
    }
    ck_assert_int_eq(keel_board_file_open(&raw, NULL, file.path, false, NULL), KEEL_OK);
    ck_assert(keel_board_file_try_lock(&raw, 0));
    for (int i = 0; i < 70; i++)
        ck_assert_int_eq(keel_close(rts[i], 0), KEEL_OK);
    keel_board_file_close(&raw, NULL);
    finish();
}
END_TEST

SUITE("host", 60, ONE(what_one_process_learns_the_other_knows),
      ROWS(the_successes_of_all_count_against_the_failures_of_one, ways),
      ONE(permits_at_the_gate_count_for_all),
      ONE(windows_of_another_shape_do_not_mix_but_the_state_is_one),
      ONE(a_reload_of_one_leaves_the_others_window_as_it_is),
      ONE(a_window_that_another_process_left_is_quick_again_for_who_comes),
      ONE(what_is_not_shared_is_each_processs_own), ONE(the_hosts_limit_is_one_for_all),
      ONE(who_may_queue_waits_for_a_place_of_another_process),
      ONE(the_hosts_rate_is_one_for_all),
      ONE(a_scope_stays_as_it_was_when_the_pipeline_was_opened),
      ONE(a_board_that_was_deleted_is_told_of_once_at_a_reload),
      ONE(a_prefork_server_of_eight_trips_in_one_time_out),
      ONE(a_forked_child_counts_beside_its_parent_and_not_in_its_lines),
      ONE(a_place_comes_back_from_a_process_that_was_killed),
      ONE(a_childs_copy_of_a_permit_or_call_gives_back_nothing_of_its_parents),
      ONE(errno_stays_when_a_child_joins_and_when_a_refusal_buries),
      ONE(a_child_that_finds_no_slot_has_the_limit_for_itself_and_shares_the_breaker),
      ONE(a_probe_comes_back_from_a_process_that_was_killed),
      ONE(a_storm_of_children_leaves_no_slot_taken), ONE(closing_waits_for_nobody))
