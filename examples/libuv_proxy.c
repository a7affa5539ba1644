/* SPDX-License-Identifier: MIT */
/*
 * A proxy in a libuv loop. Serves one visitor, itself, and ends. Usage: libuv_proxy URL
 */
#define _POSIX_C_SOURCE 200809L
#include <keel/adapters/libuv.h>

#include "proxy.h"

static keel_uv *keel;

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* A descriptor of the proxy's own, to be read by on_ready. */
static void listen_to(uv_loop_t *loop, int fd, uv_poll_cb on_ready, void *who)
{
    uv_poll_t *poll = malloc(sizeof *poll);

    if (!poll || uv_poll_init(loop, poll, fd))
        exit(1);
    poll->data = who;
    uv_poll_start(poll, UV_READABLE, on_ready);
}

static void on_visitor(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_poll_stop(poll); /* before the answer closes the descriptor */
    if (proxy_read(poll->data, keel->client))
        uv_close((uv_handle_t *)poll, free_handle);
    else
        uv_poll_start(poll, UV_READABLE, on_visitor);
}

static void on_visit(uv_poll_t *poll, int status, int events)
{
    int *listener = poll->data;
    visitor *v = proxy_accept(*listener);

    (void)status;
    (void)events;
    if (v)
        listen_to(poll->loop, v->fd, on_visitor, v);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, free_handle);
}

int main(int argc, char **argv)
{
    keel_runtime *rt;
    uv_loop_t loop;
    int listener = proxy_listen();

    uv_loop_init(&loop);
    if (proxy_open(&rt, argc, argv) &&
        keel_uv_open(&keel, rt, &loop, NULL, NULL) == KEEL_OK) {
        listen_to(&loop, listener, on_visit, &listener);
        while (!answered)
            uv_run(&loop, UV_RUN_ONCE);
    }
    keel_uv_close(keel); /* its handles first; the rest are the proxy's */
    uv_walk(&loop, close_handle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    close(listener);
    return proxy_close(rt);
}
