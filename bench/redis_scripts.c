/* SPDX-License-Identifier: MIT */
/*
 * What the fleet's scripts cost: the server's own time for each, and a batched sync by
 * the wall beside one INCR round trip. Against a server of its own on loopback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "share/wire.h"
#include "support/redis.h"

enum { RUNS = 2000, BATCH = 16 };

static test_redis server;
static redisContext *connection;
static char bytes[KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER];

static void fail(const char *why)
{
    fprintf(stderr, "redis_scripts: %s\n", why);
    test_redis_cleanup(&server);
    exit(1);
}

static redisReply *checked(redisReply *reply)
{
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        fail(reply ? reply->str : "no reply");
    return reply;
}

/* ---- syncs ----------------------------------------------------------------------- */

typedef struct reports {
    keel_wire_sync sync;
    keel_wire_report report[KEEL_WIRE_BATCH];
    keel_wire_delta delta[KEEL_WIRE_BATCH];
    keel_wire_view view[KEEL_WIRE_BATCH];
    char name[KEEL_WIRE_BATCH][16];
} reports;

static const keel_fleet fleet = { .tag = "bench", .member = "a0b1c2d3" };

static void reports_init(reports *r, size_t count)
{
    static uint64_t sequence;

    r->sync = (keel_wire_sync){ .sequence = sequence += 1000000,
                                .member_ms = 15000,
                                .candidate = 1,
                                .reports = r->report,
                                .count = count };
    for (size_t i = 0; i < count; i++) {
        snprintf(r->name[i], sizeof r->name[i], "breaker-%zu", i);
        r->delta[i] = (keel_wire_delta){ .ok = 97, .bad = 3 };
        r->report[i] = (keel_wire_report){ .name = r->name[i],
                                           .epoch = 1,
                                           .cfg_hash = 1,
                                           .slots = 10,
                                           .slot_ms = 1000,
                                           .keep_ms = 600000,
                                           .min_calls = 20,
                                           .failure_ppm = 500000,
                                           .reporters = 1,
                                           .opening = { 5000, 60000, 66000, 2000000,
                                                        1000000, 10000, 0 },
                                           .deltas = &r->delta[i],
                                           .delta_count = 1 };
    }
}

static void sync_once(reports *r)
{
    keel_wire_synced synced;
    keel_command command;
    redisReply *reply;

    r->sync.sequence++;
    keel_command_init(&command, bytes, sizeof bytes);
    if (!keel_wire_sync_write(&command, &fleet, &r->sync))
        fail("the command does not fit");
    reply = redisCommandArgv(connection, command.count, command.argv, command.lengths);
    if (reply && reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "NOSCRIPT")) {
        freeReplyObject(reply);
        keel_command_bring_script(&command);
        reply =
            redisCommandArgv(connection, command.count, command.argv, command.lengths);
    }
    checked(reply);
    if (!keel_wire_sync_read(reply, &r->sync, &synced, r->view))
        fail("the reply is none");
    freeReplyObject(reply);
}

/* ---- the server's time ----------------------------------------------------------- */

static double server_us(void)
{
    redisReply *reply = checked(redisCommand(connection, "INFO commandstats"));
    const char *line = strstr(reply->str, "cmdstat_evalsha:");
    const char *figure = line ? strstr(line, "usec_per_call=") : NULL;
    double us = figure ? strtod(figure + strlen("usec_per_call="), NULL) : 0;

    freeReplyObject(reply);
    return us;
}

/* design  what the load estimates of keel-fleet(7) assume */
static void server_time(size_t breakers, double design)
{
    static reports r;

    reports_init(&r, breakers);
    sync_once(&r);
    freeReplyObject(checked(redisCommand(connection, "CONFIG RESETSTAT")));
    for (int i = 0; i < RUNS; i++)
        sync_once(&r);
    printf("%-44s %9.1f us %6.1f us assumed\n",
           breakers ? "server's time for a sync" : "server's time for a heartbeat",
           server_us(), design);
    if (breakers)
        printf("    of %zu breakers: %.2f us for each\n", breakers,
               server_us() / (double)breakers);
}

/* ---- round trips ----------------------------------------------------------------- */

static void increment(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        freeReplyObject(checked(redisCommand(ctx, "INCR bench:counter")));
}

/* An operation is one breaker's share. */
static void sync_batch(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i += BATCH)
        sync_once(ctx);
}

static void round_trips(void)
{
    static reports r;
    const bench_figure figure = { "sync of 16 breakers, one of them",
                                  BENCH_WALL,
                                  0.2,
                                  "INCR, one round trip",
                                  BENCH_ONE(sync_batch, &r),
                                  BENCH_ONE(increment, connection) };

    reports_init(&r, BATCH);
    bench_report(&figure);
}

int main(void)
{
    if (!test_redis_is_installed()) {
        printf("redis-server is not installed: left out\n");
        return 0;
    }
    if (!bench_open() || !test_redis_start(&server, ""))
        return 1;
    connection = test_redis_connect(&server);
    if (!connection)
        fail("no connection");
    bench_report_begin("the fleet's scripts");
    server_time(0, 9);
    server_time(1, 13.4);
    server_time(5, 38.6);
    server_time(16, 94.4);
    server_time(50, 280);
    round_trips();
    bench_report_end();
    redisFree(connection);
    test_redis_cleanup(&server);
    bench_close();
    return 0;
}
