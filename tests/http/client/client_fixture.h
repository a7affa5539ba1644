/* SPDX-License-Identifier: MIT */
/* A client under a pipeline of its own, and what it was told: for tests of keel_http. */
#ifndef KEEL_TESTS_HTTP_CLIENT_CLIENT_FIXTURE_H
#define KEEL_TESTS_HTTP_CLIENT_CLIENT_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "support/fault.h"
#include "support/opened.h"
#include "support/suite.h"

#define QUICK "retry.backoff=1ms; retry.throttle_backoff=1ms; "
#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
#define SICK "HTTP/1.1 503 Sick\r\nContent-Length: 4\r\n\r\nsick"

#define SAY(text, next)                                                                \
    {                                                                                  \
        .send = (text), .then = (next)                                                 \
    }

static fault_server server;
static opened own;
static keel_http *client;
static char base_url[64];

/* What a request was told, and how often. */
typedef struct told_end {
    int times;
    keel_status status;
    keel_reason reason;
    keel_applied applied;
    uint32_t attempts;
    int code; /* HTTP's; 0: no answer */
    bool is_shared;
    bool is_stale;
    bool fallback;
    keel_status stood_in_for; /* with fallback; else as status */
    uint64_t expired_ns;
    size_t body_length;
    char body[256];
    char url[256];
    char text[256];
    char header[64]; /* X-Test */
} told_end;

static inline void note_end(keel_status status, const keel_http_response *response,
                            const keel_detail *detail, void *ctx)
{
    told_end *t = ctx;

    t->times++;
    t->status = status;
    t->reason = detail->reason;
    t->applied = detail->applied;
    t->attempts = detail->attempts;
    t->fallback = detail->fallback;
    t->stood_in_for = detail->code;
    snprintf(t->text, sizeof t->text, "%s", detail->text);
    if (!response)
        return;
    t->code = response->status;
    t->is_shared = response->is_shared;
    t->is_stale = response->is_stale;
    t->expired_ns = response->expired_ns;
    t->body_length = response->body_length;
    snprintf(t->body, sizeof t->body, "%s", response->body);
    snprintf(t->url, sizeof t->url, "%s", response->url);
    if (keel_http_header(response, "x-test", 0))
        snprintf(t->header, sizeof t->header, "%s",
                 keel_http_header(response, "x-test", 0));
}

static inline void client_open_at(const char *settings, uint16_t port)
{
    opened_init(&own, OPENED_REAL, NULL, settings);
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, &own.why), KEEL_OK);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/", port);
}

static inline void client_end(void)
{
    keel_http_close(client);
    opened_cleanup(&own);
}

#define BEGIN(settings, ...)                                                           \
    static const fault_step steps[] = { __VA_ARGS__ };                                 \
    ck_assert(fault_start(&server, steps, sizeof steps / sizeof *steps));              \
    client_open_at(settings, server.port)

#define END()                                                                          \
    client_end();                                                                      \
    fault_stop(&server)

static inline int requests(void)
{
    return atomic_load(&server.requests);
}

static inline int connections(void)
{
    return atomic_load(&server.connections);
}

static inline keel_http_request request_to(told_end *t)
{
    return (keel_http_request){
        .size = sizeof(keel_http_request), .url = base_url, .done = note_end, .ctx = t
    };
}

static inline uint64_t start(const keel_http_request *r)
{
    uint64_t ticket;

    ck_assert_int_eq(keel_http_start(client, own.pipeline, r, &ticket, &own.why),
                     KEEL_OK);
    return ticket;
}

/* One step of the client's; a test whose answer never comes ends by its time-out. */
static inline void step(void)
{
    ck_assert_int_eq(keel_http_poll(client, UINT64_MAX), KEEL_OK);
}

static inline void finish_all(void)
{
    while (keel_http_in_flight(client))
        step();
}

/* A whole request. */
static inline void play(const keel_http_request *r)
{
    start(r);
    finish_all();
}

#endif
