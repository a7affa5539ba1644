/* SPDX-License-Identifier: MIT */
/* How far from here an attempt goes. */
#include "policy/endpoint_levels.h"

#include <math.h>

#include "policy/endpoint_draw.h"

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

uint32_t keel_endpoint_levels_choose(const keel_endpoints *set,
                                     const keel_policy *policy,
                                     const keel_endpoint_request *request,
                                     uint64_t usable, uint64_t wanted)
{
    uint32_t at = choose_level(set, policy, request, usable);

    return set->levels[at].members & wanted ? at : nearest_level(set, wanted);
}
