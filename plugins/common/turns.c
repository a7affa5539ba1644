/* SPDX-License-Identifier: MIT */
/* Handing out. What is done with the things is not known here. */
#include "common/turns.h"

#include <time.h>

#define LONGEST_WAIT_NS 100000000 /* then the runtime's own clock is asked again */
#define CANCEL_LOOK_NS 10000000
#define SECOND_NS 1000000000

bool keel_turns_init(keel_turns *turns, keel_runtime *runtime)
{
    pthread_condattr_t monotonic;

    turns->runtime = runtime;
    turns->idle_count = 0;
    if (pthread_mutex_init(&turns->idle_mu, NULL))
        return false;
    if (pthread_condattr_init(&monotonic))
        goto fail;
    if (pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) ||
        pthread_cond_init(&turns->given, &monotonic))
        goto fail_attributes;
    pthread_condattr_destroy(&monotonic);
    return true;

fail_attributes:
    pthread_condattr_destroy(&monotonic);
fail:
    pthread_mutex_destroy(&turns->idle_mu);
    return false;
}

void keel_turns_cleanup(keel_turns *turns)
{
    pthread_cond_destroy(&turns->given);
    pthread_mutex_destroy(&turns->idle_mu);
}

/* Until one is given back, or a while; false: there is no time left for that. */
static bool wait_locked(keel_turns *turns, uint64_t until_ns, const keel_cancel *cancel)
{
    uint64_t now_ns = keel_now(turns->runtime);
    uint64_t while_ns = cancel ? CANCEL_LOOK_NS : LONGEST_WAIT_NS;
    struct timespec until;

    if (now_ns >= until_ns || (cancel && keel_cancel_fired(cancel)))
        return false;
    if (until_ns - now_ns < while_ns)
        while_ns = until_ns - now_ns;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)while_ns;
    until.tv_sec += until.tv_nsec / SECOND_NS;
    until.tv_nsec %= SECOND_NS;
    pthread_cond_timedwait(&turns->given, &turns->idle_mu, &until);
    return true;
}

void *keel_turns_take(keel_turns *turns, uint64_t until_ns, const keel_cancel *cancel)
{
    void *thing = NULL;

    pthread_mutex_lock(&turns->idle_mu);
    while (!turns->idle_count && wait_locked(turns, until_ns, cancel))
        ;
    if (turns->idle_count)
        thing = turns->idle[--turns->idle_count];
    pthread_mutex_unlock(&turns->idle_mu);
    return thing;
}

void keel_turns_give(keel_turns *turns, void *thing)
{
    pthread_mutex_lock(&turns->idle_mu);
    turns->idle[turns->idle_count++] = thing;
    pthread_cond_signal(&turns->given);
    pthread_mutex_unlock(&turns->idle_mu);
}
