/* SPDX-License-Identifier: MIT */
/*
 * A breaker that a fleet shares: what the fleet says of it, and how it is followed here.
 * The words stand between those who call, who only read them and leave marks, and the
 * relay (lib/share), which alone speaks to the fleet.
 *
 * While the fleet's breaker is closed, the one here decides for itself. While it is not,
 * and the relay is there, the fleet governs: the one here is open, or half-open with just
 * the probes that the fleet has lent, and whatever they show is the fleet's to judge. A
 * relay that is gone for a moment loses its say, and then the rules here hold again: so
 * nothing waits for it.
 */
#ifndef KEEL_POLICY_FLEET_H
#define KEEL_POLICY_FLEET_H

#include "policy/breaker.h"

#define KEEL_FLEET_SOON_NS (10 * (uint64_t)1000000) /* a probe may be lent by then */

#define KEEL_FLEET_SAY_NS (2 * (uint64_t)1000000000) /* from when it is renewed */

#define KEEL_FLEET_EPOCH_MASK (((uint64_t)1 << 62) - 1)

static inline uint64_t keel_fleet_view_pack(keel_breaker_state state, uint64_t epoch)
{
    return (uint64_t)state << 62 | (epoch & KEEL_FLEET_EPOCH_MASK);
}

static inline keel_breaker_state keel_fleet_view_state(uint64_t view)
{
    return (keel_breaker_state)(view >> 62);
}

static inline uint64_t keel_fleet_view_epoch(uint64_t view)
{
    return view & KEEL_FLEET_EPOCH_MASK;
}

/* Whether what is not closed here is so because of the fleet. */
static inline bool keel_fleet_governs(const keel_breaker *breaker, uint64_t now)
{
    const keel_fleet_words *fleet = breaker->fleet;
    uint64_t until;

    if (!fleet || keel_fleet_view_state(atomic_load_explicit(
                      &fleet->view, memory_order_relaxed)) == KEEL_BREAKER_CLOSED)
        return false;
    until = atomic_load_explicit(&fleet->governs_until, memory_order_acquire);
    /* a longer say than any relay takes is none of a relay's; a clock may lag a little */
    return now < until && until - now <= 2 * KEEL_FLEET_SAY_NS;
}

/*
 * Marks that callers leave for the relay.
 *
 * keel_fleet_want_probe  a call was refused that would have been a probe
 * keel_fleet_wish        a call failed; the other side asked not to be called until an
 *                        instant, or 0. As with a lone breaker the last failure counts
 * keel_fleet_tripped     it is about to open here, and why
 */
void keel_fleet_want_probe(const keel_breaker *breaker, uint64_t now);
void keel_fleet_wish(const keel_breaker *breaker, uint64_t until);
void keel_fleet_tripped(const keel_breaker *breaker, uint32_t generation,
                        keel_cause cause);

/* Why it opened with a generation; KEEL_CAUSE_NONE: another one was the last. */
keel_cause keel_fleet_trip_cause(const keel_breaker *breaker, uint32_t generation);

/*
 * The moves of the relay. Each is done, or there is nothing to do.
 *
 * keel_fleet_open   open until an instant, whatever it is now
 * keel_fleet_lend   half-open with `probes` more; returns the round's generation
 * keel_fleet_close  closed with an empty window
 */
void keel_fleet_open(const keel_breaker *breaker, uint64_t now, uint64_t until,
                     keel_changes *changes);
uint32_t keel_fleet_lend(const keel_breaker *breaker, uint32_t probes, uint64_t until,
                         keel_changes *changes);
void keel_fleet_close(const keel_breaker *breaker, const keel_policy *policy,
                      uint64_t now, keel_changes *changes);

/* What became of the probes that were lent; all 0 where there is no round. */
typedef struct keel_fleet_round {
    uint32_t generation;
    uint32_t left; /* not taken yet */
    uint32_t ok;
    uint32_t failed;
    uint32_t slow; /* of both */
} keel_fleet_round;

/* Reclaims what was not ended in time first. */
keel_fleet_round keel_fleet_look(const keel_breaker *breaker, const keel_policy *policy,
                                 uint64_t now, const keel_random *random,
                                 keel_changes *changes);

/* Takes one back that nobody has taken yet. False: there is none. */
bool keel_fleet_take_back(const keel_breaker *breaker, uint32_t generation);

#endif
