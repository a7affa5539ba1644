/* SPDX-License-Identifier: MIT */
/*
 * The circuit breaker's state machine.
 *
 *   from        event                                    to          opens in a row
 *   closed      a rate, slow rate or row is reached      open        + 1, or 1 after
 *                                                                    breaker.stable
 *   open        an admission at or after the open time   half-open   kept
 *   open        an active check finds it well again      open, its   kept
 *                                                        time over
 *   half-open   enough good probes                       closed      kept; it ramps
 *   half-open   one bad probe too many                   open        + 1
 *   half-open   half_open_max_wait                       open        + 1
 *                                                        or closed   kept
 *
 * Not for half-open rounds (rounds.c), the operator's side (operator.c), active checks
 * (hasten.c), leases (leases.c) or windows.
 */
#include "policy/breaker.h"

#include <math.h>

#include "base/clock.h"
#include "policy/breaker_moves.h"
#include "policy/fleet.h"

#define RAMP_LEAST 0.1 /* the share that passes at first */

static void note(keel_changes *changes, keel_breaker_state from, const keel_state *to,
                 keel_cause cause)
{
    if (changes->count < sizeof changes->items / sizeof changes->items[0])
        changes->items[changes->count++] =
            (keel_transition){ from, to->state, cause, to->generation };
}

/* The claim that follows, 0 to 7; the first on a state just published is 0. */
static uint32_t claim_next(keel_state *s)
{
    uint32_t before = (s->flags & KEEL_CLAIMS) / KEEL_CLAIM;

    s->flags = (s->flags & ~KEEL_CLAIMS) | ((s->flags + KEEL_CLAIM) & KEEL_CLAIMS);
    return before;
}

/*
 * A nanosecond on for each claim, so that no two writers write the same word: one who
 * stopped before his swap must find another's word where he expects the old one. (There
 * are eight: it takes eight more claims on one state, while he stands there, to write
 * his word again.)
 */
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
    if (!keel_word_swap(&breaker->words->state, &word, claimed_word))
        return false;
    if (!keel_word_swap(&breaker->words->due[next.generation & 1], &due,
                        due_pack(opens, due_at_ns, claim))) {
        /* we have written nothing: without our claim the other may go on, and a closed
         * state word is plain again */
        keel_word_swap(&breaker->words->state, &claimed_word, seen->word);
        return false;
    }
    if (to == KEEL_BREAKER_OPEN && breaker->fleet) /* who sees it open can say why */
        keel_fleet_tripped(breaker, next.generation, cause);
    if (!keel_word_swap(&breaker->words->state, &claimed_word, keel_state_pack(&next)))
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

uint32_t keel_breaker_opens_after(const keel_policy *policy,
                                  const keel_breaker_now *seen, uint64_t now)
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
    uint32_t opens = keel_breaker_opens_after(policy, seen, now);
    uint64_t length = open_length(policy, opens, random);
    uint64_t wish = keel_ns_min(at_least_ns, policy->open_longest_ns);

    return keel_breaker_change(breaker, seen, KEEL_BREAKER_OPEN, 0, opens,
                               keel_ns_add(now, length > wish ? length : wish), cause,
                               changes);
}

bool keel_breaker_close(const keel_breaker *breaker, const keel_policy *policy,
                        const keel_breaker_now *seen, uint64_t now, keel_cause cause,
                        keel_changes *changes)
{
    return keel_breaker_change(breaker, seen, KEEL_BREAKER_CLOSED,
                               policy->ramp_up_ns ? KEEL_RAMPING : 0,
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

/* Slow calls in flight count already, those beyond any deadline as failed. */
static void add_slow_ones(const keel_breaker *breaker, const keel_policy *policy,
                          const keel_breaker_now *seen, uint64_t now, keel_totals *t)
{
    const keel_starts_limits limits = {
        .since = keel_ns_left(keel_breaker_due(seen), KEEL_CLAIMS_NS),
        .slow = keel_ns_left(now, policy->slow_call_ns),
        .dead = policy->deadline_ns ? keel_ns_left(now, policy->deadline_ns) : 0,
    };
    uint32_t slow, dead;

    keel_starts_count(&breaker->starts, seen->s.generation, now, &limits, &slow, &dead);
    t->total += slow;
    t->slow += slow;
    t->bad += slow;
    t->failed += dead < slow ? dead : slow;
}

static verdict judge(const keel_breaker *breaker, const keel_policy *policy,
                     const keel_breaker_now *seen, uint64_t now)
{
    keel_totals t = keel_window_sum(&breaker->window, seen->s.generation, now);
    verdict v = { KEEL_CAUSE_NONE, 0 };

    if (breaker->starts.words)
        add_slow_ones(breaker, policy, seen, now, &t);
    judge_rate(policy, policy->slow_is_failure ? t.bad : t.failed, t.total,
               policy->failure_rate_ppm, KEEL_CAUSE_FAILURE_RATE, &v);
    if (policy->slow_call_ns)
        judge_rate(policy, t.slow, t.total, policy->slow_rate_ppm, KEEL_CAUSE_SLOW_RATE,
                   &v);
    if (v.cause == KEEL_CAUSE_NONE && row_is_met(breaker, policy, seen->s.generation))
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
        if (keel_word_swap(&breaker->words->state, &word, keel_state_pack(&s)))
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
        v = judge(breaker, policy, &seen, now);
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

static KEEL_SELDOM keel_recorded record_late(const keel_breaker *breaker,
                                             uint32_t generation, uint64_t now,
                                             bool failed, bool slow)
{
    uint64_t head = keel_window_head(&breaker->window);

    if (keel_breaker_read(breaker).s.generation != generation)
        return KEEL_RECORDED_LATE;
    keel_window_begin(&breaker->window, head, generation);
    return keel_window_record(&breaker->window, generation, now, failed, slow);
}

keel_recorded keel_breaker_record(const keel_breaker *breaker, uint32_t generation,
                                  uint64_t now, bool failed, bool slow)
{
    keel_recorded recorded =
        keel_window_record(&breaker->window, generation, now, failed, slow);

    return KEEL_LIKELY(recorded != KEEL_RECORDED_LATE)
               ? recorded
               : record_late(breaker, generation, now, failed, slow);
}

/* admission */

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

/* True: they tripped it. */
static bool slow_ones_trip(const keel_breaker *breaker, const keel_policy *policy,
                           uint32_t generation, const keel_asking *asking)
{
    uint32_t before = asking->changes->count;

    if (!breaker->starts.words ||
        !keel_starts_maybe_before(&breaker->starts,
                                  keel_ns_left(asking->now, policy->slow_call_ns)))
        return false;
    consider(breaker, policy, generation, 0, asking->now, asking->random,
             asking->changes);
    return asking->changes->count != before;
}

static void admit_closed(const keel_breaker *breaker, uint32_t generation,
                         keel_asking *asking)
{
    *asking->permit = (keel_breaker_permit){ .generation = generation,
                                             .tracking = KEEL_TRACK_WINDOW };
    keel_breaker_track_start(breaker, asking->permit, asking->now);
}

/* The ramp is over, for all. Who finds other words in the meantime leaves them: they are
 * another state's, or somebody else has come first. */
static void end_ramp(const keel_breaker *breaker, const keel_breaker_now *seen)
{
    uint64_t word = seen->word;
    keel_state after = seen->s;

    after.left = 0;
    keel_word_swap(&breaker->words->state, &word, keel_state_pack(&after));
}

/* Whether a call passes while only a share does: max(0.1, elapsed / breaker.ramp_up). */
static bool passes_ramp(const keel_breaker *breaker, const keel_policy *policy,
                        const keel_breaker_now *seen, const keel_asking *asking)
{
    uint64_t elapsed = keel_ns_left(asking->now, keel_breaker_due(seen));

    if (elapsed >= policy->ramp_up_ns) { /* or the settings of now have none */
        end_ramp(breaker, seen);
        return true;
    }
    return keel_random_draw(asking->random) <
           fmax(RAMP_LEAST, (double)elapsed / (double)policy->ramp_up_ns);
}

/* The answers of each state. False: it has moved on, ask again. */

static bool ask_closed(const keel_breaker *breaker, const keel_policy *policy,
                       const keel_breaker_now *seen, keel_asking *asking)
{
    if (slow_ones_trip(breaker, policy, seen->s.generation, asking))
        return false;
    if (seen->s.left == KEEL_RAMPING && !passes_ramp(breaker, policy, seen, asking)) {
        asking->status = KEEL_REJECTED_RAMPING;
        return true;
    }
    admit_closed(breaker, seen->s.generation, asking);
    return true;
}

static bool ask_open(const keel_breaker *breaker, const keel_policy *policy,
                     const keel_breaker_now *seen, keel_asking *asking)
{
    uint64_t due = keel_breaker_due(seen);

    if (asking->now < due) {
        *asking->retry_after_ns = due - asking->now;
        asking->status = KEEL_REJECTED_OPEN;
        return true;
    }
    if (keel_fleet_governs(breaker, asking->now)) {
        keel_fleet_want_probe(breaker, asking->now);
        *asking->retry_after_ns = KEEL_FLEET_SOON_NS;
        asking->status = KEEL_REJECTED_OPEN;
        return true;
    }
    keel_breaker_change(breaker, seen, KEEL_BREAKER_HALF_OPEN,
                        policy->half_open_permits, keel_breaker_opens(seen),
                        keel_ns_add(asking->now, policy->half_open_max_wait_ns),
                        KEEL_CAUSE_OPEN_ELAPSED, asking->changes);
    return false;
}

/* The answer while a lock holds, whatever the state; it never moves. */
static bool ask_locked(const keel_breaker *breaker, const keel_policy *policy,
                       keel_lock lock, uint64_t until, keel_asking *asking)
{
    keel_breaker_now seen = keel_breaker_read(breaker);

    if (lock == KEEL_LOCK_OPEN) {
        *asking->retry_after_ns = until ? keel_ns_left(until, asking->now) : 0;
        asking->status = KEEL_REJECTED_FORCED_OPEN;
        return true;
    }
    *asking->permit = (keel_breaker_permit){ .generation = seen.s.generation };
    if (lock != KEEL_LOCK_DISABLED && seen.s.state == KEEL_BREAKER_CLOSED) {
        /* they trip nothing now, but an observer is told that they would */
        slow_ones_trip(breaker, policy, seen.s.generation, asking);
        admit_closed(breaker, seen.s.generation, asking);
    }
    return true;
}

static bool ask(const keel_breaker *breaker, const keel_policy *policy,
                keel_asking *asking)
{
    uint64_t until;
    keel_lock lock = keel_breaker_locked(breaker, asking->now, &until);
    keel_breaker_now seen = keel_breaker_read(breaker);

    if (lock != KEEL_LOCK_NONE)
        return ask_locked(breaker, policy, lock, until, asking);
    switch (seen.s.state) {
    case KEEL_BREAKER_CLOSED:
        return ask_closed(breaker, policy, &seen, asking);
    case KEEL_BREAKER_OPEN:
        return ask_open(breaker, policy, &seen, asking);
    case KEEL_BREAKER_HALF_OPEN:
        return keel_round_ask(breaker, policy, &seen, asking);
    }
    return true;
}

keel_status keel_breaker_admit(const keel_breaker *breaker, const keel_policy *policy,
                               uint64_t now, const keel_random *random,
                               keel_breaker_permit *permit, uint64_t *retry_after_ns,
                               keel_changes *changes)
{
    keel_asking asking = { now, random, permit, retry_after_ns, changes, KEEL_OK };

    *retry_after_ns = 0;
    while (!ask(breaker, policy, &asking))
        ;
    return asking.status;
}

/* ends */

static bool has_row(const keel_breaker_words *words)
{
    return atomic_load_explicit(&words->consecutive, memory_order_relaxed) << 24;
}

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
    recorded = keel_breaker_record(breaker, permit->generation, now, failed, slow);
    if (recorded == KEEL_RECORDED_LATE)
        return false;
    /* a success ends a row even where none is counted any more: it is in the way of all
     * that could go the quick one */
    if (policy->consecutive || (!failed && has_row(breaker->words)))
        count_row(breaker, permit->generation, failed);
    if (failed || slow || s.flags & KEEL_FLAG_ARMED ||
        (recorded == KEEL_RECORDED_MOVE && s.flags & KEEL_FLAG_WATCH))
        consider(breaker, policy, permit->generation, result->retry_after_ns, now,
                 random, changes);
    return true;
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
    if (breaker->fleet && result->outcome == KEEL_OUTCOME_FAILED)
        keel_fleet_wish(breaker, result->retry_after_ns
                                     ? keel_ns_add(now, result->retry_after_ns)
                                     : 0);
    switch ((keel_breaker_tracking)permit->tracking) {
    case KEEL_TRACK_NOTHING:
        return true;
    case KEEL_TRACK_WINDOW:
        if (keel_breaker_locked(breaker, now, &until) == KEEL_LOCK_DISABLED)
            return true;
        return end_closed(breaker, policy, permit, result, slow, now, random, changes);
    case KEEL_TRACK_PROBE:
        return keel_round_end(breaker, policy, permit, result, slow, now, random,
                              changes);
    }
    return true;
}
