/* SPDX-License-Identifier: MIT */
/*
 * Limits that a fleet counts together, on a real Redis: places of a bulkhead, tokens of a
 * rate. Members are runtimes with relays of their own. These tests wait for what must
 * come, and check at every step what must never be.
 */
#include <stdio.h>

#include "call/pipeline.h"
#include "call/relay.h"
#include "support/board_file.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/redis.h"
#include "support/suite.h"

enum { MEMBERS = 3, PLACES = 6, HELD_MOST = 2 * PLACES };

/* A member, and the permits that a test holds of it. */
typedef struct member {
    opened o;
    keel_permit held[HELD_MOST];
    unsigned count;
} member;

static test_redis redis;
static board_file board;
static member members[MEMBERS];
static unsigned member_count;
static char url[64];
/* Nobody is alone because the machine stood still for a while: he would have a share. */
static const char patience[] = "KEEL_REDIS__TIMEOUT=5s";
static const char *environment[] = { url, patience, NULL };

static void start_server(void)
{
    ck_assert(test_redis_start(&redis, ""));
    snprintf(url, sizeof url, "KEEL_REDIS=redis://127.0.0.1:%u", redis.port);
}

static const keel_plan *plan_of(const member *m)
{
    return atomic_load(&m->o.pipeline->plan);
}

static bool is_in(const member *m)
{
    const keel_plan *plan = plan_of(m);

    return plan->bulkhead.fleet ? atomic_load(&plan->bulkhead.fleet->leased) > 0
                                : keel_fleet_tokens_govern(plan->rate.fleet, now_ns());
}

/* What it would divide by, were the server gone. */
static uint64_t members_known_to(const member *m)
{
    const keel_plan *plan = plan_of(m);

    return plan->bulkhead.fleet ? atomic_load(&plan->bulkhead.fleet->members)
                                : atomic_load(&plan->rate.fleet->members);
}

static void join(unsigned count, const char *settings)
{
    for (member_count = 0; member_count < count; member_count++) {
        members[member_count].count = 0;
        opened_init(&members[member_count].o, OPENED_REAL, environment, settings);
    }
}

static void everybody_is_in(void)
{
    for (unsigned i = 0; i < member_count; i++)
        COMES(is_in(&members[i]));
}

static void everybody_knows_of_all(void)
{
    for (unsigned i = 0; i < member_count; i++)
        COMES(members_known_to(&members[i]) == member_count);
}

static void begin(unsigned count, const char *settings)
{
    start_server();
    join(count, settings);
    everybody_is_in();
}

static void let_go(member *m)
{
    keel_permit_end(&m->held[--m->count], KEEL_OK);
}

static void let_all_go(member *m)
{
    while (m->count)
        let_go(m);
}

static void leave(void)
{
    for (unsigned i = 0; i < member_count; i++) {
        let_all_go(&members[i]);
        opened_cleanup(&members[i].o);
    }
    test_redis_cleanup(&redis);
}

/* ---- places --------------------------------------------------------------------------- */

#define BULKHEAD "none; bulkhead=6; bulkhead.scope=fleet;"

static unsigned limit = PLACES;

static unsigned held_by_all(void)
{
    unsigned held = 0;

    for (unsigned i = 0; i < member_count; i++)
        held += members[i].count;
    return held;
}

/* One more call of the member's; never is the fleet's limit exceeded. */
static bool takes(member *m)
{
    if (m->count == HELD_MOST ||
        keel_permit_take(m->o.pipeline, &m->held[m->count], NULL) != KEEL_OK)
        return false;
    m->count++;
    ck_assert_uint_le(held_by_all(), limit);
    return true;
}

static bool holds(member *m, unsigned count)
{
    takes(m);
    return m->count >= count;
}

static uint64_t leased(const member *m)
{
    return keel_fleet_places_limit(&plan_of(m)->bulkhead.fleet->leased, PLACES);
}

START_TEST(members_together_never_hold_more_places_than_the_fleet_has)
{
    unsigned taken = 0;

    begin(MEMBERS, BULKHEAD);
    for (unsigned turn = 0; taken < 3000; turn++) {
        member *m = &members[turn % MEMBERS];

        if (takes(m))
            taken++;
        else if (m->count && turn % 7 == 0)
            let_go(m);
    }
    leave();
}
END_TEST

START_TEST(a_busy_member_has_all_but_one_each_of_the_idle)
{
    begin(MEMBERS, BULKHEAD);
    COMES(holds(&members[0], PLACES - 2));
    for (unsigned i = 0; i < 1000; i++)
        ck_assert(!takes(&members[0]));
    ck_assert(takes(&members[1]));
    ck_assert(takes(&members[2]));
    leave();
}
END_TEST

START_TEST(what_one_does_not_use_any_more_another_gets)
{
    begin(MEMBERS, BULKHEAD);
    COMES(holds(&members[0], PLACES - 2));
    let_all_go(&members[0]);
    COMES(holds(&members[1], PLACES - 2));
    leave();
}
END_TEST

/* Its calls come to an end, and who waits has the places of some. */
START_TEST(who_comes_late_gets_his_part_of_what_is_all_in_use)
{
    begin(2, BULKHEAD);
    everybody_knows_of_all();
    COMES(holds(&members[0], PLACES - 1));
    for (uint64_t until = now_ns() + 40 * KEEL_S;
         members[1].count < PLACES / 2 && now_ns() < until;) {
        takes(&members[1]);
        let_go(&members[0]);
        while (takes(&members[0]))
            ;
        a_moment();
    }
    ck_assert_uint_ge(members[1].count, PLACES / 2);
    leave();
}
END_TEST

START_TEST(who_waits_is_served_when_the_fleet_has_a_place)
{
    begin(2, BULKHEAD "bulkhead.queue=4; bulkhead.wait=10s;");
    COMES(holds(&members[0], PLACES - 1));
    ck_assert(takes(&members[1]));
    while (members[0].count)
        let_go(&members[0]);
    for (unsigned i = 0; i < 3; i++) { /* more than it has leased */
        member *m = &members[1];

        ck_assert_int_eq(keel_permit_wait(m->o.pipeline, &m->held[m->count],
                                          now_ns() + 10 * KEEL_S, NULL, NULL),
                         KEEL_OK);
        m->count++;
    }
    leave();
}
END_TEST

/* Of the leases that the server knows, the one that ends first. */
static long long lease_left_ms(void)
{
    static const char script[] =
        "local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES') "
        "local now = redis.call('TIME') "
        "return first[2] - math.floor(now[1] * 1000 + now[2] / 1000)";

    return test_redis_number(&redis, "EVAL %s 1 keel1:{default}:bh:payments", script);
}

/* As if it had been killed: it renews nothing any more, and its calls died with it. */
START_TEST(a_member_that_is_gone_gives_its_places_back_after_a_lease)
{
    uint64_t asked_at;
    long long left_ms;

    begin(2, BULKHEAD);
    COMES(holds(&members[0], PLACES - 1));
    ck_assert(takes(&members[1]));
    COMES(lease_left_ms() > 4000);
    keel_relay_stop(members[0].o.rt);
    members[0].count = 0;
    asked_at = now_ns();
    left_ms = lease_left_ms();
    ck_assert_int_gt(left_ms, 0);
    COMES(takes(&members[1]));
    ck_assert_uint_ge(now_ns(), asked_at + (uint64_t)(left_ms - 1) * KEEL_MS);
    COMES(holds(&members[1], PLACES));
    leave();
}
END_TEST

static bool all_have(uint64_t count)
{
    for (unsigned i = 0; i < member_count; i++)
        if (leased(&members[i]) != count)
            return false;
    return true;
}

START_TEST(without_the_server_each_has_a_share_and_no_call_loses_its_place)
{
    begin(MEMBERS, BULKHEAD);
    COMES(holds(&members[0], PLACES - 2));
    everybody_knows_of_all();
    test_redis_stop(&redis);
    COMES(all_have(PLACES / MEMBERS));
    ck_assert_uint_eq(members[0].count, PLACES - 2);
    ck_assert(!takes(&members[0]));
    let_all_go(&members[0]);
    for (unsigned i = 0; i < MEMBERS; i++) {
        while (takes(&members[i]))
            ;
        ck_assert_uint_eq(members[i].count, PLACES / MEMBERS);
        let_all_go(&members[i]);
    }
    ck_assert(test_redis_restart(&redis));
    COMES(holds(&members[0], PLACES - 2));
    leave();
}
END_TEST

START_TEST(before_the_fleet_was_ever_heard_the_whole_limit_is_there)
{
    start_server();
    test_redis_stop(&redis);
    join(1, BULKHEAD);
    while (takes(&members[0]))
        ;
    ck_assert_uint_eq(members[0].count, PLACES);
    leave();
}
END_TEST

START_TEST(another_limit_is_the_fleets_when_all_have_it)
{
    begin(2, BULKHEAD);
    COMES(holds(&members[0], PLACES - 1));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(keel_pipeline_override(members[i].o.pipeline, "bulkhead=3",
                                                3600 * KEEL_S, NULL),
                         KEEL_OK);
    ck_assert_uint_eq(members[0].count, PLACES - 1); /* they end when they end */
    let_all_go(&members[0]);
    COMES(leased(&members[0]) + leased(&members[1]) <= 3);
    limit = 3;
    COMES(holds(&members[0], 2));
    for (unsigned i = 0; i < 1000; i++)
        takes(&members[i % 2]);
    leave();
}
END_TEST

/* Two processes of a host are one member: what one does not use the other has. */
START_TEST(a_host_leases_for_all_its_processes)
{
    const char *const on_board[] = { url, patience, board.variable, NULL };

    start_server();
    board_file_init(&board);
    join(1, BULKHEAD);
    for (; member_count < MEMBERS; member_count++)
        opened_init(&members[member_count].o, OPENED_REAL, on_board, BULKHEAD);
    everybody_is_in();
    ck_assert_ptr_nonnull(members[1].o.rt->shared);
    COMES(holds(&members[1], 3));
    COMES(holds(&members[2], 2));
    ck_assert(takes(&members[0])); /* the other host's last one */
    for (unsigned i = 0; i < 1000; i++)
        for (unsigned k = 0; k < MEMBERS; k++)
            ck_assert(!takes(&members[k]));
    let_all_go(&members[2]);
    COMES(holds(&members[1], 5));
    leave();
    board_file_cleanup(&board);
}
END_TEST

/* ---- tokens --------------------------------------------------------------------------- */

#define RATE "none; rate=200/s; rate.burst=20; rate.scope=fleet;"

enum { A_SECOND = 200, BURST = 20 };

static keel_fleet_tokens *tokens_of(const member *m)
{
    return plan_of(m)->rate.fleet;
}

static bool has_no_more_than_its_stock(const member *m)
{
    const keel_policy *policy = &plan_of(m)->policy;

    return keel_fleet_tokens_left(tokens_of(m)) <=
           keel_fleet_tokens_allow(policy, member_count).stock;
}

/* Who thinks he is alone has too much in stock, and gives it back once he knows better. */
static void begin_rate(unsigned count, const char *more)
{
    char settings[128];

    snprintf(settings, sizeof settings, RATE "%s", more);
    begin(count, settings);
    everybody_knows_of_all();
    for (unsigned i = 0; i < count; i++)
        COMES(has_no_more_than_its_stock(&members[i]));
}

static bool passes(const member *m)
{
    keel_permit permit;

    if (keel_permit_take(m->o.pipeline, &permit, NULL) != KEEL_OK)
        return false;
    keel_permit_end(&permit, KEEL_OK);
    return true;
}

/* As many as a limit allows in the time since an instant. */
static uint64_t allowed_since(uint64_t begun, uint64_t a_second, uint64_t burst)
{
    return burst + (now_ns() - begun) * a_second / KEEL_S + 1;
}

/* The busy ones call all the time until so many passed. Returns how long it took. */
static uint64_t call_until(unsigned busy, unsigned count, uint64_t a_second,
                           uint64_t burst)
{
    uint64_t begun = now_ns(), passed = 0;

    for (unsigned turn = 0; passed < count; turn++) {
        if (passes(&members[turn % busy]))
            passed++;
        else
            a_moment();
        ck_assert_uint_le(passed, allowed_since(begun, a_second, burst));
    }
    return now_ns() - begun;
}

/* One of them has the whole rate. A machine that stands still proves nothing: then it is
 * tried again. */
static void expect_within(uint64_t limit_ns, unsigned count, uint64_t a_second,
                          uint64_t burst)
{
    for (int tries = 1; call_until(1, count, a_second, burst) >= limit_ns; tries++)
        ck_assert_int_lt(tries, 5);
}

START_TEST(members_together_never_exceed_the_rate_by_more_than_a_burst)
{
    begin_rate(MEMBERS, "");
    call_until(MEMBERS, 300, A_SECOND, BURST);
    leave();
}
END_TEST

/* With a third each it would take more than four seconds. */
START_TEST(one_busy_member_among_idle_ones_uses_the_rate_up)
{
    begin_rate(MEMBERS, "");
    expect_within(3 * KEEL_S, 300, A_SECOND, BURST);
    leave();
}
END_TEST

START_TEST(who_may_wait_gets_his_token_in_time)
{
    uint64_t begun;

    begin_rate(2, "rate.wait=5s;");
    begun = now_ns();
    for (unsigned passed = 1; passed <= 100; passed++) {
        ck_assert_int_eq(opened_call(&members[passed % 2].o, NULL, KEEL_OK, NULL),
                         KEEL_OK);
        ck_assert_uint_le(passed, allowed_since(begun, A_SECOND, BURST));
    }
    leave();
}
END_TEST

START_TEST(whose_turn_comes_too_late_is_refused_and_told_when)
{
    keel_detail why = KEEL_DETAIL_INIT;
    uint64_t begun;

    begin(1, "none; rate=1/m; rate.scope=fleet; rate.wait=50ms;");
    COMES(opened_call(&members[0].o, NULL, KEEL_OK, NULL) == KEEL_OK);
    begun = now_ns();
    ck_assert_int_eq(opened_call(&members[0].o, NULL, KEEL_OK, &why),
                     KEEL_REJECTED_RATE_LIMITED);
    ck_assert_uint_lt(now_ns() - begun, 5 * KEEL_S);
    COMES(opened_call(&members[0].o, NULL, KEEL_OK, &why) ==
              KEEL_REJECTED_RATE_LIMITED &&
          why.retry_after_ns > 10 * KEEL_S); /* by then the server has said so */
    leave();
}
END_TEST

/* Asks for many at once and then lets come what comes. Asking on, it would take each as
 * soon as it is lent, and never see more of them. */
static bool is_lent_more_than(const member *m, uint32_t stock)
{
    uint64_t until = now_ns() + KEEL_S;

    for (unsigned i = 0; i < 100; i++)
        (void)passes(m);
    while (keel_fleet_tokens_left(tokens_of(m)) <= stock && now_ns() < until)
        a_moment();
    return keel_fleet_tokens_left(tokens_of(m)) > stock;
}

START_TEST(what_a_member_does_not_use_goes_back)
{
    keel_tokens_allowance allowance;

    begin_rate(2, "");
    allowance = keel_fleet_tokens_allow(&plan_of(&members[0])->policy, 2);
    COMES(is_lent_more_than(&members[0], allowance.stock));
    COMES(keel_fleet_tokens_left(tokens_of(&members[0])) <= allowance.stock);
    leave();
}
END_TEST

START_TEST(a_token_that_was_not_used_is_there_again)
{
    keel_permit permit;
    uint32_t left;

    begin(1, "none; rate=10/m; rate.scope=fleet;");
    COMES((left = keel_fleet_tokens_left(tokens_of(&members[0]))) > 0);
    ck_assert_int_eq(keel_permit_take(members[0].o.pipeline, &permit, NULL), KEEL_OK);
    ck_assert_uint_eq(keel_fleet_tokens_taken(tokens_of(&members[0])), 1);
    keel_permit_end(&permit, KEEL_CANCELLED);
    ck_assert_uint_eq(keel_fleet_tokens_taken(tokens_of(&members[0])), 0);
    leave();
}
END_TEST

START_TEST(who_asks_to_be_left_alone_is)
{
    keel_outcome throttled = { .size = sizeof throttled,
                               .status = KEEL_THROTTLED,
                               .retry_after_ns = 10 * KEEL_S };
    uint64_t retry_after;
    keel_permit permit;

    begin(1, RATE);
    COMES(keel_permit_take(members[0].o.pipeline, &permit, NULL) == KEEL_OK);
    keel_permit_end_outcome(&permit, &throttled);
    ck_assert_int_eq(keel_permit_take(members[0].o.pipeline, &permit, &retry_after),
                     KEEL_REJECTED_RATE_LIMITED);
    ck_assert_uint_gt(retry_after, 9 * KEEL_S);
    ck_assert_uint_le(retry_after, 10 * KEEL_S);
    leave();
}
END_TEST

static bool nobody_is_governed(void)
{
    for (unsigned i = 0; i < member_count; i++)
        if (keel_fleet_tokens_govern(tokens_of(&members[i]), now_ns()))
            return false;
    return true;
}

START_TEST(without_the_server_each_has_a_share_of_the_rate)
{
    uint64_t begun, passed = 0;

    begin_rate(2, "");
    test_redis_stop(&redis);
    COMES(nobody_is_governed());
    begun = now_ns();
    while (passed < 100) {
        passed += passes(&members[0]);
        ck_assert_uint_le(passed, allowed_since(begun, A_SECOND / 2, BURST / 2));
        a_moment();
    }
    ck_assert(test_redis_restart(&redis));
    everybody_is_in();
    expect_within(3 * KEEL_S, 300, A_SECOND, BURST);
    leave();
}
END_TEST

/* With the one before it would take almost five seconds. */
START_TEST(another_rate_is_the_fleets_when_all_have_it)
{
    begin_rate(2, "");
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(keel_pipeline_override(members[i].o.pipeline,
                                                "rate=2000/s; rate.burst=400",
                                                3600 * KEEL_S, NULL),
                         KEEL_OK);
    expect_within(4 * KEEL_S, 1000, 2000, 400);
    leave();
}
END_TEST

SUITE("leases", 60, ONE(members_together_never_hold_more_places_than_the_fleet_has),
      ONE(a_busy_member_has_all_but_one_each_of_the_idle),
      ONE(what_one_does_not_use_any_more_another_gets),
      ONE(who_comes_late_gets_his_part_of_what_is_all_in_use),
      ONE(who_waits_is_served_when_the_fleet_has_a_place),
      ONE(a_member_that_is_gone_gives_its_places_back_after_a_lease),
      ONE(without_the_server_each_has_a_share_and_no_call_loses_its_place),
      ONE(before_the_fleet_was_ever_heard_the_whole_limit_is_there),
      ONE(another_limit_is_the_fleets_when_all_have_it),
      ONE(a_host_leases_for_all_its_processes),
      ONE(members_together_never_exceed_the_rate_by_more_than_a_burst),
      ONE(one_busy_member_among_idle_ones_uses_the_rate_up),
      ONE(who_may_wait_gets_his_token_in_time),
      ONE(whose_turn_comes_too_late_is_refused_and_told_when),
      ONE(what_a_member_does_not_use_goes_back),
      ONE(a_token_that_was_not_used_is_there_again), ONE(who_asks_to_be_left_alone_is),
      ONE(without_the_server_each_has_a_share_of_the_rate),
      ONE(another_rate_is_the_fleets_when_all_have_it))
