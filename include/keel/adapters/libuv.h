/* SPDX-License-Identifier: MIT */
/*
 * keel_http in a libuv loop: a poll handle for each socket in use, and a timer. All on
 * the loop's thread. keel itself is not linked to libuv; who includes this is.
 */
#ifndef KEEL_ADAPTERS_LIBUV_H
#define KEEL_ADAPTERS_LIBUV_H

#include <keel/adapters/why.h>
#include <keel/http.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* client: NULL once it is closed; the rest then lives until libuv has let go of it */
typedef struct keel_uv {
    keel_http *client;
    keel_runtime *runtime;
    uv_loop_t *loop;
    uv_timer_t timer;
} keel_uv;

/* What a socket's handle needs to say which one it is. */
typedef struct keel_uv_socket {
    uv_poll_t poll; /* first */
    keel_uv *owner;
    int fd;
} keel_uv_socket;

static inline void keel_uv_free_socket(uv_handle_t *handle)
{
    free(handle);
}

static inline void keel_uv_free_owner(uv_handle_t *handle)
{
    free(handle->data);
}

static inline void keel_uv_on_ready(uv_poll_t *poll, int status, int events)
{
    const keel_uv_socket *socket = (const keel_uv_socket *)(void *)poll;

    keel_http_ready(socket->owner->client, socket->fd,
                    status < 0 || (events & UV_READABLE),
                    status < 0 || (events & UV_WRITABLE));
}

static inline void keel_uv_on_expiry(uv_timer_t *timer)
{
    keel_http_timer(((keel_uv *)timer->data)->client);
}

/* NULL: no memory; the request then ends by its timeout. */
static inline keel_uv_socket *keel_uv_socket_new(keel_uv *owner, int fd)
{
    keel_uv_socket *socket = (keel_uv_socket *)calloc(1, sizeof *socket);

    if (!socket)
        return NULL;
    socket->owner = owner;
    socket->fd = fd;
    if (uv_poll_init(owner->loop, &socket->poll, fd) == 0)
        return socket;
    free(socket);
    return NULL;
}

static inline void keel_uv_on_watch(int fd, bool want_read, bool want_write,
                                    void **slot, void *ctx)
{
    keel_uv_socket *socket = (keel_uv_socket *)*slot;
    int events = (want_read ? UV_READABLE : 0) | (want_write ? UV_WRITABLE : 0);

    if (!socket && events)
        *slot = socket = keel_uv_socket_new((keel_uv *)ctx, fd);
    if (!socket)
        return;
    if (events) {
        uv_poll_start(&socket->poll, events, keel_uv_on_ready);
        return;
    }
    *slot = NULL;
    uv_poll_stop(&socket->poll);
    uv_close((uv_handle_t *)&socket->poll, keel_uv_free_socket);
}

static inline void keel_uv_on_timer(uint64_t at_ns, void *ctx)
{
    keel_uv *uv = (keel_uv *)ctx;
    uint64_t now = keel_now(uv->runtime);

    if (at_ns == UINT64_MAX)
        uv_timer_stop(&uv->timer);
    else
        uv_timer_start(&uv->timer, keel_uv_on_expiry,
                       at_ns > now ? (at_ns - now - 1) / 1000000 + 1 : 0, 0);
}

/* Closes the client. NULL is fine; the loop has to run on to let go of the handles. */
static inline void keel_uv_close(keel_uv *uv)
{
    keel_http *client = uv ? uv->client : NULL;

    if (!uv)
        return;
    uv->client = NULL;
    keel_http_close(client);
    uv_close((uv_handle_t *)&uv->timer, keel_uv_free_owner);
}

/*
 * Opens a client, *out->client, in a loop. options may be NULL; its watch is not read.
 * Until it is closed it keeps the loop running.
 * Returns  as keel_http_open
 */
static inline keel_status keel_uv_open(keel_uv **out, keel_runtime *runtime,
                                       uv_loop_t *loop,
                                       const keel_http_options *options,
                                       keel_detail *why)
{
    keel_uv *uv = (keel_uv *)calloc(1, sizeof *uv);
    keel_http_watch watch;
    keel_http_options own;
    keel_status status;

    *out = NULL;
    if (!uv)
        return keel_adapter_fail(why, KEEL_E_NOMEM, "libuv", 0);
    memset(&own, 0, sizeof own);
    memset(&watch, 0, sizeof watch);
    if (options)
        memcpy(&own, options, options->size < sizeof own ? options->size : sizeof own);
    watch.size = sizeof watch;
    watch.watch = keel_uv_on_watch;
    watch.timer = keel_uv_on_timer;
    watch.ctx = uv;
    own.size = sizeof own;
    own.watch = &watch;
    uv->runtime = runtime;
    uv->loop = loop;
    uv_timer_init(loop, &uv->timer);
    uv->timer.data = uv;
    status = keel_http_open(&uv->client, runtime, &own, why);
    if (status == KEEL_OK)
        *out = uv;
    else
        keel_uv_close(uv);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
