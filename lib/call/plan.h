/* SPDX-License-Identifier: MIT */
/*
 * A plan: one pipeline's settings together with the places of its state on the board.
 * Immutable; a reload makes a new one and calls under way keep the one they began with.
 *
 * When a plan may be freed is known from counts that every call leaves on its thread's
 * stripe, begun and ended, in one of two phases. A retired plan waits for the phase
 * that rests to drain, then the phases swap roles, then it waits for the other one to
 * drain (the two waits of SRCU: a caller may have read the phase and not counted yet).
 * Nobody ever waits: the steps are taken in passing, by reloads, overrides and closes.
 */
#ifndef KEEL_CALL_PLAN_H
#define KEEL_CALL_PLAN_H

#include "board/board.h"
#include "policy/adaptive.h"
#include "policy/breaker.h"
#include "policy/budget.h"
#include "policy/bulkhead.h"
#include "policy/endpoint_choice.h"
#include "policy/endpoint_state.h"
#include "policy/fleet_tokens.h"
#include "policy/hedge.h"
#include "policy/rate.h"
#include "policy/throttle.h"

typedef struct keel_plan {
    keel_policy policy;
    keel_breaker breaker;
    keel_bulkhead bulkhead;
    keel_rate rate;
    keel_budget budget;
    keel_adaptive adaptive;
    keel_throttle throttle;
    keel_hedge_words *hedge;     /* NULL: off */
    keel_latency_words *latency; /* NULL: nobody asks for it */
    keel_endpoints *endpoints;   /* NULL: there are none */
    bool uses_coarse_clock;
    bool is_override; /* an operator's, for a time: see keel_plan_after_override */
    bool has_places;  /* a bulkhead, an adaptive limit, or both */
    bool is_simple;   /* no queue, chaos, throttle, hedge or per-call breaker, no
                         host's bulkhead, no fleet's limiter, no endpoints */
    bool needs_time;  /* to admit: for tokens, slow calls, how long attempts took, and
                         when places were taken */
    struct keel_plan *next_retired;
    const keel_allocator *memory;
    keel_board *shared;
    /* blocks that are given back with the plan, and to which board */
    void *lent[3];
    keel_board *lent_by[3];
    uint32_t lent_count;
} keel_plan;

/* What a plan is made from. */
typedef struct keel_plan_parts {
    const keel_allocator *memory;
    keel_board *board;  /* this process's own */
    keel_board *shared; /* what is shared goes here; NULL: nothing is */
    const char *name;
    const keel_stripes *stripes;
    keel_bulkhead_common *bulkhead;
    uint64_t tick_ns; /* the coarse clock's step; 0: there is none */
} keel_plan_parts;

/*
 * Finds or makes the state of a pipeline on the board.
 * NULL: no memory, or the board is full (*is_board_full)
 */
keel_plan *keel_plan_new(const keel_plan_parts *parts, const keel_policy *policy,
                         bool *is_board_full);
void keel_plan_free(keel_plan *plan);
void keel_plan_free_all(keel_plan **list);

/*
 * Makes the words on the board those of this plan, and carries over what a reload can
 * keep: the window, waiters, a half-open round. old may be NULL.
 */
void keel_plan_take_over(const keel_plan *plan, const keel_plan *old, uint64_t now);

/* 0: the adaptive limit is off. */
static inline uint64_t keel_plan_adaptive_limit(const keel_plan *plan)
{
    return plan->adaptive.words ? keel_adaptive_limit(&plan->adaptive) : 0;
}

/* The adaptive limit of the plan holds for the places of a pipeline that had the old. */
void keel_plan_adapt(const keel_plan *plan, const keel_plan *old);

#endif
