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

/*
 * has_breaker    false: all that follows but processes is zero
 * since_s, cause of the latest transition, in seconds since 1970; 0: none was told
 * probe_in_ns    until an open breaker lets probes through; 0: now, or it is not open
 * permits        what a half-open one still has to give
 * totals         of all its windows that count
 * processes      that use it now
 * lock           size 0: none stands
 */
typedef struct keel_pipeline_view {
    char name[KEEL_NAME_MAX + 1];
    bool has_breaker;
    keel_breaker_state state;
    uint32_t generation;
    uint64_t since_s;
    keel_cause cause;
    uint64_t probe_in_ns;
    uint32_t permits;
    keel_totals totals;
    uint32_t processes;
    keel_lock_state lock;
} keel_pipeline_view;

/* since_s: when it was started, in seconds since 1970; 0: not known */
typedef struct keel_process_view {
    uint32_t pid;
    uint64_t since_s;
} keel_process_view;

/* Pipelines in the order of their names. */
typedef struct keel_view {
    keel_pipeline_view *pipelines;
    size_t count;
    keel_process_view *processes;
    size_t process_count;
} keel_view;

/* What happened. Fields that a type does not use are zero. */
typedef struct keel_event_view {
    uint64_t sequence;
    uint64_t wall_ms;
    uint32_t pid;
    char name[KEEL_NAME_MAX + 1];
    keel_event_type type;
    keel_breaker_state from;
    keel_breaker_state to;
    keel_cause cause;
    uint32_t generation;
    uint64_t total; /* in the window */
    uint64_t failed;
    keel_lock_state lock; /* actor and reason empty: not known, or not any more */
} keel_event_view;

#endif
