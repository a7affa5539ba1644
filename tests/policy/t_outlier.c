/* SPDX-License-Identifier: MIT */
/* Outlier ejection, by virtual time. */
#include <pthread.h>
#include <stdio.h>

#include "support/loose_endpoints.h"
#include "support/suite.h"

static loose_endpoints l;

static const char hosts[] = "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1";

/* A list of so many, 10 at most. */
static void begin(uint32_t count)
{
    char list[sizeof hosts];

    loose_endpoints_init(&l);
    snprintf(list, sizeof list, "%.*s", (int)(4 * count - 1), hosts);
    loose_list(&l, list);
}

static bool is_out(uint32_t index)
{
    return loose_view(&l, index).ejected_left_ns != 0;
}

static uint32_t all_out(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < l.set->count; i++)
        count += is_out(i);
    return count;
}

/* A choice ends nothing, but sweeps when that is due. */
static void sweep(void)
{
    keel_endpoint_pick pick;
    keel_endpoint_changes changes;

    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    changes = l.changes;
    loose_pick_end(&l, &pick, KEEL_OUTCOME_NEUTRAL);
    l.changes = changes;
}

START_TEST(failures_in_a_row_eject_and_a_success_starts_over)
{
    begin(3);
    loose_outcomes(&l, 0, true, 4);
    loose_outcomes(&l, 0, false, 1);
    loose_outcomes(&l, 0, true, 4);
    ck_assert(!is_out(0));
    loose_outcomes(&l, 0, true, 1);
    ck_assert(is_out(0));
    ck_assert(loose_told(&l, KEEL_ENDPOINT_EJECTED, 0));
    ck_assert_int_eq(l.changes.items[0].move.cause, KEEL_CAUSE_CONSECUTIVE);
    ck_assert_uint_eq(loose_view(&l, 0).ejected_left_ns, 30 * KEEL_S);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_ne(loose_attempt(&l, KEEL_OUTCOME_OK), 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(who_is_out_is_back_on_the_nanosecond)
{
    begin(3);
    loose_outcomes(&l, 0, true, 5);
    l.now += 30 * KEEL_S - 1;
    ck_assert(is_out(0));
    l.now += 1;
    ck_assert(!is_out(0));
    sweep();
    ck_assert(loose_told(&l, KEEL_ENDPOINT_RESTORED, 0));
    l.now += 10 * KEEL_S;
    sweep();
    ck_assert(!loose_told(&l, KEEL_ENDPOINT_RESTORED, 0));
    loose_endpoints_cleanup(&l);
}
END_TEST

/* How many may be out: computed after the ejection, never all. */
static const struct {
    const char *why;
    uint32_t hosts, share_ppm, most;
} shares[] = {
    { "Envoy #27066: 3 of 3 went at 67 %", 3, 670000, 2 },
    { "one less than two thirds is one", 3, 666666, 1 },
    { "half of three, rounded down", 3, 500000, 1 },
    { "Envoy #3263: a single host is never ejected", 1, 1000000, 0 },
    { "Envoy #17504: not even one of two at 10 %", 2, 100000, 0 },
    { "Envoy's default for ten", 10, 100000, 1 },
    { "all of them is all but one", 10, 1000000, 9 },
    { "none", 10, 0, 0 },
};

START_TEST(of_all_that_fail_as_many_go_as_the_share_allows)
{
    begin(shares[_i].hosts);
    l.policy.eject_share_ppm = shares[_i].share_ppm;
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < shares[_i].hosts; i++)
            loose_outcomes(&l, i, true, 5);
    ck_assert_msg(all_out() == shares[_i].most, "%s: %u", shares[_i].why, all_out());
    ck_assert_uint_eq(keel_outliers_most(&l.policy, shares[_i].hosts), shares[_i].most);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(each_further_time_is_longer_up_to_the_longest)
{
    begin(3);
    for (uint32_t times = 1; times <= 12; times++) {
        uint64_t expected = times < 10 ? times * (30 * KEEL_S) : 300 * KEEL_S;

        loose_outcomes(&l, 0, true, 5);
        ck_assert_uint_eq(loose_view(&l, 0).ejections, times);
        ck_assert_uint_eq(loose_view(&l, 0).ejected_left_ns, expected);
        l.now += expected;
    }
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(times_out_are_spread_by_the_jitter)
{
    uint64_t least = UINT64_MAX, most = 0;

    begin(3);
    l.policy.eject_jitter_ppm = 100000;
    for (int i = 0; i < 200; i++) {
        uint64_t left;

        atomic_store(&l.set->entries[0].words->ejection, 0);
        loose_outcomes(&l, 0, true, 5);
        left = loose_view(&l, 0).ejected_left_ns;
        ck_assert_uint_ge(left, 27 * KEEL_S);
        ck_assert_uint_le(left, 33 * KEEL_S + 1000);
        least = left < least ? left : least;
        most = left > most ? left : most;
    }
    ck_assert_uint_lt(least, 28 * KEEL_S);
    ck_assert_uint_gt(most, 32 * KEEL_S);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(each_healthy_interval_forgives_one_time)
{
    begin(3);
    sweep();
    for (int i = 0; i < 3; i++) {
        loose_outcomes(&l, 0, true, 5);
        l.now += 100 * KEEL_S;
    }
    ck_assert_uint_eq(loose_view(&l, 0).ejections, 3);
    sweep(); /* it is seen to be back: no healthy interval yet */
    ck_assert_uint_eq(loose_view(&l, 0).ejections, 3);
    l.now += 10 * KEEL_S;
    sweep();
    ck_assert_uint_eq(loose_view(&l, 0).ejections, 2);
    l.now += 5 * KEEL_S;
    sweep(); /* not due */
    ck_assert_uint_eq(loose_view(&l, 0).ejections, 2);
    l.now += 3600 * KEEL_S;
    sweep(); /* intervals in which nobody called forgive, too */
    ck_assert_uint_eq(loose_view(&l, 0).ejections, 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(of_many_that_come_back_at_once_each_is_told)
{
    uint32_t told = 0;

    begin(10);
    l.policy.eject_share_ppm = KEEL_PPM;
    for (uint32_t i = 0; i < 9; i++)
        loose_outcomes(&l, i, true, 5);
    l.now += 60 * KEEL_S;
    for (int i = 0; i < 2; i++) {
        sweep();
        for (uint32_t host = 0; host < 9; host++)
            told += loose_told(&l, KEEL_ENDPOINT_RESTORED, host);
        l.now += 10 * KEEL_S;
    }
    ck_assert_uint_eq(told, 9);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(while_it_is_out_its_outcomes_do_not_count)
{
    begin(3);
    loose_outcomes(&l, 0, true, 5);
    loose_outcomes(&l, 0, true, 100);
    ck_assert_uint_eq(loose_view(&l, 0).ejections, 1);
    l.now += 30 * KEEL_S;
    loose_outcomes(&l, 0, true, 4);
    ck_assert(!is_out(0));
    loose_endpoints_cleanup(&l);
}
END_TEST

/* by success rate */

/* An interval of calls: 100 each, of which so many fail. */
static void interval(const uint32_t *failed, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t call = 0; call < 100; call++)
            /* never two in a row */
            loose_outcomes(&l, i, call % 2 && call / 2 < failed[i], 1);
    l.now += 10 * KEEL_S;
    sweep();
}

static const struct {
    const char *why;
    uint32_t hosts;
    uint32_t failed[10];
    uint32_t out;
} rates[] = {
    { "one is much worse than nine", 10, { 1, 0, 2, 0, 1, 0, 0, 1, 0, 40 }, 1 },
    { "all are as bad as each other",
      10,
      { 40, 40, 40, 40, 40, 40, 40, 40, 40, 40 },
      0 },
    { "none fails", 5, { 0, 0, 0, 0, 0 }, 0 },
    { "five are enough", 5, { 0, 0, 0, 0, 40 }, 1 },
    { "four are not", 4, { 0, 0, 0, 40 }, 0 },
    { "two kinds of host, none of them odd", 6, { 0, 0, 0, 40, 40, 40 }, 0 },
};

START_TEST(a_success_rate_far_below_the_others_ejects)
{
    begin(rates[_i].hosts);
    sweep();
    interval(rates[_i].failed, rates[_i].hosts);
    ck_assert_msg(all_out() == rates[_i].out, "%s: %u", rates[_i].why, all_out());
    if (rates[_i].out) {
        ck_assert(is_out(rates[_i].hosts - 1));
        ck_assert_int_eq(l.changes.items[0].move.cause, KEEL_CAUSE_FAILURE_RATE);
    }
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(few_calls_are_not_judged_and_a_factor_of_off_judges_none)
{
    static const uint32_t bad[] = { 0, 0, 0, 0, 40 };

    begin(5);
    l.policy.eject_min_calls = 101;
    sweep();
    interval(bad, 5);
    ck_assert_uint_eq(all_out(), 0);
    l.policy.eject_min_calls = 100;
    l.policy.eject_deviations = 0;
    interval(bad, 5);
    ck_assert_uint_eq(all_out(), 0);
    l.policy.eject_deviations = 1.9;
    interval(bad, 5);
    ck_assert_uint_eq(all_out(), 1);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(what_was_counted_before_a_pause_is_not_judged_after_it)
{
    begin(5);
    sweep();
    for (uint32_t i = 0; i < 5; i++)
        for (int call = 0; call < 200; call++)
            loose_outcomes(&l, i, i == 4 && call % 2, 1);
    l.now += 20 * KEEL_S;
    sweep();
    ck_assert_uint_eq(all_out(), 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_shorter_interval_after_a_reload_does_not_wait_for_the_long_one)
{
    begin(5);
    l.policy.eject_interval_ns = 3600 * KEEL_S;
    sweep();
    l.policy.eject_interval_ns = 10 * KEEL_S;
    ck_assert(keel_outliers_are_due(l.set, &l.policy, l.now));
    sweep();
    ck_assert(!keel_outliers_are_due(l.set, &l.policy, l.now));
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(with_eject_off_nobody_goes)
{
    begin(3);
    l.policy.eject = false;
    loose_outcomes(&l, 0, true, 100);
    ck_assert_uint_eq(all_out(), 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* threads */

enum { THREADS = 4, ROUNDS = 3000 };

static void *fail_all(void *ctx)
{
    const keel_random random = { NULL, NULL };
    keel_endpoint_changes changes;
    uint32_t first = (uint32_t)(uintptr_t)ctx;

    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < l.set->count; i++) {
            changes.count = 0;
            keel_outlier_record(l.set, &l.policy, (first + i) % l.set->count, true,
                                l.now, &random, &changes);
        }
    return NULL;
}

START_TEST(threads_that_eject_at_once_leave_as_many_as_the_share_says)
{
    pthread_t threads[THREADS];

    begin(8);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fail_all, (void *)(2 * i)),
                         0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(all_out(), 4);
    loose_endpoints_cleanup(&l);
}
END_TEST

SUITE("outlier", 30, ONE(failures_in_a_row_eject_and_a_success_starts_over),
      ONE(who_is_out_is_back_on_the_nanosecond),
      ROWS(of_all_that_fail_as_many_go_as_the_share_allows, shares),
      ONE(each_further_time_is_longer_up_to_the_longest),
      ONE(times_out_are_spread_by_the_jitter),
      ONE(each_healthy_interval_forgives_one_time),
      ONE(of_many_that_come_back_at_once_each_is_told),
      ONE(while_it_is_out_its_outcomes_do_not_count),
      ROWS(a_success_rate_far_below_the_others_ejects, rates),
      ONE(few_calls_are_not_judged_and_a_factor_of_off_judges_none),
      ONE(what_was_counted_before_a_pause_is_not_judged_after_it),
      ONE(a_shorter_interval_after_a_reload_does_not_wait_for_the_long_one),
      ONE(with_eject_off_nobody_goes),
      ONE(threads_that_eject_at_once_leave_as_many_as_the_share_says))
