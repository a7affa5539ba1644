/* SPDX-License-Identifier: MIT */
/* The floors; every loop is as plain as the ones it is compared with. */
#include "floors.h"

#include <pthread.h>
#include <time.h>

static inline uint64_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void add(floor_word *floor)
{
    BENCH_SINK(atomic_fetch_add_explicit(&floor->word, 1, memory_order_relaxed));
}

void floor_add(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        add(ctx);
}

void floor_add_sub(uint64_t n, void *ctx)
{
    floor_word *floor = ctx;

    for (uint64_t i = 0; i < n; i++) {
        add(floor);
        BENCH_SINK(atomic_fetch_sub_explicit(&floor->word, 1, memory_order_relaxed));
    }
}

void floor_coarse(uint64_t n, void *ctx)
{
    (void)ctx;
    for (uint64_t i = 0; i < n; i++)
        BENCH_SINK(read_clock(CLOCK_MONOTONIC_COARSE));
}

void floor_coarse_add(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        BENCH_SINK(read_clock(CLOCK_MONOTONIC_COARSE));
        add(ctx);
    }
}

void floor_precise_add(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        BENCH_SINK(read_clock(CLOCK_MONOTONIC));
        add(ctx);
    }
}

void floor_two_clocks_add(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t begun = read_clock(CLOCK_MONOTONIC);

        BENCH_SINK(read_clock(CLOCK_MONOTONIC) - begun);
        add(ctx);
    }
}

static void nothing(uint64_t i)
{
    BENCH_SINK(i);
}

void floor_indirect(uint64_t n, void *ctx)
{
    void (*call)(uint64_t) = nothing;

    (void)ctx;
    /* the compiler must not know where it goes */
    __asm__ volatile("" : "+r"(call));
    for (uint64_t i = 0; i < n; i++)
        call(i);
}

void floor_skeleton(uint64_t n, void *ctx)
{
    static floor_word own[3];
    floor_word *floor = ctx;
    void (*call)(uint64_t) = nothing;

    __asm__ volatile("" : "+r"(call));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t begun = read_clock(CLOCK_MONOTONIC_COARSE);

        add(floor);
        call(i);
        BENCH_SINK(read_clock(CLOCK_MONOTONIC_COARSE) - begun);
        for (int k = 0; k < 3; k++)
            atomic_store_explicit(
                &own[k].word,
                atomic_load_explicit(&own[k].word, memory_order_relaxed) + 1,
                memory_order_release);
        BENCH_SINK(atomic_fetch_sub_explicit(&floor->word, 1, memory_order_relaxed));
    }
}

void floor_mutex(uint64_t n, void *ctx)
{
    pthread_mutex_t *mutex = ctx;

    for (uint64_t i = 0; i < n; i++) {
        pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
    }
}
