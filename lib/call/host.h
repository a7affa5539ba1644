/* SPDX-License-Identifier: MIT */
/*
 * The processes of a host that share a board (KEEL_BOARD): how this one comes in, what
 * a forked child must take for itself, and what the dead leave behind.
 */
#ifndef KEEL_CALL_HOST_H
#define KEEL_CALL_HOST_H

#include "call/runtime.h"

/* Maps the board that the settings name. Where that is impossible, one warning says why
 * and all state is this process's own. */
void keel_host_join(keel_runtime *runtime);
void keel_host_leave(keel_runtime *runtime);

/* At a reload: says once if the board was deleted or replaced, since processes that start
 * now share another one. */
void keel_host_check(keel_runtime *runtime);

/* In a forked child, with nobody else at it. */
void keel_host_forked(keel_runtime *runtime);

/*
 * After a refusal that a dead process may be the reason for: gives back what such ones
 * hold. Once a second for all processes; else no more than a look at the clock's word.
 */
void keel_host_bury(keel_runtime *runtime, uint64_t now);

#endif
