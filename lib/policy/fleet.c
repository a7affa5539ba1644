/* SPDX-License-Identifier: MIT */
/* Following the fleet. Not for what the fleet is told: that is lib/share. */
#include "policy/fleet.h"

#include "base/clock.h"
#include "policy/breaker_moves.h"

#define NEAR_NS KEEL_MS /* an end that is said again a little later is the same */

void keel_fleet_want_probe(const keel_breaker *breaker, uint64_t now)
{
    atomic_store_explicit(&breaker->fleet->wanted_at, now, memory_order_relaxed);
    /* seq_cst, with the relay's look before it sleeps: one of the two sees the other */
    atomic_store(&breaker->fleet->news, 1);
}

void keel_fleet_wish(const keel_breaker *breaker, uint64_t until)
{
    _Atomic uint64_t *wish = &breaker->fleet->wish_until;

    if (atomic_load_explicit(wish, memory_order_relaxed) != until)
        atomic_store_explicit(wish, until, memory_order_relaxed);
}

void keel_fleet_tripped(const keel_breaker *breaker, uint32_t generation,
                        keel_cause cause)
{
    atomic_store_explicit(&breaker->fleet->trip,
                          (uint64_t)generation << 32 | (uint32_t)cause,
                          memory_order_relaxed);
}

keel_cause keel_fleet_trip_cause(const keel_breaker *breaker, uint32_t generation)
{
    uint64_t trip = atomic_load_explicit(&breaker->fleet->trip, memory_order_relaxed);

    return trip >> 32 == generation ? (keel_cause)(uint32_t)trip : KEEL_CAUSE_NONE;
}

static bool is_near(uint64_t a, uint64_t b)
{
    return a > b ? a - b < NEAR_NS : b - a < NEAR_NS;
}

void keel_fleet_open(const keel_breaker *breaker, uint64_t now, uint64_t until,
                     keel_changes *changes)
{
    keel_breaker_now seen;

    do {
        seen = keel_breaker_read(breaker);
        /* over already, and waiting for a probe: as it is */
        if (seen.s.state == KEEL_BREAKER_OPEN &&
            (is_near(keel_breaker_due(&seen), until) ||
             (keel_breaker_due(&seen) <= now && until <= now)))
            return;
    } while (!keel_breaker_change(breaker, &seen, KEEL_BREAKER_OPEN, 0,
                                  keel_breaker_opens(&seen), until, KEEL_CAUSE_FLEET,
                                  changes));
}

static bool add_probes(const keel_breaker *breaker, const keel_breaker_now *seen,
                       uint32_t probes)
{
    keel_state after = seen->s;
    uint64_t word = seen->word;

    after.left = after.left + probes < 255 ? after.left + probes : 255;
    return keel_word_swap(&breaker->words->state, &word, keel_state_pack(&after));
}

uint32_t keel_fleet_lend(const keel_breaker *breaker, uint32_t probes, uint64_t until,
                         keel_changes *changes)
{
    uint32_t generation = 0;
    bool done = false;

    while (!done) {
        keel_breaker_now seen = keel_breaker_read(breaker);
        bool is_first = seen.s.state != KEEL_BREAKER_HALF_OPEN;

        generation = (seen.s.generation + is_first) & KEEL_GENERATION_MASK;
        done = !is_first ? add_probes(breaker, &seen, probes)
                         : keel_breaker_change(breaker, &seen, KEEL_BREAKER_HALF_OPEN,
                                               probes, keel_breaker_opens(&seen), until,
                                               KEEL_CAUSE_FLEET, changes);
    }
    return generation;
}

void keel_fleet_close(const keel_breaker *breaker, const keel_policy *policy,
                      uint64_t now, keel_changes *changes)
{
    keel_breaker_now seen;

    do {
        seen = keel_breaker_read(breaker);
        if (seen.s.state == KEEL_BREAKER_CLOSED)
            return;
    } while (
        !keel_breaker_close(breaker, policy, &seen, now, KEEL_CAUSE_FLEET, changes));
}

keel_fleet_round keel_fleet_look(const keel_breaker *breaker, const keel_policy *policy,
                                 uint64_t now, const keel_random *random,
                                 keel_changes *changes)
{
    keel_breaker_now seen = keel_breaker_read(breaker);

    while (seen.s.state == KEEL_BREAKER_HALF_OPEN &&
           keel_round_reclaim(breaker, policy, seen.s.generation, now, random, changes))
        seen = keel_breaker_read(breaker);
    if (seen.s.state != KEEL_BREAKER_HALF_OPEN)
        return (keel_fleet_round){ .generation = seen.s.generation };
    return (keel_fleet_round){ .generation = seen.s.generation,
                               .left = seen.s.left,
                               .ok = seen.s.ok,
                               .failed = seen.s.failed,
                               .slow = seen.s.slow };
}

bool keel_fleet_take_back(const keel_breaker *breaker, uint32_t generation)
{
    uint64_t word = atomic_load_explicit(&breaker->words->state, memory_order_acquire);
    keel_state s;

    do {
        s = keel_state_unpack(word);
        if (s.state != KEEL_BREAKER_HALF_OPEN || s.generation != generation ||
            s.left == 0)
            return false;
        s.left--;
    } while (!keel_word_swap(&breaker->words->state, &word, keel_state_pack(&s)));
    return true;
}
