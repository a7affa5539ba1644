/* SPDX-License-Identifier: MIT */
/*
 * What the answers to active checks of one target come to, and who asks for all: pure
 * decisions about words on the board. Knows no clock, no socket, no breaker; is told the
 * time and the answer, and says what has changed. Rise and fall are those of HAProxy.
 *
 *   from                  answer   how many in a row   to
 *   unknown, unhealthy    good     health.rise         healthy
 *   unknown, healthy      bad      health.fall         unhealthy
 *
 * One word holds the decision and is changed by one compare-and-swap:
 *   state 2 | last answer 1 | row 7 | changes 12 | instant of the last check, ms, 42
 * Changes count, modulo 4096, how often the state was another: by it others see that
 * something happened which they have not told yet.
 *
 * A lease says who asks: slot of its owner 8 | until, in microseconds 56. He moves it on
 * while he is there; once its instant has passed, or its owner is buried, the next one to
 * look takes it. Two may then ask for a while, which does no harm: answers are counted.
 */
#ifndef KEEL_POLICY_HEALTH_STATE_H
#define KEEL_POLICY_HEALTH_STATE_H

#include <stdatomic.h>

#include <keel/pipeline.h>

#include "settings/policy.h"

/* A lease lasts four looks; see lib/health/checker.c. */
#define KEEL_HEALTH_LEASE_NS ((uint64_t)1000000000)

/* The result is for people: it says what the last answer was, and decides nothing. */
typedef struct keel_health_words {
    _Atomic uint64_t state;
    _Atomic uint64_t lease;
    _Atomic uint64_t result; /* status 16 | code 16, of HTTP */
    uint64_t spare[5];
} keel_health_words;

typedef struct keel_health_view {
    keel_check_state state;
    uint32_t row;
    uint32_t changes;
    uint64_t checked_at_ns; /* to the millisecond; 0: never */
} keel_health_view;

keel_health_view keel_health_view_of(uint64_t word);

/* The word after one more answer. */
uint64_t keel_health_after(uint64_t word, const keel_health_policy *policy,
                           bool is_good, uint64_t now);

/* Counts an answer; *view is the state after it. True: it is another than before. */
bool keel_health_count(keel_health_words *words, const keel_health_policy *policy,
                       bool is_good, uint64_t now, keel_health_view *view);

/* What nobody has looked at for so long is not known any more. */
void keel_health_forget(keel_health_words *words, uint64_t longest_ns, uint64_t now);

/*
 * Takes the lease of a target, or moves it on. False: somebody else has it.
 *
 * self  the owner's word, keel_board_self; 0: nobody else sees these words
 * seen  the lease as it was when it was looked at before, to be kept by the caller: who
 *       has not moved his since then may be gone, which is asked of is_gone
 */
typedef bool keel_health_is_gone_fn(uint32_t slot, void *ctx);
bool keel_health_lead(keel_health_words *words, uint64_t self, uint64_t now,
                      uint64_t *seen, keel_health_is_gone_fn *is_gone, void *ctx);

/* Gives it back, if it is ours; whose owner is gone is forsaken. */
void keel_health_leave(keel_health_words *words, uint64_t self);
void keel_health_forsake(keel_health_words *words, uint32_t slot);

#endif
