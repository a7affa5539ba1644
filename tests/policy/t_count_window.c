/* SPDX-License-Identifier: MIT */
/* The count window: the last so many outcomes, whatever the time. */
#include <pthread.h>
#include <string.h>

#include "policy/window.h"
#include "support/suite.h"

static keel_window w;
static _Alignas(64) uint64_t words[64], other_words[64];

static void begin(uint32_t calls)
{
    memset(words, 0, sizeof words);
    memset(other_words, 0, sizeof other_words);
    ck_assert_uint_le(keel_count_window_size(calls), sizeof words);
    keel_count_window_init(&w, (void *)words, calls);
}

/* o ok, f failed, s slow, b failed and slow */
static void record(const char *outcomes)
{
    for (; *outcomes; outcomes++)
        ck_assert_int_eq(keel_window_record(&w, 0, 0,
                                            *outcomes == 'f' || *outcomes == 'b',
                                            *outcomes == 's' || *outcomes == 'b'),
                         KEEL_RECORDED);
}

static const struct {
    const char *why;
    uint32_t calls;
    const char *outcomes;
    uint64_t total, failed, slow, bad;
} rows[] = {
    { "zero memory is an empty window", 4, "", 0, 0, 0, 0 },
    { "one of each", 4, "ofsb", 4, 2, 2, 3 },
    { "the oldest leaves", 4, "ffffo", 4, 3, 0, 3 },
    { "a lap", 4, "fsbofsbo", 4, 2, 2, 3 },
    { "laps over", 3, "ffffffoooooooof", 3, 1, 0, 1 },
    { "a window of one", 1, "of", 1, 1, 0, 1 },
    { "and its opposite", 1, "fo", 1, 0, 0, 0 },
    { "across the words", 33, "fffffffffffffffffffffffffffffffff", 33, 33, 0, 33 },
    { "a word's last cell", 32, "ooooooooooooooooooooooooooooooos", 32, 0, 1, 1 },
};

START_TEST(the_last_outcomes_count_and_no_others)
{
    keel_totals t;

    begin(rows[_i].calls);
    record(rows[_i].outcomes);
    t = keel_window_sum(&w, 0, 0);
    ck_assert_msg(t.total == rows[_i].total && t.failed == rows[_i].failed &&
                      t.slow == rows[_i].slow && t.bad == rows[_i].bad,
                  "%s", rows[_i].why);
}
END_TEST

START_TEST(it_agrees_with_a_plain_list_for_a_long_time)
{
    bool list[100] = { false };
    uint32_t seed = 7;

    begin(100);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t failed = 0;

        seed = seed * 1664525 + 1013904223;
        list[i % 100] = seed >> 31;
        record(list[i % 100] ? "f" : "o");
        for (unsigned k = 0; k < 100; k++)
            failed += list[k];
        ck_assert_uint_eq(keel_window_sum(&w, 0, 0).failed, failed);
        ck_assert_uint_eq(keel_window_sum(&w, 0, 0).total, i < 99 ? i + 1 : 100);
    }
}
END_TEST

START_TEST(another_generation_empties_it_and_an_older_one_is_late)
{
    begin(8);
    record("ffff");
    ck_assert_int_eq(keel_window_record(&w, 1, 0, false, false), KEEL_RECORDED);
    ck_assert_uint_eq(keel_window_sum(&w, 1, 0).total, 1);
    ck_assert_uint_eq(keel_window_sum(&w, 1, 0).failed, 0);
    ck_assert_uint_eq(keel_window_sum(&w, 0, 0).total, 0);
    ck_assert_int_eq(keel_window_record(&w, 0, 0, true, false), KEEL_RECORDED_LATE);
    ck_assert_uint_eq(keel_window_sum(&w, 1, 0).total, 1);
}
END_TEST

START_TEST(generations_wrap_in_order)
{
    begin(8);
    ck_assert_int_eq(keel_window_record(&w, 0xffffff, 0, true, false), KEEL_RECORDED);
    ck_assert_int_eq(keel_window_record(&w, 0, 0, true, false), KEEL_RECORDED);
    ck_assert_uint_eq(keel_window_sum(&w, 0, 0).total, 1);
    ck_assert_int_eq(keel_window_record(&w, 0xffffff, 0, true, false),
                     KEEL_RECORDED_LATE);
}
END_TEST

START_TEST(a_window_left_behind_begins_anew_when_told_to)
{
    begin(8);
    record("ff");
    ck_assert_int_eq(keel_window_record(&w, 0x900000, 0, true, false),
                     KEEL_RECORDED_LATE);
    keel_window_begin(&w, keel_window_head(&w), 0x900000);
    ck_assert_int_eq(keel_window_record(&w, 0x900000, 0, true, false), KEEL_RECORDED);
    ck_assert_uint_eq(keel_window_sum(&w, 0x900000, 0).total, 1);
}
END_TEST

static const struct {
    uint32_t from, to;
    const char *outcomes;
    uint64_t total, failed;
} refits[] = {
    { 8, 16, "ofof", 4, 2 },      { 8, 16, "fffffffoooooooof", 8, 1 },
    { 8, 3, "fffffoof", 3, 1 },   { 8, 3, "of", 2, 1 },
    { 4, 8, "ffffoooffo", 4, 2 },
};

START_TEST(another_size_keeps_the_newest)
{
    keel_window to;

    begin(refits[_i].from);
    record(refits[_i].outcomes);
    keel_count_window_init(&to, (void *)other_words, refits[_i].to);
    keel_window_refit(&to, &w, 0, 0);
    ck_assert_uint_eq(keel_window_sum(&to, 0, 0).total, refits[_i].total);
    ck_assert_uint_eq(keel_window_sum(&to, 0, 0).failed, refits[_i].failed);
}
END_TEST

START_TEST(a_window_that_counts_again_is_empty)
{
    begin(8);
    record("ffff");
    keel_window_renew(&w, 0, 0);
    ck_assert_uint_eq(keel_window_sum(&w, 0, 0).total, 0);
    record("o");
    ck_assert_uint_eq(keel_window_sum(&w, 0, 0).failed, 0);
}
END_TEST

/* ---- threads --------------------------------------------------------------------- */

static pthread_barrier_t lap;

enum { LAPS = 20000 };

static void *fail_in_step(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < LAPS; i++) {
        pthread_barrier_wait(&lap);
        keel_window_record(&w, 0, 0, true, false);
        pthread_barrier_wait(&lap);
    }
    return NULL;
}

START_TEST(two_failures_that_meet_in_one_cell_are_not_a_success)
{
    pthread_t other;

    begin(1);
    pthread_barrier_init(&lap, NULL, 2);
    pthread_create(&other, NULL, fail_in_step, NULL);
    for (int i = 0; i < LAPS; i++) {
        keel_window_record(&w, 0, 0, false, false);
        pthread_barrier_wait(&lap);
        keel_window_record(&w, 0, 0, true, false);
        pthread_barrier_wait(&lap);
        ck_assert_uint_eq(keel_window_sum(&w, 0, 0).failed, 1);
    }
    pthread_join(other, NULL);
    pthread_barrier_destroy(&lap);
}
END_TEST

/* Else one who was stopped before his swap could not tell one round from the next. */
START_TEST(the_head_does_not_come_back_with_the_ring)
{
    uint64_t before;

    begin(4);
    record("oooo");
    before = keel_window_head(&w);
    for (int i = 0; i < 50; i++) {
        record("oooo");
        ck_assert_uint_ne(keel_window_head(&w), before);
    }
    ck_assert_uint_eq(keel_window_sum(&w, 0, 0).total, 4);
}
END_TEST

SUITE("count_window", 30, ROWS(the_last_outcomes_count_and_no_others, rows),
      ONE(it_agrees_with_a_plain_list_for_a_long_time),
      ONE(the_head_does_not_come_back_with_the_ring),
      ONE(another_generation_empties_it_and_an_older_one_is_late),
      ONE(generations_wrap_in_order),
      ONE(a_window_left_behind_begins_anew_when_told_to),
      ROWS(another_size_keeps_the_newest, refits),
      ONE(a_window_that_counts_again_is_empty),
      ONE(two_failures_that_meet_in_one_cell_are_not_a_success))
