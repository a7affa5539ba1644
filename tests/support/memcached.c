/* SPDX-License-Identifier: MIT */
/* Starting, freezing and stopping private memcached servers. */
#include "support/memcached.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/socket.h"
#include "support/loopback.h"
#include "support/pause.h"

enum { POLL_MS = 5, READY_POLLS = 4000, START_TRIES = 5, ANSWER_S = 5 };

static const char *const places[] = { "/usr/bin/memcached",
                                      "/usr/local/bin/memcached" };

static const char *server_path(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool test_memcached_is_installed(void)
{
    return server_path() != NULL;
}

/* ---- asking ---------------------------------------------------------------------- */

static int connect_port(uint16_t port)
{
    const struct sockaddr_in at = loopback_address(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_path(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    keel_address at;

    if (fd >= 0 && keel_address_unix(&at, path) &&
        connect(fd, (const struct sockaddr *)&at.at, at.size) == 0)
        return fd;
    close(fd);
    return -1;
}

bool test_memcached_ask(const test_memcached *m, const char *line, char *answer,
                        size_t size)
{
    const struct timeval limit = { ANSWER_S, 0 };
    int fd = m->socket[0] ? connect_path(m->socket) : connect_port(m->port);
    ssize_t length = -1;

    *answer = '\0';
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line))
        do
            length = recv(fd, answer, size - 1, 0);
        while (length < 0 && errno == EINTR);
    close(fd);
    answer[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static bool answers(const test_memcached *m)
{
    char answer[64];

    return test_memcached_ask(m, "version\r\n", answer, sizeof answer) &&
           strncmp(answer, "VERSION", 7) == 0;
}

/* ---- starting -------------------------------------------------------------------- */

static bool await(test_memcached *m)
{
    for (int i = 0; i < READY_POLLS; i++) {
        if (answers(m))
            return true;
        if (spawned_has_ended(&m->process))
            break;
        pause_ns(POLL_MS * KEEL_MS);
    }
    return false;
}

/* The user matters only to root, whom memcached would refuse without one. */
static bool run(test_memcached *m)
{
    char port[8];
    const char *argv[16] = { server_path(), "-u", "root", "-U", "0", "-m", "64" };
    size_t argc = 7;

    snprintf(port, sizeof port, "%u", m->port);
    if (m->socket[0]) {
        unlink(m->socket);
        argv[argc++] = "-s";
        argv[argc++] = m->socket;
    } else {
        argv[argc++] = "-l";
        argv[argc++] = "127.0.0.1";
        argv[argc++] = "-p";
        argv[argc++] = port;
    }
    for (size_t i = 0; m->options[i]; i++)
        argv[argc++] = m->options[i];
    if (argv[0] && spawned_start(&m->process, SIGKILL, argv) && await(m))
        return true;
    spawned_stop(&m->process);
    return false;
}

static bool fail(test_memcached *m)
{
    fprintf(stderr, "memcached does not start:\n");
    spawned_print_output(&m->process);
    test_memcached_cleanup(m);
    return false;
}

/* A free port may be taken between asking for it and listening: then others are tried.
 */
bool test_memcached_start(test_memcached *m, const char *option, const char *value)
{
    *m = (test_memcached){ .options = { option, value } };
    if (!spawned_init(&m->process, "memcached"))
        return false;
    for (int i = 0; i < START_TRIES; i++) {
        m->port = loopback_free_port();
        if (run(m))
            return true;
    }
    return fail(m);
}

bool test_memcached_start_unix(test_memcached *m, const char *option, const char *value)
{
    *m = (test_memcached){ .options = { option, value } };
    if (!spawned_init(&m->process, "memcached"))
        return false;
    spawned_path(&m->process, "socket", m->socket);
    return run(m) || fail(m);
}

bool test_memcached_restart(test_memcached *m)
{
    test_memcached_stop(m);
    return run(m);
}

/* ---- stopping -------------------------------------------------------------------- */

void test_memcached_stop(test_memcached *m)
{
    spawned_stop(&m->process);
}

void test_memcached_freeze(const test_memcached *m)
{
    spawned_freeze(&m->process);
}

void test_memcached_thaw(const test_memcached *m)
{
    spawned_thaw(&m->process);
}

void test_memcached_cleanup(test_memcached *m)
{
    spawned_cleanup(&m->process);
}
