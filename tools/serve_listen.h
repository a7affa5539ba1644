/* SPDX-License-Identifier: MIT */
/* Sockets that clients come to, by the address that an operator has written. */
#ifndef KEEL_TOOLS_SERVE_LISTEN_H
#define KEEL_TOOLS_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { KEEL_SERVE_LISTENERS = 16, KEEL_SERVE_ADDRESS = 128, KEEL_SERVE_WHY = 256 };

/* address: as it came to be, a port of 0 being what the system has chosen. */
typedef struct keel_serve_listener {
    int fd;
    char address[KEEL_SERVE_ADDRESS];
    bool is_unix;
} keel_serve_listener;

typedef struct keel_serve_listeners {
    keel_serve_listener all[KEEL_SERVE_LISTENERS];
    size_t count;
} keel_serve_listeners;

/*
 * Opens "HOST:PORT", "[ADDRESS]:PORT", ":PORT" (every address of this host), "unix:PATH"
 * or "/PATH". A name with several addresses is listened to at all of them. A unix socket
 * gets the mode; a file of a server that has died is taken over.
 *
 * Returns  false: why says what there is wrong with it
 */
bool keel_serve_listen(keel_serve_listeners *l, const char *address, mode_t mode,
                       char why[KEEL_SERVE_WHY]);

/* Closes them all; whoever comes now is refused. */
void keel_serve_unlisten(keel_serve_listeners *l);

#endif
