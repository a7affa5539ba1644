/* SPDX-License-Identifier: MIT */
/*
 * The thread that goes the way back, so that no caller waits for it and recovery needs no
 * traffic. It is started when there is something to do for the first time.
 */
#include <signal.h>
#include <string.h>

#include "bag/wrap/failover.h"
#include "call/runtime.h"

static void *run(void *ctx)
{
    keel_failover *f = ctx;
    const keel_clock *clock = &f->runtime->clock;

    while (!atomic_load(&f->is_closing)) {
        /* seen before the step: what comes up after it changes the word */
        uint32_t seen = __atomic_load_n(&f->roused, __ATOMIC_ACQUIRE);
        uint64_t until = keel_failover_step(f);

        if (until > clock->now(clock->ctx) && !atomic_load(&f->is_closing))
            clock->wait(&f->roused, seen, until, clock->ctx);
    }
    return NULL;
}

/* No signal of the author's is for this thread. */
static bool start(keel_failover *f)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return false;
    error = pthread_create(&f->thread, NULL, run, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !error;
}

void keel_failover_rouse(keel_failover *f)
{
    const keel_clock *clock = &f->runtime->clock;

    pthread_mutex_lock(&f->thread_mu);
    if (!f->has_thread) /* where none can be had, the next one tries again */
        f->has_thread = start(f);
    pthread_mutex_unlock(&f->thread_mu);
    __atomic_add_fetch(&f->roused, 1, __ATOMIC_RELEASE);
    clock->wake(&f->roused, 1, clock->ctx);
}

void keel_failover_thread_stop(keel_failover *f)
{
    const keel_clock *clock = &f->runtime->clock;

    if (!f->has_thread)
        return;
    atomic_store(&f->is_closing, true);
    keel_cancel_fire(&f->stop);
    __atomic_add_fetch(&f->roused, 1, __ATOMIC_RELEASE);
    clock->wake(&f->roused, 1, clock->ctx);
    pthread_join(f->thread, NULL);
    f->has_thread = false;
}
