/* SPDX-License-Identifier: MIT */
/* The heap of instants, held against a plain array. */
#include "http/client/timers.h"

#include "support/suite.h"

enum { TIMERS = 64, STEPS = 20000 };

static keel_timers timers;
static keel_timer all[TIMERS];
static uint64_t expected[TIMERS]; /* KEEL_NEVER: not set */
static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static uint64_t earliest(void)
{
    uint64_t first = KEEL_NEVER;

    for (int i = 0; i < TIMERS; i++)
        first = keel_ns_min(first, expected[i]);
    return first;
}

static void set(uint64_t i, uint64_t at_ns)
{
    keel_timers_set(&timers, &all[i], at_ns);
    expected[i] = at_ns;
}

/* Takes the first that has come; it must be one of those that are due first. */
static void take(uint64_t now)
{
    const keel_timer *first = keel_timers_take(&timers, now);

    if (!first) {
        ck_assert_uint_gt(earliest(), now);
        return;
    }
    ck_assert_uint_eq(first->at_ns, earliest());
    ck_assert_uint_eq(first->place, 0);
    expected[first - all] = KEEL_NEVER;
}

static const unsigned seeds[] = { 1, 2, 3, 5, 8, 13, 21, 34 };

START_TEST(the_earliest_comes_first_whatever_is_set_and_moved)
{
    state = seeds[_i];
    for (int i = 0; i < TIMERS; i++)
        expected[i] = KEEL_NEVER;
    ck_assert(keel_timers_reserve(&timers, TIMERS));
    for (int i = 0; i < STEPS; i++) {
        uint64_t what = draw(4);

        if (what < 2)
            set(draw(TIMERS), draw(1000));
        else if (what == 2)
            set(draw(TIMERS), KEEL_NEVER);
        else
            take(draw(1000));
        ck_assert_msg(keel_timers_next(&timers) == earliest(), "seed %d, step %d", _i,
                      i);
    }
    keel_timers_cleanup(&timers);
}
END_TEST

START_TEST(none_is_never)
{
    ck_assert_uint_eq(keel_timers_next(&timers), KEEL_NEVER);
    ck_assert_ptr_null(keel_timers_take(&timers, KEEL_NEVER));
    keel_timers_set(&timers, &all[0], KEEL_NEVER);
    keel_timers_cleanup(&timers);
}
END_TEST

SUITE("timers", 10, ROWS(the_earliest_comes_first_whatever_is_set_and_moved, seeds),
      ONE(none_is_never))
