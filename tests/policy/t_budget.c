/* SPDX-License-Identifier: MIT */
/* The retry budget in its four modes, at their boundaries. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "policy/budget.h"
#include "support/suite.h"

enum { STRIPES = 8 };

static keel_policy policy;
static keel_budget budget;
static keel_stripe_line lines[STRIPES];
static keel_stripes stripes;
static _Alignas(64) uint64_t words[64];
static uint64_t now;

static void begin(keel_policy p)
{
    ck_assert_uint_le(keel_budget_size(), sizeof words);
    memset(lines, 0, sizeof lines);
    stripes = keel_stripes_of(lines, STRIPES);
    memset(words, 0, sizeof words);
    policy = p;
    now = 1000 * KEEL_S;
    keel_budget_init(&budget, (void *)words, &stripes);
}

static void begin_ratio(void)
{
    begin((keel_policy){ .budget_mode = KEEL_BUDGET_RATIO,
                         .budget_ratio_ppm = KEEL_PPM / 5,
                         .budget_floor = { 1, KEEL_S } });
}

static void calls(unsigned count)
{
    while (count--)
        keel_budget_call(&budget, &policy, keel_stripe_mine(budget.window.stripes),
                         now);
}

static bool withdraw(void)
{
    return keel_budget_withdraw(&budget, &policy, now, false);
}

static unsigned withdraw_all(void)
{
    unsigned count = 0;

    while (count < 100000 && withdraw())
        count++;
    return count;
}

static void end(bool ok)
{
    keel_budget_end(&budget, &policy, false, ok, !ok);
}

START_TEST(without_a_budget_everything_is_allowed)
{
    begin((keel_policy){ .budget_mode = KEEL_BUDGET_OFF });
    ck_assert_uint_eq(withdraw_all(), 100000);
}
END_TEST

static const struct {
    unsigned calls, extra;
} shares[] = { { 0, 10 }, { 4, 10 }, { 5, 11 }, { 9, 11 }, { 10, 12 }, { 500, 110 } };

START_TEST(a_share_of_the_calls_and_a_floor_are_allowed_and_not_one_more)
{
    begin_ratio();
    calls(shares[_i].calls);
    ck_assert_uint_eq(withdraw_all(), shares[_i].extra);
}
END_TEST

START_TEST(calls_and_extras_are_those_of_the_last_ten_seconds)
{
    begin_ratio();
    calls(500);
    ck_assert_uint_eq(withdraw_all(), 110);
    now += 5 * KEEL_S;
    ck_assert(!withdraw());
    now += 5 * KEEL_S;
    ck_assert_uint_eq(withdraw_all(), 10); /* all of it has left */
}
END_TEST

START_TEST(an_extra_attempt_that_was_not_made_is_given_back)
{
    begin_ratio();
    ck_assert_uint_eq(withdraw_all(), 10);
    keel_budget_give_back(&budget, &policy, now, false);
    ck_assert(withdraw());
    ck_assert(!withdraw());
    keel_budget_give_back(&budget, &policy, now - 20 * KEEL_S, false); /* long gone */
    ck_assert(!withdraw());
}
END_TEST

START_TEST(a_clock_that_has_just_begun_counts_its_calls)
{
    begin_ratio();
    now = 0;
    calls(500);
    ck_assert_uint_eq(withdraw_all(), 110);
}
END_TEST

START_TEST(tokens_are_paid_in_full_and_come_back_one_by_one)
{
    begin((keel_policy){ .budget_mode = KEEL_BUDGET_TOKENS, .budget_tokens = 25 });
    ck_assert(withdraw());
    ck_assert(withdraw());
    ck_assert(!withdraw()); /* five are left, ten are asked for */
    ck_assert(keel_budget_withdraw(&budget, &policy, now, true));
    ck_assert(!keel_budget_withdraw(&budget, &policy, now, true));
    for (int i = 0; i < 9; i++)
        end(true);
    ck_assert(!withdraw());
    end(false); /* gives nothing */
    ck_assert(!withdraw());
    end(true);
    ck_assert(withdraw());
    for (int i = 0; i < 1000; i++)
        end(true);
    ck_assert_uint_eq(withdraw_all(), 2); /* never more than the bucket */
    keel_budget_give_back(&budget, &policy, now, false);
    ck_assert(withdraw());
    ck_assert(!withdraw());
}
END_TEST

START_TEST(grpc_allows_strictly_above_half)
{
    begin((keel_policy){ .budget_mode = KEEL_BUDGET_GRPC,
                         .budget_tokens = 10,
                         .budget_refund_micro = 100000 });
    ck_assert(withdraw());
    for (int i = 0; i < 4; i++)
        end(false);
    ck_assert(withdraw()); /* 6 of 10 */
    end(false);
    ck_assert(!withdraw()); /* 5 of 10 */
    end(true);
    ck_assert(withdraw()); /* 5.1 */
    for (int i = 0; i < 100; i++)
        end(false);
    for (int i = 0; i < 50; i++)
        end(true);
    ck_assert(!withdraw()); /* from 0, not from below: 5.0 */
    end(true);
    ck_assert(withdraw());
}
END_TEST

START_TEST(in_flight_allows_three_or_the_share)
{
    begin((keel_policy){ .budget_mode = KEEL_BUDGET_INFLIGHT,
                         .budget_ratio_ppm = KEEL_PPM / 5 });
    for (int i = 0; i < 10; i++)
        keel_budget_begin(&budget, &policy);
    ck_assert_uint_eq(withdraw_all(), 3);
    for (int i = 0; i < 11; i++)
        keel_budget_begin(&budget, &policy); /* 21: above four fifths of nothing */
    ck_assert_uint_eq(withdraw_all(), 2);
    keel_budget_give_back(&budget, &policy, now, false);
    ck_assert(withdraw());
    ck_assert(!withdraw());
    for (int i = 0; i < 5; i++)
        keel_budget_end(&budget, &policy, true, true, false);
    for (int i = 0; i < 16; i++)
        end(true);
    ck_assert_uint_eq(budget.words->in_flight, 0);
    ck_assert_uint_eq(budget.words->extra, 0);
}
END_TEST

enum { THREADS = 4 };

static pthread_barrier_t start;

static void *withdraw_many(void *ctx)
{
    unsigned *taken = ctx;

    pthread_barrier_wait(&start);
    for (int i = 0; i < 3000; i++)
        *taken += withdraw();
    return NULL;
}

static const keel_policy modes[] = {
    { .budget_mode = KEEL_BUDGET_RATIO,
      .budget_ratio_ppm = KEEL_PPM / 5,
      .budget_floor = { 100, KEEL_S } },
    { .budget_mode = KEEL_BUDGET_TOKENS, .budget_tokens = 10000 },
    { .budget_mode = KEEL_BUDGET_INFLIGHT, .budget_ratio_ppm = 0 },
};
static const unsigned most[] = { 1000, 1000, 3 };

START_TEST(threads_together_never_exceed_it)
{
    pthread_t threads[THREADS];
    unsigned taken[THREADS] = { 0 }, all = 0;

    begin(modes[_i]);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, withdraw_many, &taken[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += taken[i];
    }
    ck_assert_uint_le(all, most[_i]);
    ck_assert_uint_ge(all + withdraw_all(), most[_i] * 9 / 10);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("budget", 60, ONE(without_a_budget_everything_is_allowed),
      ROWS(a_share_of_the_calls_and_a_floor_are_allowed_and_not_one_more, shares),
      ONE(calls_and_extras_are_those_of_the_last_ten_seconds),
      ONE(an_extra_attempt_that_was_not_made_is_given_back),
      ONE(a_clock_that_has_just_begun_counts_its_calls),
      ONE(tokens_are_paid_in_full_and_come_back_one_by_one),
      ONE(grpc_allows_strictly_above_half), ONE(in_flight_allows_three_or_the_share),
      ROWS(threads_together_never_exceed_it, modes))
