/* SPDX-License-Identifier: MIT */
/* What breakers did, noted as it happens, and taken by who tells of it. */
#ifndef KEEL_DEMO_TRANSITIONS_H
#define KEEL_DEMO_TRANSITIONS_H

#include <keel/keel.h>
#include <pthread.h>

#include "story.h"

/* mu guards: seen, count */
typedef struct transitions {
    pthread_mutex_t mu;
    transition seen[MAX_TRANSITIONS];
    unsigned count;
} transitions;

/* A runtime's hook for events; ctx is the transitions. */
void transitions_note(const keel_event *event, void *ctx);

/* Copies all there were so far; returns how many. */
unsigned transitions_take(transitions *t, transition to[MAX_TRANSITIONS]);

#endif
