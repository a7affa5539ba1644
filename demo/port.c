/* SPDX-License-Identifier: MIT */
/* Looks for a port by trying. */
#include "port.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Ports below those the system hands out by itself: a client that calls a dead port
 * among those may be given this very port as its own, and be connected to itself.
 */
enum { FIRST_PORT = 18080, LAST_PORT = 18999 };

static bool can_bind(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

/* Begins at a place of its own, so that two demonstrations at once do not meet. */
uint16_t port_free(void)
{
    const int count = LAST_PORT - FIRST_PORT + 1;

    for (int i = 0; i < count; i++) {
        uint16_t port = (uint16_t)(FIRST_PORT + (getpid() + i) % count);

        if (can_bind(port))
            return port;
    }
    fprintf(stderr, "no free port from %d to %d\n", FIRST_PORT, LAST_PORT);
    return 0;
}
