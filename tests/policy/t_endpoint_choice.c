/* SPDX-License-Identifier: MIT */
/* Which endpoint is next. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/loose_endpoints.h"
#include "support/suite.h"

static loose_endpoints l;
static uint32_t counts[KEEL_ENDPOINTS_MAX];

static void begin(const char *list)
{
    loose_endpoints_init(&l);
    loose_list(&l, list);
}

static void begin_with_breakers(const char *list)
{
    loose_endpoints_init(&l);
    loose_breakers_on(&l);
    loose_list(&l, list);
}

/* Out of the way, by another hand than that of outcomes. */
static void make_ill(uint32_t index)
{
    ck_assert(keel_endpoints_say_health(l.set, index, false, l.now));
}

static bool make_well(uint32_t index)
{
    return keel_endpoints_say_health(l.set, index, true, l.now);
}

/* Fails until its breaker opens. */
static void trip(uint32_t index)
{
    keel_endpoint_pick pick;

    l.tried = l.set->everybody & ~keel_endpoint_bit(index);
    while (loose_view(&l, index).breaker.state == KEEL_BREAKER_CLOSED) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        ck_assert_uint_eq(pick.index, index);
        loose_pick_end(&l, &pick, KEEL_OUTCOME_FAILED);
    }
    l.tried = 0;
}

static void about(uint32_t count, double expected, const char *why)
{
    ck_assert_msg(fabs(count - expected) < 150, "%s: %u for %.0f", why, count,
                  expected);
}

/* ---- weights -------------------------------------------------------------------- */

static const struct {
    const char *why;
    const char *list;
    keel_endpoints_by by;
    double shares[4]; /* of 10 000 */
} weights[] = {
    { "equal ones", "a:1, b:1", KEEL_ENDPOINTS_BY_LOAD, { 5000, 5000 } },
    { "of two the weight holds",
      "a:1 weight=3, b:1",
      KEEL_ENDPOINTS_BY_LOAD,
      { 7500, 2500 } },
    { "and of four",
      "a:1 weight=4, b:1 weight=3, c:1 weight=2, d:1",
      KEEL_ENDPOINTS_BY_LOAD,
      { 4000, 3000, 2000, 1000 } },
    { "by turns exactly so",
      "a:1 weight=4, b:1 weight=3, c:1 weight=2, d:1",
      KEEL_ENDPOINTS_BY_TURN,
      { 4000, 3000, 2000, 1000 } },
    { "sticky without a number goes by load",
      "a:1 weight=3, b:1",
      KEEL_ENDPOINTS_BY_AFFINITY,
      { 7500, 2500 } },
};

START_TEST(idle_endpoints_get_their_weight)
{
    begin(weights[_i].list);
    l.policy.endpoints_by = weights[_i].by;
    loose_spread(&l, 10000, counts);
    for (uint32_t i = 0; i < l.set->count; i++)
        about(counts[i], weights[_i].shares[i], weights[_i].why);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(turns_are_smooth_and_to_the_number)
{
    char order[15] = "";

    begin("a:1 weight=5, b:1, c:1");
    l.policy.endpoints_by = KEEL_ENDPOINTS_BY_TURN;
    for (int i = 0; i < 14; i++)
        order[i] = "abc"[loose_attempt(&l, KEEL_OUTCOME_OK)];
    ck_assert_str_eq(order, "aaabcaaaaabcaa");
    loose_spread(&l, 700, counts);
    ck_assert_uint_eq(counts[0], 500);
    ck_assert_uint_eq(counts[1], 100);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(who_was_away_makes_up_for_no_turns)
{
    begin("a:1, b:1, c:1");
    l.policy.endpoints_by = KEEL_ENDPOINTS_BY_TURN;
    l.policy.eject_panic_ppm = 0;
    make_ill(0);
    loose_spread(&l, 1000, counts);
    ck_assert(make_well(0));
    loose_spread(&l, 30, counts);
    ck_assert_uint_ge(counts[0], 10);
    ck_assert_uint_le(counts[0], 11);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(of_two_the_one_with_less_under_way_is_taken)
{
    keel_endpoint_pick held[12], pick;

    begin("a:1, b:1 weight=2");
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(loose_choose(&l, &held[i]), KEEL_OK);
    ck_assert_uint_eq(loose_view(&l, 0).in_flight, 4);
    ck_assert_uint_eq(loose_view(&l, 1).in_flight, 8);
    for (int i = 0; i < 12; i++)
        if (held[i].index == 1)
            loose_pick_end(&l, &held[i], KEEL_OUTCOME_OK);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        ck_assert_uint_eq(pick.index, 1);
    }
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- levels --------------------------------------------------------------------- */

START_TEST(a_tier_that_is_whole_takes_everything)
{
    begin("a:1, b:1, c:1 tier=1");
    loose_spread(&l, 1000, counts);
    ck_assert_uint_eq(counts[2], 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(where_nothing_is_left_to_chance_none_is_drawn)
{
    uint64_t before;

    begin("a:1, b:1 tier=1");
    before = l.seed;
    ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 0);
    ck_assert_uint_eq(l.seed, before);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* How a tier of ten hands on what it cannot take, at a healthy_share of 70 %. */
static const struct {
    const char *why;
    uint32_t ill;
    double next; /* of 10 000 */
} spills[] = {
    { "one of ten may be ill", 1, 0 },
    { "three of ten, too", 3, 0 },
    { "six healthy take 6/7", 4, 10000.0 / 7 },
    { "one healthy takes 1/7", 9, 60000.0 / 7 },
    { "none takes nothing", 10, 10000 },
};

START_TEST(a_tier_short_of_healthy_ones_hands_on_in_proportion)
{
    uint32_t next = 0;

    begin("a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1, i:1, j:1, "
          "k:1 tier=3, l:1 tier=3");
    for (uint32_t i = 0; i < spills[_i].ill; i++)
        make_ill(i);
    loose_spread(&l, 10000, counts);
    next = counts[10] + counts[11];
    about(next, spills[_i].next, spills[_i].why);
    if (spills[_i].next < 1)
        ck_assert_uint_eq(next, 0);
    for (uint32_t i = 0; i < spills[_i].ill; i++)
        ck_assert_uint_eq(counts[i], 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(tiers_that_are_short_together_share_in_proportion)
{
    begin("a:1, b:1, c:1, d:1, e:1 tier=1, f:1 tier=1, g:1 tier=1, h:1 tier=1");
    l.policy.eject_panic_ppm = 0;
    make_ill(0);
    make_ill(1);
    make_ill(2);
    make_ill(4);
    make_ill(5);
    make_ill(6);
    loose_spread(&l, 10000, counts);
    about(counts[3], 5000, "the near one");
    about(counts[7], 5000, "the far one");
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(the_own_zone_comes_first_while_it_is_healthy_enough)
{
    loose_endpoints_init(&l);
    l.policy.endpoints_zone = keel_text_of("eu-1b");
    loose_list(&l, "a:1 zone=eu-1a, b:1 zone=eu-1b, c:1 zone=eu-1b, d:1, e:1 tier=1");
    loose_spread(&l, 10000, counts);
    about(counts[1], 5000, "near");
    ck_assert_uint_eq(counts[1] + counts[2], 10000);
    make_ill(1);
    loose_spread(&l, 10000, counts);
    about(counts[2], 50000.0 / 7, "half of the zone takes 5/7");
    about(counts[0], 10000.0 / 7, "the others of the tier share the rest");
    about(counts[3], 10000.0 / 7, "one without a zone is one of them");
    ck_assert_uint_eq(counts[4], 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- affinity ------------------------------------------------------------------- */

enum { KEYS = 5000 };

static void where_keys_go(uint32_t *at)
{
    for (uint64_t key = 1; key <= KEYS; key++) {
        l.affinity = key;
        at[key - 1] = loose_attempt(&l, KEEL_OUTCOME_OK);
    }
}

static uint32_t before[KEYS], after[KEYS];

static uint32_t moved_from(uint32_t index)
{
    uint32_t moved = 0;

    for (int key = 0; key < KEYS; key++)
        moved += before[key] == index && after[key] != index;
    return moved;
}

static void begin_sticky(const char *list)
{
    loose_endpoints_init(&l);
    l.policy.endpoints_by = KEEL_ENDPOINTS_BY_AFFINITY;
    loose_list(&l, list);
}

START_TEST(the_same_number_goes_to_the_same_endpoint)
{
    begin_sticky("a:1, b:1, c:1, d:1");
    where_keys_go(before);
    l.seed = 99;
    where_keys_go(after);
    ck_assert_mem_eq(before, after, sizeof before);
    for (uint32_t i = 0; i < 4; i++) {
        counts[i] = 0;
        for (int key = 0; key < KEYS; key++)
            counts[i] += before[key] == i;
        about(counts[i], KEYS / 4.0, "each has its share");
    }
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(who_falls_out_moves_his_own_numbers_and_no_others)
{
    begin_sticky("a:1, b:1, c:1, d:1");
    where_keys_go(before);
    make_ill(2);
    where_keys_go(after);
    for (int key = 0; key < KEYS; key++)
        ck_assert(before[key] == 2 ? after[key] != 2 : after[key] == before[key]);
    ck_assert(make_well(2));
    where_keys_go(after);
    ck_assert_mem_eq(before, after, sizeof before);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(numbers_follow_names_through_another_order_of_the_list)
{
    static const uint32_t now_at[] = { 3, 0, 1, 2 };

    begin_sticky("a:1, b:1, c:1, d:1");
    where_keys_go(before);
    loose_list(&l, "b:1, c:1, d:1, a:1");
    where_keys_go(after);
    for (int key = 0; key < KEYS; key++)
        ck_assert_uint_eq(after[key], now_at[before[key]]);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(numbers_are_spread_by_weight_and_a_change_moves_few)
{
    begin_sticky("a:1 weight=3, b:1");
    where_keys_go(before);
    ck_assert_uint_eq(moved_from(9), 0);
    loose_list(&l, "a:1 weight=4, b:1");
    where_keys_go(after);
    ck_assert_uint_eq(moved_from(0), 0);
    about(moved_from(1), KEYS * 0.05, "from 3/4 to 4/5");
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- further attempts ----------------------------------------------------------- */

START_TEST(a_further_attempt_goes_elsewhere_while_there_is_another)
{
    begin("a:1, b:1, c:1 tier=1");
    for (int i = 0; i < 200; i++) {
        l.tried = 1;
        ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 1);
        l.tried = 3;
        ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 2);
        l.tried = 7;
        ck_assert_uint_ne(loose_attempt(&l, KEEL_OUTCOME_OK), 2);
    }
    loose_endpoints_cleanup(&l);
}
END_TEST

/* Where an attempt may go after those before it; endpoints as a bit each, from the lowest. */
static const struct {
    const char *why;
    const char *list;
    uint32_t ill;
    uint64_t tried;
    uint64_t goes_to;
} moves[] = {
    { "the first one stays near", "a:1 zone=eu, b:1 zone=eu, c:1 zone=us", 0, 0, 3 },
    { "the next one leaves the zone", "a:1 zone=eu, b:1 zone=eu, c:1 zone=us", 0, 1,
      4 },
    { "to any other one of the tier",
      "a:1 zone=eu, b:1 zone=eu, c:1 zone=us, d:1 zone=jp", 0, 1, 12 },
    { "and that one, too",
      "a:1 zone=eu, b:1 zone=eu, c:1 zone=us, d:1 zone=us, e:1 zone=jp", 0, 5, 16 },
    { "with all zones tried, to the nearest of who is left",
      "a:1 zone=eu, b:1 zone=eu, c:1 zone=us, d:1 zone=us", 0, 5, 2 },
    { "home, if it was not tried there",
      "a:1 zone=eu, b:1 zone=eu, c:1 zone=us, d:1 zone=us", 0, 4, 3 },
    { "one in no zone is in another", "a:1 zone=eu, b:1 zone=eu, c:1", 0, 1, 4 },
    { "those in no zone are not in one together", "a:1, b:1, c:1 zone=us tier=1", 0, 1,
      2 },
    { "not to the next tier", "a:1 zone=eu, b:1 zone=eu, c:1 zone=us tier=1", 0, 1, 2 },
    { "unless this one is short",
      "a:1 zone=eu, b:1 zone=eu, d:1 zone=eu, c:1 zone=us tier=1", 4, 1, 8 },
    { "and has no other zone itself",
      "a:1 zone=eu, b:1 zone=eu, c:1 zone=jp weight=9, d:1 zone=us tier=1", 2, 1, 4 },
};

START_TEST(a_further_attempt_leaves_the_zone_that_was_tried)
{
    uint64_t gone_to = 0;

    loose_endpoints_init(&l);
    l.policy.endpoints_zone = keel_text_of("eu");
    l.policy.eject_panic_ppm = 0;
    loose_list(&l, moves[_i].list);
    for (uint32_t i = 0; i < l.set->count; i++)
        if (moves[_i].ill & 1u << i)
            make_ill(i);
    l.tried = moves[_i].tried;
    for (int i = 0; i < 200; i++)
        gone_to |= keel_endpoint_bit(loose_attempt(&l, KEEL_OUTCOME_OK));
    ck_assert_msg(gone_to == moves[_i].goes_to, "%s: %#llx", moves[_i].why,
                  (unsigned long long)gone_to);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_zone_is_not_left_for_a_probe)
{
    begin_with_breakers("a:1 zone=eu, b:1 zone=eu, c:1 zone=us");
    trip(2);
    l.now += 5 * KEEL_S;
    l.tried = 1;
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 1);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_further_attempt_is_no_probe_while_another_is_closed)
{
    begin_with_breakers("a:1, b:1, c:1");
    trip(0);
    l.now += 5 * KEEL_S;
    l.tried = 2;
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 2);
    ck_assert_int_eq(loose_view(&l, 0).breaker.state, KEEL_BREAKER_OPEN);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- breakers ------------------------------------------------------------------- */

START_TEST(each_endpoint_has_a_breaker_of_its_own)
{
    begin_with_breakers("a:1, b:1, c:1");
    trip(1);
    ck_assert_int_eq(loose_view(&l, 0).breaker.state, KEEL_BREAKER_CLOSED);
    loose_spread(&l, 1000, counts);
    ck_assert_uint_eq(counts[1], 0);
    about(counts[0], 500, "the others share");
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(with_all_of_them_open_the_first_to_be_probed_says_when_to_come_back)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1, b:1");
    trip(0);
    l.now += KEEL_S;
    trip(1);
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(l.retry_after_ns, 4 * KEEL_S);
    ck_assert(!loose_pick_end(&l, &pick, KEEL_OUTCOME_OK));
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(an_open_one_is_probed_and_comes_back)
{
    keel_endpoint_pick probes[2], pick;

    begin_with_breakers("a:1");
    trip(0);
    l.now += 5 * KEEL_S;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(loose_choose(&l, &probes[i]), KEEL_OK);
    ck_assert_int_eq(loose_view(&l, 0).breaker.state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_REJECTED_HALF_OPEN);
    for (int i = 0; i < 2; i++)
        ck_assert(loose_pick_end(&l, &probes[i], KEEL_OUTCOME_OK));
    ck_assert(loose_told(&l, KEEL_ENDPOINT_MOVED, 0));
    ck_assert_int_eq(loose_view(&l, 0).breaker.state, KEEL_BREAKER_CLOSED);
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(with_all_probes_out_the_next_tier_is_used_and_then_nobody)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1, b:1 tier=1");
    trip(0);
    l.now += 5 * KEEL_S;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        ck_assert_uint_eq(pick.index, 0);
    }
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 1);
    loose_list(&l, "a:1");
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_REJECTED_HALF_OPEN);
    ck_assert_uint_eq(l.retry_after_ns, 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(what_the_only_healthy_one_refuses_goes_to_an_ill_one_and_not_nowhere)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1, b:1");
    trip(0);
    make_ill(1);
    l.now += 5 * KEEL_S;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        ck_assert_uint_eq(pick.index, 0);
    }
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 1);
    ck_assert(!loose_told(&l, KEEL_ENDPOINTS_PANIC, 0));
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_neutral_end_gives_everything_back)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1");
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        ck_assert(loose_pick_end(&l, &pick, KEEL_OUTCOME_NEUTRAL));
        ck_assert(!loose_pick_end(&l, &pick, KEEL_OUTCOME_NEUTRAL));
    }
    ck_assert_uint_eq(loose_view(&l, 0).in_flight, 0);
    ck_assert_uint_eq(loose_view(&l, 0).failed, 0);
    ck_assert_uint_eq(loose_view(&l, 0).ok, 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- panic ---------------------------------------------------------------------- */

START_TEST(with_less_than_half_healthy_all_are_used_and_it_is_told_once)
{
    begin("a:1, b:1, c:1, d:1");
    make_ill(0);
    make_ill(1);
    loose_spread(&l, 1000, counts);
    ck_assert_uint_eq(counts[0] + counts[1], 0);
    ck_assert(!keel_endpoints_are_in_panic(l.set));
    make_ill(2);
    l.changes.count = 0;
    loose_spread(&l, 4000, counts);
    about(counts[0], 1000, "an ill one is used");
    ck_assert(keel_endpoints_are_in_panic(l.set));
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(panic_begins_and_ends_with_one_word_each)
{
    keel_endpoint_pick pick;
    uint32_t begun = 0, ended = 0;

    begin("a:1, b:1");
    make_ill(0);
    make_ill(1);
    for (int i = 0; i < 10; i++) {
        loose_choose(&l, &pick);
        begun += loose_told(&l, KEEL_ENDPOINTS_PANIC, 0);
    }
    ck_assert(make_well(0));
    for (int i = 0; i < 10; i++) {
        loose_choose(&l, &pick);
        ck_assert_uint_eq(pick.index, 0);
        ended += loose_told(&l, KEEL_ENDPOINTS_CALM, 0);
    }
    ck_assert_uint_eq(begun, 1);
    ck_assert_uint_eq(ended, 1);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_tier_that_can_take_everything_is_no_reason_for_panic)
{
    begin("a:1, b:1, c:1, d:1 tier=1");
    make_ill(0);
    make_ill(1);
    make_ill(2);
    loose_spread(&l, 1000, counts);
    ck_assert_uint_eq(counts[3], 1000);
    ck_assert(!keel_endpoints_are_in_panic(l.set));
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(with_nobody_healthy_all_are_used_whatever_the_panic_share)
{
    begin("a:1, b:1");
    l.policy.eject_panic_ppm = 0;
    make_ill(0);
    make_ill(1);
    loose_spread(&l, 1000, counts);
    about(counts[0], 500, "one");
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_panic_uses_the_ejected_and_no_open_breaker)
{
    begin_with_breakers("a:1, b:1, c:1");
    l.policy.eject_share_ppm = 700000;
    trip(0);
    loose_outcomes(&l, 1, true, 5);
    loose_outcomes(&l, 2, true, 5);
    loose_spread(&l, 1000, counts);
    ck_assert_uint_eq(counts[0], 0);
    about(counts[1], 500, "an ejected one");
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(open_breakers_are_no_panic)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1, b:1, c:1");
    trip(0);
    trip(1);
    ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 2);
    ck_assert(!keel_endpoints_are_in_panic(l.set));
    trip(2);
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_REJECTED_OPEN);
    ck_assert(!keel_endpoints_are_in_panic(l.set));
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(an_ejected_one_stays_out_beside_an_open_one_until_it_is_the_last)
{
    begin_with_breakers("a:1, b:1, c:1");
    trip(0);
    loose_outcomes(&l, 1, true, 5);
    loose_spread(&l, 1000, counts);
    ck_assert_uint_eq(counts[2], 1000);
    ck_assert(!keel_endpoints_are_in_panic(l.set));
    trip(2);
    ck_assert_uint_eq(loose_attempt(&l, KEEL_OUTCOME_OK), 1);
    ck_assert(keel_endpoints_are_in_panic(l.set));
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- active checks -------------------------------------------------------------- */

START_TEST(one_that_is_healthy_again_is_probed_before_its_time_by_the_next_call)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1, b:1");
    trip(0);
    ck_assert(!make_well(0)); /* nobody had said it was ill */
    ck_assert_uint_gt(loose_view(&l, 0).breaker.due_at_ns, l.now);
    make_ill(0);
    ck_assert(make_well(0));
    ck_assert_uint_le(loose_view(&l, 0).breaker.due_at_ns, l.now);
    l.now += 3600 * KEEL_S; /* without traffic there is no round that ends in vain */
    ck_assert_int_eq(loose_view(&l, 0).breaker.state, KEEL_BREAKER_OPEN);
    l.tried = keel_endpoint_bit(1);
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 0);
    ck_assert_int_eq(loose_view(&l, 0).breaker.state, KEEL_BREAKER_HALF_OPEN);
    loose_pick_end(&l, &pick, KEEL_OUTCOME_OK);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- slow start ----------------------------------------------------------------- */

static const struct {
    uint64_t after_s;
    double weight;
} returns[] = {
    { 0, 0.1 }, { 1, 0.1 }, { 2, 0.2 }, { 5, 0.5 }, { 9, 0.9 }, { 10, 1 }, { 1000, 1 },
};

static void check_weight(double weight)
{
    ck_assert(fabs(loose_view(&l, 0).weight - weight) < 0.01);
    loose_spread(&l, 10000, counts);
    about(counts[0], 10000 * weight / (weight + 2), "its share");
}

START_TEST(who_comes_back_from_an_ejection_starts_slowly)
{
    begin("a:1, b:1, c:1");
    l.policy.slow_start_ns = 10 * KEEL_S;
    loose_outcomes(&l, 0, true, 5);
    l.now += 30 * KEEL_S + returns[_i].after_s * KEEL_S;
    check_weight(returns[_i].weight);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(who_is_found_healthy_again_starts_slowly)
{
    begin("a:1, b:1, c:1");
    l.policy.slow_start_ns = 10 * KEEL_S;
    make_ill(0);
    ck_assert(make_well(0));
    l.now += returns[_i].after_s * KEEL_S;
    check_weight(returns[_i].weight);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(whose_breaker_closes_starts_slowly)
{
    keel_endpoint_pick pick;

    begin_with_breakers("a:1, b:1, c:1");
    l.policy.slow_start_ns = 10 * KEEL_S;
    trip(0);
    l.now += 5 * KEEL_S;
    while (loose_view(&l, 0).breaker.state != KEEL_BREAKER_CLOSED) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        loose_pick_end(&l, &pick, KEEL_OUTCOME_OK);
    }
    l.now += returns[_i].after_s * KEEL_S;
    check_weight(returns[_i].weight);
    loose_endpoints_cleanup(&l);
}
END_TEST

SUITE("endpoint choice", 30, ROWS(idle_endpoints_get_their_weight, weights),
      ONE(turns_are_smooth_and_to_the_number), ONE(who_was_away_makes_up_for_no_turns),
      ONE(of_two_the_one_with_less_under_way_is_taken),
      ONE(a_tier_that_is_whole_takes_everything),
      ONE(where_nothing_is_left_to_chance_none_is_drawn),
      ROWS(a_tier_short_of_healthy_ones_hands_on_in_proportion, spills),
      ONE(tiers_that_are_short_together_share_in_proportion),
      ONE(the_own_zone_comes_first_while_it_is_healthy_enough),
      ONE(the_same_number_goes_to_the_same_endpoint),
      ONE(who_falls_out_moves_his_own_numbers_and_no_others),
      ONE(numbers_follow_names_through_another_order_of_the_list),
      ONE(numbers_are_spread_by_weight_and_a_change_moves_few),
      ONE(a_further_attempt_goes_elsewhere_while_there_is_another),
      ONE(a_further_attempt_is_no_probe_while_another_is_closed),
      ROWS(a_further_attempt_leaves_the_zone_that_was_tried, moves),
      ONE(a_zone_is_not_left_for_a_probe), ONE(each_endpoint_has_a_breaker_of_its_own),
      ONE(with_all_of_them_open_the_first_to_be_probed_says_when_to_come_back),
      ONE(an_open_one_is_probed_and_comes_back),
      ONE(with_all_probes_out_the_next_tier_is_used_and_then_nobody),
      ONE(what_the_only_healthy_one_refuses_goes_to_an_ill_one_and_not_nowhere),
      ONE(a_neutral_end_gives_everything_back),
      ONE(with_less_than_half_healthy_all_are_used_and_it_is_told_once),
      ONE(panic_begins_and_ends_with_one_word_each),
      ONE(a_tier_that_can_take_everything_is_no_reason_for_panic),
      ONE(with_nobody_healthy_all_are_used_whatever_the_panic_share),
      ONE(a_panic_uses_the_ejected_and_no_open_breaker),
      ONE(open_breakers_are_no_panic),
      ONE(an_ejected_one_stays_out_beside_an_open_one_until_it_is_the_last),
      ONE(one_that_is_healthy_again_is_probed_before_its_time_by_the_next_call),
      ROWS(who_comes_back_from_an_ejection_starts_slowly, returns),
      ROWS(who_is_found_healthy_again_starts_slowly, returns),
      ROWS(whose_breaker_closes_starts_slowly, returns))
