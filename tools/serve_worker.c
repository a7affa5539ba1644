/* SPDX-License-Identifier: MIT */
#include "serve_worker.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENTS = 64,
    KEPT = 256 * 1024 /* of a buffer that nobody uses at the moment */
};

/* ---- the list, by when they were last active ----------------------------------------- */

static void link_newest(keel_serve_worker *w, keel_serve_connection *c)
{
    c->newer = NULL;
    c->older = w->newest;
    *(w->newest ? &w->newest->newer : &w->oldest) = c;
    w->newest = c;
}

static void unlink_one(keel_serve_worker *w, keel_serve_connection *c)
{
    *(c->older ? &c->older->newer : &w->oldest) = c->newer;
    *(c->newer ? &c->newer->older : &w->newest) = c->older;
}

static void end_connection(keel_serve_worker *w, keel_serve_connection *c)
{
    unlink_one(w, c);
    /* before it is closed: who sees that, and comes again, has to find a place */
    atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&w->house->connections, 1, memory_order_relaxed);
    keel_serve_connection_free(c); /* which takes it out of the epoll set, too */
}

/* ---- buffers ------------------------------------------------------------------------- */

/* A connection has buffers while there is something in them; most of the time the
 * worker's serve for all. */
static void borrow(keel_serve_buffer *mine, keel_serve_buffer *spare)
{
    if (mine->block)
        return;
    *mine = *spare;
    *spare = (keel_serve_buffer){ 0 };
}

static void give_back(keel_serve_buffer *mine, keel_serve_buffer *spare)
{
    if (keel_serve_held(mine) || mine->is_lost)
        return;
    if (spare->block || mine->size > KEPT)
        keel_serve_buffer_cleanup(mine);
    else
        *spare = *mine;
    *mine = (keel_serve_buffer){ 0 };
}

/* ---- serving ------------------------------------------------------------------------- */

static void await(keel_serve_worker *w, keel_serve_connection *c, bool was_blocked)
{
    struct epoll_event event = { .events = c->is_blocked ? EPOLLOUT : EPOLLIN,
                                 .data.ptr = c };

    if (c->is_blocked != was_blocked)
        epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void serve(keel_serve_worker *w, keel_serve_connection *c)
{
    bool was_blocked = c->is_blocked, lives;

    borrow(&c->in, &w->spare_in);
    borrow(&c->out, &w->spare_out);
    lives = keel_serve_take_turn(c, &w->desk);
    give_back(&c->in, &w->spare_in);
    give_back(&c->out, &w->spare_out);
    if (!lives || (w->is_closing && keel_serve_is_at_rest(c))) {
        end_connection(w, c);
        return;
    }
    await(w, c, was_blocked);
    unlink_one(w, c);
    link_newest(w, c);
    c->active_at_ns = keel_now(w->house->source.runtime);
}

static void take_in(keel_serve_worker *w)
{
    keel_serve_connection *c, *next;
    uint64_t woken;

    while (read(w->wake_fd, &woken, sizeof woken) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&w->incoming_mu);
    c = w->incoming;
    w->incoming = NULL;
    pthread_mutex_unlock(&w->incoming_mu);
    for (; c; c = next) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

        next = c->newer;
        link_newest(w, c);
        c->active_at_ns = keel_now(w->house->source.runtime);
        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
            end_connection(w, c);
    }
}

/* ---- ends ---------------------------------------------------------------------------- */

static void close_idle(keel_serve_worker *w)
{
    uint64_t now;

    if (!w->house->idle_ns || !w->oldest)
        return;
    now = keel_now(w->house->source.runtime);
    while (w->oldest &&
           keel_ns_add(w->oldest->active_at_ns, w->house->idle_ns) <= now) {
        keel_serve_count(&w->desk.counts, KEEL_SERVE_IDLE_KICKS, 1);
        end_connection(w, w->oldest);
    }
}

/* What has come is answered once more, then those at rest are closed. */
static void begin_closing(keel_serve_worker *w)
{
    keel_serve_connection *last, *c, *next;
    bool is_last;

    w->is_closing = true;
    take_in(w); /* who came just before belongs to them */
    last = w->newest;
    is_last = !last;
    for (c = w->oldest; !is_last; c = next) {
        next = c->newer;
        is_last = c == last; /* those served move behind it */
        serve(w, c);
    }
}

static void close_all(keel_serve_worker *w)
{
    while (w->oldest)
        end_connection(w, w->oldest);
}

static bool is_over(keel_serve_worker *w)
{
    keel_serve_house *house = w->house;

    /* acquire pairs with the release of whoever stops the house: grace_at_ns is set */
    if (!atomic_load_explicit(&house->is_stopping, memory_order_acquire))
        return false;
    if (!w->is_closing)
        begin_closing(w);
    if (keel_now(house->source.runtime) >= house->grace_at_ns)
        close_all(w);
    return !w->oldest;
}

/* ---- the thread ---------------------------------------------------------------------- */

/* -1: only events end the wait. */
static int wait_ms(const keel_serve_worker *w)
{
    uint64_t until = KEEL_NEVER, left_ms;

    if (w->house->idle_ns && w->oldest)
        until = keel_ns_add(w->oldest->active_at_ns, w->house->idle_ns);
    if (w->is_closing)
        until = keel_ns_min(until, w->house->grace_at_ns);
    if (until == KEEL_NEVER)
        return -1;
    left_ms = keel_ns_left(until, keel_now(w->house->source.runtime)) / KEEL_MS + 1;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void *run(void *ctx)
{
    keel_serve_worker *w = ctx;
    const uint64_t one = 1;

    while (!is_over(w)) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(w->epoll_fd, events, EVENTS, wait_ms(w));

        for (int i = 0; i < count; i++)
            if (events[i].data.ptr)
                serve(w, events[i].data.ptr);
        for (int i = 0; i < count; i++)
            if (!events[i].data.ptr)
                take_in(w);
        close_idle(w);
    }
    while (write(w->house->ended_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

/* ---- from outside -------------------------------------------------------------------- */

static bool open_waits(keel_serve_worker *w)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd < 0)
        return false;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd >= 0 &&
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) == 0)
        return true;
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    close(w->epoll_fd);
    return false;
}

bool keel_serve_worker_start(keel_serve_worker *w, keel_serve_house *house)
{
    int error;

    *w = (keel_serve_worker){ .house = house, .desk = { .source = &house->source } };
    if (!open_waits(w))
        return false;
    pthread_mutex_init(&w->incoming_mu, NULL);
    error = pthread_create(&w->thread, NULL, run, w);
    if (!error)
        return true;
    pthread_mutex_destroy(&w->incoming_mu);
    close(w->wake_fd);
    close(w->epoll_fd);
    errno = error;
    return false;
}

void keel_serve_worker_give(keel_serve_worker *w, keel_serve_connection *c)
{
    atomic_fetch_add_explicit(&w->load, 1, memory_order_relaxed);
    pthread_mutex_lock(&w->incoming_mu);
    c->newer = w->incoming;
    w->incoming = c;
    pthread_mutex_unlock(&w->incoming_mu);
    keel_serve_worker_wake(w);
}

void keel_serve_worker_wake(keel_serve_worker *w)
{
    const uint64_t one = 1;

    while (write(w->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* Where it was never to serve, others may have been handed over. */
void keel_serve_worker_join(keel_serve_worker *w)
{
    pthread_join(w->thread, NULL);
    take_in(w);
    close_all(w);
    keel_serve_desk_cleanup(&w->desk);
    keel_serve_buffer_cleanup(&w->spare_in);
    keel_serve_buffer_cleanup(&w->spare_out);
    pthread_mutex_destroy(&w->incoming_mu);
    close(w->wake_fd);
    close(w->epoll_fd);
}
