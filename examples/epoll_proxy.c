/* SPDX-License-Identifier: MIT */
/*
 * A proxy in an epoll loop: keel's whole client is one more descriptor there. Serves one
 * visitor, itself, and ends. Usage: epoll_proxy URL
 */
#define _POSIX_C_SOURCE 200809L
#include <keel/adapters/epoll.h>

#include "proxy.h"

static int add(int set, int fd, void *who)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = who };

    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static void serve(int set, int listener, keel_epoll *keel)
{
    while (!answered) {
        struct epoll_event event;
        visitor *v;

        if (epoll_wait(set, &event, 1, -1) < 1)
            continue;
        if (event.data.ptr == keel) {
            keel_epoll_dispatch(keel);
        } else if (event.data.ptr) {
            int fd = ((visitor *)event.data.ptr)->fd;

            if (proxy_read(event.data.ptr, keel->client))
                epoll_ctl(set, EPOLL_CTL_DEL, fd, &event);
        } else if ((v = proxy_accept(listener))) {
            add(set, v->fd, v);
        }
    }
}

int main(int argc, char **argv)
{
    keel_runtime *rt;
    keel_epoll keel = { .client = NULL, .set_fd = -1, .timer_fd = -1 };
    int set = epoll_create1(EPOLL_CLOEXEC), listener = proxy_listen();

    if (proxy_open(&rt, argc, argv) && add(set, listener, NULL) == 0 &&
        keel_epoll_open(&keel, rt, NULL, NULL) == KEEL_OK &&
        add(set, keel_epoll_fd(&keel), &keel) == 0)
        serve(set, listener, &keel);
    keel_epoll_close(&keel);
    close(set);
    close(listener);
    return proxy_close(rt);
}
