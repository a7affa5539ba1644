/* SPDX-License-Identifier: MIT */
/* Back-off and its jitters. Computed in double, rounded down to the nanosecond. */
#include "policy/backoff.h"

#include <math.h>

#include "base/clock.h"

bool keel_backoff_draws(const keel_backoff_policy *policy)
{
    if (policy->base_ns == 0 || policy->jitter == KEEL_JITTER_NONE)
        return false;
    return policy->jitter != KEEL_JITTER_RATIO || policy->jitter_ppm > 0;
}

static double raw_ns(const keel_backoff_policy *policy, uint32_t retry)
{
    /* pow may reach infinity, which the cap takes care of */
    return fmin((double)policy->cap_ns,
                (double)policy->base_ns * pow(policy->multiplier, (double)retry - 1));
}

static double full_ns(double raw, double u)
{
    return fmax((double)KEEL_MS, raw * u);
}

static double decorrelated_ns(const keel_backoff_policy *policy,
                              const keel_backoff_state *state, double u)
{
    double base = (double)policy->base_ns;
    double upper = fmin((double)policy->cap_ns, 3 * (double)state->previous_ns);

    if (state->previous_ns == 0)
        return full_ns(fmin(base, (double)policy->cap_ns), u);
    return upper > base ? base + u * (upper - base) : base;
}

static double smooth_ns(const keel_backoff_policy *policy, keel_backoff_state *state,
                        uint32_t retry, double u)
{
    double t = (double)retry - 1 + u;
    double x = exp2(t) * tanh(sqrt(4 * t));
    double delay = (double)policy->base_ns * (x - state->previous_x) / 1.4;

    if (!isfinite(x)) /* far beyond any cap: infinity less infinity is no number */
        return (double)policy->cap_ns;
    state->previous_x = x;
    return fmin((double)policy->cap_ns, delay);
}

static double jittered_ns(const keel_backoff_policy *policy, keel_backoff_state *state,
                          uint32_t retry, double u)
{
    double raw = raw_ns(policy, retry);
    double f = (double)policy->jitter_ppm / KEEL_PPM;

    switch (policy->jitter) {
    case KEEL_JITTER_NONE:
        return raw;
    case KEEL_JITTER_EQUAL:
        return raw / 2 + u * raw / 2;
    case KEEL_JITTER_FULL:
        return full_ns(raw, u);
    case KEEL_JITTER_DECORRELATED:
        return decorrelated_ns(policy, state, u);
    case KEEL_JITTER_SMOOTH:
        return smooth_ns(policy, state, retry, u);
    case KEEL_JITTER_RATIO:
        return raw * (1 - f + 2 * f * u);
    }
    return raw;
}

uint64_t keel_backoff_ns(const keel_backoff_policy *policy, keel_backoff_state *state,
                         uint32_t retry, double u)
{
    double delay;

    if (policy->base_ns == 0)
        return 0;
    delay = jittered_ns(policy, state, retry, u);
    state->previous_ns = delay < 0x1p63 ? (uint64_t)delay : (uint64_t)1 << 63;
    return state->previous_ns;
}
