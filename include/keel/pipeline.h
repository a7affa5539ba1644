/* SPDX-License-Identifier: MIT */
/*
 * A pipeline: the policies in front of one named dependency. Everything here is safe
 * from any number of threads unless it says otherwise.
 */
#ifndef KEEL_PIPELINE_H
#define KEEL_PIPELINE_H

#include <keel/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct keel_pipeline keel_pipeline;

/*
 * Opens the pipeline of a dependency.
 *
 * out       receives the pipeline; NULL on failure; closed with keel_pipeline_close
 * runtime   borrowed; must outlive the pipeline
 * name      "[a-z][a-z0-9]*([-._][a-z0-9]+)*", at most 64 bytes; KEEL_<NAME> in the
 *           environment overrides settings. A name opened twice gives a second handle
 *           on the same state; settings that differ from the first are a warning
 * settings  the author's own defaults and fences, keel-settings(5); NULL or "": none
 * Returns   KEEL_OK; wrong settings are warnings, see keel_runtime_warning
 *           KEEL_E_CONFIG    the name is not valid or folds to the variable of another
 *                            one; or KEEL_STRICT=on and a setting is wrong
 *           KEEL_E_ARGUMENT  out, runtime or name is NULL
 *           KEEL_E_NOMEM, KEEL_E_LIMIT (the board is full)
 * Threads   any; the first one whose settings name an active check starts a thread,
 *           keel-health(7)
 */
KEEL_API KEEL_MUST_USE keel_status keel_pipeline_open(keel_pipeline **out,
                                                      keel_runtime *runtime,
                                                      const char *name,
                                                      const char *settings,
                                                      keel_detail *why);

/* Gives a handle back; its state stays on the board for the next open. NULL is fine. */
KEEL_API void keel_pipeline_close(keel_pipeline *pipeline);

/* The name it was opened with; lives as long as the pipeline. */
KEEL_API const char *keel_pipeline_name(const keel_pipeline *pipeline);

typedef enum keel_breaker_state {
    KEEL_BREAKER_CLOSED = 0,
    KEEL_BREAKER_OPEN = 1,
    KEEL_BREAKER_HALF_OPEN = 2
} keel_breaker_state;

/*
 * An operator's override; the breaker's own state is kept underneath.
 *   OPEN      refuse everything
 *   CLOSED    admit everything, record, never trip
 *   DISABLED  admit everything, record nothing
 *   OBSERVE   admit everything, record, and say when it would have tripped
 * They record only while the state underneath is closed. What CLOSED and OBSERVE have
 * recorded counts once they are lifted: the next outcome may open the breaker, so call
 * keel_pipeline_reset first where that is not wanted. Where the breakers of all endpoints
 * refuse, CLOSED, DISABLED and OBSERVE let calls through to them, too.
 */
typedef enum keel_lock {
    KEEL_LOCK_NONE = 0,
    KEEL_LOCK_OPEN = 1,
    KEEL_LOCK_CLOSED = 2,
    KEEL_LOCK_DISABLED = 3,
    KEEL_LOCK_OBSERVE = 4
} keel_lock;

/*
 * Whatever held before does no longer. Where the breaker is shared, it is locked for all
 * who share it.
 * for_ns: how long; 0: until lifted. KEEL_E_STATE: the breaker is off.
 */
KEEL_API keel_status keel_pipeline_lock(keel_pipeline *pipeline, keel_lock lock,
                                        uint64_t for_ns);

/* Lifts any lock. KEEL_OK also when there was none. */
KEEL_API keel_status keel_pipeline_unlock(keel_pipeline *pipeline);

/*
 * A lock as it stands.
 *
 * version        changes with every lock; 0: none was ever set, or it is none
 * left_ns        until it ends; 0: it ends when it is lifted
 * actor, reason  of who set it with keel_pipeline_lock_as; else empty
 * set_s          when, in seconds since 1970
 */
typedef struct keel_lock_state {
    size_t size;
    keel_lock lock;
    uint64_t version;
    uint64_t left_ns;
    uint64_t set_s;
    char actor[48];
    char reason[184];
} keel_lock_state;

/* KEEL_OK; KEEL_E_STATE: the breaker is off; KEEL_E_ARGUMENT: NULL, or size 0. */
KEEL_API keel_status keel_pipeline_lock_look(keel_pipeline *pipeline,
                                             keel_lock_state *state);

/*
 * Who locks, and on what he builds: another lock than the one he has seen is not
 * overwritten unseen.
 *
 * for_ns   0: until lifted
 * actor, reason  kept with the lock, cut to the sizes above; NULL: none
 * version  of the lock that was seen; 0: there was none
 * any_version    take the place of whatever stands
 */
typedef struct keel_lock_options {
    size_t size;
    uint64_t for_ns;
    const char *actor;
    const char *reason;
    uint64_t version;
    bool any_version;
} keel_lock_options;

/*
 * Locks, or with KEEL_LOCK_NONE unlocks, by compare-and-set.
 * Returns  KEEL_OK
 *          KEEL_E_CONFLICT  another lock stands; nothing changed, why says whose it is
 *          KEEL_E_STATE     the breaker is off
 *          KEEL_E_LIMIT     no room on the board for who and why
 *          KEEL_E_ARGUMENT
 */
KEEL_API keel_status keel_pipeline_lock_as(keel_pipeline *pipeline, keel_lock lock,
                                           const keel_lock_options *options,
                                           keel_detail *why);

/*
 * Closed, empty window, back-off forgotten; those of all endpoints, too, with a breaker or
 * without: none is ejected any more, or starts slowly.
 * KEEL_E_STATE: the breaker is off, and there are no endpoints.
 */
KEEL_API keel_status keel_pipeline_reset(keel_pipeline *pipeline);

/*
 * Puts the breaker in a state as if it had got there by itself. for_ns: the length of
 * this open period, 0: the one the settings give.
 * Returns  KEEL_OK; KEEL_E_STATE: half-open can only follow open, or the breaker is off
 */
KEEL_API keel_status keel_pipeline_transition(keel_pipeline *pipeline,
                                              keel_breaker_state state,
                                              uint64_t for_ns);

/*
 * Puts settings above all others for a while ("timeout=300ms; retry.attempts=1").
 * for_ns must not be 0: an override always ends. settings NULL or "" lifts it now.
 * Whoever comes first after its time ends it; no call begins under it later than that.
 * Returns  KEEL_OK; KEEL_E_CONFIG: nothing changed, why names the place;
 *          KEEL_E_ARGUMENT, KEEL_E_NOMEM, KEEL_E_LIMIT: nothing changed
 */
KEEL_API keel_status keel_pipeline_override(keel_pipeline *pipeline,
                                            const char *settings, uint64_t for_ns,
                                            keel_detail *why);

/* What active checks have found, keel-health(7). */
typedef enum keel_check_state {
    KEEL_CHECK_UNKNOWN = 0, /* there is none, or too few answers have come */
    KEEL_CHECK_HEALTHY = 1,
    KEEL_CHECK_UNHEALTHY = 2
} keel_check_state;

/*
 * A look at a pipeline. Filled by keel_pipeline_look, which never writes past size.
 * Counters run since the pipeline was first opened in this process.
 *
 * breaker_on      false: the breaker's figures are zero
 * state, lock, generation          at this instant
 * calls, failures, slow            the window that counts now: live buckets when closed
 *                                  or open, the round's probes when half-open
 * permits                          what half-open still has to give
 * open_left_ns                     until probes are let through; 0 when not open
 * in_flight, queued                places taken of bulkhead or adaptive limit, callers
 *                                  waiting
 * ignored_total, late_results, rejected_total, retries_total, permits_ended_twice
 *                                  running totals
 * permits_leaked                   the most places seen at once that were held for
 *                                  longer than ten deadlines
 * events_lost                      events that found the ring full (of the runtime)
 * board_bytes                      what the pipeline takes of the board
 * resends_total                    requests that libcurl sent again by itself
 * hedges_total, hedges_won_total   copies sent of slow calls, and those that answered
 *                                  first
 * adaptive_limit                   attempts that may be under way by the adaptive limit;
 *                                  0: it is off
 * throttle_chance                  that the next call is refused by the throttle, 0 to
 *                                  0.9
 * check                            what active checks have found; of endpoints, which are
 *                                  checked each by itself: UNHEALTHY when all are, else
 *                                  UNKNOWN
 * coalesced_total                  requests that were given another one's answer
 * stale_served_total               requests that were given an answer kept for outages
 * ramp_left_ns                     until all calls pass again after probes have closed
 *                                  it (breaker.ramp_up); 0 when it does not ramp
 */
typedef struct keel_pipeline_stats {
    size_t size;
    bool breaker_on;
    keel_breaker_state state;
    keel_lock lock;
    uint32_t generation;
    uint64_t calls;
    uint64_t failures;
    uint64_t slow;
    uint32_t permits;
    uint64_t open_left_ns;
    uint64_t in_flight;
    uint64_t queued;
    uint64_t ignored_total;
    uint64_t late_results;
    uint64_t rejected_total;
    uint64_t retries_total;
    uint64_t permits_ended_twice;
    uint64_t permits_leaked;
    uint64_t events_lost;
    uint64_t board_bytes;
    uint64_t resends_total;
    uint64_t hedges_total;
    uint64_t hedges_won_total;
    uint64_t adaptive_limit;
    double throttle_chance;
    keel_check_state check;
    uint64_t coalesced_total;
    uint64_t stale_served_total;
    uint64_t ramp_left_ns;
} keel_pipeline_stats;

/* KEEL_OK; KEEL_E_ARGUMENT: NULL, or size 0. A pure look: changes no state. */
KEEL_API keel_status keel_pipeline_look(keel_pipeline *pipeline,
                                        keel_pipeline_stats *stats);

/*
 * A look at one endpoint of a pipeline, keel-endpoints(7). Filled by
 * keel_pipeline_endpoint_look, which never writes past size. Texts are copies.
 *
 * tier, weight    as in the settings; weight_now: in force, less while it starts slowly
 * breaker_on      false: state, generation and open_left_ns are zero
 * open_left_ns    until probes are let through; 0 when not open
 * healthy         false: an active check says that it is ill
 * ejected_left_ns until its ejection ends; 0: it is not ejected
 * ejections       by how many times longer the next ejection will be, less one
 * in_flight       attempts of this process under way
 * successes, failures  in its breaker's window; without a breaker since the endpoints
 *                 were last compared (eject.interval)
 * panic           too few endpoints of the pipeline are healthy: all are used
 */
typedef struct keel_endpoint_stats {
    size_t size;
    uint32_t index;
    uint32_t tier;
    uint32_t weight;
    double weight_now;
    bool breaker_on;
    keel_breaker_state state;
    uint32_t generation;
    uint64_t open_left_ns;
    bool healthy;
    bool panic;
    uint32_t ejections;
    uint64_t ejected_left_ns;
    uint64_t in_flight;
    uint64_t successes;
    uint64_t failures;
    char zone[64];
    char name[256];
    char url[1024];
} keel_endpoint_stats;

/*
 * Looks at the endpoint of an index, from 0 in the order of the list; changes no state.
 *
 * stats    size set by the caller; untouched unless KEEL_OK
 * Returns  KEEL_OK
 *          KEEL_E_STATE     there are not so many endpoints, or none at all
 *          KEEL_E_ARGUMENT  NULL, or size 0
 */
KEEL_API keel_status keel_pipeline_endpoint_look(keel_pipeline *pipeline,
                                                 uint32_t index,
                                                 keel_endpoint_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
