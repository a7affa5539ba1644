/* SPDX-License-Identifier: MIT */
/*
 * The circuit breaker's state machine.
 *
 *   from        event                                    to          opens in a row
 *   closed      a rate, slow rate or row is reached      open        + 1, or 1 after
 *                                                                    breaker.stable
 *   open        an admission at or after the open time   half-open   kept
 *   half-open   enough good probes                       closed      kept
 *   half-open   one bad probe too many                   open        + 1
 *   half-open   half_open_max_wait                       open        + 1
 *                                                        or closed   kept
 *
 * Not for the operator's side (operator.c), leases (leases.c) or windows.
 */
#include "policy/breaker.h"

#include <math.h>

#include "base/clock.h"
#include "policy/breaker_moves.h"

static void note(keel_changes *changes, keel_breaker_state from, const keel_state *to,
                 keel_cause cause)
{
    if (changes->count < sizeof changes->items / sizeof changes->items[0])
        changes->items[changes->count++] =
            (keel_transition){ from, to->state, cause, to->generation };
}

static bool swap(_Atomic uint64_t *word, uint64_t *expected, uint64_t fresh)
{
    return atomic_compare_exchange_strong_explicit(
        word, expected, fresh, memory_order_acq_rel, memory_order_acquire);
}

/* The claim that follows, 0 to 7; the first on a state just published is 0. */
static uint32_t claim_next(keel_state *s)
{
    uint32_t before = (s->flags & KEEL_CLAIMS) / KEEL_CLAIM;

    s->flags = (s->flags & ~KEEL_CLAIMS) | ((s->flags + KEEL_CLAIM) & KEEL_CLAIMS);
    return before;
}

/* A nanosecond on for each claim, so that no two writers ever write the same word: one
 * who stopped before his swap must find another's word where he expects the old one. */
static uint64_t due_pack(uint32_t opens, uint64_t at_ns, uint32_t claim)
{
    return (uint64_t)(opens < KEEL_OPENS_MAX ? opens : KEEL_OPENS_MAX) << 58 |
           keel_ns_min(keel_ns_add(at_ns, claim), KEEL_DUE_MASK);
}

bool keel_breaker_change(const keel_breaker *breaker, const keel_breaker_now *seen,
                         keel_breaker_state to, uint32_t permits, uint32_t opens,
                         uint64_t due_at_ns, keel_cause cause, keel_changes *changes)
{
    keel_state next = { .state = to,
                        .left = permits,
                        .generation = (seen->s.generation + 1) & KEEL_GENERATION_MASK };
    keel_state claimed = seen->s;
    uint32_t claim = claim_next(&claimed);
    uint64_t word = seen->word, claimed_word = keel_state_pack(&claimed);
    uint64_t due = seen->due[next.generation & 1];
    uint64_t head = keel_window_head(&breaker->window);

    /* whoever claims after us makes our last step fail, and so cannot have his instant
     * published under our state, nor ours under his */
    if (!swap(&breaker->words->state, &word, claimed_word) ||
        !swap(&breaker->words->due[next.generation & 1], &due,
              due_pack(opens, due_at_ns, claim)) ||
        !swap(&breaker->words->state, &claimed_word, keel_state_pack(&next)))
        return false;
    if (to != KEEL_BREAKER_OPEN) /* while open, what tripped stays readable */
        keel_window_begin(&breaker->window, head, next.generation);
    if (seen->s.state != to)
        note(changes, seen->s.state, &next, cause);
    return true;
}

/* min(longest, first * multiplier^(opens - 1)), with jitter; rounded down. */
static uint64_t open_length(const keel_policy *policy, uint32_t opens,
                            const keel_random *random)
{
    double longest = (double)policy->open_longest_ns;
    double length = (double)policy->open_first_ns;
    double jitter = (double)policy->open_jitter_ppm / KEEL_PPM;

    if (opens > 1 && policy->open_longest_ns > policy->open_first_ns)
        length = fmin(longest, length * pow(policy->open_multiplier, opens - 1));
    if (jitter > 0)
        length *= 1 - jitter + 2 * jitter * keel_random_draw(random);
    return (uint64_t)length;
}

static uint32_t opens_after(const keel_policy *policy, const keel_breaker_now *seen,
                            uint64_t now)
{
    uint32_t opens = keel_breaker_opens(seen);
    uint64_t closed_at = keel_breaker_due(seen);

    if (seen->s.state == KEEL_BREAKER_CLOSED &&
        keel_ns_left(now, closed_at) >= policy->stable_ns)
        opens = 0;
    return opens + 1;
}

bool keel_breaker_open(const keel_breaker *breaker, const keel_policy *policy,
                       const keel_breaker_now *seen, uint64_t now, uint64_t at_least_ns,
                       const keel_random *random, keel_cause cause,
                       keel_changes *changes)
{
    uint32_t opens = opens_after(policy, seen, now);
    uint64_t length = open_length(policy, opens, random);
    uint64_t wish = keel_ns_min(at_least_ns, policy->open_longest_ns);

    return keel_breaker_change(breaker, seen, KEEL_BREAKER_OPEN, 0, opens,
                               keel_ns_add(now, length > wish ? length : wish), cause,
                               changes);
}

static bool close_now(const keel_breaker *breaker, const keel_breaker_now *seen,
                      uint64_t now, keel_cause cause, keel_changes *changes)
{
    return keel_breaker_change(breaker, seen, KEEL_BREAKER_CLOSED, 0,
                               keel_breaker_opens(seen), now, cause, changes);
}

/* verdict on the closed window */

static bool rate_is_met(uint64_t bad, uint64_t total, uint32_t limit_ppm)
{
    return bad * KEEL_PPM >= (uint64_t)limit_ppm * total;
}

/* What the totals say: a cause to open, or flags for the successes to come. */
typedef struct verdict {
    keel_cause cause;
    uint32_t flags;
} verdict;

static void judge_rate(const keel_policy *policy, uint64_t bad, uint64_t total,
                       uint32_t limit_ppm, keel_cause cause, verdict *v)
{
    bool met = bad && rate_is_met(bad, total, limit_ppm);
    uint64_t fewest = bad > policy->min_calls ? bad : policy->min_calls;

    if (met && total >= policy->min_calls) {
        if (v->cause == KEEL_CAUSE_NONE)
            v->cause = cause;
    } else if (met) {
        v->flags |= KEEL_FLAG_ARMED;
    }
    /* should every success leave the window, as many calls as this remain */
    if (bad && rate_is_met(bad, fewest, limit_ppm))
        v->flags |= KEEL_FLAG_WATCH;
}

static bool row_is_met(const keel_breaker *breaker, const keel_policy *policy,
                       uint32_t generation)
{
    uint64_t word =
        atomic_load_explicit(&breaker->words->consecutive, memory_order_relaxed);

    return policy->consecutive && word >> 40 == generation &&
           (word & (((uint64_t)1 << 40) - 1)) >= policy->consecutive;
}

static verdict judge(const keel_breaker *breaker, const keel_policy *policy,
                     uint32_t generation, uint64_t now)
{
    keel_totals t = keel_window_sum(&breaker->window, generation, now);
    verdict v = { KEEL_CAUSE_NONE, 0 };
    uint32_t slow = 0, dead = 0;

    if (breaker->starts.words) {
        keel_starts_count(
            &breaker->starts, generation, now, keel_ns_left(now, policy->slow_call_ns),
            policy->deadline_ns ? keel_ns_left(now, policy->deadline_ns) : 0, &slow,
            &dead);
        t.total += slow;
        t.slow += slow;
        t.bad += slow;
        t.failed += dead < slow ? dead : slow;
    }
    judge_rate(policy, policy->slow_is_failure ? t.bad : t.failed, t.total,
               policy->failure_rate_ppm, KEEL_CAUSE_FAILURE_RATE, &v);
    if (policy->slow_call_ns)
        judge_rate(policy, t.slow, t.total, policy->slow_rate_ppm, KEEL_CAUSE_SLOW_RATE,
                   &v);
    if (v.cause == KEEL_CAUSE_NONE && row_is_met(breaker, policy, generation))
        v.cause = KEEL_CAUSE_CONSECUTIVE;
    return v;
}

/* True: they were others before. */
static bool set_flags(const keel_breaker *breaker, uint32_t generation, uint32_t flags)
{
    uint64_t word = atomic_load_explicit(&breaker->words->state, memory_order_relaxed);
    keel_state s = keel_state_unpack(word);

    while (s.state == KEEL_BREAKER_CLOSED && s.generation == generation &&
           (s.flags & ~KEEL_CLAIMS) != flags) {
        s.flags = (s.flags & KEEL_CLAIMS) | flags;
        if (swap(&breaker->words->state, &word, keel_state_pack(&s)))
            return true;
        s = keel_state_unpack(word);
    }
    return false;
}

/* A lock stands: nothing changes, but an observer hears of a breach once. */
static void tell_breach(const keel_breaker *breaker, const keel_breaker_now *seen,
                        keel_lock lock, verdict v, keel_changes *changes)
{
    if (v.cause != KEEL_CAUSE_NONE) /* a success, too, may notice the breach's end */
        v.flags = KEEL_FLAG_ARMED | KEEL_FLAG_WATCH;
    if (v.cause != KEEL_CAUSE_NONE && lock == KEEL_LOCK_OBSERVE)
        v.flags |= KEEL_FLAG_BREACHED;
    if (set_flags(breaker, seen->s.generation, v.flags) && v.flags & KEEL_FLAG_BREACHED)
        changes->would_trip = v.cause;
}

/* Judges the closed window and acts on it. */
static void consider(const keel_breaker *breaker, const keel_policy *policy,
                     uint32_t generation, uint64_t at_least_ns, uint64_t now,
                     const keel_random *random, keel_changes *changes)
{
    uint64_t until;

    for (;;) {
        keel_breaker_now seen = keel_breaker_read(breaker);
        keel_lock lock = keel_breaker_locked(breaker, now, &until);
        verdict v;

        if (seen.s.state != KEEL_BREAKER_CLOSED || seen.s.generation != generation)
            return;
        v = judge(breaker, policy, generation, now);
        if (lock != KEEL_LOCK_NONE) {
            tell_breach(breaker, &seen, lock, v, changes);
            return;
        }
        if (v.cause == KEEL_CAUSE_NONE) {
            set_flags(breaker, generation, v.flags);
            return;
        }
        if (keel_breaker_open(breaker, policy, &seen, now, at_least_ns, random, v.cause,
                              changes))
            return;
    }
}

/* half-open rounds */

typedef struct round_verdict {
    bool opens;
    bool closes;
} round_verdict;

static round_verdict judge_round(const keel_policy *policy, const keel_state *s)
{
    uint32_t n = policy->half_open_permits;
    uint32_t ended = s->ok + s->failed;
    uint32_t to_come = n > ended ? n - ended : 0;
    bool watch_slow = policy->slow_call_ns != 0;
    round_verdict v;

    if (!policy->early_decision && to_come)
        return (round_verdict){ false, false };
    v.opens = s->failed > policy->half_open_failures ||
              (watch_slow && s->slow > policy->half_open_slow);
    v.closes = !v.opens && s->ok + policy->half_open_failures >= n &&
               (!watch_slow || s->slow + to_come <= policy->half_open_slow);
    return v;
}

/* One probe's end, or its lease's: counts it and decides. False: the round is over. */
static bool count_probe(const keel_breaker *breaker, const keel_policy *policy,
                        uint32_t generation, keel_breaker_outcome outcome, bool slow,
                        uint64_t retry_after_ns, uint64_t now,
                        const keel_random *random, keel_changes *changes)
{
    for (;;) {
        keel_breaker_now seen = keel_breaker_read(breaker);
        keel_breaker_now after = seen;
        uint64_t word = seen.word;
        round_verdict v;

        if (seen.s.state != KEEL_BREAKER_HALF_OPEN || seen.s.generation != generation)
            return false;
        if (outcome == KEEL_OUTCOME_NEUTRAL)
            after.s.left += after.s.left < policy->half_open_permits;
        else if (outcome == KEEL_OUTCOME_FAILED)
            after.s.failed += after.s.failed < 255;
        else
            after.s.ok += after.s.ok < 255;
        after.s.slow += slow && after.s.slow < 255;
        v = judge_round(policy, &after.s);
        if (v.opens    ? keel_breaker_open(breaker, policy, &seen, now, retry_after_ns,
                                           random, KEEL_CAUSE_PROBES_FAILED, changes)
            : v.closes ? close_now(breaker, &seen, now, KEEL_CAUSE_PROBES_OK, changes)
                       : swap(&breaker->words->state, &word, keel_state_pack(&after.s)))
            return true;
    }
}

/*
 * Records an outcome. The window knows only the low bits of a generation; one that calls
 * the present generation late was left untouched for half a circle of them.
 */
static keel_recorded record(const keel_breaker *breaker, uint32_t generation,
                            uint64_t now, bool failed, bool slow)
{
    keel_recorded recorded =
        keel_window_record(&breaker->window, generation, now, failed, slow);
    uint64_t head;

    if (recorded != KEEL_RECORDED_LATE)
        return recorded;
    head = keel_window_head(&breaker->window);
    if ((uint32_t)(keel_breaker_read(breaker).s.generation) != generation)
        return KEEL_RECORDED_LATE;
    keel_window_begin(&breaker->window, head, generation);
    return keel_window_record(&breaker->window, generation, now, failed, slow);
}

/* Leases that nobody will end count as failed probes. True: there was one. */
static bool reclaim(const keel_breaker *breaker, const keel_policy *policy,
                    uint32_t generation, uint64_t now, const keel_random *random,
                    keel_changes *changes)
{
    if (!keel_lease_reclaim(breaker, policy, generation, now))
        return false;
    record(breaker, generation, now, true, false);
    count_probe(breaker, policy, generation, KEEL_OUTCOME_FAILED, false, 0, now, random,
                changes);
    return true;
}

/* One of the round's permits, for a lease that is ours. False: the state has changed. */
static bool take_probe(const keel_breaker *breaker, const keel_breaker_now *seen,
                       const keel_breaker_permit *permit)
{
    keel_state after = seen->s;
    uint64_t word = seen->word;

    after.left--;
    if (swap(&breaker->words->state, &word, keel_state_pack(&after)))
        return true;
    keel_lease_give_back(breaker, permit);
    return false;
}

/* admission */

static void track_start(const keel_breaker *breaker, keel_breaker_permit *permit,
                        uint64_t now)
{
    if (breaker->starts.words)
        permit->start_index =
            keel_starts_enter(&breaker->starts, permit->generation, now);
}

static keel_status admit_locked(const keel_breaker *breaker, keel_lock lock,
                                uint64_t until, uint64_t now,
                                keel_breaker_permit *permit, uint64_t *retry_after_ns)
{
    keel_breaker_now seen = keel_breaker_read(breaker);

    if (lock == KEEL_LOCK_OPEN) {
        *retry_after_ns = until ? keel_ns_left(until, now) : 0;
        return KEEL_REJECTED_FORCED_OPEN;
    }
    *permit = (keel_breaker_permit){ .generation = seen.s.generation };
    if (lock != KEEL_LOCK_DISABLED && seen.s.state == KEEL_BREAKER_CLOSED) {
        permit->tracking = KEEL_TRACK_WINDOW;
        track_start(breaker, permit, now);
    }
    return KEEL_OK;
}

keel_status keel_breaker_foresee(const keel_breaker *breaker, uint64_t now,
                                 uint64_t *retry_after_ns)
{
    keel_breaker_now seen = keel_breaker_read(breaker);
    uint64_t until;
    keel_lock lock = keel_breaker_locked(breaker, now, &until);
    uint64_t due = keel_breaker_due(&seen);

    *retry_after_ns = 0;
    if (lock == KEEL_LOCK_OPEN) {
        *retry_after_ns = until ? keel_ns_left(until, now) : 0;
        return KEEL_REJECTED_FORCED_OPEN;
    }
    if (lock != KEEL_LOCK_NONE || seen.s.state != KEEL_BREAKER_OPEN || now >= due)
        return KEEL_OK;
    *retry_after_ns = due - now;
    return KEEL_REJECTED_OPEN;
}

/* An expired lock is taken off, so that the next calls need not look at it. */
static void forget_lock(const keel_breaker *breaker, uint64_t now)
{
    uint64_t word = atomic_load_explicit(&breaker->words->lock, memory_order_relaxed);
    uint64_t until = word & (((uint64_t)1 << 61) - 1);

    if (until && until <= now)
        atomic_compare_exchange_strong(&breaker->words->lock, &word, 0);
}

/* Moves on from a half-open round that has lasted too long. */
static void give_up_waiting(const keel_breaker *breaker, const keel_policy *policy,
                            const keel_breaker_now *seen, uint64_t now,
                            const keel_random *random, keel_changes *changes)
{
    if (policy->half_open_then_closed)
        close_now(breaker, seen, now, KEEL_CAUSE_HALF_OPEN_MAX_WAIT, changes);
    else
        keel_breaker_open(breaker, policy, seen, now, 0, random,
                          KEEL_CAUSE_HALF_OPEN_MAX_WAIT, changes);
}

static bool slow_ones_trip(const keel_breaker *breaker, const keel_policy *policy,
                           uint32_t generation, uint64_t now, const keel_random *random,
                           keel_changes *changes)
{
    uint32_t before = changes->count;

    if (!breaker->starts.words ||
        !keel_starts_maybe_before(&breaker->starts,
                                  keel_ns_left(now, policy->slow_call_ns)))
        return false;
    consider(breaker, policy, generation, 0, now, random, changes);
    return changes->count != before;
}

keel_status keel_breaker_admit(const keel_breaker *breaker, const keel_policy *policy,
                               uint64_t now, const keel_random *random,
                               keel_breaker_permit *permit, uint64_t *retry_after_ns,
                               keel_changes *changes)
{
    *retry_after_ns = 0;
    for (;;) {
        uint64_t until;
        keel_lock lock = keel_breaker_locked(breaker, now, &until);
        keel_breaker_now seen = keel_breaker_read(breaker);
        uint64_t due = keel_breaker_due(&seen);

        if (lock == KEEL_LOCK_NONE && until)
            forget_lock(breaker, now);
        if (lock != KEEL_LOCK_NONE)
            return admit_locked(breaker, lock, until, now, permit, retry_after_ns);
        switch (seen.s.state) {
        case KEEL_BREAKER_CLOSED:
            if (slow_ones_trip(breaker, policy, seen.s.generation, now, random,
                               changes))
                break;
            *permit = (keel_breaker_permit){ .generation = seen.s.generation,
                                             .tracking = KEEL_TRACK_WINDOW };
            track_start(breaker, permit, now);
            return KEEL_OK;
        case KEEL_BREAKER_OPEN:
            if (now < due) {
                *retry_after_ns = due - now;
                return KEEL_REJECTED_OPEN;
            }
            keel_breaker_change(breaker, &seen, KEEL_BREAKER_HALF_OPEN,
                                policy->half_open_permits, keel_breaker_opens(&seen),
                                keel_ns_add(now, policy->half_open_max_wait_ns),
                                KEEL_CAUSE_OPEN_ELAPSED, changes);
            break;
        case KEEL_BREAKER_HALF_OPEN:
            if (now >= due) {
                give_up_waiting(breaker, policy, &seen, now, random, changes);
                break;
            }
            if (reclaim(breaker, policy, seen.s.generation, now, random, changes))
                break;
            *permit = (keel_breaker_permit){ .generation = seen.s.generation,
                                             .tracking = KEEL_TRACK_PROBE };
            /* no lease though a permit is left: somebody is between the two, and may
             * have died there; he is not waited for */
            if (seen.s.left == 0 ||
                !keel_lease_take(breaker, policy, seen.s.generation, now, permit))
                return KEEL_REJECTED_HALF_OPEN;
            if (take_probe(breaker, &seen, permit)) {
                track_start(breaker, permit, now);
                return KEEL_OK;
            }
            break;
        }
    }
}

/* ends */

static void count_row(const keel_breaker *breaker, uint32_t generation, bool failed)
{
    _Atomic uint64_t *row = &breaker->words->consecutive;
    uint64_t old = atomic_load_explicit(row, memory_order_relaxed);
    uint64_t next;

    do {
        uint64_t so_far = old & (((uint64_t)1 << 40) - 1);
        uint32_t ahead = (uint32_t)(old >> 40) - generation;

        if (so_far ? (ahead & KEEL_GENERATION_MASK) - 1 < KEEL_GENERATION_MASK / 2
                   : !failed)
            return; /* a younger generation's row, or no row to end */
        if (ahead)
            so_far = 0;
        next = (uint64_t)generation << 40 | (failed ? so_far + 1 : 0);
    } while (!atomic_compare_exchange_weak_explicit(
        row, &old, next, memory_order_relaxed, memory_order_relaxed));
}

static bool end_closed(const keel_breaker *breaker, const keel_policy *policy,
                       const keel_breaker_permit *permit,
                       const keel_breaker_result *result, bool slow, uint64_t now,
                       const keel_random *random, keel_changes *changes)
{
    keel_state s = keel_state_unpack(
        atomic_load_explicit(&breaker->words->state, memory_order_acquire));
    bool failed = result->outcome == KEEL_OUTCOME_FAILED;
    keel_recorded recorded;

    if (s.state != KEEL_BREAKER_CLOSED || s.generation != permit->generation)
        return false;
    if (result->outcome == KEEL_OUTCOME_NEUTRAL)
        return true;
    recorded = record(breaker, permit->generation, now, failed, slow);
    if (recorded == KEEL_RECORDED_LATE)
        return false;
    if (policy->consecutive)
        count_row(breaker, permit->generation, failed);
    if (failed || slow || s.flags & KEEL_FLAG_ARMED ||
        (recorded == KEEL_RECORDED_MOVE && s.flags & KEEL_FLAG_WATCH))
        consider(breaker, policy, permit->generation, result->retry_after_ns, now,
                 random, changes);
    return true;
}

static bool end_probe(const keel_breaker *breaker, const keel_policy *policy,
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
        record(breaker, permit->generation, now, outcome == KEEL_OUTCOME_FAILED,
               slow) == KEEL_RECORDED_LATE)
        return false;
    if (slow && policy->slow_is_failure && outcome == KEEL_OUTCOME_OK)
        outcome = KEEL_OUTCOME_FAILED;
    return count_probe(breaker, policy, permit->generation, outcome,
                       slow && outcome != KEEL_OUTCOME_NEUTRAL, result->retry_after_ns,
                       now, random, changes);
}

bool keel_breaker_end(const keel_breaker *breaker, const keel_policy *policy,
                      const keel_breaker_permit *permit,
                      const keel_breaker_result *result, uint64_t now,
                      const keel_random *random, keel_changes *changes)
{
    bool slow = policy->slow_call_ns && result->duration_ns > policy->slow_call_ns;
    uint64_t until;

    if (permit->start_index)
        keel_starts_leave(&breaker->starts, permit->start_index);
    switch ((keel_breaker_tracking)permit->tracking) {
    case KEEL_TRACK_NOTHING:
        return true;
    case KEEL_TRACK_WINDOW:
        if (keel_breaker_locked(breaker, now, &until) == KEEL_LOCK_DISABLED)
            return true;
        return end_closed(breaker, policy, permit, result, slow, now, random, changes);
    case KEEL_TRACK_PROBE:
        return end_probe(breaker, policy, permit, result, slow, now, random, changes);
    }
    return true;
}
