/* SPDX-License-Identifier: MIT */
/*
 * Which sockets of libcurl's an event loop watches, and for what. libcurl lets go of a
 * socket and wants it again with every request on a kept connection; the loop is told
 * only what has changed once a turn is over. Knows nothing of requests.
 */
#ifndef KEEL_HTTP_CLIENT_SOCKETS_H
#define KEEL_HTTP_CLIENT_SOCKETS_H

#include <keel/http.h>

/*
 * wanted, told  what libcurl wants, and what the loop was told: KEEL_SOCKET_*
 * inode         of one that is kept; 0: not known
 * is_kept       libcurl says when it closes this one, so that telling may wait
 * next          of those with something to tell, from 1; 0: none
 */
typedef struct keel_watched {
    void *slot;
    uint64_t inode;
    int next;
    uint8_t wanted;
    uint8_t told;
    bool is_kept;
    bool is_listed;
} keel_watched;

enum { KEEL_SOCKET_IN = 1, KEEL_SOCKET_OUT = 2 };

/* by descriptor */
typedef struct keel_sockets {
    const keel_allocator *memory;
    keel_http_watch loop;
    keel_watched *at;
    int room;
    int first; /* with something to tell, from 1 */
} keel_sockets;

/* A connection's socket was opened. False: no memory to watch it. */
bool keel_sockets_opened(keel_sockets *sockets, int fd);
/* It is closed next. */
void keel_sockets_closing(keel_sockets *sockets, int fd);

/* wanted: 0 to 3, of any socket. False: no memory; it is not watched. */
bool keel_sockets_want(keel_sockets *sockets, int fd, unsigned wanted);

/* Whether libcurl wants this one now, and need not wait for it, and for what. */
bool keel_sockets_are_ready(const keel_sockets *sockets, int fd, bool *can_read,
                            bool *can_write);

/* Tells the loop what has changed. */
void keel_sockets_tell(keel_sockets *sockets);

/*
 * In a forked child: closes its copies of the connections, with nothing written. What the
 * program has meanwhile opened under their numbers is let be.
 */
void keel_sockets_abandon(keel_sockets *sockets);

void keel_sockets_cleanup(keel_sockets *sockets);

#endif
