/* SPDX-License-Identifier: MIT */
/*
 * A set of endpoints on a board of its own: no pipeline, no clock but a number, no chance
 * but from a seed. For tests of policies.
 */
#ifndef KEEL_TESTS_SUPPORT_LOOSE_ENDPOINTS_H
#define KEEL_TESTS_SUPPORT_LOOSE_ENDPOINTS_H

#include "base/clock.h"
#include "policy/endpoint_choice.h"
#include "policy/endpoint_state.h"
#include "policy/outlier.h"

typedef struct loose_endpoints {
    keel_policy policy; /* change it before the set is made */
    keel_policy old_policy;
    keel_endpoint_parts parts;
    keel_endpoints *set;
    keel_random random;
    uint64_t seed;
    uint64_t now;
    uint64_t affinity;
    uint64_t tried;
    keel_endpoint_changes changes; /* of the latest operation */
    uint64_t retry_after_ns;       /* of the latest refusal */
} loose_endpoints;

/*
 * The defaults of the settings but for breaker, slow_start and jitters, which are off. Seed
 * 4, starts at 1000 s, and has no set yet.
 */
void loose_endpoints_init(loose_endpoints *l);
void loose_endpoints_cleanup(loose_endpoints *l);

/* A breaker for each: count window of 8 calls, min_calls 4, half of them failed; open 5 s;
 * 2 probes, of which none may fail. */
void loose_breakers_on(loose_endpoints *l);

/* Makes the set of a list; of another one than before as by a reload. */
void loose_list(loose_endpoints *l, const char *list);

keel_status loose_choose(loose_endpoints *l, keel_endpoint_pick *pick);
bool loose_pick_end(loose_endpoints *l, keel_endpoint_pick *pick,
                    keel_breaker_outcome outcome);

/* One attempt, chosen (the test fails if not) and ended at once; where it went. */
uint32_t loose_attempt(loose_endpoints *l, keel_breaker_outcome outcome);

/* So many good attempts, and how many of them went to each endpoint. */
void loose_spread(loose_endpoints *l, uint32_t attempts,
                  uint32_t counts[KEEL_ENDPOINTS_MAX]);

/* An outcome of one endpoint, whoever would be chosen; without a breaker. */
void loose_outcomes(loose_endpoints *l, uint32_t index, bool failed, uint32_t count);

keel_endpoint_view loose_view(const loose_endpoints *l, uint32_t index);

/* Whether the latest operation told of that. */
bool loose_told(const loose_endpoints *l, keel_endpoint_event event, uint32_t index);

#endif
