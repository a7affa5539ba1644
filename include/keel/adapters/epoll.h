/* SPDX-License-Identifier: MIT */
/*
 * keel_http in an epoll loop, or any other that can wait for a descriptor. The client's
 * sockets and its timer lie in an epoll set of their own, which is one descriptor to the
 * loop: add keel_epoll_fd to yours for EPOLLIN, and call keel_epoll_dispatch whenever it
 * can be read. Needs _POSIX_C_SOURCE of 199309L or later, and a runtime with the
 * system's clock. One thread; nothing here is linked to.
 */
#ifndef KEEL_ADAPTERS_EPOLL_H
#define KEEL_ADAPTERS_EPOLL_H

#include <errno.h>
#include <keel/adapters/why.h>
#include <keel/http.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* client: NULL once it is closed */
typedef struct keel_epoll {
    keel_http *client;
    int set_fd;
    int timer_fd;
} keel_epoll;

enum { KEEL_EPOLL_EVENTS = 64 };

static inline void keel_epoll_on_watch(int fd, bool want_read, bool want_write,
                                       void **slot, void *ctx)
{
    const keel_epoll *e = (const keel_epoll *)ctx;
    int operation = *slot ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event event;

    memset(&event, 0, sizeof event);
    event.events = (want_read ? EPOLLIN : 0u) | (want_write ? EPOLLOUT : 0u);
    event.data.fd = fd;
    *slot = event.events ? ctx : NULL; /* whether it is in the set */
    if (!event.events)
        operation = EPOLL_CTL_DEL;
    epoll_ctl(e->set_fd, operation, fd, &event);
}

static inline void keel_epoll_on_timer(uint64_t at_ns, void *ctx)
{
    const keel_epoll *e = (const keel_epoll *)ctx;
    struct itimerspec at;

    memset(&at, 0, sizeof at); /* zero: it is off */
    if (at_ns != UINT64_MAX) {
        at.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
        at.it_value.tv_nsec = (long)(at_ns % 1000000000u);
    }
    timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/*
 * Closes the client, if it is open. All zero but set_fd and timer_fd of -1 is fine. Inside
 * a callback, too; *e is then used until the loop has returned from it.
 */
static inline void keel_epoll_close(keel_epoll *e)
{
    keel_http *client = e->client;

    e->client = NULL;
    keel_http_close(client);
    if (e->timer_fd >= 0)
        close(e->timer_fd);
    if (e->set_fd >= 0)
        close(e->set_fd);
    e->timer_fd = e->set_fd = -1;
}

/* The set, with the timer in it; what was opened of it stays on failure. */
static inline keel_status keel_epoll_open_set(keel_epoll *e, keel_detail *why)
{
    struct epoll_event event;

    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    e->timer_fd = -1;
    e->set_fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->set_fd < 0)
        return keel_adapter_fail(why, KEEL_E_SYSTEM, "epoll: epoll_create1", errno);
    e->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (e->timer_fd < 0)
        return keel_adapter_fail(why, KEEL_E_SYSTEM, "epoll: timerfd_create", errno);
    event.data.fd = e->timer_fd;
    if (epoll_ctl(e->set_fd, EPOLL_CTL_ADD, e->timer_fd, &event))
        return keel_adapter_fail(why, KEEL_E_SYSTEM, "epoll: epoll_ctl", errno);
    return KEEL_OK;
}

/*
 * Opens a client and its set. options may be NULL; its watch is not read.
 * Returns  as keel_http_open
 */
static inline keel_status keel_epoll_open(keel_epoll *e, keel_runtime *runtime,
                                          const keel_http_options *options,
                                          keel_detail *why)
{
    keel_http_watch watch;
    keel_http_options own;
    int saved = errno;
    keel_status status;

    memset(&own, 0, sizeof own);
    memset(&watch, 0, sizeof watch);
    if (options)
        memcpy(&own, options, options->size < sizeof own ? options->size : sizeof own);
    watch.size = sizeof watch;
    watch.watch = keel_epoll_on_watch;
    watch.timer = keel_epoll_on_timer;
    watch.ctx = e;
    own.size = sizeof own;
    own.watch = &watch;
    e->client = NULL;
    status = keel_epoll_open_set(e, why);
    if (status == KEEL_OK)
        status = keel_http_open(&e->client, runtime, &own, why);
    if (status != KEEL_OK)
        keel_epoll_close(e);
    errno = saved;
    return status;
}

/* What the loop waits for: it can be read when keel_epoll_dispatch has something to do. */
static inline int keel_epoll_fd(const keel_epoll *e)
{
    return e->set_fd;
}

static inline void keel_epoll_take(keel_epoll *e, const struct epoll_event *event)
{
    bool has_error = (event->events & (EPOLLERR | EPOLLHUP)) != 0;
    uint64_t expirations;

    if (event->data.fd != e->timer_fd)
        keel_http_ready(e->client, event->data.fd,
                        has_error || (event->events & EPOLLIN),
                        has_error || (event->events & EPOLLOUT));
    else if (read(e->timer_fd, &expirations, sizeof expirations) > 0)
        keel_http_timer(e->client);
}

/* Does what there is to do, and does not wait. A callback in there may close it. */
static inline void keel_epoll_dispatch(keel_epoll *e)
{
    struct epoll_event events[KEEL_EPOLL_EVENTS];
    int saved = errno;
    int count = epoll_wait(e->set_fd, events, KEEL_EPOLL_EVENTS, 0);

    for (int i = 0; i < count && e->client; i++)
        keel_epoll_take(e, &events[i]);
    errno = saved;
}

#ifdef __cplusplus
}
#endif
#endif
