/* SPDX-License-Identifier: MIT */
/*
 * keel_http in a libevent loop: an event for each socket in use, and one for the timer.
 * All on the loop's thread. keel itself is not linked to libevent; who includes this is.
 */
#ifndef KEEL_ADAPTERS_LIBEVENT_H
#define KEEL_ADAPTERS_LIBEVENT_H

#include <event2/event.h>
#include <keel/adapters/why.h>
#include <keel/http.h>
#include <string.h>
#include <sys/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* client: NULL once it is closed */
typedef struct keel_libevent {
    keel_http *client;
    keel_runtime *runtime;
    struct event_base *base;
    struct event *timer;
} keel_libevent;

static inline void keel_libevent_on_ready(evutil_socket_t fd, short what, void *ctx)
{
    const keel_libevent *e = (const keel_libevent *)ctx;

    keel_http_ready(e->client, (int)fd, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
}

static inline void keel_libevent_on_expiry(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    keel_http_timer(((const keel_libevent *)ctx)->client);
}

static inline void keel_libevent_on_watch(int fd, bool want_read, bool want_write,
                                          void **slot, void *ctx)
{
    keel_libevent *e = (keel_libevent *)ctx;
    struct event *event = (struct event *)*slot;
    short wanted =
        (short)((want_read ? EV_READ : 0) | (want_write ? EV_WRITE : 0) | EV_PERSIST);

    if (event)
        event_del(event);
    if (!want_read && !want_write) {
        if (event)
            event_free(event);
        *slot = NULL;
        return;
    }
    if (event)
        event_assign(event, e->base, fd, wanted, keel_libevent_on_ready, e);
    else
        *slot = event = event_new(e->base, fd, wanted, keel_libevent_on_ready, e);
    if (event)
        event_add(event, NULL);
}

static inline void keel_libevent_on_timer(uint64_t at_ns, void *ctx)
{
    keel_libevent *e = (keel_libevent *)ctx;
    uint64_t now = keel_now(e->runtime);
    uint64_t us = at_ns > now ? (at_ns - now - 1) / 1000 + 1 : 0;
    struct timeval after;

    if (!e->timer)
        return; /* closed inside a callback: the client ends later than we do */
    after.tv_sec = (time_t)(us / 1000000);
    after.tv_usec = (suseconds_t)(us % 1000000);
    if (at_ns == UINT64_MAX)
        evtimer_del(e->timer);
    else
        evtimer_add(e->timer, &after);
}

/*
 * Closes the client, if it is open. Inside a callback, too; *e is then used until the loop
 * has returned from it.
 */
static inline void keel_libevent_close(keel_libevent *e)
{
    keel_http *client = e->client;

    e->client = NULL;
    keel_http_close(client);
    if (e->timer)
        event_free(e->timer);
    e->timer = NULL;
}

/*
 * Opens a client, e->client, in a loop. options may be NULL; its watch is not read. Until
 * it is closed it keeps the loop running.
 * Returns  as keel_http_open
 */
static inline keel_status keel_libevent_open(keel_libevent *e, keel_runtime *runtime,
                                             struct event_base *base,
                                             const keel_http_options *options,
                                             keel_detail *why)
{
    keel_http_watch watch;
    keel_http_options own;
    keel_status status;

    memset(&own, 0, sizeof own);
    memset(&watch, 0, sizeof watch);
    if (options)
        memcpy(&own, options, options->size < sizeof own ? options->size : sizeof own);
    watch.size = sizeof watch;
    watch.watch = keel_libevent_on_watch;
    watch.timer = keel_libevent_on_timer;
    watch.ctx = e;
    own.size = sizeof own;
    own.watch = &watch;
    e->client = NULL;
    e->runtime = runtime;
    e->base = base;
    e->timer = evtimer_new(base, keel_libevent_on_expiry, e);
    if (!e->timer)
        return keel_adapter_fail(why, KEEL_E_NOMEM, "libevent", 0);
    status = keel_http_open(&e->client, runtime, &own, why);
    if (status != KEEL_OK)
        keel_libevent_close(e);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
