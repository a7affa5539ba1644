/* SPDX-License-Identifier: MIT */
/* The rate limiter, at its boundaries. */
#include <pthread.h>

#include "base/clock.h"
#include "policy/rate.h"
#include "support/suite.h"

static keel_rate_words words;
static keel_rate rate;
static uint64_t now, wait, tat;

/* count per second, so many at once */
static void begin(uint64_t count, uint32_t burst)
{
    keel_policy policy = { .rate = { count, KEEL_S }, .rate_burst = burst };

    words = (keel_rate_words){ 0, 0 };
    now = 1000 * KEEL_S;
    keel_rate_init(&rate, &words, &policy);
}

static bool take(uint64_t most_wait)
{
    return keel_rate_take(&rate, now, most_wait, &wait, &tat);
}

START_TEST(a_whole_burst_is_there_at_once_and_then_one_an_interval)
{
    begin(10, 5);
    for (int i = 0; i < 5; i++)
        ck_assert(take(0));
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 100 * KEEL_MS);
    now += 100 * KEEL_MS - 1;
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 1);
    now += 1;
    ck_assert(take(0));
    ck_assert(!take(0));
}
END_TEST

START_TEST(no_span_of_time_gets_more_than_its_share_and_one_burst)
{
    unsigned taken = 0;

    begin(10, 5);
    for (int ms = 0; ms <= 10000; ms++, now += KEEL_MS)
        taken += take(0);
    ck_assert_uint_eq(taken, 5 + 100);
}
END_TEST

START_TEST(idling_saves_up_no_more_than_a_burst)
{
    unsigned taken = 0;

    begin(10, 3);
    ck_assert(take(0));
    now += 3600 * KEEL_S;
    while (take(0))
        taken++;
    ck_assert_uint_eq(taken, 3);
}
END_TEST

START_TEST(a_wait_within_patience_reserves_its_turn)
{
    begin(10, 1);
    ck_assert(take(0));
    ck_assert(take(100 * KEEL_MS));
    ck_assert_uint_eq(wait, 100 * KEEL_MS);
    ck_assert(!take(200 * KEEL_MS - 1));
    ck_assert_uint_eq(wait, 200 * KEEL_MS); /* and took nothing */
    ck_assert(take(200 * KEEL_MS));
}
END_TEST

START_TEST(only_the_newest_token_can_be_given_back)
{
    uint64_t first, second;

    begin(10, 1);
    ck_assert(take(0));
    first = tat;
    ck_assert(take(KEEL_S));
    second = tat;
    keel_rate_give_back(&rate, first);
    ck_assert(!take(KEEL_MS));
    ck_assert_uint_eq(wait, 200 * KEEL_MS);
    keel_rate_give_back(&rate, second);
    keel_rate_give_back(&rate, second); /* once */
    ck_assert(take(KEEL_S));
    ck_assert_uint_eq(wait, 100 * KEEL_MS);
}
END_TEST

START_TEST(a_drain_leaves_nothing_of_a_burst)
{
    begin(10, 5);
    keel_rate_drain(&rate, now, 3 * KEEL_S);
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 3 * KEEL_S);
    now += 3 * KEEL_S;
    ck_assert(take(0));
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 100 * KEEL_MS);
}
END_TEST

START_TEST(a_drain_moves_the_next_token_and_never_brings_one_nearer)
{
    begin(10, 1);
    keel_rate_drain(&rate, now, 3 * KEEL_S);
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 3 * KEEL_S);
    keel_rate_drain(&rate, now, KEEL_S);
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 3 * KEEL_S);
}
END_TEST

START_TEST(after_a_reload_to_a_higher_rate_nobody_waits_by_the_old_one)
{
    keel_policy hourly = { .rate = { 1, 3600 * KEEL_S }, .rate_burst = 1 };

    begin(10, 2);
    keel_rate_init(&rate, &words, &hourly);
    ck_assert(take(0));
    keel_rate_init(&rate, &words,
                   &(keel_policy){ .rate = { 10, KEEL_S }, .rate_burst = 2 });
    keel_rate_fit(&rate, now);
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 100 * KEEL_MS);
    keel_rate_fit(&rate, now + 100 * KEEL_MS); /* a debt that fits is kept */
    ck_assert(!take(0));
}
END_TEST

START_TEST(after_a_reload_the_other_sides_wish_stands_exactly)
{
    static const keel_policy fresh[] = {
        { .rate = { 1000, KEEL_S }, .rate_burst = 1 },
        { .rate = { 10, KEEL_S }, .rate_burst = 500 },
    };

    begin(10, 5);
    keel_rate_drain(&rate, now, 3 * KEEL_S);
    keel_rate_init(&rate, &words, &fresh[_i]);
    keel_rate_fit(&rate, now);
    ck_assert(!take(0));
    ck_assert_uint_eq(wait, 3 * KEEL_S);
    now += 3 * KEEL_S;
    ck_assert(take(0));
    ck_assert(!take(0));
}
END_TEST

static const struct {
    uint64_t count;
    uint64_t interval_ns;
} spacings[] = {
    { 3, 333333333 },  { 999999, 1000 }, { 1000000, 1000 },
    { 1000001, 1000 }, { 600000000, 2 }, { 1000000000, 1 },
};

/* Three a second are three a second, and six hundred million never a billion. */
START_TEST(whole_nanoseconds_change_a_rate_little_and_never_to_a_much_higher_one)
{
    begin(spacings[_i].count, 1);
    ck_assert_uint_eq(rate.interval_ns, spacings[_i].interval_ns);
}
END_TEST

START_TEST(numbers_at_their_ends_do_not_wrap)
{
    keel_policy odd = { .rate = { 1, UINT64_MAX }, .rate_burst = UINT32_MAX };

    begin(10, 1);
    keel_rate_init(&rate, &words, &odd);
    ck_assert(take(0));
    begin(10, 1);
    now = UINT64_MAX - 5;
    ck_assert(take(0));
    ck_assert(!take(0));
}
END_TEST

enum { TAKERS = 4 };

static pthread_barrier_t start;

static void *take_many(void *ctx)
{
    unsigned *taken = ctx;
    uint64_t w, t;

    pthread_barrier_wait(&start);
    for (int i = 0; i < 20000; i++)
        *taken += keel_rate_take(&rate, now, 0, &w, &t);
    return NULL;
}

START_TEST(threads_together_take_no_more_than_the_burst)
{
    pthread_t threads[TAKERS];
    unsigned taken[TAKERS] = { 0 }, all = 0;

    begin(10, 1000);
    pthread_barrier_init(&start, NULL, TAKERS);
    for (int i = 0; i < TAKERS; i++)
        pthread_create(&threads[i], NULL, take_many, &taken[i]);
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
        all += taken[i];
    }
    ck_assert_uint_eq(all, 1000);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("rate", 30, ONE(a_whole_burst_is_there_at_once_and_then_one_an_interval),
      ONE(no_span_of_time_gets_more_than_its_share_and_one_burst),
      ONE(idling_saves_up_no_more_than_a_burst),
      ONE(a_wait_within_patience_reserves_its_turn),
      ONE(only_the_newest_token_can_be_given_back),
      { after_a_reload_the_other_sides_wish_stands_exactly, 2 },
      ONE(a_drain_leaves_nothing_of_a_burst),
      ONE(a_drain_moves_the_next_token_and_never_brings_one_nearer),
      ONE(after_a_reload_to_a_higher_rate_nobody_waits_by_the_old_one),
      ROWS(whole_nanoseconds_change_a_rate_little_and_never_to_a_much_higher_one,
           spacings),
      ONE(numbers_at_their_ends_do_not_wrap),
      ONE(threads_together_take_no_more_than_the_burst))
