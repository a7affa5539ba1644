/* SPDX-License-Identifier: MIT */
/*
 * How far from here an attempt goes: which level, of those that the tiers and zones of
 * endpoints make. Not for which endpoint there: endpoint_draw.h.
 */
#ifndef KEEL_POLICY_ENDPOINT_LEVELS_H
#define KEEL_POLICY_ENDPOINT_LEVELS_H

#include "policy/endpoint_choice.h"

/* What each level takes; shares may be NULL. Returns the sum, 1 where they are enough. */
double keel_endpoint_levels_share(const keel_endpoints *set, const keel_policy *policy,
                                  uint64_t usable, double *shares);

/*
 * The level an attempt goes to.
 * wanted  at least one of usable; left are those of the level, for a further attempt in
 *         another zone than those before it where that can be
 */
const keel_endpoint_level *
keel_endpoint_levels_choose(const keel_endpoints *set, const keel_policy *policy,
                            const keel_endpoint_request *request, uint64_t usable,
                            uint64_t *wanted);

#endif
