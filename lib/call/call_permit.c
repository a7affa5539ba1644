/* SPDX-License-Identifier: MIT */
/*
 * breaker.per_call: one permit of the breaker for a whole call, taken before its first
 * attempt and ended with what the call comes to. Not for permits of attempts:
 * admission.c.
 */
#include "call/machine.h"

bool keel_machine_take_permit(keel_machine *m, uint64_t now,
                              keel_admission_answer *answer)
{
    const keel_policy *policy = &m->plan->policy;

    if (!policy->per_call || !policy->breaker || m->flags.has_call_permit)
        return true;
    keel_admission_ask_permit(m->pipeline, m->plan, &m->call_permit, now, answer);
    keel_pipeline_tell_changes(m->pipeline, &answer->changes, now);
    m->flags.has_call_permit = answer->status == KEEL_OK;
    return m->flags.has_call_permit;
}

/* An answer that came after its time is a failure, although the caller has it. */
static keel_breaker_outcome outcome_of(const keel_machine *m)
{
    keel_breaker_outcome outcome = keel_outcome_of((keel_status)m->status);

    return outcome == KEEL_OUTCOME_OK && m->flags.is_overdue ? KEEL_OUTCOME_FAILED
                                                             : outcome;
}

void keel_machine_end_call_permit(keel_machine *m, uint64_t now)
{
    keel_breaker_result result = { .outcome = outcome_of(m),
                                   .duration_ns = keel_ns_left(now, m->began_at),
                                   .retry_after_ns = m->retry_after_ns };
    keel_changes changes = { .count = 0 };

    m->flags.has_call_permit = false;
    if (!keel_admission_end_permit(m->pipeline, m->plan, &m->call_permit, &result, now,
                                   &changes))
        keel_count(&m->pipeline->counters->late);
    keel_pipeline_tell_changes(m->pipeline, &changes, now);
}
