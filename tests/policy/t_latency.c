/* SPDX-License-Identifier: MIT */
/*
 * What is known of durations: how exact it is on several distributions, how it ages,
 * and that threads lose nothing. KEEL_SEED=n draws other durations.
 */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/latency.h"
#include "support/suite.h"

enum { DRAWS = 20000, THREADS = 4, ROUNDS = 2000 };

#define HALF_LIFE KEEL_LATENCY_HALF_LIFE_NS
#define WEIGHT ((uint64_t)64) /* of one duration */

static keel_latency_words words;
static uint64_t now = 1000 * HALF_LIFE, seed, state;
static pthread_barrier_t barrier;

static void begin(void)
{
    const char *given = getenv("KEEL_SEED");

    memset(&words, 0, sizeof words);
    seed = state = given ? strtoull(given, NULL, 10) : 1;
}

static double draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 33) + 0.5) / 0x1p31;
}

static void record(uint64_t ns, unsigned times)
{
    while (times--)
        keel_latency_record(&words, ns, now);
}

static bool quantile(uint32_t ppm, uint64_t *ns)
{
    return keel_latency_quantile(&words, ppm, now, ns);
}

static uint64_t known(uint32_t ppm)
{
    uint64_t ns;

    ck_assert(quantile(ppm, &ns));
    return ns;
}

static double off(uint64_t told, uint64_t real)
{
    return fabs((double)told - (double)real) / (double)real;
}

/* ---- how exact ----------------------------------------------------------------- */

static double uniform(void)
{
    return 1e6 + 9e6 * draw();
}

static double exponential(void)
{
    return 20e3 - 5e6 * log(draw());
}

static double lognormal(void)
{
    double normal = sqrt(-2 * log(draw())) * cos(2 * acos(-1) * draw());

    return 8e6 * exp(0.8 * normal);
}

static double pareto(void)
{
    return 2e5 / pow(draw(), 1 / 1.5);
}

static double stalling(void)
{
    return draw() < 0.02 ? 1e9 : 3e6 + 1e5 * draw();
}

static double constant(void)
{
    return 4718593;
}

typedef struct distribution {
    double (*next)(void);
    const char *why;
} distribution;

static const distribution distributions[] = {
    { uniform, "no tail" },
    { exponential, "a queue" },
    { lognormal, "what services look like" },
    { pareto, "a heavy tail" },
    { stalling, "one of fifty takes a second" },
    { constant, "one duration alone, near the edge of a cell" },
};

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

START_TEST(a_quantile_is_the_real_one_within_5_percent)
{
    static const uint32_t asked[] = { 500000, 900000, 950000, 990000, 999000 };
    static uint64_t all[DRAWS];

    begin();
    for (size_t i = 0; i < DRAWS; i++) {
        all[i] = (uint64_t)distributions[_i].next();
        record(all[i], 1);
    }
    qsort(all, DRAWS, sizeof all[0], by_size);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        uint64_t real = all[(uint64_t)asked[i] * DRAWS / 1000000 - 1];
        uint64_t told = known(asked[i]);

        ck_assert_msg(off(told, real) <= 0.045,
                      "KEEL_SEED=%" PRIu64 ", %s: %u ppm is %" PRIu64 ", not %" PRIu64,
                      seed, distributions[_i].why, asked[i], real, told);
    }
}
END_TEST

START_TEST(no_duration_lies_where_it_is_told_worse)
{
    for (double ns = 4097; ns < 0x1p36; ns *= 1.003) {
        begin();
        record((uint64_t)ns, KEEL_LATENCY_LEAST);
        ck_assert_msg(off(known(500000), (uint64_t)ns) <= 0.045, "%.0f ns is %" PRIu64,
                      ns, known(500000));
    }
}
END_TEST

START_TEST(beyond_its_ends_it_tells_the_ends)
{
    begin();
    record(0, KEEL_LATENCY_LEAST);
    record(UINT64_MAX, KEEL_LATENCY_LEAST);
    ck_assert(off(known(0), 4 * 1000) < 0.08);
    ck_assert_uint_eq(known(500000), known(0));
    ck_assert(off(known(500001), 69 * KEEL_S) < 0.08);
    ck_assert_uint_eq(known(UINT32_MAX), known(500001));
}
END_TEST

START_TEST(of_fewer_than_fifty_nothing_is_known)
{
    uint64_t ns = 7;

    begin();
    ck_assert(!quantile(500000, &ns));
    ck_assert_uint_eq(ns, 0);
    record(KEEL_MS, 49);
    ck_assert(!quantile(500000, &ns));
    record(KEEL_MS, 1);
    ck_assert(quantile(500000, &ns));
}
END_TEST

/* ---- how it ages --------------------------------------------------------------- */

START_TEST(a_half_life_later_it_counts_half)
{
    begin();
    record(10 * KEEL_MS, 1000);
    now += HALF_LIFE;
    record(100 * KEEL_MS, 499);
    ck_assert(off(known(500000), 10 * KEEL_MS) < 0.05);
    record(100 * KEEL_MS, 2);
    ck_assert(off(known(500000), 100 * KEEL_MS) < 0.05);
}
END_TEST

START_TEST(single_durations_of_a_tail_age_like_all_others)
{
    begin();
    record(10 * KEEL_MS, 500);
    for (uint64_t ms = 100; ms < 2000; ms *= 2)
        record(ms * KEEL_MS, 2); /* five cells: 2 % */
    now += 3 * HALF_LIFE;
    ck_assert(off(known(980000), 10 * KEEL_MS) < 0.05);
    ck_assert(off(known(985000), 200 * KEEL_MS) < 0.05);
}
END_TEST

START_TEST(what_is_not_renewed_is_not_known_for_ever)
{
    uint64_t ns;

    begin();
    record(KEEL_MS, 100);
    now += HALF_LIFE;
    ck_assert(quantile(500000, &ns));
    now += HALF_LIFE;
    ck_assert(!quantile(500000, &ns));
    now += 30 * HALF_LIFE; /* 32 in all, which no shift of 32 bits is defined for */
    ck_assert(!quantile(500000, &ns));
    record(KEEL_MS, 49);
    ck_assert(!quantile(500000, &ns));
}
END_TEST

START_TEST(a_clock_that_is_behind_adds_to_what_is_there)
{
    begin();
    record(KEEL_MS, 25);
    now -= KEEL_MS; /* into the epoch before */
    record(KEEL_MS, 25);
    ck_assert_uint_gt(known(500000), 0);
    now += KEEL_MS;
    ck_assert_uint_gt(known(500000), 0);
}
END_TEST

START_TEST(a_word_of_no_clock_of_ours_is_not_believed)
{
    uint64_t ns;

    begin();
    for (size_t i = 0; i < KEEL_LATENCY_CELLS; i++)
        words.cells[i] = UINT64_MAX - 1;
    ck_assert(!quantile(500000, &ns));
    record(KEEL_MS, 50);
    ck_assert(off(known(500000), KEEL_MS) < 0.05);
}
END_TEST

START_TEST(a_full_cell_stays_full)
{
    begin();
    record(KEEL_MS, 1);
    for (size_t i = 0; i < KEEL_LATENCY_CELLS; i++)
        if (words.cells[i])
            words.cells[i] |= UINT32_MAX;
    record(KEEL_MS, 1000);
    record(KEEL_S, 2000);
    ck_assert(off(known(500000), KEEL_MS) < 0.05);
    now -= HALF_LIFE; /* somebody whose clock is behind */
    record(KEEL_MS, 2);
    ck_assert(off(known(500000), KEEL_MS) < 0.05);
    now += 2 * HALF_LIFE;
    record(KEEL_MS, 1000);
    ck_assert(off(known(500000), KEEL_MS) < 0.05);
}
END_TEST

/* ---- threads ------------------------------------------------------------------- */

/* Each round begins an epoch, and all threads meet in the same two cells. */
static void *record_often(void *ctx)
{
    uint64_t at = now;

    (void)ctx;
    for (int i = 0; i < ROUNDS; i++, at += HALF_LIFE) {
        pthread_barrier_wait(&barrier);
        keel_latency_record(&words, KEEL_MS, at);
        keel_latency_record(&words, KEEL_S, at);
    }
    return NULL;
}

START_TEST(threads_that_begin_an_epoch_together_lose_nothing)
{
    pthread_t threads[THREADS];
    uint64_t weight = 0;

    begin();
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, record_often, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < ROUNDS; i++)
        weight = weight / 2 + THREADS * WEIGHT;
    for (size_t i = 0; i < KEEL_LATENCY_CELLS; i++)
        if (words.cells[i])
            ck_assert_uint_eq((uint32_t)words.cells[i], weight);
}
END_TEST

SUITE("latency", 30, ROWS(a_quantile_is_the_real_one_within_5_percent, distributions),
      ONE(no_duration_lies_where_it_is_told_worse),
      ONE(beyond_its_ends_it_tells_the_ends), ONE(of_fewer_than_fifty_nothing_is_known),
      ONE(a_half_life_later_it_counts_half),
      ONE(single_durations_of_a_tail_age_like_all_others),
      ONE(what_is_not_renewed_is_not_known_for_ever),
      ONE(a_clock_that_is_behind_adds_to_what_is_there),
      ONE(a_word_of_no_clock_of_ours_is_not_believed), ONE(a_full_cell_stays_full),
      ONE(threads_that_begin_an_epoch_together_lose_nothing))
