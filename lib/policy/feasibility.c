/* SPDX-License-Identifier: MIT */
/* Remaining time against known need. */
#include "policy/feasibility.h"

bool keel_feasibility_refuses(const keel_policy *policy,
                              const keel_latency_words *latency, uint64_t left_ns,
                              uint64_t now_ns, const keel_random *random)
{
    uint64_t need_ns;

    if (!policy->infeasible_ppm ||
        !keel_latency_quantile(latency, policy->infeasible_ppm, now_ns, &need_ns) ||
        left_ns >= need_ns)
        return false;
    return keel_random_draw(random) >= 1.0 / KEEL_FEASIBILITY_TRIED;
}
