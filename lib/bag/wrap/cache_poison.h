/* SPDX-License-Identifier: MIT */
/*
 * Keys whose entries in the cache must not be believed, because they could not be taken
 * back: each until the time of any such entry is over. Of this process alone.
 */
#ifndef KEEL_BAG_WRAP_CACHE_POISON_H
#define KEEL_BAG_WRAP_CACHE_POISON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum { KEEL_POISON_KEYS = 1024 };

/* keys_mu guards: keys, count, all_until_ns */
typedef struct keel_cache_poison {
    const keel_clock *clock;
    _Atomic uint64_t until_ns; /* nothing is poisoned after it: read without the lock */
    pthread_mutex_t keys_mu;
    size_t count;
    uint64_t all_until_ns; /* every key is: there were too many */
    struct {
        uint64_t hash;
        uint64_t until_ns;
    } keys[KEEL_POISON_KEYS];
} keel_cache_poison;

void keel_cache_poison_init(keel_cache_poison *p, const keel_clock *clock);
void keel_cache_poison_cleanup(keel_cache_poison *p);

/* hash: of a key. Of two keys with one hash both are poisoned, which only costs. */
void keel_cache_poison_add(keel_cache_poison *p, uint64_t hash, uint64_t length_ns);
void keel_cache_poison_add_all(keel_cache_poison *p, uint64_t length_ns);
bool keel_cache_poison_holds(keel_cache_poison *p, uint64_t hash);

#endif
