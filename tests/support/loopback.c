/* SPDX-License-Identifier: MIT */
/*
 * Listening on 127.0.0.1. A port that nobody listens on may be given to several who ask, and
 * a test would take the server of another one for its own: so who is given one claims it
 * by a name beside it, among the abstract unix sockets, which go with their process. And
 * those that the system hands out by itself may become a client's while their
 * server is down, which then cannot come back: they are not given to anybody.
 */
#include "support/loopback.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_PORT = 20000, END_PORT = 32768 /* where those of the system begin */ };

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

static bool can_bind(uint16_t port)
{
    struct sockaddr_in at = loopback_address(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;

    close(fd);
    return is_free;
}

/* The socket that keeps it for us; -1: it cannot be had. */
static int take(uint16_t port)
{
    int fd = claim(port);

    if (fd >= 0 && can_bind(port))
        return fd;
    close(fd);
    return -1;
}

static bool take_both(uint16_t port, uint16_t apart)
{
    int fd = take(port);

    if (fd >= 0 && (!apart || take((uint16_t)(port + apart)) >= 0))
        return true;
    close(fd);
    return false;
}

uint16_t loopback_free_ports(uint16_t apart)
{
    unsigned start = 0, count = END_PORT - FIRST_PORT - apart;

    (void)!getrandom(&start, sizeof start, GRND_NONBLOCK);
    for (unsigned i = 0; i < count; i++) {
        uint16_t port = (uint16_t)(FIRST_PORT + (start % count + i) % count);

        if (take_both(port, apart))
            return port;
    }
    return 0;
}

uint16_t loopback_free_port(void)
{
    return loopback_free_ports(0);
}

int loopback_listen(uint16_t port, int backlog)
{
    struct sockaddr_in at = loopback_address(port);
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, backlog)) {
        close(fd);
        return -1;
    }
    return fd;
}

uint16_t loopback_port(int fd)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;

    return getsockname(fd, (struct sockaddr *)&at, &size) ? 0 : ntohs(at.sin_port);
}
