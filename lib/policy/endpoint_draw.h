/* SPDX-License-Identifier: MIT */
/*
 * One of several endpoints that are as near as each other: by load, by turns or by
 * affinity, each by the weight it has now. Not for how near they are: endpoint_levels.h.
 */
#ifndef KEEL_POLICY_ENDPOINT_DRAW_H
#define KEEL_POLICY_ENDPOINT_DRAW_H

#include "policy/endpoint_choice.h"

/*
 * usable  all endpoints that may be used: of the level these take their turns
 * some    those of the level that are wanted for this attempt, at least one
 */
uint32_t keel_endpoints_draw(const keel_endpoints *set, const keel_policy *policy,
                             const keel_endpoint_request *request,
                             const keel_endpoint_level *level, uint64_t usable,
                             uint64_t some);

/* In units of KEEL_ENDPOINT_WEIGHT_UNIT; less than its own while it starts slowly. */
uint64_t keel_endpoint_weight_now(const keel_endpoint_entry *entry,
                                  const keel_policy *policy, uint64_t now);

/* A number's own draw, in (0, 1). */
double keel_endpoint_fraction(uint64_t number);

static inline uint64_t keel_endpoint_load(const keel_endpoint_entry *entry)
{
    return atomic_load_explicit(&entry->own->in_flight, memory_order_relaxed);
}

/* Whether all chance comes from the affinity number. */
static inline bool keel_endpoints_stick(const keel_policy *policy,
                                        const keel_endpoint_request *request)
{
    return policy->endpoints_by == KEEL_ENDPOINTS_BY_AFFINITY && request->affinity;
}

#endif
