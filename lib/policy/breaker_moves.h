/* SPDX-License-Identifier: MIT */
/*
 * What the breaker's files have in common: breaker.c makes its moves by itself,
 * rounds.c those of half-open, operator.c those a person asks for.
 */
#ifndef KEEL_POLICY_BREAKER_MOVES_H
#define KEEL_POLICY_BREAKER_MOVES_H

#include "policy/breaker_words.h"

/* One transition from exactly the state seen. False: somebody else was first. */
bool keel_breaker_change(const keel_breaker *breaker, const keel_breaker_now *seen,
                         keel_breaker_state to, uint32_t permits, uint32_t opens,
                         uint64_t due_at_ns, keel_cause cause, keel_changes *changes);

/* How many opens in a row one more now would make. */
uint32_t keel_breaker_opens_after(const keel_policy *policy,
                                  const keel_breaker_now *seen, uint64_t now);

/* To open, for as long as the settings say, at_least_ns where that is longer. */
bool keel_breaker_open(const keel_breaker *breaker, const keel_policy *policy,
                       const keel_breaker_now *seen, uint64_t now, uint64_t at_least_ns,
                       const keel_random *random, keel_cause cause,
                       keel_changes *changes);
/* To closed, because it was shown to be back; it ramps, where the settings say so. */
bool keel_breaker_close(const keel_breaker *breaker, const keel_policy *policy,
                        const keel_breaker_now *seen, uint64_t now, keel_cause cause,
                        keel_changes *changes);

/*
 * Records an outcome. The window knows only the low bits of a generation; one that
 * calls the present generation late was left untouched for half a circle of them.
 */
keel_recorded keel_breaker_record(const keel_breaker *breaker, uint32_t generation,
                                  uint64_t now, bool failed, bool slow);

/* An admission: who asks, when, and where the answer goes. */
typedef struct keel_asking {
    uint64_t now;
    const keel_random *random;
    keel_breaker_permit *permit;
    uint64_t *retry_after_ns;
    keel_changes *changes;
    keel_status status;
} keel_asking;

/* rounds.c: the answer of half-open. False: the state has moved on, ask again. */
bool keel_round_ask(const keel_breaker *breaker, const keel_policy *policy,
                    const keel_breaker_now *seen, keel_asking *asking);

/* rounds.c: leases that nobody will end count as failed probes. True: there was one. */
bool keel_round_reclaim(const keel_breaker *breaker, const keel_policy *policy,
                        uint32_t generation, uint64_t now, const keel_random *random,
                        keel_changes *changes);

/* rounds.c: the end of a probe. False: too late. */
bool keel_round_end(const keel_breaker *breaker, const keel_policy *policy,
                    const keel_breaker_permit *permit,
                    const keel_breaker_result *result, bool slow, uint64_t now,
                    const keel_random *random, keel_changes *changes);

/* The attempt of a permit begins. */
static inline void keel_breaker_track_start(const keel_breaker *breaker,
                                            keel_breaker_permit *permit, uint64_t now)
{
    if (breaker->starts.words)
        permit->start_index =
            keel_starts_enter(&breaker->starts, permit->generation, now);
}

#endif
