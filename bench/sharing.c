/* SPDX-License-Identifier: MIT */
/*
 * What a call costs more because its breaker is shared: by processes through a board, by
 * a fleet through a Redis of the bench's own, by both. Nothing is down: the relay sleeps
 * and calls count. The floor is the same call with nothing shared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"
#include "subjects.h"
#include "support/redis.h"

#define BREAKER "none; breaker=on; breaker.window=10s; breaker.buckets=10"
#define GOAL 1.05

enum { WAYS = 4 };

static test_redis server;
static char board_variable[64], redis_variable[SPAWNED_PATH_SIZE + 32];

typedef struct way {
    const char *name;
    const char *environment[3];
    keel_runtime *runtime;
    keel_pipeline *breaker;
    keel_pipeline *standard;
} way;

static way ways[WAYS] = {
    { .name = "off" },
    { .name = "board", .environment = { board_variable } },
    { .name = "Redis", .environment = { redis_variable } },
    { .name = "board and Redis", .environment = { board_variable, redis_variable } },
};

static keel_pipeline *opened(keel_runtime *runtime, const char *name,
                             const char *settings)
{
    keel_pipeline *pipeline = subject_open(runtime, name, settings);

    if (!pipeline)
        exit(1);
    return pipeline;
}

static void open_way(way *w)
{
    keel_options options = { .size = sizeof options, .environment = w->environment };
    keel_detail why = KEEL_DETAIL_INIT;
    char text[240];

    if (keel_open(&w->runtime, &options, &why) != KEEL_OK ||
        keel_runtime_warning(w->runtime, 0, text, sizeof text)) {
        fprintf(stderr, "sharing: %s: %s\n", w->name, w->runtime ? text : why.text);
        exit(1);
    }
    w->breaker = opened(w->runtime, "alone", BREAKER);
    w->standard = opened(w->runtime, "standard", "standard");
}

static void close_way(way *w)
{
    keel_pipeline_close(w->breaker);
    keel_pipeline_close(w->standard);
    keel_close(w->runtime, 0);
}

static void compare(const way *w)
{
    char breaker[64], standard[64];
    const bench_figure figures[] = {
        { breaker, BENCH_COST, GOAL, "sharing off",
          BENCH_ONE(subject_permit, w->breaker),
          BENCH_ONE(subject_permit, ways[0].breaker) },
        { standard, BENCH_COST, GOAL, "sharing off",
          BENCH_ONE(subject_run, w->standard),
          BENCH_ONE(subject_run, ways[0].standard) },
    };

    snprintf(breaker, sizeof breaker, "closed call, %s", w->name);
    snprintf(standard, sizeof standard, "standard, keel_run, %s", w->name);
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
}

int main(void)
{
    char board[] = "/tmp/keel-bench-XXXXXX";
    int fd = mkstemp(board);

    if (fd < 0 || !bench_open())
        return 1;
    close(fd);
    unlink(board);
    if (!test_redis_start(&server, ""))
        return 1;
    snprintf(board_variable, sizeof board_variable, "KEEL_BOARD=%s", board);
    snprintf(redis_variable, sizeof redis_variable, "KEEL_REDIS=unix:%s",
             server.socket);
    for (int i = 0; i < WAYS; i++)
        open_way(&ways[i]);
    bench_report_begin("sharing");
    for (int i = 1; i < WAYS; i++)
        compare(&ways[i]);
    bench_report_end();
    for (int i = 0; i < WAYS; i++)
        close_way(&ways[i]);
    bench_close();
    test_redis_cleanup(&server);
    unlink(board);
    return 0;
}
