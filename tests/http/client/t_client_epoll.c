/* SPDX-License-Identifier: MIT */
/* keel_http in a program's own epoll set, where it is one descriptor. */
#include <keel/adapters/epoll.h>

#define LOOP_NAME "client_epoll"
#include "loops.h"

static keel_epoll adapter;
static int set = -1;

static keel_http **loop_open(keel_runtime *runtime)
{
    struct epoll_event event = { .events = EPOLLIN };

    set = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_eq(keel_epoll_open(&adapter, runtime, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, keel_epoll_fd(&adapter), &event), 0);
    return &adapter.client;
}

static void loop_step(void)
{
    struct epoll_event event;

    ck_assert_int_eq(epoll_wait(set, &event, 1, -1), 1);
    keel_epoll_dispatch(&adapter);
}

static void loop_leave(void)
{
    keel_epoll_close(&adapter);
}

static void loop_close(void)
{
    keel_epoll_close(&adapter);
    close(set);
}
