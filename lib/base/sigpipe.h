/* SPDX-License-Identifier: MIT */
/*
 * No SIGPIPE leaves another library through keel: the signal is blocked in this thread
 * around that one's work, and what came of it is taken away. Handlers are never touched, since
 * they belong to the whole process.
 */
#ifndef KEEL_BASE_SIGPIPE_H
#define KEEL_BASE_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

typedef struct keel_sigpipe {
    sigset_t only; /* SIGPIPE */
    sigset_t mask_before;
    bool was_pending;
} keel_sigpipe;

/* Both in the same thread, errno is not kept. */
void keel_sigpipe_block(keel_sigpipe *guard);
void keel_sigpipe_restore(const keel_sigpipe *guard);

#endif
