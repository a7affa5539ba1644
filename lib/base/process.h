/* SPDX-License-Identifier: MIT */
/*
 * Which process this is. A forked child must not go on with its parent's threads,
 * sockets and random numbers; it notices by a page that the kernel empties in the child
 * (MADV_WIPEONFORK), or by pthread_atfork where that is missing.
 *
 * Nothing here waits for a lock that a thread of the parent may have held: the page is
 * there from when the library is loaded until it is unloaded.
 */
#ifndef KEEL_BASE_PROCESS_H
#define KEEL_BASE_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/status.h>

/* The order in which what keel needs is made when it is loaded, undone in reverse; before
 * the program's own constructors. */
#define KEEL_LOAD_PROCESS 101
#define KEEL_LOAD_THREADS 102

/* Counted: who attaches says that keel is in use. KEEL_E_SYSTEM: there is no page. */
keel_status keel_process_attach(void);
void keel_process_detach(void);
bool keel_process_is_attached(void);

/* Memory that a forked child finds zeroed; lies in its owner, who looks at `at` alone. */
typedef struct keel_process_memory {
    void *at; /* NULL: none */
    size_t size;
    struct keel_process_memory *next_unwiped;
    bool is_unwiped; /* by the kernel, that is */
} keel_process_memory;

/* False: no. Unmapping what is not mapped is fine. */
bool keel_process_map(keel_process_memory *memory, size_t size);
void keel_process_unmap(keel_process_memory *memory);

extern _Atomic uint64_t *keel_process_page;
uint64_t keel_process_renew(void);

/* Odd, never the same in parent and child. Once somebody has attached. */
static inline uint64_t keel_process_incarnation(void)
{
    uint64_t incarnation =
        atomic_load_explicit(keel_process_page, memory_order_relaxed);

    return incarnation ? incarnation : keel_process_renew();
}

/* Whether it has more rights than whoever started it: set-user-ID, file capabilities. */
bool keel_process_is_secure(void);

/* The process's environment; an empty one under AT_SECURE. */
const char *const *keel_process_environment(void);

#endif
