/* SPDX-License-Identifier: MIT */
/* The inside of a keel_pipeline. */
#ifndef KEEL_CALL_PIPELINE_H
#define KEEL_CALL_PIPELINE_H

#include "call/gate.h"
#include "call/plan.h"
#include "call/runtime.h"
#include "policy/found.h"
#include "policy/health_state.h"
#include "policy/history.h"
#include "policy/phases.h"

/* What an author is told once a pipeline, because it is his to mend. */
typedef enum keel_warned {
    KEEL_WARNED_NOT_IDEMPOTENT, /* and the other keel_bar, in their order */
    KEEL_WARNED_ANSWERED,
    KEEL_WARNED_BODY_READ,
    KEEL_WARNED_MAY_BE_APPLIED,
    KEEL_WARNED_OVERDUE,
    KEEL_WARNED_NOT_HEDGED,
    KEEL_WARNED_OWN_URL
} keel_warned;

/* Running totals; on the board, one block a pipeline. */
typedef struct keel_counters {
    _Atomic uint64_t ignored;
    _Atomic uint64_t late;
    _Atomic uint64_t retries;
    _Atomic uint64_t ended_twice;
    _Atomic uint64_t leaked;
    _Atomic uint64_t resends;   /* libcurl's own, see http/ */
    _Atomic uint64_t fallbacks; /* under way */
    uint64_t spare[1];
} keel_counters;

/* Of calls with endpoints or copies, kept for the next ones. */
enum { KEEL_SPARE_RACES = 16 };

/* Who counts together; permits pass gates by the words that this chooses. */
typedef struct keel_scopes {
    bool is_set;
    keel_scope share;
    keel_scope bulkhead;
    keel_scope rate;
} keel_scopes;

/*
 * Kept by the runtime until it closes, so that state and number outlive the handles.
 * runtime->pipelines_mu guards: handles, code, override_*, staged, retired, draining
 */
struct keel_pipeline {
    _Atomic(keel_plan *) plan; /* read by every call, written by reloads */
    _Atomic uint32_t phase;    /* 0 or 1: which counts new calls use */
    keel_gate gate;
    keel_stripes stripes;
    keel_counters *counters;
    keel_runtime *runtime;
    uint32_t number;
    _Atomic uint32_t handles; /* written under the lock, and read without it */
    char *name;
    char *code;
    char *override_text;
    uint64_t override_until;
    keel_plan *staged;   /* made, and not followed yet */
    keel_plan *retired;  /* wait for the resting phase to drain */
    keel_plan *draining; /* wait for the phase after the swap to drain */
    keel_bulkhead_common bulkhead;
    _Atomic(keel_notice *) notice;       /* keel_pipeline_notice; NULL: none so far */
    bool is_public;                      /* its notice is on the shared board, */
    uint32_t public_number;              /* as this block */
    keel_history *history;               /* there, too, if there was room; or NULL */
    _Atomic(keel_found *) found;         /* likewise, once a setting wants it */
    _Atomic uint64_t found_told;         /* when this process last told what it found */
    keel_scopes scopes;                  /* as they were when it was opened */
    _Atomic uint64_t lock_told;          /* the lock word that this process told last */
    _Atomic uint32_t warned;             /* bits of keel_warned */
    _Atomic(keel_health_words *) health; /* of its active check; NULL: none so far */
    _Atomic(void *) http;                /* lib/http's, freed by http_free */
    void (*_Atomic http_free)(void *http);
    _Atomic(void *) http_common; /* likewise: what its HTTP clients have in common */
    void (*_Atomic http_common_free)(void *common);
    _Atomic uint64_t coalesced;    /* requests that had another one's answer, */
    _Atomic uint64_t stale_served; /* and those that had one that was kept */
    _Atomic(void *) spare_races[KEEL_SPARE_RACES]; /* race.c's */
};

static inline void keel_plan_exit_at(keel_stripe stripe, uint32_t phase)
{
    keel_phase_exit(stripe, phase);
}

static inline const keel_plan *
keel_plan_enter_as_it_is(keel_pipeline *pipeline, keel_stripe stripe, uint32_t *phase)
{
    *phase = keel_phase_enter(stripe, &pipeline->phase);
    return atomic_load_explicit(&pipeline->plan, memory_order_acquire);
}

/* Lifts the override if its time is over; then the plan that follows it. */
const keel_plan *keel_plan_after_override(keel_pipeline *pipeline,
                                          const keel_plan *plan, keel_stripe stripe,
                                          uint32_t *phase);

/* Enters on the caller's stripe: the plan to follow until keel_plan_exit_at. */
static inline const keel_plan *keel_plan_enter_at(keel_pipeline *pipeline,
                                                  keel_stripe stripe, uint32_t *phase)
{
    const keel_plan *plan = keel_plan_enter_as_it_is(pipeline, stripe, phase);

    return KEEL_LIKELY(!plan->is_override)
               ? plan
               : keel_plan_after_override(pipeline, plan, stripe, phase);
}

static inline const keel_plan *keel_plan_enter(keel_pipeline *pipeline, uint32_t *phase)
{
    return keel_plan_enter_at(pipeline, keel_stripe_mine(&pipeline->stripes), phase);
}

static inline void keel_plan_exit(keel_pipeline *pipeline, uint32_t phase)
{
    keel_plan_exit_at(keel_stripe_mine(&pipeline->stripes), phase);
}

/* One more stay in the phase of a call that is still under way. */
static inline void keel_plan_hold(keel_pipeline *pipeline, uint32_t phase)
{
    keel_stripe_add(keel_stripe_mine(&pipeline->stripes), KEEL_STRIPE_BEGUN + phase, 1);
}

/* A refusal for the last minute that others see; see history.h. */
void keel_pipeline_note_refused(keel_pipeline *pipeline, uint64_t now);

static inline void keel_count_rejected(keel_pipeline *pipeline, keel_stripe stripe,
                                       uint64_t now)
{
    keel_stripe_add(stripe, KEEL_STRIPE_REJECTED, 1);
    if (pipeline->history)
        keel_pipeline_note_refused(pipeline, now);
}

/* The instant by the clock this plan goes by. */
static inline uint64_t keel_plan_now(const keel_pipeline *pipeline,
                                     const keel_plan *plan)
{
    const keel_clock *clock = &pipeline->runtime->clock;

    return plan->uses_coarse_clock ? clock->now_coarse(clock->ctx)
                                   : clock->now(clock->ctx);
}

/*
 * Whether a breaker that is open refuses without more ado; then the refusal is counted.
 * In an outage this is every call.
 */
static inline bool keel_gate_refuses(keel_pipeline *pipeline, uint32_t gate_bits,
                                     uint64_t state, uint64_t *retry_after_ns)
{
    uint64_t until = keel_breaker_words_due(pipeline->gate.breaker, state);
    uint64_t now = keel_gate_now(&pipeline->runtime->clock, gate_bits);

    if (now >= until ||
        atomic_load_explicit(&pipeline->runtime->watchers, memory_order_relaxed))
        return false;
    *retry_after_ns = until - now;
    keel_count_rejected(pipeline, keel_stripe_mine(&pipeline->stripes), now);
    return true;
}

static inline void keel_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/*
 * Resolves the settings anew and makes a plan of them, which is then followed or dropped:
 * following cannot fail, so that of several pipelines all follow or none.
 */
keel_status keel_pipeline_stage_locked(keel_pipeline *pipeline, keel_detail *why);
void keel_pipeline_follow_locked(keel_pipeline *pipeline);
void keel_pipeline_drop_locked(keel_pipeline *pipeline);
/* Both steps at once. */
keel_status keel_pipeline_replan_locked(keel_pipeline *pipeline, keel_detail *why);

/* One look: whatever old plans can be freed now are. */
void keel_pipeline_free_drained_locked(keel_pipeline *pipeline);

/*
 * What a call or permit does for all when it ends: reloads if somebody asked for it, tells
 * the listener. Cheap where there is nothing.
 */
void keel_pipeline_look_after(keel_pipeline *pipeline);

/* The second's sample of a breaker that others can look at; cheap once it is taken. */
static inline void keel_pipeline_sample(const keel_pipeline *pipeline,
                                        const keel_plan *plan, uint64_t now)
{
    if (pipeline->history && keel_history_is_due(pipeline->history, now))
        keel_history_take(pipeline->history, &plan->breaker, now);
}

/* Tells what this process has found out for itself, once a second; cheap in between, and
 * where nobody can look. */
void keel_pipeline_tell_found_now(const keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now);

static inline void keel_pipeline_tell_found(keel_pipeline *pipeline,
                                            const keel_plan *plan, uint64_t now)
{
    uint64_t told = atomic_load_explicit(&pipeline->found_told, memory_order_relaxed);

    /* acquire, with the release of who has placed it: it is read where it is */
    if (atomic_load_explicit(&pipeline->found, memory_order_acquire) &&
        now - told >= KEEL_FOUND_EVERY_NS &&
        atomic_compare_exchange_strong_explicit(&pipeline->found_told, &told, now,
                                                memory_order_relaxed,
                                                memory_order_relaxed))
        keel_pipeline_tell_found_now(pipeline, plan, now);
}

/* Something happened that the fleet is to hear at once, if there is one. */
void keel_pipeline_news(const keel_pipeline *pipeline, const keel_plan *plan);

/* A call found nothing lent by the fleet; the first one to say so wakes the relay. */
void keel_pipeline_wants(const keel_pipeline *pipeline, _Atomic uint64_t *wanted);

/* events of a pipeline; all cheap where nobody listens */
void keel_pipeline_tell(keel_pipeline *pipeline, keel_event_record record,
                        uint64_t now);
void keel_pipeline_tell_changes(keel_pipeline *pipeline, const keel_changes *changes,
                                uint64_t now);

/* To others than this process. lock: whose note says who and why; 0: there is none */
void keel_pipeline_note(const keel_pipeline *pipeline, const keel_event_record *record,
                        uint64_t lock);

/*
 * An operator's lock, and what is told of it: each change once, by each process that
 * comes to stand under it, or no longer, to its log and its listener; by whoever makes
 * it, or sees first that its time is over, to the board. locked.c
 */

/* The lock that stands, and what its note says. */
uint64_t keel_pipeline_lock_read(const keel_pipeline *pipeline, const keel_plan *plan,
                                 uint64_t now, keel_note *note);

/* This process has set it, and this is its word; 0: has lifted it. */
void keel_pipeline_locked(keel_pipeline *pipeline, const keel_plan *plan, uint64_t word,
                          uint64_t now);

/* Looks at it, whatever plan there is. */
void keel_pipeline_look_at_lock(keel_pipeline *pipeline);

void keel_pipeline_see_lock_anew(keel_pipeline *pipeline, const keel_plan *plan,
                                 uint64_t now);

/* In passing; cheap where it is as it was told. */
static inline void keel_pipeline_see_lock(keel_pipeline *pipeline,
                                          const keel_plan *plan, uint64_t now)
{
    uint64_t word;

    if (!plan->policy.breaker)
        return;
    word = atomic_load_explicit(&plan->breaker.words->lock, memory_order_relaxed);
    if (word != atomic_load_explicit(&pipeline->lock_told, memory_order_relaxed) ||
        keel_lock_is_over(word, now))
        keel_pipeline_see_lock_anew(pipeline, plan, now);
}

void keel_pipeline_warn_once(keel_pipeline *pipeline, keel_warned what);

/* After a refusal for want of a place: a place that is far older than any call may last
 * will not come back, which is told once. */
void keel_pipeline_look_for_leaks(keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now);

/*
 * Where it is told to others what becomes of a pipeline: on the shared board from when
 * it is opened (published), on a private one once somebody wants it. NULL: the board is
 * full. Any thread.
 */
keel_notice *keel_pipeline_notice(keel_pipeline *pipeline);
void keel_pipeline_publish_locked(keel_pipeline *pipeline);
/* The limits of its settings, for those who look; nothing unless it is public. */
void keel_pipeline_publish_limits_locked(keel_pipeline *pipeline);

/* Frees a pipeline; for keel_close. */
void keel_pipeline_destroy(keel_pipeline *pipeline);

#endif
