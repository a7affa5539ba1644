/* SPDX-License-Identifier: MIT */
/* Half-open probes as leases: what a dead holder had comes back by itself. */
#include "policy/breaker_words.h"

#include "base/clock.h"

enum { EXPIRY_BITS = 42, GENERATION_BITS = 14 };

#define EXPIRY_MASK (((uint64_t)1 << EXPIRY_BITS) - 1)
#define LEASE_GENERATION_MASK ((1u << GENERATION_BITS) - 1)

static uint64_t pack(uint32_t owner, uint32_t generation, uint64_t expires_at_ns)
{
    uint64_t us = expires_at_ns / 1000 + (expires_at_ns % 1000 != 0);

    return (uint64_t)(owner + 1) << 56 |
           (uint64_t)(generation & LEASE_GENERATION_MASK) << EXPIRY_BITS |
           (us & EXPIRY_MASK);
}

static bool is_of(uint64_t lease, uint32_t generation)
{
    return lease && (lease >> EXPIRY_BITS & LEASE_GENERATION_MASK) ==
                        (generation & LEASE_GENERATION_MASK);
}

static bool is_expired(uint64_t lease, uint64_t now)
{
    return ((now / 1000 - lease) & EXPIRY_MASK) <= EXPIRY_MASK / 2;
}

bool keel_lease_take(const keel_breaker *breaker, const keel_policy *policy,
                     uint32_t generation, uint64_t now, keel_breaker_permit *permit)
{
    uint64_t lease = pack(breaker->owner, generation,
                          keel_ns_add(now, policy->lease_ns) & KEEL_DUE_MASK);

    for (uint32_t i = 0; i < policy->half_open_permits; i++) {
        uint64_t old = atomic_load_explicit(&breaker->leases[i], memory_order_acquire);

        if (is_of(old, generation))
            continue;
        if (atomic_compare_exchange_strong(&breaker->leases[i], &old, lease)) {
            permit->lease = lease;
            permit->lease_index = (uint8_t)i;
            return true;
        }
    }
    return false;
}

bool keel_lease_give_back(const keel_breaker *breaker,
                          const keel_breaker_permit *permit)
{
    uint64_t lease = permit->lease;

    return atomic_compare_exchange_strong(&breaker->leases[permit->lease_index], &lease,
                                          0);
}

bool keel_lease_reclaim(const keel_breaker *breaker, const keel_policy *policy,
                        uint32_t generation, uint64_t now)
{
    for (uint32_t i = 0; i < policy->half_open_permits; i++) {
        uint64_t lease =
            atomic_load_explicit(&breaker->leases[i], memory_order_acquire);

        if (is_of(lease, generation) && is_expired(lease, now) &&
            atomic_compare_exchange_strong(&breaker->leases[i], &lease, 0))
            return true;
    }
    return false;
}
