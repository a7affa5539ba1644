/* SPDX-License-Identifier: MIT */
/*
 * The three rules that move an adaptive limit: additive increase with multiplicative
 * decrease, Vegas, and Gradient2, as keel-overload(7) writes them. Numbers in, numbers
 * out; not for how a window of attempts is gathered, nor for what keeps the limit.
 *
 * After Netflix' concurrency-limits, whose Vegas is TCP's (Brakmo and Peterson, 1995).
 */
#ifndef KEEL_POLICY_ADAPTIVE_RULES_H
#define KEEL_POLICY_ADAPTIVE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "settings/policy.h"

/* What one window of attempts has shown. */
typedef struct keel_adaptive_sample {
    double rtt_ns;      /* of the successes, the mean; 0: there was none */
    uint64_t in_flight; /* the most at once */
    bool dropped;       /* too many came to nothing: timed out, or were throttled */
} keel_adaptive_sample;

/* What a rule knows from the windows before. */
typedef struct keel_adaptive_state {
    double limit;
    double rtt_ns;    /* vegas: the least; gradient2: the long-term mean; 0: not yet */
    uint32_t windows; /* vegas: until the least is measured anew; gradient2: that are in
                         the mean, as far as its start goes */
} keel_adaptive_state;

/*
 * The limit after one more window, not yet brought within its bounds. A window with
 * neither answer nor drop changes nothing; nor does one in which less than half of the
 * limit was used, since nobody knows whether more would have been borne.
 * random  one draw, by vegas, when it measures its least time anew
 */
double keel_adaptive_rule(keel_algorithm algorithm, keel_adaptive_state *state,
                          const keel_adaptive_sample *sample,
                          const keel_random *random);

/*
 * Gradient2's formula alone: with g = clamp(1.5 * long / short, 0.5, 1)
 *   0.8 * limit + 0.2 * (limit * g + 4)
 */
double keel_gradient2(double limit, double long_ns, double short_ns);

/* Vegas' alone: how many of a limit's attempts wait rather than being served. */
double keel_vegas_queue(double limit, double least_ns, double rtt_ns);

#endif
