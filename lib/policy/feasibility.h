/* SPDX-License-Identifier: MIT */
/*
 * Whether a call can still be answered in the time it has left: its remaining time
 * against what recent attempts needed (policy/latency.h). A call that cannot is work
 * for nobody, and holds a place that another could have used.
 */
#ifndef KEEL_POLICY_FEASIBILITY_H
#define KEEL_POLICY_FEASIBILITY_H

#include "base/random.h"
#include "policy/latency.h"
#include "settings/policy.h"

/*
 * One in so many hopeless calls goes ahead, so that a dependency whose callers are all
 * in a hurry is still known, and found again once it is quick.
 */
enum { KEEL_FEASIBILITY_TRIED = 20 };

/*
 * left_ns  until the call's deadline; KEEL_NEVER: it has none
 * random   one draw, taken only for a call that has less time than is needed
 * Returns  true: refuse it. Never where deadline.infeasible is off, nor while too
 *          little is known
 */
bool keel_feasibility_refuses(const keel_policy *policy,
                              const keel_latency_words *latency, uint64_t left_ns,
                              uint64_t now_ns, const keel_random *random);

#endif
