/* SPDX-License-Identifier: MIT */
/*
 * Things that one thread uses at a time, as connections, for whoever comes first until his
 * deadline. Knows not what they are. lib/net has a pool of sockets; a plugin sees only
 * what is installed.
 */
#ifndef KEEL_PLUGINS_COMMON_TURNS_H
#define KEEL_PLUGINS_COMMON_TURNS_H

#include <pthread.h>
#include <stdbool.h>

#include <keel/keel.h>

enum { KEEL_TURNS_MOST = 64 };

/* idle_mu guards: idle, idle_count */
typedef struct keel_turns {
    keel_runtime *runtime;
    pthread_mutex_t idle_mu;
    pthread_cond_t given;
    size_t idle_count;
    void *idle[KEEL_TURNS_MOST]; /* the last one was used last */
} keel_turns;

/* With nothing in it: each thing is given once. False: the system has no more locks. */
bool keel_turns_init(keel_turns *turns, keel_runtime *runtime);
/* None may be out. */
void keel_turns_cleanup(keel_turns *turns);

/* NULL: none was free by the deadline, or before the token fired. */
void *keel_turns_take(keel_turns *turns, uint64_t until_ns, const keel_cancel *cancel);
void keel_turns_give(keel_turns *turns, void *thing);

#endif
