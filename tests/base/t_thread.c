/* SPDX-License-Identifier: MIT */
/* A thread's part: sleeping by a clock of the author's, and what is left of it by fork. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/thread.h"
#include "support/latch.h"
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

/* ---- fork ------------------------------------------------------------------------- */

/* Runs in a child; true: all was well there. */
static void fork_and_expect(bool (*child)(void))
{
    int status = -1;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(child() ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

/* The part of a thread that calls keel for the first time. */
static keel_thread *part_of_a_new_thread(void)
{
    keel_thread *mine = keel_thread_mine, *fresh;

    keel_thread_mine = NULL;
    fresh = keel_thread_claim();
    keel_thread_mine = mine;
    return fresh;
}

enum { OTHERS = 100 }; /* more than a chunk has parts */

static latch have_parts = LATCH_INIT, may_end = LATCH_INIT;

static void *have_a_part(void *ctx)
{
    (void)ctx;
    keel_thread_self();
    latch_hit(&have_parts);
    latch_await(&may_end, 1);
    return NULL;
}

static bool all_parts_but_mine_are_free(void)
{
    return keel_thread_self()->index == 0 && part_of_a_new_thread()->index == 1 &&
           part_of_a_new_thread()->index == 2;
}

START_TEST(a_child_has_the_parts_of_the_threads_it_has_not)
{
    pthread_t threads[OTHERS];

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    ck_assert_uint_eq(keel_thread_self()->index, 0);
    for (int i = 0; i < OTHERS; i++)
        pthread_create(&threads[i], NULL, have_a_part, NULL);
    latch_await(&have_parts, OTHERS);
    fork_and_expect(all_parts_but_mine_are_free);
    ck_assert_uint_eq(part_of_a_new_thread()->index, OTHERS + 1);
    latch_hit(&may_end);
    for (int i = 0; i < OTHERS; i++)
        pthread_join(threads[i], NULL);
    keel_process_detach();
}
END_TEST

static int inherited;

/* As a daemon: all that was inherited is closed, and its numbers are used anew. */
static bool the_number_is_left_alone(void)
{
    char path[] = "t_thread.XXXXXX";
    int file = mkstemp(path);
    bool is_well;

    unlink(path);
    if (dup2(file, inherited) != inherited)
        return false;
    keel_thread_wake(keel_thread_self()->index);
    is_well = lseek(inherited, 0, SEEK_END) == 0;
    is_well = is_well && write(inherited, "12345678", 8) == 8 &&
              lseek(inherited, 0, SEEK_SET) == 0;
    is_well = is_well && keel_thread_wake_fd() != inherited;
    is_well = is_well && lseek(inherited, 0, SEEK_CUR) == 0; /* nothing was read */
    return is_well && fcntl(inherited, F_GETFD) >= 0;
}

START_TEST(a_child_has_nothing_to_do_with_its_parents_descriptor)
{
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    inherited = keel_thread_wake_fd();
    ck_assert_int_ge(inherited, 0);
    ck_assert_int_eq(keel_thread_wake_fd(), inherited);
    fork_and_expect(the_number_is_left_alone);
    close(inherited);
    keel_process_detach();
}
END_TEST

static keel_clock lent;
static _Atomic unsigned wakes_by_lent;
static keel_cancel token;
static _Atomic uint32_t sleeping_index;

static void count_wake(const uint32_t *word, int count, void *ctx)
{
    (void)word;
    (void)count;
    (void)ctx;
    wakes_by_lent++;
}

static bool sleep_until_the_end(const uint32_t *word, uint32_t expected, uint64_t until,
                                void *ctx)
{
    (void)word;
    (void)expected;
    (void)until;
    (void)ctx;
    latch_hit(&have_parts);
    latch_await(&may_end, 1);
    return true;
}

static void *sleep_by_lent(void *ctx)
{
    (void)ctx;
    sleeping_index = keel_thread_self()->index;
    keel_thread_sleep(&lent, atomic_load(&keel_thread_self()->word), KEEL_NEVER,
                      &token);
    return NULL;
}

/* By its number, by the token, and when a thread of the child's own has the part. */
static bool the_clock_is_left_alone(void)
{
    keel_thread_wake(sleeping_index);
    keel_cancel_fire(&token);
    if (part_of_a_new_thread()->index != sleeping_index)
        return false;
    keel_thread_wake(sleeping_index);
    return wakes_by_lent == 0;
}

START_TEST(a_child_does_not_call_the_clock_a_thread_of_its_parent_slept_by)
{
    pthread_t thread;

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    keel_thread_self();
    lent.wait = sleep_until_the_end;
    lent.wake = count_wake;
    pthread_create(&thread, NULL, sleep_by_lent, NULL);
    latch_await(&have_parts, 1);
    fork_and_expect(the_clock_is_left_alone);
    keel_thread_wake(sleeping_index);
    ck_assert_uint_eq(wakes_by_lent, 1); /* the parent does */
    latch_hit(&may_end);
    pthread_join(thread, NULL);
    keel_process_detach();
}
END_TEST

static pid_t forked;

/* Nobody will ever say in the child that this borrower is done. */
static bool fork_while_lent(const uint32_t *word, uint32_t expected, uint64_t until,
                            void *ctx)
{
    (void)word;
    (void)expected;
    (void)until;
    (void)ctx;
    keel_thread_self()->borrowers++;
    forked = fork();
    if (forked == 0)
        alarm(10);
    else
        keel_thread_self()->borrowers--;
    return true;
}

START_TEST(a_clock_that_forks_comes_back_in_the_child_too)
{
    int status = -1;

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    lent.wait = fork_while_lent;
    lent.wake = count_wake;
    keel_thread_sleep(&lent, atomic_load(&keel_thread_self()->word), KEEL_NEVER, NULL);
    if (forked == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(forked, &status, 0), forked);
    ck_assert_int_eq(status, 0);
    keel_process_detach();
}
END_TEST

SUITE("thread", 20,
      ONE(a_wake_that_is_under_way_does_not_keep_a_thread_from_its_first_sleep),
      ONE(a_child_has_the_parts_of_the_threads_it_has_not),
      ONE(a_child_has_nothing_to_do_with_its_parents_descriptor),
      ONE(a_child_does_not_call_the_clock_a_thread_of_its_parent_slept_by),
      ONE(a_clock_that_forks_comes_back_in_the_child_too))
