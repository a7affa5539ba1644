/* SPDX-License-Identifier: MIT */
/*
 * The gate of a pipeline: what a permit must know where one policy stands alone, so that
 * it need not follow a plan. The words behind the gate are the same in all plans; so one
 * who has passed may end his permit by them, and by the numbers of then.
 *
 * Shut (no bits) while an operator overrides settings, while a reload is asked for, where
 * several policies stand in a row, and where one learns from how calls end (throttle,
 * adaptive): then everybody takes the long way.
 */
#ifndef KEEL_CALL_GATE_H
#define KEEL_CALL_GATE_H

#include "base/clock.h"
#include "call/plan.h"

/* Bits, so that one load tells. */
enum {
    KEEL_GATE_BREAKER = 1, /* the breaker is asked first, no limiter stands before it */
    KEEL_GATE_ALONE = 2,   /* and nothing but it, slow calls not watched either */
    KEEL_GATE_COARSE = 4,  /* by the coarse clock */
    KEEL_GATE_PLACES = 8,  /* a bulkhead alone, without queue or deadline */
    KEEL_GATE_TOKENS = 16, /* a limiter alone */
    KEEL_GATE_TIMED = 32   /* a breaker alone that watches slow calls */
};

typedef struct keel_gate {
    _Atomic uint32_t bits;
    keel_breaker_words *breaker;
    _Atomic(keel_time_window_words *) window; /* once there is one, never NULL again */
    _Atomic(const keel_stripes *) lines;      /* that count for it, and the refusals of
                                                 a shared breaker; the same */
    keel_starts starts;
    _Atomic uint64_t slow_call_ns;
    keel_bulkhead places; /* words and what is common, no more */
    keel_rate_words *tokens;
    _Atomic uint64_t interval_ns; /* of the limiter */
    _Atomic uint64_t burst_ns;
} keel_gate;

/* Sets the gate to a plan that is followed from now on. */
void keel_gate_set(keel_gate *gate, const keel_plan *plan);

/* Async-signal-safe. */
void keel_gate_shut(keel_gate *gate);

/* The gate's bits, and the breaker's state word; UINT64_MAX: an operator holds it. */
static inline uint32_t keel_gate_look(const keel_gate *gate, uint64_t *state)
{
    uint32_t bits = atomic_load_explicit(&gate->bits, memory_order_acquire);

    *state = UINT64_MAX;
    if (bits & KEEL_GATE_BREAKER &&
        !atomic_load_explicit(&gate->breaker->lock, memory_order_relaxed))
        *state = atomic_load_explicit(&gate->breaker->state, memory_order_acquire);
    return bits;
}

static inline uint64_t keel_gate_now(const keel_clock *clock, uint32_t bits)
{
    return bits & KEEL_GATE_COARSE ? clock->now_coarse(clock->ctx)
                                   : clock->now(clock->ctx);
}

/* The limiter as it is now. */
static inline keel_rate keel_gate_rate(const keel_gate *gate)
{
    return (keel_rate){
        .words = gate->tokens,
        .interval_ns = atomic_load_explicit(&gate->interval_ns, memory_order_relaxed),
        .burst_ns = atomic_load_explicit(&gate->burst_ns, memory_order_relaxed)
    };
}

#endif
