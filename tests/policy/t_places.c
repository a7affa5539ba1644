/* SPDX-License-Identifier: MIT */
/* Places of a host: never more taken than there are, and none lost with who held it. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "policy/places.h"
#include "support/child.h"
#include "support/suite.h"

enum { ROOM = 64, LIMIT = 3, PROCESSES = 6, THREADS = 4, ROUNDS = 20000 };

#define WORD(slot, id) ((uint64_t)(slot) << 56 | (id))

/* What all processes of a test see. */
typedef struct common {
    _Atomic uint64_t words[ROOM];
    _Atomic int inside;
    _Atomic int most;
    _Atomic int entered;
} common;

static common *all;
static _Atomic uint64_t self;
static keel_places places;

static void begin(uint32_t limit)
{
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
               -1, 0);
    ck_assert_ptr_ne(all, MAP_FAILED);
    self = WORD(7, 4711);
    places = (keel_places){ .words = all->words, .limit = limit, .self = &self };
}

START_TEST(as_many_are_taken_as_there_are_and_each_comes_back)
{
    uint16_t mine[LIMIT];

    begin(LIMIT);
    for (uint32_t i = 0; i < LIMIT; i++) {
        mine[i] = keel_places_take(&places);
        ck_assert_uint_ne(mine[i], 0);
        ck_assert_uint_eq(keel_places_taken(&places), i + 1);
    }
    ck_assert_uint_eq(keel_places_take(&places), 0);
    keel_places_give_back(&places, mine[1]);
    ck_assert_uint_eq(keel_places_take(&places), mine[1]);
    keel_places_give_back(&places, 0); /* none: changes nothing */
    ck_assert_uint_eq(keel_places_taken(&places), LIMIT);
}
END_TEST

/* A daemon that closed the descriptor of its slot's lock is taken for dead. */
START_TEST(what_is_anothers_by_now_is_not_given_back)
{
    uint16_t mine;

    begin(LIMIT);
    mine = keel_places_take(&places);
    keel_places_forsake(all->words, ROOM, 7);
    all->words[mine - 1] = WORD(9, 4712);
    keel_places_give_back(&places, mine);
    ck_assert_uint_eq(all->words[mine - 1], WORD(9, 4712));
}
END_TEST

START_TEST(who_has_not_joined_takes_none)
{
    begin(LIMIT);
    self = 0;
    ck_assert(!keel_places_has_joined(&places));
    ck_assert_uint_eq(keel_places_take(&places), 0);
    ck_assert_uint_eq(keel_places_taken(&places), 0);
}
END_TEST

START_TEST(a_smaller_limit_looks_at_fewer_of_the_same_words)
{
    keel_places fewer;

    begin(5);
    fewer = places;
    fewer.limit = 2;
    for (int i = 0; i < 5; i++)
        ck_assert_uint_ne(keel_places_take(&places), 0);
    ck_assert_uint_eq(keel_places_taken(&fewer), 2);
    ck_assert_uint_eq(keel_places_take(&fewer), 0);
}
END_TEST

static const struct {
    uint32_t limit;
    uint32_t room;
} rooms[] = {
    { 1, 64 },        { 64, 64 },
    { 65, 128 }, /* most changes of a limit keep the words */
    { 65535, 65536 }, { UINT32_MAX, 65536 }, /* no more than have a number */
};

START_TEST(there_is_room_for_a_limit)
{
    ck_assert_uint_eq(keel_places_room(rooms[_i].limit), rooms[_i].room);
}
END_TEST

START_TEST(what_one_owner_held_is_free_and_nobody_elses)
{
    uint16_t kept;

    begin(LIMIT);
    keel_places_take(&places);
    self = WORD(8, 4711);
    kept = keel_places_take(&places);
    self = WORD(7, 4711);
    keel_places_take(&places);
    keel_places_forsake(all->words, ROOM, 7);
    ck_assert_uint_eq(keel_places_taken(&places), 1);
    ck_assert_uint_eq(all->words[kept - 1], WORD(8, 4711));
    keel_places_forsake(all->words, ROOM, 9);
    ck_assert_uint_eq(keel_places_taken(&places), 1);
}
END_TEST

/* ---- at once ------------------------------------------------------------------------- */

static void go_in_and_out(void)
{
    uint16_t place = keel_places_take(&places);
    int inside, most;

    if (!place)
        return;
    inside = atomic_fetch_add(&all->inside, 1) + 1;
    most = atomic_load(&all->most);
    while (most < inside && !atomic_compare_exchange_weak(&all->most, &most, inside))
        ;
    atomic_fetch_add(&all->entered, 1);
    atomic_fetch_sub(&all->inside, 1);
    keel_places_give_back(&places, place);
}

static void *many_rounds(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++)
        go_in_and_out();
    return NULL;
}

static void check_most(void)
{
    ck_assert_int_ge(all->most, 1);
    ck_assert_int_le(all->most, LIMIT);
    ck_assert_int_gt(all->entered, 0);
    ck_assert_uint_eq(keel_places_taken(&places), 0);
}

START_TEST(threads_never_exceed_the_limit)
{
    pthread_t threads[THREADS];

    begin(LIMIT);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, many_rounds, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_most();
}
END_TEST

static void run_as_a_process(void)
{
    self = WORD(getpid() % 255, (uint64_t)getpid());
    many_rounds(NULL);
}

START_TEST(processes_never_exceed_the_limit)
{
    pid_t pids[PROCESSES];

    begin(LIMIT);
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = child_fork(run_as_a_process);
    for (int i = 0; i < PROCESSES; i++)
        child_await(pids[i]);
    check_most();
}
END_TEST

SUITE("places", 60, ONE(as_many_are_taken_as_there_are_and_each_comes_back),
      ONE(what_is_anothers_by_now_is_not_given_back),
      ONE(who_has_not_joined_takes_none),
      ONE(a_smaller_limit_looks_at_fewer_of_the_same_words),
      ROWS(there_is_room_for_a_limit, rooms),
      ONE(what_one_owner_held_is_free_and_nobody_elses),
      ONE(threads_never_exceed_the_limit), ONE(processes_never_exceed_the_limit))
