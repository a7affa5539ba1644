/* SPDX-License-Identifier: MIT */
/*
 * What can be seen of a service's pipelines from outside, whoever has said it: a board,
 * or another store of the same state. Copies, all of them; texts are fit to be shown.
 */
#ifndef KEEL_OPS_VIEW_H
#define KEEL_OPS_VIEW_H

#include <keel/events.h>

#include "base/name.h"
#include "policy/window.h"

/* Of a number: nobody here knows it. */
#define KEEL_VIEW_UNKNOWN UINT64_MAX

/*
 * Places of a bulkhead and tokens of a rate limit that are counted together: by a host on
 * its board, by a fleet in its Redis. limit 0, count 0: there is none, or it is not known
 * there.
 *
 * in_use       of a host; of a fleet those that its members have leased
 * others_wait  of a fleet: some member found too few; a host's queues are its processes'
 * left         tokens, without those that members of a fleet have in stock
 */
typedef struct keel_places_view {
    uint64_t in_use;
    uint64_t limit;
    bool others_wait;
} keel_places_view;

typedef struct keel_tokens_view {
    uint64_t left;
    uint64_t burst;
    uint64_t count; /* in period_ns */
    uint64_t period_ns;
} keel_tokens_view;

/* What processes of a host have each for itself; processes 0: none has it on, or it is not
 * known there. */
typedef struct keel_range_view {
    uint64_t least;
    uint64_t most;
    uint32_t processes;
} keel_range_view;

/*
 * What active checks have found; is_known: there were any.
 *
 * status     of the last answer, KEEL_OK where it was good
 * http_code  of an answer by HTTP; 0: none
 */
typedef struct keel_check_view {
    bool is_known;
    keel_check_state state;
    uint64_t age_ns;
    keel_status status;
    uint32_t http_code;
} keel_check_view;

/*
 * is_of_fleet    a fleet has said it, which does not tell processes and permits
 * has_breaker    false: all that follows but processes is zero
 * has_state      false: it is known by its lock or its name alone; state, generation
 *                and cause are zero
 * generation     of a fleet's: its epoch
 * since_s, cause of the latest transition, in seconds since 1970; 0: none was told
 * probe_in_ns    until an open breaker lets probes through; 0: now, or it is not open
 * permits        what a half-open one still has to give
 * totals         of all its windows that count; while it is open, as they were then. A
 *                number of them may be unknown
 * places, tokens by the scope of who has said it
 * check          of a board, since a host checks for itself
 * adaptive       limits on attempts under way
 * throttle       chances that a call is refused, in ppm
 * processes      that use it now
 * lock           size 0: none stands
 */
typedef struct keel_pipeline_view {
    char name[KEEL_NAME_MAX + 1];
    bool is_of_fleet;
    bool has_breaker;
    bool has_state;
    keel_breaker_state state;
    uint64_t generation;
    uint64_t since_s;
    keel_cause cause;
    uint64_t probe_in_ns;
    uint32_t permits;
    keel_totals totals;
    keel_places_view places;
    keel_tokens_view tokens;
    keel_check_view check;
    keel_range_view adaptive;
    keel_range_view throttle;
    uint32_t processes;
    keel_lock_state lock;
} keel_pipeline_view;

/* since_s: when it was started, in seconds since 1970; 0: not known */
typedef struct keel_process_view {
    uint32_t pid;
    uint64_t since_s;
} keel_process_view;

enum { KEEL_ENDPOINT_NAME_SHOWN = 64 };

/*
 * An endpoint of a pipeline on a board; a fleet knows none.
 *
 * name            as far as it is told to others: its first 64 bytes
 * probe_in_ns     as above
 * totals          of its breaker's window; all zero where it has none
 * ejected_left_ns until its ejection ends; 0: it is not ejected
 * ejections       how many times the first length the latest one is
 * is_ill          by an active check
 */
typedef struct keel_endpoint_line {
    char pipeline[KEEL_NAME_MAX + 1];
    char name[KEEL_ENDPOINT_NAME_SHOWN + 1];
    keel_breaker_state state;
    uint64_t probe_in_ns;
    keel_totals totals;
    uint64_t ejected_left_ns;
    uint32_t ejections;
    bool is_ill;
} keel_endpoint_line;

/*
 * Pipelines in the order of their names, endpoints in that of both names.
 *
 * members  of a fleet that live, each a process or the relay of a host; 0: a board's
 * is_cut   there are more pipelines than could be read in time
 */
typedef struct keel_view {
    keel_pipeline_view *pipelines;
    size_t count;
    keel_endpoint_line *endpoints;
    size_t endpoint_count;
    keel_process_view *processes;
    size_t process_count;
    uint32_t members;
    bool is_cut;
} keel_view;

/* What look has filled; all zero is fine. */
void keel_view_cleanup(keel_view *view);

/* keel_cause_name, and names for the causes that only a fleet has. */
const char *keel_view_cause_name(keel_cause cause);
const char *keel_view_check_name(keel_check_state state); /* "healthy" */

/*
 * What happened. Fields that a type does not use are zero.
 *
 * is_of_fleet  a fleet has said it: wall_ms is when it was heard; pid, total and failed
 *              are not known
 */
typedef struct keel_event_view {
    bool is_of_fleet;
    uint64_t sequence;
    uint64_t wall_ms;
    uint32_t pid;
    char name[KEEL_NAME_MAX + 1];
    /* "?": not known any more; "": of none */
    char endpoint[KEEL_ENDPOINT_NAME_SHOWN + 1];
    keel_event_type type;
    keel_breaker_state from;
    keel_breaker_state to;
    keel_cause cause;
    uint64_t generation;
    uint64_t out_ns; /* of KEEL_EVENT_EJECTED: how long */
    uint64_t total;  /* in the window; of a cause that is about probes, probes */
    uint64_t failed;
    keel_status status;   /* of KEEL_EVENT_HEALTH */
    keel_lock_state lock; /* actor and reason empty: not known, or not any more */
} keel_event_view;

/* What came of asking for the next event. */
typedef enum keel_event_found {
    KEEL_EVENT_FOUND, /* *event is one */
    KEEL_EVENT_LOST,  /* *lost were overwritten before they were read */
    KEEL_EVENT_AWAIT, /* the next one's writer is at it; ask again */
    KEEL_EVENT_END,   /* nothing more has happened */
    KEEL_EVENT_AWAY,  /* who tells of them cannot be reached; ask again */
    KEEL_EVENT_BACK   /* he can again */
} keel_event_found;

#endif
