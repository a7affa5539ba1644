/* SPDX-License-Identifier: MIT */
/*
 * One thread and one poll. A relay is a client, its server and a buffer each way; a way
 * is read only when its buffer is empty, and what is in it has an instant before which
 * it does not go on.
 */
#include "support/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/loopback.h"

enum { RELAYS = 256, WAY_SIZE = 16384, NS_IN_MS = 1000000 };

typedef struct way {
    int *from, *to;
    char bytes[WAY_SIZE];
    size_t begin, end;
    uint64_t due_ns; /* nothing is written before */
    bool has_ended;  /* nothing more will be read */
    bool is_shut;    /* the other side knows that */
} way;

typedef struct relay {
    int client, server; /* -1: no relay */
    way up, down;
} relay;

/* order_mu guards: order, orders, taken, accepted and ends */
struct proxy {
    pthread_t thread;
    pthread_mutex_t order_mu;
    pthread_cond_t was_taken;
    proxy_order order;
    unsigned orders, taken, accepted;
    bool ends;
    int wake;
    uint16_t port, target_port;

    /* of the thread alone */
    proxy_order now;
    int listener; /* -1: refuses */
    relay relays[RELAYS];
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 * NS_IN_MS + (uint64_t)t.tv_nsec;
}

/* ---- a relay ----------------------------------------------------------------------- */

static void close_with_reset(int *fd)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(*fd);
    *fd = -1;
}

static void reset(relay *l)
{
    close_with_reset(&l->client);
    close_with_reset(&l->server);
}

static void end(relay *l)
{
    close(l->client);
    close(l->server);
    l->client = l->server = -1;
}

static bool is_empty(const way *w)
{
    return w->begin == w->end;
}

static void set_nodelay(int fd)
{
    const int yes = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static bool relay_open(relay *l, int client, uint16_t target_port)
{
    struct sockaddr_in to = loopback_address(target_port);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *l = (relay){ .client = client, .server = server };
    l->up.from = l->down.to = &l->client;
    l->up.to = l->down.from = &l->server;
    if (server < 0 || connect(server, (struct sockaddr *)&to, sizeof to)) {
        reset(l);
        return false;
    }
    set_nodelay(client);
    set_nodelay(server);
    return true;
}

/* What was read from the client. False: the relay is gone. */
static bool meddle_up(relay *l, const proxy_order *order)
{
    const char *answer = order->answer ? order->answer : PROXY_GARBAGE;
    size_t size = order->answer ? order->answer_size : sizeof PROXY_GARBAGE - 1;

    if (order->fault == PROXY_RESET_BEFORE) {
        reset(l);
        return false;
    }
    if (order->fault == PROXY_ANSWER) {
        l->up.begin = l->up.end = 0;
        l->down.begin = 0;
        l->down.end = size < WAY_SIZE ? size : WAY_SIZE;
        memcpy(l->down.bytes, answer, l->down.end);
    }
    return true;
}

/* What was read from the server. */
static bool meddle_down(relay *l, const proxy_order *order)
{
    if (order->fault == PROXY_RESET_AFTER) {
        reset(l);
        return false;
    }
    if (order->fault == PROXY_CUT) {
        l->down.end /= 2;
        l->down.has_ended = l->up.has_ended = true;
    }
    if (order->fault == PROXY_DELAY)
        l->down.due_ns = now_ns() + (uint64_t)order->ms * NS_IN_MS;
    return true;
}

static bool read_way(relay *l, way *w, const proxy_order *order)
{
    ssize_t got = recv(*w->from, w->bytes, WAY_SIZE, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got < 0) {
        reset(l);
        return false;
    }
    w->begin = 0;
    w->end = (size_t)got;
    w->has_ended = got == 0;
    if (!got)
        return true;
    return w == &l->up ? meddle_up(l, order) : meddle_down(l, order);
}

static bool write_way(relay *l, way *w, const proxy_order *order)
{
    bool drips = order->fault == PROXY_DRIP && w == &l->down;
    ssize_t put =
        send(*w->to, w->bytes + w->begin, drips ? 1 : w->end - w->begin, MSG_NOSIGNAL);

    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (put < 0) {
        reset(l);
        return false;
    }
    w->begin += (size_t)put;
    if (drips)
        w->due_ns = now_ns() + (uint64_t)order->ms * NS_IN_MS;
    return true;
}

static void shut_way(way *w)
{
    if (w->has_ended && is_empty(w) && !w->is_shut) {
        shutdown(*w->to, SHUT_WR);
        w->is_shut = true;
    }
}

/* ---- the thread ------------------------------------------------------------------- */

/* Without waiting: a client may be gone between poll and accept. */
static int listen_on(uint16_t port)
{
    int fd = loopback_listen(port, RELAYS);

    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void reset_all(proxy *p)
{
    for (int i = 0; i < RELAYS; i++)
        if (p->relays[i].client >= 0)
            reset(&p->relays[i]);
}

/* The connections that wait in a listener's queue are reset with it. */
static void obey(proxy *p)
{
    if (p->now.fault == PROXY_REFUSE && p->listener >= 0) {
        close(p->listener);
        p->listener = -1;
        reset_all(p);
    } else if (p->now.fault != PROXY_REFUSE && p->listener < 0) {
        p->listener = listen_on(p->port);
    }
}

/* False: to end. Who gave the order learns of it only once it is obeyed. */
static bool take_order(proxy *p)
{
    unsigned orders;
    bool ends;

    pthread_mutex_lock(&p->order_mu);
    p->now = p->order;
    orders = p->orders;
    ends = p->ends;
    pthread_mutex_unlock(&p->order_mu);
    obey(p);
    pthread_mutex_lock(&p->order_mu);
    p->taken = orders;
    pthread_cond_broadcast(&p->was_taken);
    pthread_mutex_unlock(&p->order_mu);
    return !ends;
}

static void accept_one(proxy *p)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    int i = 0;

    if (client < 0)
        return;
    while (i < RELAYS && p->relays[i].client >= 0)
        i++;
    if (i == RELAYS) {
        close_with_reset(&client);
        return;
    }
    pthread_mutex_lock(&p->order_mu);
    p->accepted++;
    pthread_mutex_unlock(&p->order_mu);
    relay_open(&p->relays[i], client, p->target_port);
}

/* What poll shall say of one way's two ends; lowers the time-out to what is due. */
static void want(const way *w, struct pollfd *from, struct pollfd *to, uint64_t now,
                 int *timeout_ms)
{
    if (is_empty(w)) {
        if (!w->has_ended)
            from->events |= POLLIN;
    } else if (w->due_ns <= now) {
        to->events |= POLLOUT;
    } else {
        int ms = (int)((w->due_ns - now + NS_IN_MS - 1) / NS_IN_MS);

        if (*timeout_ms < 0 || ms < *timeout_ms)
            *timeout_ms = ms;
    }
}

static void move_way(relay *l, way *w, short from, short to, const proxy_order *order)
{
    if (l->client >= 0 && is_empty(w) && !w->has_ended &&
        from & (POLLIN | POLLHUP | POLLERR) && !read_way(l, w, order))
        return;
    if (l->client >= 0 && !is_empty(w) && to & POLLOUT && w->due_ns <= now_ns())
        write_way(l, w, order);
}

static void move(relay *l, short client, short server, const proxy_order *order)
{
    move_way(l, &l->up, client, server, order);
    move_way(l, &l->down, server, client, order);
    if (l->client < 0)
        return;
    shut_way(&l->up);
    shut_way(&l->down);
    if (l->up.is_shut && l->down.is_shut)
        end(l);
}

static int prepare(const proxy *p, struct pollfd *fds)
{
    uint64_t now = now_ns();
    int timeout_ms = -1;

    fds[0] = (struct pollfd){ .fd = p->wake, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = p->listener, .events = POLLIN };
    for (int i = 0; i < RELAYS; i++) {
        const relay *l = &p->relays[i];
        struct pollfd *client = &fds[2 + 2 * i], *server = client + 1;
        bool moves = l->client >= 0 && p->now.fault != PROXY_BLACK_HOLE;

        *client = (struct pollfd){ .fd = moves ? l->client : -1 };
        *server = (struct pollfd){ .fd = moves ? l->server : -1 };
        if (moves) {
            want(&l->up, client, server, now, &timeout_ms);
            want(&l->down, server, client, now, &timeout_ms);
        }
    }
    return timeout_ms;
}

static void serve_once(proxy *p)
{
    struct pollfd fds[2 + 2 * RELAYS];
    uint64_t count;
    int timeout_ms = prepare(p, fds);

    if (poll(fds, 2 + 2 * RELAYS, timeout_ms) < 0)
        return;
    if (fds[0].revents) {
        (void)!read(p->wake, &count, sizeof count);
        return; /* an order: nothing moves before it is taken */
    }
    for (int i = 0; i < RELAYS; i++)
        if (fds[2 + 2 * i].fd >= 0)
            move(&p->relays[i], fds[2 + 2 * i].revents, fds[3 + 2 * i].revents,
                 &p->now);
    if (fds[1].revents)
        accept_one(p);
}

static void *run(void *ctx)
{
    proxy *p = ctx;

    while (take_order(p))
        serve_once(p);
    reset_all(p);
    if (p->listener >= 0)
        close(p->listener);
    return NULL;
}

/* ---- the test's side -------------------------------------------------------------- */

static void wake(const proxy *p)
{
    const uint64_t one = 1;

    (void)!write(p->wake, &one, sizeof one);
}

proxy *proxy_start(uint16_t target_port)
{
    proxy *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->target_port = target_port;
    p->wake = eventfd(0, EFD_CLOEXEC);
    p->listener = listen_on(loopback_free_port());
    p->port = loopback_port(p->listener);
    for (int i = 0; i < RELAYS; i++)
        p->relays[i].client = p->relays[i].server = -1;
    pthread_mutex_init(&p->order_mu, NULL);
    pthread_cond_init(&p->was_taken, NULL);
    if (p->wake >= 0 && p->listener >= 0 &&
        pthread_create(&p->thread, NULL, run, p) == 0)
        return p;
    close(p->wake);
    close(p->listener);
    free(p);
    return NULL;
}

uint16_t proxy_port(const proxy *p)
{
    return p->port;
}

void proxy_set(proxy *p, proxy_order order)
{
    unsigned number;

    pthread_mutex_lock(&p->order_mu);
    p->order = order;
    number = ++p->orders;
    pthread_mutex_unlock(&p->order_mu);
    wake(p);
    pthread_mutex_lock(&p->order_mu);
    while ((int)(p->taken - number) < 0)
        pthread_cond_wait(&p->was_taken, &p->order_mu);
    pthread_mutex_unlock(&p->order_mu);
}

void proxy_do(proxy *p, proxy_fault fault)
{
    proxy_set(p, (proxy_order){ .fault = fault });
}

unsigned proxy_accepted(proxy *p)
{
    unsigned accepted;

    pthread_mutex_lock(&p->order_mu);
    accepted = p->accepted;
    pthread_mutex_unlock(&p->order_mu);
    return accepted;
}

void proxy_stop(proxy *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->order_mu);
    p->ends = true;
    pthread_mutex_unlock(&p->order_mu);
    wake(p);
    pthread_join(p->thread, NULL);
    close(p->wake);
    pthread_cond_destroy(&p->was_taken);
    pthread_mutex_destroy(&p->order_mu);
    free(p);
}
