/* SPDX-License-Identifier: MIT */
/*
 * What callers feel of a Redis that fails: the 99th percentile of a call's time through
 * keel on a breaker that a fleet shares, beside that of one that nobody shares, in turns
 * in the same process, while the server behind the fleet does wrong. Every call succeeds,
 * or the program says so and fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <keel/keel.h>

#include "support/proxy.h"
#include "support/redis.h"

#define GOAL_US 20.0
#define SETTINGS "none; breaker=on; breaker.window=1s"

enum { CALLS = 1000000, TURN = 500, SETTLE_MS = 300 };

static test_redis server;
static proxy *between;
static char variable[64];
static uint64_t shared_ns[CALLS], alone_ns[CALLS];
static unsigned refused;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* One in a hundred fails, so that there is always something to tell the fleet. */
static uint64_t call(keel_pipeline *pipeline, int number)
{
    uint64_t begun = now_ns();
    keel_permit permit;

    if (keel_permit_take(pipeline, &permit, NULL) == KEEL_OK)
        keel_permit_end(&permit, number % 100 ? KEEL_OK : KEEL_FAILED);
    else
        refused++;
    return now_ns() - begun;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double percentile_us(uint64_t *times, double part)
{
    qsort(times, CALLS, sizeof *times, by_size);
    return (double)times[(size_t)(part * (CALLS - 1))] / 1e3;
}

static void measure(const char *name, keel_pipeline *shared, keel_pipeline *alone)
{
    double with, without;

    pause_ms(SETTLE_MS);
    refused = 0;
    for (int i = 0; i < CALLS; i += TURN) {
        for (int j = i; j < i + TURN; j++)
            shared_ns[j] = call(shared, j);
        for (int j = i; j < i + TURN; j++)
            alone_ns[j] = call(alone, j);
    }
    with = percentile_us(shared_ns, 0.99);
    without = percentile_us(alone_ns, 0.99);
    printf("%-34s %8.2f us, alone %6.2f us, more by %6.2f us (goal %.0f)%s\n", name,
           with, without, with - without, GOAL_US,
           refused ? "  CALLS WERE REFUSED" : "");
}

typedef struct proxy_case {
    const char *name;
    proxy_order order;
} proxy_case;

static const proxy_case wrongs[] = {
    { "well", { .fault = PROXY_FORWARD } },
    { "slow by 90 ms", { .fault = PROXY_DELAY, .ms = 90 } },
    { "dripping", { .fault = PROXY_DRIP, .ms = 1 } },
    { "answering garbage", { .fault = PROXY_ANSWER } },
    { "half an answer", { .fault = PROXY_CUT } },
    { "reset before", { .fault = PROXY_RESET_BEFORE } },
    { "reset after", { .fault = PROXY_RESET_AFTER } },
    { "black hole", { .fault = PROXY_BLACK_HOLE } },
    { "refusing", { .fault = PROXY_REFUSE } },
};

static void tell(const char *command)
{
    freeReplyObject(test_redis_ask(&server, "%s", command));
}

/* What the server itself does, with nothing between. */
static void measure_server(keel_pipeline *shared, keel_pipeline *alone)
{
    proxy_do(between, PROXY_FORWARD);
    tell("FLUSHALL");
    measure("flushed", shared, alone);
    tell("SCRIPT FLUSH");
    measure("its scripts flushed", shared, alone);
    tell("CONFIG SET maxmemory 1");
    measure("out of memory", shared, alone);
    tell("CONFIG SET maxmemory 0");
    tell("REPLICAOF 127.0.0.1 1");
    measure("read-only", shared, alone);
    tell("REPLICAOF NO ONE");
    test_redis_freeze(&server);
    measure("stopped (SIGSTOP)", shared, alone);
    test_redis_thaw(&server);
    test_redis_stop(&server);
    measure("killed", shared, alone);
}

static keel_pipeline *open_one(keel_runtime **runtime, const char *const *environment)
{
    keel_options options = { .size = sizeof options, .environment = environment };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_pipeline *pipeline;

    if (keel_open(runtime, &options, &why) != KEEL_OK ||
        keel_pipeline_open(&pipeline, *runtime, "payments", SETTINGS, &why) !=
            KEEL_OK) {
        fprintf(stderr, "faults: %s\n", why.text);
        exit(1);
    }
    return pipeline;
}

int main(void)
{
    const char *const with[] = { variable, NULL };
    const char *const without[] = { NULL };
    keel_runtime *shared_runtime, *alone_runtime;
    keel_pipeline *shared, *alone;

    if (!test_redis_start(&server, "") || !(between = proxy_start(server.port)))
        return 1;
    snprintf(variable, sizeof variable, "KEEL_REDIS=redis://127.0.0.1:%u",
             proxy_port(between));
    shared = open_one(&shared_runtime, with);
    alone = open_one(&alone_runtime, without);
    printf("a call's 99th percentile while the fleet's Redis is\n");
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        proxy_set(between, wrongs[i].order);
        measure(wrongs[i].name, shared, alone);
    }
    measure_server(shared, alone);
    keel_pipeline_close(shared);
    keel_pipeline_close(alone);
    keel_close(shared_runtime, 0);
    keel_close(alone_runtime, 0);
    proxy_stop(between);
    test_redis_cleanup(&server);
    return 0;
}
