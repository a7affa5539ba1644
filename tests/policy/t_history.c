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

static void begin(void)
{
    loose_breaker_init(&b);
    memset(&history, 0, sizeof history);
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

SUITE("history", 10, ONE(a_sample_says_what_it_was_and_what_the_window_held),
      ONE(the_first_of_a_second_counts),
      ONE(after_a_minute_a_sample_is_gone_and_one_never_taken_is_none),
      ROWS(a_sample_whose_writer_was_killed_is_none, words_written))
