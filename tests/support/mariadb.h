/* SPDX-License-Identifier: MIT */
/*
 * A real MariaDB of the test's own: on a free port of loopback and on a unix socket in a
 * directory of its own, gone with the thread that started it. Its root has no password;
 * app, whom the bags are, has one, and a database "kv".
 *
 * What starts a server returns when it answers, or false after telling stderr why.
 */
#ifndef KEEL_TESTS_SUPPORT_MARIADB_H
#define KEEL_TESTS_SUPPORT_MARIADB_H

#include <mysql.h>
#include <stdint.h>

#include "support/spawned.h"

#define TEST_MARIADB_PASSWORD "hunter2"

typedef struct test_mariadb {
    spawned process;
    uint16_t port;
    char socket[SPAWNED_PATH_SIZE];
    const char *options[4]; /* beyond the common ones, of the next start */
} test_mariadb;

/* A test program without its server exits with 77. */
bool test_mariadb_is_installed(void);

/* Makes its directory and what is in a fresh server, which takes a second. */
bool test_mariadb_init(test_mariadb *m);
/* Where it was before, if it has been started before. */
bool test_mariadb_start(test_mariadb *m);

/* Kills it, in the midst of whatever it does. */
void test_mariadb_stop(test_mariadb *m);

/* Stops its time, with all connections open, and lets it run on. */
void test_mariadb_freeze(const test_mariadb *m);
void test_mariadb_thaw(const test_mariadb *m);

/* Kills it and removes its directory. All zero is fine. */
void test_mariadb_cleanup(test_mariadb *m);

/* A connection of root's to kv, which may wait. NULL: none. */
MYSQL *test_mariadb_connect(const test_mariadb *m);

/* A statement on it; fails the test if the server refuses it. */
void test_mariadb_tell(MYSQL *root, const char *statement);
/* What it answers first, as a number. */
long long test_mariadb_ask(MYSQL *root, const char *statement);

#endif
