/* SPDX-License-Identifier: MIT */
/*
 * A proxy in a libevent loop. Serves one visitor, itself, and ends.
 * Usage: libevent_proxy URL
 */
#define _DEFAULT_SOURCE
#include <keel/adapters/libevent.h>

#include "proxy.h"

static keel_libevent keel;

static void on_visitor(evutil_socket_t fd, short what, void *ctx);

/* Once a time: the answer closes the descriptor. */
static void read_on(visitor *v)
{
    event_base_once(keel.base, v->fd, EV_READ, on_visitor, v, NULL);
}

static void on_visitor(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    if (!proxy_read(ctx, keel.client))
        read_on(ctx);
}

static void on_visit(evutil_socket_t fd, short what, void *ctx)
{
    visitor *v = proxy_accept((int)fd);

    (void)what;
    (void)ctx;
    if (v)
        read_on(v);
}

int main(int argc, char **argv)
{
    keel_runtime *rt;
    int listener = proxy_listen();
    struct event_base *base = event_base_new();
    struct event *visit =
        base ? event_new(base, listener, EV_READ | EV_PERSIST, on_visit, NULL) : NULL;

    if (visit && proxy_open(&rt, argc, argv) &&
        keel_libevent_open(&keel, rt, base, NULL, NULL) == KEEL_OK) {
        event_add(visit, NULL);
        while (!answered)
            event_base_loop(base, EVLOOP_ONCE);
        keel_libevent_close(&keel);
        event_free(visit);
        event_base_free(base);
        close(listener);
        return proxy_close(rt);
    }
    return 1;
}
