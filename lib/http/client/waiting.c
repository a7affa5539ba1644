/* SPDX-License-Identifier: MIT */
/* The loop of clients that have none: an epoll set, and one wait at a time. */
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#include "base/detail.h"
#include "http/client/client.h"

/*
 * Few: what answers while a batch is worked off waits for the next one. Nothing is late
 * for having been in a later batch: keel_exchange_look sees to that.
 */
enum { EVENTS_AT_ONCE = 4 };

/* What is not there is added, and what is, changed: libcurl may have closed it before. */
static void watch(int fd, bool want_read, bool want_write, void **slot, void *ctx)
{
    const keel_http *client = ctx;
    struct epoll_event event = { .data.fd = fd };
    int epoll = atomic_load(&client->epoll.fd);

    if (want_read)
        event.events |= EPOLLIN;
    if (want_write)
        event.events |= EPOLLOUT;
    if (!event.events) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
        *slot = NULL;
        return;
    }
    if (epoll_ctl(epoll, *slot ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
        epoll_ctl(epoll, *slot ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    *slot = ctx; /* it is in the set */
}

keel_status keel_http_wait_open(keel_http *client, keel_detail *why)
{
    keel_descriptor_set(&client->epoll, epoll_create1(EPOLL_CLOEXEC));
    if (atomic_load(&client->epoll.fd) < 0)
        return keel_fail(why, KEEL_E_SYSTEM, "http: no descriptor to be had");
    client->sockets.loop.watch = watch;
    client->sockets.loop.ctx = client;
    return KEEL_OK;
}

void keel_http_wait_close(keel_http *client)
{
    keel_descriptor_close(&client->epoll);
}

static int timeout_ms(keel_http *client, uint64_t until_ns)
{
    uint64_t left =
        keel_ns_left(keel_ns_min(until_ns, client->due_ns), keel_http_now(client));
    /* up, so that the instant has come when the wait ends */
    uint64_t ms = keel_ns_add(left, KEEL_MS - 1) / KEEL_MS;

    if (until_ns == KEEL_NEVER && client->due_ns == KEEL_NEVER)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void take(keel_http *client, const struct epoll_event *event)
{
    uint32_t error = event->events & (EPOLLERR | EPOLLHUP);

    keel_http_socket_ready(client, event->data.fd, event->events & EPOLLIN || error,
                           event->events & EPOLLOUT || error);
}

keel_status keel_http_wait(keel_http *client, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(atomic_load(&client->epoll.fd), events, EVENTS_AT_ONCE,
                           timeout_ms(client, until_ns));

    if (count < 0 && errno != EINTR)
        return KEEL_E_SYSTEM;
    keel_http_enter(client);
    for (int i = 0; i < count; i++)
        take(client, &events[i]);
    keel_http_turn(client);
    keel_http_leave(client);
    return KEEL_OK;
}
