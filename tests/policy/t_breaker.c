/* SPDX-License-Identifier: MIT */
/* The breaker's transitions, causes and generations; probes are t_probes.c. */
#include "policy/breaker_moves.h"
#include "support/loose_breaker.h"
#include "support/suite.h"

static loose_breaker b;

#define OK KEEL_OUTCOME_OK
#define FAILED KEEL_OUTCOME_FAILED
#define NEUTRAL KEEL_OUTCOME_NEUTRAL

static void assert_change(unsigned index, keel_breaker_state from,
                          keel_breaker_state to, keel_cause cause)
{
    ck_assert_uint_lt(index, b.changes.count);
    ck_assert_int_eq(b.changes.items[index].from, from);
    ck_assert_int_eq(b.changes.items[index].to, to);
    ck_assert_int_eq(b.changes.items[index].cause, cause);
}

/* ---- closed ---------------------------------------------------------------------- */

static const struct {
    const char *why;
    const char *calls; /* o ok, f failed, i ignored */
    bool opens;        /* at the last one, not before */
} trips[] = {
    { "too few calls to judge", "fff", false },
    { "the fewest that can be judged", "ffff", true },
    { "the rate itself opens", "ooofff", true },
    { "just below the rate stays closed", "oooofff", false },
    { "a success that completes min_calls can be the one", "ffoo", true },
    { "ignored ones count for nothing", "ffifi", false },
    { "all good", "oooooooo", false },
};

START_TEST(the_failure_rate_opens_at_or_above_its_limit_and_from_min_calls)
{
    loose_breaker_init(&b);
    for (const char *c = trips[_i].calls; *c; c++) {
        ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
        loose_calls(&b, *c == 'o' ? OK : *c == 'f' ? FAILED : NEUTRAL, 1);
    }
    ck_assert_msg((loose_look(&b).state == KEEL_BREAKER_OPEN) == trips[_i].opens, "%s",
                  trips[_i].why);
    if (trips[_i].opens)
        assert_change(0, KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN,
                      KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

START_TEST(old_successes_that_leave_the_window_let_a_success_trip_it)
{
    loose_breaker_init(&b);
    loose_calls(&b, OK, 10);
    b.now += 5 * KEEL_S;
    loose_calls(&b, FAILED, 8); /* 8 of 18 */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    b.now += 5 * KEEL_S; /* the ten are gone: 8 of 9 */
    loose_calls(&b, OK, 1);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(failures_in_a_row_open_without_min_calls)
{
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    b.policy.min_calls = 1000;
    b.policy.consecutive = 3;
    loose_calls(&b, FAILED, 2);
    loose_calls(&b, OK, 1);
    loose_calls(&b, FAILED, 2);
    loose_calls(&b, NEUTRAL, 1); /* does not interrupt the row */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    ck_assert(loose_end(&b, &permit, FAILED));
    assert_change(0, KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN, KEEL_CAUSE_CONSECUTIVE);
}
END_TEST

START_TEST(a_row_is_not_limited_by_the_window)
{
    loose_breaker_init(&b);
    b.policy.min_calls = 1000;
    b.policy.consecutive = 3;
    for (int i = 0; i < 3; i++) {
        loose_calls(&b, FAILED, 1);
        b.now += 3600 * KEEL_S;
    }
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(a_row_of_an_older_generation_is_forgotten_and_a_success_clears_its_word)
{
    loose_breaker_init(&b);
    b.policy.min_calls = 1000;
    b.policy.consecutive = 3;
    loose_calls(&b, FAILED, 2);
    keel_breaker_reset(&b.breaker, b.now, &b.changes);
    loose_calls(&b, FAILED, 2);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    keel_breaker_reset(&b.breaker, b.now, &b.changes);
    loose_calls(&b, OK, 1);
    /* else the quick way for successes would be closed from now on */
    ck_assert_uint_eq(b.words.consecutive << 24, 0);
}
END_TEST

START_TEST(a_row_that_is_counted_no_more_ends_with_the_next_success)
{
    loose_breaker_init(&b);
    b.policy.consecutive = 5;
    b.policy.min_calls = 20;
    loose_calls(&b, FAILED, 1);
    b.policy.consecutive = 0;
    ck_assert(!keel_breaker_words_are_plain(&b.words, 0));
    loose_calls(&b, OK, 2); /* one for the row, one more for the rate */
    ck_assert(keel_breaker_words_are_plain(&b.words, 0));
}
END_TEST

START_TEST(one_who_fails_to_make_a_transition_leaves_the_quick_way_open)
{
    keel_breaker_now seen;

    loose_breaker_init(&b);
    seen = keel_breaker_read(&b.breaker);
    seen.due[1] += 1; /* another has written the next instant meanwhile */
    ck_assert(!keel_breaker_open(&b.breaker, &b.policy, &seen, b.now, 0, &b.random,
                                 KEEL_CAUSE_FAILURE_RATE, &b.changes));
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    ck_assert(keel_breaker_words_are_plain(&b.words, 0));
}
END_TEST

START_TEST(slow_calls_open_by_their_own_rate)
{
    const keel_breaker_result at_the_limit = { .duration_ns = 2 * KEEL_S };
    const keel_breaker_result slow = { .duration_ns = 2 * KEEL_S + 1 };
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    b.policy.slow_rate_ppm = KEEL_PPM / 2;
    loose_breaker_refit(&b);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
        ck_assert(loose_end_with(&b, &permit, at_the_limit));
    }
    ck_assert_uint_eq(loose_look(&b).totals.slow, 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
        ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
        ck_assert(loose_end_with(&b, &permit, slow));
    }
    assert_change(0, KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN, KEEL_CAUSE_SLOW_RATE);
    ck_assert_uint_eq(loose_look(&b).totals.slow, 4);
    ck_assert_uint_eq(loose_look(&b).totals.failed, 0);
}
END_TEST

START_TEST(slow_counts_as_failed_where_it_is_told_to)
{
    const keel_breaker_result slow = { .duration_ns = 3 * KEEL_S };
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    b.policy.slow_is_failure = true;
    loose_breaker_refit(&b);
    loose_calls(&b, OK, 2);
    loose_calls(&b, FAILED, 1);
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    ck_assert(loose_end_with(&b, &permit, slow));
    assert_change(0, KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN, KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

START_TEST(calls_in_flight_beyond_the_slow_limit_open_it_at_the_next_admission)
{
    keel_breaker_permit slow[4], next;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    loose_breaker_refit(&b);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(loose_admit(&b, &slow[i]), KEEL_OK);
    b.now += 2 * KEEL_S; /* not yet beyond */
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_OK);
    ck_assert(loose_end(&b, &next, NEUTRAL));
    b.now += 1;
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_REJECTED_OPEN);
    assert_change(0, KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN, KEEL_CAUSE_SLOW_RATE);
    ck_assert_uint_eq(loose_look(&b).totals.slow, 0); /* recorded ones only */
    for (int i = 0; i < 4; i++)
        ck_assert(!loose_end(&b, &slow[i], OK));
}
END_TEST

START_TEST(those_of_64_generations_before_do_not)
{
    keel_breaker_permit hung, next;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    b.policy.min_calls = 1;
    loose_breaker_refit(&b);
    ck_assert_int_eq(loose_admit(&b, &hung), KEEL_OK);
    b.now += 3 * KEEL_S;
    for (int i = 0; i < 64; i++)
        keel_breaker_reset(&b.breaker, b.now, &b.changes);
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_OK);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    loose_end(&b, &next, OK);
    loose_end(&b, &hung, OK);
}
END_TEST

START_TEST(a_slow_call_that_ends_is_counted_once_as_what_it_was)
{
    keel_breaker_permit slow, next;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    b.policy.min_calls = 2;
    loose_breaker_refit(&b);
    ck_assert_int_eq(loose_admit(&b, &slow), KEEL_OK);
    b.now += 3 * KEEL_S;
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_OK); /* 1 of 1, too few */
    ck_assert(
        loose_end_with(&b, &slow, (keel_breaker_result){ .duration_ns = 3 * KEEL_S }));
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(loose_look(&b).totals.slow, 1);
    ck_assert(loose_end(&b, &next, OK)); /* 1 of 2 is below 100 % */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
}
END_TEST

START_TEST(calls_in_flight_beyond_the_deadline_count_as_failed)
{
    keel_breaker_permit dead[4], next;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = 2 * KEEL_S;
    b.policy.min_calls = 5;
    loose_breaker_refit(&b);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(loose_admit(&b, &dead[i]), KEEL_OK);
    b.now += 10 * KEEL_S + 1;
    ck_assert_int_eq(loose_admit(&b, &next), KEEL_OK); /* four, one too few */
    ck_assert(loose_end(&b, &next, OK));
    assert_change(0, KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN, KEEL_CAUSE_FAILURE_RATE);
}
END_TEST

START_TEST(a_count_window_judges_the_last_calls_only)
{
    loose_breaker_init(&b);
    b.policy.window_calls = 6;
    loose_breaker_refit(&b);
    loose_calls(&b, OK, 50);
    loose_calls(&b, FAILED, 2);
    b.now += 3600 * KEEL_S; /* a count window does not age */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    loose_calls(&b, FAILED, 1); /* 3 of the last 6 */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
}
END_TEST

/* ---- open ------------------------------------------------------------------------ */

START_TEST(an_open_breaker_refuses_until_the_very_instant_and_says_how_long)
{
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    loose_trip(&b);
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, 5 * KEEL_S);
    b.now += 5 * KEEL_S - 1;
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, 1);
    b.now += 1;
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    assert_change(0, KEEL_BREAKER_OPEN, KEEL_BREAKER_HALF_OPEN,
                  KEEL_CAUSE_OPEN_ELAPSED);
}
END_TEST

START_TEST(a_look_changes_nothing)
{
    loose_breaker_init(&b);
    loose_trip(&b);
    b.now += 3600 * KEEL_S;
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(loose_look(&b).generation, 1);
}
END_TEST

START_TEST(the_window_that_tripped_stays_readable_while_open)
{
    loose_breaker_init(&b);
    loose_calls(&b, OK, 3);
    loose_trip(&b);
    ck_assert_uint_eq(loose_look(&b).totals.failed, 3);
    ck_assert_uint_eq(loose_look(&b).totals.total, 6);
    b.now += 11 * KEEL_S; /* its live buckets, that is */
    ck_assert_uint_eq(loose_look(&b).totals.total, 0);
    ck_assert_uint_eq(keel_breaker_look_back(&b.breaker, b.now).totals.failed, 3);
    ck_assert_uint_eq(keel_breaker_look_back(&b.breaker, b.now).totals.total, 6);
}
END_TEST

START_TEST(each_open_in_a_row_lasts_longer_up_to_the_longest)
{
    static const unsigned seconds[] = { 5, 10, 20, 40, 60, 60 };
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    loose_trip(&b);
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, seconds[i] * KEEL_S);
        b.now = loose_look(&b).due_at_ns;
        loose_calls(&b, FAILED, 2);
        ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
    }
    for (int i = 0; i < 500; i++) { /* as often as one likes */
        b.now = loose_look(&b).due_at_ns;
        loose_calls(&b, FAILED, 2);
    }
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, 60 * KEEL_S);
}
END_TEST

static const struct {
    const char *why;
    uint64_t stable_ns, closed_ns, next_ns;
} stables[] = {
    { "not stable for long enough: it goes on", 10 * KEEL_S, 10 * KEEL_S - 1,
      10 * KEEL_S },
    { "stable: it starts over", 10 * KEEL_S, 10 * KEEL_S, 5 * KEEL_S },
    { "0: at once", 0, 0, 5 * KEEL_S },
};

START_TEST(the_back_off_is_forgotten_after_being_closed_for_stable)
{
    loose_breaker_init(&b);
    b.policy.stable_ns = stables[_i].stable_ns;
    loose_trip(&b);
    b.now = loose_look(&b).due_at_ns;
    loose_calls(&b, OK, 2);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    b.now += stables[_i].closed_ns;
    loose_trip(&b);
    ck_assert_msg(loose_look(&b).due_at_ns - b.now == stables[_i].next_ns, "%s",
                  stables[_i].why);
}
END_TEST

static const struct {
    double draw;
    uint64_t length_ns;
} jitters[] = { { 0, 4500 * KEEL_MS }, { 0.5, 5 * KEEL_S }, { 0.75, 5250 * KEEL_MS } };

START_TEST(the_open_time_is_jittered_by_one_draw)
{
    loose_breaker_init(&b);
    b.policy.open_jitter_ppm = KEEL_PPM / 10;
    b.draws[0] = jitters[_i].draw;
    b.draw_count = 1;
    loose_trip(&b);
    ck_assert_uint_eq(b.drawn, 1);
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, jitters[_i].length_ns);
}
END_TEST

START_TEST(without_jitter_nothing_is_drawn)
{
    loose_breaker_init(&b);
    b.draw_count = 1;
    loose_trip(&b);
    ck_assert_uint_eq(b.drawn, 0);
}
END_TEST

static const struct {
    const char *why;
    uint64_t wish_ns, length_ns;
} wishes[] = {
    { "shorter than the open time: no effect", 1 * KEEL_S, 5 * KEEL_S },
    { "longer: it holds", 20 * KEEL_S, 20 * KEEL_S },
    { "longer than the longest: cut", 3600 * KEEL_S, 60 * KEEL_S },
    { "never: cut", UINT64_MAX, 60 * KEEL_S },
};

START_TEST(the_tripping_answers_retry_after_keeps_it_open_longer)
{
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    loose_calls(&b, FAILED, 3);
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    ck_assert(
        loose_end_with(&b, &permit,
                       (keel_breaker_result){ .outcome = FAILED,
                                              .retry_after_ns = wishes[_i].wish_ns }));
    ck_assert_msg(loose_look(&b).due_at_ns - b.now == wishes[_i].length_ns, "%s",
                  wishes[_i].why);
}
END_TEST

/* ---- generations ----------------------------------------------------------------- */

START_TEST(every_transition_is_a_new_generation_and_a_late_end_changes_nothing)
{
    keel_breaker_permit early, probe;
    keel_breaker_view before;

    loose_breaker_init(&b);
    ck_assert_int_eq(loose_admit(&b, &early), KEEL_OK);
    loose_probe(&b, &probe);
    ck_assert_uint_eq(loose_look(&b).generation, 2);
    before = loose_look(&b);
    ck_assert(!loose_end(&b, &early, FAILED)); /* of the closed era */
    ck_assert_uint_eq(b.changes.count, 0);
    ck_assert_uint_eq(loose_look(&b).totals.total, before.totals.total);
    ck_assert_uint_eq(loose_look(&b).permits_left, before.permits_left);
    ck_assert(loose_end(&b, &probe, OK));
    loose_calls(&b, OK, 1);
    ck_assert_uint_eq(loose_look(&b).generation, 3);
    ck_assert_uint_eq(loose_look(&b).totals.total, 0); /* probes are not in it */
}
END_TEST

START_TEST(outcomes_count_after_any_number_of_resets_without_one)
{
    loose_breaker_init(&b);
    loose_calls(&b, OK, 1);
    for (int i = 0; i < 700;
         i++) /* beyond half of what the window's head tells apart */
        keel_breaker_reset(&b.breaker, b.now, &b.changes);
    loose_calls(&b, OK, 3);
    ck_assert_uint_eq(loose_look(&b).totals.total, 3);
    loose_trip(&b);
}
END_TEST

START_TEST(generations_wrap_without_being_noticed)
{
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    b.words.state = 0xffffff;
    loose_probe(&b, &permit);
    ck_assert_uint_eq(loose_look(&b).generation, 1);
    ck_assert(loose_end(&b, &permit, OK));
    loose_calls(&b, OK, 1);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
    loose_calls(&b, FAILED, 4);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(the_quick_way_in_is_for_a_closed_breaker_under_no_lock)
{
    keel_breaker_permit permit;

    loose_breaker_init(&b);
    ck_assert(keel_breaker_admit_closed(&b.breaker, &b.policy, b.now, &permit));
    ck_assert(loose_end(&b, &permit, FAILED));
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, 0);
    ck_assert(!keel_breaker_admit_closed(&b.breaker, &b.policy, b.now, &permit));
    keel_breaker_lock(&b.breaker, KEEL_LOCK_NONE, 0);
    loose_trip(&b);
    ck_assert(!keel_breaker_admit_closed(&b.breaker, &b.policy, b.now, &permit));
}
END_TEST

SUITE("breaker", 10,
      ROWS(the_failure_rate_opens_at_or_above_its_limit_and_from_min_calls, trips),
      ONE(old_successes_that_leave_the_window_let_a_success_trip_it),
      ONE(failures_in_a_row_open_without_min_calls),
      ONE(a_row_is_not_limited_by_the_window),
      ONE(a_row_of_an_older_generation_is_forgotten_and_a_success_clears_its_word),
      ONE(a_row_that_is_counted_no_more_ends_with_the_next_success),
      ONE(one_who_fails_to_make_a_transition_leaves_the_quick_way_open),
      ONE(slow_calls_open_by_their_own_rate),
      ONE(slow_counts_as_failed_where_it_is_told_to),
      ONE(calls_in_flight_beyond_the_slow_limit_open_it_at_the_next_admission),
      ONE(those_of_64_generations_before_do_not),
      ONE(a_slow_call_that_ends_is_counted_once_as_what_it_was),
      ONE(calls_in_flight_beyond_the_deadline_count_as_failed),
      ONE(a_count_window_judges_the_last_calls_only),
      ONE(an_open_breaker_refuses_until_the_very_instant_and_says_how_long),
      ONE(a_look_changes_nothing),
      ONE(the_window_that_tripped_stays_readable_while_open),
      ONE(each_open_in_a_row_lasts_longer_up_to_the_longest),
      ROWS(the_back_off_is_forgotten_after_being_closed_for_stable, stables),
      ROWS(the_open_time_is_jittered_by_one_draw, jitters),
      ONE(without_jitter_nothing_is_drawn),
      ROWS(the_tripping_answers_retry_after_keeps_it_open_longer, wishes),
      ONE(every_transition_is_a_new_generation_and_a_late_end_changes_nothing),
      ONE(outcomes_count_after_any_number_of_resets_without_one),
      ONE(generations_wrap_without_being_noticed),
      ONE(the_quick_way_in_is_for_a_closed_breaker_under_no_lock))
