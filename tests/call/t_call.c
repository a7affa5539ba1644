/* SPDX-License-Identifier: MIT */
/*
 * Calls in the loop that sleeps and the one that does not: every way one can end. Not
 * for tokens, fallbacks, permits and wrong use, which have files of their own.
 */
#include <errno.h>

#include "support/opened.h"
#include "support/suite.h"

static opened o;

#define PLAIN                                                                          \
    "none; deadline=10s; timeout=2s; retry.attempts=3; retry.budget=off; "             \
    "retry.backoff=100ms..1s; retry.jitter=none; retry.throttle_backoff=1s..5s; "

static void setup(const char *settings)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
}

static const struct {
    const char *why;
    const char *settings;
    const char *outcomes;
    keel_status status;
    keel_reason reason;
    uint32_t attempts;
    uint64_t elapsed_ms;
} ends[] = {
    { "at once", PLAIN, "o", KEEL_OK, KEEL_REASON_NONE, 1, 0 },
    { "after one back-off", PLAIN, "fo", KEEL_OK, KEEL_REASON_NONE, 2, 100 },
    { "after two, doubled", PLAIN, "ffo", KEEL_OK, KEEL_REASON_NONE, 3, 300 },
    { "no try left", PLAIN, "f", KEEL_FAILED, KEEL_REASON_EXHAUSTED, 3, 300 },
    { "throttled waits longer", PLAIN, "to", KEEL_OK, KEEL_REASON_NONE, 2, 1000 },
    { "an ignored outcome ends it", PLAIN, "i", KEEL_IGNORED, KEEL_REASON_NONE, 1, 0 },
    { "a client error is not retried", PLAIN, "c", KEEL_CLIENT_ERROR,
      KEEL_REASON_NOT_RETRYABLE, 1, 0 },
    { "unknown is a failure", PLAIN, "uo", KEEL_OK, KEEL_REASON_NONE, 2, 100 },
    { "a hang is a timeout", PLAIN, "ho", KEEL_OK, KEEL_REASON_NONE, 2, 2100 },
    { "hangs to the end of the tries", PLAIN, "h", KEEL_TIMEOUT, KEEL_REASON_TIMEOUT, 3,
      6300 },
    { "cut by the deadline", PLAIN "deadline=3s", "h", KEEL_DEADLINE,
      KEEL_REASON_DEADLINE, 2, 3000 },
    { "no back-off into the deadline", PLAIN "deadline=2100ms", "h", KEEL_TIMEOUT,
      KEEL_REASON_DEADLINE, 1, 2000 },
    { "nor to less than a millisecond before it", PLAIN "deadline=2101ms", "h",
      KEEL_TIMEOUT, KEEL_REASON_DEADLINE, 1, 2000 },
    { "retry off", "none; timeout=2s", "f", KEEL_FAILED, KEEL_REASON_EXHAUSTED, 1, 0 },
    { "a budget without retry", "none; retry.attempts=1; retry.budget=inflight:20%",
      "f", KEEL_FAILED, KEEL_REASON_EXHAUSTED, 1, 0 },
    { "the budget is spent", PLAIN "retry.budget=tokens:15; retry.attempts=5", "f",
      KEEL_FAILED, KEEL_REASON_BUDGET, 2, 100 },
};

START_TEST(a_call_ends_as_it_must_with_its_reason)
{
    const keel_call_options options = { .size = sizeof options, .idempotent = true };

    setup(ends[_i].settings);
    ck_assert_msg(opened_play(&o, ends[_i].outcomes, &options) == ends[_i].status, "%s",
                  ends[_i].why);
    ck_assert_msg(o.why.reason == ends[_i].reason, "%s: %s", ends[_i].why,
                  keel_reason_name(o.why.reason));
    ck_assert_int_eq(o.why.code, ends[_i].status);
    ck_assert_uint_eq(o.why.attempts, ends[_i].attempts);
    ck_assert_uint_eq(o.why.elapsed_ns, ends[_i].elapsed_ms * KEEL_MS);
    opened_cleanup(&o);
}
END_TEST

static const struct {
    const char *why;
    keel_outcome first;
    bool idempotent;
    keel_status status;
    keel_reason reason;
    uint32_t attempts;
    uint64_t elapsed_ms, retry_after_ms;
} answers[] = {
    { "not idempotent",
      { .status = KEEL_FAILED },
      false,
      KEEL_FAILED,
      KEEL_REASON_NOT_RETRYABLE,
      1,
      0,
      0 },
    { "not even throttled",
      { .status = KEEL_THROTTLED },
      false,
      KEEL_THROTTLED,
      KEEL_REASON_NOT_RETRYABLE,
      1,
      0,
      0 },
    { "it never left",
      { .status = KEEL_FAILED, .never_sent = true },
      false,
      KEEL_OK,
      KEEL_REASON_NONE,
      2,
      100,
      0 },
    { "a hint is a minimum",
      { .status = KEEL_FAILED, .retry_after_ns = 3 * KEEL_S },
      true,
      KEEL_OK,
      KEEL_REASON_NONE,
      2,
      3000,
      0 },
    { "a short hint does not shorten",
      { .status = KEEL_FAILED, .retry_after_ns = KEEL_MS },
      true,
      KEEL_OK,
      KEEL_REASON_NONE,
      2,
      100,
      0 },
    { "a hint beyond the cap is the caller's",
      { .status = KEEL_THROTTLED, .retry_after_ns = 9 * KEEL_S },
      true,
      KEEL_THROTTLED,
      KEEL_REASON_PUSHBACK,
      1,
      0,
      9000 },
    { "never again",
      { .status = KEEL_FAILED, .retry_after_ns = UINT64_MAX },
      true,
      KEEL_FAILED,
      KEEL_REASON_PUSHBACK,
      1,
      0,
      0 },
};

START_TEST(what_an_answer_says_decides_about_the_retry)
{
    const keel_call_options options = { .size = sizeof options,
                                        .idempotent = answers[_i].idempotent };
    keel_outcome outcome = answers[_i].first;
    keel_call call;

    outcome.size = sizeof outcome;
    setup(PLAIN "retry.after_cap=5s");
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert(keel_call_next(&call));
    keel_call_report_attempt(&call, 1, &outcome);
    while (keel_call_next(&call))
        keel_call_report(&call, KEEL_OK);
    ck_assert_msg(keel_call_end(&call, &o.why) == answers[_i].status, "%s",
                  answers[_i].why);
    ck_assert_int_eq(o.why.reason, answers[_i].reason);
    ck_assert_uint_eq(o.why.attempts, answers[_i].attempts);
    ck_assert_uint_eq(o.why.elapsed_ns, answers[_i].elapsed_ms * KEEL_MS);
    ck_assert_uint_eq(o.why.retry_after_ns, answers[_i].retry_after_ms * KEEL_MS);
    opened_cleanup(&o);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------ */

START_TEST(an_open_breaker_is_waited_for_exactly_if_the_deadline_allows)
{
    setup(PLAIN "breaker.min_calls=2; breaker.open=5s; breaker.open_jitter=0; "
                "breaker.half_open_permits=1; retry.attempts=2");
    opened_replay(&o, "f", 1); /* two attempts: open */
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_OK);
    ck_assert_uint_eq(o.why.elapsed_ns, 5 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

START_TEST(an_open_breaker_beyond_the_deadline_refuses_and_says_how_long)
{
    setup(PLAIN "breaker.min_calls=2; breaker.open=20s; breaker.open_jitter=0");
    opened_replay(&o, "f", 1);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_OPEN);
    ck_assert_uint_eq(o.why.attempts, 0);
    ck_assert_uint_eq(o.why.elapsed_ns, 0);
    ck_assert_uint_gt(o.why.retry_after_ns, 19 * KEEL_S);
    ck_assert_int_eq(o.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(opened_look(&o).rejected_total, 2); /* the first met it too */
    opened_cleanup(&o);
}
END_TEST

START_TEST(an_open_breaker_is_seen_before_the_limiter_is_asked)
{
    setup("none; breaker.min_calls=2; breaker.open=20s; rate=1/s; rate.burst=2; "
          "rate.wait=5s; timeout=1s");
    opened_replay(&o, "f", 2);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(o.why.elapsed_ns, 0); /* nobody waited for a token */
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_server_that_says_never_again_does_not_drain_the_limiter_for_good)
{
    const keel_outcome never = { .size = sizeof never,
                                 .status = KEEL_THROTTLED,
                                 .retry_after_ns = UINT64_MAX };
    keel_permit permit;
    uint64_t hint;

    setup("none; rate=10/s; rate.burst=1");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end_outcome(&permit, &never);
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, &hint), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(the_limiter_refuses_or_is_waited_for)
{
    setup("none; rate=1/s; rate.burst=1; timeout=1s");
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_OK);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_REJECTED_RATE_LIMITED);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_RATE_LIMITED);
    ck_assert_uint_eq(o.why.retry_after_ns, KEEL_S);
    opened_cleanup(&o);
    setup("none; rate=1/s; rate.burst=1; rate.wait=2s; timeout=1s");
    ck_assert_int_eq(opened_replay(&o, "o", 3), KEEL_OK);
    ck_assert_uint_eq(vclock_now(&o.clock), VCLOCK_START + 2 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_full_bulkhead_refuses_and_with_a_queue_times_out)
{
    keel_permit holder;

    setup("none; bulkhead=1; timeout=1s");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_BULKHEAD_FULL);
    keel_permit_end(&holder, KEEL_OK);
    opened_cleanup(&o);
    setup("none; bulkhead=1; bulkhead.queue=2; bulkhead.wait=3s; timeout=1s");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_REJECTED_BULKHEAD_TIMEOUT);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_BULKHEAD_TIMEOUT);
    ck_assert_uint_eq(o.why.elapsed_ns, 3 * KEEL_S);
    ck_assert_uint_eq(opened_look(&o).queued, 0);
    keel_permit_end(&holder, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(no_attempt_begins_after_the_deadline_even_with_a_grant_in_hand)
{
    const keel_call_options options = { .size = sizeof options };
    keel_permit holder;
    keel_call call;

    setup("none; deadline=2s; bulkhead=1; bulkhead.queue=2; bulkhead.wait=9s");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_WAIT);
    vclock_advance(&o.clock, 2 * KEEL_S - 1);
    keel_permit_end(&holder, KEEL_OK); /* grants it */
    vclock_advance(&o.clock, 1);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_int_eq(keel_call_end(&call, &o.why), KEEL_REJECTED_DEADLINE);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_DEADLINE);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_deadline_that_has_passed_makes_no_attempt_and_is_a_rejection)
{
    keel_call_options options = { .size = sizeof options };

    setup(PLAIN);
    options.deadline_at_ns = keel_now(o.rt);
    ck_assert_int_eq(opened_play(&o, "o", &options), KEEL_REJECTED_DEADLINE);
    ck_assert_uint_eq(o.why.attempts, 0);
    ck_assert_uint_eq(opened_look(&o).rejected_total, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(the_earlier_of_two_deadlines_holds)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };

    setup(PLAIN);
    options.deadline_at_ns = keel_now(o.rt) + KEEL_S;
    ck_assert_int_eq(opened_play(&o, "h", &options), KEEL_DEADLINE);
    ck_assert_uint_eq(o.why.elapsed_ns, KEEL_S);
    options.deadline_at_ns = keel_now(o.rt) + 3600 * KEEL_S;
    ck_assert_int_eq(opened_play(&o, "h", &options), KEEL_TIMEOUT);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_local_refusal_uses_up_a_try_where_it_is_retried)
{
    keel_permit holder;

    setup(PLAIN "bulkhead=1; retry.on_local=on");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    ck_assert_int_eq(opened_replay(&o, "o", 1), KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_uint_eq(o.why.attempts, 0);
    ck_assert_uint_eq(o.why.elapsed_ns, 300 * KEEL_MS);
    keel_permit_end(&holder, KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_call_that_is_a_retry_itself_makes_one_attempt)
{
    const keel_call_options options = { .size = sizeof options,
                                        .idempotent = true,
                                        .attempt = 2 };

    setup(PLAIN);
    ck_assert_int_eq(opened_play(&o, "f", &options), KEEL_FAILED);
    ck_assert_uint_eq(o.why.attempts, 1);
    opened_cleanup(&o);
}
END_TEST

/* ---- reports and abandonment ----------------------------------------------------------- */

START_TEST(a_late_answer_is_the_callers_and_a_timeout_to_the_breaker)
{
    keel_call call;

    setup(PLAIN "breaker=on");
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    vclock_advance(&o.clock, 2 * KEEL_S + 1);
    keel_call_report(&call, KEEL_OK);
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).failures, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_report_on_another_attempt_changes_nothing_but_a_counter)
{
    const keel_outcome failed = { .size = sizeof failed, .status = KEEL_FAILED };
    keel_call call;

    setup(PLAIN "breaker=on");
    keel_call_begin(&call, o.pipeline, NULL);
    keel_call_report(&call, KEEL_FAILED); /* there is none */
    ck_assert(keel_call_next(&call));
    keel_call_report_attempt(&call, 7, &failed);
    ck_assert_uint_eq(opened_look(&o).failures, 0);
    keel_call_report(&call, KEEL_OK);
    keel_call_report(&call, KEEL_FAILED);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).late_results, 3);
    ck_assert_uint_eq(opened_look(&o).calls, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(an_attempt_that_is_not_reported_is_abandoned_and_neutral)
{
    keel_call call;

    setup(PLAIN "breaker=on; bulkhead=1");
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    ck_assert_uint_eq(opened_look(&o).in_flight, 1);
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_IGNORED);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_IGNORED); /* left early */
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).calls, 0);
    ck_assert_uint_eq(opened_look(&o).ignored_total, 2);
    opened_cleanup(&o);
}
END_TEST

static void leave_scope(void)
{
    KEEL_CALL_SCOPED keel_call call;

    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
}

START_TEST(a_scoped_call_ends_with_its_scope)
{
    setup(PLAIN "bulkhead=1");
    leave_scope();
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

/* ---- polled ---------------------------------------------------------------------------- */

START_TEST(a_polled_call_says_attempt_wait_and_ended)
{
    const keel_call_options options = { .size = sizeof options, .idempotent = true };
    uint64_t wake_at;
    uint32_t attempt;
    keel_call call;

    setup(PLAIN);
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, &wake_at), KEEL_STEP_ATTEMPT);
    ck_assert_uint_eq(attempt, 1);
    ck_assert_uint_eq(wake_at, VCLOCK_START + 2 * KEEL_S);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, &wake_at), KEEL_STEP_WAIT);
    vclock_advance(&o.clock, 2 * KEEL_S); /* and it never answers */
    ck_assert_int_eq(keel_call_poll(&call, &attempt, &wake_at), KEEL_STEP_WAIT);
    ck_assert_uint_eq(wake_at, VCLOCK_START + 2100 * KEEL_MS);
    vclock_advance(&o.clock, 100 * KEEL_MS);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    ck_assert_uint_eq(attempt, 2);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

static void woken(void *ctx)
{
    ++*(int *)ctx;
}

START_TEST(a_polled_call_that_queues_is_woken_once_by_who_frees_the_place)
{
    int wakes = 0;
    const keel_call_options options = { .size = sizeof options,
                                        .wake = woken,
                                        .wake_ctx = &wakes };
    keel_permit holder;
    keel_call call;

    setup("none; bulkhead=1; bulkhead.queue=1; bulkhead.wait=5s");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_WAIT);
    ck_assert_uint_eq(opened_look(&o).queued, 1);
    ck_assert_int_eq(wakes, 0);
    keel_permit_end(&holder, KEEL_OK);
    ck_assert_int_eq(wakes, 1);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_int_eq(wakes, 1);
    opened_cleanup(&o);
}
END_TEST

/* ---- errno ----------------------------------------------------------------------------- */

START_TEST(errno_is_left_as_it_was)
{
    errno = 12345;
    setup("standard");
    opened_replay(&o, "ffo", 3);
    opened_replay(&o, "h", 30);
    keel_reload(o.rt, NULL);
    opened_cleanup(&o);
    ck_assert_int_eq(errno, 12345);
}
END_TEST

START_TEST(a_deadline_that_has_come_is_seen_by_the_precise_clock)
{
    opened_init(&o, OPENED_REAL, NULL, NULL);
    for (int i = 0; i < 200; i++) {
        const keel_call_options options = { .size = sizeof options,
                                            .deadline_at_ns = keel_now(o.rt) };

        ck_assert_int_eq(opened_call(&o, &options, KEEL_OK, &o.why),
                         KEEL_REJECTED_DEADLINE);
        ck_assert_uint_eq(o.why.attempts, 0);
    }
    opened_cleanup(&o);
}
END_TEST

SUITE("call", 60, ONE(a_deadline_that_has_come_is_seen_by_the_precise_clock),
      ROWS(a_call_ends_as_it_must_with_its_reason, ends),
      ROWS(what_an_answer_says_decides_about_the_retry, answers),
      ONE(an_open_breaker_is_waited_for_exactly_if_the_deadline_allows),
      ONE(an_open_breaker_beyond_the_deadline_refuses_and_says_how_long),
      ONE(an_open_breaker_is_seen_before_the_limiter_is_asked),
      ONE(a_server_that_says_never_again_does_not_drain_the_limiter_for_good),
      ONE(the_limiter_refuses_or_is_waited_for),
      ONE(a_full_bulkhead_refuses_and_with_a_queue_times_out),
      ONE(no_attempt_begins_after_the_deadline_even_with_a_grant_in_hand),
      ONE(a_deadline_that_has_passed_makes_no_attempt_and_is_a_rejection),
      ONE(the_earlier_of_two_deadlines_holds),
      ONE(a_local_refusal_uses_up_a_try_where_it_is_retried),
      ONE(a_call_that_is_a_retry_itself_makes_one_attempt),
      ONE(a_late_answer_is_the_callers_and_a_timeout_to_the_breaker),
      ONE(a_report_on_another_attempt_changes_nothing_but_a_counter),
      ONE(an_attempt_that_is_not_reported_is_abandoned_and_neutral),
      ONE(a_scoped_call_ends_with_its_scope),
      ONE(a_polled_call_says_attempt_wait_and_ended),
      ONE(a_polled_call_that_queues_is_woken_once_by_who_frees_the_place),
      ONE(errno_is_left_as_it_was))
