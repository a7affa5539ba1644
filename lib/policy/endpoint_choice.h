/* SPDX-License-Identifier: MIT */
/*
 * Which endpoint an attempt goes to, and the end of that attempt. Pure decisions on the
 * words of a set: no allocation, no I/O, told the time.
 *
 * 1. Candidates are those whose breaker is not open. Healthy are those that are neither
 *    ejected nor said to be ill by an active check. Used are the healthy candidates.
 * 2. Endpoints stand in levels, nearest first: of each tier those of the own zone, then the
 *    others. A level takes min(1, used weight / (endpoints.healthy_share * weight)) of
 *    what the nearer ones leave; should all of them together not take everything, they take
 *    it in proportion. (Envoy's priority levels, whose overprovisioning factor of 1.4 is a
 *    healthy_share of 71 %.)
 * 3. If all levels together cannot take everything and fewer endpoints than eject.panic are
 *    healthy, or if no candidate is, that is a panic: all candidates are used.
 * 4. Those that the call has tried are avoided while there is another anywhere; for a
 *    further attempt, so is one whose breaker asks for probes, and so are the zones of those
 *    it has tried, while there is another zone in the tier or the tier is short.
 * 5. In the level: the less loaded of two that are drawn by weight (Mitzenmacher, "The power
 *    of two choices in randomized load balancing", 2001), load being attempts in flight /
 *    weight; or by turns, in proportion to weight (stride scheduling, Waldspurger, 1995);
 *    or by rendezvous hash of the affinity number (Thaler and Ravishankar, 1998), -ln(u) /
 *    weight being least (weighted: Schindelhauer and Schomaker, 2005).
 * 6. One that its breaker refuses after all (its round of probes is full, or it ramps) is
 *    left out, and 2 to 5 are done again: what the only healthy one has no room for goes to
 *    those that are ejected or ill, rather than nowhere, and that is told as no panic.
 *
 * Weight is that of the settings, but while endpoints.slow_start lasts max(10 %, time since
 * it came back / slow_start) of it. It came back when its ejection ended, its breaker closed
 * or a check found it healthy again, whichever is latest; no one has to notice.
 *
 * With endpoints.choice=sticky all chance comes from the affinity number, if there is one.
 */
#ifndef KEEL_POLICY_ENDPOINT_CHOICE_H
#define KEEL_POLICY_ENDPOINT_CHOICE_H

#include "policy/endpoint_set.h"

/*
 * tried      a bit for each endpoint that earlier attempts of the call went to
 * affinity   0: none
 * is_forced  an operator lets all calls through: where every breaker refuses, one is
 *            chosen of all endpoints, and its outcome is not recorded
 */
typedef struct keel_endpoint_request {
    uint64_t now;
    const keel_random *random;
    uint64_t tried;
    uint64_t affinity;
    bool is_forced;
} keel_endpoint_request;

enum { KEEL_PICK_HELD = 1 };

/* The right to one attempt at an endpoint; ended once. All zero: none. */
typedef struct keel_endpoint_pick {
    keel_breaker_permit permit;
    uint8_t index;
    uint8_t flags;
    uint8_t spare[6];
} keel_endpoint_pick;

_Static_assert(sizeof(keel_endpoint_pick) <= 32, "a call holds several");

/*
 * Picks an endpoint for an attempt that begins now.
 * changes         of the breakers, of ejections, of panic
 * retry_after_ns  set on a refusal: until the first endpoint may be probed; 0: not known
 * Returns  KEEL_OK
 *          KEEL_REJECTED_RAMPING    of the endpoints whose breakers have closed, each lets
 *                                   but a growing share through, and this was not in it
 *          KEEL_REJECTED_OPEN       every endpoint's breaker is open
 *          KEEL_REJECTED_HALF_OPEN  none is open any more, but all probes are out
 */
keel_status keel_endpoints_choose(const keel_endpoints *set, const keel_policy *policy,
                                  const keel_endpoint_request *request,
                                  keel_endpoint_pick *pick, uint64_t *retry_after_ns,
                                  keel_endpoint_changes *changes);

/*
 * Ends a pick with what came of it; a neutral outcome gives everything back. False: it came
 * too late for the breaker, or there is nothing to end. Nothing is held afterwards.
 */
bool keel_endpoints_end(const keel_endpoints *set, const keel_policy *policy,
                        keel_endpoint_pick *pick, const keel_breaker_result *result,
                        uint64_t now, const keel_random *random,
                        keel_endpoint_changes *changes);

#endif
