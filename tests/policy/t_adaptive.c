/* SPDX-License-Identifier: MIT */
/*
 * The adaptive limit by itself: its rules at numbers worked out by hand, its windows at
 * their edges. How a service fares with it is in tests/call/t_overload.c.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "policy/adaptive.h"
#include "support/suite.h"

#define MS ((double)KEEL_MS)

static keel_adaptive_words words;
static keel_adaptive adaptive;
static keel_policy policy;
static uint64_t now;
static uint64_t seed;

static double draw(void *ctx)
{
    uint64_t *state = ctx;

    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static const keel_random source = { draw, &seed };

static void begin(keel_algorithm algorithm, uint32_t least, uint32_t most,
                  uint32_t initial)
{
    policy = (keel_policy){ .adaptive = algorithm,
                            .adaptive_min = least,
                            .adaptive_max = most,
                            .adaptive_initial = initial,
                            .timeout_ns = KEEL_S };
    memset(&words, 0, sizeof words);
    now = 1000 * KEEL_S;
    seed = 20261121;
    keel_adaptive_init(&adaptive, &words, &policy);
    ck_assert(!keel_adaptive_turn(&adaptive, now, &source)); /* the first window */
}

static void answer(unsigned count, uint64_t duration_ns, uint64_t in_flight)
{
    for (unsigned i = 0; i < count; i++)
        keel_adaptive_answered(&adaptive, duration_ns, in_flight);
}

static void drop(unsigned count, uint64_t in_flight)
{
    for (unsigned i = 0; i < count; i++)
        keel_adaptive_dropped(&adaptive, in_flight);
}

/* A second later. True: the window was over. */
static bool turn(void)
{
    now += KEEL_S;
    return keel_adaptive_turn(&adaptive, now, &source);
}

static uint32_t limit(void)
{
    return keel_adaptive_limit(&adaptive);
}

/* ---- the rules ------------------------------------------------------------------- */

static const struct {
    const char *why;
    double limit, long_ms, short_ms, next;
} gradients[] = {
    { "as quick as ever: only the queue of 4 comes on top", 100, 20, 20, 100.8 },
    { "three times as long: half, smoothed", 100, 20, 60, 90.8 },
    { "half as long again is no overload yet", 100, 20, 30, 100.8 },
    { "twice as long: 1.5 / 2", 100, 20, 40, 95.8 },
    { "no gradient is below a half", 100, 20, 6000, 90.8 },
    { "quicker than ever is not more than as quick", 100, 20, 1, 100.8 },
};

START_TEST(gradient2_follows_its_formula)
{
    double next = keel_gradient2(gradients[_i].limit, gradients[_i].long_ms * MS,
                                 gradients[_i].short_ms * MS);

    ck_assert_msg(fabs(next - gradients[_i].next) < 1e-9, "%s: %f", gradients[_i].why,
                  next);
}
END_TEST

static const struct {
    const char *why;
    keel_algorithm algorithm;
    uint64_t in_flight;
    bool dropped;
    double rtt_ms; /* the window's; before it 20 */
    double limit, next;
} rules[] = {
    { "used by 80 of 100", KEEL_ALGORITHM_GRADIENT2, 80, false, 20, 100, 100.8 },
    { "used by 40: nobody knows", KEEL_ALGORITHM_GRADIENT2, 40, false, 20, 100, 100 },
    { "by 40, and slow", KEEL_ALGORITHM_GRADIENT2, 40, false, 60, 100, 100 },
    { "dropped", KEEL_ALGORITHM_GRADIENT2, 80, true, 0, 100, 90.8 },
    { "dropped though hardly used", KEEL_ALGORITHM_GRADIENT2, 4, true, 0, 100, 90.8 },
    { "one more", KEEL_ALGORITHM_AIMD, 10, false, 20, 20, 21 },
    { "however slow", KEEL_ALGORITHM_AIMD, 10, false, 900, 20, 21 },
    { "hardly used", KEEL_ALGORITHM_AIMD, 9, false, 20, 20, 20 },
    { "a tenth less", KEEL_ALGORITHM_AIMD, 20, true, 20, 20, 18 },
    { "rounded down", KEEL_ALGORITHM_AIMD, 15, true, 20, 15, 13 },
    { "no queue: by beta, 6 log10", KEEL_ALGORITHM_VEGAS, 80, false, 20, 100, 112 },
    { "a queue of 2, the threshold", KEEL_ALGORITHM_VEGAS, 80, false, 20.4, 100, 112 },
    { "of 3, below alpha", KEEL_ALGORITHM_VEGAS, 80, false, 20.6, 100, 102 },
    { "of 6, alpha", KEEL_ALGORITHM_VEGAS, 80, false, 21.2, 100, 100 },
    { "of 12, beta", KEEL_ALGORITHM_VEGAS, 80, false, 22.7, 100, 100 },
    { "of 13, beyond beta", KEEL_ALGORITHM_VEGAS, 80, false, 22.95, 100, 98 },
    { "hardly used, whatever queues", KEEL_ALGORITHM_VEGAS, 40, false, 60, 100, 100 },
    { "a step is 1 at least", KEEL_ALGORITHM_VEGAS, 4, false, 20, 4, 10 },
    { "dropped", KEEL_ALGORITHM_VEGAS, 80, true, 20, 100, 90 },
    { "neither answer nor drop", KEEL_ALGORITHM_VEGAS, 80, false, 0, 100, 100 },
};

START_TEST(each_rule_moves_its_limit_by_one_window)
{
    keel_adaptive_state state = { .limit = rules[_i].limit,
                                  .rtt_ns = 20 * MS,
                                  .windows = 100 };
    const keel_adaptive_sample sample = { .rtt_ns = rules[_i].rtt_ms * MS,
                                          .in_flight = rules[_i].in_flight,
                                          .dropped = rules[_i].dropped };
    double next = keel_adaptive_rule(rules[_i].algorithm, &state, &sample, &source);

    ck_assert_msg(fabs(next - rules[_i].next) < 1e-6, "%s: %f", rules[_i].why, next);
}
END_TEST

START_TEST(how_many_of_vegas_attempts_wait_follows_from_two_times)
{
    ck_assert_double_eq(keel_vegas_queue(100, 20 * MS, 20 * MS), 0);
    ck_assert_double_eq(keel_vegas_queue(100, 20 * MS, 25 * MS), 20);
    ck_assert_double_eq(keel_vegas_queue(100, 20 * MS, 20.1 * MS), 1);
    ck_assert_double_eq(keel_vegas_queue(10, 20 * MS, 80 * MS), 8);
}
END_TEST

START_TEST(gradient2_begins_with_a_plain_mean_and_forgets_slowness_by_and_by)
{
    keel_adaptive_state state = { .limit = 100 };
    keel_adaptive_sample sample = { .in_flight = 80 };

    for (int i = 1; i <= 10; i++) { /* 10, 20 … 100 ms */
        sample.rtt_ns = 10 * i * MS;
        keel_adaptive_rule(KEEL_ALGORITHM_GRADIENT2, &state, &sample, &source);
    }
    ck_assert_double_eq_tol(state.rtt_ns, 55 * MS, 1);
    sample.rtt_ns = 55 * MS + 601 / 2.0 * MS; /* two parts of 601 from now on */
    keel_adaptive_rule(KEEL_ALGORITHM_GRADIENT2, &state, &sample, &source);
    ck_assert_double_eq_tol(state.rtt_ns, 56 * MS, 1);
    sample.rtt_ns = 10 * MS; /* more than twice as long: a twentieth less each time */
    keel_adaptive_rule(KEEL_ALGORITHM_GRADIENT2, &state, &sample, &source);
    ck_assert_double_eq_tol(state.rtt_ns, (56 - 46 * 2 / 601.0) * 0.95 * MS, 1);
}
END_TEST

START_TEST(vegas_measures_its_least_time_anew_now_and_then)
{
    keel_adaptive_state state = { .limit = 10 };
    keel_adaptive_sample sample = { .rtt_ns = 20 * MS, .in_flight = 10 };

    keel_adaptive_rule(KEEL_ALGORITHM_VEGAS, &state, &sample, &source);
    ck_assert_double_eq(state.rtt_ns, 20 * MS);
    for (int times = 0; times < 3; times++) {
        int windows = 0;

        sample.rtt_ns += 10 * MS; /* slower for good */
        while (state.rtt_ns < sample.rtt_ns && windows < 400) {
            keel_adaptive_rule(KEEL_ALGORITHM_VEGAS, &state, &sample, &source);
            windows++;
        }
        ck_assert_int_ge(windows,
                         150); /* 30 for each of 10, half of them at the least */
        ck_assert_int_le(windows, 301);
    }
}
END_TEST

/* ---- windows --------------------------------------------------------------------- */

START_TEST(a_window_is_a_second_and_ten_attempts_at_least)
{
    begin(KEEL_ALGORITHM_AIMD, 1, 100, 20);
    answer(10, 20 * KEEL_MS, 20);
    ck_assert(!keel_adaptive_is_due(&adaptive, now + KEEL_S - 1));
    ck_assert(!keel_adaptive_turn(&adaptive, now + KEEL_S - 1, &source));
    ck_assert_uint_eq(limit(), 20);
    ck_assert(keel_adaptive_is_due(&adaptive, now + KEEL_S));
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 21);

    answer(9, 20 * KEEL_MS, 21);
    ck_assert(!turn());
    ck_assert(!turn());
    drop(1, 21); /* one that was dropped is one, too: the tenth */
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 18);
}
END_TEST

static const struct {
    const char *why;
    unsigned answered, dropped;
    uint32_t limit; /* of 20, by aimd */
} drops[] = {
    { "none", 100, 0, 21 },
    { "one of a hundred is noise", 99, 1, 21 },
    { "nine of a hundred", 91, 9, 21 },
    { "ten of a hundred", 90, 10, 18 },
    { "one of ten", 9, 1, 18 },
    { "all", 0, 10, 18 },
};

START_TEST(a_tenth_that_is_dropped_makes_a_dropped_window)
{
    begin(KEEL_ALGORITHM_AIMD, 1, 100, 20);
    answer(drops[_i].answered, 20 * KEEL_MS, 20);
    drop(drops[_i].dropped, 20);
    ck_assert(turn());
    ck_assert_msg(limit() == drops[_i].limit, "%s: %u", drops[_i].why, limit());
}
END_TEST

START_TEST(each_window_stands_for_itself)
{
    begin(KEEL_ALGORITHM_AIMD, 1, 100, 20);
    drop(50, 20);
    answer(50, 20 * KEEL_MS, 20);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 18);
    answer(50, 20 * KEEL_MS,
           8); /* neither the drops nor the 20 at once count any more */
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 18);
    answer(50, 20 * KEEL_MS, 9);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 19);
}
END_TEST

START_TEST(what_is_below_100_us_is_noise)
{
    begin(KEEL_ALGORITHM_GRADIENT2, 1, 100, 20);
    for (int i = 0; i < 20; i++) {
        answer(20, 5 * KEEL_MS / 1000, 20);
        ck_assert(turn());
    }
    for (uint32_t before = limit(), i = 0; i < 5; i++) { /* twenty times as long */
        answer(20, 99 * KEEL_MS / 1000, 36);
        ck_assert(turn());
        ck_assert_uint_ge(limit(), before);
        before = limit();
    }
}
END_TEST

START_TEST(an_answer_later_than_the_timeout_was_dropped_for_aimd_alone)
{
    begin(KEEL_ALGORITHM_AIMD, 1, 100, 20);
    answer(10, KEEL_S + 1, 20);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 18);
    policy.timeout_ns = 0; /* 5 s then */
    keel_adaptive_init(&adaptive, &words, &policy);
    answer(10, 5 * KEEL_S, 20);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 19);
    answer(10, 5 * KEEL_S + 1, 20);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 17);

    begin(KEEL_ALGORITHM_GRADIENT2, 1, 100, 20);
    answer(10, 2 * KEEL_S, 20);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 20); /* 20.8 */
}
END_TEST

START_TEST(more_attempts_than_a_window_has_room_for_are_left_out)
{
    begin(KEEL_ALGORITHM_GRADIENT2, 1, 100, 20);
    for (int i = 0; i < 10; i++) {
        answer(70000, 20 * KEEL_MS, 20);
        ck_assert(turn());
        ck_assert_uint_eq(words.windows, (unsigned)i + 1);
    }
    ck_assert_uint_eq(limit(), 28); /* 20 + 10 * 0.8: always the same time */
}
END_TEST

static const keel_algorithm algorithms[] = { KEEL_ALGORITHM_AIMD, KEEL_ALGORITHM_VEGAS,
                                             KEEL_ALGORITHM_GRADIENT2 };

START_TEST(no_schedule_moves_a_limit_out_of_its_bounds)
{
    const uint64_t durations[] = { 0,           1,         30 * KEEL_MS, 900 * KEEL_MS,
                                   20 * KEEL_S, UINT64_MAX };

    begin(algorithms[_i], 3, 40, 16);
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 20000; i++) {
        unsigned count = (unsigned)(draw(&seed) * 30);
        uint64_t duration = durations[(unsigned)(draw(&seed) * 6)];
        uint64_t in_flight = (uint64_t)(draw(&seed) * 80);

        if (draw(&seed) < 0.3)
            drop(count, draw(&seed) < 0.1 ? UINT64_MAX : in_flight);
        else
            answer(count, duration, in_flight);
        now += (uint64_t)(draw(&seed) * 2 * (double)KEEL_S);
        keel_adaptive_turn(&adaptive, now, &source);
        ck_assert_uint_ge(limit(), 3);
        ck_assert_uint_le(limit(), 40);
    }
}
END_TEST

static const struct {
    keel_algorithm algorithm;
    uint32_t floor; /* gradient2 has 4 for a queue, and no gradient is below a half */
} floors[] = {
    { KEEL_ALGORITHM_AIMD, 1 },
    { KEEL_ALGORITHM_VEGAS, 1 },
    { KEEL_ALGORITHM_GRADIENT2, 8 },
};

START_TEST(a_limit_is_never_nobody_and_follows_other_bounds_at_once)
{
    begin(floors[_i].algorithm, 1, 40, 16);
    for (int i = 0; i < 100; i++) {
        drop(20, 1);
        ck_assert(turn());
    }
    ck_assert_uint_eq(limit(), floors[_i].floor);
    policy.adaptive_min = 10;
    keel_adaptive_init(&adaptive, &words, &policy);
    ck_assert_uint_eq(limit(), 10);
}
END_TEST

START_TEST(another_rule_begins_from_the_same_limit_and_knows_no_times)
{
    begin(KEEL_ALGORITHM_VEGAS, 1, 100, 20);
    answer(10, 20 * KEEL_MS, 20);
    ck_assert(turn());
    answer(10, 20 * KEEL_MS, 20);
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 27);
    policy.adaptive = KEEL_ALGORITHM_GRADIENT2;
    keel_adaptive_init(&adaptive, &words, &policy);
    keel_adaptive_forget(&adaptive);
    answer(10, 200 * KEEL_MS, 27); /* ten times as long as vegas' least */
    ck_assert(turn());
    ck_assert_uint_eq(limit(), 28);
}
END_TEST

/* ---- threads --------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000 };

static pthread_barrier_t start;
static _Atomic uint64_t clock_ns;
static _Atomic unsigned turns;
static _Atomic bool is_out_of_bounds;

static void *hammer(void *ctx)
{
    uint64_t own = *(uint64_t *)ctx;
    const keel_random random = { draw, &own };

    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t at = atomic_fetch_add(&clock_ns, KEEL_MS);

        if (draw(&own) < 0.2)
            keel_adaptive_dropped(&adaptive, 30);
        else
            keel_adaptive_answered(&adaptive, (uint64_t)(draw(&own) * KEEL_S), 30);
        if (keel_adaptive_turn(&adaptive, at, &random))
            atomic_fetch_add(&turns, 1);
        if (limit() < 3 || limit() > 40)
            atomic_store(&is_out_of_bounds, true);
    }
    return NULL;
}

START_TEST(threads_together_end_each_window_once)
{
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS] = { 1, 2, 3, 4 };

    begin(algorithms[_i], 3, 40, 16);
    atomic_store(&clock_ns, now);
    atomic_store(&turns, 0);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hammer, &seeds[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!is_out_of_bounds);
    ck_assert_uint_le(turns, THREADS * ROUNDS / 1000); /* one a second at the most */
    ck_assert_uint_ge(turns, THREADS * ROUNDS / 1000 / 2);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("adaptive", 30, ROWS(gradient2_follows_its_formula, gradients),
      ROWS(each_rule_moves_its_limit_by_one_window, rules),
      ONE(how_many_of_vegas_attempts_wait_follows_from_two_times),
      ONE(gradient2_begins_with_a_plain_mean_and_forgets_slowness_by_and_by),
      ONE(vegas_measures_its_least_time_anew_now_and_then),
      ONE(a_window_is_a_second_and_ten_attempts_at_least),
      ROWS(a_tenth_that_is_dropped_makes_a_dropped_window, drops),
      ONE(each_window_stands_for_itself), ONE(what_is_below_100_us_is_noise),
      ONE(an_answer_later_than_the_timeout_was_dropped_for_aimd_alone),
      ONE(more_attempts_than_a_window_has_room_for_are_left_out),
      ROWS(no_schedule_moves_a_limit_out_of_its_bounds, algorithms),
      ROWS(a_limit_is_never_nobody_and_follows_other_bounds_at_once, floors),
      ONE(another_rule_begins_from_the_same_limit_and_knows_no_times),
      ROWS(threads_together_end_each_window_once, algorithms))
