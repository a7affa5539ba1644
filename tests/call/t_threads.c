/* SPDX-License-Identifier: MIT */
/* Many threads on one pipeline while settings, locks and states change beneath them. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support/opened.h"
#include "support/suite.h"

enum { THREADS = 6, ROUNDS = 4000, PLACES = 3 };

static opened o;
static pthread_barrier_t start;
static _Atomic int inside, most_inside;
static _Atomic unsigned made, failed;
static _Atomic bool over;

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 16) % below;
}

static void attempt_begins(void)
{
    int count = atomic_fetch_add(&inside, 1) + 1;
    int most = most_inside;

    while (count > most && !atomic_compare_exchange_weak(&most_inside, &most, count))
        ;
    made++;
}

static void one_call(uint32_t *seed)
{
    const keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_call call;

    keel_call_begin(&call, o.pipeline, &options);
    while (keel_call_next(&call)) {
        attempt_begins();
        sched_yield();
        atomic_fetch_sub(&inside, 1);
        if (draw(seed, 20) == 0)
            break; /* left without a report */
        keel_call_report(&call, draw(seed, 3) ? KEEL_OK : KEEL_FAILED);
    }
    keel_call_end(&call, NULL);
}

static void one_permit(uint32_t *seed)
{
    keel_permit permit;

    if (keel_permit_take(o.pipeline, &permit, NULL) != KEEL_OK)
        return;
    attempt_begins();
    sched_yield();
    atomic_fetch_sub(&inside, 1);
    keel_permit_end(&permit, draw(seed, 3) ? KEEL_OK : KEEL_CANCELLED);
}

static void *work(void *ctx)
{
    uint32_t seed = *(uint32_t *)ctx;

    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS; i++)
        if (draw(&seed, 2))
            one_call(&seed);
        else
            one_permit(&seed);
    return NULL;
}

/* Until the others are done: everything an operator can do. */
static void *operate(void *ctx)
{
    static const char *const settings[] = {
        "bulkhead.queue=5", "breaker.window=7s; breaker.buckets=7",
        "breaker.window=20calls", "breaker.half_open_permits=5", "retry.attempts=1"
    };
    uint32_t seed = *(uint32_t *)ctx;

    pthread_barrier_wait(&start);
    while (!over) {
        switch (draw(&seed, 6)) {
        case 0:
            failed += keel_pipeline_override(o.pipeline, settings[draw(&seed, 5)],
                                             KEEL_S, NULL) != KEEL_OK;
            break;
        case 1:
            failed += keel_reload(o.rt, NULL) != KEEL_OK;
            break;
        case 2:
            keel_pipeline_transition(o.pipeline, (keel_breaker_state)draw(&seed, 3), 0);
            break;
        case 3:
            keel_pipeline_lock(o.pipeline, (keel_lock)draw(&seed, 5), KEEL_MS);
            break;
        case 4:
            keel_pipeline_reset(o.pipeline);
            break;
        default:
            opened_look(&o);
        }
        vclock_advance(&o.clock, 10 * KEEL_MS);
    }
    return NULL;
}

static const char *const pipelines[] = {
    "none; deadline=60s; timeout=1s; retry.attempts=3; retry.backoff=1ms..5ms; "
    "bulkhead=3; "
    "breaker.open=20ms; breaker.min_calls=5; breaker.window=5s",
    "none; deadline=60s; timeout=1s; retry.attempts=2; retry.backoff=1ms; bulkhead=3; "
    "bulkhead.queue=4; bulkhead.wait=50ms; rate=100000/s; breaker.slow_call=1s; "
    "breaker.open=20ms; breaker.window=50calls; retry.budget=inflight:50%",
};

START_TEST(nothing_is_lost_whatever_is_changed_beneath)
{
    pthread_t threads[THREADS + 1];
    uint32_t seeds[THREADS + 1];

    opened_init(&o, OPENED_VIRTUAL, NULL, pipelines[_i]);
    over = false;
    inside = most_inside = 0;
    made = failed = 0;
    pthread_barrier_init(&start, NULL, THREADS + 1);
    for (uint32_t i = 0; i <= THREADS; i++) {
        seeds[i] = i + 1;
        pthread_create(&threads[i], NULL, i < THREADS ? work : operate, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    over = true;
    pthread_join(threads[THREADS], NULL);
    ck_assert_int_eq(inside, 0);
    ck_assert_uint_gt(made, 0);
    ck_assert_uint_eq(failed, 0);
    ck_assert_int_le(most_inside, PLACES);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).queued, 0);
    opened_cleanup(&o);
    pthread_barrier_destroy(&start);
}
END_TEST

/* ---- probes ------------------------------------------------------------------------------- */

enum { RACES = 300, PERMITS = 2 };

static _Atomic unsigned admitted;

static void *race_for_probes(void *ctx)
{
    keel_permit permit;

    (void)ctx;
    for (int i = 0; i < RACES; i++) {
        bool mine;

        pthread_barrier_wait(&start);
        mine = keel_permit_take(o.pipeline, &permit, NULL) == KEEL_OK;
        admitted += mine;
        pthread_barrier_wait(&start);
        if (mine)
            keel_permit_end(&permit, KEEL_FAILED);
        pthread_barrier_wait(&start);
    }
    return NULL;
}

START_TEST(however_many_race_for_probes_there_are_never_more_than_permits)
{
    pthread_t threads[THREADS];

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; timeout=1h; breaker.open=5s; breaker.half_open_permits=2; "
                "breaker.half_open_max_wait=1h");
    pthread_barrier_init(&start, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, race_for_probes, NULL);
    for (int i = 0; i < RACES; i++) {
        ck_assert_int_eq(
            keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, KEEL_S), KEEL_OK);
        vclock_advance(&o.clock, KEEL_S);
        admitted = 0;
        pthread_barrier_wait(&start);
        pthread_barrier_wait(&start);
        ck_assert_uint_eq(admitted, PERMITS);
        pthread_barrier_wait(&start);
        ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    opened_cleanup(&o);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("threads", 120, ROWS(nothing_is_lost_whatever_is_changed_beneath, pipelines),
      ONE(however_many_race_for_probes_there_are_never_more_than_permits))
