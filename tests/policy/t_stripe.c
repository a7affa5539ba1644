/* SPDX-License-Identifier: MIT */
/* Stripes: a line of one's own, or one that is shared and locked. */
#include <pthread.h>
#include <string.h>

#include "policy/stripe.h"
#include "support/suite.h"

enum { STRIPES = 4, THREADS = 8, EACH = 1000000 };

static keel_stripe_line lines[STRIPES];
static keel_stripes stripes;
static pthread_barrier_t start;

static void begin(void)
{
    memset(lines, 0, sizeof lines);
    stripes = keel_stripes_of(lines, STRIPES);
}

START_TEST(the_first_three_quarters_have_an_owner)
{
    begin();
    ck_assert_uint_eq(stripes.owned, 3);
    ck_assert(keel_stripe_mine(&stripes).is_owner);
    ck_assert_ptr_eq(keel_stripe_mine(&stripes).line,
                     &lines[keel_thread_self()->index]);
}
END_TEST

START_TEST(wanted_is_a_power_of_two_within_its_bounds)
{
    uint32_t wanted = keel_stripes_wanted();

    ck_assert_uint_eq(wanted & (wanted - 1), 0);
    ck_assert_uint_ge(wanted, 4);
    ck_assert_uint_le(wanted, KEEL_STRIPES_MAX);
}
END_TEST

static void *add_many(void *ctx)
{
    keel_stripe mine = keel_stripe_mine(&stripes);

    (void)ctx;
    /* nobody gives his index back before all have one */
    pthread_barrier_wait(&start);
    for (int i = 0; i < EACH; i++)
        keel_stripe_add(mine, KEEL_STRIPE_REJECTED, 1);
    pthread_barrier_wait(&start);
    return NULL;
}

START_TEST(more_threads_than_lines_lose_no_count)
{
    pthread_t threads[THREADS];

    begin();
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, add_many, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(keel_stripes_sum(&stripes, KEEL_STRIPE_REJECTED),
                      (uint64_t)THREADS * EACH);
    ck_assert_uint_eq(keel_stripes_sum(&stripes, KEEL_STRIPE_WINDOW), 0);
    pthread_barrier_destroy(&start);
}
END_TEST

START_TEST(a_bump_counts_only_under_its_tag)
{
    keel_stripe mine;

    begin();
    mine = keel_stripe_mine(&stripes);
    mine.line->words[KEEL_STRIPE_WINDOW] = (uint64_t)7 << 32 | 5;
    ck_assert(keel_stripe_bump(mine, KEEL_STRIPE_WINDOW, 7));
    ck_assert(!keel_stripe_bump(mine, KEEL_STRIPE_WINDOW, 6));
    ck_assert_uint_eq(mine.line->words[KEEL_STRIPE_WINDOW], (uint64_t)7 << 32 | 6);
    mine.is_owner = false;
    ck_assert(keel_stripe_bump(mine, KEEL_STRIPE_WINDOW, 7));
    ck_assert_uint_eq(mine.line->words[KEEL_STRIPE_WINDOW], (uint64_t)7 << 32 | 7);
}
END_TEST

SUITE("stripe", 60, ONE(the_first_three_quarters_have_an_owner),
      ONE(wanted_is_a_power_of_two_within_its_bounds),
      ONE(more_threads_than_lines_lose_no_count), ONE(a_bump_counts_only_under_its_tag))
