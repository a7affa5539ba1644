/* SPDX-License-Identifier: MIT */
/*
 * An nginx on free ports of loopback for one test. It is one single process, so that
 * freezing (SIGSTOP) or killing its pid reaches all of it; it also dies with the thread
 * that started it.
 */
#ifndef KEEL_TESTS_SUPPORT_SERVER_H
#define KEEL_TESTS_SUPPORT_SERVER_H

#include <stdint.h>

#include "support/nginx.h"

typedef struct test_server {
    nginx nginx; /* its directory is for certificates, documents, error.log */
    uint16_t port;
    uint16_t tls_port; /* for a second server{} in the configuration */
} test_server;

/* A test program without its server exits with 77. */
bool test_server_is_installed(void);

/* Makes the directory, for files that must be there before the server starts. */
bool test_server_init(test_server *s);

/*
 * Starts nginx and returns when it listens.
 *
 * servers  the server{} blocks; @PORT@, @TLS_PORT@ and @DIR@ are filled in
 * Returns  false: it does not run, and stderr tells why
 */
bool test_server_start(test_server *s, const char *servers);

/* Stops it; test_server_start on the same ports and directory brings it back. */
void test_server_stop(test_server *s);

/* Stops it and removes the directory. All zero is fine. */
void test_server_cleanup(test_server *s);

#endif
