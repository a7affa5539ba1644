/* SPDX-License-Identifier: MIT */
/*
 * A call: one logical use of a pipeline, with a deadline. It is a state machine without
 * I/O; the loop below, keel_run, an event loop and the libcurl wrapper drive it.
 *
 *     keel_call call;
 *
 *     keel_call_begin(&call, payments, NULL);
 *     while (keel_call_next(&call)) {
 *         int rc = charge(card, keel_call_timeout_ms(&call));
 *         keel_call_report(&call, rc == 0 ? KEEL_OK : KEEL_FAILED);
 *     }
 *     status = keel_call_end(&call, &why);
 *
 * A call belongs to one thread at a time. Nothing here allocates.
 */
#ifndef KEEL_CALL_H
#define KEEL_CALL_H

#include <keel/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 256 bytes for good; what is inside is keel's. */
typedef struct keel_call {
    uint64_t keel_private[32];
} keel_call;

/*
 * A cancel token: owned by the caller, may outlive any call, may serve several calls.
 * All zero is a token that has not fired.
 */
typedef struct keel_cancel {
    uint32_t keel_private[2];
} keel_cancel;

#define KEEL_CANCEL_INIT                                                               \
    {                                                                                  \
        {                                                                              \
            0, 0                                                                       \
        }                                                                              \
    }

/* Fires the token, once or often, from any thread: every wait of keel's on it ends. */
KEEL_API void keel_cancel_fire(keel_cancel *cancel);
KEEL_API bool keel_cancel_fired(const keel_cancel *cancel);

/*
 * Stands in for a call that was rejected or failed; never after a client error or a
 * cancel. Runs on the caller's thread, once, within the deadline left, at most ten at
 * once per pipeline. What it returns is what the call returns; detail->fallback says
 * so, and detail->code and text keep those of the failure it stood in for.
 */
typedef keel_status keel_fallback_fn(const keel_detail *detail, void *ctx);

/*
 * Options of a call. size first; every zero means the default.
 *
 * deadline_at_ns  an instant of the runtime's clock (keel_now); 0: the pipeline's own;
 *                 the earlier of the two holds
 * idempotent      the operation may be repeated. Without it only an attempt that
 *                 provably never left is retried
 * cancel          borrowed until keel_call_end
 * wake, wake_ctx  for polled calls that queue: called once, outside locks, by the
 *                 thread that frees the place; that may be a moment after keel_call_end
 *                 has returned, so wake_ctx must outlive the call
 * attempt         the attempt number of the caller's own request (1: its first). Above
 *                 1 this call makes one attempt: nested retries multiply
 * fallback, fallback_ctx
 *                 what stands in for a call that was rejected or failed; NULL: nothing
 * affinity        with endpoints.choice=sticky: calls of the same number, not 0, go to
 *                 the same endpoint while it is healthy (a hash of the user, the key)
 */
typedef struct keel_call_options {
    size_t size;
    uint64_t deadline_at_ns;
    bool idempotent;
    keel_cancel *cancel;
    void (*wake)(void *ctx);
    void *wake_ctx;
    uint32_t attempt;
    keel_fallback_fn *fallback;
    void *fallback_ctx;
    uint64_t affinity;
} keel_call_options;

/*
 * What came of an attempt. size first; with size 0 the call ends, KEEL_E_ARGUMENT.
 *
 * status          KEEL_OK, KEEL_FAILED, KEEL_THROTTLED, KEEL_IGNORED (neutral),
 *                 KEEL_CLIENT_ERROR (permanent; proves the peer alive), KEEL_TIMEOUT,
 *                 KEEL_UNKNOWN (a write that may have happened; counts as failed),
 *                 KEEL_CANCELLED (neutral; ends the call); KEEL_REJECTED_* and KEEL_E_*
 *                 of another pipeline that the attempt used are neutral and handed on.
 *                 A number that is none of these counts as KEEL_FAILED
 * retry_after_ns  the server's wish; 0: none; UINT64_MAX: never retry
 * never_sent      the request provably never left: may be retried in any case
 * system_errno    for the detail
 * applied         what is known of the request's effect
 */
typedef struct keel_outcome {
    size_t size;
    keel_status status;
    uint64_t retry_after_ns;
    bool never_sent;
    int system_errno;
    keel_applied applied;
} keel_outcome;

/*
 * Begins a call. Never fails: what is wrong (a NULL pipeline, options from a newer
 * keel) comes out of keel_call_end, with no attempt made.
 *
 * call     the caller's memory, needs no initialisation; ended with keel_call_end
 * options  borrowed for this function; NULL: defaults
 */
KEEL_API void keel_call_begin(keel_call *call, keel_pipeline *pipeline,
                              const keel_call_options *options);

/*
 * Admits the next attempt, sleeping what back-off, limiter and bulkhead ask for.
 * Returns  true: make one attempt, then report it; false: it is over, call
 * keel_call_end. An attempt not reported before the next keel_call_next counts as
 * abandoned (neutral).
 */
KEEL_API KEEL_MUST_USE bool keel_call_next(keel_call *call);

typedef enum keel_step {
    KEEL_STEP_ATTEMPT = 1, /* make the attempt whose number *attempt says */
    KEEL_STEP_WAIT = 2,    /* come back at *wake_at_ns, or when wake is called */
    KEEL_STEP_ENDED = 3    /* call keel_call_end */
} keel_step;

/*
 * The same without sleeping, for event loops: says what to do now. While an attempt is
 * open it answers WAIT until the attempt's timeout, and having reached it, ends the
 * attempt as timed out and goes on. See keel-eventloop(7).
 *
 * With the setting `hedge` it may answer ATTEMPT again, for a copy of an idempotent call,
 * while the first is still open. Each is reported by its number. Whenever it has
 * answered, attempts that keel_call_attempt_is_open denies are no longer wanted; after
 * ENDED none is.
 *
 * attempt     out, may be NULL: number of the attempt to make, from 1
 * wake_at_ns  out, may be NULL: when to come back at the latest
 */
KEEL_API KEEL_MUST_USE keel_step keel_call_poll(keel_call *call, uint32_t *attempt,
                                                uint64_t *wake_at_ns);

/* What the latest attempt may take: the attempt timeout clamped to the deadline left. */
KEEL_API uint64_t keel_call_timeout_ns(const keel_call *call);
/* The same in milliseconds, rounded up, at least 1; INT32_MAX: no limit. */
KEEL_API int keel_call_timeout_ms(const keel_call *call);
/*
 * Where an attempt goes, of a pipeline with endpoints (keel-endpoints(7)).
 * index           its place in the list, from 0
 * url, name, zone  of the setting, zone "" where it has none; valid until keel_call_end
 */
typedef struct keel_endpoint {
    size_t size;
    uint32_t index;
    const char *url;
    const char *name;
    const char *zone;
} keel_endpoint;

/*
 * The endpoint that was chosen for an attempt: for one under way, or the latest.
 *
 * attempt  0: the latest
 * out      size set by the caller; untouched unless KEEL_OK
 * Returns  KEEL_OK
 *          KEEL_E_STATE     no such attempt, or the pipeline has no endpoints
 *          KEEL_E_ARGUMENT  NULL, or size 0
 */
KEEL_API keel_status keel_call_endpoint(const keel_call *call, uint32_t attempt,
                                        keel_endpoint *out);

/*
 * Whether an attempt is still wanted. False: it was reported, timed out, lost to a copy,
 * or was never made: what works on it may stop.
 */
KEEL_API bool keel_call_attempt_is_open(const keel_call *call, uint32_t attempt);

/* The number of the latest attempt, from 1; 0: none was made. */
KEEL_API uint32_t keel_call_attempt(const keel_call *call);

/*
 * Reports what came of the attempt. keel_call_report(call, status) is short for an
 * outcome with that status alone. With attempt = 0 the latest one open is meant; a report
 * on an attempt that is over already (timed out, abandoned) changes nothing but
 * late_results, and KEEL_CANCELLED, as of a copy that lost, not even that. A report later
 * than the attempt's timeout counts as timed out; KEEL_OK and KEEL_CLIENT_ERROR are
 * returned all the same, and the log says so once.
 */
KEEL_API void keel_call_report(keel_call *call, keel_status status);
KEEL_API void keel_call_report_attempt(keel_call *call, uint32_t attempt,
                                       const keel_outcome *outcome);

/*
 * Ends a call; not optional, and legal at any moment: what is still open ends as
 * abandoned.
 *
 * why      out, may be NULL: reason, attempts, elapsed, …
 * Returns  the last real outcome; what the fallback returned, if it ran
 *          KEEL_REJECTED_*  no attempt was made
 *          KEEL_CANCELLED   the token has ended the call
 *          KEEL_E_ARGUMENT  it was begun wrongly, or an outcome of size 0 was reported
 *          KEEL_E_STATE     it was not begun, or has ended before
 */
KEEL_API keel_status keel_call_end(keel_call *call, keel_detail *why);

#if defined(__GNUC__)
/* KEEL_CALL_SCOPED keel_call call = { { 0 } }; ends it when the scope is left. */
#define KEEL_CALL_SCOPED __attribute__((cleanup(keel_call_cleanup)))
#endif
/* For KEEL_CALL_SCOPED: ends the call unless it was ended. Zeroed memory is fine. */
KEEL_API void keel_call_cleanup(keel_call *call);

/* The runtime's precise clock, for deadlines: keel_now(rt) + 2 s. 0 for NULL. */
KEEL_API uint64_t keel_now(keel_runtime *runtime);

/* ---- the same loop around a callback ------------------------------------------- */

/*
 * One attempt of keel_run.
 * number      from 1
 * timeout_ns  what it may take; UINT64_MAX: no limit
 * cancel      fires when the attempt is no longer wanted; NULL: none
 * own         the attempt's own memory, see keel_run_options; NULL: it has none
 * endpoint    where it is to go, alive until fn returns; NULL: the pipeline has none
 */
typedef struct keel_attempt {
    size_t size;
    uint32_t number;
    uint64_t timeout_ns;
    keel_cancel *cancel;
    void *own;
    const keel_endpoint *endpoint;
} keel_attempt;

/*
 * Makes one attempt and returns its status as for keel_call_report. outcome, whose size
 * keel has set, may say more; a status there, other than KEEL_OK, wins.
 */
typedef keel_status keel_run_fn(const keel_attempt *attempt, keel_outcome *outcome,
                                void *ctx);

/*
 * Options of keel_run. size first.
 *
 * call     as for keel_call_begin, borrowed for the run; NULL: defaults
 * detach   fn cannot be interrupted: it runs on a worker thread, the caller leaves at
 *          the attempt's timeout, and the place in the bulkhead stays taken until fn
 *          truly returns. ctx must stay alive until then: released says when
 * released called once with ctx when keel is done with it (detach and concurrent): by
 *          the caller's thread, or by the worker when it returns after the caller has
 *          left; not at all where keel_run returns KEEL_E_ARGUMENT for its own arguments
 * concurrent  the same as detach, and fn may run several times at once: with the setting
 *          `hedge` a second copy of a slow idempotent call is sent, and the first to
 *          answer wins. Whatever fn changes that ctx leads to, it changes beside others:
 *          results belong into the attempt's own memory
 * own_size bytes, zeroed and aligned as malloc does, that each attempt has for itself
 *          (attempt->own); 0: none
 * adopt    called at most once, in the caller's thread and before keel_run returns, with
 *          the own memory of the attempt that answered, be it KEEL_OK, KEEL_IGNORED or
 *          KEEL_CLIENT_ERROR: takes the result over
 * discard  called once with that of every other attempt when its fn has returned, in the
 *          caller's thread or the worker's: frees what it holds. The memory itself is
 *          keel's, and is gone after either call
 */
typedef struct keel_run_options {
    size_t size;
    const keel_call_options *call;
    bool detach;
    void (*released)(void *ctx);
    bool concurrent;
    size_t own_size;
    void (*adopt)(void *own, void *ctx);
    void (*discard)(void *own, void *ctx);
} keel_run_options;

/*
 * Runs fn under the pipeline: admitted, timed, retried.
 *
 * Returns  what keel_call_end does
 *          KEEL_E_ARGUMENT  pipeline or fn is NULL, or options this keel does not know
 *          KEEL_E_NOMEM, KEEL_E_SYSTEM  there is no worker for the first attempt, or no
 *                           memory for what is an attempt's own
 */
KEEL_API keel_status keel_run(keel_pipeline *pipeline, keel_run_fn *fn, void *ctx,
                              const keel_run_options *options, keel_detail *why);

/* ---- permits alone: throttle, limiter, breaker, bulkhead; no retry or deadline -- */

typedef struct keel_permit {
    uint64_t keel_private[12];
} keel_permit;

/*
 * Asks whether a call may be made now; never waits.
 *
 * In the half-open state at most breaker.half_open_permits callers are let through at
 * once; each must end its permit, or its place stays taken until its lease has passed.
 *
 * permit          filled in on KEEL_OK; ended exactly once with keel_permit_end
 * retry_after_ns  out, may be NULL: how long to stay away; 0: not known
 * Returns  KEEL_OK, KEEL_REJECTED_*, KEEL_E_ARGUMENT
 */
KEEL_API KEEL_MUST_USE keel_status keel_permit_take(keel_pipeline *pipeline,
                                                    keel_permit *permit,
                                                    uint64_t *retry_after_ns);

/*
 * The same, waiting where the settings let it: for the limiter up to rate.wait, for a
 * place in the bulkhead with bulkhead.queue and up to bulkhead.wait. These are 0 unless
 * set, and then it refuses at once. Not beyond until_at_ns, nor once cancel has fired,
 * and never for an open breaker.
 */
KEEL_API KEEL_MUST_USE keel_status keel_permit_wait(keel_pipeline *pipeline,
                                                    keel_permit *permit,
                                                    uint64_t until_at_ns,
                                                    keel_cancel *cancel,
                                                    uint64_t *retry_after_ns);

/*
 * Ends a permit with what came of the call. KEEL_CANCELLED gives it back unused: a
 * probe goes back, a rate token too if it is the newest. A second end of the same
 * permit is counted and changes nothing.
 */
KEEL_API void keel_permit_end(keel_permit *permit, keel_status status);
KEEL_API void keel_permit_end_outcome(keel_permit *permit, const keel_outcome *outcome);

#ifdef __cplusplus
}
#endif
#endif
