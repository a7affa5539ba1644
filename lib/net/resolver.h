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

/*
 * For one asking thread at a time. KEEL_E_NOMEM, KEEL_E_SYSTEM
 *
 * memory  kept, to the last look-up's end; NULL: malloc and free
 */
keel_status keel_resolver_new(keel_resolver **out, const keel_allocator *memory);

/*
 * False: a look-up is still under way after wait_ns, and the resolver still there. In a
 * forked child it leaves its parent's look-ups behind. NULL: true.
 */
bool keel_resolver_free(keel_resolver *r, uint64_t wait_ns);

/*
 * Frees it or, while a look-up hangs, leaves it: to be freed when it is done, and another
 * is made. Its worker comes back to keel's code some time; so from then on the library
 * stays loaded until the process ends, whatever dlclose is asked for (RTLD_NODELETE).
 */
void keel_resolver_leave(keel_resolver *r);

/* In a forked child: closes its descriptor and nothing else. NULL is fine. */
void keel_resolver_drop(keel_resolver *r);

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
