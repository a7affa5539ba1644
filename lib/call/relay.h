/* SPDX-License-Identifier: MIT */
/*
 * What a runtime knows of its relay, the background thread that speaks to the fleet:
 * that there is one, and how it is woken. The relay itself stands in lib/share, which
 * knows this room; so here are only the names by which it is called.
 */
#ifndef KEEL_CALL_RELAY_H
#define KEEL_CALL_RELAY_H

#include "call/runtime.h"

/*
 * Starts one where the settings name a fleet; what is wrong is a warning, and the
 * runtime goes on without. Connects to nobody itself.
 */
void keel_relay_start(keel_runtime *runtime);

/* Ends it and waits until it has: at most a moment, whatever the network does. */
void keel_relay_stop(keel_runtime *runtime);

/* In a forked child: the parent's is left behind, without a byte on the wire, and the
 * child gets one of its own. */
void keel_relay_forked(keel_runtime *runtime);

/* Something to tell the fleet at once. Any thread; a system call if the relay sleeps. */
void keel_relay_wake(const keel_runtime *runtime);

#endif
