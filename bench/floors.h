/* SPDX-License-Identifier: MIT */
/*
 * What the machine itself takes for the least that a policy must do: the figures of
 * keel are multiples of these, timed in the same process.
 */
#ifndef KEEL_BENCH_FLOORS_H
#define KEEL_BENCH_FLOORS_H

#include <stdatomic.h>

#include "measure.h"

/* A word on a cache line of its own. */
typedef struct floor_word {
    _Alignas(64) _Atomic uint64_t word;
} floor_word;

/* ctx of each is a floor_word; two threads on the same one contend. */
bench_loop floor_add;         /* one atomic add */
bench_loop floor_add_sub;     /* an add and a subtract */
bench_loop floor_coarse;      /* one coarse clock read */
bench_loop floor_coarse_add;  /* V */
bench_loop floor_precise_add; /* U */
bench_loop floor_two_clocks_add;
bench_loop floor_indirect; /* one call of an empty function through a pointer */
/* what the standard preset cannot do without: two coarse clock reads, an add and a
 * subtract, three counters of one's own, a call through a pointer */
bench_loop floor_skeleton;
bench_loop floor_mutex; /* ctx is a pthread_mutex_t: lock and unlock */

#endif
