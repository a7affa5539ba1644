/* SPDX-License-Identifier: MIT */
/*
 * Listening on 127.0.0.1. A port that nobody listens on may be given to several who ask, and
 * a test would take the server of another one for its own: so who was given one claims it
 * by a name beside it, among the abstract unix sockets, which go with their process.
 */
#include "support/loopback.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TRIES = 100 };

struct sockaddr_in loopback_address(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* The socket that holds the claim; -1: somebody has it. */
static int claim(uint16_t port)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int length =
        snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "keel-test-%u", port);
    socklen_t size = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size + (socklen_t)length) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool is_claimed(uint16_t port)
{
    int fd = claim(port);

    close(fd);
    return fd < 0;
}

static int bind_to(uint16_t port, int reuses)
{
    struct sockaddr_in at = loopback_address(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuses, sizeof reuses);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

/* As long as it is bound nobody else is given it. */
uint16_t loopback_free_port(void)
{
    for (int i = 0; i < TRIES; i++) {
        int fd = bind_to(0, 0);
        uint16_t port = loopback_port(fd);
        bool is_ours = port && claim(port) >= 0;

        close(fd);
        if (is_ours)
            return port;
    }
    return 0;
}

int loopback_listen(uint16_t port, int backlog)
{
    for (int i = 0; i < TRIES; i++) {
        int fd = bind_to(port, 1);

        if (fd < 0)
            return -1;
        if ((port || !is_claimed(loopback_port(fd))) && listen(fd, backlog) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

uint16_t loopback_port(int fd)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;

    return getsockname(fd, (struct sockaddr *)&at, &size) ? 0 : ntohs(at.sin_port);
}
