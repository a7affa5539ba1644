/* SPDX-License-Identifier: MIT */
/*
 * Hedging as authors see it: keel_call_poll with several attempts open, and keel_run with
 * copies on workers. When copies are sent, and who wins, is told by the scenarios of
 * tests/tools/scenarios/hedge.stories; random orders are in t_schedules.c.
 */
#include <stdlib.h>
#include <string.h>

#include "support/latch.h"
#include "support/opened.h"
#include "support/pause.h"
#include "support/suite.h"

#define HEDGED                                                                         \
    "none; deadline=1h; timeout=30m; hedge=1ms; hedge.budget=100%; bulkhead=8; "

static opened o;

static const keel_call_options idempotent = { .size = sizeof idempotent,
                                              .idempotent = true };

/* ---- polled calls ---------------------------------------------------------------- */

static keel_call call;

/* A call whose first attempt is slow, and whose copy has been sent. */
static void begin_two(const char *settings)
{
    uint32_t attempt;
    uint64_t wake_at;

    opened_init(&o, OPENED_BY_HAND, NULL, settings);
    keel_call_begin(&call, o.pipeline, &idempotent);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    ck_assert_uint_eq(attempt, 1);
    ck_assert_int_eq(keel_call_poll(&call, NULL, &wake_at), KEEL_STEP_WAIT);
    ck_assert_uint_eq(wake_at, vclock_now(&o.clock) + KEEL_MS);
    vclock_advance(&o.clock, KEEL_MS);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    ck_assert_uint_eq(attempt, 2);
}

static void report(uint32_t attempt, keel_status status)
{
    const keel_outcome outcome = { .size = sizeof outcome, .status = status };

    keel_call_report_attempt(&call, attempt, &outcome);
}

START_TEST(the_loser_is_no_longer_wanted_and_holds_nothing)
{
    begin_two(HEDGED);
    ck_assert(keel_call_attempt_is_open(&call, 1));
    ck_assert(keel_call_attempt_is_open(&call, 2));
    ck_assert(!keel_call_attempt_is_open(&call, 3));
    ck_assert_uint_eq(opened_look(&o).in_flight, 2);
    report(2, KEEL_OK);
    ck_assert(!keel_call_attempt_is_open(&call, 1));
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_int_eq(keel_call_end(&call, &o.why), KEEL_OK);
    ck_assert_uint_eq(o.why.attempts, 2);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).hedges_total, 1);
    ck_assert_uint_eq(opened_look(&o).hedges_won_total, 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_copy_that_loses_has_not_won)
{
    begin_two(HEDGED);
    report(1, KEEL_OK);
    ck_assert(!keel_call_attempt_is_open(&call, 2));
    report(2, KEEL_CANCELLED); /* by its driver, who was not asked to say so */
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).hedges_won_total, 0);
    ck_assert_uint_eq(opened_look(&o).late_results, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(an_attempt_is_reported_once_whatever_a_driver_does)
{
    begin_two(HEDGED);
    report(1, KEEL_FAILED);
    ck_assert(!keel_call_attempt_is_open(&call, 1));
    report(1, KEEL_OK); /* of an attempt that is over: counted, and no more */
    ck_assert_uint_eq(opened_look(&o).late_results, 1);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_WAIT);
    report(0, KEEL_OK); /* the latest one open */
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

static const struct {
    keel_applied first, copy;
    uint32_t last; /* who is the last to fail */
    keel_applied all;
} effects[] = {
    { KEEL_APPLIED_NO, KEEL_APPLIED_NO, 2, KEEL_APPLIED_NO },
    { KEEL_APPLIED_NO, KEEL_APPLIED_UNKNOWN, 2, KEEL_APPLIED_UNKNOWN },
    { KEEL_APPLIED_NO, KEEL_APPLIED_UNKNOWN, 1, KEEL_APPLIED_UNKNOWN },
    { KEEL_APPLIED_UNKNOWN, KEEL_APPLIED_NO, 1, KEEL_APPLIED_UNKNOWN },
    { KEEL_APPLIED_NO, KEEL_APPLIED_YES, 1, KEEL_APPLIED_YES },
    { KEEL_APPLIED_YES, KEEL_APPLIED_UNKNOWN, 2, KEEL_APPLIED_YES },
};

START_TEST(what_a_copy_may_have_done_is_told_of_a_call_that_failed)
{
    keel_outcome outcomes[] = {
        { .size = sizeof *outcomes,
          .status = KEEL_FAILED,
          .applied = effects[_i].first },
        { .size = sizeof *outcomes,
          .status = KEEL_FAILED,
          .applied = effects[_i].copy },
    };
    uint32_t last = effects[_i].last, first = 3 - last;

    begin_two(HEDGED);
    keel_call_report_attempt(&call, first, &outcomes[first - 1]);
    keel_call_report_attempt(&call, last, &outcomes[last - 1]);
    ck_assert_int_eq(keel_call_end(&call, &o.why), KEEL_FAILED);
    ck_assert_int_eq(o.why.applied, effects[_i].all);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_call_ended_early_ends_all_its_attempts)
{
    begin_two(HEDGED);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_IGNORED);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o); /* and nothing is lost of memory */
}
END_TEST

START_TEST(a_token_ends_all_its_attempts)
{
    static keel_cancel token;
    const keel_call_options options = { .size = sizeof options,
                                        .idempotent = true,
                                        .cancel = &token };
    uint32_t attempt;

    opened_init(&o, OPENED_BY_HAND, NULL, HEDGED "hedge=0");
    keel_call_begin(&call, o.pipeline, &options);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    keel_cancel_fire(&token);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ENDED);
    ck_assert(!keel_call_attempt_is_open(&call, 2));
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_CANCELLED);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(without_memory_for_a_copy_a_call_goes_on_alone)
{
    uint32_t attempt;

    opened_init(&o, OPENED_BY_HAND, NULL, HEDGED);
    keel_call_begin(&call, o.pipeline, &idempotent);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    vclock_advance(&o.clock, KEEL_MS);
    o.memory.fail_at = atomic_load(&o.memory.calls) + 1;
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_WAIT);
    report(1, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(one_that_is_itself_a_retry_is_not_multiplied)
{
    const keel_call_options nested = { .size = sizeof nested,
                                       .idempotent = true,
                                       .attempt = 2 };
    uint64_t wake_at;

    opened_init(&o, OPENED_BY_HAND, NULL, HEDGED);
    keel_call_begin(&call, o.pipeline, &nested);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
    ck_assert_int_eq(keel_call_poll(&call, NULL, &wake_at), KEEL_STEP_WAIT);
    ck_assert_uint_eq(wake_at, vclock_now(&o.clock) + 1800 * KEEL_S);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_IGNORED);
    opened_cleanup(&o);
}
END_TEST

static void count_warnings(keel_log_level level, const char *subsystem,
                           const char *message, void *ctx)
{
    unsigned *warnings = ctx;

    (void)subsystem;
    *warnings += level == KEEL_LOG_WARNING && strstr(message, "hedge has no effect");
}

START_TEST(a_loop_that_can_make_one_attempt_at_a_time_is_told_so_once)
{
    unsigned warnings = 0;

    opened_init_with_log(&o, OPENED_VIRTUAL, NULL, HEDGED "hedge=0", count_warnings,
                         &warnings);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(opened_play(&o, "h", &idempotent), KEEL_TIMEOUT);
    ck_assert_uint_eq(opened_look(&o).hedges_total, 0);
    ck_assert_uint_eq(warnings, 1);
    opened_cleanup(&o);
}
END_TEST

/* ---- keel_run on workers ---------------------------------------------------------- */

/* What a run's attempts do, by number, and what became of their own memory. */
typedef struct race {
    latch let_go; /* the first attempt stays until then */
    latch entered, adopted, discarded, released;
    keel_status first, copy;
    _Atomic uint32_t winner; /* whose result was adopted, of the latest run */
} race;

#define RACE_INIT                                                                      \
    {                                                                                  \
        .let_go = LATCH_INIT, .entered = LATCH_INIT, .adopted = LATCH_INIT,            \
        .discarded = LATCH_INIT, .released = LATCH_INIT                                \
    }

static keel_status take_part(const keel_attempt *attempt, keel_outcome *outcome,
                             void *ctx)
{
    race *r = ctx;

    (void)outcome;
    ck_assert_uint_eq(*(uint32_t *)attempt->own, 0);
    memcpy(attempt->own, &attempt->number, sizeof attempt->number);
    latch_hit(&r->entered);
    if (attempt->number != 1)
        return r->copy;
    latch_await(&r->let_go, 1);
    return r->first;
}

static void adopt(void *own, void *ctx)
{
    race *r = ctx;

    atomic_store(&r->winner, *(uint32_t *)own);
    latch_hit(&r->adopted);
}

static void discard(void *own, void *ctx)
{
    race *r = ctx;

    ck_assert_uint_ne(*(uint32_t *)own, 0);
    latch_hit(&r->discarded);
}

static void released(void *ctx)
{
    race *r = ctx;

    latch_hit(&r->released);
}

static keel_status run(race *r, const keel_call_options *options)
{
    const keel_run_options run_options = { .size = sizeof run_options,
                                           .call = options,
                                           .released = released,
                                           .concurrent = true,
                                           .own_size = sizeof(uint32_t),
                                           .adopt = adopt,
                                           .discard = discard };

    o.why = (keel_detail)KEEL_DETAIL_INIT;
    return keel_run(o.pipeline, take_part, r, &run_options, &o.why);
}

START_TEST(a_copy_overtakes_a_callback_that_hangs_and_its_place_stays_taken)
{
    race r = RACE_INIT;

    opened_init(&o, OPENED_REAL, NULL, HEDGED);
    ck_assert_int_eq(run(&r, &idempotent), KEEL_OK);
    ck_assert_uint_eq(o.why.attempts, 2);
    ck_assert_uint_eq(r.winner, 2);
    ck_assert_uint_eq(latch_count(&r.adopted), 1);
    ck_assert_uint_eq(latch_count(&r.discarded), 0);
    ck_assert_uint_eq(opened_look(&o).in_flight, 1); /* it is still at work */
    latch_hit(&r.let_go);
    latch_await(&r.released, 1);
    ck_assert_uint_eq(latch_count(&r.discarded), 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).late_results, 0); /* it lost, and is neutral */
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_copy_that_fails_does_not_beat_one_that_still_runs)
{
    race r = RACE_INIT;

    opened_init(&o, OPENED_REAL, NULL, HEDGED);
    r.copy = KEEL_FAILED;
    latch_hit(&r.let_go); /* whoever is first: it is the first attempt's to win */
    ck_assert_int_eq(run(&r, &idempotent), KEEL_OK);
    ck_assert_uint_eq(r.winner, 1);
    opened_cleanup(&o);
    ck_assert_uint_eq(latch_count(&r.released), 1);
    ck_assert_uint_eq(latch_count(&r.discarded) + 1, latch_count(&r.entered));
}
END_TEST

START_TEST(where_all_fail_nothing_is_adopted)
{
    race r = RACE_INIT;

    opened_init(&o, OPENED_REAL, NULL, HEDGED "timeout=20ms");
    r.copy = KEEL_FAILED;
    ck_assert_int_eq(run(&r, &idempotent), KEEL_TIMEOUT); /* the first one's end */
    latch_hit(&r.let_go);
    latch_await(&r.released, 1);
    ck_assert_uint_eq(latch_count(&r.adopted), 0);
    ck_assert_uint_eq(latch_count(&r.discarded), 2);
    opened_cleanup(&o);
}
END_TEST

static keel_status hang(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    race *r = ctx;

    (void)attempt;
    (void)outcome;
    latch_hit(&r->entered);
    latch_await(&r->let_go, 1);
    return KEEL_FAILED;
}

START_TEST(at_the_deadline_all_that_still_run_keep_their_places)
{
    race r = RACE_INIT;
    const keel_run_options options = { .size = sizeof options,
                                       .call = &idempotent,
                                       .released = released,
                                       .concurrent = true };

    opened_init(&o, OPENED_REAL, NULL,
                "none; deadline=1s; hedge=1ms; hedge.budget=100%; bulkhead=8");
    ck_assert_int_eq(keel_run(o.pipeline, hang, &r, &options, &o.why), KEEL_DEADLINE);
    ck_assert_uint_eq(o.why.attempts, 2);
    ck_assert_uint_eq(opened_look(&o).in_flight, 2);
    latch_hit(&r.let_go);
    latch_await(&r.released, 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).late_results, 2);
    opened_cleanup(&o);
}
END_TEST

/* Without a size nobody can read it. */
static keel_status tell_unreadably(const keel_attempt *attempt, keel_outcome *outcome,
                                   void *ctx)
{
    race *r = ctx;

    if (attempt->number == 1)
        latch_await(&r->let_go, 1);
    else
        *outcome = (keel_outcome){ .status = KEEL_FAILED };
    return KEEL_OK;
}

START_TEST(an_outcome_that_cannot_be_read_ends_the_call_and_frees_no_place_in_use)
{
    race r = RACE_INIT;
    const keel_run_options options = { .size = sizeof options,
                                       .call = &idempotent,
                                       .released = released,
                                       .concurrent = true };

    opened_init(&o, OPENED_REAL, NULL, HEDGED);
    ck_assert_int_eq(keel_run(o.pipeline, tell_unreadably, &r, &options, &o.why),
                     KEEL_E_ARGUMENT);
    ck_assert_uint_eq(opened_look(&o).in_flight, 1);
    latch_hit(&r.let_go);
    latch_await(&r.released, 1);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(what_may_not_be_repeated_is_run_once)
{
    race r = RACE_INIT;

    opened_init(&o, OPENED_REAL, NULL, HEDGED "timeout=20ms");
    ck_assert_int_eq(run(&r, NULL), KEEL_TIMEOUT);
    latch_hit(&r.let_go);
    latch_await(&r.released, 1);
    ck_assert_uint_eq(latch_count(&r.entered), 1);
    opened_cleanup(&o);
}
END_TEST

enum { THREADS = 4, RUNS = 200 };

static keel_status be_random(const keel_attempt *attempt, keel_outcome *outcome,
                             void *ctx)
{
    uint32_t *seed = attempt->own;

    (void)outcome;
    (void)ctx;
    *seed = attempt->number * 2654435761u + (uint32_t)(uintptr_t)seed;
    pause_ns((*seed >> 16) * 4); /* up to a quarter of a millisecond */
    return *seed >> 8 & 3 ? KEEL_OK : KEEL_FAILED;
}

static void *run_many(void *ctx)
{
    race *r = ctx;
    const keel_run_options options = { .size = sizeof options,
                                       .call = &idempotent,
                                       .released = released,
                                       .concurrent = true,
                                       .own_size = sizeof(uint32_t),
                                       .adopt = adopt,
                                       .discard = discard };
    unsigned *well = malloc(sizeof *well);

    *well = 0;
    for (int i = 0; i < RUNS; i++)
        *well += keel_run(o.pipeline, be_random, r, &options, NULL) == KEEL_OK;
    return well;
}

START_TEST(each_run_adopts_one_result_and_lets_all_others_go)
{
    race r = RACE_INIT;
    pthread_t threads[THREADS];
    unsigned well = 0;
    keel_pipeline_stats stats;

    opened_init(&o, OPENED_REAL, NULL,
                "none; deadline=1h; timeout=30m; hedge=0; hedge.max=2; "
                "hedge.budget=100%; bulkhead=64");
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_many, &r), 0);
    for (int i = 0; i < THREADS; i++) {
        void *own;

        pthread_join(threads[i], &own);
        well += *(unsigned *)own;
        free(own);
    }
    latch_await(&r.released, THREADS * RUNS);
    stats = opened_look(&o);
    ck_assert_uint_eq(stats.in_flight, 0);
    ck_assert_uint_gt(stats.hedges_total, 0);
    ck_assert_uint_eq(latch_count(&r.adopted), well);
    ck_assert_uint_eq(latch_count(&r.adopted) + latch_count(&r.discarded),
                      THREADS * RUNS + stats.hedges_total);
    opened_cleanup(&o);
    ck_assert_uint_eq(latch_count(&r.released), THREADS * RUNS);
}
END_TEST

SUITE("hedge", 60, ONE(the_loser_is_no_longer_wanted_and_holds_nothing),
      ONE(a_copy_that_loses_has_not_won),
      ONE(an_attempt_is_reported_once_whatever_a_driver_does),
      ROWS(what_a_copy_may_have_done_is_told_of_a_call_that_failed, effects),
      ONE(a_call_ended_early_ends_all_its_attempts), ONE(a_token_ends_all_its_attempts),
      ONE(without_memory_for_a_copy_a_call_goes_on_alone),
      ONE(one_that_is_itself_a_retry_is_not_multiplied),
      ONE(a_loop_that_can_make_one_attempt_at_a_time_is_told_so_once),
      ONE(a_copy_overtakes_a_callback_that_hangs_and_its_place_stays_taken),
      ONE(a_copy_that_fails_does_not_beat_one_that_still_runs),
      ONE(where_all_fail_nothing_is_adopted),
      ONE(at_the_deadline_all_that_still_run_keep_their_places),
      ONE(an_outcome_that_cannot_be_read_ends_the_call_and_frees_no_place_in_use),
      ONE(what_may_not_be_repeated_is_run_once),
      ONE(each_run_adopts_one_result_and_lets_all_others_go))
