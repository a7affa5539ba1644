/* SPDX-License-Identifier: MIT */
#include "serve_notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "/path", or "@name" for one without a file. */
static socklen_t address_of(const char *where, struct sockaddr_un *to)
{
    size_t length = where ? strlen(where) : 0;

    *to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (length < 2 || length >= sizeof to->sun_path ||
        (where[0] != '/' && where[0] != '@'))
        return 0;
    memcpy(to->sun_path, where, length);
    if (where[0] == '@')
        to->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void keel_serve_notify(const char *state)
{
    struct sockaddr_un to;
    socklen_t size = address_of(getenv("NOTIFY_SOCKET"), &to);
    int fd;

    if (!size)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* a manager that does not listen is none of a service's troubles */
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    close(fd);
}
