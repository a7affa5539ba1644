/* SPDX-License-Identifier: MIT */
/* A poll loop over a few connections, and the script they follow. */
#include "support/fault.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/pause.h"

static void hang_up(fault_connection *c, bool reset)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
    c->fd = -1;
}

static void send_step(int fd, const fault_step *step)
{
    /* an end that follows comes with the last byte: no client sends in between */
    int flags =
        MSG_NOSIGNAL | (step->then == FAULT_CLOSE && !step->drip_ms ? MSG_MORE : 0);
    size_t left = strlen(step->send);

    for (const char *p = step->send; left;) {
        ssize_t sent = send(fd, p, step->drip_ms ? 1 : left, flags);

        if (sent < 0)
            return; /* the client has left */
        p += sent;
        left -= (size_t)sent;
        if (step->drip_ms)
            pause_ns((uint64_t)step->drip_ms * KEEL_MS);
    }
}

static const fault_step *step_for(const fault_server *server, int number)
{
    int last = server->step_count - 1;

    return &server->steps[number < last ? number : last];
}

static void remember(fault_server *server, const fault_connection *c)
{
    pthread_mutex_lock(&server->mu);
    memcpy(server->last_request, c->request, c->length + 1);
    pthread_mutex_unlock(&server->mu);
}

static void answer(fault_server *server, fault_connection *c)
{
    const fault_step *step;

    remember(server, c);
    step = step_for(server, atomic_fetch_add(&server->requests, 1));
    c->length = 0;
    send_step(c->fd, step);
    c->silent = step->then == FAULT_HANG;
    if (step->then == FAULT_CLOSE || step->then == FAULT_RESET)
        hang_up(c, step->then == FAULT_RESET);
}

/* Whether a request is there in full, or as far as the script wants it. */
static bool is_complete(const fault_connection *c, bool head_is_enough)
{
    const char *end = strstr(c->request, "\r\n\r\n");
    const char *length = strstr(c->request, "Content-Length: ");
    size_t body;

    if (!end || head_is_enough)
        return end != NULL;
    body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    return c->length >= (size_t)(end + 4 - c->request) + body;
}

static void take_bytes(fault_server *server, fault_connection *c)
{
    char unread[256];
    ssize_t got;

    if (c->silent || c->length == FAULT_REQUEST_SIZE - 1)
        got = recv(c->fd, unread, sizeof unread, 0);
    else
        got =
            recv(c->fd, c->request + c->length, FAULT_REQUEST_SIZE - 1 - c->length, 0);
    if (got <= 0) {
        hang_up(c, false);
        return;
    }
    if (c->silent)
        return;
    c->length += (size_t)got;
    c->request[c->length] = '\0';
    if (is_complete(c, step_for(server, atomic_load(&server->requests))->early))
        answer(server, c);
}

static void take_connection(fault_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    atomic_fetch_add(&server->connections, 1);
    for (int i = 0; i < FAULT_CONNECTIONS; i++)
        if (server->open[i].fd < 0) {
            server->open[i].fd = fd;
            server->open[i].silent = false;
            server->open[i].length = 0;
            return;
        }
    close(fd);
}

static void *serve(void *arg)
{
    fault_server *server = arg;
    struct pollfd fds[FAULT_CONNECTIONS + 2] = { { 0 } };

    for (;;) {
        for (int i = 0; i < FAULT_CONNECTIONS; i++)
            fds[i] = (struct pollfd){ .fd = server->open[i].fd, .events = POLLIN };
        fds[FAULT_CONNECTIONS] =
            (struct pollfd){ .fd = server->listener, .events = POLLIN };
        fds[FAULT_CONNECTIONS + 1] =
            (struct pollfd){ .fd = server->stop_fd, .events = POLLIN };
        if (poll(fds, FAULT_CONNECTIONS + 2, -1) < 0)
            continue;
        if (fds[FAULT_CONNECTIONS + 1].revents)
            return NULL;
        for (int i = 0; i < FAULT_CONNECTIONS; i++)
            if (fds[i].revents)
                take_bytes(server, &server->open[i]);
        if (fds[FAULT_CONNECTIONS].revents)
            take_connection(server);
    }
}

static bool listen_somewhere(fault_server *server)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&at, size) != 0 ||
        listen(server->listener, 64) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&at, &size) != 0)
        return false;
    server->port = ntohs(at.sin_port);
    return true;
}

bool fault_start(fault_server *server, const fault_step *steps, int step_count)
{
    memset(server, 0, sizeof *server);
    server->steps = steps;
    server->step_count = step_count;
    for (int i = 0; i < FAULT_CONNECTIONS; i++)
        server->open[i].fd = -1;
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    return server->stop_fd >= 0 && listen_somewhere(server) &&
           pthread_mutex_init(&server->mu, NULL) == 0 &&
           pthread_create(&server->thread, NULL, serve, server) == 0;
}

void fault_stop(fault_server *server)
{
    eventfd_write(server->stop_fd, 1);
    pthread_join(server->thread, NULL);
    for (int i = 0; i < FAULT_CONNECTIONS; i++)
        if (server->open[i].fd >= 0)
            hang_up(&server->open[i], false);
    close(server->listener);
    close(server->stop_fd);
    pthread_mutex_destroy(&server->mu);
}

bool fault_saw(fault_server *server, const char *text)
{
    bool saw;

    pthread_mutex_lock(&server->mu);
    saw = strstr(server->last_request, text) != NULL;
    pthread_mutex_unlock(&server->mu);
    return saw;
}
