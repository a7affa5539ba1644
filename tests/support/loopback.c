/* SPDX-License-Identifier: MIT */
/* Listening on 127.0.0.1. */
#include "support/loopback.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

struct sockaddr_in loopback_address(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
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
