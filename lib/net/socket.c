/* SPDX-License-Identifier: MIT */
/* Sockets that wait in poll, beside an interrupt, until an instant. */
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/detail.h"

/*
 * A silent peer is asked for a sign after this long, so that whoever only listens finds
 * out that it is gone; seldom enough to be nothing for a server with a thousand clients.
 */
enum { KEEPALIVE_IDLE_S = 5, KEEPALIVE_EVERY_S = 1, KEEPALIVE_COUNT = 3 };

/*
 * A read that sleeps ends by a timer of the kernel's that is the less exact the longer it
 * runs, up to an eighth late: what lasts longer than this is waited for in poll. And by
 * how much such a read may miss its instant otherwise, as setting it anew is a call, too.
 */
#define SLEEP_LONGEST_NS (100 * KEEL_MS)
#define SLEEP_SLACK_NS (20 * KEEL_MS)

/* The kernel may end a poll late by a thousandth, for a process that is nice by five. */
enum { POLL_LONGEST_MS = 5000 };

uint64_t keel_socket_now(void)
{
    return keel_clock_real_now();
}

bool keel_address_unix(keel_address *address, const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t length = strlen(path);

    if (length >= sizeof at.sun_path)
        return false;
    memcpy(at.sun_path, path, length);
    memcpy(&address->at, &at, sizeof at);
    address->size = sizeof at;
    return true;
}

void keel_socket_init(keel_socket *s, int interrupt_fd)
{
    s->own = (keel_descriptor)KEEL_DESCRIPTOR_NONE;
    s->interrupt_fd = interrupt_fd;
    s->sleeps = false;
    s->timeout_ns = 0;
}

/* error: an errno, told in words and by its number. */
static keel_status fail(keel_detail *why, keel_status status, const char *what,
                        int error)
{
    keel_detail all = { .size = sizeof all, .code = status, .system_errno = error };

    errno = error; /* for %m */
    snprintf(all.storage, sizeof all.storage, "%s: %m", what);
    all.text = all.storage;
    keel_detail_fill(why, &all);
    return status;
}

/* For one poll: rounded up, so that it does not wake before the instant and spin. */
static int ms_left(uint64_t until_ns)
{
    uint64_t left = keel_ns_left(until_ns, keel_socket_now());
    uint64_t ms = left / KEEL_MS + (left % KEEL_MS != 0);

    return ms < POLL_LONGEST_MS ? (int)ms : POLL_LONGEST_MS;
}

keel_status keel_socket_await(keel_socket *s, short events, uint64_t until_ns,
                              keel_detail *why)
{
    struct pollfd fds[] = { { .fd = s->own.fd, .events = events },
                            { .fd = s->interrupt_fd, .events = POLLIN } };
    int timeout_ms, ready;

    do {
        timeout_ms = ms_left(until_ns);
        ready = poll(fds, 2, timeout_ms);
    } while (ready < 0 ? errno == EINTR : ready == 0 && timeout_ms > 0);
    if (ready < 0)
        return fail(why, KEEL_E_SYSTEM, "poll", errno);
    if (fds[1].revents)
        return keel_fail(why, KEEL_CANCELLED, "interrupted");
    if (fds[0].revents)
        return KEEL_OK;
    return keel_fail(why, KEEL_TIMEOUT, "no answer in time");
}

/* Whatever the kernel refuses of these, the instants of each wait still hold. */
static void set_tcp_options(int fd, uint64_t timeout_ns)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
        { IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S },
        { IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT },
    };
    uint64_t ms = timeout_ns / KEEL_MS;
    unsigned timeout_ms = ms < INT32_MAX ? (unsigned)ms : INT32_MAX;

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof options[i].value);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

static keel_status finish_connect(keel_socket *s, uint64_t until_ns, keel_detail *why)
{
    keel_status status = keel_socket_await(s, POLLOUT, until_ns, why);
    int error = 0;
    socklen_t size = sizeof error;

    if (status != KEEL_OK)
        return status;
    getsockopt(s->own.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error ? fail(why, KEEL_FAILED, "connect", error) : KEEL_OK;
}

static keel_status start_connect(keel_socket *s, const keel_address *to,
                                 uint64_t until_ns, keel_detail *why)
{
    if (connect(s->own.fd, (const struct sockaddr *)&to->at, to->size) == 0)
        return KEEL_OK;
    if (errno == EINPROGRESS)
        return finish_connect(s, until_ns, why);
    return fail(why, KEEL_FAILED, "connect", errno);
}

keel_status keel_socket_connect(keel_socket *s, const keel_address *to,
                                uint64_t timeout_ns, uint64_t until_ns,
                                keel_detail *why)
{
    keel_status status;

    keel_socket_close(s);
    keel_descriptor_set(&s->own, socket(to->at.ss_family,
                                        SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (s->own.fd < 0)
        return fail(why, KEEL_E_SYSTEM, "socket", errno);
    if (to->at.ss_family != AF_UNIX)
        set_tcp_options(s->own.fd, timeout_ns);
    status = start_connect(s, to, until_ns, why);
    if (status != KEEL_OK)
        keel_socket_close(s);
    return status;
}

/* Nothing to be had or done just now. */
static bool must_wait(ssize_t rc)
{
    return rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

void keel_socket_sleep(keel_socket *s)
{
    int flags = s->interrupt_fd < 0 ? fcntl(s->own.fd, F_GETFL) : -1;

    s->sleeps = flags >= 0 && fcntl(s->own.fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

/* Set only when it is too far off: most calls of one owner have the same time left. */
static bool set_timeout(keel_socket *s, uint64_t left_ns)
{
    uint64_t us = left_ns / 1000 + 1; /* 0 would be for ever */
    const struct timeval timeout = { .tv_sec = (time_t)(us / 1000000),
                                     .tv_usec = (suseconds_t)(us % 1000000) };

    if (s->timeout_ns >= left_ns / 2 && s->timeout_ns <= left_ns + SLEEP_SLACK_NS)
        return true;
    s->timeout_ns = left_ns;
    return setsockopt(s->own.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) ==
           0;
}

static keel_status read_awake(keel_socket *s, void *to, size_t size, ssize_t *got,
                              uint64_t until_ns, keel_detail *why)
{
    keel_status status = KEEL_OK;

    while (status == KEEL_OK &&
           must_wait(*got = recv(s->own.fd, to, size, MSG_DONTWAIT)))
        status = keel_socket_await(s, POLLIN, until_ns, why);
    return status;
}

/*
 * Until a byte is there, or the peer has ended; what comes is taken at once. Who has
 * slept in vain has lost more time than the second call takes, and waits in poll.
 */
static keel_status read_asleep(keel_socket *s, void *to, size_t size, ssize_t *got,
                               uint64_t until_ns, keel_detail *why)
{
    uint64_t left = keel_ns_left(until_ns, keel_socket_now());

    if (left && !set_timeout(s, keel_ns_min(left, SLEEP_LONGEST_NS)))
        return fail(why, KEEL_E_SYSTEM, "setsockopt", errno);
    *got = recv(s->own.fd, to, size, left ? 0 : MSG_DONTWAIT);
    return must_wait(*got) ? read_awake(s, to, size, got, until_ns, why) : KEEL_OK;
}

keel_status keel_socket_read(keel_socket *s, void *to, size_t size, size_t *length,
                             uint64_t until_ns, keel_detail *why)
{
    ssize_t got = 0;
    keel_status status = s->sleeps ? read_asleep(s, to, size, &got, until_ns, why)
                                   : read_awake(s, to, size, &got, until_ns, why);

    *length = 0;
    if (status != KEEL_OK)
        return status;
    if (got < 0)
        return fail(why, KEEL_FAILED, "read", errno);
    if (got == 0)
        return keel_fail(why, KEEL_FAILED, "the peer closed the connection");
    *length = (size_t)got;
    return KEEL_OK;
}

keel_status keel_socket_write_counting(keel_socket *s, const void *bytes, size_t size,
                                       size_t *sent, uint64_t until_ns,
                                       keel_detail *why)
{
    const char *at = bytes;
    keel_status status;

    *sent = 0;
    while (*sent < size) {
        ssize_t written =
            send(s->own.fd, at + *sent, size - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (must_wait(written)) {
            status = keel_socket_await(s, POLLOUT, until_ns, why);
            if (status != KEEL_OK)
                return status;
        } else if (written < 0) {
            return fail(why, KEEL_FAILED, "write", errno);
        } else {
            *sent += (size_t)written;
        }
    }
    return KEEL_OK;
}

keel_status keel_socket_write(keel_socket *s, const void *bytes, size_t size,
                              uint64_t until_ns, keel_detail *why)
{
    size_t sent;

    return keel_socket_write_counting(s, bytes, size, &sent, until_ns, why);
}

bool keel_socket_is_quiet(const keel_socket *s)
{
    int before = errno;
    char byte;
    bool is_quiet = must_wait(recv(s->own.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT));

    errno = before;
    return is_quiet;
}

void keel_socket_close(keel_socket *s)
{
    keel_descriptor_close(&s->own);
}
