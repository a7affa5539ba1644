/* SPDX-License-Identifier: MIT */
/*
 * Two threads at the breaker's words, its windows and the bulkhead's queue, in every
 * order of their atomic steps that a few preemptions can make. lib/policy is compiled
 * into this program with stepped.h in front.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/explore.h"
#include "policy/breaker_words.h"
#include "policy/bulkhead.h"
#include "support/loose_breaker.h"
#include "support/suite.h"

static loose_breaker b, prepared;

/* What each of the two did; ops are small programs over these. */
typedef struct actor {
    keel_breaker_permit permit;
    keel_status status;
    keel_changes changes;
    uint64_t retry_after_ns;
    bool counted;
} actor;

static actor actors[2], prepared_actors[2];
static keel_breaker_view before;

#define OK KEEL_OUTCOME_OK
#define FAILED KEEL_OUTCOME_FAILED
#define NEUTRAL KEEL_OUTCOME_NEUTRAL

static void again(void)
{
    b = prepared;
    memcpy(actors, prepared_actors, sizeof actors);
}

static void keep(void)
{
    prepared = b;
    before = loose_look(&b);
    memcpy(prepared_actors, actors, sizeof actors);
}

static void fresh(uint32_t permits, uint32_t failures)
{
    memset(actors, 0, sizeof actors);
    loose_breaker_init(&b);
    b.policy.window_calls = 8;
    b.policy.half_open_permits = permits;
    b.policy.half_open_failures = failures;
    loose_breaker_refit(&b);
}

/* ---- what a thread does ---------------------------------------------------------- */

static void admit(int who)
{
    actor *a = &actors[who];

    a->status = keel_breaker_admit(&b.breaker, &b.policy, b.now, &b.random, &a->permit,
                                   &a->retry_after_ns, &a->changes);
}

static void end(int who, keel_breaker_outcome outcome)
{
    actor *a = &actors[who];
    keel_breaker_result result = { .outcome = outcome };

    if (a->status == KEEL_OK)
        a->counted = keel_breaker_end(&b.breaker, &b.policy, &a->permit, &result, b.now,
                                      &b.random, &a->changes);
    a->status = KEEL_CANCELLED; /* no permit any more */
}

static void end_ok(int who)
{
    end(who, OK);
}

static void end_failed(int who)
{
    end(who, FAILED);
}

static void end_neutral(int who)
{
    end(who, NEUTRAL);
}

static void admit_and_fail(int who)
{
    admit(who);
    end(who, FAILED);
}

static void admit_and_succeed(int who)
{
    admit(who);
    end(who, OK);
}

static void admit_and_give_back(int who)
{
    admit(who);
    end(who, NEUTRAL);
}

static void reset(int who)
{
    keel_breaker_reset(&b.breaker, b.now, &actors[who].changes);
}

static void force_open(int who)
{
    keel_breaker_go(&b.breaker, &b.policy, KEEL_BREAKER_OPEN, 7 * KEEL_S, b.now,
                    &b.random, &actors[who].changes);
}

static void lock_and_unlock(int who)
{
    (void)who;
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, 0);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_NONE, 0);
}

static void restart_round(int who)
{
    (void)who;
    keel_breaker_restart_round(&b.breaker, &b.policy);
}

/* ---- what must hold afterwards --------------------------------------------------- */

/* At an instant, or up to seven claims later (breaker.c, due_pack). */
static bool is_at(uint64_t due_at_ns, uint64_t at_ns)
{
    return due_at_ns - at_ns <= 7;
}

/* The instant published is the one of the state published. */
static void check_instant(void)
{
    keel_breaker_view v = loose_look(&b);
    bool fits = v.state == KEEL_BREAKER_CLOSED ? is_at(v.due_at_ns, b.now)
                : v.state == KEEL_BREAKER_OPEN
                    ? is_at(v.due_at_ns, b.now + 5 * KEEL_S) ||
                          is_at(v.due_at_ns, b.now + 7 * KEEL_S) ||
                          is_at(v.due_at_ns, b.now + 10 * KEEL_S)
                    : is_at(v.due_at_ns, b.now + 30 * KEEL_S);

    /* or nothing has changed; a round that was started over keeps its end */
    fits = fits || (v.state == before.state && is_at(v.due_at_ns, before.due_at_ns));
    ck_assert_msg(fits, "state %d with an instant of another state, %+" PRId64 "; %s",
                  v.state, (int64_t)(v.due_at_ns - b.now), explore_schedule());
}

static unsigned live_leases(uint32_t generation)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < b.policy.half_open_permits; i++)
        count += b.leases[i] && (b.leases[i] >> 42 & 0x3fff) == (generation & 0x3fff);
    return count;
}

/* In half-open each permit is there, out, or used up. */
static void check_permits(void)
{
    keel_breaker_now n = keel_breaker_read(&b.breaker);
    uint32_t all = n.s.left + live_leases(n.s.generation) + n.s.ok + n.s.failed;

    if (n.s.state == KEEL_BREAKER_HALF_OPEN)
        ck_assert_msg(all == b.policy.half_open_permits, "%u permits of %u; %s", all,
                      b.policy.half_open_permits, explore_schedule());
}

/* Each transition was made by one of the two, once. */
static void check_transitions(void)
{
    uint32_t seen = 0, last = loose_look(&b).generation;

    for (int who = 0; who < 2; who++)
        for (uint32_t i = 0; i < actors[who].changes.count; i++) {
            uint32_t generation = actors[who].changes.items[i].generation;

            ck_assert_msg(generation <= last && !(seen >> (generation & 31) & 1),
                          "generation %u twice; %s", generation, explore_schedule());
            seen |= 1u << (generation & 31);
        }
}

/* Whatever happened, the breaker finds a way to let calls through again. */
static void check_exit(void)
{
    keel_breaker_permit permit;
    keel_status status = KEEL_OK;
    unsigned closed = 0;

    for (int i = 0; i < 400 && closed < 3; i++) {
        status = loose_admit(&b, &permit);
        if (status == KEEL_OK)
            loose_end(&b, &permit, OK);
        closed += loose_look(&b).state == KEEL_BREAKER_CLOSED;
        b.now += KEEL_S;
    }
    ck_assert_msg(closed == 3, "no way out of state %d; %s", loose_look(&b).state,
                  explore_schedule());
}

static void check_all(void)
{
    check_instant();
    check_permits();
    check_transitions();
    check_exit();
}

static unsigned probes_out(void)
{
    unsigned out = 0;

    for (int who = 0; who < 2; who++)
        out += actors[who].status == KEEL_OK &&
               actors[who].permit.tracking == KEEL_TRACK_PROBE;
    return out;
}

static void check_one_probe(void)
{
    ck_assert_msg(probes_out() == 1, "%u probes; %s", probes_out(), explore_schedule());
    check_all();
}

static void check_at_most_one_probe(void)
{
    ck_assert_msg(probes_out() <= 1, "%u probes; %s", probes_out(), explore_schedule());
    check_all();
}

static void check_opened_once(void)
{
    ck_assert_msg(loose_look(&b).state == KEEL_BREAKER_OPEN &&
                      actors[0].changes.count + actors[1].changes.count == 1,
                  "%s", explore_schedule());
    check_all();
}

/* The lease's end and its reclaiming: exactly one of the two counted. */
static void check_lease(void)
{
    keel_breaker_now n = keel_breaker_read(&b.breaker);

    if (n.s.state == KEEL_BREAKER_HALF_OPEN)
        ck_assert_msg(n.s.ok + n.s.failed == 1, "%s", explore_schedule());
    else
        ck_assert_msg(!actors[0].counted || n.s.state == KEEL_BREAKER_CLOSED, "%s",
                      explore_schedule());
    check_all();
}

static void check_told_once(void)
{
    ck_assert_msg(
        (actors[0].changes.would_trip != 0) + (actors[1].changes.would_trip != 0) == 1,
        "%s", explore_schedule());
}

/* ---- beginnings ------------------------------------------------------------------ */

static void prepare_open_elapsed(uint32_t permits, uint32_t failures)
{
    fresh(permits, failures);
    loose_trip(&b);
    b.now = loose_look(&b).due_at_ns;
    keep();
}

/* Both hold a probe. */
static void prepare_probes(uint32_t permits, uint32_t failures)
{
    prepare_open_elapsed(permits, failures);
    admit(0);
    admit(1);
    for (int who = 0; who < 2; who++) {
        ck_assert_int_eq(actors[who].status, KEEL_OK);
        actors[who].changes.count = 0;
    }
    keep();
}

/* One failure more trips, and both hold a permit. */
static void prepare_brink(void)
{
    fresh(1, 0);
    loose_calls(&b, FAILED, 3);
    admit(0);
    admit(1);
    keep();
}

/* The ramp's time is over, and nobody has noticed; the second one's failure will trip. */
static void prepare_ramp_end(void)
{
    fresh(1, 0);
    b.policy.ramp_up_ns = 2 * KEEL_S;
    b.draw_count = 1;
    b.draws[0] = 0;
    loose_trip(&b);
    b.now = loose_look(&b).due_at_ns;
    admit_and_succeed(0);
    for (int i = 0; i < 3; i++)
        admit_and_fail(0);
    admit(1);
    b.now += 2 * KEEL_S;
    ck_assert(!keel_word_admits(b.words.state));
    for (int who = 0; who < 2; who++)
        actors[who].changes.count = 0;
    keep();
}

static void explore_case_of(const char *why, void (*a)(int), void (*other)(int),
                            void (*check)(void))
{
    const explore_case c = { .why = why,
                             .begin = again,
                             .run = { a, other },
                             .check = check,
                             .preemptions = 4 };

    explore(&c);
    ck_assert_uint_gt(explore_schedules(), 200);
}

/* ---- the breaker ----------------------------------------------------------------- */

START_TEST(two_who_come_at_the_end_of_the_open_time_share_one_permit)
{
    prepare_open_elapsed(1, 0);
    explore_case_of("admit, admit", admit, admit, check_one_probe);
}
END_TEST

START_TEST(admissions_and_ends_from_open_on_keep_all_permits)
{
    prepare_open_elapsed(2, 0);
    explore_case_of("succeed, fail", admit_and_succeed, admit_and_fail, check_all);
    explore_case_of("succeed, give back", admit_and_succeed, admit_and_give_back,
                    check_all);
    explore_case_of("fail, give back", admit_and_fail, admit_and_give_back, check_all);
}
END_TEST

START_TEST(two_verdicts_at_once_are_one_with_its_own_instant)
{
    prepare_probes(2, 1);
    explore_case_of("ok, ok", end_ok, end_ok, check_all);
    explore_case_of("ok, failed", end_ok, end_failed, check_all);
    prepare_probes(2, 0);
    explore_case_of("failed, failed", end_failed, end_failed, check_opened_once);
    explore_case_of("failed, ok", end_failed, end_ok, check_opened_once);
}
END_TEST

START_TEST(a_trip_against_a_reset_leaves_one_of_the_two)
{
    prepare_brink();
    explore_case_of("trip, reset", end_failed, reset, check_all);
    explore_case_of("trip, force open", end_failed, force_open, check_all);
    explore_case_of("reset, force open", reset, force_open, check_all);
}
END_TEST

START_TEST(the_end_of_a_ramp_hides_no_trip_and_no_reset)
{
    prepare_ramp_end();
    explore_case_of("admit, trip", admit_and_give_back, end_failed, check_opened_once);
    explore_case_of("admit, reset", admit_and_give_back, reset, check_all);
}
END_TEST

START_TEST(two_who_trip_it_open_it_once)
{
    prepare_brink();
    explore_case_of("trip, trip", end_failed, end_failed, check_opened_once);
}
END_TEST

START_TEST(a_verdict_against_an_operator_leaves_one_of_the_two)
{
    prepare_probes(2, 1);
    explore_case_of("ok, force open", end_ok, force_open, check_all);
    explore_case_of("failed, reset", end_failed, reset, check_all);
    explore_case_of("ok, restart", end_ok, restart_round, check_all);
    explore_case_of("neutral, restart", end_neutral, restart_round, check_all);
}
END_TEST

START_TEST(a_lease_is_ended_or_reclaimed_and_never_both)
{
    prepare_open_elapsed(2, 1);
    admit(0);
    actors[0].changes.count = 0;
    b.now += b.policy.lease_ns;
    keep();
    explore_case_of("late end, admit", end_ok, admit, check_lease);
    explore_case_of("late failure, admit", end_failed, admit, check_lease);
}
END_TEST

START_TEST(a_permit_given_back_is_there_once)
{
    prepare_open_elapsed(1, 0);
    admit(0);
    actors[0].changes.count = 0;
    keep();
    explore_case_of("give back, admit", end_neutral, admit, check_at_most_one_probe);
    explore_case_of("give back, give back", end_neutral, admit_and_give_back,
                    check_all);
}
END_TEST

START_TEST(the_longest_wait_ends_a_round_once)
{
    prepare_probes(3, 2);
    b.now += 30 * KEEL_S;
    actors[0].status = actors[1].status = KEEL_CANCELLED;
    keep();
    explore_case_of("admit, admit", admit, admit, check_opened_once);
}
END_TEST

START_TEST(a_lock_that_comes_and_goes_takes_no_permit_with_it)
{
    prepare_open_elapsed(1, 0);
    explore_case_of("lock, succeed", lock_and_unlock, admit_and_succeed, check_all);
    prepare_probes(2, 1);
    explore_case_of("failed, lock", end_failed, lock_and_unlock, check_all);
    prepare_brink();
    explore_case_of("trip, lock", end_failed, lock_and_unlock, check_all);
}
END_TEST

START_TEST(two_who_notice_a_breach_tell_it_once)
{
    fresh(1, 0);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OBSERVE, 0);
    loose_calls(&b, FAILED, 3);
    admit(0);
    admit(1);
    keep();
    explore_case_of("fail, fail", end_failed, end_failed, check_told_once);
}
END_TEST

/* ---- windows --------------------------------------------------------------------- */

static uint64_t at_ns[2];
static bool fails[2];

static void record(int who)
{
    keel_window_record(&b.breaker.window, 0, at_ns[who], fails[who], false);
}

static void record_twice(int who)
{
    record(who);
    record(who);
}

static void look(int who)
{
    keel_totals t = keel_window_sum(&b.breaker.window, 0, at_ns[who]);

    ck_assert_msg(t.total <= 5 && t.failed <= 1, "%s", explore_schedule());
}

static void check_both_failed(void)
{
    keel_totals t = keel_window_sum(&b.breaker.window, 0, b.now);

    ck_assert_msg(t.total == 1 && t.failed == 1, "%s", explore_schedule());
}

static void check_seven(void)
{
    keel_totals t = keel_window_sum(&b.breaker.window, 0,
                                    at_ns[0] > at_ns[1] ? at_ns[0] : at_ns[1]);

    ck_assert_msg(t.total == 7, "%u; %s", (unsigned)t.total, explore_schedule());
    ck_assert_msg(t.failed == 1 + 2u * fails[0] + 2u * fails[1], "%u; %s",
                  (unsigned)t.failed, explore_schedule());
}

START_TEST(two_failures_in_one_cell_of_a_count_window_are_no_success)
{
    fresh(1, 0);
    b.policy.window_calls = 1;
    loose_breaker_refit(&b);
    fails[0] = fails[1] = true;
    keep();
    explore_case_of("fail, fail", record_twice, record_twice, check_both_failed);
}
END_TEST

static void empty_it(int who)
{
    (void)who;
    keel_window_record(&b.breaker.window, 1, b.now, false, false);
}

static void look_at_the_emptied(int who)
{
    keel_totals t = keel_window_sum(&b.breaker.window, 1, b.now);

    (void)who;
    ck_assert_msg(t.total <= 1 && t.failed == 0, "%s", explore_schedule());
}

static void nothing(void)
{
}

START_TEST(no_reader_takes_an_outcome_of_the_generation_before_for_one_of_this)
{
    const explore_case c = { .why = "empty, look",
                             .begin = again,
                             .run = { empty_it, look_at_the_emptied },
                             .check = nothing,
                             .preemptions = 4 };

    fresh(1, 0);
    for (int i = 0; i < 8; i++)
        keel_window_record(&b.breaker.window, 0, b.now, true, false);
    keep();
    explore(&c);
}
END_TEST

static const struct {
    const char *why;
    unsigned later[2]; /* buckets after the one there is */
    bool fails[2];
    bool shares_a_stripe;
} turns[] = {
    { "same bucket", { 0, 0 }, { true, false }, false },
    { "both move to the next", { 1, 1 }, { true, true }, false },
    { "one moves, one stays", { 1, 0 }, { true, false }, false },
    { "one is ahead of the other", { 2, 1 }, { true, true }, false },
    { "successes only", { 1, 1 }, { false, false }, false },
    { "both move, by one stripe", { 1, 1 }, { false, false }, true },
    { "one stays, by one stripe", { 1, 0 }, { false, false }, true },
    { "one is ahead, by one stripe", { 2, 1 }, { false, false }, true },
};

START_TEST(no_outcome_is_lost_while_the_buckets_turn)
{
    const explore_case c = { .why = turns[_i].why,
                             .begin = again,
                             .run = { record_twice, record_twice },
                             .check = check_seven,
                             .preemptions = 4,
                             .shares_a_stripe = turns[_i].shares_a_stripe };

    memset(actors, 0, sizeof actors);
    loose_breaker_init(&b);
    for (int who = 0; who < 2; who++) {
        at_ns[who] = b.now + turns[_i].later[who] * KEEL_S;
        fails[who] = turns[_i].fails[who];
    }
    for (int i = 0; i < 3; i++)
        keel_window_record(&b.breaker.window, 0, b.now, i == 0, false);
    keep();
    explore(&c);
    ck_assert_uint_gt(explore_schedules(), 500);
}
END_TEST

START_TEST(a_reader_never_sees_more_than_there_is)
{
    memset(actors, 0, sizeof actors);
    loose_breaker_init(&b);
    at_ns[0] = at_ns[1] = b.now + KEEL_S;
    fails[0] = fails[1] = false;
    for (int i = 0; i < 3; i++)
        keel_window_record(&b.breaker.window, 0, b.now, i == 0, false);
    keep();
    explore_case_of("record, look", record_twice, look, nothing);
}
END_TEST

/* ---- the bulkhead ---------------------------------------------------------------- */

static keel_bulkhead_words bulkhead_words;
static keel_waiter waiters[2];
static keel_queue *queue; /* of two */
static keel_bulkhead_common common = { .limit = 1, .own = 1 };
static keel_bulkhead bulkhead = { .words = &bulkhead_words, .common = &common };
/* the same words by settings without a queue */
static const keel_bulkhead queueless = { .words = &bulkhead_words, .common = &common };
static keel_place places[2];
static keel_entry entries[2];

static void make_queue(void)
{
    if (!queue)
        queue = calloc(1, sizeof *queue + 2 * sizeof queue->hooks[0]);
    ck_assert_ptr_nonnull(queue);
    queue->limit = 2;
    queue->waiters = waiters;
    bulkhead.queue = queue;
    common.queues = queue;
}

/* The first one holds the only place. */
static void bulkhead_begin(void)
{
    make_queue();
    memset(&bulkhead_words, 0, sizeof bulkhead_words);
    memset(waiters, 0, sizeof waiters);
    memset(places, 0, sizeof places);
    b.now = 1000 * KEEL_S;
    entries[0] =
        keel_bulkhead_enter(&bulkhead, &places[0], b.now, 0, false, NULL, NULL);
}

static void leave(int who)
{
    keel_bulkhead_leave(&bulkhead, &places[who], b.now);
    entries[who] = KEEL_FULL;
}

/* Came by settings that had no queue yet. */
static void leave_queueless(int who)
{
    keel_bulkhead_untake(&queueless, &places[who]);
    entries[who] = KEEL_FULL;
}

/* Does not wait, and goes at once if there is a place. */
static void come_and_go(int who)
{
    if (keel_bulkhead_try(&queueless, &places[who], b.now))
        keel_bulkhead_untake(&queueless, &places[who]);
}

static void enter_patiently(int who)
{
    entries[who] = keel_bulkhead_enter(&bulkhead, &places[who], b.now, b.now + KEEL_S,
                                       false, NULL, NULL);
}

/* Queues, and has had enough at once. */
static void enter_and_give_up(int who)
{
    enter_patiently(who);
    if (entries[who] == KEEL_QUEUED)
        entries[who] = keel_bulkhead_check(&bulkhead, &places[who], b.now + KEEL_S);
}

static void leave_and_enter(int who)
{
    leave(who);
    enter_patiently(who);
}

static void check_places(void)
{
    unsigned held = 0;

    for (int who = 0; who < 2; who++) {
        if (entries[who] == KEEL_QUEUED)
            entries[who] = keel_bulkhead_check(&bulkhead, &places[who], b.now);
        held += entries[who] == KEEL_ENTERED;
    }
    ck_assert_msg(held <= 1 && held == keel_bulkhead_in_use(&bulkhead),
                  "%u inside, %u counted; %s", held,
                  (unsigned)keel_bulkhead_in_use(&bulkhead), explore_schedule());
    for (int who = 0; who < 2; who++)
        keel_bulkhead_leave(&bulkhead, &places[who], b.now);
    ck_assert_msg(keel_bulkhead_in_use(&bulkhead) == 0 &&
                      keel_bulkhead_waiting(&bulkhead) == 0,
                  "%s", explore_schedule());
}

/* Nobody waits beside a free place. */
static void check_granted(void)
{
    if (entries[1] == KEEL_QUEUED)
        entries[1] = keel_bulkhead_check(&bulkhead, &places[1], b.now);
    ck_assert_msg(entries[1] == KEEL_ENTERED, "%s", explore_schedule());
    check_places();
}

static void explore_bulkhead(const char *why, void (*a)(int), void (*other)(int),
                             void (*check)(void))
{
    const explore_case c = { .why = why,
                             .begin = bulkhead_begin,
                             .run = { a, other },
                             .check = check,
                             .preemptions = 4 };

    explore(&c);
    ck_assert_uint_gt(explore_schedules(), 500);
}

START_TEST(a_place_that_is_freed_meets_the_one_who_comes_to_wait)
{
    explore_bulkhead("leave, wait", leave, enter_patiently, check_granted);
    explore_bulkhead("leave by older settings, wait", leave_queueless, enter_patiently,
                     check_granted);
}
END_TEST

/* The holder leaves before; what goes too far and is undone does not hide his place. */
static void free_place(void)
{
    bulkhead_begin();
    leave(0);
}

START_TEST(one_who_only_looks_in_keeps_no_waiter_out)
{
    const explore_case c = { .why = "come and go, wait",
                             .begin = free_place,
                             .run = { come_and_go, enter_patiently },
                             .check = check_granted,
                             .preemptions = 4 };

    explore(&c);
}
END_TEST

START_TEST(a_place_survives_those_who_give_up_waiting)
{
    explore_bulkhead("leave, give up", leave, enter_and_give_up, check_places);
    explore_bulkhead("leave and come again, give up", leave_and_enter,
                     enter_and_give_up, check_places);
    explore_bulkhead("leave and come again, wait", leave_and_enter, enter_patiently,
                     check_places);
}
END_TEST

/* The limit is made of two numbers, and each of the two changes one. */
static void begin_limits(void)
{
    bulkhead_begin();
    leave(0);
    common.own = common.limit = 1;
    common.adapted = common.lost = 0;
}

static void reload_to_2(int who)
{
    (void)who;
    keel_bulkhead_set(&bulkhead, 2, false, b.now);
}

static void adapt_to_1_then_2(int who)
{
    (void)who;
    keel_bulkhead_adapt(&bulkhead, 1);
    keel_bulkhead_adapt(&bulkhead, 2);
}

static void lose_one(int who)
{
    (void)who;
    keel_bulkhead_lost(&bulkhead, 1);
}

static void check_limit(void)
{
    uint64_t adapted = common.adapted + (common.adapted ? common.lost : 0);
    uint64_t is = adapted && adapted < common.own ? adapted : common.own;

    ck_assert_msg(common.limit == is, "%u, not %u; %s", (unsigned)common.limit,
                  (unsigned)is, explore_schedule());
    common.own = common.limit = 1;
    common.adapted = common.lost = 0;
}

START_TEST(a_limit_made_of_two_numbers_is_the_smaller_whoever_comes_last)
{
    const explore_case cases[] = {
        { "reload, adapt",
          begin_limits,
          { reload_to_2, adapt_to_1_then_2 },
          check_limit,
          4,
          false },
        { "lose, adapt",
          begin_limits,
          { lose_one, adapt_to_1_then_2 },
          check_limit,
          4,
          false },
    };

    explore(&cases[_i]);
    ck_assert_uint_gt(explore_schedules(), 100);
}
END_TEST

/* Whoever waits while the limit grows has the new place. */
static void begin_adapted(void)
{
    common.own = 5;
    common.adapted = common.limit = 1;
    bulkhead_begin();
}

static void adapt_to_2(int who)
{
    (void)who;
    keel_bulkhead_adapt(&bulkhead, 2);
}

static void check_grown(void)
{
    if (entries[1] == KEEL_QUEUED)
        entries[1] = keel_bulkhead_check(&bulkhead, &places[1], b.now);
    ck_assert_msg(entries[1] == KEEL_ENTERED, "%s", explore_schedule());
    for (int who = 0; who < 2; who++)
        keel_bulkhead_leave(&bulkhead, &places[who], b.now);
    common.own = common.limit = 1;
    common.adapted = 0;
}

START_TEST(a_limit_that_grows_meets_the_one_who_comes_to_wait)
{
    const explore_case c = { .why = "adapt, wait",
                             .begin = begin_adapted,
                             .run = { adapt_to_2, enter_patiently },
                             .check = check_grown,
                             .preemptions = 4 };

    explore(&c);
    ck_assert_uint_gt(explore_schedules(), 100);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(two_who_come_at_the_end_of_the_open_time_share_one_permit),
        ONE(admissions_and_ends_from_open_on_keep_all_permits),
        ONE(two_verdicts_at_once_are_one_with_its_own_instant),
        ONE(a_trip_against_a_reset_leaves_one_of_the_two),
        ONE(the_end_of_a_ramp_hides_no_trip_and_no_reset),
        ONE(two_who_trip_it_open_it_once),
        ONE(a_verdict_against_an_operator_leaves_one_of_the_two),
        ONE(a_lease_is_ended_or_reclaimed_and_never_both),
        ONE(a_permit_given_back_is_there_once),
        ONE(the_longest_wait_ends_a_round_once),
        ONE(a_lock_that_comes_and_goes_takes_no_permit_with_it),
        ONE(two_who_notice_a_breach_tell_it_once),
        ONE(two_failures_in_one_cell_of_a_count_window_are_no_success),
        ONE(no_reader_takes_an_outcome_of_the_generation_before_for_one_of_this),
        ROWS(no_outcome_is_lost_while_the_buckets_turn, turns),
        ONE(a_reader_never_sees_more_than_there_is),
        ONE(a_place_that_is_freed_meets_the_one_who_comes_to_wait),
        ONE(one_who_only_looks_in_keeps_no_waiter_out),
        ONE(a_place_survives_those_who_give_up_waiting),
        { a_limit_made_of_two_numbers_is_the_smaller_whoever_comes_last, 2 },
        ONE(a_limit_that_grows_meets_the_one_who_comes_to_wait)
    };

    if (!explore_is_possible())
        return 77;
    return suite_run("explore", 300, tests, sizeof tests / sizeof tests[0]);
}
