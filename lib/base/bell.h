/* SPDX-License-Identifier: MIT */
/*
 * A doorbell: how other threads reach one that waits in an event loop, for many things at
 * once. A ring leaves a number, such as whose turn it is, and wakes the loop by an
 * eventfd; that is written only while its owner sleeps. Bells are never unmapped while
 * keel is loaded, so a ring that comes late finds one, and at worst wakes another owner
 * in vain. Not for threads that wait for one thing: those have a word (thread.h).
 */
#ifndef KEEL_BASE_BELL_H
#define KEEL_BASE_BELL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct keel_bell keel_bell;

/* One of the calling process's own, awake. NULL: no memory or descriptor. */
keel_bell *keel_bell_claim(void);
/* NULL, or one of a parent process's, is fine. */
void keel_bell_release(keel_bell *bell);

/* Can be read when the bell was rung while its owner slept; close-on-exec. */
int keel_bell_fd(const keel_bell *bell);

/* What a ring with this number is made of: keel_bell_ring(ctx). Needs no freeing. */
void *keel_bell_ctx(const keel_bell *bell, uint32_t number);
/* Any thread. */
void keel_bell_ring(void *ctx);

/*
 * The owner sleeps, or is about to. False: the bell was rung since it last woke; it is
 * awake again.
 */
bool keel_bell_sleep(keel_bell *bell);
/* The owner is up. */
void keel_bell_wake(keel_bell *bell);
/* To be called where the descriptor can be read: empties it. */
void keel_bell_drain(keel_bell *bell);

/*
 * What was rung since, until it says false. *all: more than could be kept, look at
 * everybody.
 */
bool keel_bell_next(keel_bell *bell, uint32_t *number, bool *all);

/*
 * Cancel tokens: those of a set have fired, or one of them. keel_bell_set is what the
 * owner of a bell leaves in a token, and keel_bell_ring_set what it is woken by.
 */
uint32_t keel_bell_set(const keel_bell *bell);
void keel_bell_ring_set(uint32_t set);
/* Whether that was rung since it was last asked. */
bool keel_bell_took_set(keel_bell *bell);

#endif
