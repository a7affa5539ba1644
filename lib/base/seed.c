/* SPDX-License-Identifier: MIT */
/* The seed of generators. */
#include "base/seed.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

uint64_t keel_seed(void)
{
    int saved = errno;
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        struct timespec now = { 0, 0 };

        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = keel_mix((uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 32) ^
                        (uintptr_t)&now);
    }
    errno = saved;
    return seed;
}
