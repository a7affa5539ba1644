/* SPDX-License-Identifier: MIT */
/*
 * breaker.per_call: what a whole call counts as with the breaker. What that does where
 * there are endpoints is told by tests/tools/scenarios/endpoints.stories.
 */
#include "support/opened.h"
#include "support/suite.h"

#define PER_CALL                                                                       \
    "none; deadline=1h; timeout=1s; retry.attempts=3; retry.backoff=10ms; "            \
    "retry.jitter=none; retry.budget=off; breaker.per_call=on; "                       \
    "breaker.min_calls=100; "

static opened o;
static keel_call call;
static keel_cancel token;

static const keel_call_options options = { .size = sizeof options,
                                           .idempotent = true,
                                           .cancel = &token };

static void begin(const char *settings)
{
    opened_init(&o, OPENED_BY_HAND, NULL, settings);
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
}

static void report(uint32_t attempt, keel_status status)
{
    const keel_outcome outcome = { .size = sizeof outcome, .status = status };

    keel_call_report_attempt(&call, attempt, &outcome);
}

static void end(keel_status status)
{
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_int_eq(keel_call_end(&call, &o.why), status);
}

/* What the breaker's window holds. */
static void judged(uint64_t calls, uint64_t failures, uint64_t slow)
{
    keel_pipeline_stats stats = opened_look(&o);

    ck_assert_uint_eq(stats.calls, calls);
    ck_assert_uint_eq(stats.failures, failures);
    ck_assert_uint_eq(stats.slow, slow);
    opened_cleanup(&o);
}

START_TEST(what_a_retry_makes_good_is_a_success)
{
    begin(PER_CALL);
    report(1, KEEL_FAILED);
    vclock_advance(&o.clock, 10 * KEEL_MS);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    report(2, KEEL_OK);
    end(KEEL_OK);
    judged(1, 0, 0);
}
END_TEST

START_TEST(an_operator_who_holds_it_open_stops_the_attempts_of_a_call_under_way)
{
    begin(PER_CALL);
    report(1, KEEL_FAILED);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    vclock_advance(&o.clock, 10 * KEEL_MS);
    end(KEEL_FAILED);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_FORCED_OPEN);
    ck_assert_uint_eq(o.why.attempts, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(that_others_have_opened_it_does_not)
{
    begin(PER_CALL "breaker.consecutive=1");
    report(1, KEEL_FAILED);
    ck_assert_int_eq(keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, KEEL_S),
                     KEEL_OK);
    vclock_advance(&o.clock, 10 * KEEL_MS);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    report(2, KEEL_OK);
    end(KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).late_results, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(an_answer_after_its_time_is_a_failure)
{
    begin(PER_CALL);
    vclock_advance(&o.clock, KEEL_S + 1);
    report(1, KEEL_OK);
    end(KEEL_OK);
    judged(1, 1, 0);
}
END_TEST

START_TEST(it_lasts_from_its_begin_to_its_end_whenever_that_is_asked_for)
{
    begin(PER_CALL "breaker.slow_call=100ms");
    vclock_advance(&o.clock, 60 * KEEL_MS);
    report(1, KEEL_OK);
    vclock_advance(&o.clock, 60 * KEEL_MS);
    end(KEEL_OK);
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    vclock_advance(&o.clock, 60 * KEEL_MS);
    report(1, KEEL_FAILED);
    vclock_advance(&o.clock, 10 * KEEL_MS);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    vclock_advance(&o.clock, 60 * KEEL_MS);
    report(2, KEEL_OK);
    end(KEEL_OK);
    judged(2, 0, 1);
}
END_TEST

START_TEST(a_copy_that_wins_is_all_that_is_judged)
{
    begin(PER_CALL "hedge=0; hedge.budget=100%");
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    report(1, KEEL_FAILED);
    report(2, KEEL_OK);
    end(KEEL_OK);
    judged(1, 0, 0);
}
END_TEST

/* Its own attempt had failed, but the copy might have made that good. */
START_TEST(a_caller_who_gives_up_says_nothing_of_the_dependency)
{
    begin(PER_CALL "hedge=0; hedge.budget=100%");
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    report(1, KEEL_FAILED);
    keel_cancel_fire(&token);
    end(KEEL_CANCELLED);
    judged(0, 0, 0);
}
END_TEST

SUITE("call_permit", 10, ONE(what_a_retry_makes_good_is_a_success),
      ONE(an_operator_who_holds_it_open_stops_the_attempts_of_a_call_under_way),
      ONE(that_others_have_opened_it_does_not),
      ONE(an_answer_after_its_time_is_a_failure),
      ONE(it_lasts_from_its_begin_to_its_end_whenever_that_is_asked_for),
      ONE(a_copy_that_wins_is_all_that_is_judged),
      ONE(a_caller_who_gives_up_says_nothing_of_the_dependency))
