/* SPDX-License-Identifier: MIT */
/*
 * Endpoint sets: their state through reloads, in schedules of any order, among threads.
 *
 * A schedule is some hundred steps at random: attempts begun and ended, the clock, checks,
 * reloads to other lists. After each step:
 *
 *   a pick is an endpoint of the list, and none is refused but by open breakers
 *   no more are ejected than the share allows; what a longer list had let go stays out
 *   in_flight is the number of picks held
 *   when all is ended nothing is in flight, and in time every breaker closes again
 *
 * KEEL_SCHEDULES says how many. A failure names its seed: KEEL_SEED=n runs that one alone.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/seed.h"
#include "support/loose_endpoints.h"
#include "support/sanitizers.h"
#include "support/suite.h"

static loose_endpoints l;

static void begin(const char *list)
{
    loose_endpoints_init(&l);
    loose_breakers_on(&l);
    loose_list(&l, list);
}

static keel_endpoint_view view_of(const char *name)
{
    uint32_t index = keel_endpoints_find(l.set, name);

    ck_assert_uint_lt(index, l.set->count);
    return loose_view(&l, index);
}

static void trip(const char *name)
{
    uint32_t index = keel_endpoints_find(l.set, name);
    keel_endpoint_pick pick;

    l.tried = l.set->everybody & ~keel_endpoint_bit(index);
    while (loose_view(&l, index).breaker.state == KEEL_BREAKER_CLOSED) {
        ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
        loose_pick_end(&l, &pick, KEEL_OUTCOME_FAILED);
    }
    l.tried = 0;
}

/* ---- reloads -------------------------------------------------------------------- */

START_TEST(state_follows_the_name_through_another_order_of_the_list)
{
    begin("a:1, b:1, c:1");
    trip("b:1");
    loose_outcomes(&l, 2, true, 5);
    loose_list(&l, "c:1 weight=7, d:1, b:1 zone=z, a:1");
    ck_assert_int_eq(view_of("b:1").breaker.state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(view_of("a:1").breaker.state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(view_of("c:1").ejections, 1);
    ck_assert_uint_eq(view_of("c:1").ejected_left_ns, 30 * KEEL_S);
    ck_assert_uint_eq(view_of("d:1").ejections, 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_name_keeps_its_state_with_another_url)
{
    begin("a:1 name=first, b:1");
    trip("first");
    loose_list(&l, "b:1, https://a.example name=first");
    ck_assert_int_eq(view_of("first").breaker.state, KEEL_BREAKER_OPEN);
    ck_assert_str_eq(l.set->entries[1].url, "https://a.example");
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_window_of_another_size_keeps_what_fits)
{
    begin("a:1, b:1");
    l.tried = 2;
    for (int i = 0; i < 3; i++)
        loose_attempt(&l, KEEL_OUTCOME_OK);
    l.policy.window_calls = 4;
    loose_list(&l, "b:1, a:1");
    ck_assert_uint_eq(view_of("a:1").ok, 3);
    l.policy.window_calls = 0;
    l.policy.window_ns = 10 * KEEL_S;
    l.policy.window_buckets = 10;
    loose_list(&l, "b:1, a:1");
    ck_assert_uint_eq(view_of("a:1").ok, 0); /* of another kind */
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(who_is_new_in_the_list_starts_slowly_and_the_first_ones_do_not)
{
    loose_endpoints_init(&l);
    l.policy.slow_start_ns = 10 * KEEL_S;
    loose_list(&l, "a:1, b:1");
    ck_assert(view_of("a:1").weight == 1);
    loose_list(&l, "a:1, b:1, c:1");
    ck_assert(view_of("a:1").weight == 1);
    ck_assert(view_of("c:1").weight < 0.11);
    l.now += 10 * KEEL_S;
    ck_assert(view_of("c:1").weight == 1);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(a_pick_of_before_a_reload_ends_with_the_set_it_came_from)
{
    keel_endpoint_parts parts;
    keel_endpoints *old, *fresh;
    keel_endpoint_pick pick;

    begin("a:1, b:1");
    parts = l.parts;
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    l.policy.endpoints = keel_text_of("b:1, a:1");
    ck_assert_int_eq(keel_endpoints_new(&fresh, &parts, &l.policy), KEEL_OK);
    keel_endpoints_take_over(fresh, &l.policy, l.set, &l.policy, l.now);
    old = l.set;
    ck_assert(loose_pick_end(&l, &pick, KEEL_OUTCOME_FAILED));
    l.set = fresh;
    ck_assert_uint_eq(view_of("a:1").in_flight + view_of("b:1").in_flight, 0);
    ck_assert_uint_eq(view_of("a:1").failed + view_of("b:1").failed, 1);
    keel_endpoints_free(old);
    loose_endpoints_cleanup(&l);
}
END_TEST

/* Of each list other names, so that a board which kept them all would fill up. */
START_TEST(lists_that_come_and_go_leave_the_board_as_it_is)
{
    char list[64];
    uint64_t before, after;

    begin("a:1, b:1, c:1");
    loose_list(&l, "d:1, e:1, f:1");
    ck_assert(keel_board_take(l.parts.board, 64, &before));
    for (int i = 0; i < 1000; i++) {
        snprintf(list, sizeof list, "g:%d, h:%d, i:%d", i + 1, i + 1, i + 1);
        loose_list(&l, list);
    }
    ck_assert(keel_board_take(l.parts.board, 64, &after));
    ck_assert_uint_eq(after - before, 64);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(no_list_is_no_set)
{
    loose_endpoints_init(&l);
    ck_assert_int_eq(keel_endpoints_new(&l.set, &l.parts, &l.policy), KEEL_OK);
    ck_assert_ptr_null(l.set);
    keel_endpoints_free(NULL);
    keel_endpoints_take_over(NULL, &l.policy, NULL, &l.policy, l.now);
    loose_endpoints_cleanup(&l);
}
END_TEST

START_TEST(slow_calls_in_flight_open_the_breaker_before_they_end)
{
    keel_endpoint_pick held[4], pick;

    loose_endpoints_init(&l);
    loose_breakers_on(&l);
    l.policy.slow_call_ns = KEEL_S;
    l.policy.slow_rate_ppm = KEEL_PPM / 2;
    loose_list(&l, "a:1, b:1");
    l.tried = 2;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(loose_choose(&l, &held[i]), KEEL_OK);
        ck_assert_uint_eq(held[i].index, 0);
    }
    l.now += 2 * KEEL_S;
    ck_assert_int_eq(loose_choose(&l, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 1);
    ck_assert_int_eq(view_of("a:1").breaker.state, KEEL_BREAKER_OPEN);
    ck_assert(loose_told(&l, KEEL_ENDPOINT_MOVED, 0));
    loose_endpoints_cleanup(&l);
}
END_TEST

/* ---- schedules ------------------------------------------------------------------ */

#if HAS_SANITIZER
#define SCHEDULES 400
#else
#define SCHEDULES 2000
#endif

enum { HELD = 12, STEPS = 200 };

static const char *const lists[] = {
    "a:1",
    "a:1, b:1",
    "a:1 weight=5, b:1, c:1 zone=z",
    "c:1 zone=z, b:1, a:1, d:1 tier=1, e:1 tier=1 zone=z",
    "e:1, d:1 weight=9, c:1 tier=2, b:1 tier=3, a:1 tier=9, f:1, g:1, h:1",
};

typedef struct schedule {
    uint64_t seed;
    uint64_t state;
    uint32_t out; /* before the step */
    keel_endpoint_pick held[HELD];
} schedule;

static uint32_t any(schedule *s, uint32_t below)
{
    return (uint32_t)(keel_mix(s->state += 0x9e3779b97f4a7c15u) >> 33) % below;
}

/* check notes each of its assertions in a pipe, which would take longer than all else. */
#define HOLDS(s, condition)                                                            \
    do {                                                                               \
        if (!(condition))                                                              \
            ck_abort_msg("KEEL_SEED=%" PRIu64 ": " #condition, (s)->seed);             \
    } while (0)

static void begin_one(schedule *s)
{
    keel_endpoint_pick *pick = &s->held[any(s, HELD)];
    keel_status status;

    if (pick->flags & KEEL_PICK_HELD)
        return;
    l.tried = any(s, 3) ? 0 : any(s, 16);
    l.affinity = any(s, 3) ? 0 : any(s, 100);
    status = loose_choose(&l, pick);
    if (status == KEEL_OK) {
        HOLDS(s, pick->index < l.set->count);
        HOLDS(s, loose_view(&l, pick->index).breaker.state != KEEL_BREAKER_OPEN);
        return;
    }
    HOLDS(s, status == KEEL_REJECTED_OPEN || status == KEEL_REJECTED_HALF_OPEN);
    HOLDS(s, (status == KEEL_REJECTED_OPEN) == (l.retry_after_ns != 0));
    for (uint32_t i = 0; i < l.set->count; i++)
        HOLDS(s, loose_view(&l, i).breaker.state != KEEL_BREAKER_CLOSED);
}

static void end_one(schedule *s)
{
    static const keel_breaker_outcome outcomes[] = {
        KEEL_OUTCOME_OK,
        KEEL_OUTCOME_FAILED,
        KEEL_OUTCOME_NEUTRAL,
        KEEL_OUTCOME_FAILED,
    };
    keel_endpoint_pick *pick = &s->held[any(s, HELD)];

    loose_pick_end(&l, pick, outcomes[any(s, 4)]);
    HOLDS(s, !(pick->flags & KEEL_PICK_HELD));
}

/* As a call: what is under way keeps its set, so all is ended before another list. */
static void reload(schedule *s)
{
    for (int i = 0; i < HELD; i++)
        loose_pick_end(&l, &s->held[i], KEEL_OUTCOME_NEUTRAL);
    l.policy.half_open_permits = 1 + any(s, 2);
    l.policy.endpoints_by = (keel_endpoints_by)any(s, 3);
    l.policy.slow_start_ns = any(s, 2) * (10 * KEEL_S);
    loose_list(&l, lists[any(s, sizeof lists / sizeof *lists)]);
    s->out = l.set->count;
}

static void check_health(schedule *s)
{
    keel_endpoints_say_health(l.set, any(s, l.set->count), any(s, 2), l.now);
}

static void check_invariants(schedule *s)
{
    uint64_t in_flight = 0, held = 0;
    uint32_t out = 0;

    for (uint32_t i = 0; i < l.set->count; i++) {
        in_flight += loose_view(&l, i).in_flight;
        out += loose_view(&l, i).ejected_left_ns != 0;
    }
    for (int i = 0; i < HELD; i++)
        held += s->held[i].flags & KEEL_PICK_HELD;
    HOLDS(s, in_flight == held);
    /* of a longer list more may be out than a shorter one would let go */
    HOLDS(s, out <= s->out || out <= keel_outliers_most(&l.policy, l.set->count));
    s->out = out;
}

static void step(schedule *s)
{
    uint32_t what = any(s, 100);

    if (what < 45)
        begin_one(s);
    else if (what < 85)
        end_one(s);
    else if (what < 93)
        l.now += any(s, 8000) * KEEL_MS;
    else if (what < 98)
        check_health(s);
    else
        reload(s);
    check_invariants(s);
}

static void find_back(schedule *s)
{
    for (int i = 0; i < HELD; i++)
        loose_pick_end(&l, &s->held[i], KEEL_OUTCOME_NEUTRAL);
    l.tried = 0;
    for (int i = 0; i < 400; i++) {
        keel_endpoint_pick pick;

        l.now += KEEL_S;
        if (loose_choose(&l, &pick) == KEEL_OK)
            loose_pick_end(&l, &pick, KEEL_OUTCOME_OK);
    }
    for (uint32_t i = 0; i < l.set->count; i++)
        HOLDS(s, loose_view(&l, i).in_flight == 0);
    HOLDS(s, loose_choose(&l, &s->held[0]) == KEEL_OK);
}

static void run_schedule(uint64_t seed)
{
    schedule s = { .seed = seed, .state = seed };

    begin(lists[any(&s, sizeof lists / sizeof *lists)]);
    l.seed = seed;
    for (int i = 0; i < STEPS; i++)
        step(&s);
    find_back(&s);
    loose_endpoints_cleanup(&l);
}

START_TEST(whatever_happens_the_invariants_hold)
{
    const char *one = getenv("KEEL_SEED"), *given = getenv("KEEL_SCHEDULES");
    uint64_t schedules = given ? strtoull(given, NULL, 10) : SCHEDULES;

    if (one) {
        run_schedule(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= schedules; seed++)
        run_schedule(seed);
}
END_TEST

/* ---- threads -------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 4000 };

/* Attempts of which many fail, while time goes on and checks come in. */
static void *attempt_often(void *ctx)
{
    const keel_random random = { NULL, NULL };
    uint64_t number = (uint64_t)(uintptr_t)ctx;
    keel_endpoint_changes changes;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t now = l.now + i * 20 * KEEL_MS, draw = keel_mix(number << 32 | i);
        const keel_endpoint_request request = {
            .now = now, .random = &random, .tried = draw & 7, .affinity = draw >> 60
        };
        const keel_breaker_result result = {
            .outcome = (keel_breaker_outcome)(draw >> 8) % 3
        };
        keel_endpoint_pick pick;
        uint64_t retry_after;

        changes.count = 0;
        if (keel_endpoints_choose(l.set, &l.policy, &request, &pick, &retry_after,
                                  &changes) == KEEL_OK)
            keel_endpoints_end(l.set, &l.policy, &pick, &result, now, &random,
                               &changes);
        if (draw % 97 == 0)
            keel_endpoints_say_health(l.set, (uint32_t)(draw >> 40) % 5, draw >> 50 & 1,
                                      now);
    }
    return NULL;
}

static const keel_endpoints_by ways[] = { KEEL_ENDPOINTS_BY_LOAD,
                                          KEEL_ENDPOINTS_BY_TURN,
                                          KEEL_ENDPOINTS_BY_AFFINITY };

START_TEST(threads_at_work_leave_nothing_in_flight)
{
    pthread_t threads[THREADS];

    loose_endpoints_init(&l);
    loose_breakers_on(&l);
    l.policy.slow_start_ns = 5 * KEEL_S;
    l.policy.endpoints_by = ways[_i];
    loose_list(&l, "a:1, b:1 weight=3, c:1, d:1 tier=1, e:1 tier=1");
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, attempt_often, (void *)i),
                         0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < l.set->count; i++)
        ck_assert_uint_eq(loose_view(&l, i).in_flight, 0);
    loose_endpoints_cleanup(&l);
}
END_TEST

SUITE("endpoint set", 120,
      ONE(state_follows_the_name_through_another_order_of_the_list),
      ONE(a_name_keeps_its_state_with_another_url),
      ONE(a_window_of_another_size_keeps_what_fits),
      ONE(who_is_new_in_the_list_starts_slowly_and_the_first_ones_do_not),
      ONE(a_pick_of_before_a_reload_ends_with_the_set_it_came_from),
      ONE(lists_that_come_and_go_leave_the_board_as_it_is), ONE(no_list_is_no_set),
      ONE(slow_calls_in_flight_open_the_breaker_before_they_end),
      ONE(whatever_happens_the_invariants_hold),
      ROWS(threads_at_work_leave_nothing_in_flight, ways))
