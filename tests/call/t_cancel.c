/* SPDX-License-Identifier: MIT */
/*
 * Every wait of keel's is ended by a token that another thread fires. The clock is moved
 * by hand, so that nobody comes back for any other reason, and the barrier is the clock
 * that knows who waits.
 */
#include <pthread.h>
#include <sched.h>

#include "support/opened.h"
#include "support/suite.h"

static opened o;
static keel_cancel token;

/* One who waits, and what he came back with. */
typedef struct waiter {
    pthread_t thread;
    keel_status status;
    keel_detail why;
} waiter;

static void wait_in_call(waiter *w)
{
    keel_call_options options = { .size = sizeof options,
                                  .idempotent = true,
                                  .cancel = &token };
    keel_call call;

    keel_call_begin(&call, o.pipeline, &options);
    while (keel_call_next(&call))
        keel_call_report(&call, KEEL_FAILED);
    w->status = keel_call_end(&call, &w->why);
}

static void wait_in_run(waiter *w)
{
    keel_call_options call = { .size = sizeof call,
                               .idempotent = true,
                               .cancel = &token };
    keel_run_options options = { .size = sizeof options, .call = &call };

    w->status = keel_run(o.pipeline, opened_fail, NULL, &options, &w->why);
}

static void wait_in_permit(waiter *w)
{
    keel_permit permit;

    w->status = keel_permit_wait(o.pipeline, &permit, UINT64_MAX, &token, NULL);
    w->why.reason = KEEL_REASON_CANCELLED;
}

static void use_up_the_place(keel_permit *held)
{
    ck_assert_int_eq(keel_permit_take(o.pipeline, held, NULL), KEEL_OK);
}

static const struct {
    const char *why;
    const char *settings;
    void (*wait)(waiter *w);
    bool held; /* the only place or token is taken beforehand */
    uint32_t attempts;
} waits[] = {
    { "back-off", "deadline=1h; timeout=1h; retry.backoff=10m; retry.jitter=none",
      wait_in_call, false, 1 },
    { "back-off in keel_run", "deadline=1h; retry.backoff=10m; retry.jitter=none",
      wait_in_run, false, 1 },
    { "an open breaker",
      "none; deadline=1h; retry.attempts=2; breaker=on; "
      "breaker.consecutive=1; breaker.open=30m; retry.backoff=0; retry.budget=off",
      wait_in_call, false, 1 },
    { "the limiter", "none; deadline=1h; rate=1/h; rate.wait=2h", wait_in_call, true,
      0 },
    { "the queue", "none; deadline=1h; bulkhead=1; bulkhead.queue=1; bulkhead.wait=1h",
      wait_in_call, true, 0 },
    { "the queue in keel_run",
      "none; deadline=1h; bulkhead=1; bulkhead.queue=1; bulkhead.wait=1h", wait_in_run,
      true, 0 },
    { "an injected hang", "none; timeout=1h; chaos.rate=100%; chaos.fail=hang",
      wait_in_call, false, 1 },
    { "the limiter, for a permit", "none; rate=1/h; rate.wait=2h", wait_in_permit, true,
      0 },
    { "the queue, for a permit", "none; bulkhead=1; bulkhead.queue=1; bulkhead.wait=1h",
      wait_in_permit, true, 0 },
};

enum { QUEUE_ROW = 4 }; /* the queue, by a call */

static unsigned row;

static void *wait_in_thread(void *ctx)
{
    waits[row].wait(ctx);
    return NULL;
}

static void setup(unsigned i, keel_permit *held)
{
    static const char *const environment[] = { "KEEL_CHAOS=allow", NULL };

    row = i;
    token = (keel_cancel)KEEL_CANCEL_INIT;
    opened_init(&o, OPENED_BY_HAND, environment, waits[i].settings);
    if (waits[i].held)
        use_up_the_place(held);
}

static void teardown(keel_permit *held)
{
    if (waits[row].held)
        keel_permit_end(held, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).queued, 0);
    opened_cleanup(&o);
}

START_TEST(a_token_ends_every_wait)
{
    waiter w = { .why = KEEL_DETAIL_INIT };
    keel_permit held;

    setup((unsigned)_i, &held);
    ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_in_thread, &w), 0);
    vclock_await_waiters(&o.clock, 1);
    keel_cancel_fire(&token);
    pthread_join(w.thread, NULL);
    ck_assert_msg(w.status == KEEL_CANCELLED, "%s: %s", waits[_i].why,
                  keel_status_name(w.status));
    ck_assert_int_eq(w.why.reason, KEEL_REASON_CANCELLED);
    ck_assert_msg(w.why.attempts == waits[_i].attempts, "%s: %u attempts",
                  waits[_i].why, w.why.attempts);
    ck_assert_uint_eq(vclock_now(&o.clock), VCLOCK_START);
    if (opened_look(&o).breaker_on) /* cancelling added none */
        ck_assert_uint_eq(opened_look(&o).failures, w.why.attempts);
    teardown(&held);
}
END_TEST

START_TEST(a_token_ends_a_wait_on_the_real_clock)
{
    waiter w = { .why = KEEL_DETAIL_INIT };
    keel_permit held;

    row = QUEUE_ROW;
    token = (keel_cancel)KEEL_CANCEL_INIT;
    opened_init(&o, OPENED_REAL, NULL, waits[row].settings);
    use_up_the_place(&held);
    ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_in_thread, &w), 0);
    while (opened_look(&o).queued == 0)
        sched_yield();
    keel_cancel_fire(&token);
    pthread_join(w.thread, NULL);
    ck_assert_int_eq(w.status, KEEL_CANCELLED);
    teardown(&held);
}
END_TEST

START_TEST(a_token_that_was_fired_before_lets_nobody_wait_or_begin)
{
    waiter w = { .why = KEEL_DETAIL_INIT };
    keel_permit held;

    setup((unsigned)_i, &held);
    keel_cancel_fire(&token);
    keel_cancel_fire(&token);
    waits[_i].wait(&w); /* by itself: there is nobody to move the clock */
    ck_assert_int_eq(w.status, KEEL_CANCELLED);
    ck_assert_int_eq(w.why.reason, KEEL_REASON_CANCELLED);
    ck_assert_uint_eq(w.why.attempts, 0);
    teardown(&held);
}
END_TEST

START_TEST(a_fired_token_is_seen_where_a_place_is_free)
{
    keel_permit permit;
    keel_call call;
    keel_call_options options = { .size = sizeof options, .cancel = &token };

    token = (keel_cancel)KEEL_CANCEL_INIT;
    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    keel_cancel_fire(&token);
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &permit, UINT64_MAX, &token, NULL),
                     KEEL_CANCELLED);
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_CANCELLED);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).calls, 0); /* neutral */
    opened_cleanup(&o);
}
END_TEST

START_TEST(one_token_ends_the_waits_of_several_calls)
{
    enum { WAITERS = 5 };
    waiter w[WAITERS] = { 0 };
    keel_permit held;

    setup(0, &held);
    for (int i = 0; i < WAITERS; i++) {
        w[i].why = (keel_detail)KEEL_DETAIL_INIT;
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, wait_in_thread, &w[i]), 0);
    }
    vclock_await_waiters(&o.clock, WAITERS);
    keel_cancel_fire(&token);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(w[i].thread, NULL);
        ck_assert_int_eq(w[i].status, KEEL_CANCELLED);
    }
    teardown(&held);
}
END_TEST

START_TEST(a_token_outlives_its_calls_and_the_runtime)
{
    keel_cancel mine = KEEL_CANCEL_INIT;
    keel_call_options options = { .size = sizeof options, .cancel = &mine };
    keel_call call;

    opened_init(&o, OPENED_REAL, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        keel_call_begin(&call, o.pipeline, &options);
        ck_assert(keel_call_next(&call));
        keel_call_report(&call, KEEL_OK);
        ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    }
    ck_assert(!keel_cancel_fired(&mine));
    opened_cleanup(&o);
    keel_cancel_fire(&mine);
    ck_assert(keel_cancel_fired(&mine));
}
END_TEST

START_TEST(a_token_fired_during_an_attempt_ends_the_call_after_it)
{
    keel_cancel mine = KEEL_CANCEL_INIT;
    keel_call_options options = { .size = sizeof options,
                                  .idempotent = true,
                                  .cancel = &mine };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_call call;

    opened_init(&o, OPENED_VIRTUAL, NULL, "retry.attempts=3");
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert(keel_call_next(&call));
    keel_cancel_fire(&mine);
    keel_call_report(&call, KEEL_FAILED); /* it was sent, and it counts */
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_end(&call, &why), KEEL_CANCELLED);
    ck_assert_uint_eq(why.attempts, 1);
    ck_assert_uint_eq(opened_look(&o).failures, 1);
    opened_cleanup(&o);
}
END_TEST

SUITE("cancel", 60, ROWS(a_token_ends_every_wait, waits),
      ONE(a_token_ends_a_wait_on_the_real_clock),
      ROWS(a_token_that_was_fired_before_lets_nobody_wait_or_begin, waits),
      ONE(a_fired_token_is_seen_where_a_place_is_free),
      ONE(one_token_ends_the_waits_of_several_calls),
      ONE(a_token_outlives_its_calls_and_the_runtime),
      ONE(a_token_fired_during_an_attempt_ends_the_call_after_it))
