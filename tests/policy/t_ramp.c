/* SPDX-License-Identifier: MIT */
/* breaker.ramp_up: after probes have closed it, a breaker lets a growing share through. */
#include <stdio.h>

#include "support/loose_breaker.h"
#include "support/suite.h"

static loose_breaker b;
static keel_breaker_permit permit;

/* Ramps for 10 s from now on; draws are 0.5, and were not taken yet. */
static void begin(void)
{
    keel_breaker_permit probe;

    loose_breaker_init(&b);
    b.policy.ramp_up_ns = 10 * KEEL_S;
    loose_breaker_refit(&b);
    loose_probe(&b, &probe);
    loose_end(&b, &probe, KEEL_OUTCOME_OK);
    ck_assert_int_eq(loose_admit(&b, &probe), KEEL_OK);
    loose_end(&b, &probe, KEEL_OUTCOME_OK);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    b.draw_count = 1;
    b.draws[0] = 0.5;
    b.drawn = 0;
}

static keel_status admit_with(double draw)
{
    b.draws[0] = draw;
    return loose_admit(&b, &permit);
}

static const struct {
    const char *why;
    uint64_t elapsed_ms;
    double chance;
} shares[] = {
    { "at first", 0, 0.1 },
    { "a tenth, until a tenth of the time is over", 999, 0.1 },
    { "then its part of the time", 2500, 0.25 },
    { "half of it", 5000, 0.5 },
    { "nearly all", 9999, 0.9999 },
};

START_TEST(the_share_that_passes_grows_with_the_time)
{
    begin();
    b.now += shares[_i].elapsed_ms * KEEL_MS;
    ck_assert_int_eq(admit_with(shares[_i].chance - 1e-6), KEEL_OK);
    ck_assert_int_eq(permit.tracking, KEEL_TRACK_WINDOW);
    ck_assert_int_eq(admit_with(shares[_i].chance), KEEL_REJECTED_RAMPING);
    ck_assert_uint_eq(b.retry_after_ns, 0);
    ck_assert_uint_eq(b.drawn, 2);
}
END_TEST

START_TEST(when_its_time_is_over_all_pass_and_nothing_is_drawn)
{
    begin();
    ck_assert(!keel_breaker_admit_closed(&b.breaker, &b.policy, b.now, &permit));
    b.now += 10 * KEEL_S;
    ck_assert_int_eq(admit_with(0.999999), KEEL_OK);
    ck_assert_uint_eq(b.drawn, 0);
    ck_assert(keel_breaker_admit_closed(&b.breaker, &b.policy, b.now, &permit));
    b.now -= 5 * KEEL_S; /* it does not come back */
    ck_assert_int_eq(admit_with(0.999999), KEEL_OK);
}
END_TEST

START_TEST(a_refusal_is_counted_nowhere)
{
    begin();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(admit_with(0.999), KEEL_REJECTED_RAMPING);
    ck_assert_uint_eq(loose_look(&b).totals.total, 0);
    ck_assert_uint_eq(loose_look(&b).permits_left, 0);
}
END_TEST

START_TEST(what_passes_is_judged_and_may_open_it_again)
{
    begin();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(admit_with(0), KEEL_OK);
        loose_end(&b, &permit, KEEL_OUTCOME_FAILED);
    }
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
    b.now += 60 * KEEL_S;
    ck_assert_int_eq(admit_with(0.999), KEEL_OK); /* a probe does not ramp */
    ck_assert_int_eq(permit.tracking, KEEL_TRACK_PROBE);
}
END_TEST

START_TEST(successes_keep_it_ramping)
{
    begin();
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(admit_with(0), KEEL_OK);
        loose_end(&b, &permit, KEEL_OUTCOME_OK);
    }
    ck_assert_uint_eq(loose_look(&b).totals.total, 100);
    ck_assert_int_eq(admit_with(0.999), KEEL_REJECTED_RAMPING);
}
END_TEST

static const keel_lock admitting[] = { KEEL_LOCK_CLOSED, KEEL_LOCK_DISABLED,
                                       KEEL_LOCK_OBSERVE };

START_TEST(under_a_lock_that_admits_all_pass)
{
    begin();
    keel_breaker_lock(&b.breaker, admitting[_i], 0);
    ck_assert_int_eq(admit_with(0.999), KEEL_OK);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_NONE, 0);
    ck_assert_int_eq(admit_with(0.999), KEEL_REJECTED_RAMPING);
}
END_TEST

START_TEST(who_has_no_ramp_ends_it)
{
    begin();
    b.policy.ramp_up_ns = 0; /* a reload, or a process of other settings */
    ck_assert_int_eq(admit_with(0.999), KEEL_OK);
    b.policy.ramp_up_ns = 10 * KEEL_S;
    ck_assert_int_eq(admit_with(0.999), KEEL_OK);
}
END_TEST

START_TEST(an_operator_who_closes_it_has_it_ramp_and_one_who_resets_it_has_not)
{
    begin();
    keel_breaker_reset(&b.breaker, b.now, &b.changes);
    ck_assert_int_eq(admit_with(0.999), KEEL_OK);
    ck_assert_int_eq(keel_breaker_go(&b.breaker, &b.policy, KEEL_BREAKER_OPEN, 0, b.now,
                                     &b.random, &b.changes),
                     KEEL_OK);
    ck_assert_int_eq(keel_breaker_go(&b.breaker, &b.policy, KEEL_BREAKER_CLOSED, 0,
                                     b.now, &b.random, &b.changes),
                     KEEL_OK);
    ck_assert_int_eq(admit_with(0.999), KEEL_REJECTED_RAMPING);
}
END_TEST

START_TEST(without_a_ramp_a_closed_breaker_lets_all_through)
{
    keel_breaker_permit probe;

    loose_breaker_init(&b);
    loose_probe(&b, &probe);
    loose_end(&b, &probe, KEEL_OUTCOME_OK);
    ck_assert_int_eq(loose_admit(&b, &probe), KEEL_OK);
    loose_end(&b, &probe, KEEL_OUTCOME_OK);
    ck_assert(keel_breaker_admit_closed(&b.breaker, &b.policy, b.now, &permit));
}
END_TEST

static uint64_t seed;

static double draw(void *ctx)
{
    (void)ctx;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

/* Of 20 000 draws a share p has a standard deviation of 0.35% at the most. */
START_TEST(by_chance_just_the_share_passes)
{
    const keel_random random = { draw, NULL };
    unsigned admitted = 0;
    double share;

    begin();
    seed = 20261121;
    printf("seed %llu\n", (unsigned long long)seed);
    b.now += shares[_i].elapsed_ms * KEEL_MS;
    for (int i = 0; i < 20000; i++)
        admitted += keel_breaker_admit(&b.breaker, &b.policy, b.now, &random, &permit,
                                       &b.retry_after_ns, &b.changes) == KEEL_OK;
    share = admitted / 20000.0;
    ck_assert_double_eq_tol(share, shares[_i].chance, 0.015);
}
END_TEST

SUITE("ramp", 10, ROWS(the_share_that_passes_grows_with_the_time, shares),
      ONE(when_its_time_is_over_all_pass_and_nothing_is_drawn),
      ONE(a_refusal_is_counted_nowhere),
      ONE(what_passes_is_judged_and_may_open_it_again), ONE(successes_keep_it_ramping),
      ROWS(under_a_lock_that_admits_all_pass, admitting), ONE(who_has_no_ramp_ends_it),
      ONE(an_operator_who_closes_it_has_it_ramp_and_one_who_resets_it_has_not),
      ONE(without_a_ramp_a_closed_breaker_lets_all_through),
      ROWS(by_chance_just_the_share_passes, shares))
