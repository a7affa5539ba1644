/* SPDX-License-Identifier: MIT */
#include "serve_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static bool refuse(char why[KEEL_SERVE_WHY], const char *address, const char *what)
{
    snprintf(why, KEEL_SERVE_WHY, "%s: %s", address, what);
    return false;
}

static bool add(keel_serve_listeners *l, int fd, const char *address, bool is_unix)
{
    keel_serve_listener *one = &l->all[l->count];

    if (listen(fd, BACKLOG))
        return false;
    *one = (keel_serve_listener){ .fd = fd, .is_unix = is_unix };
    snprintf(one->address, sizeof one->address, "%s", address);
    l->count++;
    return true;
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- unix sockets -------------------------------------------------------------------- */

/* Whether the file is a socket that nobody listens to any more. */
static bool is_left_behind(const struct sockaddr_un *at)
{
    struct stat file;
    bool refused;
    int fd;

    if (lstat(at->sun_path, &file) || !S_ISSOCK(file.st_mode))
        return false;
    fd = open_socket(AF_UNIX);
    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 &&
              errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static bool bind_unix(int fd, const struct sockaddr_un *at, mode_t mode)
{
    const struct sockaddr *address = (const struct sockaddr *)at;

    if (bind(fd, address, sizeof *at)) {
        if (errno != EADDRINUSE)
            return false;
        if (!is_left_behind(at)) {
            errno = EADDRINUSE;
            return false;
        }
        if (unlink(at->sun_path) || bind(fd, address, sizeof *at))
            return false;
    }
    /* before it listens, so that nobody comes in meanwhile */
    return chmod(at->sun_path, mode) == 0;
}

static bool listen_unix(keel_serve_listeners *l, const char *path, mode_t mode,
                        char why[KEEL_SERVE_WHY])
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    int fd;

    if (!length || length >= sizeof at.sun_path)
        return refuse(why, path, "no path of a socket: 1 to 107 bytes");
    memcpy(at.sun_path, path, length);
    fd = open_socket(AF_UNIX);
    if (fd >= 0 && bind_unix(fd, &at, mode) && add(l, fd, path, true))
        return true;
    refuse(why, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

/* ---- addresses of the network -------------------------------------------------------- */

static void name_of(int fd, char to[KEEL_SERVE_ADDRESS])
{
    struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof at;
    char host[64], port[16];

    if (getsockname(fd, (struct sockaddr *)&at, &size) ||
        getnameinfo((struct sockaddr *)&at, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        snprintf(to, KEEL_SERVE_ADDRESS, "?");
        return;
    }
    if (at.ss_family == AF_INET6)
        snprintf(to, KEEL_SERVE_ADDRESS, "[%s]:%s", host, port);
    else
        snprintf(to, KEEL_SERVE_ADDRESS, "%s:%s", host, port);
}

static bool listen_one(keel_serve_listeners *l, const struct addrinfo *info)
{
    const int on = 1;
    char name[KEEL_SERVE_ADDRESS];
    int fd = open_socket(info->ai_family), error;

    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* ":PORT" has 0.0.0.0 and [::], each with a socket of its own */
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0) {
        name_of(fd, name);
        if (add(l, fd, name, false))
            return true;
    }
    error = errno;
    close(fd);
    errno = error;
    return false;
}

/* "HOST:PORT" in two; false: it is not of that form. */
static bool split(const char *address, char host[KEEL_SERVE_ADDRESS], const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t length;

    if (!colon || !colon[1] || strlen(address) >= KEEL_SERVE_ADDRESS)
        return false;
    *port = colon + 1;
    length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    } else if (memchr(address, ':', length)) {
        return false; /* an address of IPv6 stands in brackets */
    }
    memcpy(host, address, length);
    host[length] = '\0';
    return strspn(*port, "0123456789") == strlen(*port);
}

static bool listen_all(keel_serve_listeners *l, const char *address,
                       const struct addrinfo *infos, char why[KEEL_SERVE_WHY])
{
    for (const struct addrinfo *i = infos; i; i = i->ai_next) {
        if (l->count == KEEL_SERVE_LISTENERS)
            return refuse(why, address, "too many addresses to listen to");
        /* a host may have no IPv6 though its resolver knows of it */
        if (!listen_one(l, i) && (errno != EAFNOSUPPORT || !i->ai_next))
            return refuse(why, address, strerror(errno));
    }
    return true;
}

static bool listen_network(keel_serve_listeners *l, const char *address,
                           char why[KEEL_SERVE_WHY])
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    char host[KEEL_SERVE_ADDRESS];
    struct addrinfo *infos = NULL;
    const char *port;
    bool listens;
    int error;

    if (!split(address, host, &port))
        return refuse(why, address,
                      "no address: HOST:PORT, [ADDRESS]:PORT, :PORT or unix:PATH");
    error = getaddrinfo(*host ? host : NULL, port, &hints, &infos);
    if (error)
        return refuse(why, address, gai_strerror(error));
    listens = listen_all(l, address, infos, why);
    freeaddrinfo(infos);
    return listens;
}

/* ---- all of them --------------------------------------------------------------------- */

bool keel_serve_listen(keel_serve_listeners *l, const char *address, mode_t mode,
                       char why[KEEL_SERVE_WHY])
{
    if (l->count == KEEL_SERVE_LISTENERS)
        return refuse(why, address, "too many addresses to listen to");
    if (!strncmp(address, "unix:", 5))
        return listen_unix(l, address + 5, mode, why);
    if (*address == '/')
        return listen_unix(l, address, mode, why);
    return listen_network(l, address, why);
}

void keel_serve_unlisten(keel_serve_listeners *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->all[i].is_unix)
            unlink(l->all[i].address);
        close(l->all[i].fd);
    }
    l->count = 0;
}
