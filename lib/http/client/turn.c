/* SPDX-License-Identifier: MIT */
/*
 * A turn: what libcurl and the calls have to do at this moment, in an order that lets a
 * request begun in a callback go out at once, and that ends: what becomes ready twice in a
 * turn waits for the next one, which the loop's timer brings about.
 */
#include "http/client/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/high_fd.h"

/* Of a megabyte each, at most, at one socket: a peer that never ends keeps nobody here. */
enum { LOOKS_MOST = 32 };

/* ---- queues -------------------------------------------------------------------------- */

void keel_http_queue_add(keel_exchange_queue *queue, keel_exchange *x)
{
    if (!queue->count++)
        queue->end = &queue->first;
    x->next = NULL;
    *queue->end = x;
    queue->end = &x->next;
}

keel_exchange *keel_http_queue_take(keel_exchange_queue *queue)
{
    keel_exchange *x = queue->count ? queue->first : NULL;

    if (x) {
        queue->first = x->next;
        queue->count--;
    }
    return x;
}

void keel_http_make_ready(keel_exchange *x)
{
    if (x->is_ready || x->is_ended)
        return;
    x->is_ready = true;
    keel_http_queue_add(&x->client->ready, x);
}

/* ---- libcurl --------------------------------------------------------------------------- */

void keel_http_curl_begin(keel_http *client)
{
    if (!client->curl_depth++)
        keel_sigpipe_block(&client->sigpipe);
}

void keel_http_curl_end(keel_http *client)
{
    if (!--client->curl_depth)
        keel_sigpipe_restore(&client->sigpipe);
}

int keel_http_watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx,
                           void *unused)
{
    keel_http *client = ctx;
    keel_attempt_handle *a;
    void *found = NULL;
    unsigned wanted = 0;

    (void)unused;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &found);
    a = found;
    if (a && what != CURL_POLL_REMOVE) /* NULL: a handle of libcurl's own */
        a->fd = fd;
    else if (a && a->fd == fd)
        a->fd = -1;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        wanted |= KEEL_SOCKET_IN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        wanted |= KEEL_SOCKET_OUT;
    keel_sockets_want(&client->sockets, fd, wanted); /* else libcurl's timer helps */
    return 0;
}

int keel_http_set_timer(CURLM *multi, long ms, void *ctx)
{
    keel_http *client = ctx;

    (void)multi;
    client->curl_at_ns =
        ms < 0 ? KEEL_NEVER
               : keel_ns_add(keel_http_now(client), (uint64_t)ms * KEEL_MS);
    return 0;
}

curl_socket_t keel_http_open_socket(void *ctx, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    keel_attempt_handle *a = ctx;
    int fd = keel_high_fd(socket(address->family,
                                 address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                 address->protocol));

    (void)purpose;
    if (fd >= 0 && !keel_sockets_opened(&a->client->sockets, fd)) {
        a->has_no_memory = true;
        close(fd);
        fd = CURL_SOCKET_BAD;
    }
    return fd;
}

int keel_http_close_socket(void *ctx, curl_socket_t fd)
{
    keel_http *client = ctx;

    keel_sockets_closing(&client->sockets, fd);
    return close(fd);
}

/* What libcurl has ended. */
static void reap(keel_http *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        CURLcode code = message->data.result;
        void *found = NULL;
        keel_attempt_handle *a;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
        a = found;
        keel_attempt_stop(a, code);
        if (code != CURLE_OK || !keel_attempt_hop(a))
            keel_exchange_hear(a->exchange, a);
    }
}

static void act(keel_http *client, curl_socket_t fd, int mask)
{
    int running;

    keel_http_curl_begin(client);
    client->is_called_back = true;
    curl_multi_socket_action(client->multi, fd, mask, &running);
    client->is_called_back = false;
    keel_attempts_sweep(client);
    reap(client);
    keel_http_curl_end(client);
}

void keel_http_socket_ready(keel_http *client, int fd, bool can_read, bool can_write)
{
    if (fd == keel_bell_fd(client->bell))
        keel_bell_drain(client->bell);
    else
        act(client, fd,
            (can_read ? CURL_CSELECT_IN : 0) | (can_write ? CURL_CSELECT_OUT : 0));
}

static void ask_curl(keel_http *client)
{
    if (client->curl_at_ns > keel_http_now(client))
        return;
    client->curl_at_ns = KEEL_NEVER; /* libcurl says when next */
    act(client, CURL_SOCKET_TIMEOUT, 0);
}

/* False: nothing lies there. */
static bool look_at(keel_http *client, int fd)
{
    bool can_read, can_write;

    if (!keel_sockets_are_ready(&client->sockets, fd, &can_read, &can_write))
        return false;
    keel_http_socket_ready(client, fd, can_read, can_write);
    return true;
}

/*
 * libcurl reads only so much at a time; and what one request reads off a shared connection
 * for others, these take when it is asked again. From 8.13 on it names such a socket for
 * one of them alone.
 */
void keel_http_look_at_socket(keel_http *client, int fd)
{
    int first = fd < 0 ? 0 : fd, end = fd < 0 ? client->sockets.room : fd + 1;

    for (int any = first; any < end; any++)
        for (int looks = LOOKS_MOST; looks && look_at(client, any); looks--)
            ask_curl(client);
}

/* ---- a turn -------------------------------------------------------------------------------- */

static void look_at_late(keel_http *client)
{
    uint64_t now =
        keel_timers_next(&client->timers) == KEEL_NEVER ? 0 : keel_http_now(client);
    keel_timer *timer;

    while ((timer = keel_timers_take(&client->timers, now)))
        keel_exchange_look((keel_exchange *)timer);
}

static void wake(keel_http *client, uint32_t slot)
{
    if (slot < client->slots_used && client->slots[slot].exchange)
        keel_http_make_ready(client->slots[slot].exchange);
}

static void wake_cancelled(keel_http *client)
{
    for (uint32_t i = 0; i < client->slots_used; i++) {
        keel_exchange *x = client->slots[i].exchange;

        if (x && x->cancel && keel_cancel_fired(x->cancel))
            keel_http_make_ready(x);
    }
}

static void answer_bell(keel_http *client)
{
    uint32_t slot;
    bool all;

    keel_bell_wake(client->bell); /* what is rung from here on is for another turn */
    while (keel_bell_next(client->bell, &slot, &all)) {
        if (!all)
            wake(client, slot);
        for (uint32_t i = 0; all && i < client->slots_used; i++)
            wake(client, i);
    }
    if (keel_bell_took_set(client->bell))
        wake_cancelled(client);
}

/* No more than there are now. */
static void advance_ready(keel_http *client)
{
    for (size_t n = client->ready.count; n; n--) {
        keel_exchange *x = keel_http_queue_take(&client->ready);

        if (!x)
            return; /* closed meanwhile */
        x->is_ready = false;
        if (!x->is_ended)
            keel_exchange_advance(x);
    }
}

static void tell_ended(keel_http *client)
{
    for (size_t n = client->ended.count; n; n--) {
        keel_exchange *x = keel_http_queue_take(&client->ended);

        if (!x)
            return;
        keel_exchange_tell(x);
    }
}

void keel_http_turn(keel_http *client)
{
    ask_curl(client);
    look_at_late(client);
    answer_bell(client);
    advance_ready(client);
    tell_ended(client);
    advance_ready(client);
    ask_curl(client);
}

/* ---- around it ------------------------------------------------------------------------------ */

void keel_http_enter(keel_http *client)
{
    if (!client->depth++)
        keel_bell_wake(client->bell);
}

unsigned keel_http_author_begin(keel_http *client)
{
    unsigned outer = client->author_depth;

    client->author_depth = client->depth;
    return outer;
}

void keel_http_author_end(keel_http *client, unsigned outer)
{
    client->author_depth = outer;
}

static uint64_t due(keel_http *client)
{
    if (client->ready.count || client->ended.count || !keel_bell_sleep(client->bell))
        return 0;
    return keel_ns_min(client->curl_at_ns, keel_timers_next(&client->timers));
}

/* The loop's timer may come too early, but not too late. */
static void arm(keel_http *client)
{
    uint64_t at = due(client);

    client->due_ns = at;
    if (!client->has_loop || at == client->armed_ns ||
        (at > client->armed_ns && client->armed_ns > keel_http_now(client)))
        return;
    client->armed_ns = at;
    client->sockets.loop.timer(at ? at : keel_http_now(client),
                               client->sockets.loop.ctx);
}

bool keel_http_leave(keel_http *client)
{
    if (client->depth > 1) {
        client->depth--;
        return !client->is_closed;
    }
    if (client->is_closed) {
        keel_http_end_all(client);
        client->depth = 0;
        keel_http_destroy(client);
        return false;
    }
    keel_sockets_tell(&client->sockets);
    arm(client);
    client->depth--;
    return true;
}
