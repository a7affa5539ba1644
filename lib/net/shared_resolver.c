/* SPDX-License-Identifier: MIT */
/* Taking turns at a resolver. Not for looking up. */
#include "net/shared_resolver.h"

#include "base/detail.h"

keel_status keel_shared_resolver_init(keel_shared_resolver *r,
                                      const keel_allocator *memory)
{
    *r = (keel_shared_resolver){ .resolver = NULL };
    if (!keel_clock_real(&r->clock))
        return KEEL_E_SYSTEM;
    return keel_resolver_new(&r->resolver, memory);
}

void keel_shared_resolver_cleanup(keel_shared_resolver *r)
{
    if (r->resolver)
        keel_resolver_leave(r->resolver);
    r->resolver = NULL;
}

/* acquire pairs with the release of leave_turn: the resolver is as it was left */
static bool take_turn(keel_shared_resolver *r)
{
    uint32_t free = 0;

    return atomic_compare_exchange_strong_explicit(
        &r->is_taken, &free, 1, memory_order_acquire, memory_order_relaxed);
}

static void leave_turn(keel_shared_resolver *r)
{
    atomic_store_explicit(&r->is_taken, 0, memory_order_release);
    r->clock.wake((const uint32_t *)&r->is_taken, 1, r->clock.ctx);
}

keel_status keel_shared_resolver_ask(keel_shared_resolver *r, const char *host,
                                     uint16_t port, int interrupt_fd, uint64_t until_ns,
                                     keel_addresses *out, keel_detail *why)
{
    keel_status status;

    while (!take_turn(r)) {
        if (keel_socket_now() >= until_ns)
            return keel_fail(why, KEEL_TIMEOUT,
                             "the look-up of the host's name takes its time");
        r->clock.wait((const uint32_t *)&r->is_taken, 1, until_ns, r->clock.ctx);
    }
    status =
        keel_resolver_ask(r->resolver, host, port, interrupt_fd, until_ns, out, why);
    leave_turn(r);
    return status;
}
