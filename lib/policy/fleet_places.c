/* SPDX-License-Identifier: MIT */
/* How many places of a fleet's bulkhead a member should lease. */
#include "policy/fleet_places.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* One more than are used, and a quarter: what comes before the next look. */
static uint32_t with_headroom(uint32_t in_use)
{
    return in_use + in_use / 4 + 1;
}

/* Where there is one for each. */
static uint32_t least(const keel_places_demand *d)
{
    return d->is_unused && d->members > d->limit ? 0 : 1;
}

static uint32_t want_more(const keel_places_demand *d)
{
    uint32_t now = larger(d->leased, d->in_use);

    return now + smaller(d->missed, larger(now, 1));
}

/* Half of what is too many, the odd one included. */
static uint32_t halfway_to(uint32_t from, uint32_t to)
{
    return from > to ? from - (from - to + 1) / 2 : from;
}

static uint32_t want_beside_waiters(const keel_places_demand *d)
{
    uint32_t share = (uint32_t)keel_fleet_places_share(d->limit, d->members);
    uint32_t want = d->missed ? want_more(d) : d->in_use;

    if (d->leased > share)
        want = smaller(want, halfway_to(d->leased, share));
    return larger(want, least(d));
}

static uint32_t want_alone(const keel_places_demand *d)
{
    uint32_t enough = with_headroom(d->in_use);

    if (d->missed)
        return want_more(d);
    if (d->leased <= enough && d->is_full)
        return larger(larger(d->leased, d->in_use), least(d));
    if (d->leased <= enough)
        return enough;
    return d->is_quiet ? halfway_to(d->leased, enough) : d->leased;
}

uint32_t keel_fleet_places_want(const keel_places_demand *d)
{
    uint32_t want = d->others_wait ? want_beside_waiters(d) : want_alone(d);

    return smaller(want, d->limit);
}
