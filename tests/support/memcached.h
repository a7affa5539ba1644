/* SPDX-License-Identifier: MIT */
/*
 * A real memcached for one test, on a free port of loopback or on a unix socket in a
 * directory of its own, gone with the thread that started it.
 */
#ifndef KEEL_TESTS_SUPPORT_MEMCACHED_H
#define KEEL_TESTS_SUPPORT_MEMCACHED_H

#include <stdint.h>

#include "support/spawned.h"

typedef struct test_memcached {
    spawned process;
    uint16_t port;                  /* 0: on its socket */
    char socket[SPAWNED_PATH_SIZE]; /* "": on its port */
    const char *options[3];         /* beyond the common ones */
} test_memcached;

/* A test program without its server exits with 77. */
bool test_memcached_is_installed(void);

/*
 * Returns when it answers, or false after telling stderr why.
 *
 * option, value  "-I", "2m"; NULL: none
 */
bool test_memcached_start(test_memcached *m, const char *option, const char *value);
bool test_memcached_start_unix(test_memcached *m, const char *option,
                               const char *value);

/* Kills it, in the midst of whatever it does. */
void test_memcached_stop(test_memcached *m);

/* Brings back where it was what was stopped; of its items nothing is left. */
bool test_memcached_restart(test_memcached *m);

/* Stops its time, with all connections open, and lets it run on. */
void test_memcached_freeze(const test_memcached *m);
void test_memcached_thaw(const test_memcached *m);

/* Kills it and removes its directory. All zero is fine. */
void test_memcached_cleanup(test_memcached *m);

/* What it says to a line, on a connection of its own: what comes with one read. */
bool test_memcached_ask(const test_memcached *m, const char *line, char *answer,
                        size_t size);

#endif
