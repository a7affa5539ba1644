/* SPDX-License-Identifier: MIT */
/* One thread, epoll, and two rows of requests: those being served, and those that wait. */
#include "station.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, BACKLOG = 4096, HEAD_SIZE = 2048, TURN = 1000 };

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
static const char bad[] = "HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n";

/* Relaxed, since each stands for itself. */
struct station_words {
    _Atomic uint64_t service_ns, stall_ns;
    _Atomic uint32_t fail_permille, stall_permille;
    _Atomic uint64_t arrived;
};

/* serial tells a connection from an earlier one of the same descriptor. */
typedef struct connection {
    uint32_t serial;
    unsigned matched; /* characters of the empty line that ends a request */
} connection;

typedef struct job {
    int fd;
    uint32_t serial;
    bool is_stalled;
    uint64_t ends_at_ns;
} job;

typedef struct server {
    station_words *words;
    int listener, epoll;
    unsigned workers, busy;
    uint64_t next_end_ns;
    uint64_t failures, stalls; /* in thousandths, for an even spread */
    uint64_t first, last;      /* of those that wait */
    connection connections[2 * STATION_MANY];
    job serving[STATION_MANY];
    job waiting[STATION_MANY];
} server;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t word(const _Atomic uint64_t *w)
{
    return atomic_load_explicit(w, memory_order_relaxed);
}

/* Whether it is the turn of one of so many in a thousand. */
static bool is_turn(uint64_t *sum, const _Atomic uint32_t *permille)
{
    uint64_t before = *sum;

    *sum += atomic_load_explicit(permille, memory_order_relaxed);
    return *sum / TURN != before / TURN;
}

/* ---- requests -------------------------------------------------------------------------- */

static void serve(server *s, job j, uint64_t now)
{
    j.ends_at_ns = now + word(&s->words->service_ns);
    if (j.is_stalled)
        j.ends_at_ns += word(&s->words->stall_ns);
    s->serving[s->busy++] = j;
    if (j.ends_at_ns < s->next_end_ns)
        s->next_end_ns = j.ends_at_ns;
}

static void arrive(server *s, int fd)
{
    job j = { .fd = fd, .serial = s->connections[fd].serial };

    atomic_fetch_add_explicit(&s->words->arrived, 1, memory_order_relaxed);
    j.is_stalled = is_turn(&s->stalls, &s->words->stall_permille);
    if (s->busy < s->workers)
        serve(s, j, now_ns());
    else if (s->last - s->first < STATION_MANY)
        s->waiting[s->last++ % STATION_MANY] = j;
}

static void answer(server *s, const job *j)
{
    bool fails = is_turn(&s->failures, &s->words->fail_permille);

    if (s->connections[j->fd].serial != j->serial)
        return; /* gone */
    if (fails)
        (void)send(j->fd, bad, sizeof bad - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    else
        (void)send(j->fd, good, sizeof good - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Answers what is due, and lets as many of those that wait have the places. */
static void turn(server *s)
{
    uint64_t now = now_ns();

    if (now < s->next_end_ns)
        return;
    s->next_end_ns = UINT64_MAX;
    for (unsigned i = 0; i < s->busy;) {
        if (s->serving[i].ends_at_ns <= now) {
            answer(s, &s->serving[i]);
            s->serving[i] = s->serving[--s->busy];
            continue;
        }
        if (s->serving[i].ends_at_ns < s->next_end_ns)
            s->next_end_ns = s->serving[i].ends_at_ns;
        i++;
    }
    while (s->busy < s->workers && s->first != s->last)
        serve(s, s->waiting[s->first++ % STATION_MANY], now);
}

/* ---- connections ----------------------------------------------------------------------- */

static void welcome(server *s)
{
    const int on = 1;
    struct epoll_event event = { .events = EPOLLIN };
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (fd >= 2 * STATION_MANY) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    s->connections[fd].serial++;
    s->connections[fd].matched = 0;
    event.data.fd = fd;
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void leave(server *s, int fd)
{
    s->connections[fd].serial++;
    close(fd);
}

static void hear(server *s, int fd)
{
    static const char end[] = "\r\n\r\n";
    connection *c = &s->connections[fd];
    char head[HEAD_SIZE];
    ssize_t got = recv(fd, head, sizeof head, MSG_DONTWAIT);

    if (got <= 0) {
        leave(s, fd);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (head[i] == end[c->matched])
            c->matched++;
        else
            c->matched = head[i] == '\r';
        if (c->matched == sizeof end - 1) {
            c->matched = 0;
            arrive(s, fd);
        }
    }
}

/* ---- the process ----------------------------------------------------------------------- */

static void await(server *s)
{
    struct epoll_event events[EVENTS];
    struct timespec left = { 0, 0 }, *until = NULL;
    uint64_t now = now_ns();
    int found;

    if (s->next_end_ns != UINT64_MAX) {
        uint64_t ns = s->next_end_ns > now ? s->next_end_ns - now : 0;

        left = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000) };
        until = &left;
    }
    found = epoll_pwait2(s->epoll, events, EVENTS, until, NULL);
    for (int i = 0; i < found; i++)
        if (events[i].data.fd == s->listener)
            welcome(s);
        else
            hear(s, events[i].data.fd);
}

static _Noreturn void run(int listener, station_words *words, unsigned workers)
{
    static server s;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    struct rlimit descriptors;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    s.words = words;
    s.workers = workers;
    s.listener = listener;
    s.next_end_ns = UINT64_MAX;
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(s.epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        await(&s);
        turn(&s);
    }
}

/* On all of 127.0.0.0/8. */
static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&at, &size))
        return -1;
    *port = ntohs(at.sin_port);
    return fd;
}

void station_serve_in(const station *s, uint64_t service_ns)
{
    atomic_store_explicit(&s->words->service_ns, service_ns, memory_order_relaxed);
}

void station_fail(const station *s, uint32_t permille)
{
    atomic_store_explicit(&s->words->fail_permille, permille, memory_order_relaxed);
}

void station_stall(const station *s, uint32_t permille, uint64_t stall_ns)
{
    atomic_store_explicit(&s->words->stall_ns, stall_ns, memory_order_relaxed);
    atomic_store_explicit(&s->words->stall_permille, permille, memory_order_relaxed);
}

uint64_t station_arrived(const station *s)
{
    return word(&s->words->arrived);
}

bool station_start(station *s, unsigned workers, uint64_t service_ns)
{
    uint16_t port = 0;
    int listener = listen_anywhere(&port);

    s->words = mmap(NULL, sizeof *s->words, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (listener < 0 || s->words == MAP_FAILED) {
        perror("bench: no server");
        return false;
    }
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", port);
    station_serve_in(s, service_ns);
    s->pid = fork();
    if (s->pid == 0)
        run(listener, s->words, workers);
    close(listener);
    return s->pid > 0;
}

void station_freeze(const station *s)
{
    int status;

    kill(s->pid, SIGSTOP);
    waitpid(s->pid, &status, WUNTRACED);
}

void station_thaw(const station *s)
{
    kill(s->pid, SIGCONT);
}

void station_stop(station *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    if (s->words)
        munmap(s->words, sizeof *s->words);
    *s = (station){ .pid = 0 };
}
