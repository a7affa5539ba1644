/* SPDX-License-Identifier: MIT */
/* A number that threads wait for: what tests use in place of sleeping. */
#ifndef KEEL_TESTS_SUPPORT_LATCH_H
#define KEEL_TESTS_SUPPORT_LATCH_H

#include <pthread.h>

/* mu guards: count */
typedef struct latch {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    unsigned count;
} latch;

#define LATCH_INIT                                                                     \
    {                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                         \
    }

/* Adds one. */
void latch_hit(latch *l);
/* Returns when it was hit at least count times. */
void latch_await(latch *l, unsigned count);
unsigned latch_count(latch *l);

#endif
