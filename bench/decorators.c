/* SPDX-License-Identifier: MIT */
/*
 * What a decorator adds to a get of one key from the memory store, whole calls of
 * keel_bag_get against each other: one that hands on (readonly), one that counts (log),
 * an answer from a cache in front of it, and a quick read under a hedge.
 *
 *     decorators          the table
 *     decorators SPEC N   N gets from a bag of that spec, for a profile
 */
#include <stdio.h>
#include <stdlib.h>

#include <keel/keel.h>

#include "mark.h"
#include "report.h"

static keel_runtime *runtime;

static keel_bag *opened(const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag *bag;

    if (keel_bag_open(&bag, runtime, "bench", spec, &why) != KEEL_OK ||
        keel_bag_set(bag, "user:17", "0123456789abcdef", 16, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "%s: %s\n", spec, why.text);
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
        BENCH_SINK(keel_bag_get(ctx, "user:17", &item, NULL, NULL));
}

static void measure(void)
{
    keel_bag *plain = opened("memory://");
    keel_bag *again = opened("memory://");
    keel_bag *passing = opened("readonly{on=off}(memory://)");
    keel_bag *counting = opened("log(memory://)");
    keel_bag *cached = opened("cache(memory://, memory://)");
    keel_bag *hedged = opened("hedge(memory://, memory://)");
    const bench_figure figures[] = {
        { "self-test: a bag against its like", BENCH_COST, 1.01, "memory://",
          BENCH_ONE(get, again), BENCH_ONE(get, plain) },
        { "a layer that hands on", BENCH_COST, 1.02, "memory://",
          BENCH_ONE(get, passing), BENCH_ONE(get, plain) },
        { "a layer that counts", BENCH_COST, 1.06, "memory://",
          BENCH_ONE(get, counting), BENCH_ONE(get, plain) },
        { "a hit of a cache in memory", BENCH_COST, 0, "memory://",
          BENCH_ONE(get, cached), BENCH_ONE(get, plain) },
        { "a quick read under a hedge", BENCH_COST, 0, "memory://",
          BENCH_ONE(get, hedged), BENCH_ONE(get, plain) },
    };

    bench_report_begin("decorators, a get of 16 bytes from the memory store");
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    bench_report_end();
    keel_bag_close(plain);
    keel_bag_close(again);
    keel_bag_close(passing);
    keel_bag_close(counting);
    keel_bag_close(cached);
    keel_bag_close(hedged);
}

/* Between two marks, so that a tool that counts instructions sees the rounds alone. */
static void profile(const char *spec, uint64_t n)
{
    keel_bag *bag = opened(spec);

    get(100, bag);
    path_mark();
    get(n, bag);
    path_mark();
    keel_bag_close(bag);
}

int main(int argc, char **argv)
{
    if (keel_open(&runtime, NULL, NULL) != KEEL_OK)
        return 1;
    if (argc == 3) {
        profile(argv[1], strtoull(argv[2], NULL, 10));
    } else {
        if (!bench_open())
            return 1;
        measure();
        bench_close();
    }
    return keel_close(runtime, 0) != KEEL_OK;
}
