/* SPDX-License-Identifier: MIT */
/*
 * One connection to one memcached server. Requests are collected, sent together, and
 * each reply is heard in turn. After anything but KEEL_OK it is of no more use: a late
 * reply would be taken for the next one's. Not for what replies mean to who asked.
 *
 * Statuses are those of net/dial.h and net/socket.h, and
 *   KEEL_FAILED  also what is no reply, or too large a one
 *   KEEL_E_NOMEM
 * A connection is used by one thread at a time.
 */
#ifndef KEEL_NET_MEMCACHED_H
#define KEEL_NET_MEMCACHED_H

#include <keel/call.h>

#include "net/dial.h"
#include "net/memcached_request.h"
#include "net/shared_resolver.h"

typedef struct keel_memcached keel_memcached;

typedef enum keel_memcached_speech {
    KEEL_MEMCACHED_AUTO = 0, /* meta commands if the server has them */
    KEEL_MEMCACHED_META = 1, /* a server without them is refused */
    KEEL_MEMCACHED_CLASSIC = 2
} keel_memcached_speech;

/*
 * Where it is, and what is expected there; all borrowed for the call that opens.
 *
 * path       of a unix socket; NULL: host and port
 * resolver   for the host; NULL with a path
 * value_max  of a reply; a longer one is KEEL_FAILED
 */
typedef struct keel_memcached_server {
    const char *path;
    const char *host;
    uint16_t port;
    keel_shared_resolver *resolver;
    keel_memcached_speech speech;
    size_t value_max;
} keel_memcached_server;

/*
 * What ends the waits of a call.
 *
 * until_ns  an instant of the sockets' clock, keel_socket_now
 * cancel    NULL: none; else keel_thread_wait_begin was called for it
 */
typedef struct keel_memcached_wait {
    uint64_t until_ns;
    const keel_cancel *cancel;
} keel_memcached_wait;

/*
 * Connects and asks the server something that changes nothing: it is there, it answers,
 * and it is known which commands it has.
 *
 * memory   borrowed until it is closed
 * Returns  KEEL_FAILED too where the server refuses, why says in which words
 */
keel_status keel_memcached_open(keel_memcached **out, const keel_allocator *memory,
                                const keel_memcached_server *server,
                                const keel_memcached_wait *wait, keel_detail *why);

/* Whether it has the meta commands. */
bool keel_memcached_speaks_meta(const keel_memcached *m);

/* Whether it may be used again: the server has neither closed it nor said more. */
bool keel_memcached_is_quiet(const keel_memcached *m);

/* One request more for the next send; the keys and the value are copied. KEEL_E_NOMEM */
keel_status keel_memcached_add(keel_memcached *m, const keel_mc_request *request,
                               keel_detail *why);

/* Sends them; on anything but KEEL_OK an unknown part of them is on its way. */
keel_status keel_memcached_send(keel_memcached *m, const keel_memcached_wait *wait,
                                keel_detail *why);

/* The next reply; its texts are there until the next one is heard. */
keel_status keel_memcached_hear(keel_memcached *m, keel_mc_reply *reply,
                                const keel_memcached_wait *wait, keel_detail *why);

/* No reply is looked at any more: memory for large ones is given back. */
void keel_memcached_rest(keel_memcached *m);

/* Frees it, without a word to the server, in a forked child too. NULL is fine. */
void keel_memcached_close(keel_memcached *m);

#endif
