/* SPDX-License-Identifier: MIT */
/*
 * How many places a member lends while the fleet cannot be asked, with instants that the
 * test chooses, and answers that it loses. Its runtime's own relay is stopped.
 */
#include "share/lessee.h"

#include "call/relay.h"
#include "support/opened.h"
#include "support/suite.h"

enum { LIMIT = 6, MEMBERS = 2, SHARE = LIMIT / MEMBERS, LEASE_S = 6 };

static const char *environment[] = { "KEEL_REDIS=redis://127.0.0.1:1", NULL };
static opened o;
static keel_lessee lessee;
static const keel_plan *plan;
static keel_permit held[LIMIT];
static unsigned held_count;
static uint64_t now;

static bool takes(void)
{
    if (keel_permit_take(o.pipeline, &held[held_count], NULL) != KEEL_OK)
        return false;
    held_count++;
    return true;
}

static void let_all_go(void)
{
    while (held_count)
        keel_permit_end(&held[--held_count], KEEL_OK);
}

/* How many it asks for, a second later. */
static uint32_t asks(void)
{
    keel_wire_places request;

    now += KEEL_S;
    ck_assert(keel_lessee_places(&lessee, plan, MEMBERS, now, &request));
    return request.want;
}

static void is_granted(uint32_t places, bool others_wait)
{
    keel_lessee_placed(&lessee, plan, (uint16_t)places, others_wait, now);
}

static void loses_the_fleet(void)
{
    keel_lessee_rejoin(&lessee);
    keel_lessee_places_alone(&lessee, plan, MEMBERS, now);
}

static uint64_t lent(void)
{
    return keel_fleet_places_limit(&plan->bulkhead.fleet->leased, LIMIT);
}

/* Places are leased one after the other, as calls want them, and are in use. */
static void enter_with(unsigned places)
{
    opened_init(&o, OPENED_BY_HAND, environment,
                "none; bulkhead=6; bulkhead.scope=fleet");
    keel_relay_stop(o.rt);
    plan = atomic_load(&o.pipeline->plan);
    keel_lessee_init(&lessee, o.pipeline);
    now = o.clock.now_ns;
    asks();
    is_granted(1, false);
    while (held_count < places)
        if (!takes())
            is_granted(asks(), false);
    asks();
    is_granted(places, false); /* no more than are in use: the fleet has no more */
    ck_assert_uint_eq(asks(), places);
    is_granted(places, true);
    ck_assert_uint_eq(lent(), places);
}

static void leave(void)
{
    let_all_go();
    opened_cleanup(&o);
}

static const unsigned all[] = { 1, 2, 3, 4, 5, 6 };

START_TEST(it_lends_its_share_and_no_more_than_it_had)
{
    unsigned had = all[_i];

    enter_with(had);
    loses_the_fleet();
    ck_assert_uint_eq(lent(), had < SHARE ? had : SHARE);
    now += (LEASE_S + 1) * KEEL_S;
    loses_the_fleet();
    ck_assert_uint_eq(lent(), SHARE);
    leave();
}
END_TEST

static const unsigned several[] = { 2, 3, 4, 5, 6 };

/* The fleet may have heard, and have given them to others. */
START_TEST(what_it_gave_back_is_not_lent_though_the_answer_was_lost)
{
    uint32_t asked;

    enter_with(several[_i]);
    let_all_go();
    asked = asks();
    ck_assert_uint_lt(asked, several[_i]);
    loses_the_fleet();
    ck_assert_uint_eq(lent(), asked);
    leave();
}
END_TEST

START_TEST(nor_what_it_then_asked_for_again)
{
    uint32_t asked;

    enter_with(SHARE);
    let_all_go();
    asked = asks();
    loses_the_fleet();
    while (takes())
        ;
    ck_assert_uint_gt(asks(), asked);
    loses_the_fleet();
    ck_assert_uint_eq(lent(), asked);
    leave();
}
END_TEST

START_TEST(what_it_is_granted_again_it_has)
{
    enter_with(SHARE);
    let_all_go();
    ck_assert_uint_eq(asks(), 1);
    loses_the_fleet();
    while (takes())
        ;
    asks();
    is_granted(2, true);
    loses_the_fleet();
    ck_assert_uint_eq(lent(), 2);
    leave();
}
END_TEST

SUITE("lessee", 10, ROWS(it_lends_its_share_and_no_more_than_it_had, all),
      ROWS(what_it_gave_back_is_not_lent_though_the_answer_was_lost, several),
      ONE(nor_what_it_then_asked_for_again), ONE(what_it_is_granted_again_it_has))
