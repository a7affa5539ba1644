/* SPDX-License-Identifier: MIT */
/*
 * Client-side throttling: when a dependency accepts only a part of what it is asked, the
 * rest is refused here, before it costs anybody anything. After "Handling Overload" in
 * Site Reliability Engineering (Beyer et al., 2016).
 *
 *   chance = min(0.9, max(0, (requests - k * accepts) / (requests + 1)))
 *
 *   requests  logical calls of the last throttle.window that have ended, keel's own
 *             refusals (also those of other policies) among them; not the one that asks
 *   accepts   those of them that were answered: KEEL_OK or KEEL_CLIENT_ERROR in the end
 *
 * Neutral outcomes (ignored, cancelled) are neither. With fewer requests than
 * throttle.min_calls the chance is 0. A call counts when it has ended: counted at its
 * beginning, a burst of slow and healthy ones would look like refusals.
 */
#ifndef KEEL_POLICY_THROTTLE_H
#define KEEL_POLICY_THROTTLE_H

#include "base/random.h"
#include "policy/window.h"
#include "settings/policy.h"

enum { KEEL_THROTTLE_BUCKETS = 20 };

typedef struct keel_throttle_words {
    /* bucket number 32 | calls 32: until that bucket ends so many more may fail before the
     * chance is more than 0 */
    _Atomic uint64_t calm;
    uint64_t spare[7];
    keel_time_window_words window; /* accepts are its successes, the others failures */
} keel_throttle_words;

typedef struct keel_throttle {
    keel_throttle_words *words; /* NULL: off */
    keel_stripes stripes;
    keel_window window; /* whose stripes are these: it stays where it was made */
} keel_throttle;

size_t keel_throttle_size(void);
uint64_t keel_throttle_width(const keel_policy *policy);

/* lines: count of them, of this window alone */
void keel_throttle_init(keel_throttle *throttle, keel_throttle_words *words,
                        keel_stripe_line *lines, uint32_t count,
                        const keel_policy *policy);

/* The formula; 0.9 at most. */
double keel_throttle_formula(uint64_t requests, uint64_t accepts, double k);

/* The chance of now that a call is refused; a pure look. */
double keel_throttle_chance(const keel_throttle *throttle, const keel_policy *policy,
                            uint64_t now);

/* Whether a call is refused now: one draw, and none where the chance is 0. The refusal is
 * still to be counted, as every call's end is. */
bool keel_throttle_refuses(const keel_throttle *throttle, const keel_policy *policy,
                           uint64_t now, const keel_random *random);

/* After a reload: what was known of the chance was so by other settings. */
void keel_throttle_look_again(const keel_throttle *throttle);

/* A call has ended. */
void keel_throttle_count(const keel_throttle *throttle, bool accepted, uint64_t now);

#endif
