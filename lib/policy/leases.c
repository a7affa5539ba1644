/* SPDX-License-Identifier: MIT */
/*
 * Half-open probes as leases: what a dead holder had comes back by itself. And what
 * time a holder has who queues meanwhile.
 */
#include "policy/breaker_moves.h"

#include "base/clock.h"

/*
 * Microseconds, in a circle of 50 days; a lease lasts at most 12 of them, so that for
 * 37 more it is known to have ended. 0 is no lease, so an expiry is never 0.
 */
enum { EXPIRY_BITS = 42, GENERATION_BITS = 14 };

#define EXPIRY_MASK (((uint64_t)1 << EXPIRY_BITS) - 1)
#define LONGEST_NS (UINT64_C(12) * 24 * 3600 * KEEL_S)
#define LEASE_GENERATION_MASK ((1u << GENERATION_BITS) - 1)

/* The slot of this process; a child that has none yet is nobody's. */
static uint64_t owner_of(const keel_breaker *breaker)
{
    uint64_t self =
        breaker->self ? atomic_load_explicit(breaker->self, memory_order_relaxed) : 0;

    return self || !breaker->self ? self >> 56 : KEEL_BOARD_NOBODY;
}

static uint64_t pack(const keel_breaker *breaker, uint32_t generation, uint64_t now,
                     uint64_t length_ns)
{
    uint64_t at_ns = keel_ns_add(now, keel_ns_min(length_ns, LONGEST_NS));
    uint64_t expiry = (at_ns / 1000 + (at_ns % 1000 != 0)) & EXPIRY_MASK;

    return owner_of(breaker) << 56 |
           (uint64_t)(generation & LEASE_GENERATION_MASK) << EXPIRY_BITS |
           (expiry ? expiry : 1);
}

static bool is_of(uint64_t lease, uint32_t generation)
{
    return lease && (lease >> EXPIRY_BITS & LEASE_GENERATION_MASK) ==
                        (generation & LEASE_GENERATION_MASK);
}

static bool is_expired(uint64_t lease, uint64_t now)
{
    uint64_t left = (lease - now / 1000) & EXPIRY_MASK;

    return left == 0 || left > LONGEST_NS / 1000 + 1;
}

bool keel_lease_take(const keel_breaker *breaker, const keel_policy *policy,
                     uint32_t generation, uint64_t now, keel_breaker_permit *permit)
{
    uint64_t lease = pack(breaker, generation, now, policy->lease_ns);

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

void keel_leases_forsake(_Atomic uint64_t *leases, uint32_t count, uint32_t owner,
                         uint64_t now)
{
    uint64_t ended = now / 1000 & EXPIRY_MASK;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t lease = atomic_load(&leases[i]);

        if (lease && lease >> 56 == owner)
            atomic_compare_exchange_strong(
                &leases[i], &lease, (lease & ~EXPIRY_MASK) | (ended ? ended : 1));
    }
}

/* One that was reclaimed meanwhile stays what it is: its end is late. */
static void lease_anew(const keel_breaker *breaker, uint64_t now, uint64_t length_ns,
                       keel_breaker_permit *permit)
{
    uint64_t old = permit->lease;
    uint64_t fresh = pack(breaker, permit->generation, now, length_ns);

    if (permit->tracking == KEEL_TRACK_PROBE &&
        atomic_compare_exchange_strong(&breaker->leases[permit->lease_index], &old,
                                       fresh))
        permit->lease = fresh;
}

void keel_breaker_pause(const keel_breaker *breaker, const keel_policy *policy,
                        keel_breaker_permit *permit, uint64_t now, uint64_t until)
{
    if (permit->start_index)
        keel_starts_leave(&breaker->starts, permit->start_index);
    permit->start_index = 0;
    lease_anew(breaker, now, keel_ns_add(keel_ns_left(until, now), policy->lease_ns),
               permit);
}

void keel_breaker_resume(const keel_breaker *breaker, const keel_policy *policy,
                         keel_breaker_permit *permit, uint64_t now)
{
    if (permit->tracking != KEEL_TRACK_NOTHING)
        keel_breaker_track_start(breaker, permit, now);
    lease_anew(breaker, now, policy->lease_ns, permit);
}
