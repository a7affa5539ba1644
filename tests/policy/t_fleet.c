/* SPDX-License-Identifier: MIT */
/* A breaker that follows a fleet: the words alone, by virtual time. */
#include <string.h>

#include "base/clock.h"
#include "policy/fleet.h"
#include "support/loose_breaker.h"
#include "support/suite.h"

#define OK KEEL_OUTCOME_OK
#define FAILED KEEL_OUTCOME_FAILED
#define SAY_NS (2 * KEEL_S)

static loose_breaker b;
static keel_fleet_words fleet;

static void begin(void)
{
    loose_breaker_init(&b);
    memset(&fleet, 0, sizeof fleet);
    b.breaker.fleet = &fleet;
}

/* The relay has heard it, and keeps its say. */
static void hear(keel_breaker_state state)
{
    fleet.view = keel_fleet_view_pack(state, 7);
    fleet.governs_until = b.now + SAY_NS;
}

static void open_for(uint64_t length)
{
    hear(KEEL_BREAKER_OPEN);
    keel_fleet_open(&b.breaker, b.now, b.now + length, &b.changes);
}

static void lend(uint32_t probes)
{
    hear(KEEL_BREAKER_HALF_OPEN);
    keel_fleet_lend(&b.breaker, probes, b.now + KEEL_S, &b.changes);
}

static keel_fleet_round look(void)
{
    return keel_fleet_look(&b.breaker, &b.policy, b.now, &b.random, &b.changes);
}

START_TEST(a_fleet_that_is_closed_leaves_the_breaker_to_its_own_rules)
{
    begin();
    hear(KEEL_BREAKER_CLOSED);
    loose_trip(&b);
    b.now += 5 * KEEL_S;
    loose_calls(&b, OK, 2);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_CLOSED);
}
END_TEST

START_TEST(an_open_fleet_lets_nobody_probe_by_himself_and_hears_who_wants_to)
{
    keel_breaker_permit p;

    begin();
    open_for(KEEL_S);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, KEEL_S);
    ck_assert_uint_eq(fleet.news, 0);
    b.now += KEEL_S;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(b.retry_after_ns, KEEL_FLEET_SOON_NS);
    ck_assert_uint_eq(fleet.wanted_at, b.now);
    ck_assert_uint_eq(fleet.news, 1);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(the_last_failure_says_what_the_other_side_wishes)
{
    keel_breaker_permit p;

    begin();
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    loose_end_with(&b, &p, (keel_breaker_result){ FAILED, 0, 7 * KEEL_S });
    ck_assert_uint_eq(fleet.wish_until, b.now + 7 * KEEL_S);
    loose_calls(&b, OK, 1);
    ck_assert_uint_eq(fleet.wish_until, b.now + 7 * KEEL_S);
    loose_calls(&b, FAILED, 1);
    ck_assert_uint_eq(fleet.wish_until, 0);
}
END_TEST

START_TEST(why_it_opened_here_is_known_of_that_generation_alone)
{
    uint32_t generation;

    begin();
    loose_trip(&b);
    generation = loose_look(&b).generation;
    ck_assert_int_eq(keel_fleet_trip_cause(&b.breaker, generation),
                     KEEL_CAUSE_FAILURE_RATE);
    ck_assert_int_eq(keel_fleet_trip_cause(&b.breaker, generation + 1),
                     KEEL_CAUSE_NONE);
    keel_fleet_close(&b.breaker, &b.policy, b.now, &b.changes);
    b.policy.consecutive = 1;
    b.policy.min_calls = 100;
    loose_calls(&b, FAILED, 1);
    ck_assert_int_eq(keel_fleet_trip_cause(&b.breaker, generation + 2),
                     KEEL_CAUSE_CONSECUTIVE);
}
END_TEST

START_TEST(a_relay_that_is_gone_has_no_say)
{
    keel_breaker_permit p;

    begin();
    open_for(KEEL_S);
    b.now += SAY_NS;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(as_many_probes_pass_as_were_lent_and_no_more)
{
    keel_breaker_permit p[3];

    begin();
    open_for(0);
    lend(2);
    ck_assert_int_eq(loose_admit(&b, &p[0]), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &p[1]), KEEL_OK);
    ck_assert_int_eq(loose_admit(&b, &p[2]), KEEL_REJECTED_HALF_OPEN);
    ck_assert_uint_eq(fleet.news, 1);
    ck_assert(loose_end(&b, &p[0], OK));
    ck_assert(loose_end(&b, &p[1], OK));
    ck_assert_int_eq(loose_admit(&b, &p[2]), KEEL_REJECTED_HALF_OPEN);
    lend(1);
    ck_assert_int_eq(loose_admit(&b, &p[2]), KEEL_OK);
}
END_TEST

/* Both of which would have been a verdict, had the round been its own. */
static const keel_breaker_outcome verdicts[] = { OK, FAILED };

START_TEST(what_lent_probes_show_is_told_and_not_judged_here)
{
    keel_breaker_permit p;
    keel_fleet_round round;

    begin();
    open_for(0);
    lend(3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
        ck_assert(loose_end(&b, &p, verdicts[_i]));
    }
    round = look();
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(round.ok, verdicts[_i] == OK ? 3 : 0);
    ck_assert_uint_eq(round.failed, verdicts[_i] == OK ? 0 : 3);
    ck_assert_uint_eq(round.left, 0);
    if (verdicts[_i] == OK)
        keel_fleet_close(&b.breaker, &b.policy, b.now, &b.changes);
    else
        open_for(KEEL_S);
    ck_assert_int_eq(loose_look(&b).state,
                     verdicts[_i] == OK ? KEEL_BREAKER_CLOSED : KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(a_lent_probe_that_never_ends_is_told_as_failed)
{
    keel_breaker_permit p;

    begin();
    open_for(0);
    lend(1);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    b.now += b.policy.lease_ns;
    hear(KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(look().failed, 1);
    ck_assert(!loose_end(&b, &p, OK));
}
END_TEST

START_TEST(a_round_outlives_its_longest_wait_while_the_fleet_has_its_say)
{
    keel_breaker_permit p;

    begin();
    open_for(0);
    lend(1);
    b.now += 2 * KEEL_S;
    hear(KEEL_BREAKER_HALF_OPEN);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
    b.now += SAY_NS;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_OPEN); /* and then not */
}
END_TEST

START_TEST(a_probe_that_nobody_took_can_be_taken_back)
{
    keel_breaker_permit p;
    uint32_t generation;

    begin();
    open_for(0);
    hear(KEEL_BREAKER_HALF_OPEN);
    generation = keel_fleet_lend(&b.breaker, 1, b.now + KEEL_S, &b.changes);
    ck_assert_uint_eq(look().generation, generation);
    ck_assert_uint_eq(keel_fleet_lend(&b.breaker, 0, b.now + KEEL_S, &b.changes),
                      generation); /* the same round */
    ck_assert(!keel_fleet_take_back(&b.breaker, generation - 1));
    ck_assert(keel_fleet_take_back(&b.breaker, generation));
    ck_assert(!keel_fleet_take_back(&b.breaker, generation));
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_HALF_OPEN);
}
END_TEST

START_TEST(an_end_that_is_said_again_is_no_transition)
{
    uint32_t generation;

    begin();
    open_for(KEEL_S);
    generation = loose_look(&b).generation;
    open_for(KEEL_S + 1000);
    ck_assert_uint_eq(loose_look(&b).generation, generation);
    open_for(KEEL_S / 2);
    ck_assert_uint_eq(loose_look(&b).due_at_ns, b.now + KEEL_S / 2);
}
END_TEST

START_TEST(a_fleet_that_closes_empties_the_window)
{
    begin();
    loose_calls(&b, FAILED, 3);
    open_for(KEEL_S);
    hear(KEEL_BREAKER_CLOSED);
    keel_fleet_close(&b.breaker, &b.policy, b.now, &b.changes);
    ck_assert_uint_eq(loose_look(&b).totals.total, 0);
}
END_TEST

/* Members that were lent no probe come from open. */
START_TEST(a_fleet_that_closes_ramps_up_here_too)
{
    keel_breaker_permit p;

    begin();
    b.policy.ramp_up_ns = 10 * KEEL_S;
    b.draw_count = 1;
    b.draws[0] = 0.5;
    open_for(KEEL_S);
    hear(KEEL_BREAKER_CLOSED);
    keel_fleet_close(&b.breaker, &b.policy, b.now, &b.changes);
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_REJECTED_RAMPING);
    b.now += 5 * KEEL_S + KEEL_MS;
    ck_assert_int_eq(loose_admit(&b, &p), KEEL_OK);
}
END_TEST

SUITE("fleet", 10, ONE(a_fleet_that_is_closed_leaves_the_breaker_to_its_own_rules),
      ONE(an_open_fleet_lets_nobody_probe_by_himself_and_hears_who_wants_to),
      ONE(the_last_failure_says_what_the_other_side_wishes),
      ONE(why_it_opened_here_is_known_of_that_generation_alone),
      ONE(a_relay_that_is_gone_has_no_say),
      ONE(as_many_probes_pass_as_were_lent_and_no_more),
      ROWS(what_lent_probes_show_is_told_and_not_judged_here, verdicts),
      ONE(a_lent_probe_that_never_ends_is_told_as_failed),
      ONE(a_round_outlives_its_longest_wait_while_the_fleet_has_its_say),
      ONE(a_probe_that_nobody_took_can_be_taken_back),
      ONE(an_end_that_is_said_again_is_no_transition),
      ONE(a_fleet_that_closes_empties_the_window),
      ONE(a_fleet_that_closes_ramps_up_here_too))
