/* SPDX-License-Identifier: MIT */
/*
 * The inside of a runtime's health, for the files that make it: registry.c keeps the
 * checks that code has registered, report.c renders them, checker.c is the thread that
 * looks at dependencies. Made when it is needed first, and kept until the runtime closes.
 */
#ifndef KEEL_HEALTH_HEALTH_H
#define KEEL_HEALTH_HEALTH_H

#include <pthread.h>

#include <keel/health.h>

#include "base/name.h"
#include "call/health.h"
#include "net/descriptor.h"

enum { KEEL_HEALTH_TEXT_SIZE = 160 };

/*
 * A check of the service itself, or a pipeline that is watched.
 *
 * number      counts up, so that a walk along the list can go on where it was
 * pipeline    NULL: it is a check
 * running_in  the process in which somebody runs it; of another one it is not true here
 * state, text, at_ns, wall_s  the last result, and when
 */
typedef struct keel_health_entry {
    struct keel_health_entry *next;
    uint64_t number;
    char name[KEEL_NAME_MAX + 1];
    bool critical;
    keel_pipeline *pipeline;
    keel_health_fn *fn;
    void *ctx;
    uint64_t cache_ns;
    uint64_t timeout_ns;
    uint64_t running_in;
    uint64_t started_at;
    bool has_result;
    keel_health_state state;
    char text[KEEL_HEALTH_TEXT_SIZE];
    uint64_t at_ns;
    uint64_t wall_s;
} keel_health_entry;

/* An active check of code's own; fn NULL: none any more. */
typedef struct keel_health_callback {
    struct keel_health_callback *next;
    keel_pipeline *pipeline;
    keel_health_fn *fn;
    void *ctx;
    uint64_t running_in;
} keel_health_callback;

/*
 * checks_mu guards: entries, last_number, callbacks
 * thread_mu guards: has_thread, thread, checker
 */
struct keel_health {
    keel_runtime *rt;
    pthread_mutex_t checks_mu;
    keel_health_entry *entries; /* in the order in which they were added */
    uint64_t last_number;
    keel_health_callback *callbacks;
    pthread_mutex_t thread_mu;
    bool has_thread;
    pthread_t thread;
    struct keel_checker *checker; /* the thread's, from before it starts; NULL: none */
    keel_descriptor wake;         /* an eventfd */
};

/* The runtime's, made if there is none yet; NULL: no memory. Any thread. */
keel_health *keel_health_of(keel_runtime *runtime);

/* What one entry says now. */
typedef struct keel_health_result {
    const char *kind; /* what follows the name: ":breaker", "" */
    char name[KEEL_NAME_MAX + 1];
    bool critical;
    keel_health_state state;
    const char *observed; /* static; NULL: nothing */
    char text[KEEL_HEALTH_TEXT_SIZE];
    uint64_t wall_s;
} keel_health_result;

/* The first entry whose number is above *number, which becomes its own; runs its check if
 * need be. False: there are no more. */
bool keel_health_next(keel_health *health, uint64_t *number,
                      keel_health_result *result);

/* The active check that code has registered for a pipeline; false: there is none. */
bool keel_health_has_callback(keel_health *health, const keel_pipeline *pipeline);

/* Claims it for one run, which keel_health_callback_end ends; NULL: it runs already, or
 * is there no more. */
keel_health_callback *keel_health_callback_begin(keel_health *health,
                                                 const keel_pipeline *pipeline);
void keel_health_callback_end(keel_health *health, keel_health_callback *callback);

/* Ends what sleeps in the checker's wait. */
void keel_health_rouse(keel_health *health);

#endif
