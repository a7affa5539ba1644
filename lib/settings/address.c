/* SPDX-License-Identifier: MIT */
/* Reading where an active check goes. */
#include "settings/address.h"

#include <arpa/inet.h>
#include <string.h>

static const struct scheme {
    const char *name;
    uint16_t port;
    bool tls;
} schemes[] = {
    { "http", 80, false },    { "https", 443, true },        { "redis", 6379, false },
    { "rediss", 6379, true }, { "memcached", 11211, false }, { "mysql", 3306, false },
    { "tcp", 0, false },
};

static size_t span(keel_text text, const char *allowed)
{
    size_t length = 0;

    while (length < text.length && text.at[length] && strchr(allowed, text.at[length]))
        length++;
    return length;
}

/* Of one that is not known nothing is known but its name. */
static bool read_scheme(keel_text *text, keel_address_parts *parts)
{
    static const char of_scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    keel_text name, rest;

    if (!keel_text_split(*text, "://", &name, &rest))
        return true;
    *text = rest;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (keel_text_is(name, schemes[i].name)) {
            parts->port = schemes[i].port;
            parts->tls = schemes[i].tls;
        }
    return name.length && span(name, of_scheme) == name.length;
}

bool keel_address_is_ipv6(keel_text text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr unused;

    if (text.length >= sizeof copy)
        return false;
    keel_text_copy(copy, sizeof copy, text);
    return strlen(copy) == text.length && inet_pton(AF_INET6, copy, &unused) == 1;
}

/* A name, an IPv4 address, or an IPv6 address in brackets; 0: none of these. */
static size_t host_length(keel_text text)
{
    static const char of_name[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    keel_text inside, behind;

    if (!text.length || text.at[0] != '[')
        return span(text, of_name);
    if (!keel_text_split((keel_text){ text.at + 1, text.length - 1 }, "]", &inside,
                         &behind) ||
        !keel_address_is_ipv6(inside))
        return 0;
    return inside.length + 2;
}

static bool read_port(keel_text text, uint16_t *port)
{
    uint64_t number;

    if (keel_parse_count(text, &number) || !number || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool is_printable(keel_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == '@')
            return false;
    return true;
}

/* Behind the host: perhaps a port, perhaps a path that no check looks at. */
static bool read_rest(keel_text rest, keel_address_parts *parts)
{
    keel_text port = rest, path;

    if (keel_text_split(rest, "/", &port, &path) && !is_printable(path))
        return false;
    if (!port.length)
        return true;
    return port.at[0] == ':' &&
           read_port((keel_text){ port.at + 1, port.length - 1 }, &parts->port);
}

bool keel_address_read(keel_text text, keel_address_parts *parts)
{
    size_t length;

    *parts = (keel_address_parts){ .port = 0 };
    if (text.length && text.at[0] == '/')
        return text.length > 1 && is_printable(text);
    if (!read_scheme(&text, parts))
        return false;
    length = host_length(text);
    if (!length)
        return false;
    parts->host = (keel_text){ text.at, length };
    return read_rest((keel_text){ text.at + length, text.length - length }, parts);
}

uint16_t keel_address_port(const keel_health_policy *health,
                           const keel_address_parts *parts)
{
    if (parts->port || !parts->host.length)
        return parts->port;
    switch (health->kind) {
    case KEEL_HEALTH_HTTP:
        return 80;
    case KEEL_HEALTH_REDIS:
        return 6379;
    case KEEL_HEALTH_MEMCACHED:
        return 11211;
    case KEEL_HEALTH_SQL:
        return 3306;
    case KEEL_HEALTH_OFF:
    case KEEL_HEALTH_CALLBACK:
    case KEEL_HEALTH_TCP:
        break;
    }
    return 0;
}

bool keel_address_is_complete(const keel_health_policy *health)
{
    keel_address_parts parts;

    return keel_address_read(keel_text_of(health->target), &parts) &&
           (!parts.host.length || keel_address_port(health, &parts));
}
