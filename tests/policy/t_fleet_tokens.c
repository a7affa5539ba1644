/* SPDX-License-Identifier: MIT */
/* Tokens that a fleet lends: never more taken than lent, and how many a member wants. */
#include <pthread.h>

#include "base/clock.h"
#include "policy/fleet_tokens.h"
#include "support/suite.h"

static keel_fleet_tokens words;

START_TEST(as_many_are_taken_as_were_lent)
{
    ck_assert(!keel_fleet_tokens_take(&words));
    keel_fleet_tokens_lend(&words, 2);
    ck_assert(keel_fleet_tokens_take(&words));
    ck_assert(keel_fleet_tokens_take(&words));
    ck_assert(!keel_fleet_tokens_take(&words));
    ck_assert_uint_eq(keel_fleet_tokens_taken(&words), 2);
    keel_fleet_tokens_put_back(&words);
    ck_assert_uint_eq(keel_fleet_tokens_left(&words), 1);
    ck_assert(keel_fleet_tokens_take(&words));
}
END_TEST

START_TEST(what_is_withdrawn_is_not_taken_and_no_more_than_there_is)
{
    keel_fleet_tokens_lend(&words, 5);
    ck_assert_uint_eq(keel_fleet_tokens_withdraw(&words, 2), 2);
    ck_assert(keel_fleet_tokens_take(&words));
    ck_assert_uint_eq(keel_fleet_tokens_withdraw(&words, 99), 2);
    ck_assert(!keel_fleet_tokens_take(&words));
    keel_fleet_tokens_put_back(&words); /* its lease may be over: it is here again */
    ck_assert_uint_eq(keel_fleet_tokens_left(&words), 1);
}
END_TEST

/* Both counts go round, each by itself. */
START_TEST(the_counts_may_go_round)
{
    words.tokens = (uint64_t)UINT32_MAX << 32 | (UINT32_MAX - 1);
    ck_assert_uint_eq(keel_fleet_tokens_left(&words), 1);
    keel_fleet_tokens_lend(&words, 2);
    for (int i = 0; i < 3; i++)
        ck_assert(keel_fleet_tokens_take(&words));
    ck_assert(!keel_fleet_tokens_take(&words));
    ck_assert_uint_eq(words.tokens, (uint64_t)1 << 32 | 1);
}
END_TEST

enum { TAKERS = 4, LENT = 20000, WITHDRAWN_AT_ONCE = 3 };

static pthread_barrier_t start;
static _Atomic bool all_lent;

/* Each fifth goes back. */
static void *take_and_put_back(void *ctx)
{
    unsigned *taken = ctx;

    pthread_barrier_wait(&start);
    for (unsigned turn = 0; !all_lent || keel_fleet_tokens_left(&words);) {
        if (!keel_fleet_tokens_take(&words))
            continue;
        if (turn++ % 5)
            ++*taken;
        else
            keel_fleet_tokens_put_back(&words);
    }
    return NULL;
}

START_TEST(threads_take_each_token_once_while_some_are_lent_and_withdrawn)
{
    pthread_t threads[TAKERS];
    unsigned taken[TAKERS] = { 0 }, all = 0;

    pthread_barrier_init(&start, NULL, TAKERS + 1);
    for (int i = 0; i < TAKERS; i++)
        pthread_create(&threads[i], NULL, take_and_put_back, &taken[i]);
    pthread_barrier_wait(&start);
    for (unsigned lent = 0; lent < LENT; lent++) {
        keel_fleet_tokens_lend(&words, 1);
        if (lent % 100 == 0)
            all += keel_fleet_tokens_withdraw(&words, WITHDRAWN_AT_ONCE);
    }
    all_lent = true;
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
        all += taken[i];
    }
    ck_assert_uint_eq(all + keel_fleet_tokens_left(&words), LENT);
    ck_assert_uint_eq(keel_fleet_tokens_left(&words), 0);
    pthread_barrier_destroy(&start);
}
END_TEST

START_TEST(they_are_the_fleets_only_while_somebody_speaks_to_it)
{
    ck_assert(!keel_fleet_tokens_govern(NULL, 5));
    ck_assert(!keel_fleet_tokens_govern(&words, 5));
    words.governs_until = 10;
    ck_assert(keel_fleet_tokens_govern(&words, 9));
    ck_assert(!keel_fleet_tokens_govern(&words, 10));
    words.governs_until = KEEL_NEVER; /* no relay says so */
    ck_assert(!keel_fleet_tokens_govern(&words, 10));
}
END_TEST

/* ---- alone ---------------------------------------------------------------------------- */

static const struct {
    uint64_t members;
    uint64_t at_once, in_ten_seconds;
} parts[] = {
    { 0, 30, 130 }, /* nobody was heard of: all of it */
    { 1, 30, 130 }, { 3, 10, 43 }, { 30, 1, 4 }, { 1000, 1, 1 }, /* never none */
};

START_TEST(alone_a_member_has_its_part_of_rate_and_burst)
{
    const keel_policy policy = { .rate = { 10, KEEL_S }, .rate_burst = 30 };
    keel_rate_words local = { 0, 0 };
    keel_rate rate, share;
    uint64_t tat, now = 1000 * KEEL_S;
    unsigned taken = 0;

    keel_rate_init(&rate, &local, &policy);
    rate.fleet = &words;
    words.members = parts[_i].members;
    share = keel_fleet_tokens_share(&rate);
    while (keel_rate_try(&share, now, &tat))
        taken++;
    ck_assert_uint_eq(taken, parts[_i].at_once);
    for (unsigned ms = 0; ms < 10000; ms++)
        taken += keel_rate_try(&share, now += KEEL_MS, &tat);
    ck_assert_uint_eq(taken, parts[_i].in_ten_seconds);
}
END_TEST

/* ---- how many to have ------------------------------------------------------------------ */

static const struct {
    keel_rate_limit rate;
    uint32_t burst;
    uint64_t members;
    keel_tokens_allowance allowance;
    const char *why;
} allowances[] = {
    { { 100, KEEL_S }, 100, 1, { 10, 90 }, "a tenth of a second's worth" },
    { { 100, KEEL_S }, 100, 0, { 10, 90 }, "before the fleet was heard" },
    { { 100, KEEL_S }, 100, 4, { 10, 60 }, "each" },
    { { 100, KEEL_S }, 100, 10, { 5, 50 }, "half of the burst at most" },
    { { 100, KEEL_S }, 100, 60, { 0, 100 }, "a burst too small for a stock" },
    { { 6, 60 * KEEL_S }, 6, 3, { 1, 3 }, "one, where the rate is slow" },
    { { 1, 60 * KEEL_S }, 1, 1, { 0, 1 }, "and none where it is all there is" },
};

START_TEST(what_all_have_in_stock_and_the_bucket_together_are_one_burst)
{
    const keel_policy policy = { .rate = allowances[_i].rate,
                                 .rate_burst = allowances[_i].burst };
    uint64_t members = allowances[_i].members ? allowances[_i].members : 1;
    keel_tokens_allowance a = keel_fleet_tokens_allow(&policy, allowances[_i].members);

    ck_assert_msg(a.stock == allowances[_i].allowance.stock &&
                      a.burst == allowances[_i].allowance.burst,
                  "%s: %u, %u", allowances[_i].why, a.stock, a.burst);
    ck_assert_uint_ge(a.burst, 1);
    ck_assert_uint_eq(a.stock * members + a.burst, policy.rate_burst);
}
END_TEST

static const struct {
    keel_tokens_demand demand;
    uint32_t target;
    const char *why;
} targets[] = {
    { { 0, 0, KEEL_S, false }, 5, "the stock" },
    { { 2, 0, 25 * KEEL_MS, false }, 8, "what a tenth of a second takes" },
    { { 5, 3, 25 * KEEL_MS, false }, 23, "and what was missed" },
    { { 30, 0, KEEL_S, false }, 30, "a long look's need does not shrink" },
    { { 90, 90, 25 * KEEL_MS, false }, 55, "no more than there can be" },
};

START_TEST(a_member_wants_a_tenth_of_a_second_ahead)
{
    const keel_tokens_allowance allowance = { 5, 50 };

    ck_assert_msg(keel_fleet_tokens_target(&allowance, &targets[_i].demand) ==
                      targets[_i].target,
                  "%s: %u", targets[_i].why,
                  keel_fleet_tokens_target(&allowance, &targets[_i].demand));
}
END_TEST

START_TEST(without_a_stock_one_is_kept_for_who_may_come_again)
{
    const keel_tokens_allowance none = { 0, 1 };

    ck_assert_uint_eq(
        keel_fleet_tokens_target(&none, &(keel_tokens_demand){ .is_wanted = true }), 1);
    ck_assert_uint_eq(keel_fleet_tokens_target(&none, &(keel_tokens_demand){ 0 }), 0);
}
END_TEST

SUITE("fleet_tokens", 60, ONE(as_many_are_taken_as_were_lent),
      ONE(what_is_withdrawn_is_not_taken_and_no_more_than_there_is),
      ONE(the_counts_may_go_round),
      ONE(threads_take_each_token_once_while_some_are_lent_and_withdrawn),
      ONE(they_are_the_fleets_only_while_somebody_speaks_to_it),
      ROWS(alone_a_member_has_its_part_of_rate_and_burst, parts),
      ROWS(what_all_have_in_stock_and_the_bucket_together_are_one_burst, allowances),
      ROWS(a_member_wants_a_tenth_of_a_second_ahead, targets),
      ONE(without_a_stock_one_is_kept_for_who_may_come_again))
