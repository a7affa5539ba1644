/* SPDX-License-Identifier: MIT */
/* The per-thread generator behind jitter. */
#include "base/random.h"

#include "base/process.h"
#include "base/seed.h"
#include "base/thread.h"

static uint64_t next(keel_thread *thread)
{
    uint64_t incarnation = keel_process_incarnation();

    if (thread->random_incarnation != incarnation) {
        thread->random_incarnation = incarnation;
        thread->random_state = keel_seed();
    }
    return keel_mix(thread->random_state += 0x9e3779b97f4a7c15u);
}

uint64_t keel_random_number(void)
{
    return next(keel_thread_self());
}

double keel_random_draw(const keel_random *random)
{
    if (random->fn)
        return random->fn(random->ctx);
    return (double)(next(keel_thread_self()) >> 11) * 0x1p-53;
}

uint64_t keel_random_spread(const keel_random *random, uint64_t length_ns)
{
    return (uint64_t)((double)length_ns * (0.8 + 0.4 * keel_random_draw(random)));
}
