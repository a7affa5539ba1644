/* SPDX-License-Identifier: MIT */
/* How far from here an attempt goes. */
#include "policy/endpoint_levels.h"

#include <math.h>

#include "policy/endpoint_draw.h"

/* ---- shares --------------------------------------------------------------------- */

/* What a level can take of all calls with so many of its members. */
static double share_of(const keel_endpoints *set, const keel_policy *policy,
                       const keel_endpoint_level *level, uint64_t members)
{
    uint64_t weight = 0;

    if (members == level->members)
        return 1;
    while (members)
        weight += set->entries[keel_endpoint_take_lowest(&members)].weight;
    return fmin(1, (double)weight * KEEL_PPM /
                       ((double)policy->healthy_share_ppm * (double)level->weight));
}

double keel_endpoint_levels_share(const keel_endpoints *set, const keel_policy *policy,
                                  uint64_t usable, double *shares)
{
    double sum = 0;

    for (uint32_t i = 0; i < set->level_count; i++) {
        const keel_endpoint_level *level = &set->levels[i];
        double share =
            sum < 1 ? share_of(set, policy, level, usable & level->members) : 0;

        share = fmin(share, 1 - sum);
        sum += share;
        if (shares)
            shares[i] = share;
    }
    return sum;
}

static uint32_t choose_level(const keel_endpoints *set, const keel_policy *policy,
                             const keel_endpoint_request *request, uint64_t usable)
{
    double shares[KEEL_ENDPOINT_LEVELS], sum, at;
    uint32_t i;

    if (share_of(set, policy, &set->levels[0], usable & set->levels[0].members) >= 1)
        return 0;
    sum = keel_endpoint_levels_share(set, policy, usable, shares);
    for (i = 0; i < set->level_count; i++)
        if (shares[i] >= sum)
            return i; /* all of it: nothing to draw */
    at = sum * (keel_endpoints_stick(policy, request)
                    ? keel_endpoint_fraction(request->affinity)
                    : keel_random_draw(request->random));
    for (i = 0; i + 1 < set->level_count && at >= shares[i]; i++)
        at -= shares[i];
    return i;
}

/* The nearest level that has one of some. */
static uint32_t nearest_level(const keel_endpoints *set, uint64_t some)
{
    uint32_t i = 0;

    while (!(set->levels[i].members & some))
        i++;
    return i;
}

/* ---- further attempts ----------------------------------------------------------- */

/* All that are in a zone with one that was tried. */
static uint64_t zones_of(const keel_endpoints *set, uint64_t tried)
{
    uint64_t members = 0;

    tried &= set->everybody;
    while (tried)
        members |= set->entries[keel_endpoint_take_lowest(&tried)].zone_members;
    return members;
}

/* What all levels of a tier can take together. */
static double tier_takes(const keel_endpoints *set, const keel_policy *policy,
                         uint32_t tier, uint64_t usable)
{
    double sum = 0;

    for (uint32_t i = 0; i < set->level_count; i++) {
        const keel_endpoint_level *level = &set->levels[i];

        if (keel_endpoint_tier(level) == tier)
            sum += share_of(set, policy, level, usable & level->members);
    }
    return sum;
}

static uint64_t members_of_tier(const keel_endpoints *set, uint32_t tier)
{
    uint64_t members = 0;

    for (uint32_t i = 0; i < set->level_count; i++)
        if (keel_endpoint_tier(&set->levels[i]) == tier)
            members |= set->levels[i].members;
    return members;
}

/*
 * Zones fail as a whole, so that another one is wanted: of the same tier, or where that
 * is short anyway, of any.
 */
static uint64_t leave_zones(const keel_endpoints *set, const keel_policy *policy,
                            const keel_endpoint_request *request, uint32_t tier,
                            uint64_t usable, uint64_t wanted)
{
    uint64_t elsewhere = wanted & ~zones_of(set, request->tried);
    uint64_t in_tier = elsewhere & members_of_tier(set, tier);

    if (in_tier)
        return in_tier;
    return elsewhere && tier_takes(set, policy, tier, usable) < 1 ? elsewhere : wanted;
}

/* ---- the choice ----------------------------------------------------------------- */

/* The level itself where it has one of some, else the nearest that has. */
static uint32_t level_with(const keel_endpoints *set, uint32_t level, uint64_t some)
{
    return set->levels[level].members & some ? level : nearest_level(set, some);
}

const keel_endpoint_level *
keel_endpoint_levels_choose(const keel_endpoints *set, const keel_policy *policy,
                            const keel_endpoint_request *request, uint64_t usable,
                            uint64_t *wanted)
{
    uint32_t at = level_with(set, choose_level(set, policy, request, usable), *wanted);

    if (request->tried) {
        *wanted = leave_zones(set, policy, request,
                              keel_endpoint_tier(&set->levels[at]), usable, *wanted);
        at = level_with(set, at, *wanted);
    }
    *wanted &= set->levels[at].members;
    return &set->levels[at];
}
