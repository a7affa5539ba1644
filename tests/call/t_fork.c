/* SPDX-License-Identifier: MIT */
/*
 * What a forked child finds: the same runtime, pipelines and settings, and none of its
 * parent's state, calls, threads, descriptors and random numbers. Neither side sees what
 * an operator does on the other.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "base/thread.h"
#include "support/child.h"
#include "support/latch.h"
#include "support/opened.h"
#include "support/sanitizers.h"
#include "support/suite.h"

static opened o;
static char path[64], variable[96];

/* On either side. */
static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");

    CHILD(file);
    CHILD(fputs(text, file) >= 0 && fclose(file) == 0);
}

static const char *const *file_of_settings(const char *text)
{
    static const char *const environment[] = { variable, NULL };

    snprintf(path, sizeof path, "t_fork.%d.conf", (int)getpid());
    snprintf(variable, sizeof variable, "KEEL_CONFIG_FILE=%s", path);
    write_file(text);
    return environment;
}

static keel_pipeline_stats look(void)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    keel_pipeline_look(o.pipeline, &stats);
    return stats;
}

/* What a call of now is given; it counts for nothing. */
static uint64_t timeout_ms(void)
{
    keel_call call;
    uint64_t timeout;

    keel_call_begin(&call, o.pipeline, NULL);
    timeout = keel_call_next(&call) ? keel_call_timeout_ns(&call) : 0;
    keel_call_end(&call, NULL);
    return timeout / KEEL_MS;
}

static void child_closes(void)
{
    keel_pipeline_close(o.pipeline);
    CHILD(keel_close(o.rt, 0) == KEEL_OK);
}

/* ---- state ----------------------------------------------------------------------- */

static void find_all_fresh(void)
{
    keel_pipeline_stats stats = look();

    CHILD(stats.state == KEEL_BREAKER_CLOSED && stats.generation == 0);
    CHILD(stats.calls == 0 && stats.failures == 0);
    CHILD(stats.in_flight == 0 && stats.rejected_total == 0);
    CHILD(stats.lock == KEEL_LOCK_NONE);
    CHILD(opened_call(&o, NULL, KEEL_OK, NULL) == KEEL_OK);
    CHILD(look().calls == 1);
    CHILD(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0) == KEEL_OK);
    child_closes();
}

START_TEST(a_child_begins_afresh_and_its_parent_sees_nothing_of_it)
{
    keel_pipeline_stats before, after;

    opened_init(&o, OPENED_VIRTUAL, NULL, "breaker.consecutive=2; retry.attempts=1");
    opened_calls(&o, KEEL_FAILED, 2);
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_OPEN);
    before = look();
    ck_assert_int_eq(before.state, KEEL_BREAKER_OPEN);
    child_await(child_fork(find_all_fresh));
    after = look();
    ck_assert_mem_eq(&before, &after, sizeof before);
    opened_cleanup(&o);
}
END_TEST

/* ---- an operator, before --------------------------------------------------------- */

static void find_the_override(void)
{
    CHILD(timeout_ms() == 100);
    vclock_advance(&o.clock, 10 * KEEL_S);
    CHILD(timeout_ms() == 300); /* it ends in the child too */
    child_closes();
}

static void lift_the_override(void)
{
    CHILD(keel_pipeline_override(o.pipeline, NULL, 0, NULL) == KEEL_OK);
    CHILD(timeout_ms() == 300);
    child_closes();
}

START_TEST(an_override_holds_in_the_child_until_it_ends_or_is_lifted_there)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, "timeout=300ms");
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "timeout=100ms", 10 * KEEL_S, NULL),
        KEEL_OK);
    child_await(child_fork(find_the_override));
    child_await(child_fork(lift_the_override));
    ck_assert_uint_eq(timeout_ms(), 100);
    opened_cleanup(&o);
}
END_TEST

static void find_no_lock(void)
{
    CHILD(look().lock == KEEL_LOCK_NONE);
    CHILD(opened_call(&o, NULL, KEEL_OK, NULL) == KEEL_OK);
    CHILD(keel_pipeline_lock(o.pipeline, KEEL_LOCK_DISABLED, 0) == KEEL_OK);
    CHILD(look().lock == KEEL_LOCK_DISABLED);
    CHILD(keel_pipeline_unlock(o.pipeline) == KEEL_OK);
    child_closes();
}

START_TEST(a_lock_is_state_and_stays_behind)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    child_await(child_fork(find_no_lock));
    ck_assert_int_eq(look().lock, KEEL_LOCK_OPEN);
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_FORCED_OPEN);
    opened_cleanup(&o);
}
END_TEST

/* ---- an operator, in the child --------------------------------------------------- */

static void override_lock_and_reload(void)
{
    CHILD(keel_pipeline_override(o.pipeline, "timeout=50ms", KEEL_S, NULL) == KEEL_OK);
    CHILD(timeout_ms() == 50);
    CHILD(keel_pipeline_override(o.pipeline, NULL, 0, NULL) == KEEL_OK);
    write_file("payments = timeout=200ms; bulkhead=1");
    CHILD(keel_reload(o.rt, NULL) == KEEL_OK);
    CHILD(timeout_ms() == 200);
    CHILD(keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, 0) == KEEL_OK);
    CHILD(opened_call(&o, NULL, KEEL_OK, NULL) == KEEL_REJECTED_OPEN);
    CHILD(keel_pipeline_reset(o.pipeline) == KEEL_OK);
    CHILD(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0) == KEEL_OK);
    CHILD(opened_call(&o, NULL, KEEL_OK, NULL) == KEEL_REJECTED_FORCED_OPEN);
    child_await(child_fork(find_all_fresh)); /* a child has children */
    child_closes();
}

START_TEST(what_is_done_in_the_child_is_the_childs_alone)
{
    keel_pipeline_stats before, after;

    opened_init(&o, OPENED_VIRTUAL, file_of_settings("payments = timeout=300ms"), NULL);
    opened_calls(&o, KEEL_FAILED, 2);
    before = look();
    child_await(child_fork(override_lock_and_reload));
    after = look();
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_uint_eq(timeout_ms(), 300);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_uint_eq(timeout_ms(), 200); /* the file is one for both */
    unlink(path);
    opened_cleanup(&o);
}
END_TEST

/* ---- an operator, in another thread of the parent -------------------------------- */

/* An allocator that stops its caller once, at a chosen allocation. */
static struct {
    long stop_at, calls;
    latch stopped, go_on;
} gate;

static void *allocate(size_t size, void *ctx)
{
    (void)ctx;
    if (++gate.calls == gate.stop_at) {
        latch_hit(&gate.stopped);
        latch_await(&gate.go_on, 1);
    }
    return malloc(size);
}

static void release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

static void *override_in_thread(void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=50ms", KEEL_S, NULL),
                     KEEL_OK);
    latch_hit(&gate.stopped); /* it may not have been stopped at all */
    return NULL;
}

static void *reload_in_thread(void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    latch_hit(&gate.stopped);
    return NULL;
}

static void *open_in_thread(void *ctx)
{
    keel_pipeline *pipeline;

    (void)ctx;
    ck_assert_int_eq(keel_pipeline_open(&pipeline, o.rt, "search", "bulkhead=3", NULL),
                     KEEL_OK);
    keel_pipeline_close(pipeline);
    latch_hit(&gate.stopped);
    return NULL;
}

static void *(*const operators[])(void *ctx) = { override_in_thread, reload_in_thread,
                                                 open_in_thread };

/* All that a thread which is not here may have left half done. */
static void operate_as_if_nothing_was(void)
{
    keel_pipeline *search;

    CHILD(opened_call(&o, NULL, KEEL_OK, NULL) == KEEL_OK);
    CHILD(keel_pipeline_override(o.pipeline, "timeout=70ms", KEEL_S, NULL) == KEEL_OK);
    CHILD(timeout_ms() == 70);
    CHILD(keel_reload(o.rt, NULL) == KEEL_OK);
    CHILD(timeout_ms() == 70);
    CHILD(keel_pipeline_override(o.pipeline, NULL, 0, NULL) == KEEL_OK);
    CHILD(timeout_ms() == 200); /* of the file */
    CHILD(keel_pipeline_open(&search, o.rt, "search", "bulkhead=3", NULL) == KEEL_OK);
    keel_pipeline_close(search);
    child_closes();
}

static void open_at_the_gate(const char *const *environment)
{
    static const keel_allocator allocator = { allocate, release, NULL };
    keel_options options = { .size = sizeof options,
                             .allocator = &allocator,
                             .clock = &o.clock.clock,
                             .environment = environment };

    gate.stop_at = 0;
    vclock_init(&o.clock);
    ck_assert_int_eq(keel_open(&o.rt, &options, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&o.pipeline, o.rt, "payments", NULL, NULL),
                     KEEL_OK);
}

static void close_at_the_gate(void)
{
    keel_pipeline_close(o.pipeline);
    ck_assert_int_eq(keel_close(o.rt, 0), KEEL_OK);
    vclock_cleanup(&o.clock);
}

/* False: there is no such allocation. */
static bool fork_at_allocation(long number, void *(*operate)(void *))
{
    pthread_t thread;
    bool was_stopped;

    open_at_the_gate(file_of_settings("payments = timeout=300ms"));
    write_file("payments = timeout=200ms");
    gate.calls = 0;
    gate.stop_at = number;
    gate.stopped = (latch)LATCH_INIT;
    gate.go_on = (latch)LATCH_INIT;
    ck_assert_int_eq(pthread_create(&thread, NULL, operate, NULL), 0);
    latch_await(&gate.stopped, 1);
    was_stopped = gate.calls == number;
    if (was_stopped)
        child_await(child_fork(operate_as_if_nothing_was));
    latch_hit(&gate.go_on);
    pthread_join(thread, NULL);
    close_at_the_gate();
    unlink(path);
    return was_stopped;
}

START_TEST(a_change_that_another_thread_is_at_holds_up_nothing_in_the_child)
{
    long number = 1;

    while (fork_at_allocation(number, operators[_i]))
        number++;
    ck_assert_int_gt(number, 2);
}
END_TEST

/* ---- random numbers -------------------------------------------------------------- */

static int numbers[2];

static void send_a_number(void)
{
    const keel_random own = { NULL, NULL };
    double number = keel_random_draw(&own);

    CHILD(write(numbers[1], &number, sizeof number) == (ssize_t)sizeof number);
}

START_TEST(no_two_processes_draw_the_same_numbers)
{
    enum { CHILDREN = 8 };
    const keel_random own = { NULL, NULL };
    double drawn[CHILDREN + 1];

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    keel_random_draw(&own);
    ck_assert_int_eq(pipe(numbers), 0);
    for (int i = 0; i < CHILDREN; i++) {
        child_await(child_fork(send_a_number));
        ck_assert_int_eq(read(numbers[0], &drawn[i], sizeof drawn[i]), sizeof drawn[i]);
    }
    drawn[CHILDREN] = keel_random_draw(&own);
    for (int i = 0; i <= CHILDREN; i++)
        for (int k = 0; k < i; k++)
            ck_assert(drawn[i] < drawn[k] || drawn[i] > drawn[k]);
    close(numbers[0]);
    close(numbers[1]);
    opened_cleanup(&o);
}
END_TEST

/* ---- what was begun before fork -------------------------------------------------- */

static keel_call begun;
static keel_permit taken;

static void untouched(void)
{
    keel_pipeline_stats stats = look();

    CHILD(stats.in_flight == 0 && stats.calls == 0 && stats.failures == 0);
    CHILD(stats.late_results == 0 && stats.permits_ended_twice == 0);
    for (int i = 0; i < 3; i++)
        CHILD(opened_call(&o, NULL, KEEL_OK, NULL) ==
              KEEL_OK); /* nothing was given back too often */
    CHILD(look().in_flight == 0);
}

static void end_the_call(void)
{
    keel_detail why = KEEL_DETAIL_INIT;

    keel_call_report(&begun, KEEL_FAILED);
    CHILD(!keel_call_next(&begun));
    CHILD(keel_call_end(&begun, &why) == KEEL_IGNORED);
    CHILD(why.code == KEEL_IGNORED && why.attempts == 0);
    CHILD(keel_call_end(&begun, NULL) == KEEL_E_STATE);
    untouched();
    child_closes();
}

START_TEST(a_call_begun_before_fork_is_over_in_the_child_and_goes_on_in_the_parent)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, "bulkhead=2");
    keel_call_begin(&begun, o.pipeline, NULL);
    ck_assert(keel_call_next(&begun));
    child_await(child_fork(end_the_call));
    ck_assert_uint_eq(look().in_flight, 1);
    keel_call_report(&begun, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&begun, NULL), KEEL_OK);
    ck_assert_uint_eq(look().calls, 1);
    opened_cleanup(&o);
}
END_TEST

static const struct {
    const char *settings;
    keel_status status;
    unsigned calls, failures; /* that the parent's breaker counts */
} permits[] = {
    /* by the gates */
    { "none; breaker=on", KEEL_OK, 1, 0 },
    { "none; breaker=on", KEEL_FAILED, 1, 1 },
    { "none; breaker.slow_call=1s", KEEL_OK, 1, 0 },
    { "none; breaker.slow_call=1s", KEEL_FAILED, 1, 1 },
    { "none; bulkhead=2", KEEL_OK, 0, 0 },
    { "none; bulkhead=2", KEEL_FAILED, 0, 0 },
    { "none; rate=9/s", KEEL_CANCELLED, 0, 0 },
    /* with a plan */
    { "bulkhead=2", KEEL_OK, 1, 0 },
    { "bulkhead=2", KEEL_FAILED, 1, 1 },
};
static unsigned row;

static void end_the_permit(void)
{
    keel_permit_end(&taken, permits[row].status);
    untouched();
    child_closes();
}

START_TEST(a_permit_taken_before_fork_is_void_in_the_child_and_holds_in_the_parent)
{
    row = (unsigned)_i;
    opened_init(&o, OPENED_VIRTUAL, NULL, permits[_i].settings);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &taken, NULL), KEEL_OK);
    child_await(child_fork(end_the_permit));
    keel_permit_end(&taken, permits[_i].status);
    ck_assert_uint_eq(look().calls, permits[_i].calls);
    ck_assert_uint_eq(look().failures, permits[_i].failures);
    ck_assert_uint_eq(look().in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

static pid_t forked;

static keel_status fork_and_return(const keel_attempt *attempt, keel_outcome *outcome,
                                   void *ctx)
{
    const keel_status *status = ctx;

    (void)attempt;
    (void)outcome;
    forked = fork();
    return *status;
}

static struct {
    const char *settings;
    keel_status status;
    unsigned calls; /* that the parent counted, one before */
} runs[] = {
    { "none; bulkhead=2", KEEL_OK, 0 },
    { "bulkhead=2; retry.attempts=1", KEEL_OK, 2 },
    { "bulkhead=2; retry.attempts=1", KEEL_FAILED, 2 },
};

START_TEST(a_callback_that_forks_ends_its_run_in_the_parent_alone)
{
    keel_status status;

    opened_init(&o, OPENED_VIRTUAL, NULL, runs[_i].settings);
    opened_calls(&o, KEEL_OK, 1); /* the next success takes the quick way */
    status = keel_run(o.pipeline, fork_and_return, &runs[_i].status, NULL, NULL);
    if (forked == 0) {
        CHILD(status == KEEL_IGNORED);
        untouched();
        child_closes();
        _exit(0);
    }
    ck_assert_int_eq(status, runs[_i].status);
    child_await(forked);
    ck_assert_uint_eq(look().calls, runs[_i].calls);
    ck_assert_uint_eq(look().in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

/* ---- fallbacks under way ---------------------------------------------------------- */

static keel_status stand_in(const keel_detail *detail, void *ctx)
{
    bool *ran = ctx;

    (void)detail;
    *ran = true;
    return KEEL_OK;
}

static void fall_back(void)
{
    bool ran = false;
    keel_call_options options = { .size = sizeof options,
                                  .fallback = stand_in,
                                  .fallback_ctx = &ran };

    CHILD(opened_call(&o, &options, KEEL_FAILED, NULL) == KEEL_OK);
    CHILD(ran);
}

enum { FALLBACKS_AT_ONCE = 10 };

/* One inside the other, until there are as many as may be. */
static keel_status nest(const keel_detail *detail, void *ctx)
{
    unsigned *deep = ctx;
    keel_call_options options = { .size = sizeof options,
                                  .fallback = nest,
                                  .fallback_ctx = deep };

    (void)detail;
    if (++*deep == FALLBACKS_AT_ONCE)
        child_await(child_fork(fall_back));
    return opened_call(&o, &options, KEEL_FAILED, NULL);
}

START_TEST(fallbacks_under_way_in_the_parent_do_not_count_in_the_child)
{
    unsigned deep = 0;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none");
    ck_assert_int_eq(nest(NULL, &deep), KEEL_FAILED);
    ck_assert_uint_eq(deep, FALLBACKS_AT_ONCE + 1); /* the first was called by us */
    opened_cleanup(&o);
}
END_TEST

/* ---- workers ---------------------------------------------------------------------- */

static latch entered = LATCH_INIT, let_go = LATCH_INIT;

static keel_status stay(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    (void)attempt;
    (void)outcome;
    (void)ctx;
    latch_hit(&entered);
    latch_await(&let_go, 1);
    return KEEL_OK;
}

static keel_status detach(keel_run_fn *fn)
{
    keel_run_options options = { .size = sizeof options, .detach = true };

    return keel_run(o.pipeline, fn, NULL, &options, NULL);
}

static void use_own_workers(void)
{
    CHILD(look().in_flight == 0);
    for (int i = 0; i < 3 && CHILDREN_HAVE_THREADS; i++)
        CHILD(detach(opened_succeed) == KEEL_OK);
    child_closes(); /* not busy with what the parent's workers do */
}

START_TEST(a_child_has_workers_of_its_own)
{
    opened_init(&o, OPENED_REAL, NULL, "timeout=10s; bulkhead=2");
    ck_assert_int_eq(detach(opened_succeed), KEEL_OK); /* one is idle, or nearly */
    child_await(child_fork(use_own_workers));
    ck_assert_int_eq(detach(opened_succeed), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_callback_under_way_in_the_parent_is_none_of_the_childs_business)
{
    opened_init(&o, OPENED_REAL, NULL, "timeout=1s; retry.attempts=1");
    ck_assert_int_eq(detach(stay), KEEL_TIMEOUT);
    latch_await(&entered, 1);
    child_await(child_fork(use_own_workers));
    ck_assert_uint_eq(look().in_flight, 1);
    latch_hit(&let_go);
    opened_cleanup(&o);
}
END_TEST

/* ---- a storm ---------------------------------------------------------------------- */

/* Descriptors of this process; -1: they cannot be counted. */
static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = -1;

    if (!directory)
        return -1;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void work_in_the_storm(void)
{
    int before = open_descriptors();

    CHILD(before > 0);
    CHILD(keel_thread_wake_fd() >= 0); /* its own, beside the parent's */
    CHILD(opened_call(&o, NULL, KEEL_FAILED, NULL) == KEEL_FAILED);
    CHILD(detach(opened_succeed) == KEEL_OK);
    CHILD(open_descriptors() == before + 1);
    child_closes();
    CHILD(open_descriptors() == before + 1);
}

START_TEST(sixty_four_children_at_once_leak_no_descriptor)
{
    enum { CHILDREN = 64 };
    pid_t pids[CHILDREN];
    int before;

    opened_init(&o, OPENED_REAL, NULL, "timeout=60s; deadline=60s; retry.attempts=1");
    ck_assert_int_ge(keel_thread_wake_fd(), 0);
    before = open_descriptors();
    for (int i = 0; i < CHILDREN; i++)
        pids[i] = child_fork(work_in_the_storm);
    for (int i = 0; i < CHILDREN; i++)
        child_await(pids[i]);
    ck_assert_int_eq(open_descriptors(), before);
    ck_assert_uint_eq(look().calls, 0);
    opened_cleanup(&o);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

SUITE("fork", 120, ONE(a_child_begins_afresh_and_its_parent_sees_nothing_of_it),
      ONE(an_override_holds_in_the_child_until_it_ends_or_is_lifted_there),
      ONE(a_lock_is_state_and_stays_behind),
      ONE(what_is_done_in_the_child_is_the_childs_alone),
      ROWS(a_change_that_another_thread_is_at_holds_up_nothing_in_the_child, operators),
      ONE(no_two_processes_draw_the_same_numbers),
      ONE(a_call_begun_before_fork_is_over_in_the_child_and_goes_on_in_the_parent),
      ROWS(a_permit_taken_before_fork_is_void_in_the_child_and_holds_in_the_parent,
           permits),
      ROWS(a_callback_that_forks_ends_its_run_in_the_parent_alone, runs),
      ONE(fallbacks_under_way_in_the_parent_do_not_count_in_the_child),
      ONE(a_child_has_workers_of_its_own),
      ONE(a_callback_under_way_in_the_parent_is_none_of_the_childs_business),
      ONE(sixty_four_children_at_once_leak_no_descriptor))
