/* SPDX-License-Identifier: MIT */
/*
 * Readers that take no lock and pass no fence: each counts, on its own stripe, that it
 * has begun and ended in a phase. Whoever takes something away from them changes the
 * phase and frees it once all that began in the old one have ended.
 *
 *     phase = keel_phase_enter(stripe, &phases);
 *     ... what was reachable after this stays where it is ...
 *     keel_phase_exit(stripe, phase);
 */
#ifndef KEEL_POLICY_PHASES_H
#define KEEL_POLICY_PHASES_H

#include "policy/stripe.h"

static inline uint32_t keel_phase_enter(keel_stripe stripe,
                                        const _Atomic uint32_t *phases)
{
    uint32_t phase = atomic_load_explicit(phases, memory_order_relaxed);

    keel_stripe_add(stripe, KEEL_STRIPE_BEGUN + phase, 1);
    /* the membarrier of who frees stands for the fence between our count and our loads */
    atomic_signal_fence(memory_order_seq_cst);
    return phase;
}

static inline void keel_phase_exit(keel_stripe stripe, uint32_t phase)
{
    keel_stripe_add(stripe, KEEL_STRIPE_ENDED + phase, 1);
}

/*
 * Whether nobody is left in a phase that nobody enters any more. Makes every running
 * thread of the process pass a full barrier. False: perhaps, or the kernel cannot tell;
 * then what was taken away is kept.
 */
bool keel_phase_is_drained(const keel_stripes *stripes, uint32_t phase);

#endif
