/* SPDX-License-Identifier: MIT */
/*
 * One resolver for many threads, which ask it one after the other: so look-ups that hang
 * are as few as one resolver allows, however many connections are to be made. Who waits
 * for his turn waits until his instant at most.
 */
#ifndef KEEL_NET_SHARED_RESOLVER_H
#define KEEL_NET_SHARED_RESOLVER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "net/resolver.h"

typedef struct keel_shared_resolver {
    keel_resolver *resolver; /* of whose turn it is */
    keel_clock clock;        /* the system's, as that of sockets */
    _Atomic uint32_t is_taken;
} keel_shared_resolver;

/* KEEL_E_NOMEM, KEEL_E_SYSTEM */
keel_status keel_shared_resolver_init(keel_shared_resolver *r,
                                      const keel_allocator *memory);

/* Nobody asks any more. All zero is fine. */
void keel_shared_resolver_cleanup(keel_shared_resolver *r);

/* As keel_resolver_ask; KEEL_TIMEOUT too when others' look-ups took all the time. */
keel_status keel_shared_resolver_ask(keel_shared_resolver *r, const char *host,
                                     uint16_t port, int interrupt_fd, uint64_t until_ns,
                                     keel_addresses *out, keel_detail *why);

#endif
