/* SPDX-License-Identifier: MIT */
/*
 * A loop that looks at its timers before its sockets, as libuv does, in a program whose
 * clock moves by hand: it may stand still as long as a test likes.
 */
#ifndef KEEL_TESTS_HTTP_CLIENT_LATE_LOOP_H
#define KEEL_TESTS_HTTP_CLIENT_LATE_LOOP_H

#include <poll.h>

#include "client_fixture.h"

enum { LATE_LOOP_SOCKETS = 64 };

static struct pollfd late_sockets[LATE_LOOP_SOCKETS]; /* events 0: free */

static inline struct pollfd *late_place(int fd)
{
    struct pollfd *empty = NULL;

    for (int i = 0; i < LATE_LOOP_SOCKETS; i++) {
        if (late_sockets[i].events && late_sockets[i].fd == fd)
            return &late_sockets[i];
        if (!late_sockets[i].events)
            empty = &late_sockets[i];
    }
    return empty;
}

static inline void late_watch(int fd, bool want_read, bool want_write, void **slot,
                              void *ctx)
{
    struct pollfd *at = late_place(fd);

    (void)slot;
    (void)ctx;
    ck_assert_ptr_nonnull(at);
    at->fd = fd;
    at->events = (short)((want_read ? POLLIN : 0) | (want_write ? POLLOUT : 0));
}

/* Every turn looks at the timers. */
static inline void late_timer(uint64_t at_ns, void *ctx)
{
    (void)at_ns;
    (void)ctx;
}

/* own and client; other options may be set, but no watch. */
static inline void late_loop_open(const char *settings, keel_http_options options)
{
    static const keel_http_watch watch = { .size = sizeof watch,
                                           .watch = late_watch,
                                           .timer = late_timer };

    memset(late_sockets, 0, sizeof late_sockets);
    opened_init(&own, OPENED_BY_HAND, NULL, settings);
    options.size = sizeof options;
    options.watch = &watch;
    ck_assert_int_eq(keel_http_open(&client, own.rt, &options, NULL), KEEL_OK);
}

static inline void late_loop_turn(void)
{
    keel_http_timer(client);
    for (int i = 0; i < LATE_LOOP_SOCKETS; i++) {
        struct pollfd *at = &late_sockets[i];

        if (at->events && poll(at, 1, 0) > 0)
            keel_http_ready(client, at->fd, at->revents & ~POLLOUT,
                            at->revents & ~POLLIN);
    }
}

#endif
