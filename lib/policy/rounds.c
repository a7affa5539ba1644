/* SPDX-License-Identifier: MIT */
/*
 * Half-open rounds: so many probes are let through, and what becomes of them decides.
 * Not for how a round begins (breaker.c) or how long a probe may take (leases.c).
 */
#include "policy/breaker_moves.h"

#include "base/clock.h"
#include "policy/fleet.h"

typedef enum verdict { UNDECIDED, GOOD, BAD } verdict;

static verdict judge_round(const keel_policy *policy, const keel_state *s)
{
    uint32_t n = policy->half_open_permits;
    uint32_t ended = s->ok + s->failed;
    uint32_t to_come = n > ended ? n - ended : 0;
    bool watch_slow = policy->slow_call_ns != 0;

    if (!policy->early_decision && to_come)
        return UNDECIDED;
    if (s->failed > policy->half_open_failures ||
        (watch_slow && s->slow > policy->half_open_slow))
        return BAD;
    return s->ok + policy->half_open_failures >= n &&
                   (!watch_slow || s->slow + to_come <= policy->half_open_slow)
               ? GOOD
               : UNDECIDED;
}

static keel_state with_probe(keel_state s, const keel_policy *policy,
                             keel_breaker_outcome outcome, bool slow)
{
    if (outcome == KEEL_OUTCOME_NEUTRAL)
        s.left += s.left < policy->half_open_permits;
    else if (outcome == KEEL_OUTCOME_FAILED)
        s.failed += s.failed < 255;
    else
        s.ok += s.ok < 255;
    s.slow += slow && s.slow < 255;
    return s;
}

/* What a round came to. True, as ending it was. */
static bool tell_round(const keel_state *after, keel_changes *changes)
{
    uint32_t probes = after->ok + after->failed;

    changes->probes = (uint8_t)(probes < UINT8_MAX ? probes : UINT8_MAX);
    changes->probes_failed = (uint8_t)after->failed;
    return true;
}

/* What the round comes to with one more probe. False: somebody else was first. */
static bool go_on(const keel_breaker *breaker, const keel_policy *policy,
                  const keel_breaker_now *seen, const keel_state *after,
                  uint64_t retry_after_ns, uint64_t now, const keel_random *random,
                  keel_changes *changes)
{
    uint64_t word = seen->word;

    switch (keel_fleet_governs(breaker, now) ? UNDECIDED : judge_round(policy, after)) {
    case BAD:
        return keel_breaker_open(breaker, policy, seen, now, retry_after_ns, random,
                                 KEEL_CAUSE_PROBES_FAILED, changes) &&
               tell_round(after, changes);
    case GOOD:
        return keel_breaker_close(breaker, policy, seen, now, KEEL_CAUSE_PROBES_OK,
                                  changes) &&
               tell_round(after, changes);
    case UNDECIDED:
        break;
    }
    return keel_word_swap(&breaker->words->state, &word, keel_state_pack(after));
}

/* One probe's end, or its lease's: counts it and decides. False: the round is over. */
static bool count_probe(const keel_breaker *breaker, const keel_policy *policy,
                        uint32_t generation, keel_breaker_outcome outcome, bool slow,
                        uint64_t retry_after_ns, uint64_t now,
                        const keel_random *random, keel_changes *changes)
{
    keel_breaker_now seen;
    keel_state after;

    do {
        seen = keel_breaker_read(breaker);
        if (seen.s.state != KEEL_BREAKER_HALF_OPEN || seen.s.generation != generation)
            return false;
        after = with_probe(seen.s, policy, outcome, slow);
    } while (
        !go_on(breaker, policy, &seen, &after, retry_after_ns, now, random, changes));
    return true;
}

bool keel_round_reclaim(const keel_breaker *breaker, const keel_policy *policy,
                        uint32_t generation, uint64_t now, const keel_random *random,
                        keel_changes *changes)
{
    if (!keel_lease_reclaim(breaker, policy, generation, now))
        return false;
    keel_breaker_record(breaker, generation, now, true, false);
    count_probe(breaker, policy, generation, KEEL_OUTCOME_FAILED, false, 0, now, random,
                changes);
    return true;
}

/*
 * One of the round's permits, for a lease that is ours. False: the state has changed.
 */
static bool take_probe(const keel_breaker *breaker, const keel_breaker_now *seen,
                       const keel_breaker_permit *permit)
{
    keel_state after = seen->s;
    uint64_t word = seen->word;

    after.left--;
    if (keel_word_swap(&breaker->words->state, &word, keel_state_pack(&after)))
        return true;
    keel_lease_give_back(breaker, permit);
    return false;
}

/* Moves on from a half-open round that has lasted too long. */
static void give_up_waiting(const keel_breaker *breaker, const keel_policy *policy,
                            const keel_breaker_now *seen, uint64_t now,
                            const keel_random *random, keel_changes *changes)
{
    if (policy->half_open_then_closed)
        keel_breaker_close(breaker, policy, seen, now, KEEL_CAUSE_HALF_OPEN_MAX_WAIT,
                           changes);
    else
        keel_breaker_open(breaker, policy, seen, now, 0, random,
                          KEEL_CAUSE_HALF_OPEN_MAX_WAIT, changes);
}

bool keel_round_ask(const keel_breaker *breaker, const keel_policy *policy,
                    const keel_breaker_now *seen, keel_asking *asking)
{
    uint32_t generation = seen->s.generation;
    uint64_t now = asking->now;

    if (now >= keel_breaker_due(seen) && !keel_fleet_governs(breaker, now)) {
        give_up_waiting(breaker, policy, seen, now, asking->random, asking->changes);
        return false;
    }
    if (keel_round_reclaim(breaker, policy, generation, now, asking->random,
                           asking->changes))
        return false;
    *asking->permit =
        (keel_breaker_permit){ .generation = generation, .tracking = KEEL_TRACK_PROBE };
    /* no lease though a permit is left: somebody is between the two, and may have died
     * there; he is not waited for */
    if (seen->s.left == 0 ||
        !keel_lease_take(breaker, policy, generation, now, asking->permit)) {
        if (keel_fleet_governs(breaker, now))
            keel_fleet_want_probe(breaker, now);
        asking->status = KEEL_REJECTED_HALF_OPEN;
        return true;
    }
    if (!take_probe(breaker, seen, asking->permit))
        return false;
    keel_breaker_track_start(breaker, asking->permit, now);
    return true;
}

bool keel_round_end(const keel_breaker *breaker, const keel_policy *policy,
                    const keel_breaker_permit *permit,
                    const keel_breaker_result *result, bool slow, uint64_t now,
                    const keel_random *random, keel_changes *changes)
{
    keel_breaker_outcome outcome = result->outcome;
    uint64_t until;

    if (!keel_lease_give_back(breaker, permit))
        return false;
    if (keel_breaker_locked(breaker, now, &until) != KEEL_LOCK_NONE)
        outcome = KEEL_OUTCOME_NEUTRAL; /* no transition while an operator holds it */
    if (outcome != KEEL_OUTCOME_NEUTRAL &&
        keel_breaker_record(breaker, permit->generation, now,
                            outcome == KEEL_OUTCOME_FAILED, slow) == KEEL_RECORDED_LATE)
        return false;
    if (slow && policy->slow_is_failure && outcome == KEEL_OUTCOME_OK)
        outcome = KEEL_OUTCOME_FAILED;
    return count_probe(breaker, policy, permit->generation, outcome,
                       slow && outcome != KEEL_OUTCOME_NEUTRAL, result->retry_after_ns,
                       now, random, changes);
}
