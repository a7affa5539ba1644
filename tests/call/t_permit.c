/* SPDX-License-Identifier: MIT */
/* Permits alone: taken, waited for, ended once, given back. */
#include <pthread.h>
#include <sched.h>

#include "support/opened.h"
#include "support/suite.h"

static opened o;

static keel_permit taken(void)
{
    keel_permit permit;

    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    return permit;
}

static keel_status refused(uint64_t *retry_after_ns)
{
    keel_permit permit;

    return keel_permit_take(o.pipeline, &permit, retry_after_ns);
}

/* Both ways of a permit: by the breaker's gate, and with all there is. */
static const char *const ways[] = { "none; breaker=on; breaker.consecutive=3",
                                    "none; breaker.slow_call=1m; breaker.consecutive=3",
                                    "breaker.consecutive=3; bulkhead=8" };

static const struct {
    keel_status status;
    unsigned calls, failures;
} ends[] = {
    { KEEL_OK, 1, 0 },        { KEEL_CLIENT_ERROR, 1, 0 }, { KEEL_FAILED, 1, 1 },
    { KEEL_THROTTLED, 1, 1 }, { KEEL_TIMEOUT, 1, 1 },      { KEEL_UNKNOWN, 1, 1 },
    { KEEL_IGNORED, 0, 0 },   { KEEL_CANCELLED, 0, 0 },
};

START_TEST(an_end_counts_as_what_it_was)
{
    for (unsigned way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        keel_permit permit;

        opened_init(&o, OPENED_VIRTUAL, NULL, ways[way]);
        permit = taken();
        keel_permit_end(&permit, ends[_i].status);
        ck_assert_uint_eq(opened_look(&o).calls, ends[_i].calls);
        ck_assert_uint_eq(opened_look(&o).failures, ends[_i].failures);
        ck_assert_uint_eq(opened_look(&o).in_flight, 0);
        opened_cleanup(&o);
    }
}
END_TEST

START_TEST(a_second_end_is_counted_and_changes_nothing)
{
    keel_permit well, badly;

    opened_init(&o, OPENED_VIRTUAL, NULL, ways[_i]);
    well = taken();
    badly = taken();
    keel_permit_end(&well, KEEL_OK);
    keel_permit_end(&well, KEEL_FAILED);
    keel_permit_end(&well, KEEL_OK);
    keel_permit_end(&badly, KEEL_FAILED);
    keel_permit_end(&badly, KEEL_FAILED);
    ck_assert_uint_eq(opened_look(&o).permits_ended_twice, 3);
    ck_assert_uint_eq(opened_look(&o).calls, 2);
    ck_assert_uint_eq(opened_look(&o).failures, 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(failures_open_the_breaker_and_a_refusal_says_how_long)
{
    uint64_t retry_after = 0;
    keel_permit permit;

    opened_init(&o, OPENED_VIRTUAL, NULL, ways[_i]);
    for (int i = 0; i < 3; i++) {
        permit = taken();
        keel_permit_end(&permit, KEEL_FAILED);
    }
    ck_assert_int_eq(refused(&retry_after), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(retry_after, opened_look(&o).open_left_ns);
    ck_assert_uint_gt(retry_after, 4 * KEEL_S);
    vclock_advance(&o.clock, retry_after);
    permit = taken();
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_HALF_OPEN);
    keel_permit_end(&permit, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).rejected_total, 1);
    opened_cleanup(&o);
}
END_TEST

static const char *const watchful[] = {
    "none; breaker.slow_call=1s; breaker.min_calls=2",
    "breaker.slow_call=1s; breaker.min_calls=2"
};

START_TEST(a_slow_permit_counts_as_slow_and_one_that_hangs_before_it_ends)
{
    keel_permit fast, slow, hangs;

    opened_init(&o, OPENED_VIRTUAL, NULL, watchful[_i]);
    fast = taken();
    vclock_advance(&o.clock, KEEL_S); /* the limit itself is not slow */
    keel_permit_end(&fast, KEEL_OK);
    slow = taken();
    vclock_advance(&o.clock, KEEL_S + 1);
    keel_permit_end(&slow, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).calls, 2);
    ck_assert_uint_eq(opened_look(&o).slow, 1);
    keel_pipeline_reset(o.pipeline);
    hangs = taken();
    slow = taken();
    vclock_advance(&o.clock, KEEL_S + 1);
    ck_assert_int_eq(refused(NULL), KEEL_REJECTED_OPEN);
    keel_permit_end(&hangs, KEEL_OK);
    keel_permit_end(&slow, KEEL_FAILED);
    ck_assert_uint_eq(opened_look(&o).late_results, 2);
    opened_cleanup(&o);
}
END_TEST

/* Behind gates of their own, and with a plan because more stands beside them. */
static const char *const limiters[] = { "none; rate=1/s",
                                        "none; rate=1/s; bulkhead=8" };

START_TEST(a_token_is_there_once_an_interval_and_comes_back_if_it_was_not_used)
{
    keel_permit permit;
    uint64_t retry_after = 0;

    opened_init(&o, OPENED_VIRTUAL, NULL, limiters[_i]);
    permit = taken();
    ck_assert_int_eq(refused(&retry_after), KEEL_REJECTED_RATE_LIMITED);
    ck_assert_uint_eq(retry_after, KEEL_S);
    keel_permit_end(&permit, KEEL_CANCELLED);
    permit = taken();
    keel_permit_end(&permit, KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    ck_assert_int_eq(refused(NULL), KEEL_REJECTED_RATE_LIMITED);
    ck_assert_uint_eq(opened_look(&o).permits_ended_twice, 1);
    ck_assert_uint_eq(opened_look(&o).ignored_total, 1);
    ck_assert_uint_eq(opened_look(&o).rejected_total, 2);
    vclock_advance(&o.clock, KEEL_S);
    permit = taken();
    keel_permit_end(&permit, KEEL_FAILED);
    opened_cleanup(&o);
}
END_TEST

static const char *const bulkheads[] = { "none; bulkhead=2",
                                         "none; bulkhead=2; rate=9/s",
                                         "none; bulkhead=2; deadline=1s" };

START_TEST(there_are_as_many_places_as_the_limit_whatever_an_end_says)
{
    keel_permit first, second;

    opened_init(&o, OPENED_VIRTUAL, NULL, bulkheads[_i]);
    first = taken();
    second = taken();
    ck_assert_int_eq(refused(NULL), KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_uint_eq(opened_look(&o).in_flight, 2);
    keel_permit_end(&first, KEEL_FAILED);
    keel_permit_end(&first, KEEL_OK);
    keel_permit_end(&second, KEEL_CANCELLED);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).permits_ended_twice, 1);
    ck_assert_uint_eq(opened_look(&o).ignored_total, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_cancelled_permit_gives_back_probe_and_newest_token)
{
    keel_permit first, second;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; rate=2/h; breaker=on; breaker.half_open_permits=1");
    ck_assert_int_eq(keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, KEEL_S),
                     KEEL_OK);
    vclock_advance(&o.clock, KEEL_S);
    for (int i = 0; i < 5; i++) {
        first = taken();
        ck_assert_int_eq(refused(NULL), KEEL_REJECTED_HALF_OPEN);
        keel_permit_end(&first, KEEL_CANCELLED);
    }
    first = taken(); /* the same probe, the same token */
    keel_permit_end(&first, KEEL_OK);
    second = taken();
    keel_permit_end(&second, KEEL_OK);
    ck_assert_int_eq(refused(NULL), KEEL_REJECTED_RATE_LIMITED);
    opened_cleanup(&o);
}
END_TEST

START_TEST(an_outcome_of_a_newer_keel_ends_its_permit_neutrally)
{
    struct {
        keel_outcome outcome;
        uint64_t news;
    } newer = { .outcome = { .size = sizeof newer, .status = KEEL_FAILED }, .news = 1 };
    keel_permit permit;

    opened_init(&o, OPENED_VIRTUAL, NULL, "bulkhead=1");
    permit = taken();
    ck_assert_int_eq(refused(NULL), KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end_outcome(&permit, &newer.outcome);
    permit = taken();
    ck_assert_uint_eq(opened_look(&o).ignored_total, 1);
    keel_permit_end_outcome(&permit, NULL);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).calls, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_throttled_outcome_keeps_others_away_for_as_long_as_it_says)
{
    keel_outcome outcome = { .size = sizeof outcome,
                             .status = KEEL_THROTTLED,
                             .retry_after_ns = 7 * KEEL_S };
    uint64_t retry_after;
    keel_permit permit;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none; rate=1000/s; rate.burst=1");
    permit = taken();
    keel_permit_end_outcome(&permit, &outcome);
    ck_assert_int_eq(refused(&retry_after), KEEL_REJECTED_RATE_LIMITED);
    ck_assert_uint_eq(retry_after, 7 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

/* ---- waiting ----------------------------------------------------------------------- */

START_TEST(a_wait_for_the_limiter_ends_at_its_instant)
{
    keel_permit permit;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none; rate=1/s; rate.wait=1m");
    permit = taken();
    keel_permit_end(&permit, KEEL_OK);
    ck_assert_int_eq(refused(NULL), KEEL_REJECTED_RATE_LIMITED); /* does not wait */
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit, KEEL_NEVER, NULL, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(keel_now(o.rt), VCLOCK_START + KEEL_S);
    keel_permit_end(&permit, KEEL_OK);
    /* two seconds more would be too long for him: refused at once */
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit,
                                      VCLOCK_START + KEEL_S + KEEL_MS, NULL, NULL),
                     KEEL_REJECTED_RATE_LIMITED);
    ck_assert_uint_eq(keel_now(o.rt), VCLOCK_START + KEEL_S);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_wait_for_a_place_ends_at_the_callers_instant)
{
    uint64_t until = VCLOCK_START + 3 * KEEL_S;
    keel_permit held, permit;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; bulkhead=1; bulkhead.queue=1; bulkhead.wait=1m");
    held = taken();
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit, until, NULL, NULL),
                     KEEL_REJECTED_BULKHEAD_TIMEOUT);
    ck_assert_uint_eq(keel_now(o.rt), until);
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit, until, NULL, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL); /* it has passed */
    keel_permit_end(&held, KEEL_OK);
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit, 0, NULL, NULL), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

static void *wait_for_a_place(void *ctx)
{
    keel_permit permit;
    keel_status *status = ctx;

    *status = keel_permit_wait(o.pipeline, &permit, KEEL_NEVER, NULL, NULL);
    if (*status == KEEL_OK)
        keel_permit_end(&permit, KEEL_OK);
    return NULL;
}

START_TEST(who_waits_is_woken_by_the_one_who_leaves)
{
    keel_status status = KEEL_E_STATE;
    keel_permit held;
    pthread_t thread;

    opened_init(&o, _i ? OPENED_REAL : OPENED_BY_HAND, NULL,
                "none; bulkhead=1; bulkhead.queue=1; bulkhead.wait=1h");
    held = taken();
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_a_place, &status), 0);
    while (opened_look(&o).queued == 0)
        sched_yield();
    keel_permit_end(&held, KEEL_OK);
    pthread_join(thread, NULL);
    ck_assert_int_eq(status, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

SUITE("permit", 60, ROWS(an_end_counts_as_what_it_was, ends),
      ROWS(a_second_end_is_counted_and_changes_nothing, ways),
      ROWS(failures_open_the_breaker_and_a_refusal_says_how_long, ways),
      ROWS(a_slow_permit_counts_as_slow_and_one_that_hangs_before_it_ends, watchful),
      ROWS(a_token_is_there_once_an_interval_and_comes_back_if_it_was_not_used,
           limiters),
      ROWS(there_are_as_many_places_as_the_limit_whatever_an_end_says, bulkheads),
      ONE(a_cancelled_permit_gives_back_probe_and_newest_token),
      ONE(an_outcome_of_a_newer_keel_ends_its_permit_neutrally),
      ONE(a_throttled_outcome_keeps_others_away_for_as_long_as_it_says),
      ONE(a_wait_for_the_limiter_ends_at_its_instant),
      ONE(a_wait_for_a_place_ends_at_the_callers_instant),
      ROWS(who_waits_is_woken_by_the_one_who_leaves, ways))
