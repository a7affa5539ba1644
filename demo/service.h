/* SPDX-License-Identifier: MIT */
/*
 * The little service: callers that each ask the dependency something about once a
 * second, with libcurl. It exists twice and differs in one call; see ask() in service.c.
 */
#ifndef KEEL_DEMO_SERVICE_H
#define KEEL_DEMO_SERVICE_H

#include "story.h"

typedef struct service service;

/*
 * Starts the callers.
 *
 * pipeline  borrowed; NULL: without keel
 * url       borrowed
 * Returns   NULL: no memory or no threads
 */
service *service_start(keel_pipeline *pipeline, const char *url, unsigned callers);

/* To be called several times a second: looks who is stuck. */
void service_sample(service *s);

/* Hands over what was felt since the last time, and begins anew. */
void service_take(service *s, tally *felt);

/* When the first answer came since the last time this was asked; 0: none came. */
uint64_t service_take_first_answer(service *s);

/* Ends when the last request under way has ended. NULL is fine. */
void service_stop(service *s);

#endif
