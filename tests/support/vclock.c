/* SPDX-License-Identifier: MIT */
/* The virtual clock behind keel's clock seam. */
#include "support/vclock.h"

static uint64_t virtual_now(void *ctx)
{
    return vclock_now(ctx);
}

static uint64_t virtual_now_coarse(void *ctx)
{
    vclock *c = ctx;

    return vclock_now(c) - c->coarse_lag_ns;
}

static bool has_changed(const uint32_t *word, uint32_t expected)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE) != expected;
}

static bool wait_locked(vclock *c, const uint32_t *word, uint32_t expected,
                        uint64_t until_ns)
{
    uint64_t wakes = c->wakes;
    bool woken = false;

    c->waiting++;
    pthread_cond_broadcast(&c->changed);
    while (!(woken = has_changed(word, expected) || c->wakes != wakes) &&
           (until_ns == UINT64_MAX || c->now_ns < until_ns))
        pthread_cond_wait(&c->changed, &c->mu);
    c->waiting--;
    return woken;
}

/* A wait without an end blocks on either kind of clock: there is no time to go to. */
static bool virtual_wait(const uint32_t *word, uint32_t expected, uint64_t until_ns,
                         void *ctx)
{
    vclock *c = ctx;
    bool woken;

    pthread_mutex_lock(&c->mu);
    if (c->by_hand || until_ns == UINT64_MAX) {
        woken = wait_locked(c, word, expected, until_ns);
    } else {
        woken = has_changed(word, expected);
        if (!woken && c->now_ns < until_ns)
            c->now_ns = until_ns;
    }
    pthread_mutex_unlock(&c->mu);
    return woken;
}

/* Wakes all, whatever the word and count: the seam allows spurious wakes. */
static void virtual_wake(const uint32_t *word, int count, void *ctx)
{
    vclock *c = ctx;

    (void)word;
    (void)count;
    pthread_mutex_lock(&c->mu);
    c->wakes++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mu);
}

void vclock_init(vclock *c)
{
    *c = (vclock){
        .clock = { .now = virtual_now,
                   .now_coarse = virtual_now_coarse,
                   .wait = virtual_wait,
                   .wake = virtual_wake,
                   .ctx = c },
        .now_ns = VCLOCK_START,
        .mu = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
}

void vclock_init_by_hand(vclock *c)
{
    vclock_init(c);
    c->by_hand = true;
}

void vclock_cleanup(vclock *c)
{
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mu);
}

uint64_t vclock_now(vclock *c)
{
    return atomic_load(&c->now_ns);
}

void vclock_advance(vclock *c, uint64_t ns)
{
    pthread_mutex_lock(&c->mu);
    c->now_ns += ns;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mu);
}

void vclock_await_waiters(vclock *c, unsigned count)
{
    pthread_mutex_lock(&c->mu);
    while (c->waiting < count)
        pthread_cond_wait(&c->changed, &c->mu);
    pthread_mutex_unlock(&c->mu);
}
