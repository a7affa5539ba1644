/* SPDX-License-Identifier: MIT */
/*
 * What is left of a call's deadline, and the attempt's number, for the next service.
 * The time is less than we wait ourselves, so that its answer, or its regret, comes in
 * time.
 */
#include <keel/http_headers.h>

#include "base/clock.h"
#include "call/machine.h"
#include "http/deadline_header.h"

/* Part of a retry: the number that came in is not kept, but that it is one is. */
static uint32_t number_of(const keel_machine *m)
{
    uint32_t attempt = keel_call_attempt((const keel_call *)m);

    return m->flags.is_nested && attempt == 1 ? 2 : attempt;
}

static size_t write_all(const keel_machine *m, keel_header to[KEEL_CALL_HEADERS_MAX])
{
    const keel_policy *policy = &m->plan->policy;
    uint64_t left_ns = keel_call_timeout_ns((const keel_call *)m);
    size_t count = 0;

    if (policy->deadline_header == KEEL_HEADER_OFF)
        return 0;
    if (left_ns != KEEL_NEVER)
        keel_timeout_write(policy->deadline_header,
                           keel_ns_left(left_ns, policy->deadline_allowance_ns),
                           &to[count++]);
    return count +
           keel_attempt_write(policy->deadline_header, number_of(m), &to[count]);
}

keel_status keel_call_headers(const keel_call *call, keel_header *headers, size_t room,
                              size_t *count)
{
    keel_header all[KEEL_CALL_HEADERS_MAX];
    const keel_machine *m;

    if (count)
        *count = 0;
    if (!call || !headers || !count)
        return KEEL_E_ARGUMENT;
    m = keel_machine_of(call);
    if (!keel_call_attempt(call) || m->phase != KEEL_PHASE_ATTEMPT)
        return KEEL_E_STATE;
    if (keel_machine_is_alive(m))
        *count = write_all(m, all);
    if (*count > room)
        return KEEL_E_BUFFER;
    for (size_t i = 0; i < *count; i++)
        headers[i] = all[i];
    return KEEL_OK;
}
