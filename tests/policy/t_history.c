/* SPDX-License-Identifier: MIT */
/* The last minute of a breaker, a sample a second. */
#include <string.h>

#include "base/clock.h"
#include "policy/history.h"
#include "support/loose_breaker.h"
#include "support/suite.h"

static loose_breaker b;
static keel_history history;
static keel_sample sample;
static keel_stripe_line line;

static void begin(void)
{
    loose_breaker_init(&b);
    memset(&history, 0, sizeof history);
    memset(&line, 0, sizeof line);
}

static void take(void)
{
    keel_history_take(&history, &b.breaker, b.now);
}

START_TEST(a_sample_says_what_it_was_and_what_the_window_held)
{
    begin();
    loose_calls(&b, KEEL_OUTCOME_OK, 5);
    loose_calls(&b, KEEL_OUTCOME_FAILED, 1);
    ck_assert(keel_history_is_due(&history, b.now));
    take();
    ck_assert(!keel_history_is_due(&history, b.now));
    ck_assert(keel_history_read(&history, b.now / KEEL_S, &sample));
    ck_assert_uint_eq(sample.calls, 6);
    ck_assert_uint_eq(sample.failures, 1);
    ck_assert_int_eq(sample.state, KEEL_BREAKER_CLOSED);
    b.now += KEEL_S;
    loose_trip(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OBSERVE, 0);
    take();
    ck_assert(keel_history_read(&history, b.now / KEEL_S, &sample));
    ck_assert_int_eq(sample.state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(sample.lock, KEEL_LOCK_OBSERVE);
    ck_assert_uint_eq(sample.generation, 1);
}
END_TEST

START_TEST(the_first_of_a_second_counts)
{
    begin();
    take();
    loose_calls(&b, KEEL_OUTCOME_OK, 5);
    b.now += KEEL_S - 1;
    take();
    ck_assert(keel_history_read(&history, b.now / KEEL_S, &sample));
    ck_assert_uint_eq(sample.calls, 0);
}
END_TEST

START_TEST(after_a_minute_a_sample_is_gone_and_one_never_taken_is_none)
{
    uint64_t first;

    begin();
    first = b.now / KEEL_S;
    take();
    ck_assert(!keel_history_read(&history, first + 1, &sample));
    b.now += 59 * KEEL_S;
    take();
    ck_assert(keel_history_read(&history, first, &sample));
    b.now += KEEL_S;
    take();
    ck_assert(!keel_history_read(&history, first, &sample));
}
END_TEST

/* Killed after the first or the second of its words. */
static const int words_written[] = { 1, 2 };

START_TEST(a_sample_whose_writer_was_killed_is_none)
{
    uint64_t whole[KEEL_HISTORY_WORDS];
    uint64_t second;

    begin();
    loose_calls(&b, KEEL_OUTCOME_OK, 5);
    second = b.now / KEEL_S;
    take();
    for (int i = 0; i < KEEL_HISTORY_WORDS; i++)
        whole[i] = history.samples[second % KEEL_HISTORY_SECONDS][i];
    memset(&history, 0, sizeof history);
    for (int i = 0; i < words_written[_i]; i++)
        history.samples[second % KEEL_HISTORY_SECONDS][i] = whole[i];
    ck_assert(!keel_history_read(&history, second, &sample));
}
END_TEST

START_TEST(a_transition_is_seen_in_its_own_second)
{
    begin();
    take();
    loose_trip(&b);
    take();
    ck_assert(keel_history_read(&history, b.now / KEEL_S, &sample));
    ck_assert_int_eq(sample.state, KEEL_BREAKER_CLOSED);
    keel_history_retake(&history, &b.breaker, b.now);
    ck_assert(keel_history_read(&history, b.now / KEEL_S, &sample));
    ck_assert_int_eq(sample.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_gt(sample.failures, 0);
}
END_TEST

START_TEST(a_second_that_is_over_is_not_taken_again)
{
    uint64_t late;

    begin();
    late = b.now;
    b.now += KEEL_HISTORY_SECONDS * KEEL_S;
    take();
    keel_history_retake(&history, &b.breaker, late);
    ck_assert(!keel_history_read(&history, late / KEEL_S, &sample));
    ck_assert(keel_history_read(&history, b.now / KEEL_S, &sample));
}
END_TEST

START_TEST(the_youngest_sample_from_before_is_found)
{
    uint64_t first;

    begin();
    first = b.now / KEEL_S;
    ck_assert(!keel_history_read_before(&history, first + 1, &sample));
    take();
    b.now += 2 * KEEL_S;
    loose_trip(&b);
    take();
    ck_assert(keel_history_read_before(&history, first + 90, &sample));
    ck_assert_uint_eq(sample.second, first + 2);
    ck_assert_int_eq(sample.state, KEEL_BREAKER_OPEN);
    ck_assert(keel_history_read_before(&history, first + 2, &sample));
    ck_assert_uint_eq(sample.second, first);
    ck_assert(!keel_history_read_before(&history, first, &sample));
}
END_TEST

/* As a caller counts one. */
static void refuse(keel_stripe stripe)
{
    if (!keel_history_try_refused(stripe, b.now))
        keel_history_refused(&history, stripe, b.now);
}

static uint64_t folded(uint64_t second)
{
    uint64_t word = history.refused[second % KEEL_HISTORY_SECONDS];

    return word >> 32 == second ? word & UINT32_MAX : 0;
}

static uint64_t in_line(uint64_t second)
{
    uint64_t word = line.words[KEEL_STRIPE_REFUSED];

    return word >> 32 == second ? word & UINT32_MAX : 0;
}

/* One who has the line alone, and one who shares it. */
static const bool owns[] = { true, false };

START_TEST(refusals_stay_in_their_line_until_another_second_begins)
{
    keel_stripe stripe = { &line, owns[_i] };
    uint64_t first;

    begin();
    first = b.now / KEEL_S;
    for (int i = 0; i < 5; i++)
        refuse(stripe);
    ck_assert_uint_eq(in_line(first), 5);
    ck_assert_uint_eq(folded(first), 0);
    b.now += 3 * KEEL_S;
    refuse(stripe);
    ck_assert_uint_eq(folded(first), 5);
    ck_assert_uint_eq(in_line(first + 3), 1);
    ck_assert_uint_eq(folded(first + 1) + folded(first + 2), 0);
}
END_TEST

START_TEST(who_is_late_or_has_no_line_counts_for_all)
{
    keel_stripe stripe = { &line, false };
    keel_stripe nowhere = { &keel_stripe_nowhere, false };
    uint64_t first;

    begin();
    first = b.now / KEEL_S;
    b.now += KEEL_S;
    refuse(stripe);
    b.now -= KEEL_S;
    refuse(stripe);
    refuse(nowhere);
    refuse(nowhere);
    ck_assert_uint_eq(folded(first), 3);
    ck_assert_uint_eq(in_line(first + 1), 1);
}
END_TEST

START_TEST(refusals_of_a_minute_ago_do_not_count_for_now)
{
    keel_stripe stripe = { &line, true };
    keel_stripe nowhere = { &keel_stripe_nowhere, false };
    uint64_t now;

    begin();
    refuse(stripe);
    b.now += KEEL_HISTORY_SECONDS * KEEL_S;
    now = b.now / KEEL_S;
    refuse(nowhere);
    refuse(stripe);
    ck_assert_uint_eq(folded(now), 1);
    ck_assert_uint_eq(in_line(now), 1);
}
END_TEST

SUITE("history", 10, ONE(a_sample_says_what_it_was_and_what_the_window_held),
      ONE(the_first_of_a_second_counts),
      ONE(after_a_minute_a_sample_is_gone_and_one_never_taken_is_none),
      ROWS(a_sample_whose_writer_was_killed_is_none, words_written),
      ONE(a_transition_is_seen_in_its_own_second),
      ONE(a_second_that_is_over_is_not_taken_again),
      ONE(the_youngest_sample_from_before_is_found),
      ROWS(refusals_stay_in_their_line_until_another_second_begins, owns),
      ONE(who_is_late_or_has_no_line_counts_for_all),
      ONE(refusals_of_a_minute_ago_do_not_count_for_now))
