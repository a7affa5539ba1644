/* SPDX-License-Identifier: MIT */
/*
 * Adaptive limit, throttle and ramp in a pipeline: what they learn from calls, who is
 * refused, and what a reload leaves. How they fare under load: t_overload_load.c.
 */
#include <pthread.h>
#include <stdio.h>

#include "call/runtime.h"
#include "support/opened.h"
#include "support/suite.h"

static opened o;

static keel_status take(keel_permit *permit)
{
    return keel_permit_take(o.pipeline, permit, NULL);
}

/* A call of each way, all of it; every attempt ends so. */
static keel_status call_by_loop(keel_status status)
{
    return opened_call(&o, NULL, status, NULL);
}

static keel_status call_by_loop_with_story(keel_status status)
{
    keel_detail why = KEEL_DETAIL_INIT;

    return opened_call(&o, NULL, status, &why);
}

static keel_status call_by_run(keel_status status)
{
    return keel_run(o.pipeline, status == KEEL_OK ? opened_succeed : opened_fail, NULL,
                    NULL, NULL);
}

static keel_status call_by_permit(keel_status status)
{
    keel_permit permit;
    keel_status taken = take(&permit);

    if (taken == KEEL_OK)
        keel_permit_end(&permit, status);
    return taken == KEEL_OK ? status : taken;
}

static keel_status call_by_permit_that_may_wait(keel_status status)
{
    keel_permit permit;
    keel_status taken =
        keel_permit_wait(o.pipeline, &permit, vclock_now(&o.clock), NULL, NULL);

    if (taken == KEEL_OK)
        keel_permit_end(&permit, status);
    return taken == KEEL_OK ? status : taken;
}

static keel_status (*const ways[])(keel_status status) = {
    call_by_loop, call_by_loop_with_story, call_by_run, call_by_permit,
    call_by_permit_that_may_wait
};

/* ---- adaptive -------------------------------------------------------------------- */

static uint64_t limit(void)
{
    return opened_look(&o).adaptive_limit;
}

START_TEST(every_way_to_call_tells_the_limit)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; adaptive=aimd; adaptive.limit=1..10; adaptive.initial=2");
    ck_assert_uint_eq(limit(), 2);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(ways[_i](KEEL_OK), KEEL_OK);
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_int_eq(ways[_i](KEEL_OK), KEEL_OK);
    ck_assert_uint_eq(limit(), 3);
    opened_cleanup(&o);
}
END_TEST

static const struct {
    keel_status status;
    uint64_t limit; /* of 10, after a second of these */
} lessons[] = {
    { KEEL_OK, 11 },           { KEEL_TIMEOUT, 9 },  { KEEL_DEADLINE, 9 },
    { KEEL_THROTTLED, 9 },     { KEEL_FAILED, 10 },  { KEEL_UNKNOWN, 10 },
    { KEEL_CLIENT_ERROR, 10 }, { KEEL_IGNORED, 10 }, { KEEL_CANCELLED, 10 },
};

START_TEST(answers_and_drops_teach_and_nothing_else_does)
{
    keel_permit held[5], permit;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; adaptive=aimd; adaptive.limit=1..20; adaptive.initial=10");
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(take(&held[i]), KEEL_OK);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(take(&permit), KEEL_OK);
        keel_permit_end(&permit, lessons[_i].status);
    }
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_int_eq(take(&permit), KEEL_OK);
    keel_permit_end(&permit, lessons[_i].status);
    ck_assert_uint_eq(limit(), lessons[_i].limit);
    for (int i = 0; i < 5; i++)
        keel_permit_end(&held[i], KEEL_CANCELLED);
    opened_cleanup(&o);
}
END_TEST

static const struct {
    const char *settings;
    unsigned places;
} limits[] = {
    { "none; adaptive=vegas; adaptive.initial=3; adaptive.limit=3..9", 3 },
    { "none; adaptive=vegas; adaptive.initial=3; adaptive.limit=3..9; bulkhead=2", 2 },
    { "none; adaptive=vegas; adaptive.initial=3; adaptive.limit=3..9; bulkhead=5", 3 },
    { "none; adaptive=vegas; adaptive.initial=1; adaptive.limit=3..9; breaker=on", 3 },
    { "none; adaptive=vegas; adaptive.initial=3; deadline=1s; rate=100/s", 4 },
};

START_TEST(the_smaller_of_bulkhead_and_adaptive_limit_holds)
{
    keel_permit held[10];
    unsigned places = limits[_i].places;

    opened_init(&o, OPENED_VIRTUAL, NULL, limits[_i].settings);
    for (unsigned i = 0; i < places; i++)
        ck_assert_int_eq(take(&held[i]), KEEL_OK);
    ck_assert_int_eq(take(&held[places]), KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_int_eq(opened_play(&o, "o", NULL), KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_BULKHEAD_FULL);
    ck_assert_uint_eq(opened_look(&o).in_flight, places);
    for (unsigned i = 0; i < places; i++)
        keel_permit_end(&held[i], KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

/* One window of eleven answers, while so many more are held. */
static void answer_for_a_second(void)
{
    for (int i = 0; i < 11; i++) {
        if (i == 10)
            vclock_advance(&o.clock, KEEL_S);
        ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_OK);
    }
}

START_TEST(a_limit_that_grows_or_shrinks_holds_at_once)
{
    keel_permit held[4];

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; adaptive=aimd; adaptive.limit=2..9; adaptive.initial=3");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(take(&held[i]), KEEL_OK);
    answer_for_a_second();
    ck_assert_int_eq(take(&held[2]), KEEL_OK);
    ck_assert_int_eq(take(&held[3]), KEEL_OK); /* the fourth place is new */
    ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_REJECTED_BULKHEAD_FULL);
    for (int i = 1; i < 4; i++)
        keel_permit_end(&held[i], KEEL_CANCELLED);
    for (int i = 0; i < 11; i++) {
        if (i == 10)
            vclock_advance(&o.clock, KEEL_S);
        ck_assert_int_eq(call_by_permit(KEEL_TIMEOUT), KEEL_TIMEOUT);
    }
    ck_assert_uint_eq(limit(), 3);
    keel_permit_end(&held[0], KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

/* What was lost is no load: were it counted, a limit of 2 would let nobody through. */
START_TEST(permits_that_are_lost_do_not_use_the_limit_up)
{
    keel_permit lost[2], permit;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; deadline=1s; adaptive=aimd; adaptive.limit=1..2; "
                "adaptive.initial=2");
    ck_assert_int_eq(take(&lost[0]), KEEL_OK);
    ck_assert_int_eq(take(&lost[1]), KEEL_OK);
    vclock_advance(&o.clock, 10 * KEEL_S);
    ck_assert_int_eq(take(&permit), KEEL_REJECTED_BULKHEAD_FULL);
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_int_eq(take(&permit), KEEL_REJECTED_BULKHEAD_FULL); /* and is noticed */
    ck_assert_uint_eq(opened_look(&o).permits_leaked, 2);
    ck_assert_int_eq(take(&permit), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    answer_for_a_second();
    ck_assert_int_eq(take(&permit), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    keel_permit_end(&lost[0], KEEL_CANCELLED); /* it comes back after all */
    keel_permit_end(&lost[1], KEEL_CANCELLED);
    answer_for_a_second();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(take(&lost[i]), KEEL_OK);
    ck_assert_int_eq(take(&permit), KEEL_REJECTED_BULKHEAD_FULL);
    for (int i = 0; i < 2; i++)
        keel_permit_end(&lost[i], KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

static void settings_for_a_while(const char *settings)
{
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, settings, KEEL_S, NULL),
                     KEEL_OK);
}

START_TEST(other_settings_hold_for_calls_under_way_too)
{
    keel_permit held[4], permit;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; adaptive=aimd; adaptive.limit=2..9; adaptive.initial=4");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(take(&held[i]), KEEL_OK);
    settings_for_a_while("adaptive.limit=2..3");
    ck_assert_uint_eq(limit(), 3);
    ck_assert_int_eq(take(&permit), KEEL_REJECTED_BULKHEAD_FULL);
    settings_for_a_while("adaptive=off");
    ck_assert_uint_eq(limit(), 0);
    ck_assert_int_eq(take(&permit), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    settings_for_a_while("adaptive.limit=2..3");
    ck_assert_int_eq(take(&permit), KEEL_REJECTED_BULKHEAD_FULL);
    for (int i = 0; i < 3; i++)
        keel_permit_end(&held[i], KEEL_OK);
    ck_assert_int_eq(take(&permit), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

static void answer_slowly(int count, uint64_t each_ns)
{
    keel_permit permit;

    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(take(&permit), KEEL_OK);
        vclock_advance(&o.clock, each_ns);
        keel_permit_end(&permit, KEEL_OK);
    }
}

/* Were vegas' least time taken for a mean, ten times as long would be an overload. */
/* Settings that come while an attempt ends a window: vegas draws in the midst of that. */
static double override_once(void *ctx)
{
    bool *is_done = ctx;

    if (!*is_done) {
        *is_done = true;
        ck_assert_int_eq(keel_pipeline_override(o.pipeline, "adaptive=off; bulkhead=30",
                                                3600 * KEEL_S, NULL),
                         KEEL_OK);
    }
    return 0.5;
}

START_TEST(a_limit_turned_off_while_a_window_ends_stays_off)
{
    keel_permit held[30];
    bool is_done = false;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; adaptive=vegas; adaptive.limit=1..10; adaptive.initial=10");
    o.rt->random = (keel_random){ override_once, &is_done };
    opened_calls(&o, KEEL_OK, 10);
    vclock_advance(&o.clock, KEEL_S);
    opened_calls(&o, KEEL_OK, 1);
    ck_assert(is_done);
    ck_assert_uint_eq(limit(), 0);
    for (int i = 0; i < 30; i++)
        ck_assert_int_eq(take(&held[i]), KEEL_OK);
    for (int i = 0; i < 30; i++)
        keel_permit_end(&held[i], KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(another_rule_knows_no_times_of_the_one_before)
{
    keel_permit held[6];
    uint64_t before;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; adaptive=vegas; adaptive.limit=2..12; adaptive.initial=8");
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(take(&held[i]), KEEL_OK);
    answer_slowly(110, 20 * KEEL_MS);
    before = limit();
    ck_assert_uint_eq(before, 12);
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "adaptive=gradient2", 3600 * KEEL_S, NULL),
        KEEL_OK);
    answer_slowly(50, 200 * KEEL_MS);
    ck_assert_uint_eq(limit(), before);
    for (int i = 0; i < 6; i++)
        keel_permit_end(&held[i], KEEL_CANCELLED);
    opened_cleanup(&o);
}
END_TEST

/* ---- throttle -------------------------------------------------------------------- */

#define THROTTLE                                                                       \
    "none; throttle=on; throttle.min_calls=4; retry.attempts=3; "                      \
    "retry.backoff=0; retry.budget=off"

static double chance(void)
{
    return opened_look(&o).throttle_chance;
}

START_TEST(every_way_to_call_is_counted_and_refused_once)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, THROTTLE);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ways[_i](KEEL_OK), KEEL_OK);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(ways[_i](KEEL_FAILED), KEEL_FAILED);
    ck_assert_double_eq_tol(chance(), 2 / 7.0, 1e-9);
    ck_assert_int_eq(ways[_i](KEEL_OK), KEEL_OK); /* the draw is 0.5 */
    o.draw = 0.05;
    ck_assert_int_eq(ways[_i](KEEL_OK), KEEL_REJECTED_THROTTLED);
    ck_assert_double_eq_tol(chance(), 2 / 9.0, 1e-9);
    opened_cleanup(&o);
}
END_TEST

START_TEST(attempts_of_one_call_are_one_request)
{
    const keel_call_options again = { .size = sizeof again, .idempotent = true };

    opened_init(&o, OPENED_VIRTUAL, NULL, THROTTLE);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(opened_play(&o, "fff", &again), KEEL_FAILED);
    ck_assert_double_eq_tol(chance(), 4 / 5.0, 1e-9);
    o.draw = 0.85;
    ck_assert_int_eq(opened_play(&o, "ffo", &again), KEEL_OK); /* in the end */
    ck_assert_double_eq_tol(chance(), 3 / 6.0, 1e-9);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_call_under_way_is_not_asked_again)
{
    const keel_call_options again = { .size = sizeof again, .idempotent = true };
    keel_call call;

    opened_init(&o, OPENED_VIRTUAL, NULL, THROTTLE);
    o.draw = 0.1;
    keel_call_begin(&call, o.pipeline, &again);
    ck_assert(keel_call_next(&call));
    keel_call_report(&call, KEEL_FAILED);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(opened_play(&o, "f", NULL), KEEL_FAILED);
    ck_assert_double_eq_tol(chance(), 4 / 5.0, 1e-9);
    ck_assert(keel_call_next(&call));
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_refusal_is_not_tried_again_and_says_why)
{
    const keel_call_options again = { .size = sizeof again, .idempotent = true };

    opened_init(&o, OPENED_VIRTUAL, NULL, THROTTLE "; retry.on_local=on");
    for (int i = 0; i < 4; i++)
        opened_play(&o, "c", NULL); /* answered: accepted, though in vain */
    ck_assert_double_eq(chance(), 0);
    for (int i = 0; i < 8; i++)
        opened_play(&o, "f", NULL);
    ck_assert_int_eq(opened_play(&o, "o", &again), KEEL_OK);
    o.draw = 0;
    ck_assert_int_eq(opened_play(&o, "o", &again), KEEL_REJECTED_THROTTLED);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_THROTTLED);
    ck_assert_uint_eq(o.why.attempts, 0);
    ck_assert_uint_eq(opened_look(&o).rejected_total, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(keels_own_refusals_are_requests_and_neutral_ends_are_not)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, THROTTLE "; breaker=on");
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(opened_play(&o, "o", NULL), KEEL_REJECTED_FORCED_OPEN);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_double_eq_tol(chance(), 4 / 5.0, 1e-9);
    keel_pipeline_unlock(o.pipeline);
    o.draw = 0.95;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(opened_play(&o, "i", NULL), KEEL_IGNORED);
    call_by_permit(KEEL_CANCELLED);
    ck_assert_double_eq_tol(chance(), 4 / 5.0, 1e-9);
    opened_cleanup(&o);
}
END_TEST

START_TEST(what_was_counted_survives_other_settings)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, THROTTLE);
    for (int i = 0; i < 4; i++)
        opened_play(&o, "f", NULL);
    settings_for_a_while("throttle.k=3; timeout=1s");
    ck_assert_double_eq_tol(chance(), 4 / 5.0, 1e-9);
    settings_for_a_while("throttle=off");
    ck_assert_int_eq(opened_play(&o, "o", NULL), KEEL_OK);
    settings_for_a_while(NULL);
    ck_assert_double_eq_tol(chance(), 4 / 5.0, 1e-9);
    vclock_advance(&o.clock, 60 * KEEL_S);
    ck_assert_double_eq(chance(), 0);
    opened_cleanup(&o);
}
END_TEST

/* ---- ramp ------------------------------------------------------------------------ */

static const char *const ramps[] = {
    "none; breaker.consecutive=1; breaker.half_open_permits=1; breaker.ramp_up=10s",
    "none; breaker.consecutive=1; breaker.half_open_permits=1; breaker.ramp_up=10s; "
    "breaker.slow_call=1s",
    "none; breaker.consecutive=1; breaker.half_open_permits=1; breaker.ramp_up=10s; "
    "bulkhead=4; retry.attempts=3; retry.on_local=on; deadline=10s",
};

START_TEST(calls_and_permits_ramp_alike_and_are_not_tried_again)
{
    const keel_call_options again = { .size = sizeof again, .idempotent = true };

    opened_init(&o, OPENED_VIRTUAL, NULL, ramps[_i]);
    ck_assert_int_eq(call_by_permit(KEEL_FAILED), KEEL_FAILED);
    vclock_advance(&o.clock, 6 * KEEL_S);
    ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_OK); /* the probe */
    o.draw = 0.1;
    ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_REJECTED_RAMPING);
    ck_assert_int_eq(call_by_run(KEEL_OK), KEEL_REJECTED_RAMPING);
    ck_assert_int_eq(opened_play(&o, "o", &again), KEEL_REJECTED_RAMPING);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_RAMPING);
    ck_assert_uint_eq(o.why.retry_after_ns, 0);
    ck_assert_uint_eq(opened_look(&o).calls, 0);
    o.draw = 0.09;
    ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_OK);
    ck_assert_int_eq(opened_play(&o, "o", NULL), KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).calls, 2);
    vclock_advance(&o.clock, 10 * KEEL_S);
    o.draw = 0.999;
    ck_assert_int_eq(call_by_permit(KEEL_OK), KEEL_OK);
    ck_assert_int_eq(call_by_run(KEEL_OK), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

/* ---- threads --------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 4000 };

static pthread_barrier_t start;
static _Atomic bool is_out_of_bounds;

static void *work(void *ctx)
{
    uint32_t seed = *(uint32_t *)ctx;

    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525 + 1013904223;
        ways[(seed >> 16) % 5]((seed >> 20) % 3 ? KEEL_OK : KEEL_FAILED);
        vclock_advance(&o.clock, KEEL_MS);
        if (i % 500 == 0)
            keel_reload(o.rt, NULL);
        if (limit() < 2 || limit() > 6)
            atomic_store(&is_out_of_bounds, true);
    }
    return NULL;
}

static const char *const all_of_them[] = {
    "adaptive=aimd", "adaptive=vegas", "adaptive=gradient2",
    "adaptive=gradient2; bulkhead=off",
    "adaptive=aimd; bulkhead=5; bulkhead.queue=4; bulkhead.wait=5ms"
};

START_TEST(threads_together_leave_nothing_behind)
{
    pthread_t threads[THREADS];
    uint32_t seeds[THREADS] = { 1, 2, 3, 4 };
    char settings[256];

    snprintf(
        settings, sizeof settings,
        "throttle=on; breaker.ramp_up=100ms; breaker.open=20ms; breaker.min_calls=5; "
        "adaptive.limit=2..6; retry.attempts=2; retry.backoff=1ms; %s",
        all_of_them[_i]);
    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, &seeds[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!is_out_of_bounds);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).queued, 0);
    pthread_barrier_destroy(&start);
    opened_cleanup(&o);
}
END_TEST

SUITE("overload", 30, ROWS(every_way_to_call_tells_the_limit, ways),
      ROWS(answers_and_drops_teach_and_nothing_else_does, lessons),
      ROWS(the_smaller_of_bulkhead_and_adaptive_limit_holds, limits),
      ONE(a_limit_that_grows_or_shrinks_holds_at_once),
      ONE(permits_that_are_lost_do_not_use_the_limit_up),
      ONE(other_settings_hold_for_calls_under_way_too),
      ONE(a_limit_turned_off_while_a_window_ends_stays_off),
      ONE(another_rule_knows_no_times_of_the_one_before),
      ROWS(every_way_to_call_is_counted_and_refused_once, ways),
      ONE(attempts_of_one_call_are_one_request),
      ONE(a_call_under_way_is_not_asked_again),
      ONE(a_refusal_is_not_tried_again_and_says_why),
      ONE(keels_own_refusals_are_requests_and_neutral_ends_are_not),
      ONE(what_was_counted_survives_other_settings),
      ROWS(calls_and_permits_ramp_alike_and_are_not_tried_again, ramps),
      ROWS(threads_together_leave_nothing_behind, all_of_them))
