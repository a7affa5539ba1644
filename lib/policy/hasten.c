/* SPDX-License-Identifier: MIT */
/*
 * What an active check may do to a breaker: let its open period end early, and nothing
 * else. The probes that follow decide, as ever; an answer to a check is no proof that
 * calls succeed.
 */
#include "policy/breaker_words.h"

#include "policy/fleet.h"

/*
 * The state word stays: it is open as before, in the same generation, until an earlier
 * instant. That is written over the very one that was seen, so a transition meanwhile
 * makes it fail, or fails by it and looks again.
 */
bool keel_breaker_hasten(const keel_breaker *breaker, uint64_t now)
{
    keel_breaker_now seen = keel_breaker_read(breaker);
    uint32_t which = seen.s.generation & 1;
    uint64_t due = seen.due[which], until;

    if (seen.s.state != KEEL_BREAKER_OPEN || keel_breaker_due(&seen) <= now ||
        keel_breaker_locked(breaker, now, &until) != KEEL_LOCK_NONE ||
        keel_fleet_governs(breaker, now))
        return false;
    return keel_word_swap(&breaker->words->due[which], &due,
                          (due & ~KEEL_DUE_MASK) | (now & KEEL_DUE_MASK));
}
