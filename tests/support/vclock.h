/* SPDX-License-Identifier: MIT */
/*
 * A clock on which waiting is how time passes: an hour of back-off takes a microsecond.
 *
 * Moved by its waiters (vclock_init), a wait sets the time to its end and returns: for
 * tests with one thread. Moved by hand (vclock_init_by_hand), a wait blocks until the
 * word changes, a wake comes or vclock_advance reaches its end: for tests with several
 * threads, which use vclock_await_waiters as their barrier and never sleep.
 */
#ifndef KEEL_TESTS_SUPPORT_VCLOCK_H
#define KEEL_TESTS_SUPPORT_VCLOCK_H

#include <pthread.h>
#include <stdatomic.h>

#include <keel/runtime.h>

/* Where every virtual clock starts: not 0, so that "never set" differs from "now". */
#define VCLOCK_START ((uint64_t)1000 * 1000000000)

/* mu guards: waiting, wakes, and every change of now_ns */
typedef struct vclock {
    keel_clock clock; /* hand this to keel_options */
    bool by_hand;
    _Atomic uint64_t now_ns;
    uint64_t coarse_lag_ns; /* how far now_coarse stays behind; set before use */
    unsigned waiting;
    uint64_t wakes;
    pthread_mutex_t mu;
    pthread_cond_t changed;
} vclock;

/* The clock must stay where it is until vclock_cleanup. */
void vclock_init(vclock *c);
void vclock_init_by_hand(vclock *c);
void vclock_cleanup(vclock *c);

uint64_t vclock_now(vclock *c);
void vclock_advance(vclock *c, uint64_t ns);

/* Returns when at least count threads wait on a clock that is moved by hand. */
void vclock_await_waiters(vclock *c, unsigned count);

#endif
