/* SPDX-License-Identifier: MIT */
/* Addresses tried in turn. */
#include "net/dial.h"

#include "base/clock.h"
#include "base/detail.h"

uint64_t keel_dial_share(uint64_t until_ns, size_t left)
{
    uint64_t now = keel_socket_now();

    return keel_ns_add(now, keel_ns_left(until_ns, now) / left);
}

keel_status keel_dial_any(const keel_dialer *dialer, keel_socket *s,
                          const keel_addresses *to, uint64_t until_ns, keel_detail *why)
{
    keel_status status = KEEL_FAILED;

    keel_socket_init(s, dialer->interrupt_fd);
    for (size_t i = 0; i < to->count; i++) {
        status = keel_socket_connect(s, &to->at[i], dialer->timeout_ns,
                                     keel_dial_share(until_ns, to->count - i), why);
        if (status == KEEL_OK || status == KEEL_CANCELLED)
            break;
    }
    return status;
}

keel_status keel_dial(const keel_dialer *dialer, keel_socket *s, const char *host,
                      uint16_t port, uint64_t until_ns, keel_detail *why)
{
    keel_addresses to;
    keel_status status = keel_resolver_ask(dialer->resolver, host, port,
                                           dialer->interrupt_fd, until_ns, &to, why);

    keel_socket_init(s, dialer->interrupt_fd);
    return status == KEEL_OK ? keel_dial_any(dialer, s, &to, until_ns, why) : status;
}

keel_status keel_dial_unix(const keel_dialer *dialer, keel_socket *s, const char *path,
                           uint64_t until_ns, keel_detail *why)
{
    keel_address to;

    keel_socket_init(s, dialer->interrupt_fd);
    if (!keel_address_unix(&to, path))
        return keel_fail(why, KEEL_E_ARGUMENT, "the path of a unix socket is too long");
    return keel_socket_connect(s, &to, dialer->timeout_ns, until_ns, why);
}
