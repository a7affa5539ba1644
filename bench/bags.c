/* SPDX-License-Identifier: MIT */
/*
 * What bags cost: the memory store by itself and from two threads. Decorators and other
 * stores stand in files of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

#include "report.h"

enum { KEYS = 4096, VALUE = 100 };

static keel_runtime *runtime;
static keel_bag *bag;
static char keys[KEYS][24];

static void fail(const char *why)
{
    fprintf(stderr, "bags: %s\n", why);
    exit(1);
}

/* What one get has to do at the least: look a key up and copy its value. */
static void copy_value(uint64_t n, void *ctx)
{
    char value[VALUE];

    for (uint64_t i = 0; i < n; i++) {
        memcpy(value, (char *)ctx + i % KEYS, sizeof value);
        BENCH_SINK(value);
    }
}

static void get(uint64_t n, void *ctx)
{
    char value[VALUE];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };
    uint64_t at = *(uint64_t *)ctx;

    for (uint64_t i = 0; i < n; i++, at += 7919)
        if (keel_bag_get(bag, keys[at % KEYS], &item, NULL, NULL) != KEEL_OK)
            fail("an item is gone");
    *(uint64_t *)ctx = at;
}

static void set(uint64_t n, void *ctx)
{
    static const char value[VALUE];
    uint64_t at = *(uint64_t *)ctx;

    for (uint64_t i = 0; i < n; i++, at += 7919)
        if (keel_bag_set(bag, keys[at % KEYS], value, sizeof value, NULL, NULL) !=
            KEEL_OK)
            fail("a set failed");
    *(uint64_t *)ctx = at;
}

static void fill(void)
{
    static const char value[VALUE];

    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "session:%u", i);
        if (keel_bag_set(bag, keys[i], value, sizeof value, NULL, NULL) != KEEL_OK)
            fail("a set failed");
    }
}

int main(void)
{
    static char memory[KEYS + VALUE];
    static uint64_t at[2];
    const bench_figure figures[] = {
        { "memory://, get of 100 bytes (goal 333 ns)", BENCH_COST, 0, "copying them",
          BENCH_ONE(get, &at[0]), BENCH_ONE(copy_value, memory) },
        { "memory://, set of 100 bytes", BENCH_COST, 0, "copying them",
          BENCH_ONE(set, &at[0]), BENCH_ONE(copy_value, memory) },
        { "memory://, get, two threads", BENCH_SPEED, 1.7, "one thread",
          BENCH_TWO(get, &at[0], &at[1]), BENCH_ONE(get, &at[0]) },
        { "memory://, set, two threads", BENCH_SPEED, 0, "one thread",
          BENCH_TWO(set, &at[0], &at[1]), BENCH_ONE(set, &at[0]) },
    };
    keel_detail why = KEEL_DETAIL_INIT;

    if (keel_open(&runtime, NULL, &why) != KEEL_OK ||
        keel_bag_open(&bag, runtime, "bench", "memory://", &why) != KEEL_OK)
        fail(why.text);
    fill();
    if (!bench_open())
        return 1;
    bench_report_begin("bags");
    bench_report_all(figures, sizeof figures / sizeof *figures);
    bench_report_end();
    bench_close();
    keel_bag_close(bag);
    keel_close(runtime, 0);
    return 0;
}
