/* SPDX-License-Identifier: MIT */
/* The time window: what it counts, for how long, and what it survives. */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "policy/window.h"
#include "support/suite.h"

enum { BUCKETS = 10, STRIPES = 8 };

static keel_window w;
static keel_stripe_line lines[STRIPES];
static keel_stripes stripes;
static _Alignas(64) uint64_t words[64], other_words[64];
static uint64_t now;

static void open_over(keel_window *window, void *memory, uint64_t length_ns,
                      uint32_t buckets, bool has_slow)
{
    ck_assert_uint_le(keel_time_window_size(buckets, has_slow), sizeof words);
    stripes = keel_stripes_of(lines, STRIPES);
    keel_time_window_init(window, memory, &stripes, KEEL_STRIPE_WINDOW, length_ns,
                          buckets, has_slow);
}

/* Ten buckets of one second, at 1000.0 s. */
static void begin(bool has_slow)
{
    memset(lines, 0, sizeof lines);
    memset(words, 0, sizeof words);
    memset(other_words, 0, sizeof other_words);
    now = 1000 * KEEL_S;
    open_over(&w, words, BUCKETS * KEEL_S, BUCKETS, has_slow);
}

static void record(unsigned ok, unsigned failed)
{
    while (ok--)
        keel_window_record(&w, 0, now, false, false);
    while (failed--)
        keel_window_record(&w, 0, now, true, false);
}

static bool is_sum(uint64_t total, uint64_t failed)
{
    keel_totals t = keel_window_sum(&w, 0, now);

    return t.total == total && t.failed == failed;
}

static void assert_sum(uint64_t total, uint64_t failed)
{
    keel_totals t = keel_window_sum(&w, 0, now);

    ck_assert_uint_eq(t.total, total);
    ck_assert_uint_eq(t.failed, failed);
}

START_TEST(zero_memory_is_an_empty_window)
{
    begin(false);
    assert_sum(0, 0);
    now = 0;
    assert_sum(0, 0);
}
END_TEST

START_TEST(an_outcome_stays_for_the_window_and_leaves_with_its_bucket)
{
    begin(false);
    now += KEEL_S - 1;
    record(2, 1);
    now = 1010 * KEEL_S - 1;
    assert_sum(3, 1);
    now += 1;
    assert_sum(0, 0);
}
END_TEST

START_TEST(each_bucket_leaves_at_its_own_time)
{
    begin(false);
    for (unsigned i = 0; i < BUCKETS; i++, now += KEEL_S)
        record(i, 1);
    now -= KEEL_S;
    assert_sum(55, 10);
    for (unsigned i = 0; i < BUCKETS; i++) {
        now += KEEL_S;
        record(0, 0);
        assert_sum(55 - (i + 1) * (i + 2) / 2, 9 - i);
    }
}
END_TEST

START_TEST(slow_ones_are_counted_apart_and_bad_is_failed_or_slow)
{
    keel_totals t;

    begin(true);
    keel_window_record(&w, 0, now, false, false);
    keel_window_record(&w, 0, now, false, true);
    keel_window_record(&w, 0, now, true, true);
    keel_window_record(&w, 0, now, true, false);
    t = keel_window_sum(&w, 0, now);
    ck_assert_uint_eq(t.total, 4);
    ck_assert_uint_eq(t.failed, 2);
    ck_assert_uint_eq(t.slow, 2);
    ck_assert_uint_eq(t.bad, 3);
}
END_TEST

static const uint64_t gaps[] = {
    BUCKETS,  BUCKETS + 1, 12345,         1u << 20,          (1u << 20) + 3,
    1u << 30, 3600 * 24,   (uint64_t)1e9, (uint64_t)1 << 33,
};

START_TEST(after_an_idle_gap_of_any_length_only_the_new_counts)
{
    begin(false);
    record(7, 7);
    now += gaps[_i] * KEEL_S;
    assert_sum(0, 0);
    record(1, 2);
    assert_sum(3, 2);
}
END_TEST

static const uint64_t firsts[] = { 0, 1, KEEL_S - 1, KEEL_S, 9 * KEEL_S, 11 * KEEL_S };

START_TEST(a_clock_that_has_just_begun_counts_from_the_first)
{
    begin(false);
    now = firsts[_i];
    record(3, 0);
    record(0, 1);
    now += KEEL_S;
    record(3, 1);
    assert_sum(8, 2);
    now += 9 * KEEL_S;
    assert_sum(4, 1);
}
END_TEST

START_TEST(epochs_wrap_without_a_trace)
{
    begin(false);
    for (uint64_t i = 0; i < ((uint64_t)1 << 20) + 3000; i++) {
        record(1, i % 3 == 0);
        now += KEEL_S;
    }
    now -= KEEL_S;
    ck_assert_uint_eq(keel_window_sum(&w, 0, now).total, 14);
}
END_TEST

START_TEST(a_bucket_that_gets_nothing_is_empty_when_its_turn_comes_again)
{
    begin(false);
    record(0, 5);
    /* ever the same bucket is skipped, for more laps than there are epochs */
    for (int lap = 0; lap < 120000; lap++) {
        now += (BUCKETS + 1) * KEEL_S;
        record(0, 1);
        if (!is_sum(1, 1)) /* an assertion each would take longer than all else */
            ck_abort_msg("lap %d", lap);
    }
}
END_TEST

START_TEST(what_an_idle_thread_left_in_its_stripe_never_comes_back)
{
    begin(false);
    record(1, 0);
    lines[5].words[KEEL_STRIPE_WINDOW] =
        lines[keel_thread_self()->index].words[KEEL_STRIPE_WINDOW] + 999;
    assert_sum(1001, 0);
    for (uint64_t i = 0; i < ((uint64_t)1 << 20) + 20; i++) {
        now += KEEL_S;
        record(1, 0);
        if (i > BUCKETS && !is_sum(BUCKETS, 0))
            ck_abort_msg("step %" PRIu64, i);
    }
}
END_TEST

START_TEST(another_generation_empties_it_and_an_older_one_is_late)
{
    begin(true);
    record(3, 3);
    ck_assert_int_eq(keel_window_record(&w, 1, now, true, true), KEEL_RECORDED);
    ck_assert_uint_eq(keel_window_sum(&w, 1, now).total, 1);
    assert_sum(0, 0);
    ck_assert_int_eq(keel_window_record(&w, 0, now, true, false), KEEL_RECORDED_LATE);
    ck_assert_uint_eq(keel_window_sum(&w, 1, now).total, 1);
}
END_TEST

START_TEST(generations_wrap_in_order)
{
    begin(false);
    for (uint32_t g = 0; g < 5000; g++) {
        ck_assert_int_ne(keel_window_record(&w, g, now, true, false),
                         KEEL_RECORDED_LATE);
        ck_assert_uint_eq(keel_window_sum(&w, g, now).total, 1);
        if (g)
            ck_assert_int_eq(keel_window_record(&w, g - 1, now, true, false),
                             KEEL_RECORDED_LATE);
        now += KEEL_S / 3;
    }
}
END_TEST

START_TEST(a_window_left_behind_begins_anew_when_told_to)
{
    begin(false);
    record(5, 5);
    ck_assert_int_eq(keel_window_record(&w, 600, now, true, false), KEEL_RECORDED_LATE);
    keel_window_begin(&w, keel_window_head(&w), 600);
    ck_assert_int_ne(keel_window_record(&w, 600, now, true, false), KEEL_RECORDED_LATE);
    ck_assert_uint_eq(keel_window_sum(&w, 600, now).total, 1);
}
END_TEST

START_TEST(the_move_of_a_bucket_is_told_to_the_one_who_made_it)
{
    begin(false);
    record(1, 0);
    ck_assert_int_eq(keel_window_record(&w, 0, now, false, false), KEEL_RECORDED);
    now += KEEL_S;
    ck_assert_int_eq(keel_window_record(&w, 0, now, false, false), KEEL_RECORDED_MOVE);
    ck_assert_int_eq(keel_window_record(&w, 0, now, false, false), KEEL_RECORDED);
}
END_TEST

START_TEST(a_late_clock_reading_counts_in_its_own_bucket)
{
    begin(false);
    record(1, 0);
    keel_window_record(&w, 0, now - 3 * KEEL_S, true, false);
    assert_sum(2, 1);
    now += 7 * KEEL_S; /* where it leaves before the other */
    assert_sum(1, 0);
    keel_window_record(&w, 0, now - 11 * KEEL_S, true, false); /* left already */
    assert_sum(1, 0);
}
END_TEST

START_TEST(a_quick_success_counts_only_in_the_bucket_that_is_current)
{
    keel_stripe mine = { .line = NULL };

    begin(false);
    mine = keel_stripe_mine(w.stripes);
    ck_assert(!keel_window_try_ok(&w, mine, 0, now)); /* nobody was here yet */
    record(1, 0);
    ck_assert(keel_window_try_ok(&w, mine, 0, now));
    ck_assert(!keel_window_try_ok(&w, mine, 1, now));
    ck_assert(!keel_window_try_ok(&w, mine, 0, now + KEEL_S));
    ck_assert(!keel_window_try_ok(&w, mine, 0, now - 1));
    assert_sum(2, 0);
}
END_TEST

START_TEST(where_a_bucket_overflows_its_rates_stay_true)
{
    const uint64_t most = ((uint64_t)1 << 22) - 1;
    uint64_t epoch;
    keel_totals t;

    begin(true);
    record(0, 1);
    epoch = keel_window_head(&w) & 0xfffff;
    /* a bucket as full as can be: a quarter failed, a quarter was slow */
    w.time->buckets[epoch % BUCKETS] = epoch << 44 | most << 22 | most / 2;
    w.time->buckets[BUCKETS + epoch % BUCKETS] = epoch << 44 | most / 2 << 22;
    keel_window_record(&w, 0, now + KEEL_S, false, false);
    record(1, 0); /* behind the head: straight to the bucket */
    t = keel_window_sum(&w, 0, now + KEEL_S);
    ck_assert_uint_lt(t.total, most + most / 2);
    ck_assert_double_eq_tol((double)t.failed / (double)t.total, 0.25, 0.001);
    ck_assert_double_eq_tol((double)t.slow / (double)t.total, 0.25, 0.001);
}
END_TEST

START_TEST(one_failure_can_be_taken_back_while_its_bucket_is_there)
{
    begin(false);
    record(1, 2);
    ck_assert(keel_window_withdraw(&w, 0, now));
    assert_sum(2, 1);
    ck_assert(!keel_window_withdraw(&w, 1, now));
    ck_assert(!keel_window_withdraw(&w, 0, now + KEEL_S)); /* not there yet */
    ck_assert(keel_window_withdraw(&w, 0, now));
    ck_assert(!keel_window_withdraw(&w, 0, now)); /* none left */
    record(0, 1);
    now += 10 * KEEL_S;
    record(1, 0);
    ck_assert(!keel_window_withdraw(&w, 0, now - 10 * KEEL_S));
    assert_sum(1, 0);
}
END_TEST

static const struct {
    uint32_t buckets;
    uint64_t total, failed;
} sizes[] = { { 20, 13, 3 }, { 5, 6, 1 } };

START_TEST(more_or_fewer_buckets_of_the_same_width_keep_the_newest)
{
    keel_window to;

    begin(true);
    now += 3 * KEEL_S;
    record(5, 2);
    now += 6 * KEEL_S;
    record(5, 0);
    keel_window_record(&w, 0, now, true, true);
    open_over(&to, other_words, sizes[_i].buckets * KEEL_S, sizes[_i].buckets, true);
    memset(other_words, 0, sizeof other_words);
    keel_window_renew(&to, 0, now);
    keel_window_refit(&to, &w, 0, now);
    w = to;
    assert_sum(sizes[_i].total, sizes[_i].failed);
    ck_assert_uint_eq(keel_window_sum(&w, 0, now).slow, 1);
}
END_TEST

START_TEST(another_width_keeps_nothing)
{
    keel_window to;

    begin(false);
    record(5, 2);
    open_over(&to, other_words, 20 * KEEL_S, 10, false);
    keel_window_renew(&to, 0, now);
    keel_window_refit(&to, &w, 0, now);
    ck_assert_uint_eq(keel_window_sum(&to, 0, now).total, 0);
}
END_TEST

static const struct {
    uint32_t buckets;
    uint64_t length_ns;
} others[] = { { 10, 20 * KEEL_S }, { 3, 3 * KEEL_S }, { 50, 10 * KEEL_S } };

/* Nothing but failures: so many in all that are in the window, whatever the stripes. */
static void assert_only_failures(const keel_window *window, uint64_t from_ns)
{
    keel_totals t = keel_window_sum(window, 0, now);

    ck_assert_msg(t.total == t.failed, "%lu of %lu, %lu ns later",
                  (unsigned long)t.failed, (unsigned long)t.total,
                  (unsigned long)(now - from_ns));
}

START_TEST(another_window_over_the_same_stripes_counts_none_of_their_successes)
{
    keel_window other;
    uint64_t from_ns;

    begin(false);
    for (int i = 0; i < 37; i++, now += KEEL_S)
        record(50, 0);
    open_over(&other, other_words, others[_i].length_ns, others[_i].buckets, false);
    keel_window_renew(&other, 0, now);
    from_ns = now;
    for (int i = 0; i < 300; i++, now += other.width_ns) {
        keel_window_record(&other, 0, now, true, false);
        assert_only_failures(&other, from_ns);
    }
}
END_TEST

START_TEST(nor_those_that_come_late_to_the_window_of_before)
{
    keel_window other;
    uint64_t from_ns;

    begin(false);
    record(5, 0);
    open_over(&other, other_words, others[_i].length_ns, others[_i].buckets, false);
    keel_window_renew(&other, 0, now);
    from_ns = now;
    for (unsigned i = 0; i < others[_i].buckets; i++) {
        now = from_ns + i * other.width_ns;
        keel_window_record(&other, 0, now, true, false);
        keel_window_record(&w, 0, from_ns + KEEL_S, false, false);
        assert_only_failures(&other, from_ns);
    }
}
END_TEST

START_TEST(a_window_that_counts_again_is_empty)
{
    begin(true);
    record(5, 5);
    keel_window_record(&w, 0, now, true, true);
    keel_window_retire(&w);
    keel_window_renew(&w, 0, now);
    assert_sum(0, 0);
    record(1, 2);
    assert_sum(3, 2);
}
END_TEST

START_TEST(a_retired_window_has_no_quick_way_until_it_is_renewed)
{
    keel_stripe mine;

    begin(false);
    mine = keel_stripe_mine(w.stripes);
    record(2, 0);
    ck_assert(keel_window_try_ok(&w, mine, 0, now));
    keel_window_retire(&w);
    ck_assert(!keel_window_try_ok(&w, mine, 0, now));
    record(2, 0); /* by one who found it while it counted */
    ck_assert(!keel_window_try_ok(&w, mine, 0, now));
    keel_window_renew(&w, 0, now);
    record(2, 0);
    ck_assert(keel_window_try_ok(&w, mine, 0, now));
}
END_TEST

START_TEST(a_hint_that_two_have_half_written_is_set_right)
{
    keel_stripe mine;

    begin(false);
    mine = keel_stripe_mine(w.stripes);
    record(1, 0);
    w.time->began -= KEEL_S; /* as by one who stopped in the bucket before */
    ck_assert(!keel_window_try_ok(&w, mine, 0, now));
    record(1, 0);
    ck_assert(keel_window_try_ok(&w, mine, 0, now));
}
END_TEST

static const uint64_t aheads[] = { (uint64_t)1 << 34 /* an epoch */,
                                   (uint64_t)1 << 54 /* a generation */ };

START_TEST(one_who_comes_late_to_a_shared_stripe_leaves_what_others_counted)
{
    _Atomic uint64_t *mine;
    uint64_t ahead;

    begin(false);
    record(3, 0);
    mine = &keel_stripe_mine(w.stripes).line->words[KEEL_STRIPE_WINDOW];
    ahead = *mine + aheads[_i] + 4;
    *mine = ahead;
    record(1, 0);
    ck_assert_uint_eq(*mine, ahead);
    ck_assert_uint_eq(keel_window_sum(&w, 0, now).total, 1);
}
END_TEST

static const uint64_t widths[] = {
    1, 2, 3, 7, 1000, 999999937, KEEL_S, KEEL_S * 3600, (uint64_t)1 << 40
};

START_TEST(the_number_of_a_bucket_is_the_exact_quotient)
{
    static const uint64_t tops[] = { 0, 1, 1u << 20, (uint64_t)1 << 58, UINT64_MAX };

    begin(false);
    open_over(&w, words, widths[_i] * 10, 10, false);
    for (size_t t = 0; t < sizeof tops / sizeof tops[0]; t++)
        for (uint64_t d = 0; d < 5; d++) {
            uint64_t up = tops[t] / widths[_i] * widths[_i] + d;
            uint64_t down = tops[t] - (tops[t] < d ? 0 : d);

            ck_assert_uint_eq(keel_window_number(&w, up), up / widths[_i]);
            ck_assert_uint_eq(keel_window_number(&w, down), down / widths[_i]);
        }
}
END_TEST

/* ---- threads --------------------------------------------------------------------- */

enum { WRITERS = 2, EACH = 200000 };

static _Atomic uint64_t shared_now;
static pthread_barrier_t start;

static void *write_many(void *ctx)
{
    unsigned failures = *(unsigned *)ctx;

    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < EACH; i++) {
        keel_window_record(&w, 0, shared_now, failures && i % failures == 0, false);
        if (i % 5000 == 0)
            shared_now += KEEL_S / 10; /* the buckets turn under everybody's feet */
    }
    return NULL;
}

START_TEST(two_writers_and_a_reader_lose_nothing_and_count_nothing_twice)
{
    static unsigned failures[WRITERS] = { 10, 0 };
    pthread_t threads[WRITERS];
    uint64_t seen = 0;

    begin(false);
    shared_now = now;
    open_over(&w, words, 50 * KEEL_S, 50, false);
    pthread_barrier_init(&start, NULL, WRITERS + 1);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_many, &failures[i]);
    pthread_barrier_wait(&start);
    while (seen < WRITERS * EACH) {
        keel_totals t = keel_window_sum(&w, 0, shared_now);

        ck_assert_uint_le(t.total, WRITERS * EACH);
        ck_assert_uint_le(t.failed, EACH / 10);
        seen = t.total;
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    now = shared_now;
    assert_sum(WRITERS * EACH, EACH / 10);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("time_window", 60, ONE(zero_memory_is_an_empty_window),
      ONE(an_outcome_stays_for_the_window_and_leaves_with_its_bucket),
      ONE(each_bucket_leaves_at_its_own_time),
      ONE(slow_ones_are_counted_apart_and_bad_is_failed_or_slow),
      ROWS(after_an_idle_gap_of_any_length_only_the_new_counts, gaps),
      ROWS(a_clock_that_has_just_begun_counts_from_the_first, firsts),
      ONE(epochs_wrap_without_a_trace),
      ONE(a_bucket_that_gets_nothing_is_empty_when_its_turn_comes_again),
      ONE(what_an_idle_thread_left_in_its_stripe_never_comes_back),
      ONE(another_generation_empties_it_and_an_older_one_is_late),
      ONE(generations_wrap_in_order),
      ONE(a_window_left_behind_begins_anew_when_told_to),
      ONE(the_move_of_a_bucket_is_told_to_the_one_who_made_it),
      ONE(a_late_clock_reading_counts_in_its_own_bucket),
      ONE(a_quick_success_counts_only_in_the_bucket_that_is_current),
      ONE(where_a_bucket_overflows_its_rates_stay_true),
      ONE(one_failure_can_be_taken_back_while_its_bucket_is_there),
      ROWS(more_or_fewer_buckets_of_the_same_width_keep_the_newest, sizes),
      ONE(another_width_keeps_nothing),
      ROWS(another_window_over_the_same_stripes_counts_none_of_their_successes, others),
      ROWS(nor_those_that_come_late_to_the_window_of_before, others),
      ONE(a_window_that_counts_again_is_empty),
      ONE(a_retired_window_has_no_quick_way_until_it_is_renewed),
      ONE(a_hint_that_two_have_half_written_is_set_right),
      ROWS(one_who_comes_late_to_a_shared_stripe_leaves_what_others_counted, aheads),
      ROWS(the_number_of_a_bucket_is_the_exact_quotient, widths),
      ONE(two_writers_and_a_reader_lose_nothing_and_count_nothing_twice))
