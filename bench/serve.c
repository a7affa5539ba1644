/* SPDX-License-Identifier: MIT */
/*
 * `keel serve memory://` beside memcached, under the same load: 50 connections of one
 * thread, nine gets to one set of 100 bytes. Both servers run all the time; rounds of a
 * quarter of a second alternate, each pair gives one ratio, and the median counts. Run
 * from the build directory.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/loopback.h"
#include "support/spawned.h"

enum {
    CONNECTIONS = 50,
    KEYS = 10000,
    VALUE = 100,
    DEPTH_MAX = 16,
    ROUNDS = 15,
    ROUND_NS = 250 * 1000 * 1000,
    READY_TRIES = 2000
};

#define GOAL 0.5

/* One server, and our side of its connections; expected: bytes of answers to come. */
typedef struct subject {
    const char *name;
    spawned process;
    uint16_t port;
    int epoll_fd;
    struct client {
        int fd;
        size_t expected;
    } clients[CONNECTIONS];
} subject;

static subject keel = { .name = "keel serve memory://" };
static subject memcached = { .name = "memcached" };
static char value[VALUE];
static size_t hit_length;

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "serve: %s\n", why);
    spawned_cleanup(&keel.process);
    spawned_cleanup(&memcached.process);
    exit(1);
}

/* ---- connections --------------------------------------------------------------------- */

static int connect_to(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timespec pause = { 0, 5000000 };
    const int on = 1;

    for (int i = 0; i < READY_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return fd;
        }
        close(fd);
        nanosleep(&pause, NULL);
    }
    fail("a server does not answer");
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0)
            fail("a server has gone away");
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void key_of(char to[16], unsigned number)
{
    snprintf(to, 16, "key:%06u", number % KEYS);
}

/* ---- requests ------------------------------------------------------------------------ */

static const char stored[] = "STORED\r\n";

static size_t put_set(char *to, const char *key, size_t *expected)
{
    int length = sprintf(to, "set %s 0 0 %d\r\n", key, VALUE);

    memcpy(to + length, value, VALUE);
    memcpy(to + length + VALUE, "\r\n", 2);
    *expected += sizeof stored - 1;
    return (size_t)length + VALUE + 2;
}

static size_t put_get(char *to, const char *key, size_t *expected)
{
    *expected += hit_length;
    return (size_t)sprintf(to, "get %s\r\n", key);
}

/* Of so many at once; the same ones for both servers. */
static void ask(struct client *c, unsigned depth, unsigned *seed)
{
    char request[DEPTH_MAX * (VALUE + 64)];
    size_t length = 0;

    for (unsigned i = 0; i < depth; i++) {
        char key[16];

        *seed = *seed * 1103515245u + 12345u;
        key_of(key, *seed >> 8);
        length += (*seed >> 4) % 10 ? put_get(request + length, key, &c->expected)
                                    : put_set(request + length, key, &c->expected);
    }
    send_all(c->fd, request, length);
}

/* Whether it has answered all; what is wrong has another length, or begins otherwise. */
static bool hear(struct client *c)
{
    static char answer[DEPTH_MAX * (VALUE + 64)];
    ssize_t got = recv(c->fd, answer, sizeof answer, 0);

    if (got <= 0 || (size_t)got > c->expected)
        fail("an answer that was not asked for");
    if (!memcmp(answer, "SERVER", 6) || !memcmp(answer, "CLIENT", 6) ||
        !memcmp(answer, "ERROR", 5))
        fail("an answer that is an error");
    c->expected -= (size_t)got;
    return c->expected == 0;
}

static void fill(const subject *s)
{
    int fd = s->clients[0].fd;

    for (unsigned i = 0; i < KEYS; i++) {
        char key[16], request[VALUE + 64], answer[sizeof stored];
        size_t expected = 0, got = 0;

        key_of(key, i);
        send_all(fd, request, put_set(request, key, &expected));
        while (got < expected) {
            ssize_t more = recv(fd, answer + got, expected - got, 0);

            if (more <= 0)
                fail("a server has gone away");
            got += (size_t)more;
        }
        if (memcmp(answer, stored, expected) != 0)
            fail("a server does not store");
    }
}

/* ---- servers ------------------------------------------------------------------------- */

static void start(subject *s, const char *const argv[])
{
    if (!spawned_init(&s->process, "bench-serve") ||
        !spawned_start(&s->process, SIGKILL, argv))
        fail("a server cannot be started");
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

        s->clients[i].fd = connect_to(s->port);
        if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->clients[i].fd, &event))
            fail("no epoll");
    }
    fill(s);
}

static void start_both(const char *threads)
{
    char port[8], listen[32];
    const char *const theirs[] = {
        "memcached", "-u", "nobody", "-l", "127.0.0.1", "-U",
        "0",         "-t", threads,  "-p", port,        NULL
    };
    const char *const ours[] = { "./keel", "serve",     "memory://", "--listen",
                                 listen,   "--threads", threads,     NULL };

    memcached.port = loopback_free_port();
    snprintf(port, sizeof port, "%u", memcached.port);
    start(&memcached, theirs);
    keel.port = loopback_free_port();
    snprintf(listen, sizeof listen, "127.0.0.1:%u", keel.port);
    start(&keel, ours);
}

static void stop(subject *s)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(s->clients[i].fd);
    close(s->epoll_fd);
    spawned_cleanup(&s->process);
}

/* ---- measuring ----------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Requests a second. */
static double round_of(subject *s, unsigned depth, unsigned seed)
{
    uint64_t begun = now_ns(), answered = 0;
    unsigned open = CONNECTIONS;

    for (unsigned i = 0; i < CONNECTIONS; i++)
        ask(&s->clients[i], depth, &seed);
    while (open) {
        struct epoll_event events[CONNECTIONS];
        int count = epoll_wait(s->epoll_fd, events, CONNECTIONS, -1);
        bool is_over = now_ns() - begun >= ROUND_NS;

        for (int i = 0; i < count; i++) {
            struct client *c = &s->clients[events[i].data.u32];

            if (!hear(c))
                continue;
            answered += depth;
            if (is_over)
                open--;
            else
                ask(c, depth, &seed);
        }
    }
    return (double)answered * 1e9 / (double)(now_ns() - begun);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(unsigned depth)
{
    double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        theirs[i] = round_of(&memcached, depth, i);
        ours[i] = round_of(&keel, depth, i);
        ratios[i] = ours[i] / theirs[i];
    }
    qsort(ours, ROUNDS, sizeof *ours, compare);
    qsort(theirs, ROUNDS, sizeof *theirs, compare);
    qsort(ratios, ROUNDS, sizeof *ratios, compare);
    printf("%2u request%s in flight a connection  %9.0f/s  memcached %9.0f/s  ratio "
           "%.2f (%.2f..%.2f)  goal %.1f %s\n",
           depth, depth == 1 ? " " : "s", ours[ROUNDS / 2], theirs[ROUNDS / 2],
           ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1], GOAL,
           ratios[ROUNDS / 2] >= GOAL ? "met" : "NOT MET");
}

int main(int argc, char **argv)
{
    char key[16];

    if (access("/usr/bin/memcached", X_OK)) {
        printf("memcached is not installed: left out\n");
        return 0;
    }
    memset(value, 'v', sizeof value);
    key_of(key, 0);
    hit_length = (size_t)snprintf(NULL, 0, "VALUE %s 0 %d\r\n", key, VALUE) + VALUE +
                 sizeof "\r\nEND\r\n" - 1;
    printf("== keel serve ==\n50 connections, nine gets to one set of 100 bytes\n");
    start_both(argc > 1 ? argv[1] : "4");
    measure(1);
    measure(DEPTH_MAX);
    stop(&keel);
    stop(&memcached);
    return 0;
}
