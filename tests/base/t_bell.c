/* SPDX-License-Identifier: MIT */
/* Bells: that no ring is lost, and none is heard that was not rung. */
#include "base/bell.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include <keel/call.h>

#include "base/thread.h"
#include "support/child.h"
#include "support/suite.h"

enum { RINGERS = 4, RINGS = 20000, NUMBERS = 200 };

static bool can_be_read(const keel_bell *bell)
{
    struct pollfd p = { .fd = keel_bell_fd(bell), .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

START_TEST(a_ring_leaves_its_number)
{
    keel_bell *bell = keel_bell_claim();
    uint32_t number;
    bool all;

    ck_assert_ptr_nonnull(bell);
    ck_assert(!keel_bell_next(bell, &number, &all));
    keel_bell_ring(keel_bell_ctx(bell, 7));
    keel_bell_ring(keel_bell_ctx(bell, 7));
    ck_assert(keel_bell_next(bell, &number, &all));
    ck_assert(!all);
    ck_assert_uint_eq(number, 7);
    ck_assert(!keel_bell_next(bell, &number, &all));
    keel_bell_release(bell);
}
END_TEST

START_TEST(only_a_sleeper_is_woken_by_the_descriptor)
{
    keel_bell *bell = keel_bell_claim();

    keel_bell_ring(keel_bell_ctx(bell, 1));
    ck_assert(!can_be_read(bell));
    ck_assert(!keel_bell_sleep(bell)); /* it was rung meanwhile */
    keel_bell_wake(bell);
    ck_assert(keel_bell_sleep(bell));
    keel_bell_ring(keel_bell_ctx(bell, 1));
    ck_assert(can_be_read(bell));
    keel_bell_drain(bell);
    ck_assert(!can_be_read(bell));
    keel_bell_release(bell);
}
END_TEST

START_TEST(more_numbers_than_it_keeps_are_all)
{
    keel_bell *bell = keel_bell_claim();
    bool all = false, any_all = false;
    uint32_t number;

    for (uint32_t i = 0; i < NUMBERS; i++)
        keel_bell_ring(keel_bell_ctx(bell, i));
    while (keel_bell_next(bell, &number, &all))
        any_all |= all;
    ck_assert(any_all);
    keel_bell_release(bell);
}
END_TEST

START_TEST(a_token_rings_the_bells_of_its_set)
{
    keel_bell *bell = keel_bell_claim(), *other = keel_bell_claim();
    keel_cancel cancel = KEEL_CANCEL_INIT;

    keel_cancel_rings(&cancel, keel_bell_set(bell));
    ck_assert(keel_bell_sleep(bell));
    ck_assert(keel_bell_sleep(other));
    keel_cancel_fire(&cancel);
    ck_assert(can_be_read(bell));
    ck_assert(keel_bell_took_set(bell));
    ck_assert(!keel_bell_took_set(bell));
    ck_assert(!can_be_read(other));
    ck_assert(!keel_bell_took_set(other));
    keel_bell_release(bell);
    keel_bell_release(other);
}
END_TEST

START_TEST(there_are_as_many_as_are_asked_for)
{
    keel_bell *bells[40];

    for (int i = 0; i < 40; i++) {
        bells[i] = keel_bell_claim();
        ck_assert_ptr_nonnull(bells[i]);
        for (int j = 0; j < i; j++)
            ck_assert_ptr_ne(bells[i], bells[j]);
    }
    keel_bell_ring(keel_bell_ctx(bells[39], 3));
    ck_assert(!keel_bell_sleep(bells[39]));
    for (int i = 0; i < 40; i++)
        keel_bell_release(bells[i]);
}
END_TEST

static keel_bell *parents;

static void in_child(void)
{
    int fd = keel_bell_fd(parents);
    keel_bell *mine = keel_bell_claim();

    CHILD(fd < 0); /* the parent's descriptor is not ours to write to */
    CHILD(mine);
    keel_bell_ring(keel_bell_ctx(parents, 1));
    keel_bell_release(parents);
    CHILD(keel_bell_fd(mine) >= 0);
}

START_TEST(a_child_does_not_wake_its_parent)
{
    parents = keel_bell_claim();
    ck_assert(keel_bell_sleep(parents));
    child_await(child_fork(in_child));
    ck_assert(!can_be_read(parents));
    ck_assert(keel_bell_sleep(parents));
    keel_bell_release(parents);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

static keel_bell *shared;
static atomic_uint rung;
static atomic_uint turns[NUMBERS]; /* what each number was rung for, and not yet seen */

static void *ring_often(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < RINGS; i++) {
        atomic_fetch_add(&turns[i % NUMBERS], 1);
        keel_bell_ring(keel_bell_ctx(shared, i % NUMBERS));
    }
    atomic_fetch_add(&rung, 1);
    keel_bell_ring(keel_bell_ctx(shared, 0));
    return NULL;
}

static void see(uint32_t number)
{
    atomic_store(&turns[number], 0);
}

static void see_what_was_rung(void)
{
    uint32_t number;
    bool all;

    keel_bell_wake(shared);
    while (keel_bell_next(shared, &number, &all))
        for (uint32_t i = all ? 0 : number; i < (all ? NUMBERS : number + 1); i++)
            see(i);
}

/* Were a ring lost, the last one would be slept through, or a number be left unseen. */
START_TEST(no_ring_is_lost)
{
    struct pollfd p = { .events = POLLIN };
    pthread_t threads[RINGERS];

    shared = keel_bell_claim();
    p.fd = keel_bell_fd(shared);
    for (int i = 0; i < RINGERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ring_often, NULL), 0);
    while (atomic_load(&rung) < RINGERS) {
        if (keel_bell_sleep(shared))
            ck_assert_int_eq(poll(&p, 1, -1), 1);
        if (p.revents)
            keel_bell_drain(shared);
        see_what_was_rung();
    }
    for (int i = 0; i < RINGERS; i++)
        pthread_join(threads[i], NULL);
    see_what_was_rung();
    for (int i = 0; i < NUMBERS; i++)
        ck_assert_uint_eq(atomic_load(&turns[i]), 0);
    keel_bell_release(shared);
}
END_TEST

SUITE("bell", 20, ONE(a_ring_leaves_its_number),
      ONE(only_a_sleeper_is_woken_by_the_descriptor),
      ONE(more_numbers_than_it_keeps_are_all), ONE(a_token_rings_the_bells_of_its_set),
      ONE(there_are_as_many_as_are_asked_for), ONE(a_child_does_not_wake_its_parent),
      ONE(no_ring_is_lost))
