/* SPDX-License-Identifier: MIT */
/* The per-thread generator behind jitter. */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/process.h"
#include "base/thread.h"

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t keel_random_seed(void)
{
    int saved = errno;
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        struct timespec now = { 0, 0 };

        clock_gettime(CLOCK_MONOTONIC, &now);
        seed =
            mix((uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 32) ^ (uintptr_t)&now);
    }
    errno = saved;
    return seed;
}

static uint64_t next(keel_thread *thread)
{
    uint64_t incarnation = keel_process_incarnation();

    if (thread->random_incarnation != incarnation) {
        thread->random_incarnation = incarnation;
        thread->random_state = keel_random_seed();
    }
    return mix(thread->random_state += 0x9e3779b97f4a7c15u);
}

double keel_random_draw(const keel_random *random)
{
    if (random->fn)
        return random->fn(random->ctx);
    return (double)(next(keel_thread_self()) >> 11) * 0x1p-53;
}
