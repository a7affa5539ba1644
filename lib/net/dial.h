/* SPDX-License-Identifier: MIT */
/*
 * From a host's name to a connected socket: looks the name up and tries its addresses
 * one after the other, each with its share of the time that is left.
 */
#ifndef KEEL_NET_DIAL_H
#define KEEL_NET_DIAL_H

#include "net/resolver.h"
#include "net/socket.h"

/* What every connection of one owner has in common; all borrowed. */
typedef struct keel_dialer {
    const keel_allocator *memory;
    keel_resolver *resolver; /* NULL: it dials no names */
    int interrupt_fd;        /* ends every wait when it can be read; -1: none */
    uint64_t timeout_ns; /* how long a peer may leave what was sent unacknowledged */
} keel_dialer;

/*
 * The instant until which the first of `left` that are tried in turn may take, so that a
 * silent one does not use up the time of those after it.
 */
uint64_t keel_dial_share(uint64_t until_ns, size_t left);

/* Statuses of net/resolver.h and net/socket.h, of the last address tried. */
keel_status keel_dial(const keel_dialer *dialer, keel_socket *s, const char *host,
                      uint16_t port, uint64_t until_ns, keel_detail *why);

/* The same to addresses that are known, one at least. */
keel_status keel_dial_any(const keel_dialer *dialer, keel_socket *s,
                          const keel_addresses *to, uint64_t until_ns,
                          keel_detail *why);

/* The same to the path of a unix socket. */
keel_status keel_dial_unix(const keel_dialer *dialer, keel_socket *s, const char *path,
                           uint64_t until_ns, keel_detail *why);

#endif
