/* SPDX-License-Identifier: MIT */
/* keel_http in a program's own epoll set, where it is one descriptor. */
#include <keel/adapters/epoll.h>

#include <errno.h>
#include <sys/resource.h>

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
    int count;

    do
        count = epoll_wait(set, &event, 1, -1);
    while (count < 0 && errno == EINTR);
    ck_assert_int_eq(count, 1);
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

/* So many are to be had, and no more, until the limit is set again. */
static struct rlimit limit_descriptors(rlim_t count)
{
    struct rlimit before, now;
    int lowest = dup(STDIN_FILENO);

    ck_assert(lowest >= 0 && close(lowest) == 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)lowest + count;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static const char *loop_open_without(keel_runtime *runtime, int n, keel_detail *why)
{
    static const char *const texts[] = { "epoll: epoll_create1: Too many open files",
                                         "epoll: timerfd_create: Too many open files" };
    struct rlimit before;

    if (n == sizeof texts / sizeof *texts)
        return NULL;
    before = limit_descriptors((rlim_t)n);
    ck_assert_int_eq(keel_epoll_open(&adapter, runtime, NULL, why), KEEL_E_SYSTEM);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(why->system_errno, EMFILE);
    ck_assert_int_eq(adapter.set_fd, -1);
    return texts[n];
}
