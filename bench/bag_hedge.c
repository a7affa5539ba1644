/* SPDX-License-Identifier: MIT */
/*
 * What a hedge is for: reads of a store that answers in a millisecond and stalls two in a
 * hundred for a second, by forty threads, with a hedge at p95 and without. Each takes the
 * wall's time; shown are its quantiles, and how many reads more the store has had.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <keel/keel.h>

#define STORE                                                                          \
    "fault{p=2%; kind=latency; latency=1s; verbs=get}"                                 \
    "(fault{p=100%; kind=latency; latency=1ms; verbs=get}(memory://))"

#define GOAL_TIMES 5.0
#define GOAL_MORE 0.06

enum { THREADS = 40, READS = 100, ALL = THREADS * READS };

static keel_runtime *runtime;

/* One thread's reads. */
typedef struct reader {
    pthread_t thread;
    keel_bag *bag;
    uint64_t *took_ns;
    unsigned failed;
} reader;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *read_all(void *ctx)
{
    reader *r = ctx;

    for (int i = 0; i < READS; i++) {
        char value[64];
        keel_bag_item item = { .size = sizeof item,
                               .buffer = value,
                               .capacity = sizeof value };
        uint64_t begun = now_ns();

        r->failed += keel_bag_get(r->bag, "user:17", &item, NULL, NULL) != KEEL_OK;
        r->took_ns[i] = now_ns() - begun;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double percentile_ms(const uint64_t *sorted, double part)
{
    return (double)sorted[(size_t)(part * (ALL - 1))] / 1e6;
}

/* Returns the 99th percentile. */
static double measure(const char *name, keel_bag *bag)
{
    static reader readers[THREADS];
    static uint64_t took_ns[ALL];
    unsigned failed = 0;

    for (size_t i = 0; i < THREADS; i++) {
        readers[i] = (reader){ .bag = bag, .took_ns = took_ns + i * READS };
        if (pthread_create(&readers[i].thread, NULL, read_all, &readers[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(readers[i].thread, NULL);
        failed += readers[i].failed;
    }
    qsort(took_ns, ALL, sizeof *took_ns, by_size);
    printf("%-20s p50 %8.2f ms   p95 %8.2f ms   p99 %8.2f ms   most %8.2f ms%s\n", name,
           percentile_ms(took_ns, 0.5), percentile_ms(took_ns, 0.95),
           percentile_ms(took_ns, 0.99), percentile_ms(took_ns, 1),
           failed ? "  READS FAILED" : "");
    return percentile_ms(took_ns, 0.99);
}

static keel_bag *open_bag(const char *name, const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag *bag;

    if (keel_bag_open(&bag, runtime, name, spec, &why) != KEEL_OK ||
        keel_bag_set(bag, "user:17", "0123456789abcdef", 16, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "bag_hedge: %s\n", why.text);
        exit(1);
    }
    return bag;
}

static double copies(void)
{
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_pipeline *pipeline;

    if (keel_pipeline_open(&pipeline, runtime, "hedged.hedge", NULL, NULL) != KEEL_OK)
        exit(1);
    keel_pipeline_look(pipeline, &stats);
    keel_pipeline_close(pipeline);
    return (double)stats.hedges_total;
}

int main(void)
{
    static const char *const environment[] = { "KEEL_CHAOS=allow", NULL };
    const keel_options options = { .size = sizeof options, .environment = environment };
    keel_bag *plain, *hedged;
    double without, with;

    if (keel_open(&runtime, &options, NULL) != KEEL_OK)
        return 1;
    plain = open_bag("plain", STORE);
    hedged = open_bag("hedged", "hedge(" STORE ")");
    printf("reads of a store that takes 1 ms, and 1 s for two in a hundred\n");
    without = measure("as they are", plain);
    with = measure("with a hedge at p95", hedged);
    printf("p99 is %.1f times better (goal %.0f), for %.1f %% more reads (goal %.0f)\n",
           without / with, GOAL_TIMES, 100 * copies() / ALL, 100 * GOAL_MORE);
    keel_bag_close(plain);
    keel_bag_close(hedged);
    return keel_close(runtime, 1000000000u) != KEEL_OK;
}
