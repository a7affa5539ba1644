/* SPDX-License-Identifier: MIT */
/* Client-side throttling by itself: its formula, its window, its short cut. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/throttle.h"
#include "support/suite.h"

enum { LINES = 8, WORDS = 64 };

static keel_stripe_line lines[LINES];
static _Alignas(64) uint64_t words[WORDS];
static keel_throttle throttle;
static keel_policy policy;
static uint64_t now;
static double fixed_draw;
static unsigned draws;

static double draw(void *ctx)
{
    (void)ctx;
    draws++;
    return fixed_draw;
}

static const keel_random source = { draw, NULL };

static void begin(double k, uint32_t min_calls)
{
    policy = (keel_policy){ .throttle = true,
                            .throttle_k = k,
                            .throttle_window_ns = 60 * KEEL_S,
                            .throttle_min_calls = min_calls };
    memset(words, 0, sizeof words);
    memset(lines, 0, sizeof lines);
    ck_assert_uint_le(keel_throttle_size(), sizeof words);
    keel_throttle_init(&throttle, (keel_throttle_words *)words, lines, LINES, &policy);
    now = 6000 * KEEL_S;
    fixed_draw = 0.5;
    draws = 0;
}

static void end(unsigned accepted, unsigned failed)
{
    for (unsigned i = 0; i < accepted; i++)
        keel_throttle_count(&throttle, true, now);
    for (unsigned i = 0; i < failed; i++)
        keel_throttle_count(&throttle, false, now);
}

static double chance(void)
{
    return keel_throttle_chance(&throttle, &policy, now);
}

static bool refuses(void)
{
    return keel_throttle_refuses(&throttle, &policy, now, &source);
}

static const struct {
    const char *why;
    uint64_t requests, accepts;
    double k, chance;
} formulas[] = {
    { "nothing asked", 0, 0, 2, 0 },
    { "all accepted", 100, 100, 2, 0 },
    { "half accepted: just as many as k lets through", 100, 50, 2, 0 },
    { "one fewer", 100, 49, 2, 2 / 101.0 },
    { "a quarter", 100, 25, 2, 50 / 101.0 },
    { "none: nine of ten", 100, 0, 2, 0.9 },
    { "none of one: a half, which is why there is min_calls", 1, 0, 2, 0.5 },
    { "a smaller k refuses sooner", 100, 50, 1.1, 45 / 101.0 },
    { "a k of 1 refuses all that is not accepted", 100, 90, 1, 10 / 101.0 },
    { "a large k hardly ever", 100, 11, 10, 0 },
    { "many", 4000000000, 1000000000, 2, 0.5 },
};

START_TEST(the_chance_follows_the_formula)
{
    double is = keel_throttle_formula(formulas[_i].requests, formulas[_i].accepts,
                                      formulas[_i].k);

    ck_assert_msg(fabs(is - formulas[_i].chance) < 1e-9, "%s: %f", formulas[_i].why,
                  is);
}
END_TEST

START_TEST(below_min_calls_nobody_is_refused_and_nothing_drawn)
{
    begin(2, 20);
    end(0, 19);
    ck_assert_double_eq(chance(), 0);
    ck_assert(!refuses());
    ck_assert_uint_eq(draws, 0);
    end(0, 1);
    ck_assert_double_eq(chance(), 0.9);
    ck_assert(refuses());
    ck_assert_uint_eq(draws, 1);
}
END_TEST

START_TEST(a_call_is_refused_when_its_draw_is_below_the_chance)
{
    begin(2, 20);
    end(25, 75);
    fixed_draw = 50 / 101.0 - 1e-9;
    ck_assert(refuses());
    fixed_draw = 50 / 101.0;
    ck_assert(!refuses());
}
END_TEST

/* While it goes well nothing is summed up; that must never hide what has changed. */
START_TEST(the_short_cut_is_taken_only_while_the_chance_is_0)
{
    begin(2, 20);
    end(20, 0);
    ck_assert(!refuses());
    end(0, 20); /* 20 of 40: still as many as k lets through */
    ck_assert(!refuses());
    ck_assert_uint_eq(draws, 0);
    end(0, 1);
    fixed_draw = 1 / 42.0 - 1e-9;
    ck_assert(refuses());
}
END_TEST

START_TEST(the_short_cut_ends_with_its_bucket)
{
    begin(2, 20);
    end(30, 0);
    now += 30 * KEEL_S;
    end(0, 30);
    ck_assert(!refuses());
    now += 30 * KEEL_S; /* what was accepted leaves the window */
    ck_assert_double_eq(chance(), 0.9);
    ck_assert(refuses());
}
END_TEST

START_TEST(what_is_older_than_the_window_is_forgotten)
{
    begin(2, 20);
    end(0, 100);
    now += 57 * KEEL_S;
    ck_assert_double_eq(chance(), 0.9);
    now += 3 * KEEL_S;
    ck_assert_double_eq(chance(), 0);
    ck_assert(!refuses());
}
END_TEST

START_TEST(other_settings_hold_with_the_next_call)
{
    begin(2, 20);
    end(60, 40);
    ck_assert(!refuses());
    policy.throttle_k = 1;
    keel_throttle_look_again(&throttle);
    fixed_draw = 0.39;
    ck_assert(refuses());
}
END_TEST

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A draw of 0 is refused whenever there is a chance: so both say the same, or one lies. */
START_TEST(on_any_schedule_the_short_cut_agrees_with_the_sum)
{
    uint64_t seed = 20261121;

    begin(1 + _i * 0.5, 20);
    fixed_draw = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 20000; i++) {
        bool accepted = next(&seed) % 100 < (next(&seed) % 2000 < 1000 ? 90 : 30);

        keel_throttle_count(&throttle, accepted, now);
        now += next(&seed) % (KEEL_S / 2);
        if (next(&seed) % 500 == 0)
            now += next(&seed) % 100 * KEEL_S;
        ck_assert_int_eq(refuses(), chance() > 0);
    }
}
END_TEST

enum { THREADS = 4, ROUNDS = 10000 };

static pthread_barrier_t start;

static double draw_own(void *ctx)
{
    return (double)next(ctx) / (double)((uint64_t)1 << 31);
}

static void *hammer(void *ctx)
{
    const keel_random own = { draw_own, ctx };

    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS; i++) {
        bool refused = keel_throttle_refuses(&throttle, &policy, now, &own);

        keel_throttle_count(&throttle, !refused && i % 4 == 0, now);
    }
    return NULL;
}

START_TEST(threads_together_lose_no_call)
{
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS] = { 1, 2, 3, 4 };

    begin(2, 20);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hammer, &seeds[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(keel_window_sum(&throttle.window, 0, now).total,
                      THREADS * ROUNDS);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("throttle", 30, ROWS(the_chance_follows_the_formula, formulas),
      ONE(below_min_calls_nobody_is_refused_and_nothing_drawn),
      ONE(a_call_is_refused_when_its_draw_is_below_the_chance),
      ONE(the_short_cut_is_taken_only_while_the_chance_is_0),
      ONE(the_short_cut_ends_with_its_bucket),
      ONE(what_is_older_than_the_window_is_forgotten),
      ONE(other_settings_hold_with_the_next_call),
      { on_any_schedule_the_short_cut_agrees_with_the_sum, 4 },
      ONE(threads_together_lose_no_call))
