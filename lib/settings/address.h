/* SPDX-License-Identifier: MIT */
/*
 * Where an active check goes, as health.target says it:
 *
 *     scheme://host[:port][/…]    http, https, redis, rediss, memcached and mysql have a
 *                                 port of their own
 *     host:port
 *     /path/of/a/unix/socket
 *
 * or the URL of an endpoint.
 *
 * Text in, parts out. No name is looked up here, and a user or a password has no place in
 * it: settings are shown.
 */
#ifndef KEEL_SETTINGS_ADDRESS_H
#define KEEL_SETTINGS_ADDRESS_H

#include "base/text.h"
#include "settings/policy.h"

/* Texts lie in the text that was read. host: an IPv6 address has its brackets. */
typedef struct keel_address_parts {
    keel_text host; /* length 0: it is a path */
    uint16_t port;  /* the scheme's own, where none is named; 0: there is none */
    bool tls;
} keel_address_parts;

/* Of what stands between brackets. */
bool keel_address_is_ipv6(keel_text text);

/* False: it is no such address. */
bool keel_address_read(keel_text text, keel_address_parts *parts);

/* The port that a check connects to: the target's or, without one, that of the check's
 * own protocol; 0: there is none, or it is a path. */
uint16_t keel_address_port(const keel_health_policy *health,
                           const keel_address_parts *parts);

/* Whether the target, which is not empty, can be connected to. */
bool keel_address_is_complete(const keel_health_policy *health);

#endif
