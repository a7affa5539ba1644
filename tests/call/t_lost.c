/* SPDX-License-Identifier: MIT */
/*
 * Threads that are gone without having ended what they began: they returned too early,
 * left by pthread_exit, or were cancelled. What keel can take back it takes back; the
 * rest it keeps, because the work may still be running, and tells of it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdnoreturn.h>

#include "support/latch.h"
#include "support/opened.h"
#include "support/suite.h"

static opened o;

/* ---- beginning ------------------------------------------------------------------- */

static void begin_a_call(void (*go)(void))
{
    keel_call call;

    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    go();
}

static void take_a_permit(void (*go)(void))
{
    keel_permit permit;

    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    go();
}

static keel_status go_from_within(const keel_attempt *attempt, keel_outcome *outcome,
                                  void *ctx)
{
    void (**go)(void) = ctx;

    (void)attempt;
    (void)outcome;
    (*go)();
    return KEEL_OK;
}

static void poll_a_call(void (*go)(void))
{
    keel_call call;

    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    go();
}

static void run_a_function(void (*go)(void))
{
    keel_run(o.pipeline, go_from_within, &go, NULL, NULL);
}

/* ---- going ----------------------------------------------------------------------- */

static latch is_on_the_wire = LATCH_INIT;

static void exit_thread(void)
{
    latch_hit(&is_on_the_wire);
    pthread_exit(NULL);
}

/*
 * A call that does not return: before one, the address sanitizer forgets the frames on
 * the stack, which a cancelled thread leaves without a word.
 */
__attribute__((noinline)) static noreturn void be_cancelled(void)
{
    for (;;) {
        pthread_testcancel();
        sched_yield();
    }
}

static void wait_to_be_cancelled(void)
{
    latch_hit(&is_on_the_wire);
    be_cancelled();
}

static const struct {
    void (*begin)(void (*go)(void));
    void (*go)(void);
} losses[] = {
    { begin_a_call, exit_thread },   { begin_a_call, wait_to_be_cancelled },
    { poll_a_call, exit_thread },    { poll_a_call, wait_to_be_cancelled },
    { take_a_permit, exit_thread },  { take_a_permit, wait_to_be_cancelled },
    { run_a_function, exit_thread }, { run_a_function, wait_to_be_cancelled },
};

static void *begin_and_go(void *ctx)
{
    const int *row = ctx;

    losses[*row].begin(losses[*row].go);
    return NULL;
}

/* Returns when the thread is gone and what it began is not ended. */
static void lose(int row)
{
    pthread_t thread;

    is_on_the_wire = (latch)LATCH_INIT;
    ck_assert_int_eq(pthread_create(&thread, NULL, begin_and_go, &row), 0);
    latch_await(&is_on_the_wire, 1);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static keel_status knock(void)
{
    keel_permit permit;
    keel_status status = keel_permit_take(o.pipeline, &permit, NULL);

    if (status == KEEL_OK)
        keel_permit_end(&permit, KEEL_OK);
    return status;
}

/* ---- what becomes of it ---------------------------------------------------------- */

START_TEST(
    the_probe_of_a_thread_that_is_gone_comes_back_as_failed_with_the_end_of_its_lease)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; breaker=on; breaker.half_open_permits=1; breaker.lease=2s; "
                "breaker.half_open_max_wait=1h");
    ck_assert_int_eq(keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, KEEL_S),
                     KEEL_OK);
    vclock_advance(&o.clock, KEEL_S);
    lose(_i);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(opened_look(&o).permits, 0);
    ck_assert_int_eq(knock(), KEEL_REJECTED_HALF_OPEN);
    vclock_advance(&o.clock, 2 * KEEL_S - 1000); /* a lease is kept in microseconds */
    ck_assert_int_eq(knock(), KEEL_REJECTED_HALF_OPEN);
    vclock_advance(&o.clock, 1000);
    ck_assert_int_eq(knock(), KEEL_REJECTED_OPEN); /* a failed round, like any other */
    vclock_advance(&o.clock, opened_look(&o).open_left_ns);
    ck_assert_int_eq(knock(), KEEL_OK);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_CLOSED);
    opened_cleanup(&o);
}
END_TEST

START_TEST(the_place_of_a_thread_that_is_gone_stays_taken_and_is_told_of)
{
    keel_permit other;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none; deadline=1s; bulkhead=2");
    lose(_i);
    ck_assert_uint_eq(opened_look(&o).in_flight, 1);
    ck_assert_int_eq(knock(), KEEL_OK); /* the other place */
    vclock_advance(&o.clock, 11 * KEEL_S);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &other, NULL), KEEL_OK);
    ck_assert_int_eq(knock(), KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_uint_eq(opened_look(&o).permits_leaked, 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 2);
    keel_permit_end(&other, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(what_a_thread_that_is_gone_began_is_counted_as_no_outcome)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, "breaker.consecutive=1");
    lose(_i);
    ck_assert_uint_eq(opened_look(&o).calls, 0);
    ck_assert_uint_eq(opened_look(&o).failures, 0);
    ck_assert_uint_eq(opened_look(&o).ignored_total, 0);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_CLOSED);
    opened_cleanup(&o);
}
END_TEST

START_TEST(the_settings_a_thread_was_lost_with_are_given_back_when_the_runtime_closes)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    lose(_i);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_eq(knock(), KEEL_OK);
    opened_cleanup(&o); /* nothing is left */
}
END_TEST

static void *queue_and_go(void *ctx)
{
    keel_call call;

    (void)ctx;
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_WAIT);
    return NULL;
}

START_TEST(a_place_granted_to_a_thread_that_is_gone_is_handed_on_after_its_wait)
{
    keel_permit held;
    pthread_t thread;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; bulkhead=1; bulkhead.queue=2; bulkhead.wait=5s");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &held, NULL), KEEL_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, queue_and_go, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(opened_look(&o).queued, 1);
    keel_permit_end(&held, KEEL_OK); /* grants it to nobody */
    ck_assert_uint_eq(opened_look(&o).queued, 0);
    ck_assert_int_eq(knock(), KEEL_REJECTED_BULKHEAD_FULL);
    vclock_advance(&o.clock, 5 * KEEL_S);
    ck_assert_int_eq(knock(), KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

/* ---- cancelled inside keel ------------------------------------------------------- */

static void *wait_for_a_place(void *ctx)
{
    keel_status *status = ctx;
    keel_permit permit;

    *status = keel_permit_wait(o.pipeline, &permit, KEEL_NEVER, NULL, NULL);
    keel_permit_end(&permit, KEEL_OK);
    pthread_testcancel();
    return NULL;
}

START_TEST(a_thread_cancelled_while_keel_sleeps_comes_back_and_goes_no_sooner)
{
    keel_status status = KEEL_E_STATE;
    keel_permit held;
    pthread_t thread;
    void *result;

    opened_init(&o, OPENED_REAL, NULL,
                "none; bulkhead=1; bulkhead.queue=1; bulkhead.wait=1h");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &held, NULL), KEEL_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_a_place, &status), 0);
    while (opened_look(&o).queued == 0)
        sched_yield();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    keel_permit_end(&held, KEEL_OK);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
    ck_assert_int_eq(status, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

/*
 * A reload reads a file, which is a cancellation point, under a lock. keel_call_end comes
 * there, too, once a reload was requested.
 */
static latch is_ready = LATCH_INIT, is_doomed = LATCH_INIT;

static void *reload_though_cancelled(void *ctx)
{
    (void)ctx;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    latch_hit(&is_ready);
    latch_await(&is_doomed, 1);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    (void)keel_reload(o.rt, NULL);
    return NULL;
}

START_TEST(a_thread_cancelled_during_a_reload_holds_nobody_up)
{
    static const char *const environment[] = { "KEEL_CONFIG_FILE=/dev/null", NULL };
    pthread_t thread;

    opened_init(&o, OPENED_REAL, environment, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, reload_though_cancelled, NULL), 0);
    latch_await(&is_ready, 1);
    pthread_cancel(thread);
    latch_hit(&is_doomed);
    pthread_join(thread, NULL);
    keel_reload(o.rt, NULL);
    opened_cleanup(&o);
}
END_TEST

SUITE(
    "lost", 30,
    ROWS(
        the_probe_of_a_thread_that_is_gone_comes_back_as_failed_with_the_end_of_its_lease,
        losses),
    ROWS(the_place_of_a_thread_that_is_gone_stays_taken_and_is_told_of, losses),
    ROWS(what_a_thread_that_is_gone_began_is_counted_as_no_outcome, losses),
    ROWS(the_settings_a_thread_was_lost_with_are_given_back_when_the_runtime_closes,
         losses),
    ONE(a_place_granted_to_a_thread_that_is_gone_is_handed_on_after_its_wait),
    ONE(a_thread_cancelled_while_keel_sleeps_comes_back_and_goes_no_sooner),
    ONE(a_thread_cancelled_during_a_reload_holds_nobody_up))
