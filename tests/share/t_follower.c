/* SPDX-License-Identifier: MIT */
/*
 * What one breaker's follower makes of what it hears, with instants that the test chooses.
 * Its runtime's own relay knocks at a port where nobody is, and changes nothing.
 */
#include "share/follower.h"

#include <stdatomic.h>
#include <string.h>

#include "support/opened.h"
#include "support/suite.h"

static const char *environment[] = { "KEEL_REDIS=redis://127.0.0.1:1", NULL };
static opened o;
static keel_follower follower;
static keel_follower_visit visit;

static atomic_uint left_out; /* lines that say so */

static void listen(keel_log_level level, const char *subsystem, const char *message,
                   void *ctx)
{
    (void)subsystem;
    (void)ctx;
    if (level == KEEL_LOG_WARNING && strstr(message, "pipeline=payments counted=no"))
        left_out++;
}

static void enter(void)
{
    opened_init_with_log(&o, OPENED_BY_HAND, environment, "none; breaker.min_calls=8",
                         listen, NULL);
    keel_follower_init(&follower, o.pipeline);
    ck_assert(keel_follower_enter(&follower, &visit));
}

static void leave(void)
{
    keel_follower_exit(&follower, &visit);
    opened_cleanup(&o);
}

/* The answer to a report. */
static void hear(const keel_wire_view *view, uint64_t now)
{
    const keel_wire_report report = { .name = follower.name };

    keel_follower_sent(&follower, &report, now);
    keel_follower_hear(&follower, visit.plan, view, now);
}

/* ---- what does not count ------------------------------------------------------------ */

static const keel_wire_view uncounted[] = {
    { .epoch = 2, .mismatch = true },
    { .epoch = 2, .newer = true },
};

START_TEST(who_is_left_out_of_the_fleets_window_says_so_once_a_minute)
{
    uint64_t now = o.clock.now_ns;

    for (unsigned second = 0; second < 90; second++)
        hear(&uncounted[_i], now + second * KEEL_S);
    ck_assert_uint_eq(left_out, 2);
}
END_TEST

/* ---- probes ------------------------------------------------------------------------- */

/* What is due is asked for by who calls; until then there is nothing to look for. */
START_TEST(an_open_breaker_that_nobody_calls_keeps_nobody_awake)
{
    const keel_wire_view open = { .state = KEEL_BREAKER_OPEN, .epoch = 2 };
    uint64_t now = o.clock.now_ns;
    keel_wire_claim claim;

    hear(&open, now);
    now += KEEL_S;
    ck_assert(!keel_follower_claim(&follower, visit.plan, now, &claim));
    ck_assert(!keel_follower_is_busy(&follower, now));
    keel_fleet_want_probe(&visit.plan->breaker, now);
    ck_assert(keel_follower_claim(&follower, visit.plan, now, &claim));
    ck_assert(keel_follower_is_busy(&follower, now));
}
END_TEST

/* ---- locks -------------------------------------------------------------------------- */

/* A closed breaker's view with a lock. */
static void hear_lock(keel_lock lock, uint64_t number, uint32_t remaining_ms,
                      uint64_t now)
{
    const keel_wire_view view = { .state = KEEL_BREAKER_CLOSED,
                                  .epoch = 1,
                                  .lock = lock,
                                  .lock_epoch = number,
                                  .lock_remaining_ms = remaining_ms };

    hear(&view, now);
}

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

    hear_lock(KEEL_LOCK_OPEN, 7, ends[_i].remaining_ms, now);
    follower.wants_reason = false;
    now += 2 * KEEL_S;
    if (ends[_i].is_lifted)
        hear_lock(KEEL_LOCK_NONE, 8, 0, now);
    hear_lock(KEEL_LOCK_NONE, 0, 0, now);
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

    hear_lock(KEEL_LOCK_OPEN, 7, 0, now);
    hear_lock(KEEL_LOCK_NONE, 0, 0, now);
    ck_assert(keel_follower_is_busy(&follower, now + KEEL_S));
    ck_assert(keel_follower_lock(&follower, visit.plan, now, &lock, &note));
    ck_assert_uint_eq(lock.restored, 7);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(who_is_left_out_of_the_fleets_window_says_so_once_a_minute, uncounted),
        ONE(an_open_breaker_that_nobody_calls_keeps_nobody_awake),
        ROWS(a_lock_that_is_over_and_forgotten_leaves_nothing_to_do, ends),
        ONE(a_lock_that_stands_and_is_forgotten_is_brought_back),
    };

    return suite_run_in("share/follower", 60, enter, leave, tests,
                        sizeof tests / sizeof tests[0]);
}
