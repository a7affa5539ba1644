/* SPDX-License-Identifier: MIT */
/*
 * What the three proxies have in common: a visitor's request is read, asked of the
 * upstream by keel_http, and answered. Which loop drives it is their business. Small
 * answers only: what a socket does not take at once is cut off.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <keel/keel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct visitor {
    int fd;
    size_t length;
    char text[4096]; /* the request, NUL-ended */
} visitor;

static const char *upstream;
static keel_pipeline *pipeline;
static int answered; /* visitors so far */

/* Listens on 127.0.0.1 and pays a first visit itself. -1: it cannot. */
static int proxy_listen(void)
{
    static const char visit[] = "GET / HTTP/1.0\r\n\r\n";
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0),
        own = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 64) ||
        fcntl(listener, F_SETFL, O_NONBLOCK) ||
        getsockname(listener, (struct sockaddr *)&at, &size) ||
        connect(own, (struct sockaddr *)&at, size) ||
        send(own, visit, sizeof visit - 1, MSG_NOSIGNAL) < 0)
        return -1;
    printf("http://127.0.0.1:%u/\n", (unsigned)ntohs(at.sin_port));
    return listener;
}

/* NULL: nobody is there. */
static visitor *proxy_accept(int listener)
{
    visitor *v = calloc(1, sizeof *v);
    int fd = v ? accept(listener, NULL, NULL) : -1;

    if (fd < 0) {
        free(v);
        return NULL;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    v->fd = fd;
    return v;
}

static void proxy_answer(keel_status status, const keel_http_response *response,
                         const keel_detail *detail, void *ctx)
{
    visitor *v = ctx;
    const char *body = response ? response->body : detail->text;
    size_t length = response ? response->body_length : strlen(body);
    char head[96];
    int head_length;

    /* what keel did not let through is a 503, what went wrong a 502 */
    head_length =
        snprintf(head, sizeof head, "HTTP/1.0 %d -\r\nContent-Length: %zu\r\n\r\n",
                 response                          ? response->status
                 : keel_status_is_rejected(status) ? 503
                                                   : 502,
                 length);
    /* a visitor who has left must not end us by SIGPIPE */
    if (send(v->fd, head, (size_t)head_length, MSG_NOSIGNAL) == head_length &&
        send(v->fd, body, length, MSG_NOSIGNAL) == (ssize_t)length)
        printf("%s\n", detail->text);
    close(v->fd);
    free(v);
    answered++;
}

/* Reads on. True: the request is whole and has been asked, or there will be none. */
static bool proxy_read(visitor *v, keel_http *client)
{
    char url[4096], path[2048];
    keel_http_request request = {
        .size = sizeof request, .url = url, .done = proxy_answer, .ctx = v
    };
    ssize_t got = recv(v->fd, v->text + v->length, sizeof v->text - 1 - v->length, 0);

    v->length += got > 0 ? (size_t)got : 0;
    if (got > 0 && !strstr(v->text, "\r\n\r\n"))
        return false;
    if (sscanf(v->text, "GET /%2047s", path) == 1) {
        snprintf(url, sizeof url, "%s%s", upstream,
                 strcmp(path, "HTTP/1.0") ? path : "");
        if (keel_http_start(client, pipeline, &request, NULL, NULL) == KEEL_OK)
            return true;
    }
    close(v->fd);
    free(v);
    return true;
}

static bool proxy_open(keel_runtime **rt, int argc, char **argv)
{
    *rt = NULL;
    upstream = argc > 1 ? argv[1] : "";
    return argc > 1 && keel_open(rt, NULL, NULL) == KEEL_OK &&
           keel_pipeline_open(&pipeline, *rt, "upstream", "timeout=500ms; deadline=2s",
                              NULL) == KEEL_OK;
}

/* What main returns: the first visitor was answered, and nothing is left behind. */
static int proxy_close(keel_runtime *rt)
{
    keel_pipeline_close(pipeline);
    return keel_close(rt, 0) != KEEL_OK || !answered;
}
