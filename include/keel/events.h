/* SPDX-License-Identifier: MIT */
/*
 * What happened, told to a callback: outside locks, in order, by one thread at a time,
 * at the end of some keel function. A slow listener loses events, which are counted
 * (keel_pipeline_stats.events_lost); it never stalls another thread's call.
 */
#ifndef KEEL_EVENTS_H
#define KEEL_EVENTS_H

#include <keel/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum keel_event_type {
    KEEL_EVENT_TRANSITION = 1,    /* from, to, cause, generation */
    KEEL_EVENT_REJECTED = 2,      /* reason, duration_ns: retry after */
    KEEL_EVENT_RETRY = 3,         /* attempt that failed, status, duration_ns: wait */
    KEEL_EVENT_SLOW = 4,          /* duration_ns */
    KEEL_EVENT_LATE = 5,          /* status of an outcome that came too late to count */
    KEEL_EVENT_BUDGET = 6,        /* a retry was not made: the budget is spent */
    KEEL_EVENT_WOULD_TRIP = 7,    /* under an observe lock; cause */
    KEEL_EVENT_PERMIT_LEAKED = 8, /* a place older than ten deadlines */
    KEEL_EVENT_FALLBACK = 9,      /* status it stood in for */
    KEEL_EVENT_RELOADED = 10,
    KEEL_EVENT_LOCKED = 11, /* lock: what holds from now on, none included; cause */
    KEEL_EVENT_HEDGE = 12,  /* attempt: the copy's; duration_ns: since the first */
    KEEL_EVENT_ENDPOINT_TRANSITION = 13, /* endpoint: its breaker's from, to, cause */
    KEEL_EVENT_EJECTED = 14,  /* endpoint, cause, duration_ns: for how long */
    KEEL_EVENT_RESTORED = 15, /* endpoint: its ejection is over */
    KEEL_EVENT_PANIC = 16,    /* too few endpoints are healthy: all are used */
    KEEL_EVENT_CALM = 17,     /* no longer */
    KEEL_EVENT_HEALTH = 18    /* endpoint, status: KEEL_OK, or why it is unhealthy */
} keel_event_type;

/* Why a breaker changed its state. */
typedef enum keel_cause {
    KEEL_CAUSE_NONE = 0,
    KEEL_CAUSE_FAILURE_RATE = 1,
    KEEL_CAUSE_SLOW_RATE = 2,
    KEEL_CAUSE_CONSECUTIVE = 3,
    KEEL_CAUSE_OPEN_ELAPSED = 4, /* the open time is over: probes may pass */
    KEEL_CAUSE_PROBES_OK = 5,
    KEEL_CAUSE_PROBES_FAILED = 6,
    KEEL_CAUSE_HALF_OPEN_MAX_WAIT = 7,
    KEEL_CAUSE_OPERATOR = 8,
    KEEL_CAUSE_RESET = 9,
    KEEL_CAUSE_FLEET = 10,  /* the fleet's state; see keel-fleet(7) */
    KEEL_CAUSE_EXPIRED = 11 /* a lock's time is over */
} keel_cause;

/* "transition", "failure_rate", "half_open"; static; "?": keel does not know it. */
KEEL_API const char *keel_event_type_name(keel_event_type type);
KEEL_API const char *keel_cause_name(keel_cause cause);
KEEL_API const char *keel_breaker_state_name(keel_breaker_state state);
KEEL_API const char *keel_lock_name(keel_lock lock);

/* Fields that a type does not use are zero. Texts are valid inside the callback. */
typedef struct keel_event {
    size_t size;
    keel_event_type type;
    const char *pipeline;
    uint64_t at_ns;
    uint64_t sequence;
    keel_breaker_state from;
    keel_breaker_state to;
    keel_cause cause;
    keel_reason reason;
    keel_status status;
    uint32_t attempt;
    uint32_t generation;
    uint64_t duration_ns;
    keel_lock lock;
    const char *endpoint; /* "": of none, or it is gone from the settings */
} keel_event;

typedef void keel_event_fn(const keel_event *event, void *ctx);

/*
 * Sets the listener of a runtime; NULL removes it. When it returns, the old listener is
 * not running and will not be called again, unless it is the caller itself.
 */
KEEL_API keel_status keel_events_listen(keel_runtime *runtime, keel_event_fn *fn,
                                        void *ctx);

#ifdef __cplusplus
}
#endif
#endif
