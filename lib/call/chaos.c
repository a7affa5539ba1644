/* SPDX-License-Identifier: MIT */
/*
 * What chaos injects, last before the transport: an attempt that is hit is held, and then
 * made or answered. For all that stands further out it is as slow as that: copies of it are
 * sent meanwhile (race.c), of which none is hit.
 */
#include "call/quick.h"
#include "call/race.h"

static bool is_hit(keel_machine *m)
{
    uint32_t rate = m->plan->policy.chaos_rate_ppm;

    return rate &&
           (rate >= KEEL_PPM ||
            keel_random_draw(&m->pipeline->runtime->random) * KEEL_PPM < (double)rate);
}

bool keel_machine_is_held(const keel_machine *m)
{
    return m->phase == KEEL_PHASE_CHAOS || keel_race_holds(m);
}

void keel_chaos_begin(keel_machine *m, uint64_t now)
{
    const keel_policy *policy = &m->plan->policy;
    uint64_t latency =
        policy->chaos_fail == KEEL_TIMEOUT ? KEEL_NEVER : policy->chaos_latency_ns;

    if (!is_hit(m))
        return;
    m->phase = KEEL_PHASE_CHAOS;
    m->wake_at = keel_ns_min(keel_ns_add(now, latency), m->attempt_until);
    keel_race_hold(m, m->wake_at, now);
}

static void answer(keel_machine *m, keel_status status, uint64_t now)
{
    const keel_outcome outcome = { .size = sizeof outcome,
                                   .status = status,
                                   .never_sent = m->flags.repeats_chaos,
                                   .applied = KEEL_APPLIED_NO };

    if (m->phase == KEEL_PHASE_CHAOS) /* no copy has been sent, and none is now */
        m->flags.is_hedged = false;
    m->phase = KEEL_PHASE_ATTEMPT;
    keel_machine_report(m, &outcome, now);
}

void keel_chaos_end(keel_machine *m, uint64_t now)
{
    keel_status status = m->plan->policy.chaos_fail;

    if (status == KEEL_OK && keel_machine_is_late(m, now))
        status = KEEL_TIMEOUT; /* too late to be made */
    if (status != KEEL_OK) {
        answer(m, status, now);
        return;
    }
    /* only the latency was wanted */
    m->phase = KEEL_PHASE_ATTEMPT;
    if (keel_race_holds(m))
        keel_race_let_go(m);
    else
        keel_race_prepare(m, now);
}

void keel_chaos_advance(keel_machine *m, uint64_t now)
{
    if (now >= m->attempt_until)
        answer(m, KEEL_TIMEOUT, now);
    else if (keel_race_holds(m) && now < m->race->held_until)
        keel_race_advance(m, now);
    else
        keel_chaos_end(m, now);
}
