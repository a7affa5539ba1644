/* SPDX-License-Identifier: MIT */
/*
 * A bag over Redis beside hiredis by itself, which says the same to the same server over
 * a connection of its own and hands the value out by a copy, as a bag does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

#include "report.h"
#include "support/redis.h"

enum { VALUE = 100, MANY = 100, KEY_SIZE = 24 };

static test_redis server;
static redisContext *connection;
static keel_runtime *runtime;
static keel_bag *bag;
static char value[VALUE];
static char names[MANY][KEY_SIZE];
static const char *keys[MANY];

static void fail(const char *why)
{
    fprintf(stderr, "bag_redis: %s\n", why);
    test_redis_cleanup(&server);
    exit(1);
}

static redisReply *checked(redisReply *reply)
{
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        fail(reply ? reply->str : "no reply");
    return reply;
}

/* ---- one key ------------------------------------------------------------------------- */

static void bag_get(uint64_t n, void *ctx)
{
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        char to[VALUE];
        keel_bag_item item = { .size = sizeof item, .buffer = to, .capacity = VALUE };

        if (keel_bag_get(bag, keys[i % MANY], &item, NULL, NULL) != KEEL_OK)
            fail("get");
    }
}

static void plain_get(uint64_t n, void *ctx)
{
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        const char *argv[] = { "GET", keys[i % MANY] };
        const size_t lengths[] = { 3, strlen(argv[1]) };
        char to[1024];
        redisReply *reply = checked(redisCommandArgv(connection, 2, argv, lengths));

        memcpy(to, reply->str, reply->len);
        BENCH_SINK(to);
        freeReplyObject(reply);
    }
}

static void bag_set(uint64_t n, void *ctx)
{
    (void)ctx;
    for (uint64_t i = 0; i < n; i++)
        if (keel_bag_set(bag, keys[i % MANY], value, VALUE, NULL, NULL) != KEEL_OK)
            fail("set");
}

/* With as many bytes as the bag's, its envelope among them. */
static void plain_set(uint64_t n, void *ctx)
{
    static const char bytes[VALUE + 24];

    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        char other[KEY_SIZE + 1];
        const char *argv[] = { "SET", other, bytes };
        const size_t lengths[] = { 3, strlen(keys[i % MANY]) + 1, sizeof bytes };

        snprintf(other, sizeof other, "%s.", keys[i % MANY]);
        freeReplyObject(checked(redisCommandArgv(connection, 3, argv, lengths)));
    }
}

/* ---- many ---------------------------------------------------------------------------- */

static void bag_get_many(uint64_t n, void *ctx)
{
    static char to[MANY][VALUE];
    static keel_bag_item items[MANY];
    static keel_status statuses[MANY];

    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        for (int k = 0; k < MANY; k++)
            items[k] = (keel_bag_item){ .size = sizeof items[k],
                                        .buffer = to[k],
                                        .capacity = VALUE };
        if (keel_bag_get_many(bag, keys, items, statuses, MANY, NULL, NULL) != KEEL_OK)
            fail("get_many");
    }
}

static void plain_batch(uint64_t n, void *ctx)
{
    static char to[1024];

    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        for (int k = 0; k < MANY; k++) {
            const char *argv[] = { "GET", keys[k] };
            const size_t lengths[] = { 3, strlen(argv[1]) };

            redisAppendCommandArgv(connection, 2, argv, lengths);
        }
        for (int k = 0; k < MANY; k++) {
            void *reply = NULL;

            redisGetReply(connection, &reply);
            memcpy(to, checked(reply)->str, ((redisReply *)reply)->len);
            BENCH_SINK(to);
            freeReplyObject(reply);
        }
    }
}

/* ---- the table ----------------------------------------------------------------------- */

static void open_bag(void)
{
    char spec[512];

    snprintf(spec, sizeof spec, "redis://127.0.0.1:%u?connections=1", server.port);
    if (keel_open(&runtime, NULL, NULL) != KEEL_OK ||
        keel_bag_open(&bag, runtime, "bench", spec, NULL) != KEEL_OK)
        fail("no bag");
    for (int k = 0; k < MANY; k++) {
        snprintf(names[k], sizeof names[k], "bench:key:%d", k);
        keys[k] = names[k];
    }
    bag_set(MANY, NULL);
}

int main(void)
{
    static const bench_figure figures[] = {
        { "get", BENCH_WALL, 1.05, "hiredis, GET", BENCH_ONE(bag_get, NULL),
          BENCH_ONE(plain_get, NULL) },
        { "set", BENCH_WALL, 1.05, "hiredis, SET", BENCH_ONE(bag_set, NULL),
          BENCH_ONE(plain_set, NULL) },
        { "100 keys at once", BENCH_WALL, 1.2, "hiredis, 100 GETs in a batch",
          BENCH_ONE(bag_get_many, NULL), BENCH_ONE(plain_batch, NULL) },
    };

    if (!test_redis_is_installed()) {
        printf("redis-server is not installed: left out\n");
        return 0;
    }
    if (!bench_open() || !test_redis_start(&server, ""))
        return 1;
    connection = test_redis_connect(&server);
    if (!connection)
        fail("no connection");
    open_bag();
    bench_report_begin("a bag over Redis, one connection");
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    bench_report_end();
    keel_bag_close(bag);
    keel_close(runtime, 0);
    redisFree(connection);
    test_redis_cleanup(&server);
    bench_close();
    return 0;
}
