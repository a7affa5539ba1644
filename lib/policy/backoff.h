/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before a retry. Pure: the draw comes from the caller.
 *
 *   raw           min(cap, base * multiplier^(retry - 1)); the cap applies before the
 *                 jitter, as a cap after it puts every late client on the same instant
 *
 *   none          raw
 *   equal         raw/2 + u * raw/2
 *   full          u * raw
 *   ratio         raw * (1 - f + 2 * f * u)
 *   decorrelated  uniform(base, min(cap, 3 * previous)), first as full
 *   smooth        base * (x - previous x) / 1.4
 *                 with x = 2^t * tanh(sqrt(4 * t)), t = retry - 1 + u
 *
 * Sources: Marc Brooker, "Exponential Backoff And Jitter" (AWS, 2015); smooth is the
 * decorrelated V2 of Polly. Full jitter waits at least 1 ms unless base is 0, so that
 * retries cannot become a loop without a pause.
 */
#ifndef KEEL_POLICY_BACKOFF_H
#define KEEL_POLICY_BACKOFF_H

#include "settings/policy.h"

/* What a call remembers between its retries; starts as zeros. */
typedef struct keel_backoff_state {
    uint64_t previous_ns;
    double previous_x;
} keel_backoff_state;

/* Whether a draw is needed at all. */
bool keel_backoff_draws(const keel_backoff_policy *policy);

/* retry: 1 for the first; u: in [0, 1). */
uint64_t keel_backoff_ns(const keel_backoff_policy *policy, keel_backoff_state *state,
                         uint32_t retry, double u);

#endif
