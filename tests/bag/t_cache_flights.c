/* SPDX-License-Identifier: MIT */
/* Who leads and who follows where several ask for one key. */
#include "bag/wrap/cache_flights.h"

#include "base/memory.h"
#include "support/allocator.h"
#include "support/suite.h"
#include "support/vclock.h"

static vclock clock_;
static failing_allocator memory;
static keel_flights *flights;

static const keel_bytes key = { "k", 1 };
static const keel_bag_token nothing, seven = { 1, { 7 } };

enum { HASH = 42 };

static void setup(void)
{
    vclock_init(&clock_);
    failing_allocator_init(&memory, 0);
    flights = keel_memory_new(&memory.allocator, sizeof *flights);
    keel_flights_init(flights, &memory.allocator, &clock_.clock);
}

static void teardown(void)
{
    keel_flights_cleanup(flights);
    keel_memory_free(&memory.allocator, flights);
    ck_assert_int_eq(memory.live, 0);
    vclock_cleanup(&clock_);
}

static keel_flight *join(const keel_bag_token *seen, keel_flight_role role)
{
    uint32_t turn = keel_flights_turn(flights, HASH);
    keel_flight *flight;

    ck_assert_int_eq(keel_flights_join(flights, key, HASH, seen, &turn, &flight), role);
    return flight;
}

static void end(keel_flight *flight)
{
    keel_flights_land(flights, flight);
    keel_flights_leave(flights, flight);
}

START_TEST(the_first_one_leads_and_the_others_follow_it)
{
    keel_flight *first = join(&nothing, KEEL_FLIGHT_LEADS);

    ck_assert_ptr_eq(join(&nothing, KEEL_FLIGHT_FOLLOWS), first);
    end(first);
    ck_assert_int_eq(keel_flights_wait(flights, first, KEEL_NEVER, NULL), KEEL_OK);
    keel_flights_leave(flights, first);
    end(join(&nothing, KEEL_FLIGHT_LEADS));
}
END_TEST

START_TEST(who_looked_before_the_landing_is_sent_to_look_again)
{
    uint32_t turn = keel_flights_turn(flights, HASH);
    keel_flight *flight;

    end(join(&nothing, KEEL_FLIGHT_LEADS));
    ck_assert_int_eq(keel_flights_join(flights, key, HASH, &nothing, &turn, &flight),
                     KEEL_FLIGHT_IS_OVER);
    ck_assert_int_eq(keel_flights_join(flights, key, HASH, &nothing, NULL, &flight),
                     KEEL_FLIGHT_LEADS);
    end(flight);
}
END_TEST

START_TEST(who_saw_something_else_asks_for_himself)
{
    keel_flight *first = join(&nothing, KEEL_FLIGHT_LEADS);
    keel_flight *second = join(&seven, KEEL_FLIGHT_LEADS);

    ck_assert_ptr_eq(join(&seven, KEEL_FLIGHT_FOLLOWS), second);
    keel_flights_leave(flights, second);
    end(first);
    end(second);
}
END_TEST

START_TEST(what_was_spoiled_is_followed_no_more)
{
    keel_flight *first = join(&nothing, KEEL_FLIGHT_LEADS), *second;

    if (_i)
        keel_flights_spoil_all(flights);
    else
        keel_flights_spoil(flights, key, HASH);
    ck_assert(keel_flights_is_spoiled(flights, first));
    second = join(&nothing, KEEL_FLIGHT_LEADS);
    ck_assert(!keel_flights_is_spoiled(flights, second));
    end(first);
    end(second);
}
END_TEST

START_TEST(a_wait_ends_with_its_time_or_its_token)
{
    keel_flight *flight = join(&nothing, KEEL_FLIGHT_LEADS);
    keel_cancel cancel = KEEL_CANCEL_INIT;
    uint64_t until = vclock_now(&clock_) + KEEL_S;

    ck_assert_int_eq(keel_flights_wait(flights, flight, until, &cancel), KEEL_TIMEOUT);
    ck_assert_uint_eq(vclock_now(&clock_), until);
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_flights_wait(flights, flight, KEEL_NEVER, &cancel),
                     KEEL_CANCELLED);
    end(flight);
}
END_TEST

START_TEST(without_memory_one_may_still_follow)
{
    keel_flight *first = join(&nothing, KEEL_FLIGHT_LEADS);

    memory.fail_at = memory.calls + 1;
    ck_assert_ptr_eq(join(&nothing, KEEL_FLIGHT_FOLLOWS), first);
    keel_flights_leave(flights, first);
    end(first);
    memory.fail_at = memory.calls + 1;
    ck_assert_ptr_null(join(&nothing, KEEL_FLIGHT_NO_MEMORY));
}
END_TEST

SUITE_IN("cache flights", 20, setup, teardown,
         ONE(the_first_one_leads_and_the_others_follow_it),
         ONE(who_looked_before_the_landing_is_sent_to_look_again),
         ONE(who_saw_something_else_asks_for_himself),
         { what_was_spoiled_is_followed_no_more, 2 },
         ONE(a_wait_ends_with_its_time_or_its_token),
         ONE(without_memory_one_may_still_follow))
