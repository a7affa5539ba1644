/* SPDX-License-Identifier: MIT */
/* A server with a script and a client aimed at it: how every test here begins. */
#ifndef KEEL_TESTS_HTTP_FIXTURE_H
#define KEEL_TESTS_HTTP_FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/curl_client.h"
#include "support/fault.h"

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

/* Runs the tests; what main returns. */
static inline int run_all(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *all = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(all, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(all, tests[i]);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
