/* SPDX-License-Identifier: MIT */
/* Locks, resets and transitions asked for by a person. */
#include "support/loose_breaker.h"
#include "support/suite.h"

static loose_breaker b;

#define OK KEEL_OUTCOME_OK
#define FAILED KEEL_OUTCOME_FAILED

START_TEST(a_lock_open_refuses_and_says_when_it_ends_if_it_does)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, 0);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, 0);
    ck_assert_int_eq(loose_look(&b).lock, KEEL_LOCK_OPEN);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, b.now + KEEL_S);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, KEEL_S);
    b.now += KEEL_S; /* its end is exclusive */
    ck_assert_int_eq(loose_look(&b).lock, KEEL_LOCK_NONE);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
}
END_TEST

START_TEST(a_lock_whose_time_is_over_is_taken_off_once)
{
    uint64_t word;

    loose_breaker_init(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, b.now + KEEL_S);
    word = b.words.lock;
    ck_assert_uint_eq(keel_breaker_take_lock_off(&b.words, b.now), 0);
    ck_assert_uint_eq(b.words.lock, word);
    b.now += KEEL_S;
    ck_assert_uint_eq(keel_breaker_take_lock_off(&b.words, b.now), word);
    ck_assert_uint_eq(b.words.lock, 0); /* and off the quick way */
    ck_assert_uint_eq(keel_breaker_take_lock_off(&b.words, b.now), 0);
}
END_TEST

static const struct {
    keel_lock lock;
    bool records;
    keel_cause told;
} admitting[] = {
    { KEEL_LOCK_CLOSED, true, KEEL_CAUSE_NONE },
    { KEEL_LOCK_DISABLED, false, KEEL_CAUSE_NONE },
    { KEEL_LOCK_OBSERVE, true, KEEL_CAUSE_FAILURE_RATE },
};

START_TEST(the_other_locks_admit_all_and_never_trip)
{
    keel_cause told = KEEL_CAUSE_NONE;

    loose_breaker_init(&b);
    keel_breaker_lock(&b.breaker, admitting[_i].lock, 0);
    for (int i = 0; i < 20; i++) {
        loose_calls(&b, FAILED, 1);
        if (b.changes.would_trip)
            told = b.changes.would_trip;
        ck_assert_uint_eq(b.changes.count, 0);
    }
    ck_assert_int_eq(told, admitting[_i].told);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(loose_look(&b).totals.failed, admitting[_i].records ? 20 : 0);
}
END_TEST

START_TEST(the_other_locks_admit_whatever_the_state_beneath)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    loose_trip(&b);
    keel_breaker_lock(&b.breaker, admitting[_i].lock, 0);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    ck_assert(loose_end(&b, &p, OK));
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(loose_look(&b).generation, 1);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_NONE, 0);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
}
END_TEST

START_TEST(an_observer_is_told_once_a_breach_and_again_of_the_next)
{
    unsigned told = 0;

    loose_breaker_init(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OBSERVE, 0);
    for (int breach = 0; breach < 3; breach++) {
        for (int i = 0; i < 6; i++) {
            loose_calls(&b, FAILED, 1);
            told += b.changes.would_trip != KEEL_CAUSE_NONE;
        }
        for (int i = 0; i < 20; i++) { /* a success notices its end */
            loose_calls(&b, OK, 1);
            told += b.changes.would_trip != KEEL_CAUSE_NONE;
        }
        b.now += 11 * KEEL_S;
    }
    ck_assert_uint_eq(told, 3);
}
END_TEST

START_TEST(an_observer_is_told_of_slow_calls_in_flight)
{
    keel_breaker_permit slow[4], next;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    loose_breaker_refit(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OBSERVE, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(loose_admit(&b, &slow[i]), KEEL_OK);
    ck_assert_int_eq(b.changes.would_trip, KEEL_CAUSE_NONE);
    b.now += 2 * KEEL_S + 1;
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_OK);
    ck_assert_int_eq(b.changes.would_trip, KEEL_CAUSE_SLOW_RATE);
    ck_assert_uint_eq(b.changes.count, 0);
    loose_end(&b, &next, KEEL_OUTCOME_NEUTRAL);
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_OK); /* once */
    ck_assert_int_eq(b.changes.would_trip, KEEL_CAUSE_NONE);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_breach_begun_under_another_lock_is_news_to_the_observer)
{
    loose_breaker_init(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_CLOSED, 0);
    loose_calls(&b, FAILED, 6);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OBSERVE, 0);
    loose_calls(&b, FAILED, 1);
    ck_assert_int_eq(b.changes.would_trip, KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

START_TEST(when_the_lock_is_lifted_even_a_success_may_trip_what_it_held)
{
    loose_breaker_init(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_CLOSED, 0);
    loose_calls(&b, FAILED, 6);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_NONE, 0);
    loose_calls(&b, OK, 1);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(a_probe_that_ends_under_a_lock_moves_nothing)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    b.policy.half_open_permits = 1;
    b.policy.half_open_failures = 0;
    loose_probe(&b, &p);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, 0);
    ck_assert(loose_end(&b, &p, OK));
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(loose_look(&b).permits_left, 1);
}
END_TEST

START_TEST(a_reset_closes_empties_and_forgets_the_back_off)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    loose_probe(&b, &p);
    loose_end(&b, &p, FAILED);
    loose_calls(&b, FAILED, 1);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 10 * KEEL_S);
    b.changes.count = 0;
    keel_breaker_reset(&b.breaker, b.now, &b.changes);
    ck_assert_int_eq(b.changes.items[0].cause, KEEL_CAUSE_RESET);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(loose_look(&b).totals.total, 0);
    loose_trip(&b);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 5 * KEEL_S);
}
END_TEST

START_TEST(a_reset_of_a_closed_breaker_is_no_transition_but_empties_it)
{
    loose_breaker_init(&b);
    loose_calls(&b, FAILED, 3);
    b.changes.count = 0;
    keel_breaker_reset(&b.breaker, b.now, &b.changes);
    ck_assert_uint_eq(b.changes.count, 0);
    ck_assert_uint_eq(loose_look(&b).totals.total, 0);
}
END_TEST

static keel_status go(keel_breaker_state to, uint64_t for_ns)
{
    b.changes.count = 0;
    return keel_breaker_go(&b.breaker, &b.policy, to, for_ns, b.now, &b.random,
                           &b.changes);
}

START_TEST(a_transition_asked_for_is_like_one_of_its_own)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    ck_assert_int_eq(go(KEEL_BREAKER_HALF_OPEN, 0), KEEL_E_STATE);
    ck_assert_uint_eq(b.changes.count, 0);
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(b.changes.items[0].cause, KEEL_CAUSE_OPERATOR);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 5 * KEEL_S);
    ck_assert_int_eq(go(KEEL_BREAKER_HALF_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).permits_left, 2);
    ck_assert_int_eq(go(KEEL_BREAKER_CLOSED, 0), KEEL_OK);
    ck_assert(!loose_end(&b, &p, FAILED));
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 7 * KEEL_S), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 7 * KEEL_S);
}
END_TEST

START_TEST(a_transition_to_where_it_is_already_is_none)
{
    loose_breaker_init(&b);
    ck_assert_int_eq(go(KEEL_BREAKER_CLOSED, 0), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).generation, 0);
    loose_trip(&b);
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 0), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).generation, 1);
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 90 * KEEL_S), KEEL_OK); /* but for longer */
    ck_assert_uint_eq(b.changes.count, 0);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 90 * KEEL_S);
}
END_TEST

START_TEST(an_open_time_of_its_own_counts_as_one_open_and_no_more)
{
    loose_breaker_init(&b);
    loose_trip(&b);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(go(KEEL_BREAKER_OPEN, KEEL_S), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).totals.failed, 4); /* what tripped it */
    ck_assert_int_eq(go(KEEL_BREAKER_HALF_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 0), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 10 * KEEL_S);
}
END_TEST

START_TEST(an_open_time_of_its_own_forgets_the_back_off_after_stable)
{
    loose_breaker_init(&b);
    loose_trip(&b);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(go(KEEL_BREAKER_HALF_OPEN, 0), KEEL_OK);
        ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 0), KEEL_OK);
    }
    ck_assert_int_eq(go(KEEL_BREAKER_CLOSED, 0), KEEL_OK);
    b.now += b.policy.stable_ns;
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, KEEL_S), KEEL_OK);
    ck_assert_int_eq(go(KEEL_BREAKER_HALF_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 0), KEEL_OK);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 10 * KEEL_S);
}
END_TEST

START_TEST(no_state_shows_what_one_of_1024_before_it_saw)
{
    loose_breaker_init(&b);
    loose_calls(&b, FAILED, 3);
    for (int i = 0; i < 1024; i++) {
        ck_assert_int_eq(go(KEEL_BREAKER_OPEN, 0), KEEL_OK);
        ck_assert_int_eq(go(KEEL_BREAKER_CLOSED, 0), KEEL_OK);
        ck_assert_uint_eq(loose_look(&b).totals.total, 0);
    }
}
END_TEST

START_TEST(a_longer_window_shows_what_tripped_the_shorter_one)
{
    static _Alignas(64) uint64_t words[64];
    keel_breaker longer;

    loose_breaker_init(&b);
    loose_trip(&b);
    longer = b.breaker;
    keel_time_window_init(&longer.window, (void *)words, b.breaker.window.stripes,
                          KEEL_STRIPE_WINDOW, 20 * KEEL_S, 20, false);
    keel_breaker_take_over_window(&longer, &b.breaker, b.now);
    b.breaker = longer;
    ck_assert_uint_eq(loose_look(&b).totals.failed, 4);
}
END_TEST

SUITE("operator", 10, ONE(a_lock_open_refuses_and_says_when_it_ends_if_it_does),
      ONE(a_lock_whose_time_is_over_is_taken_off_once),
      ROWS(the_other_locks_admit_all_and_never_trip, admitting),
      ROWS(the_other_locks_admit_whatever_the_state_beneath, admitting),
      ONE(an_observer_is_told_once_a_breach_and_again_of_the_next),
      ONE(an_observer_is_told_of_slow_calls_in_flight),
      ONE(a_breach_begun_under_another_lock_is_news_to_the_observer),
      ONE(when_the_lock_is_lifted_even_a_success_may_trip_what_it_held),
      ONE(a_probe_that_ends_under_a_lock_moves_nothing),
      ONE(a_reset_closes_empties_and_forgets_the_back_off),
      ONE(a_reset_of_a_closed_breaker_is_no_transition_but_empties_it),
      ONE(a_transition_asked_for_is_like_one_of_its_own),
      ONE(a_transition_to_where_it_is_already_is_none),
      ONE(an_open_time_of_its_own_counts_as_one_open_and_no_more),
      ONE(an_open_time_of_its_own_forgets_the_back_off_after_stable),
      ONE(no_state_shows_what_one_of_1024_before_it_saw),
      ONE(a_longer_window_shows_what_tripped_the_shorter_one))
