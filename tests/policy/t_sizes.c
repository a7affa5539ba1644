/* SPDX-License-Identifier: MIT */
/*
 * What state takes of the board. A service may open a thousand pipelines, and a board
 * that several processes map is as large as it was made.
 */
#include <check.h>

#include <keel/keel.h>

#include "policy/stripe.h"
#include "policy/window.h"
#include "support/settled.h"
#include "support/suite.h"

/* Every size is for 4 stripes, two processors; a larger machine has a line more each. */
static uint64_t further_stripes(void)
{
    return (keel_stripes_wanted() - 4u) * sizeof(keel_stripe_line);
}

static uint64_t board_bytes(const char *settings)
{
    keel_options options = { .size = sizeof options, .environment = NO_ENV };
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_runtime *runtime;
    keel_pipeline *pipeline;

    ck_assert_int_eq(keel_open(&runtime, &options, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&pipeline, runtime, "sized", settings, NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_pipeline_look(pipeline, &stats), KEEL_OK);
    keel_pipeline_close(pipeline);
    ck_assert_int_eq(keel_close(runtime, 0), KEEL_OK);
    return stats.board_bytes;
}

typedef struct size_case {
    const char *settings;
    uint64_t most;
    const char *why;
} size_case;

static const size_case size_cases[] = {
    { "none; breaker=on; breaker.window=10s; breaker.buckets=100", 1216,
      "a word a bucket" },
    { "none; breaker=on; breaker.window=10s; breaker.buckets=100; "
      "breaker.slow_call=1s",
      2560, "a second word a bucket, and the calls under way" },
    { "standard", 8192, "all that most services ever need" },
};

START_TEST(a_pipeline_takes_no_more_of_the_board_than_was_promised)
{
    const size_case *row = &size_cases[_i];
    uint64_t taken = board_bytes(row->settings);

    ck_assert_uint_gt(taken, 0);
    ck_assert_msg(taken <= row->most + further_stripes(),
                  "%s (%s): %lu bytes, at most %lu were promised", row->settings,
                  row->why, (unsigned long)taken,
                  (unsigned long)(row->most + further_stripes()));
}
END_TEST

START_TEST(a_count_window_of_1000_is_two_bits_a_call)
{
    ck_assert_uint_ge(keel_count_window_size(1000), 1000 / 4);
    ck_assert_uint_le(keel_count_window_size(1000), 320);
}
END_TEST

START_TEST(a_larger_window_takes_more_so_the_sizes_are_real)
{
    ck_assert_uint_gt(
        board_bytes("none; breaker=on; breaker.window=10s; breaker.buckets=200"),
        board_bytes("none; breaker=on; breaker.window=10s; breaker.buckets=100"));
}
END_TEST

SUITE("sizes", 10,
      ROWS(a_pipeline_takes_no_more_of_the_board_than_was_promised, size_cases),
      ONE(a_count_window_of_1000_is_two_bits_a_call),
      ONE(a_larger_window_takes_more_so_the_sizes_are_real))
