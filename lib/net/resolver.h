/* SPDX-License-Identifier: MIT */
/*
 * Names of hosts to addresses. The system's own look-up cannot be given a time: so it is
 * made on a worker, and who asked goes on at his instant. Numbers need no look-up. Keeps
 * no answers: whoever connects anew wants to hear the name's newest address.
 */
#ifndef KEEL_NET_RESOLVER_H
#define KEEL_NET_RESOLVER_H

#include <keel/runtime.h>

#include "net/socket.h"

enum {
    KEEL_ADDRESSES = 8,
    KEEL_RESOLVES_MOST = 4, /* look-ups under way, forgotten ones among them */
    KEEL_HOST_SIZE = 256
};

typedef struct keel_addresses {
    size_t count;
    keel_address at[KEEL_ADDRESSES];
} keel_addresses;

typedef struct keel_resolver keel_resolver;

/* For one asking thread at a time. memory is kept. KEEL_E_NOMEM, KEEL_E_SYSTEM */
keel_status keel_resolver_new(keel_resolver **out, const keel_allocator *memory);

/*
 * False: a look-up is still under way after wait_ns, and the resolver still there. In a
 * forked child it leaves its parent's look-ups behind. NULL: true.
 */
bool keel_resolver_free(keel_resolver *r, uint64_t wait_ns);

/*
 * The host's addresses, in the system's order; the first eight.
 *
 * interrupt_fd  ends the wait when it can be read; -1: none
 * Returns       KEEL_OK, at least one
 *               KEEL_TIMEOUT, KEEL_CANCELLED  as in net/socket.h; the late answer is lost
 *               KEEL_FAILED     no such host, or nobody to ask
 *               KEEL_E_LIMIT    that many look-ups hang already
 *               KEEL_E_NOMEM, KEEL_E_SYSTEM
 */
keel_status keel_resolver_ask(keel_resolver *r, const char *host, uint16_t port,
                              int interrupt_fd, uint64_t until_ns, keel_addresses *out,
                              keel_detail *why);

#endif
