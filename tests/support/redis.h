/* SPDX-License-Identifier: MIT */
/*
 * Real Redis servers for one test: on a free port of loopback and on a unix socket in a
 * directory of their own, keeping nothing on disk, gone with the thread that started
 * them. With KEEL_TEST_REDIS=valkey the same tests run against valkey-server.
 *
 * What starts a server returns when it answers, or false after telling stderr why.
 */
#ifndef KEEL_TESTS_SUPPORT_REDIS_H
#define KEEL_TESTS_SUPPORT_REDIS_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "support/spawned.h"

typedef struct test_redis {
    spawned process;
    uint16_t port;
    char socket[SPAWNED_PATH_SIZE]; /* not of a sentinel */
    bool is_sentinel;
} test_redis;

/* A test program without its server exits with 77. */
bool test_redis_is_installed(void);

/* config  lines of redis.conf beyond the common ones, each with its newline; or "" */
bool test_redis_start(test_redis *r, const char *config);

/* A replica that has caught up. */
bool test_redis_start_replica(test_redis *r, const test_redis *master);

/*
 * A sentinel, alone in its quorum, that takes a master for dead after down_ms. It knows
 * the master's replicas when this returns.
 */
bool test_redis_start_sentinel(test_redis *r, const test_redis *master,
                               const char *master_name, unsigned down_ms);

/* Kills it, in the midst of whatever it does. */
void test_redis_stop(test_redis *r);

/* Brings back on its old ports what was stopped; of its data nothing is left. */
bool test_redis_restart(test_redis *r);

/* Stops its time, with all connections open, and lets it run on. */
void test_redis_freeze(const test_redis *r);
void test_redis_thaw(const test_redis *r);

/* Kills it and removes its directory. All zero is fine. */
void test_redis_cleanup(test_redis *r);

/* A blocking connection with a time-out of five seconds; NULL: none. */
redisContext *test_redis_connect(const test_redis *r);

/*
 * One command on a connection of its own. Returns its reply, which the caller frees, or
 * NULL.
 */
redisReply *test_redis_ask(const test_redis *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same where the reply is a number; -1: it is none. */
long long test_redis_number(const test_redis *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Three masters without replicas that hold a third of the slots each. */
enum { TEST_REDIS_NODES = 3 };

typedef struct test_redis_cluster {
    test_redis nodes[TEST_REDIS_NODES];
} test_redis_cluster;

bool test_redis_cluster_start(test_redis_cluster *c);
void test_redis_cluster_cleanup(test_redis_cluster *c);

#endif
