/* SPDX-License-Identifier: MIT */
/*
 * Places of a bulkhead that a whole fleet counts together. A member, which is a process
 * or a host, leases some of them, and what it has leased is its limit; these are the
 * words between those who call and the relay that leases (lib/share), and how much it
 * should. Not for who holds which place: that is bulkhead.h and places.h.
 */
#ifndef KEEL_POLICY_FLEET_PLACES_H
#define KEEL_POLICY_FLEET_PLACES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct keel_fleet_places {
    _Atomic uint64_t leased;  /* plus 1; 0: the fleet was never heard, all are there */
    _Atomic uint64_t refused; /* calls that found no place, since ever; some wait */
    _Atomic uint64_t wanted;  /* not 0: the relay has not seen to them yet */
    _Atomic uint64_t members; /* of the fleet, when it was last heard of; 0: never */
    uint64_t spare[4];
} keel_fleet_places;

/* The limit of this member; most: of the whole fleet. */
static inline uint64_t keel_fleet_places_limit(const _Atomic uint64_t *leased,
                                               uint64_t most)
{
    uint64_t word = atomic_load(leased);

    return word && word - 1 < most ? word - 1 : most;
}

/* A member's part of a limit while the fleet cannot be asked. members 0: unknown. */
static inline uint64_t keel_fleet_places_share(uint64_t limit, uint64_t members)
{
    return members <= 1 ? limit : limit > members ? limit / members : 1;
}

/* What a member knows when it looks how many places it should have. */
typedef struct keel_places_demand {
    uint32_t limit;   /* of the fleet */
    uint32_t members; /* of the fleet */
    uint32_t leased;  /* according to the fleet */
    uint32_t in_use;
    uint32_t missed;  /* calls that found none since the last look, or wait for one */
    bool is_full;     /* the fleet had fewer than were asked for */
    bool others_wait; /* other members, for places */
    bool is_quiet;    /* nothing was missed for a while: some may go back */
    bool is_unused;   /* for a while no place was seen in use either */
} keel_places_demand;

/*
 * How many places to lease from now on. Those in use and a few more, unless that would
 * make others wait; at most twice as many as now where calls found none; and one at least,
 * so that the first call of many hours finds one, unless there are more members than
 * places. While others wait unused ones go back at once, and who has more than his part
 * of the limit moves half-way towards it.
 */
uint32_t keel_fleet_places_want(const keel_places_demand *demand);

#endif
