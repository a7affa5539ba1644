/* SPDX-License-Identifier: MIT */
/*
 * What one breaker's follower makes of what it hears, with instants that the test chooses.
 * Its runtime's own relay knocks at a port where nobody is, and changes nothing.
 */
#include "share/follower.h"
#include "support/opened.h"
#include "support/suite.h"

static const char *environment[] = { "KEEL_REDIS=redis://127.0.0.1:1", NULL };
static opened o;
static keel_follower follower;
static keel_follower_visit visit;

static void enter(void)
{
    opened_init(&o, OPENED_BY_HAND, environment, "none; breaker.min_calls=8");
    keel_follower_init(&follower, o.pipeline);
    ck_assert(keel_follower_enter(&follower, &visit));
}

static void leave(void)
{
    keel_follower_exit(&follower, &visit);
    opened_cleanup(&o);
}

/* A closed breaker's view with a lock; the answer to a report. */
static void hear(keel_lock lock, uint64_t number, uint32_t remaining_ms, uint64_t now)
{
    const keel_wire_report report = { .name = follower.name };
    const keel_wire_view view = { .state = KEEL_BREAKER_CLOSED,
                                  .epoch = 1,
                                  .lock = lock,
                                  .lock_epoch = number,
                                  .lock_remaining_ms = remaining_ms };

    keel_follower_sent(&follower, &report, now);
    keel_follower_hear(&follower, visit.plan, &view, now);
}

/* ---- locks -------------------------------------------------------------------------- */

static const struct {
    const char *why;
    uint32_t remaining_ms;
    bool is_lifted;
} ends[] = {
    { "it has run out", 1000, false },
    { "it was lifted", 0, true },
};

/* Its number is kept for a day at most; the relay would look for ever, as fast as it can. */
START_TEST(a_lock_that_is_over_and_forgotten_leaves_nothing_to_do)
{
    uint64_t now = o.clock.now_ns;
    keel_wire_lock lock;
    keel_note note;

    hear(KEEL_LOCK_OPEN, 7, ends[_i].remaining_ms, now);
    follower.wants_reason = false;
    now += 2 * KEEL_S;
    if (ends[_i].is_lifted)
        hear(KEEL_LOCK_NONE, 8, 0, now);
    hear(KEEL_LOCK_NONE, 0, 0, now);
    ck_assert_msg(!keel_follower_lock(&follower, visit.plan, now, &lock, &note) &&
                      !keel_follower_is_busy(&follower, now + KEEL_S),
                  "%s", ends[_i].why);
}
END_TEST

START_TEST(a_lock_that_stands_and_is_forgotten_is_brought_back)
{
    uint64_t now = o.clock.now_ns;
    keel_wire_lock lock;
    keel_note note;

    hear(KEEL_LOCK_OPEN, 7, 0, now);
    hear(KEEL_LOCK_NONE, 0, 0, now);
    ck_assert(keel_follower_is_busy(&follower, now + KEEL_S));
    ck_assert(keel_follower_lock(&follower, visit.plan, now, &lock, &note));
    ck_assert_uint_eq(lock.restored, 7);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(a_lock_that_is_over_and_forgotten_leaves_nothing_to_do, ends),
        ONE(a_lock_that_stands_and_is_forgotten_is_brought_back),
    };

    return suite_run_in("share/follower", 60, enter, leave, tests,
                        sizeof tests / sizeof tests[0]);
}
