/* SPDX-License-Identifier: MIT */
/* Half-open rounds: permits, verdicts, leases, and the ways out of them. */
#include <string.h>

#include "support/loose_breaker.h"
#include "support/suite.h"

static loose_breaker b;

#define OK KEEL_OUTCOME_OK
#define FAILED KEEL_OUTCOME_FAILED
#define NEUTRAL KEEL_OUTCOME_NEUTRAL
#define CLOSED KEEL_BREAKER_CLOSED
#define OPEN KEEL_BREAKER_OPEN
#define HALF_OPEN KEEL_BREAKER_HALF_OPEN

START_TEST(no_more_probes_than_permits_are_let_through)
{
    keel_breaker_permit p[4];

    loose_breaker_init(&b);
    loose_probe(&b, &p[0]);
    ck_assert_uint_eq(loose_look(&b).permits_left, 2);
    ck_assert_int_eq(loose_admit(&b, &p[1]), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &p[2]), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &p[3]), KEEL_REJECTED_HALF_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, 0);
    ck_assert(loose_end(&b, &p[0], FAILED)); /* a permit that counted is used up */
    ck_assert_int_eq(loose_admit(&b, &p[3]), KEEL_REJECTED_HALF_OPEN);
}
END_TEST

START_TEST(a_neutral_probe_gives_its_permit_back_and_decides_nothing)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    loose_probe(&b, &p);
    for (int i = 0; i < 10; i++) {
        ck_assert(loose_end(&b, &p, NEUTRAL));
        ck_assert_int_eq(loose_look(&b).state, HALF_OPEN);
        ck_assert_uint_eq(loose_look(&b).permits_left, 3);
        ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    }
}
END_TEST

static const struct {
    const char *why;
    unsigned permits, failures;
    bool early;
    const char *ends; /* o ok, f failed, i ignored; the last one decides */
    keel_breaker_state then;
} verdicts[] = {
    { "two good of three cannot change any more", 3, 1, true, "oo", CLOSED },
    { "one bad may be", 3, 1, true, "foo", CLOSED },
    { "two bad are too many", 3, 1, true, "ff", OPEN },
    { "bad, good, bad", 3, 1, true, "fof", OPEN },
    { "not early: all three are waited for", 3, 1, false, "oof", CLOSED },
    { "not early, and bad", 3, 1, false, "ffo", OPEN },
    { "one permit, good", 1, 0, true, "o", CLOSED },
    { "one permit, bad", 1, 0, true, "f", OPEN },
    { "none may fail", 3, 0, true, "of", OPEN },
    { "none failed", 3, 0, true, "ooo", CLOSED },
    { "ignored ones are neither", 3, 1, true, "ioio", CLOSED },
    { "the most failures there may be", 3, 2, true, "o", CLOSED },
};

static unsigned probes_in(const char *ends, const char *kinds)
{
    unsigned count = 0;

    for (; *ends; ends++)
        count += strchr(kinds, *ends) != NULL;
    return count;
}

START_TEST(a_round_is_decided_as_soon_as_it_can_be)
{
    keel_breaker_permit p;
    const char *e = verdicts[_i].ends;

    loose_breaker_init(&b);
    b.policy.half_open_permits = verdicts[_i].permits;
    b.policy.half_open_failures = verdicts[_i].failures;
    b.policy.early_decision = verdicts[_i].early;
    loose_probe(&b, &p);
    for (; *e; e++) {
        ck_assert_msg(loose_look(&b).state == HALF_OPEN, "%s", verdicts[_i].why);
        if (e != verdicts[_i].ends)
            ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
        ck_assert(loose_end(&b, &p, *e == 'o' ? OK : *e == 'f' ? FAILED : NEUTRAL));
    }
    ck_assert_msg(loose_look(&b).state == verdicts[_i].then, "%s", verdicts[_i].why);
    ck_assert_int_eq(b.changes.items[0].cause, verdicts[_i].then == OPEN
                                                   ? KEEL_CAUSE_PROBES_FAILED
                                                   : KEEL_CAUSE_PROBES_OK);
    ck_assert_uint_eq(b.changes.probes, probes_in(verdicts[_i].ends, "of"));
    ck_assert_uint_eq(b.changes.probes_failed, probes_in(verdicts[_i].ends, "f"));
}
END_TEST

static const struct {
    const char *why;
    unsigned slow; /* this many slow ones, then fast ones */
    bool is_failure;
    keel_breaker_state then;
} slows[] = {
    { "none slow", 0, false, CLOSED },
    { "fewer slow than the slow rate", 2, false, CLOSED },
    { "all slow", 3, false, OPEN },
    { "slow is failure: two are one too many", 2, true, OPEN },
};

START_TEST(slow_probes_count_against_the_slow_rate)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    b.policy.slow_call_ns = KEEL_S;
    b.policy.slow_is_failure = slows[_i].is_failure;
    loose_breaker_refit(&b);
    loose_probe(&b, &p);
    for (unsigned i = 0; i < 3 && loose_look(&b).state == HALF_OPEN; i++) {
        uint64_t took = i < slows[_i].slow ? 2 * KEEL_S : 0;

        if (i)
            ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
        ck_assert(loose_end_with(&b, &p, (keel_breaker_result){ .duration_ns = took }));
    }
    ck_assert_msg(loose_look(&b).state == slows[_i].then, "%s", slows[_i].why);
}
END_TEST

START_TEST(a_round_shows_its_own_probes_only)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    loose_probe(&b, &p);
    ck_assert_uint_eq(loose_look(&b).totals.total, 0);
    ck_assert(loose_end(&b, &p, FAILED));
    ck_assert_uint_eq(loose_look(&b).totals.total, 1);
    ck_assert_uint_eq(loose_look(&b).totals.failed, 1);
}
END_TEST

/* ---- leases ---------------------------------------------------------------------- */

START_TEST(a_lost_probe_is_reclaimed_as_failed_when_its_lease_ends)
{
    keel_breaker_permit lost, p;

    loose_breaker_init(&b);
    b.policy.half_open_permits = 1;
    b.policy.half_open_failures = 0;
    loose_probe(&b, &lost);
    b.now += 2 * KEEL_S - 1;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_HALF_OPEN);
    b.now += 1;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(b.changes.items[0].cause, KEEL_CAUSE_PROBES_FAILED);
    ck_assert_uint_eq(loose_look(&b).totals.failed, 1);
    ck_assert(!loose_end(&b, &lost, OK)); /* too late */
    ck_assert_int_eq(loose_look(&b).state, OPEN);
}
END_TEST

START_TEST(the_late_end_of_a_reclaimed_lease_changes_nothing)
{
    keel_breaker_permit lost, second;
    keel_breaker_view before;

    loose_breaker_init(&b);
    loose_probe(&b, &lost);
    b.now += 2 * KEEL_S;
    ck_assert_int_eq(loose_admit(&b, &second), KEEL_OK); /* takes the same place */
    before = loose_look(&b);
    ck_assert_int_eq(before.state, HALF_OPEN);
    ck_assert_uint_eq(before.permits_left, 1); /* one failed, one under way */
    ck_assert(!loose_end(&b, &lost, OK));
    ck_assert(!loose_end(&b, &lost, NEUTRAL));
    ck_assert_uint_eq(loose_look(&b).permits_left, 1);
    ck_assert(loose_end(&b, &second, FAILED));
    ck_assert_int_eq(loose_look(&b).state, OPEN);
}
END_TEST

START_TEST(a_second_end_of_a_probe_changes_nothing)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    loose_probe(&b, &p);
    ck_assert(loose_end(&b, &p, FAILED));
    ck_assert(!loose_end(&b, &p, FAILED));
    ck_assert_int_eq(loose_look(&b).state, HALF_OPEN);
}
END_TEST

START_TEST(whoever_stopped_between_lease_and_permit_holds_up_nobody)
{
    keel_breaker_permit p, stopped = { .generation = 0 };

    loose_breaker_init(&b);
    b.policy.half_open_permits = 1;
    b.policy.half_open_failures = 0;
    loose_probe(&b, &p);
    ck_assert(loose_end(&b, &p, NEUTRAL));
    ck_assert(keel_window_head(&b.breaker.window) != 0);
    /* the lease is taken as by a thread that was killed before it took the permit */
    b.leases[0] = p.lease;
    ck_assert_uint_eq(loose_look(&b).permits_left, 1);
    ck_assert_int_eq(loose_admit(&b, &stopped), KEEL_REJECTED_HALF_OPEN);
    b.now += 2 * KEEL_S; /* and it comes back by itself */
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
    b.now += 3600 * KEEL_S;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
}
END_TEST

START_TEST(as_many_leases_as_permits_can_be_out_at_once)
{
    keel_breaker_permit p[255], more;

    loose_breaker_init(&b);
    b.policy.half_open_permits = 255;
    b.policy.half_open_failures = 127;
    loose_probe(&b, &p[0]);
    for (int i = 1; i < 255; i++)
        ck_assert_int_eq(loose_admit(&b, &p[i]), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &more), KEEL_REJECTED_HALF_OPEN);
    for (int i = 0; i < 128; i++)
        ck_assert(loose_end(&b, &p[i], OK));
    ck_assert_int_eq(loose_look(&b).state, CLOSED);
    ck_assert(!loose_end(&b, &p[128], FAILED));
}
END_TEST

static const uint64_t long_leases[] = { 24 * 3600 * KEEL_S, 720 * 3600 * KEEL_S,
                                        1000000ull * 3600 * KEEL_S, KEEL_NEVER };

START_TEST(a_lease_of_any_length_holds_when_it_is_granted)
{
    keel_breaker_permit p, other;

    loose_breaker_init(&b);
    b.policy.lease_ns = long_leases[_i];
    b.policy.half_open_max_wait_ns = KEEL_NEVER;
    loose_probe(&b, &p);
    for (int hour = 0; hour < 23; hour++, b.now += 3600 * KEEL_S) {
        ck_assert_int_eq(loose_admit(&b, &other), KEEL_OK);
        ck_assert(loose_end(&b, &other, NEUTRAL));
    }
    ck_assert(loose_end(&b, &p, OK));
    ck_assert_int_eq(loose_look(&b).state, HALF_OPEN);
}
END_TEST

START_TEST(and_so_it_does_while_its_holder_queues)
{
    keel_breaker_permit p, other;

    loose_breaker_init(&b);
    loose_probe(&b, &p);
    keel_breaker_pause(&b.breaker, &b.policy, &p, b.now, b.now + long_leases[_i] / 2);
    ck_assert_int_eq(loose_admit(&b, &other), KEEL_OK);
    ck_assert(loose_end(&b, &other, NEUTRAL));
    keel_breaker_resume(&b.breaker, &b.policy, &p, b.now);
    ck_assert(loose_end(&b, &p, OK));
}
END_TEST

static const uint64_t noticed_days_later[] = { 0, 37 };

START_TEST(a_lease_beyond_the_longest_comes_back_after_twelve_days)
{
    keel_breaker_permit lost, p;

    loose_breaker_init(&b);
    b.policy.half_open_permits = 1;
    b.policy.half_open_failures = 0;
    b.policy.lease_ns = KEEL_NEVER;
    b.policy.half_open_max_wait_ns = KEEL_NEVER;
    loose_probe(&b, &lost);
    b.now += 12 * 24 * 3600 * KEEL_S - 1;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_HALF_OPEN);
    b.now += noticed_days_later[_i] * 24 * 3600 * KEEL_S + 1;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
    ck_assert(!loose_end(&b, &lost, OK));
}
END_TEST

static const uint64_t owners[] = { 0, 1, 255 };

START_TEST(every_owner_can_hold_a_lease_at_every_instant)
{
    _Atomic uint64_t self;
    keel_breaker_permit p;

    loose_breaker_init(&b);
    self = owners[_i] << 56 | 1;
    b.breaker.self = &self;
    /* where the circle of expiries is at 0, in a generation that is 0 to a lease */
    loose_trip(&b);
    b.now = ((uint64_t)1 << 42) * 1000 - b.policy.lease_ns;
    b.words.state = (b.words.state & ~(uint64_t)0xffffff) | ((1u << 14) - 1);
    b.words.due[1] = 0;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    ck_assert_uint_ne(p.lease, 0);
    ck_assert(loose_end(&b, &p, OK));
}
END_TEST

/* ---- the way out by time --------------------------------------------------------- */

START_TEST(a_round_without_an_end_opens_again_after_its_longest_wait)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    b.policy.lease_ns = 3600 * KEEL_S;
    loose_probe(&b, &p);
    b.now += 30 * KEEL_S - 1;
    ck_assert_int_eq(loose_look(&b).state, HALF_OPEN);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    b.now += 1;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(b.changes.items[0].cause, KEEL_CAUSE_HALF_OPEN_MAX_WAIT);
    ck_assert_uint_eq(b.retry_after_ns, 10 * KEEL_S); /* the second in a row */
}
END_TEST

START_TEST(or_closes_where_it_is_told_to)
{
    keel_breaker_permit p;

    loose_breaker_init(&b);
    b.policy.lease_ns = 3600 * KEEL_S;
    b.policy.half_open_then_closed = true;
    loose_probe(&b, &p);
    b.now += 30 * KEEL_S;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    ck_assert_int_eq(loose_look(&b).state, CLOSED);
    ck_assert_int_eq(b.changes.items[0].cause, KEEL_CAUSE_HALF_OPEN_MAX_WAIT);
}
END_TEST

START_TEST(nothing_stays_half_open_however_its_probes_get_lost)
{
    keel_breaker_permit p;
    unsigned opened = 0;

    loose_breaker_init(&b);
    loose_probe(&b, &p);
    for (int i = 0; i < 1000; i++) {
        keel_status status = loose_admit(&b, &p); /* and never ended */

        for (uint32_t k = 0; k < b.changes.count; k++)
            opened += b.changes.items[k].to == OPEN;
        b.now += status == KEEL_OK ? KEEL_MS : KEEL_S;
    }
    ck_assert_uint_ge(opened, 10);
}
END_TEST

START_TEST(another_number_of_permits_starts_the_round_over)
{
    keel_breaker_permit old, p;

    loose_breaker_init(&b);
    loose_probe(&b, &old);
    b.policy.half_open_permits = 5;
    keel_breaker_restart_round(&b.breaker, &b.policy);
    ck_assert_int_eq(loose_look(&b).state, HALF_OPEN);
    ck_assert_uint_eq(loose_look(&b).permits_left, 5);
    ck_assert(!loose_end(&b, &old, FAILED));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_HALF_OPEN);
    b.now = loose_look(&b).due_at_ns; /* the round still ends when it would have */
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
}
END_TEST

SUITE("probes", 10, ONE(no_more_probes_than_permits_are_let_through),
      ONE(a_neutral_probe_gives_its_permit_back_and_decides_nothing),
      ROWS(a_round_is_decided_as_soon_as_it_can_be, verdicts),
      ROWS(slow_probes_count_against_the_slow_rate, slows),
      ONE(a_round_shows_its_own_probes_only),
      ONE(a_lost_probe_is_reclaimed_as_failed_when_its_lease_ends),
      ONE(the_late_end_of_a_reclaimed_lease_changes_nothing),
      ONE(a_second_end_of_a_probe_changes_nothing),
      ONE(whoever_stopped_between_lease_and_permit_holds_up_nobody),
      ONE(as_many_leases_as_permits_can_be_out_at_once),
      ROWS(a_lease_of_any_length_holds_when_it_is_granted, long_leases),
      ROWS(and_so_it_does_while_its_holder_queues, long_leases),
      ROWS(a_lease_beyond_the_longest_comes_back_after_twelve_days, noticed_days_later),
      ROWS(every_owner_can_hold_a_lease_at_every_instant, owners),
      ONE(a_round_without_an_end_opens_again_after_its_longest_wait),
      ONE(or_closes_where_it_is_told_to),
      ONE(nothing_stays_half_open_however_its_probes_get_lost),
      ONE(another_number_of_permits_starts_the_round_over))
