/* SPDX-License-Identifier: MIT */
/* A short list, seldom used: while nothing is poisoned a look is one load. */
#include "bag/wrap/cache_poison.h"

void keel_cache_poison_init(keel_cache_poison *p, const keel_clock *clock)
{
    *p = (keel_cache_poison){ .clock = clock };
    pthread_mutex_init(&p->keys_mu, NULL);
}

void keel_cache_poison_cleanup(keel_cache_poison *p)
{
    pthread_mutex_destroy(&p->keys_mu);
}

static uint64_t now_of(const keel_cache_poison *p)
{
    return p->clock->now(p->clock->ctx);
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Release pairs with the acquire in holds: who sees the time looks at the list. */
static void prolong_locked(keel_cache_poison *p, uint64_t until_ns)
{
    uint64_t now = atomic_load_explicit(&p->until_ns, memory_order_relaxed);

    atomic_store_explicit(&p->until_ns, later_of(now, until_ns), memory_order_release);
}

static void forget_expired_locked(keel_cache_poison *p, uint64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->count; i++)
        if (p->keys[i].until_ns > now)
            p->keys[kept++] = p->keys[i];
    p->count = kept;
}

static size_t find_locked(const keel_cache_poison *p, uint64_t hash)
{
    size_t i = 0;

    while (i < p->count && p->keys[i].hash != hash)
        i++;
    return i;
}

/* False: there is no room for it. */
static bool keep_locked(keel_cache_poison *p, uint64_t hash, uint64_t until,
                        uint64_t now)
{
    size_t at = find_locked(p, hash);

    if (at < p->count) {
        p->keys[at].until_ns = later_of(p->keys[at].until_ns, until);
        return true;
    }
    if (p->count == KEEL_POISON_KEYS)
        forget_expired_locked(p, now);
    if (p->count == KEEL_POISON_KEYS)
        return false;
    p->keys[p->count].hash = hash;
    p->keys[p->count++].until_ns = until;
    return true;
}

void keel_cache_poison_add(keel_cache_poison *p, uint64_t hash, uint64_t length_ns)
{
    uint64_t now = now_of(p), until = keel_ns_add(now, length_ns);

    pthread_mutex_lock(&p->keys_mu);
    if (!keep_locked(p, hash, until, now))
        p->all_until_ns = later_of(p->all_until_ns, until);
    prolong_locked(p, until);
    pthread_mutex_unlock(&p->keys_mu);
}

void keel_cache_poison_add_all(keel_cache_poison *p, uint64_t length_ns)
{
    uint64_t until = keel_ns_add(now_of(p), length_ns);

    pthread_mutex_lock(&p->keys_mu);
    p->all_until_ns = later_of(p->all_until_ns, until);
    prolong_locked(p, until);
    pthread_mutex_unlock(&p->keys_mu);
}

bool keel_cache_poison_holds(keel_cache_poison *p, uint64_t hash)
{
    uint64_t until = atomic_load_explicit(&p->until_ns, memory_order_acquire), now;
    size_t at;
    bool holds;

    if (!until)
        return false;
    now = now_of(p);
    if (until <= now)
        return false;
    pthread_mutex_lock(&p->keys_mu);
    at = find_locked(p, hash);
    holds = p->all_until_ns > now || (at < p->count && p->keys[at].until_ns > now);
    pthread_mutex_unlock(&p->keys_mu);
    return holds;
}
