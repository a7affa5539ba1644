/* SPDX-License-Identifier: MIT */
/* Calls in the loop that sleeps and the one that does not: every way one can end. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

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

START_TEST(a_second_end_is_an_error_and_ends_nothing)
{
    keel_call call;

    setup(PLAIN);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, &o.why), KEEL_E_STATE);
    ck_assert(!keel_call_next(&call));
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

/* ---- cancel ---------------------------------------------------------------------------- */

START_TEST(a_token_that_has_fired_makes_no_attempt)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    const keel_call_options options = { .size = sizeof options, .cancel = &cancel };

    setup(PLAIN "breaker=on; bulkhead=1");
    keel_cancel_fire(&cancel);
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(opened_play(&o, "o", &options), KEEL_CANCELLED);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_CANCELLED);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

typedef struct waiting_call {
    keel_call_options options;
    keel_status status;
} waiting_call;

static void *call_in_thread(void *ctx)
{
    waiting_call *w = ctx;

    w->status = opened_play(&o, "f", &w->options);
    return NULL;
}

START_TEST(a_token_fired_from_another_thread_ends_a_back_off)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    waiting_call w = {
        .options = { .size = sizeof w.options, .idempotent = true, .cancel = &cancel }
    };
    pthread_t thread;

    opened_init(&o, OPENED_BY_HAND, NULL, PLAIN "breaker=on");
    /* firing wakes the real futex, not this clock's; the word it changes ends the wait
     * once the clock looks */
    ck_assert_int_eq(pthread_create(&thread, NULL, call_in_thread, &w), 0);
    vclock_await_waiters(&o.clock, 1);
    keel_cancel_fire(&cancel);
    o.clock.clock.wake(NULL, 1, &o.clock);
    pthread_join(thread, NULL);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_CANCELLED);
    ck_assert_uint_eq(vclock_now(&o.clock), VCLOCK_START);
    ck_assert_uint_eq(opened_look(&o).failures, 1); /* cancelling added none */
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_token_fired_in_the_real_world_ends_a_real_wait)
{
    static const char *const nothing[] = { NULL };
    const keel_options real = { .size = sizeof real, .environment = nothing };
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_permit holder, permit;
    keel_runtime *rt;
    keel_pipeline *p;

    ck_assert_int_eq(keel_open(&rt, &real, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&p, rt, "dep",
                                        "none; bulkhead=1; bulkhead.queue=1; "
                                        "bulkhead.wait=1h",
                                        NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_permit_take(p, &holder, NULL), KEEL_OK);
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_permit_wait(p, &permit, UINT64_MAX, &cancel, NULL),
                     KEEL_CANCELLED);
    keel_permit_end(&holder, KEEL_OK);
    keel_pipeline_close(p);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
}
END_TEST

/* ---- fallback -------------------------------------------------------------------------- */

static int fallbacks;

static keel_status fall_back(const keel_detail *detail, void *ctx)
{
    fallbacks++;
    ck_assert(detail->fallback);
    ck_assert_int_eq(detail->code, *(keel_status *)ctx);
    return KEEL_OK;
}

static const struct {
    const char *why, *outcomes;
    keel_status stood_in_for;
    bool runs;
} standbys[] = {
    { "a failure", "f", KEEL_FAILED, true },
    { "a timeout", "h", KEEL_TIMEOUT, true },
    { "never a client error", "c", KEEL_CLIENT_ERROR, false },
    { "nor a success", "o", KEEL_OK, false },
    { "nor what is neutral", "i", KEEL_IGNORED, false },
};

START_TEST(a_fallback_stands_in_once_for_what_it_may)
{
    keel_status stood_in_for = standbys[_i].stood_in_for;
    const keel_call_options options = { .size = sizeof options,
                                        .fallback = fall_back,
                                        .fallback_ctx = &stood_in_for };

    fallbacks = 0;
    setup(PLAIN);
    ck_assert_msg(opened_play(&o, standbys[_i].outcomes, &options) ==
                      (standbys[_i].runs ? KEEL_OK : stood_in_for),
                  "%s", standbys[_i].why);
    ck_assert_int_eq(fallbacks, standbys[_i].runs);
    ck_assert_int_eq(o.why.fallback, standbys[_i].runs);
    ck_assert_int_eq(o.why.code, stood_in_for);
    opened_cleanup(&o);
}
END_TEST

static keel_status fall_back_deeper(const keel_detail *detail, void *ctx)
{
    const keel_call_options options = { .size = sizeof options,
                                        .fallback = fall_back_deeper,
                                        .fallback_ctx = ctx };

    (void)detail;
    fallbacks++;
    return opened_play(&o, "f", &options);
}

START_TEST(no_more_than_ten_fallbacks_run_at_once)
{
    const keel_call_options options = { .size = sizeof options,
                                        .fallback = fall_back_deeper };

    fallbacks = 0;
    setup(PLAIN);
    ck_assert_int_eq(opened_play(&o, "f", &options), KEEL_FAILED);
    ck_assert_int_eq(fallbacks, 10);
    opened_cleanup(&o);
}
END_TEST

/* ---- permits --------------------------------------------------------------------------- */

START_TEST(a_permit_is_ended_once_and_a_second_end_is_counted)
{
    keel_permit permit;

    setup("none; breaker=on; bulkhead=2");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end(&permit, KEEL_FAILED);
    keel_permit_end(&permit, KEEL_FAILED);
    ck_assert_uint_eq(opened_look(&o).permits_ended_twice, 1);
    ck_assert_uint_eq(opened_look(&o).failures, 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_permit_given_back_frees_its_token)
{
    keel_permit permit;

    setup("none; rate=1/s; rate.burst=1");
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
        keel_permit_end(&permit, KEEL_CANCELLED);
    }
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL),
                     KEEL_REJECTED_RATE_LIMITED);
    opened_cleanup(&o);
}
END_TEST

/* ---- KEEL_DISABLED and wrong use --------------------------------------------------------- */

START_TEST(disabled_every_call_is_the_plain_call)
{
    static const char *const environment[] = { "KEEL_DISABLED=on", NULL };
    const keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_permit permit;

    opened_init(&o, OPENED_VIRTUAL, environment,
                PLAIN "bulkhead=1; breaker.min_calls=1");
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(opened_play(&o, "f", &options), KEEL_FAILED);
        ck_assert_uint_eq(o.why.attempts, 1);
    }
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    ck_assert_int_eq(opened_play(&o, "o", &options), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(options_of_a_newer_keel_and_of_no_size_are_refused)
{
    struct {
        keel_call_options known;
        uint64_t unknown;
    } newer = { .known = { .size = sizeof newer }, .unknown = 1 };
    const keel_call_options no_size = { .size = 0 };
    const keel_call_options older = { .size = offsetof(keel_call_options, cancel) };

    setup(PLAIN);
    ck_assert_int_eq(opened_play(&o, "o", &newer.known), KEEL_E_ARGUMENT);
    newer.unknown = 0;
    ck_assert_int_eq(opened_play(&o, "o", &newer.known), KEEL_OK);
    ck_assert_int_eq(opened_play(&o, "o", &no_size), KEEL_E_ARGUMENT);
    ck_assert_int_eq(opened_play(&o, "o", &older), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(null_everywhere_is_an_error_and_no_crash)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_permit permit;
    keel_call call;

    keel_call_begin(NULL, NULL, NULL);
    keel_call_begin(&call, NULL, NULL);
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_uint_eq(keel_call_attempt(&call), 0);
    ck_assert_int_gt(keel_call_timeout_ms(&call), 0);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, &why), KEEL_E_ARGUMENT);
    ck_assert(!keel_call_next(NULL));
    ck_assert_int_eq(keel_call_poll(NULL, NULL, NULL), KEEL_STEP_ENDED);
    keel_call_report(NULL, KEEL_OK);
    keel_call_report_attempt(NULL, 1, NULL);
    keel_call_cleanup(NULL);
    ck_assert_int_eq(keel_call_end(NULL, NULL), KEEL_E_ARGUMENT);
    ck_assert_uint_eq(keel_call_attempt(NULL), 0);
    ck_assert_uint_eq(keel_call_timeout_ns(NULL), UINT64_MAX);
    ck_assert_int_eq(keel_permit_take(NULL, &permit, NULL), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_permit_wait(NULL, &permit, 0, NULL, NULL), KEEL_E_ARGUMENT);
    keel_permit_end(NULL, KEEL_OK);
    keel_permit_end_outcome(NULL, NULL);
    keel_cancel_fire(NULL);
    ck_assert(!keel_cancel_fired(NULL));
    ck_assert_uint_eq(keel_now(NULL), 0);
    ck_assert_int_eq(keel_run(NULL, NULL, NULL, NULL, NULL), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_close(NULL, 0), KEEL_OK);
    ck_assert_int_eq(keel_reload(NULL, NULL), KEEL_E_ARGUMENT);
    keel_reload_request(NULL);
    keel_pipeline_close(NULL);
    ck_assert_int_eq(keel_pipeline_lock(NULL, KEEL_LOCK_OPEN, 0), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_reset(NULL), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_look(NULL, NULL), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_events_listen(NULL, NULL, NULL), KEEL_E_ARGUMENT);
}
END_TEST

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

SUITE("call", 60, ROWS(a_call_ends_as_it_must_with_its_reason, ends),
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
      ONE(a_second_end_is_an_error_and_ends_nothing),
      ONE(a_polled_call_says_attempt_wait_and_ended),
      ONE(a_polled_call_that_queues_is_woken_once_by_who_frees_the_place),
      ONE(a_token_that_has_fired_makes_no_attempt),
      ONE(a_token_fired_from_another_thread_ends_a_back_off),
      ONE(a_token_fired_in_the_real_world_ends_a_real_wait),
      ROWS(a_fallback_stands_in_once_for_what_it_may, standbys),
      ONE(no_more_than_ten_fallbacks_run_at_once),
      ONE(a_permit_is_ended_once_and_a_second_end_is_counted),
      ONE(a_permit_given_back_frees_its_token),
      ONE(disabled_every_call_is_the_plain_call),
      ONE(options_of_a_newer_keel_and_of_no_size_are_refused),
      ONE(null_everywhere_is_an_error_and_no_crash), ONE(errno_is_left_as_it_was))
