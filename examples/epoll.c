/* SPDX-License-Identifier: MIT */
/*
 * A polled call in an epoll loop. A timer stands for the socket of a dependency that
 * takes 300 ms at first and 20 ms when asked again; an attempt may take 100 ms.
 * keel-eventloop(7) has the same for many calls at once.
 */
#define _POSIX_C_SOURCE 200809L
#include <keel/keel.h>
#include <limits.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void send_request(int fd, uint32_t attempt)
{
    long answer_ms = attempt == 1 ? 300 : 20;
    struct itimerspec when = { .it_value = { .tv_nsec = answer_ms * 1000000 } };

    printf("attempt %u\n", (unsigned)attempt);
    timerfd_settime(fd, 0, &when, NULL);
}

/* Milliseconds from now, rounded up, for epoll_wait; -1: only an event ends it. */
static int ms_until(keel_runtime *rt, uint64_t at_ns)
{
    uint64_t now = keel_now(rt);
    uint64_t ms = at_ns > now ? (at_ns - now - 1) / 1000000 + 1 : 0;

    if (at_ns == UINT64_MAX)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static keel_status drive(keel_runtime *rt, keel_pipeline *api, int epoll, int fd)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_call call;
    keel_step step;
    uint32_t attempt;
    uint64_t wake_at_ns;

    keel_call_begin(&call, api, &options);
    while ((step = keel_call_poll(&call, &attempt, &wake_at_ns)) != KEEL_STEP_ENDED) {
        struct epoll_event event;
        uint64_t answer;

        if (step == KEEL_STEP_ATTEMPT)
            send_request(fd, attempt);
        if (epoll_wait(epoll, &event, 1, ms_until(rt, wake_at_ns)) > 0 &&
            read(fd, &answer, sizeof answer) == (ssize_t)sizeof answer)
            keel_call_report(&call, KEEL_OK);
    }
    keel_call_end(&call, &why);
    printf("%s after %u attempts in %u ms\n", why.text, (unsigned)why.attempts,
           (unsigned)(why.elapsed_ns / 1000000));
    return why.code;
}

int main(void)
{
    struct epoll_event readable = { .events = EPOLLIN };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    keel_status status = KEEL_FAILED;
    keel_runtime *rt = NULL;
    keel_pipeline *api;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &readable) == 0 &&
        keel_open(&rt, NULL, NULL) == KEEL_OK &&
        keel_pipeline_open(&api, rt, "api", "timeout=100ms", NULL) == KEEL_OK) {
        status = drive(rt, api, epoll, fd);
        keel_pipeline_close(api);
    }
    keel_close(rt, 0);
    close(fd);
    close(epoll);
    return status == KEEL_OK ? 0 : 1;
}
