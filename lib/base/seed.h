/* SPDX-License-Identifier: MIT */
/* Bits nobody can foresee well, to begin a generator with. Not for secrets. */
#ifndef KEEL_BASE_SEED_H
#define KEEL_BASE_SEED_H

#include <stdint.h>

/* The output function of splitmix64 (Steele, Lea and Flood, OOPSLA 2014). */
static inline uint64_t keel_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 64 bits from the kernel; where that fails, from the clock and an address. */
uint64_t keel_seed(void);

#endif
