/* SPDX-License-Identifier: MIT */
/* The inside of a keel_runtime. */
#ifndef KEEL_CALL_RUNTIME_H
#define KEEL_CALL_RUNTIME_H

#include <pthread.h>
#include <stdatomic.h>

#include <keel/events.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/random.h"
#include "base/warnings.h"
#include "board/board.h"
#include "board/event_ring.h"
#include "settings/config.h"

enum { KEEL_PIPELINES_MAX = 1024 };

struct keel_worker_pool;
typedef struct keel_relay keel_relay;
typedef struct keel_health keel_health;

/*
 * pipelines_mu guards: pipelines, pipeline_count, the config's stages, is_board_lost
 * listener_mu  guards: listener, listener_ctx, is_told, told, told_by
 */
struct keel_runtime {
    keel_allocator memory_given;
    const keel_allocator *memory; /* NULL: malloc */
    keel_clock clock;
    keel_random random;
    keel_log log;
    keel_warnings warnings;
    keel_config *config;
    keel_board *board;
    keel_board *shared; /* by all processes of the host; NULL: there is none */
    bool is_board_lost; /* its path no longer leads to it, which was told */
    keel_event_ring *events;
    _Atomic(struct keel_relay *) relay;   /* lib/share's; NULL: no fleet */
    _Atomic(struct keel_health *) health; /* lib/health's; NULL: none was asked for */
    _Atomic bool has_peers;   /* or a thread: a child must not pass for its parent */
    _Atomic bool is_disabled; /* KEEL_DISABLED=on */
    _Atomic bool has_listener;
    _Atomic uint32_t watchers;      /* of each call: a listener, a log of everything,
                                       pipelines under a lock */
    _Atomic uint64_t delivering_in; /* the process whose thread delivers; 0: none */
    _Atomic uint64_t locks_of;      /* the process whose locks these are, or is at it */
    _Atomic bool reload_wanted;
    _Atomic(struct keel_worker_pool *) workers;
    pthread_mutex_t pipelines_mu;
    struct keel_pipeline
        *pipelines[KEEL_PIPELINES_MAX]; /* by number; kept once opened */
    _Atomic uint32_t pipeline_count;
    int cancel_state; /* of the thread that holds pipelines_mu */
    pthread_mutex_t listener_mu;
    keel_event_fn *listener;
    void *listener_ctx;
    pthread_cond_t listener_done;
    bool is_told;  /* told_by is inside the listener */
    uint64_t told; /* counts the times */
    pthread_t told_by;
};

static inline bool keel_runtime_is_disabled(const keel_runtime *runtime)
{
    return atomic_load_explicit(&runtime->is_disabled, memory_order_relaxed);
}

/*
 * Before a lock is taken: in a forked child, where a thread that is not here may hold
 * them, they are made anew once. Cheap.
 */
void keel_runtime_notice_fork(keel_runtime *runtime);

/* A child with peers, in which nobody has noticed yet that it is one. */
static inline bool keel_runtime_is_a_fork_unnoticed(const keel_runtime *runtime,
                                                    uint64_t incarnation)
{
    return atomic_load_explicit(&runtime->has_peers, memory_order_relaxed) &&
           atomic_load_explicit(&runtime->locks_of, memory_order_relaxed) !=
               incarnation;
}

/* pipelines_mu, fork noticed; its holder is not cancelled. try_lock: false, held. */
void keel_runtime_lock(keel_runtime *runtime);
bool keel_runtime_try_lock(keel_runtime *runtime);
void keel_runtime_unlock(keel_runtime *runtime);

static inline bool keel_runtime_logs(const keel_runtime *runtime, keel_log_level level)
{
    return runtime->log.fn && runtime->log.level >= (int)level;
}

/* Logs a line if anybody listens at that level. Not with a lock held. */
void keel_runtime_log(const keel_runtime *runtime, keel_log_level level,
                      const char *subsystem, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* deliver.c */

/* Puts an event in the ring; cheap where nobody listens. */
void keel_event_put(keel_runtime *runtime, const keel_event_record *record);
void keel_events_deliver_now(keel_runtime *runtime);

/* At the end of a public function: tells the listener what happened meanwhile. */
static inline void keel_events_deliver(keel_runtime *runtime)
{
    if (atomic_load_explicit(&runtime->has_listener, memory_order_relaxed) &&
        !keel_event_ring_is_empty(runtime->events))
        keel_events_deliver_now(runtime);
}

#endif
