/* SPDX-License-Identifier: MIT */
/* What stands in for a call that did not succeed: when, how often, and what is told. */
#include <pthread.h>
#include <string.h>

#include "support/latch.h"
#include "support/opened.h"
#include "support/suite.h"

static opened o;

typedef struct stand_in {
    unsigned times;
    keel_status stood_in_for;
    keel_status returns;
    uint32_t attempts;
    bool says_fallback;
    pthread_t thread;
} stand_in;

static keel_status stand(const keel_detail *detail, void *ctx)
{
    stand_in *s = ctx;

    s->times++;
    s->stood_in_for = detail->code;
    s->attempts = detail->attempts;
    s->says_fallback = detail->fallback;
    s->thread = pthread_self();
    return s->returns;
}

static keel_call_options with(stand_in *s)
{
    return (keel_call_options){ .size = sizeof(keel_call_options),
                                .fallback = stand,
                                .fallback_ctx = s };
}

static const struct {
    keel_status status;
    bool stands_in;
} outcomes[] = {
    { KEEL_OK, false },        { KEEL_FAILED, true },   { KEEL_THROTTLED, true },
    { KEEL_TIMEOUT, true },    { KEEL_UNKNOWN, true },  { KEEL_CLIENT_ERROR, false },
    { KEEL_CANCELLED, false }, { KEEL_IGNORED, false },
};

START_TEST(a_failure_is_stood_in_for_and_what_is_no_failure_is_not)
{
    stand_in s = { .returns = KEEL_OK };
    keel_call_options options = with(&s);
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status expected = outcomes[_i].stands_in ? KEEL_OK : outcomes[_i].status;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none");
    ck_assert_int_eq(opened_call(&o, &options, outcomes[_i].status, &why), expected);
    ck_assert_uint_eq(s.times, outcomes[_i].stands_in);
    ck_assert(why.fallback == outcomes[_i].stands_in);
    ck_assert_int_eq(why.code, outcomes[_i].status); /* what it stood in for */
    ck_assert_uint_eq(why.attempts, 1);
    if (s.times) {
        ck_assert_int_eq(s.stood_in_for, outcomes[_i].status);
        ck_assert_uint_eq(s.attempts, 1);
        ck_assert(s.says_fallback);
        ck_assert(pthread_equal(s.thread, pthread_self()));
    }
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_refusal_is_stood_in_for)
{
    stand_in s = { .returns = KEEL_OK };
    keel_call_options options = with(&s);
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(opened_call(&o, &options, KEEL_OK, &why), KEEL_OK);
    ck_assert_int_eq(why.code, KEEL_REJECTED_FORCED_OPEN);
    ck_assert_int_eq(why.reason, KEEL_REASON_FORCED_OPEN);
    ck_assert_uint_eq(why.attempts, 0);
    ck_assert_uint_eq(s.times, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(it_runs_once_after_the_last_attempt)
{
    stand_in s = { .returns = KEEL_CLIENT_ERROR };
    keel_call_options options = with(&s);
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_VIRTUAL, NULL, "retry.attempts=3");
    options.idempotent = true;
    /* what it returns is what the call returns, whatever that is */
    ck_assert_int_eq(opened_call(&o, &options, KEEL_FAILED, &why), KEEL_CLIENT_ERROR);
    ck_assert_uint_eq(s.times, 1);
    ck_assert_uint_eq(s.attempts, 3);
    ck_assert_uint_eq(opened_look(&o).failures, 3); /* it hides nothing from them */
    opened_cleanup(&o);
}
END_TEST

START_TEST(with_no_time_left_nothing_stands_in)
{
    stand_in s = { .returns = KEEL_OK };
    keel_call_options options = with(&s);
    keel_call call;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none; deadline=1s");
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert(keel_call_next(&call));
    vclock_advance(&o.clock, KEEL_S - (_i ? 1 : 0));
    keel_call_report(&call, KEEL_FAILED);
    ck_assert_int_eq(keel_call_end(&call, NULL), _i ? KEEL_OK : KEEL_FAILED);
    ck_assert_uint_eq(s.times, _i ? 1 : 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_call_that_was_begun_wrongly_or_cancelled_is_not_stood_in_for)
{
    stand_in s = { .returns = KEEL_OK };
    keel_call_options options = with(&s);
    keel_cancel token = KEEL_CANCEL_INIT;
    keel_call call;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    keel_call_begin(&call, NULL, &options);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_E_ARGUMENT);
    options.cancel = &token;
    keel_cancel_fire(&token);
    ck_assert_int_eq(opened_call(&o, &options, KEEL_FAILED, NULL), KEEL_CANCELLED);
    ck_assert_uint_eq(s.times, 0);
    opened_cleanup(&o);
}
END_TEST

static const bool detached[] = { false, true };

START_TEST(keel_run_falls_back_on_the_callers_thread)
{
    stand_in s = { .returns = KEEL_OK };
    keel_call_options call = with(&s);
    keel_run_options options = { .size = sizeof options,
                                 .call = &call,
                                 .detach = detached[_i] };
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_REAL, NULL, "timeout=30s; deadline=30s; retry.attempts=1");
    ck_assert_int_eq(keel_run(o.pipeline, opened_fail, NULL, &options, &why), KEEL_OK);
    ck_assert_int_eq(why.code, KEEL_FAILED);
    ck_assert(why.fallback);
    ck_assert(pthread_equal(s.thread, pthread_self()));
    opened_cleanup(&o);
}
END_TEST

enum { AT_ONCE = 10 };

static latch inside = LATCH_INIT, let_go = LATCH_INIT;

static keel_status hang(const keel_detail *detail, void *ctx)
{
    (void)detail;
    (void)ctx;
    latch_hit(&inside);
    latch_await(&let_go, 1);
    return KEEL_OK;
}

static void *fall_back_and_hang(void *ctx)
{
    keel_call_options options = { .size = sizeof options, .fallback = hang };
    keel_status *status = ctx;

    *status = opened_call(&o, &options, KEEL_FAILED, NULL);
    return NULL;
}

START_TEST(ten_run_at_once_and_the_eleventh_call_gets_what_it_came_to)
{
    pthread_t threads[AT_ONCE];
    keel_status statuses[AT_ONCE];
    stand_in s = { .returns = KEEL_OK };
    keel_call_options options = with(&s);
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none");
    for (int i = 0; i < AT_ONCE; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, fall_back_and_hang, &statuses[i]), 0);
    latch_await(&inside, AT_ONCE);
    ck_assert_int_eq(opened_call(&o, &options, KEEL_FAILED, &why), KEEL_FAILED);
    ck_assert(!why.fallback);
    latch_hit(&let_go);
    for (int i = 0; i < AT_ONCE; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(statuses[i], KEEL_OK);
    }
    ck_assert_int_eq(opened_call(&o, &options, KEEL_FAILED, NULL), KEEL_OK);
    ck_assert_uint_eq(s.times, 1);
    opened_cleanup(&o);
}
END_TEST

SUITE("fallback", 60,
      ROWS(a_failure_is_stood_in_for_and_what_is_no_failure_is_not, outcomes),
      ONE(a_refusal_is_stood_in_for), ONE(it_runs_once_after_the_last_attempt),
      ROWS(with_no_time_left_nothing_stands_in, detached),
      ONE(a_call_that_was_begun_wrongly_or_cancelled_is_not_stood_in_for),
      ROWS(keel_run_falls_back_on_the_callers_thread, detached),
      ONE(ten_run_at_once_and_the_eleventh_call_gets_what_it_came_to))
