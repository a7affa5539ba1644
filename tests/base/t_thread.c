/* SPDX-License-Identifier: MIT */
/* Sleeping by a clock of the author's while others wake. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/thread.h"
#include "support/suite.h"
#include "support/vclock.h"

enum { SLEEPERS = 60, NOBODY = -1 };

static vclock clock_;
static pthread_barrier_t end;
static _Atomic int sleeper; /* the thread to wake */
static _Atomic unsigned wakes, awake;

/*
 * Its first sleep, each at another instant of a wake. It stays, so that the next has
 * another part.
 */
static void *sleep_once(void *ctx)
{
    keel_thread *self = keel_thread_self();
    unsigned delay = *(unsigned *)ctx * 4, before = wakes;

    sleeper = (int)self->index;
    while (wakes == before)
        ;
    while (delay--)
        before = wakes;
    sleeper = NOBODY;
    keel_thread_sleep(&clock_.clock, atomic_load(&self->word),
                      vclock_now(&clock_) + KEEL_MS, NULL);
    awake++;
    pthread_barrier_wait(&end);
    return NULL;
}

/* Until it is about to sleep: a later wake would make good what the last one broke. */
static void wake_until_it_sleeps(unsigned number)
{
    while (awake <= number) {
        int index = sleeper;

        if (index != NOBODY)
            keel_thread_wake((uint32_t)index);
        wakes++;
    }
}

START_TEST(a_wake_that_is_under_way_does_not_keep_a_thread_from_its_first_sleep)
{
    pthread_t threads[SLEEPERS];
    unsigned numbers[SLEEPERS];

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    vclock_init(&clock_);
    pthread_barrier_init(&end, NULL, SLEEPERS + 1);
    sleeper = NOBODY;
    for (unsigned i = 0; i < SLEEPERS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, sleep_once, &numbers[i]);
        wake_until_it_sleeps(i);
    }
    pthread_barrier_wait(&end);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&end);
    vclock_cleanup(&clock_);
    keel_process_detach();
}
END_TEST

SUITE("thread", 20,
      ONE(a_wake_that_is_under_way_does_not_keep_a_thread_from_its_first_sleep))
