/* SPDX-License-Identifier: MIT */
/* How many places of a fleet's bulkhead a member wants, and what it does with fewer. */
#include <string.h>

#include "base/clock.h"
#include "policy/bulkhead.h"
#include "support/suite.h"

typedef struct want_case {
    keel_places_demand demand;
    uint32_t want;
    const char *why;
} want_case;

#define FLEET .limit = 100, .members = 4

static const want_case wants[] = {
    { { FLEET }, 1, "the first call finds one" },
    { { FLEET, .is_unused = true }, 1, "of many hours, too" },
    { { FLEET, .leased = 1, .in_use = 1 }, 2, "one more than are used" },
    { { FLEET, .leased = 8, .in_use = 8 }, 11, "and a quarter" },
    { { FLEET, .leased = 8, .in_use = 8, .is_full = true },
      8,
      "but nobody waits for it" },
    { { FLEET, .leased = 0, .is_full = true }, 1, "nor is one too many to ask for" },
    { { FLEET, .leased = 8, .in_use = 8, .missed = 3 }, 11, "who found none, besides" },
    { { FLEET, .leased = 8, .in_use = 8, .missed = 90 }, 16, "doubling at most" },
    { { FLEET, .missed = 90 }, 1, "from none, too" },
    { { FLEET, .leased = 90, .in_use = 90, .missed = 90 },
      100,
      "no more than there are" },
    { { FLEET, .leased = 9, .in_use = 0 }, 9, "kept for a while" },
    { { FLEET, .leased = 9, .is_quiet = true },
      5,
      "half of what is too many goes back" },
    { { FLEET, .leased = 2, .is_quiet = true }, 1, "down to one" },
    { { FLEET, .leased = 20, .in_use = 5, .others_wait = true },
      5,
      "unused go at once" },
    { { FLEET, .leased = 20, .others_wait = true }, 1, "but one" },
    { { .limit = 3, .members = 4, .leased = 1, .others_wait = true, .is_unused = true },
      0,
      "unless there is not one for each" },
    { { .limit = 3, .members = 4, .leased = 1, .others_wait = true },
      1,
      "and it is not used" },
    { { FLEET, .leased = 65, .in_use = 65, .missed = 9, .others_wait = true },
      45,
      "who has more than a share goes half-way to it" },
    { { FLEET, .leased = 26, .in_use = 26, .missed = 9, .others_wait = true },
      25,
      "and comes to it" },
    { { FLEET, .leased = 10, .in_use = 10, .missed = 9, .others_wait = true },
      19,
      "who has less takes part" },
};

START_TEST(a_member_wants_what_it_uses_and_a_little_more)
{
    const want_case *row = &wants[_i];

    ck_assert_msg(keel_fleet_places_want(&row->demand) == row->want, "row %d (%s): %u",
                  _i, row->why, keel_fleet_places_want(&row->demand));
}
END_TEST

static const struct {
    uint64_t limit, members, share;
} shares[] = {
    { 10, 0, 10 }, { 10, 1, 10 }, { 10, 3, 3 }, { 10, 10, 1 }, { 10, 99, 1 },
};

START_TEST(alone_a_member_has_its_part_and_never_none)
{
    ck_assert_uint_eq(keel_fleet_places_share(shares[_i].limit, shares[_i].members),
                      shares[_i].share);
}
END_TEST

/* ---- the words ----------------------------------------------------------------------- */

enum { LIMIT = 8, QUEUE = 2 };

static keel_bulkhead_words words;
static keel_bulkhead_common common;
static keel_fleet_places fleet;
static _Atomic uint64_t host[64], self;
static keel_bulkhead bulkhead;
/* a queue with room for its hooks behind it */
static _Alignas(
    keel_queue) char queue_memory[sizeof(keel_queue) + QUEUE * sizeof(keel_wake_hook)];
static keel_queue *const queue = (keel_queue *)(void *)queue_memory;
static keel_waiter waiters[QUEUE];

static void begin(bool has_board)
{
    memset(&words, 0, sizeof words);
    memset(&common, 0, sizeof common);
    memset(&fleet, 0, sizeof fleet);
    memset(host, 0, sizeof host);
    memset(waiters, 0, sizeof waiters);
    self = (uint64_t)7 << 56 | 4711;
    bulkhead = (keel_bulkhead){ .words = &words, .common = &common, .fleet = &fleet };
    if (has_board)
        bulkhead.places = (keel_places){
            .words = host, .limit = LIMIT, .self = &self, .leased = &fleet.leased
        };
    keel_bulkhead_set(&bulkhead, LIMIT, false, 0);
}

static bool enter(keel_place *place)
{
    return keel_bulkhead_enter(&bulkhead, place, 1, 0, true, NULL, NULL) ==
           KEEL_ENTERED;
}

static unsigned enter_all(keel_place *places)
{
    unsigned count = 0;

    while (count < LIMIT && enter(&places[count]))
        count++;
    return count;
}

static const bool boards[] = { false, true };

START_TEST(before_the_fleet_was_heard_all_places_are_here)
{
    keel_place places[LIMIT], more;

    begin(boards[_i]);
    ck_assert_uint_eq(enter_all(places), LIMIT);
    ck_assert(!enter(&more));
}
END_TEST

START_TEST(what_is_leased_is_the_limit)
{
    keel_place places[2 * LIMIT];

    begin(boards[_i]);
    keel_bulkhead_lease(&bulkhead, 3, false, 1);
    ck_assert_uint_eq(enter_all(places), 3);
    keel_bulkhead_leave(&bulkhead, &places[1], 1);
    ck_assert(enter(&places[1]));
    keel_bulkhead_lease(&bulkhead, 0, false, 1);
    keel_bulkhead_leave(&bulkhead, &places[1], 1);
    ck_assert(!enter(&places[1]));
    keel_bulkhead_lease(&bulkhead, LIMIT + 9, false,
                        1); /* not more than the fleet has */
    if (boards[_i])
        ck_assert_uint_eq(enter_all(&places[2]), LIMIT - 2);
}
END_TEST

START_TEST(fewer_take_no_place_away_and_those_in_use_are_still_told)
{
    keel_place places[LIMIT], more;

    begin(boards[_i]);
    ck_assert_uint_eq(enter_all(places), LIMIT);
    keel_bulkhead_lease(&bulkhead, 2, false, 1);
    ck_assert_uint_ge(keel_bulkhead_bound(&bulkhead), LIMIT);
    for (unsigned i = 0; i < LIMIT - 2; i++) {
        ck_assert(!places[i].ticket && places[i].held);
        keel_bulkhead_leave(&bulkhead, &places[i], 1);
    }
    for (unsigned used = 2; enter(&more); used++)
        ck_assert_uint_lt(used, keel_bulkhead_bound(&bulkhead));
}
END_TEST

START_TEST(a_place_that_is_leased_goes_to_who_waits)
{
    keel_place place, waiting;

    begin(false);
    queue->limit = QUEUE;
    queue->waiters = waiters;
    atomic_store(&common.queues, queue);
    bulkhead.queue = queue;
    keel_bulkhead_lease(&bulkhead, 1, false, 1);
    ck_assert(enter(&place));
    ck_assert_int_eq(
        keel_bulkhead_enter(&bulkhead, &waiting, 1, KEEL_NEVER, false, NULL, NULL),
        KEEL_QUEUED);
    keel_bulkhead_lease(&bulkhead, 2, false, 2);
    ck_assert_int_eq(keel_bulkhead_check(&bulkhead, &waiting, 3), KEEL_ENTERED);
}
END_TEST

SUITE("fleet_places", 10, ROWS(a_member_wants_what_it_uses_and_a_little_more, wants),
      ROWS(alone_a_member_has_its_part_and_never_none, shares),
      ROWS(before_the_fleet_was_heard_all_places_are_here, boards),
      ROWS(what_is_leased_is_the_limit, boards),
      ROWS(fewer_take_no_place_away_and_those_in_use_are_still_told, boards),
      ONE(a_place_that_is_leased_goes_to_who_waits))
