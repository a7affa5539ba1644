/* SPDX-License-Identifier: MIT */
/*
 * The call's state machine: what is inside a keel_call. Without I/O and without a clock
 * of its own; drivers tell it outcomes and the time. Used by the blocking loop, by
 * keel_call_poll, keel_run, lib/http and the simulator alike.
 */
#ifndef KEEL_CALL_MACHINE_H
#define KEEL_CALL_MACHINE_H

#include <keel/call.h>

#include "call/admission.h"
#include "policy/backoff.h"

typedef enum keel_phase {
    KEEL_PHASE_READY = 1, /* the next attempt asks for admission */
    KEEL_PHASE_ADMITTING, /* it waits for limiter or queue */
    KEEL_PHASE_BACKOFF,   /* between attempts, or until an open breaker lets probes pass
                           */
    KEEL_PHASE_CHAOS,     /* an injected latency passes */
    KEEL_PHASE_ATTEMPT,
    KEEL_PHASE_ENDED
} keel_phase;

/* Why a request may not be sent again. */
typedef enum keel_bar {
    KEEL_BAR_NOT_IDEMPOTENT = 0, /* nobody said that it may */
    KEEL_BAR_ANSWERED,  /* an answer had begun to arrive, and cannot be taken back */
    KEEL_BAR_BODY_READ, /* its body has been read, and cannot be read again */
    KEEL_BAR_MAY_BE_APPLIED /* and would be twice */
} keel_bar;

_Static_assert((int)KEEL_BAR_NOT_IDEMPOTENT == (int)KEEL_WARNED_NOT_IDEMPOTENT &&
                   (int)KEEL_BAR_ANSWERED == (int)KEEL_WARNED_ANSWERED &&
                   (int)KEEL_BAR_BODY_READ == (int)KEEL_WARNED_BODY_READ &&
                   (int)KEEL_BAR_MAY_BE_APPLIED == (int)KEEL_WARNED_MAY_BE_APPLIED,
               "a bar is warned of by its number");

#define KEEL_CALL_MAGIC 0x6b63616cu

typedef struct keel_machine_flags {
    bool is_idempotent : 1;
    bool is_live : 1;   /* not the simulator: no attempt with less than 1 ms left */
    bool is_plain : 1;  /* KEEL_DISABLED */
    bool is_nested : 1; /* itself part of a retry: one attempt */
    bool sleeps : 1;
    bool has_begun : 1;
    bool has_token : 1;
    bool token_is_throttled : 1;
    bool attempt_is_extra : 1;
    bool has_call_permit : 1;
    bool has_passed_throttle : 1;
    bool repeats_chaos : 1; /* what is injected may be repeated, whatever else may */
    bool never_waits_for_probes : 1;
    bool may_race : 1;        /* its driver can have several attempts open */
    bool is_hedged : 1;       /* wake_at may come before the attempt's own end */
    bool ends_as_another : 1; /* which has told policies all there is to tell */
    bool is_overdue : 1;      /* the outcome taken came after its attempt's time */
    bool has_own_url : 1;     /* its attempts go where that says, to no endpoint */
    unsigned bar : 2;         /* keel_bar, of a call that is not idempotent */
} keel_machine_flags;

typedef struct keel_machine {
    keel_pipeline *pipeline;
    const keel_plan *plan; /* NULL: a plain call, or one begun wrongly */
    keel_cancel *cancel;
    void (*wake)(void *ctx);
    void *wake_ctx;
    keel_fallback_fn *fallback;
    void *fallback_ctx;
    uint64_t planned_in; /* the process where it follows a plan; 0: none (any more) */
    keel_thread *thread; /* whose stripe this is */
    keel_stripe stripe;
    uint64_t began_at;    /* the first step's instant; nothing is timed before it */
    uint64_t deadline_at; /* KEEL_NEVER: none */
    union {
        uint64_t wake_at;       /* of a wait */
        const keel_plan *plain; /* of a plain call: for its endpoints; NULL: none */
    };
    union {
        uint64_t attempt_at;   /* of an attempt under way */
        uint64_t withdrawn_at; /* between two: of the budget's token in hand */
        /* of a plain call: the process in which it holds its plan, for the endpoints
         * alone; 0: it has none */
        uint64_t held_in;
    };
    uint64_t attempt_until;
    struct keel_race *race; /* race.h; NULL: no second attempt was sent */
    uint64_t retry_after_ns;
    keel_admission admission;
    keel_breaker_permit call_permit; /* breaker.per_call */
    keel_backoff_state backoff;
    uint32_t magic;
    uint32_t tries;    /* used up, refused ones of retry.on_local included */
    uint32_t attempts; /* that reached the transport */
    uint32_t most_tries;
    int system_errno;
    uint16_t status; /* the last real outcome; a rejection while there is none */
    uint8_t phase;   /* keel_phase */
    uint8_t reason;  /* keel_reason */
    uint8_t applied; /* keel_applied */
    uint8_t plan_phase;
    keel_machine_flags flags;
} keel_machine;

_Static_assert(sizeof(keel_machine) <= sizeof(keel_call),
               "keel_call is 256 bytes for good");
_Static_assert(sizeof(keel_call) == 256, "keel_call is 256 bytes for good");

static inline keel_machine *keel_machine_of(const keel_call *call)
{
    return (keel_machine *)(uintptr_t)call->keel_private;
}

static inline bool keel_machine_goes_to_endpoint(const keel_machine *m)
{
    return m->plan->endpoints && !m->flags.has_own_url;
}

/* The instant, as this call's plan reads it. */
static inline uint64_t keel_machine_now(const keel_machine *m)
{
    return keel_plan_now(m->pipeline, m->plan);
}

/*
 * What is waited for by the coarse clock ends up to a tick later by it than by the
 * precise one, and a sleep is precise; so an instant slept to has come.
 */
static inline uint64_t keel_machine_now_after(const keel_machine *m,
                                              uint64_t slept_until)
{
    const keel_clock *clock = &m->pipeline->runtime->clock;
    uint64_t now = keel_machine_now(m);

    return now < slept_until && clock->now(clock->ctx) >= slept_until ? slept_until
                                                                      : now;
}

/* The calling thread's stripe; a call mostly stays with one thread. */
static inline keel_stripe keel_machine_stripe(keel_machine *m)
{
    keel_thread *thread = keel_thread_self();

    if (m->thread != thread) {
        m->thread = thread;
        m->stripe = keel_stripe_mine(&m->pipeline->stripes);
    }
    return m->stripe;
}

/* A call that is under way in this very process, and has policies. */
static inline bool keel_machine_is_alive(const keel_machine *m)
{
    /* one begun wrongly may be all there is of keel: no runtime, no incarnation */
    return m->planned_in && m->planned_in == keel_process_incarnation();
}

/* To be called when a call has a plan with endpoints, for it to remember them. */
void keel_machine_need_endpoints(keel_machine *m);

/* A plain call of this process that knows its pipeline's endpoints. */
static inline bool keel_machine_holds_plainly(const keel_machine *m)
{
    return m->flags.is_plain && m->plain && m->held_in == keel_process_incarnation();
}

/* A call that has not begun. */
void keel_machine_clear(keel_machine *m, keel_pipeline *pipeline);

/* One step at an instant: what to do next. */
keel_step keel_machine_step(keel_machine *m, uint64_t now);

/* What the attempt was given when it began; KEEL_NEVER: no limit. */
static inline uint64_t keel_machine_allowance(const keel_machine *m)
{
    return m->attempt_until == KEEL_NEVER ? KEEL_NEVER
                                          : m->attempt_until - m->attempt_at;
}

/* How much of that may pass until it is connected; 0: no limit of its own. */
static inline uint64_t keel_machine_connect_ns(const keel_machine *m)
{
    return m->plan->policy.connect_timeout_ns;
}

/* When there is something to do next, unless somebody reports before. */
static inline uint64_t keel_machine_wakes_at(const keel_machine *m)
{
    return m->phase == KEEL_PHASE_ATTEMPT && !m->flags.is_hedged ? m->attempt_until
                                                                 : m->wake_at;
}

/* One attempt under way, the machine's own or a copy of it. */
typedef struct keel_attempt_ref {
    keel_admission *admission;
    keel_endpoint_pick *pick; /* NULL: it goes to no endpoint */
    uint64_t began_at;
    uint64_t until;
    uint32_t number;
    bool is_extra; /* drawn from the budget */
} keel_attempt_ref;

/* Ends an attempt: what policies learn from it. KEEL_CANCELLED: nothing, all goes back. */
void keel_machine_settle(keel_machine *m, const keel_attempt_ref *attempt,
                         keel_status status, uint64_t retry_after_ns, uint64_t now);

/* The same with an outcome, which may be late. Returns what it counts as. */
keel_status keel_machine_judge(keel_machine *m, const keel_attempt_ref *attempt,
                               const keel_outcome *outcome, uint64_t now);

/* An author's outcome, read whole; KEEL_E_ARGUMENT: nobody can read it. */
keel_outcome keel_outcome_read(const keel_outcome *given);

/* A number that is no status: something went wrong, that much is said. */
static inline keel_status keel_machine_known(keel_status status)
{
    return keel_status_is_known(status) ? status : KEEL_FAILED;
}

/* Ends the own attempt, whose time is over, whatever its driver does. */
void keel_machine_expire(keel_machine *m, uint64_t now);

/* Makes an outcome the call's, and what it counts as. */
void keel_machine_take(keel_machine *m, const keel_outcome *outcome,
                       keel_status counts_as);

/* Whether no retry could better it: an answer, or a word that ends the call. */
bool keel_machine_is_final(keel_status status);

/* Ends the call with the outcome taken, or decides on a retry. */
void keel_machine_decide(keel_machine *m, const keel_outcome *outcome,
                         keel_status counts_as, uint64_t now);

/* Ends the machine's own attempt with what came of it. */
void keel_machine_report(keel_machine *m, const keel_outcome *outcome, uint64_t now);

/*
 * For drivers that learn only from an attempt whether the request may be sent again:
 * said before each outcome. bar: why not.
 */
static inline void keel_machine_may_repeat(keel_machine *m, bool may, keel_bar bar)
{
    m->flags.is_idempotent = may;
    m->flags.bar = bar;
}

/* The same before there is an outcome: for failures that are injected. */
static inline void keel_machine_may_repeat_chaos(keel_machine *m)
{
    m->flags.repeats_chaos = true;
}

/* What is known of the effect of the attempt just reported, where that is all. */
static inline void keel_machine_say_applied(keel_machine *m, keel_applied applied)
{
    m->applied = (uint8_t)applied;
}

/*
 * Ends a call that has made no step with what came of an equal one; policies learn
 * nothing of it, its own fallback runs.
 */
void keel_machine_end_as(keel_machine *m, uint64_t began_at, keel_status status,
                         keel_reason reason, uint64_t retry_after_ns);

/*
 * An open breaker ends the call, also between two attempts: for drivers whose callers have
 * somewhere else to go.
 */
static inline void keel_machine_never_wait_for_probes(keel_machine *m)
{
    m->flags.never_waits_for_probes = true;
}

/*
 * An attempt that began, and that its driver cannot make after all: it counts for
 * nothing, and the outcome before it was the last.
 */
void keel_machine_take_back(keel_machine *m, keel_bar bar);

/*
 * Sleeps until wake_at, a grant or the cancel token. seen: the thread's word, read
 * before the step that answered WAIT.
 */
void keel_machine_sleep(keel_machine *m, uint32_t seen);

/* Gives up whatever is open, and ends the call if it was an attempt; nothing of it counts.
 */
void keel_machine_abandon(keel_machine *m, uint64_t now);

/* Ends the attempts under way alone; nothing of them counts. */
void keel_machine_drop_attempts(keel_machine *m, uint64_t now);

/* A live attempt with less time left cannot succeed; a simulated one can. */
static inline uint64_t keel_machine_least_ns(const keel_machine *m)
{
    return m->flags.is_live ? KEEL_MS : 0;
}

/* For the simulator: a wait that is a back-off, not one for limiter or queue. */
static inline bool keel_machine_backs_off(const keel_machine *m)
{
    return m->phase == KEEL_PHASE_BACKOFF;
}

/* call.c */

/*
 * keel_call_poll as of an instant, for a driver that has looked at what came by then: the
 * call ends no attempt whose time was not up. A plain one knows no time.
 */
keel_step keel_call_poll_at(keel_call *call, uint64_t now, uint32_t *attempt,
                            uint64_t *wake_at_ns);

/* retry.c */

/* After an outcome that is not ok: waits, or ends the call. */
void keel_retry_decide(keel_machine *m, const keel_outcome *outcome, bool timed_out,
                       uint64_t now);
/* After a local refusal: likewise. */
void keel_retry_refused(keel_machine *m, const keel_admission_answer *answer,
                        uint64_t now);
/* Ends the call for a reason; its status has been set. */
void keel_machine_finish(keel_machine *m, keel_reason reason, uint64_t now);

/* call_permit.c */

/* Before each attempt: the call's permit, where calls are judged. False: refused. */
bool keel_machine_take_permit(keel_machine *m, uint64_t now,
                              keel_admission_answer *answer);
/* The breaker learns what the call came to. */
void keel_machine_end_call_permit(keel_machine *m, uint64_t now);

/* The same where a permit is held; most calls hold none. */
static inline void keel_machine_end_permit(keel_machine *m, uint64_t now)
{
    if (m->flags.has_call_permit)
        keel_machine_end_call_permit(m, now);
}

/* chaos.c */

/* An attempt of the machine's own begins: whether it is hit, and then held. */
void keel_chaos_begin(keel_machine *m, uint64_t now);
/* In its phase: what was waited for has come. */
void keel_chaos_advance(keel_machine *m, uint64_t now);
/* The time of the attempt that is held is over: it is made, or answered. */
void keel_chaos_end(keel_machine *m, uint64_t now);
/* Whether the machine's own attempt is held, and so not yet made. */
bool keel_machine_is_held(const keel_machine *m);

/* Inside keel_call_end: fills the detail and says the status. */
keel_status keel_machine_conclude(keel_machine *m, keel_detail *why, uint64_t now);

#endif
