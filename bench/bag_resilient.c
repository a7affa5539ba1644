/* SPDX-License-Identifier: MIT */
/*
 * What resilient adds to a bag, in multiples of what its pipeline takes by itself: a get
 * and a set over the memory store, with and without it. What failover adds while its
 * primary is there is shown beside it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "report.h"
#include "subjects.h"

static keel_runtime *runtime;

static keel_bag *opened(const char *name, const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag *bag;

    if (keel_bag_open(&bag, runtime, name, spec, &why) != KEEL_OK ||
        keel_bag_set(bag, "key", "value", 5, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "%s: %s\n", name, why.text);
        exit(1);
    }
    return bag;
}

static void get(uint64_t n, void *ctx)
{
    char value[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };

    for (uint64_t i = 0; i < n; i++)
        BENCH_SINK(keel_bag_get(ctx, "key", &item, NULL, NULL));
}

static void set(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        BENCH_SINK(keel_bag_set(ctx, "key", "value", 5, NULL, NULL));
}

static void shares(void)
{
    keel_bag *plain = opened("plain", "memory://");
    keel_bag *resilient = opened("resilient", "resilient(memory://)");
    keel_bag *failover = opened("failover", "failover(memory://, memory://)");
    keel_pipeline *standard = subject_open(runtime, "standard", "standard");
    const bench_side plain_get = BENCH_ONE(get, plain);
    const bench_side plain_set = BENCH_ONE(set, plain);
    const bench_figure figures[] = {
        { "resilient, get, its share", BENCH_COST, 1.1, "a call, standard preset",
          BENCH_ONE(get, resilient), BENCH_ONE(subject_call, standard) },
        { "resilient, set, its share", BENCH_COST, 1.1, "a call, standard preset",
          BENCH_ONE(set, resilient), BENCH_ONE(subject_call, standard) },
        { "failover, get", BENCH_COST, 0, "the memory store", BENCH_ONE(get, failover),
          BENCH_ONE(get, plain) },
    };

    if (!standard)
        exit(1);
    bench_report_share(&figures[0], &plain_get);
    bench_report_share(&figures[1], &plain_set);
    bench_report(&figures[2]);
}

int main(void)
{
    runtime = subject_runtime(NULL);
    if (!runtime || !bench_open())
        return 1;
    bench_report_begin("decorators of bags");
    shares();
    bench_report_end();
    bench_close();
    return 0;
}
