/* SPDX-License-Identifier: MIT */
/*
 * What a runtime knows of health: that its pipelines may have active checks, made by a
 * thread of lib/health, which knows this room; so here are only the names by which it is
 * called, and by which it tells what it has found.
 */
#ifndef KEEL_CALL_HEALTH_H
#define KEEL_CALL_HEALTH_H

#include "call/pipeline.h"

/* A pipeline was opened or closed, or has other settings: starts the thread, where
 * something is to be checked and there is none yet. Connects to nobody itself. */
void keel_health_attend(keel_runtime *runtime);

/* Ends the thread and waits until it has: at most a moment, whatever checks hang. The
 * next attend starts another. */
void keel_health_stop(keel_runtime *runtime);

/* After that, and when no check of code's own runs any more: gives all memory back. */
void keel_health_destroy(keel_runtime *runtime);

/* In a forked child: the parent's checks are left behind, without a byte on the wire, and
 * the child gets a thread of its own. */
void keel_health_forked(keel_runtime *runtime);

/*
 * checked.c: the active check of a pipeline has come to another state, which is told, and
 * may end an open period early.
 *
 * endpoint its name; "": it is of the pipeline as a whole
 * status   of the last answer: KEEL_OK, or why it was bad
 * is_ours  this process has found it; else another one of the host has, who tells the
 *          board and sees to what is shared
 */
void keel_pipeline_checked(keel_pipeline *pipeline, const char *endpoint,
                           keel_check_state state, keel_status status, bool is_ours);

/* How an endpoint is, for those who choose; nothing where it is known, or is none. NULL:
 * each of them. */
void keel_pipeline_say_health(keel_pipeline *pipeline, const char *endpoint,
                              bool is_healthy);

#endif
