/* SPDX-License-Identifier: MIT */
/*
 * Random numbers for jitter and chances, not for secrets: splitmix64 (Steele, Lea and
 * Flood, OOPSLA 2014), one a thread, seeded by the kernel, seeded anew after fork so
 * that sibling workers do not share their jitter.
 */
#ifndef KEEL_BASE_RANDOM_H
#define KEEL_BASE_RANDOM_H

#include <stdint.h>

/* The source a runtime was given; fn NULL: the thread's own generator. */
typedef struct keel_random {
    double (*fn)(void *ctx);
    void *ctx;
} keel_random;

/* Uniform in [0, 1). */
double keel_random_draw(const keel_random *random);

/* 64 bits of the thread's own generator: to tell one write from another. */
uint64_t keel_random_number(void);

/* A length, a fifth more or less, so that many do not act all at once. */
uint64_t keel_random_spread(const keel_random *random, uint64_t length_ns);

#endif
