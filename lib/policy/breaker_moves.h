/* SPDX-License-Identifier: MIT */
/* The moves that breaker.c makes by itself and operator.c makes for a person. */
#ifndef KEEL_POLICY_BREAKER_MOVES_H
#define KEEL_POLICY_BREAKER_MOVES_H

#include "policy/breaker_words.h"

/* One transition from exactly the state seen. False: somebody else was first. */
bool keel_breaker_change(const keel_breaker *breaker, const keel_breaker_now *seen,
                         keel_breaker_state to, uint32_t permits, uint32_t opens,
                         uint64_t due_at_ns, keel_cause cause, keel_changes *changes);

/* The same to open, for as long as the settings say, at_least_ns where that is longer.
 */
bool keel_breaker_open(const keel_breaker *breaker, const keel_policy *policy,
                       const keel_breaker_now *seen, uint64_t now, uint64_t at_least_ns,
                       const keel_random *random, keel_cause cause,
                       keel_changes *changes);

#endif
