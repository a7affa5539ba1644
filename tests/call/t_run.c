/* SPDX-License-Identifier: MIT */
/* keel_run with detach: who waits for whom, and what stays taken meanwhile. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "support/latch.h"
#include "support/opened.h"
#include "support/suite.h"

/* A job that stays in fn until the test lets it go. */
typedef struct job {
    latch entered;
    latch let_go;
    latch released;
    keel_status status;
    keel_cancel *token; /* fired from inside; NULL: none */
    pthread_t released_by;
} job;

#define JOB_INIT                                                                       \
    {                                                                                  \
        .entered = LATCH_INIT, .let_go = LATCH_INIT, .released = LATCH_INIT            \
    }

static opened o;

static keel_status stay(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    job *j = ctx;

    (void)attempt;
    (void)outcome;
    latch_hit(&j->entered);
    latch_await(&j->let_go, 1);
    return j->status;
}

static keel_status return_at_once(const keel_attempt *attempt, keel_outcome *outcome,
                                  void *ctx)
{
    const job *j = ctx;

    (void)attempt;
    (void)outcome;
    return j->status;
}

static void on_released(void *ctx)
{
    job *j = ctx;

    j->released_by = pthread_self();
    latch_hit(&j->released);
}

static keel_status run(keel_run_fn *fn, job *j, keel_detail *why)
{
    keel_call_options call = { .size = sizeof call,
                               .idempotent = true,
                               .cancel = j->token };
    keel_run_options options = {
        .size = sizeof options, .call = &call, .detach = true, .released = on_released
    };

    return keel_run(o.pipeline, fn, j, &options, why);
}

START_TEST(the_caller_leaves_at_the_timeout_and_the_place_stays_taken_until_fn_returns)
{
    job j = JOB_INIT, refused = JOB_INIT;
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_REAL, NULL, "retry.attempts=1; timeout=1s; bulkhead=1");
    ck_assert_int_eq(run(stay, &j, &why), KEEL_TIMEOUT);
    /* a little less, for the call may count in steps of the coarse clock */
    ck_assert_uint_ge(why.elapsed_ns, 990 * KEEL_MS);
    ck_assert_uint_lt(why.elapsed_ns, 20 * KEEL_S);
    ck_assert_int_eq(why.reason, KEEL_REASON_TIMEOUT);
    latch_await(&j.entered, 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 1);
    ck_assert_uint_eq(latch_count(&j.released), 0);
    ck_assert_int_eq(run(return_at_once, &refused, NULL), KEEL_REJECTED_BULKHEAD_FULL);
    latch_hit(&j.let_go);
    latch_await(&j.released, 1); /* the last thing of all */
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).late_results, 1);
    ck_assert_int_eq(run(return_at_once, &refused, NULL), KEEL_OK);
    opened_cleanup(&o);
    ck_assert_uint_eq(latch_count(&j.released), 1);
}
END_TEST

START_TEST(ctx_is_released_once_also_after_several_attempts_were_left)
{
    job j = JOB_INIT;
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_REAL, NULL,
                "retry.attempts=3; retry.backoff=0; timeout=30ms; retry.budget=off");
    ck_assert_int_eq(run(stay, &j, &why), KEEL_TIMEOUT);
    ck_assert_uint_eq(why.attempts, 3);
    latch_await(&j.entered, 3);
    ck_assert_uint_eq(opened_look(&o).in_flight, 3);
    ck_assert_uint_eq(latch_count(&j.released), 0);
    latch_hit(&j.let_go);
    opened_cleanup(&o); /* waits for all three */
    ck_assert_uint_eq(latch_count(&j.released), 1);
    ck_assert(!pthread_equal(j.released_by, pthread_self()));
}
END_TEST

START_TEST(ctx_is_released_by_the_caller_when_fn_returned_in_time)
{
    job j = JOB_INIT;

    opened_init(&o, OPENED_REAL, NULL, "timeout=30s; retry.attempts=1");
    j.status = KEEL_FAILED;
    ck_assert_int_eq(run(return_at_once, &j, NULL), KEEL_FAILED);
    ck_assert_uint_eq(latch_count(&j.released), 1);
    ck_assert(pthread_equal(j.released_by, pthread_self()));
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_refused_run_releases_its_ctx_too)
{
    job j = JOB_INIT;

    opened_init(&o, OPENED_REAL, NULL, NULL);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(run(return_at_once, &j, NULL), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_uint_eq(latch_count(&j.released), 1);
    opened_cleanup(&o);
}
END_TEST

/* Fires its caller's token, and returns when its own has been fired. */
static keel_status fire_and_stay(const keel_attempt *attempt, keel_outcome *outcome,
                                 void *ctx)
{
    job *j = ctx;

    (void)outcome;
    keel_cancel_fire(j->token);
    while (!keel_cancel_fired(attempt->cancel))
        sched_yield();
    return KEEL_OK;
}

START_TEST(a_token_lets_the_caller_leave_and_tells_fn_that_it_is_not_wanted)
{
    keel_cancel token = KEEL_CANCEL_INIT;
    job j = JOB_INIT;
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_REAL, NULL, "deadline=1h; timeout=1h");
    j.token = &token;
    ck_assert_int_eq(run(fire_and_stay, &j, &why), KEEL_CANCELLED);
    ck_assert_int_eq(why.reason, KEEL_REASON_CANCELLED);
    opened_cleanup(&o);
    ck_assert_uint_eq(latch_count(&j.released), 1);
}
END_TEST

/* Gives up as soon as it is not wanted any more. */
static keel_status give_up(const keel_attempt *attempt, keel_outcome *outcome,
                           void *ctx)
{
    (void)outcome;
    (void)ctx;
    while (!keel_cancel_fired(attempt->cancel))
        sched_yield();
    return KEEL_CANCELLED;
}

START_TEST(a_timeout_stays_one_when_fn_gives_up_at_once)
{
    opened_init(&o, OPENED_REAL, NULL,
                "retry.attempts=1; timeout=2ms; breaker.min_calls=1000");
    for (unsigned i = 1; i <= 20; i++) {
        job j = JOB_INIT;

        ck_assert_int_eq(run(give_up, &j, NULL), KEEL_TIMEOUT);
        latch_await(&j.released, 1);
        ck_assert_uint_eq(opened_look(&o).failures, i);
        ck_assert_uint_eq(opened_look(&o).late_results, i);
    }
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_runtime_with_a_callback_under_way_is_busy_and_works_on)
{
    job j = JOB_INIT, other = JOB_INIT;

    opened_init(&o, OPENED_REAL, NULL, "retry.attempts=1; timeout=20ms");
    ck_assert_int_eq(keel_close(o.rt, 0), KEEL_E_BUSY); /* a pipeline is open */
    ck_assert_int_eq(run(stay, &j, NULL), KEEL_TIMEOUT);
    keel_pipeline_close(o.pipeline);
    ck_assert_int_eq(keel_close(o.rt, 0), KEEL_E_BUSY);
    ck_assert_int_eq(keel_close(o.rt, 10 * KEEL_MS), KEEL_E_BUSY);
    ck_assert_int_eq(keel_pipeline_open(&o.pipeline, o.rt, "payments", NULL, NULL),
                     KEEL_OK);
    ck_assert_int_eq(run(return_at_once, &other, NULL), KEEL_OK);
    latch_hit(&j.let_go);
    opened_cleanup(&o);
    ck_assert_uint_eq(latch_count(&j.released), 1);
}
END_TEST

START_TEST(a_callback_that_has_returned_to_its_caller_keeps_nothing_busy)
{
    for (int i = 0; i < 200; i++) {
        job j = JOB_INIT;

        opened_init(&o, OPENED_REAL, NULL, "timeout=30s");
        ck_assert_int_eq(run(return_at_once, &j, NULL), KEEL_OK);
        keel_pipeline_close(o.pipeline);
        ck_assert_int_eq(keel_close(o.rt, 0), KEEL_OK);
        ck_assert_int_eq(o.memory.live, 0);
    }
}
END_TEST

typedef struct worker_look {
    pid_t tid;
    bool takes_signals;
} worker_look;

static keel_status look_around(const keel_attempt *attempt, keel_outcome *outcome,
                               void *ctx)
{
    worker_look *look = ctx;
    sigset_t blocked;

    (void)attempt;
    (void)outcome;
    look->tid = gettid();
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    look->takes_signals =
        !sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGCHLD);
    return KEEL_OK;
}

START_TEST(workers_are_used_again_and_take_no_signals)
{
    enum { RUNS = 100 };
    keel_run_options options = { .size = sizeof options, .detach = true };
    worker_look looks[RUNS];
    unsigned again = 0;

    opened_init(&o, OPENED_REAL, NULL, "timeout=30s");
    for (int i = 0; i < RUNS; i++) {
        ck_assert_int_eq(keel_run(o.pipeline, look_around, &looks[i], &options, NULL),
                         KEEL_OK);
        ck_assert(!looks[i].takes_signals);
        ck_assert_int_ne(looks[i].tid, gettid());
        for (int k = 0; k < i; k++)
            if (looks[k].tid == looks[i].tid) {
                again++;
                break;
            }
    }
    /* the next run may come before a worker is idle again; not every time */
    ck_assert_uint_gt(again, RUNS / 4);
    opened_cleanup(&o);
}
END_TEST

static keel_status run_again(const keel_attempt *attempt, keel_outcome *outcome,
                             void *ctx)
{
    (void)attempt;
    (void)outcome;
    return run(return_at_once, ctx, NULL);
}

START_TEST(a_detached_callback_may_run_a_detached_callback)
{
    job j = JOB_INIT;

    opened_init(&o, OPENED_REAL, NULL, "timeout=30s");
    ck_assert_int_eq(run(run_again, &j, NULL), KEEL_OK);
    opened_cleanup(&o);
    ck_assert_uint_eq(latch_count(&j.released), 2);
}
END_TEST

/* ---- on the caller's own thread ---- */

static bool first_fails;

static keel_status fail_at_first(const keel_attempt *attempt, keel_outcome *outcome,
                                 void *ctx)
{
    uint32_t *own = attempt->own;

    (void)outcome;
    (void)ctx;
    ck_assert_ptr_nonnull(own);
    ck_assert_uint_eq(*own, 0);
    *own = attempt->number;
    return attempt->number == 1 && first_fails ? KEEL_FAILED : KEEL_OK;
}

static void note_adopted(void *own, void *ctx)
{
    memcpy(&((uint32_t *)ctx)[0], own, sizeof(uint32_t));
}

static void note_discarded(void *own, void *ctx)
{
    memcpy(&((uint32_t *)ctx)[1], own, sizeof(uint32_t));
}

static const struct {
    const char *disabled;
    bool concurrent, retries;
} places[] = {
    { "KEEL_DISABLED=on", true, false },
    { "KEEL_DISABLED=on", false, false },
    { NULL, false, false },
    { NULL, false, true },
    { NULL, true, true },
};

START_TEST(wherever_it_runs_each_attempt_has_memory_of_its_own)
{
    const char *const environment[] = { places[_i].disabled, NULL };
    const keel_call_options call = { .size = sizeof call, .idempotent = true };
    const keel_run_options options = { .size = sizeof options,
                                       .call = &call,
                                       .concurrent = places[_i].concurrent,
                                       .own_size = sizeof(uint32_t),
                                       .adopt = note_adopted,
                                       .discard = note_discarded };
    uint32_t noted[2] = { 0, 0 };

    first_fails = places[_i].retries;
    opened_init(&o, OPENED_REAL, environment,
                "none; retry.attempts=2; retry.backoff=0s");
    ck_assert_int_eq(keel_run(o.pipeline, fail_at_first, noted, &options, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(noted[0], 1 + places[_i].retries);
    ck_assert_uint_eq(noted[1], places[_i].retries);
    opened_cleanup(&o);
}
END_TEST

START_TEST(without_memory_for_its_own_a_run_says_so)
{
    const keel_run_options options = { .size = sizeof options,
                                       .own_size = sizeof(uint32_t),
                                       .adopt = note_adopted };
    uint32_t noted[2] = { 0, 0 };
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_REAL, NULL, "none; bulkhead=2");
    o.memory.fail_at = atomic_load(&o.memory.calls) + 1;
    ck_assert_int_eq(keel_run(o.pipeline, fail_at_first, noted, &options, &why),
                     KEEL_E_NOMEM);
    ck_assert_int_eq(why.code, KEEL_E_NOMEM);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

SUITE("run", 60, ROWS(wherever_it_runs_each_attempt_has_memory_of_its_own, places),
      ONE(without_memory_for_its_own_a_run_says_so),
      ONE(the_caller_leaves_at_the_timeout_and_the_place_stays_taken_until_fn_returns),
      ONE(ctx_is_released_once_also_after_several_attempts_were_left),
      ONE(ctx_is_released_by_the_caller_when_fn_returned_in_time),
      ONE(a_refused_run_releases_its_ctx_too),
      ONE(a_token_lets_the_caller_leave_and_tells_fn_that_it_is_not_wanted),
      ONE(a_timeout_stays_one_when_fn_gives_up_at_once),
      ONE(a_runtime_with_a_callback_under_way_is_busy_and_works_on),
      ONE(a_callback_that_has_returned_to_its_caller_keeps_nothing_busy),
      ONE(workers_are_used_again_and_take_no_signals),
      ONE(a_detached_callback_may_run_a_detached_callback))
