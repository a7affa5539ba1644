/* SPDX-License-Identifier: MIT */
/*
 * Permits alone: admission without retry, deadline and budget. Where one policy stands
 * alone they pass at the gate, as is written here; else see planned_permit.c.
 */
#include "call/permit.h"

#include <errno.h>

#include "base/detail.h"
#include "base/thread.h"

static permit *inside(keel_permit *public_permit)
{
    return (permit *)(uintptr_t)public_permit->keel_private;
}

/* ---- taking ---------------------------------------------------------------------- */

static keel_status taken(keel_pipeline *pipeline, permit *p, keel_permit_kind kind,
                         uint64_t *retry_after_ns)
{
    p->pipeline = pipeline;
    p->incarnation = keel_process_incarnation();
    p->kind = kind;
    if (retry_after_ns)
        *retry_after_ns = 0;
    return KEEL_OK;
}

/* False: a call is slow just now, which may trip the breaker. */
static bool begin_timed(const keel_gate *gate, permit *p, uint64_t now)
{
    uint64_t slow_ns = atomic_load_explicit(&gate->slow_call_ns, memory_order_relaxed);

    if (keel_starts_maybe_before(&gate->starts, keel_ns_left(now, slow_ns)))
        return false;
    p->began_at = now;
    p->admission.permit.start_index =
        keel_starts_enter(&gate->starts, p->admission.permit.generation, now);
    return true;
}

static KEEL_APART keel_status take_timed(keel_pipeline *pipeline, permit *p,
                                         uint32_t gate, uint64_t state,
                                         uint64_t *retry_after_ns)
{
    p->admission.permit.generation = keel_word_generation(state);
    if (!begin_timed(&pipeline->gate, p,
                     keel_gate_now(&pipeline->runtime->clock, gate)))
        return keel_planned_permit_take(pipeline, p, NULL, retry_after_ns);
    return taken(pipeline, p, KEEL_PERMIT_TIMED, retry_after_ns);
}

static KEEL_APART keel_status take_place(keel_pipeline *pipeline, permit *p,
                                         uint64_t *retry_after_ns)
{
    keel_place place;

    if (!keel_bulkhead_try(&pipeline->gate.places, &place, 0))
        return keel_planned_permit_take(pipeline, p, NULL, retry_after_ns);
    return taken(pipeline, p, KEEL_PERMIT_PLACE, retry_after_ns);
}

static KEEL_APART keel_status take_token(keel_pipeline *pipeline, permit *p,
                                         uint32_t gate, uint64_t *retry_after_ns)
{
    keel_rate rate = keel_gate_rate(&pipeline->gate);
    uint64_t now = keel_gate_now(&pipeline->runtime->clock, gate);

    if (!keel_rate_try(&rate, now, &p->admission.rate_tat))
        return keel_planned_permit_take(pipeline, p, NULL, retry_after_ns);
    return taken(pipeline, p, KEEL_PERMIT_TOKEN, retry_after_ns);
}

static KEEL_APART keel_status refuse(keel_pipeline *pipeline, permit *p, uint32_t gate,
                                     uint64_t state, uint64_t *retry_after_ns)
{
    uint64_t hint;

    if (!keel_gate_refuses(pipeline, gate, state, &hint))
        return keel_planned_permit_take(pipeline, p, NULL, retry_after_ns);
    if (retry_after_ns)
        *retry_after_ns = hint;
    p->kind = KEEL_PERMIT_NONE;
    return KEEL_REJECTED_OPEN;
}

keel_status keel_permit_take(keel_pipeline *pipeline, keel_permit *public_permit,
                             uint64_t *retry_after_ns)
{
    uint64_t state;
    uint32_t gate;
    permit *p;

    if (!pipeline || !public_permit)
        return KEEL_E_ARGUMENT;
    p = inside(public_permit);
    gate = keel_gate_look(&pipeline->gate, &state);
    if (keel_word_admits(state) && gate & KEEL_GATE_ALONE) {
        p->admission.permit.generation = keel_word_generation(state);
        return taken(pipeline, p, KEEL_PERMIT_BREAKER, retry_after_ns);
    }
    if (keel_word_admits(state) && gate & KEEL_GATE_TIMED)
        return take_timed(pipeline, p, gate, state, retry_after_ns);
    if (keel_word_state(state) == KEEL_BREAKER_OPEN)
        return refuse(pipeline, p, gate, state, retry_after_ns);
    if (gate & KEEL_GATE_PLACES)
        return take_place(pipeline, p, retry_after_ns);
    if (gate & KEEL_GATE_TOKENS)
        return take_token(pipeline, p, gate, retry_after_ns);
    return keel_planned_permit_take(pipeline, p, NULL, retry_after_ns);
}

keel_status keel_permit_wait(keel_pipeline *pipeline, keel_permit *public_permit,
                             uint64_t until_at_ns, keel_cancel *cancel,
                             uint64_t *retry_after_ns)
{
    patience patient = { until_at_ns, cancel };
    int saved = errno;
    keel_status status;

    if (!pipeline || !public_permit)
        return KEEL_E_ARGUMENT;
    status = keel_planned_permit_take(pipeline, inside(public_permit), &patient,
                                      retry_after_ns);
    errno = saved;
    return status;
}

/* ---- ending ---------------------------------------------------------------------- */

/* A gate that is shut may have been so by a request to reload. */
static void look_after(keel_pipeline *pipeline)
{
    if (!atomic_load_explicit(&pipeline->gate.bits, memory_order_relaxed))
        keel_pipeline_look_after(pipeline);
}

/* The place goes back whatever the settings are now. */
static KEEL_APART void end_place(permit *p, keel_status status)
{
    p->kind = KEEL_PERMIT_ENDED;
    if (!keel_permit_is_ours(p))
        return;
    if (keel_outcome_of(status) == KEEL_OUTCOME_NEUTRAL)
        keel_count(&p->pipeline->counters->ignored);
    keel_bulkhead_put_back(&p->pipeline->gate.places);
    look_after(p->pipeline);
}

/*
 * What is not a plain success is judged by the plan of now: breaker and limiter are the
 * same in all of them.
 */
static void end_by_plan_of_now(permit *p, const keel_outcome *outcome)
{
    const permit at_gate = *p;
    bool is_timed = p->kind == KEEL_PERMIT_TIMED;

    p->kind = KEEL_PERMIT_ENDED;
    if (!keel_permit_is_ours(p))
        return;
    keel_planned_permit_become(p);
    if (at_gate.kind == KEEL_PERMIT_TOKEN) {
        if (p->plan->policy.rate.count)
            p->admission.rate_tat = at_gate.admission.rate_tat;
    } else if (p->plan->policy.breaker) {
        p->admission.has_permit = true;
        p->admission.permit =
            (keel_breaker_permit){ .generation = at_gate.admission.permit.generation,
                                   .tracking = KEEL_TRACK_WINDOW };
        p->began_at = is_timed ? at_gate.began_at : 0;
    }
    if (is_timed) /* the plan of now may watch nothing */
        keel_starts_leave(&p->pipeline->gate.starts,
                          at_gate.admission.permit.start_index);
    keel_planned_permit_end_outcome(p, outcome);
}

void keel_permit_end_outcome(keel_permit *public_permit, const keel_outcome *outcome)
{
    keel_outcome own = { .size = sizeof own, .status = KEEL_IGNORED };
    permit *p = public_permit ? inside(public_permit) : NULL;

    if (!p)
        return;
    /* what cannot be read ends it all the same: its place must not stay taken */
    (void)keel_options_read(&own, sizeof own, outcome);
    switch ((keel_permit_kind)p->kind) {
    case KEEL_PERMIT_PLANNED:
        keel_planned_permit_end_outcome(p, &own);
        break;
    case KEEL_PERMIT_BREAKER:
    case KEEL_PERMIT_TIMED:
    case KEEL_PERMIT_TOKEN:
        end_by_plan_of_now(p, &own);
        break;
    case KEEL_PERMIT_PLACE:
        end_place(p, own.status);
        break;
    case KEEL_PERMIT_ENDED:
        keel_count(&p->pipeline->counters->ended_twice);
        break;
    case KEEL_PERMIT_NONE:
        break;
    }
}

static KEEL_SELDOM void end_by_hand(permit *p, keel_status status)
{
    keel_outcome outcome = { .size = sizeof outcome, .status = status };

    keel_permit_end_outcome((keel_permit *)(void *)p, &outcome);
}

/* One success at an instant, by the words on the board alone. False: nothing was done. */
static inline bool count_ok(const keel_pipeline *pipeline, uint32_t generation,
                            uint64_t now)
{
    return keel_window_words_try_ok(
        atomic_load_explicit(&pipeline->gate.window, memory_order_relaxed),
        KEEL_STRIPE_WINDOW,
        keel_stripe_mine(
            atomic_load_explicit(&pipeline->gate.lines, memory_order_relaxed)),
        generation, now);
}

/* A plain success of a permit from the breaker's gate. False: nothing was done. */
static bool end_at_the_gate(permit *p)
{
    keel_pipeline *pipeline = p->pipeline;
    const keel_gate *gate = &pipeline->gate;
    uint32_t bits = atomic_load_explicit(&gate->bits, memory_order_acquire);
    uint32_t generation = p->admission.permit.generation;

    if (!(bits & KEEL_GATE_ALONE) || !keel_permit_is_ours(p) ||
        !keel_breaker_words_are_plain(gate->breaker, generation) ||
        !count_ok(pipeline, generation, keel_gate_now(&pipeline->runtime->clock, bits)))
        return false;
    p->kind = KEEL_PERMIT_ENDED;
    return true;
}

/* The same where slow calls are watched. */
static bool try_end_timed(permit *p)
{
    keel_pipeline *pipeline = p->pipeline;
    const keel_gate *gate = &pipeline->gate;
    uint32_t bits = atomic_load_explicit(&gate->bits, memory_order_acquire);
    uint32_t generation = p->admission.permit.generation;
    uint64_t now;

    if (!(bits & KEEL_GATE_TIMED) || !keel_permit_is_ours(p) ||
        !keel_breaker_words_are_plain(gate->breaker, generation))
        return false;
    now = keel_gate_now(&pipeline->runtime->clock, bits);
    if (now - p->began_at >
            atomic_load_explicit(&gate->slow_call_ns, memory_order_relaxed) ||
        !count_ok(pipeline, generation, now))
        return false;
    keel_starts_leave(&gate->starts, p->admission.permit.start_index);
    p->kind = KEEL_PERMIT_ENDED;
    return true;
}

static KEEL_APART void end_timed(permit *p, keel_status status)
{
    if (status != KEEL_OK || !try_end_timed(p))
        end_by_hand(p, status);
}

static KEEL_APART void end_token(permit *p, keel_status status)
{
    if (status != KEEL_OK) {
        end_by_hand(p, status);
        return;
    }
    p->kind = KEEL_PERMIT_ENDED;
    look_after(p->pipeline);
}

static KEEL_APART void end_apart(permit *p, keel_status status)
{
    switch ((keel_permit_kind)p->kind) {
    case KEEL_PERMIT_PLANNED:
        keel_planned_permit_end(p, status);
        break;
    case KEEL_PERMIT_PLACE:
        end_place(p, status);
        break;
    case KEEL_PERMIT_TOKEN:
        end_token(p, status);
        break;
    case KEEL_PERMIT_TIMED:
        end_timed(p, status);
        break;
    default:
        end_by_hand(p, status);
    }
}

void keel_permit_end(keel_permit *public_permit, keel_status status)
{
    permit *p = public_permit ? inside(public_permit) : NULL;

    if (!p)
        return;
    if (p->kind != KEEL_PERMIT_BREAKER)
        end_apart(p, status);
    else if (status != KEEL_OK || !end_at_the_gate(p))
        end_by_hand(p, status);
}
