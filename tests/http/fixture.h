/* SPDX-License-Identifier: MIT */
/* A server with a script and a client aimed at it: how every test here begins. */
#ifndef KEEL_TESTS_HTTP_FIXTURE_H
#define KEEL_TESTS_HTTP_FIXTURE_H

#include <string.h>

#include "support/curl_client.h"
#include "support/fault.h"
#include "support/suite.h"

#define QUICK "retry.backoff=1ms; retry.throttle_backoff=1ms"
#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
#define SICK "HTTP/1.1 503 Sick\r\nContent-Length: 4\r\n\r\nsick"
#define MS ((uint64_t)1000000)

#define SAY(text, next)                                                                \
    {                                                                                  \
        .send = (text), .then = (next)                                                 \
    }

static fault_server server;
static curl_client client;

#define BEGIN(settings, ...)                                                           \
    static const fault_step steps[] = { __VA_ARGS__ };                                 \
    ck_assert(fault_start(&server, steps, sizeof steps / sizeof *steps));              \
    curl_client_open(&client, settings, server.port, "/")

#define END()                                                                          \
    curl_client_close(&client);                                                        \
    fault_stop(&server)

static inline int requests(void)
{
    return atomic_load(&server.requests);
}

static inline int connections(void)
{
    return atomic_load(&server.connections);
}

#endif
