/* SPDX-License-Identifier: MIT */
/* What the story does not have room for is left out. */
#include "transitions.h"

#include <string.h>

void transitions_note(const keel_event *event, void *ctx)
{
    transitions *t = ctx;

    if (event->type != KEEL_EVENT_TRANSITION)
        return;
    pthread_mutex_lock(&t->mu);
    if (t->count < MAX_TRANSITIONS)
        t->seen[t->count++] =
            (transition){ event->at_ns, event->from, event->to, event->cause };
    pthread_mutex_unlock(&t->mu);
}

unsigned transitions_take(transitions *t, transition to[MAX_TRANSITIONS])
{
    unsigned count;

    pthread_mutex_lock(&t->mu);
    count = t->count;
    memcpy(to, t->seen, sizeof t->seen);
    pthread_mutex_unlock(&t->mu);
    return count;
}
