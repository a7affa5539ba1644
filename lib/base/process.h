/* SPDX-License-Identifier: MIT */
/*
 * Which process this is. A forked child must not go on with its parent's threads,
 * sockets and random numbers; it notices by a page that the kernel empties in the child
 * (MADV_WIPEONFORK), or by pthread_atfork where that is missing.
 */
#ifndef KEEL_BASE_PROCESS_H
#define KEEL_BASE_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/status.h>

/* Counted: the first attaches, the last detaches. Any thread. */
keel_status keel_process_attach(void);
void keel_process_detach(void);

/* Maps size bytes of zeroed private memory that a forked child finds zeroed; NULL: no.
 */
void *keel_process_map(size_t size);
void keel_process_unmap(void *memory, size_t size);

extern _Atomic uint64_t *keel_process_page;
uint64_t keel_process_renew(void);

/* Never 0, never the same in parent and child. Only between attach and detach. */
static inline uint64_t keel_process_incarnation(void)
{
    uint64_t incarnation =
        atomic_load_explicit(keel_process_page, memory_order_relaxed);

    return incarnation ? incarnation : keel_process_renew();
}

/* The process's environment; an empty one under AT_SECURE. */
const char *const *keel_process_environment(void);

#endif
