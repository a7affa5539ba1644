/* SPDX-License-Identifier: MIT */
/*
 * What single policies take by themselves, below the public functions: their share of a
 * call, in multiples of what the machine takes for the least of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "floors.h"
#include "policy/bulkhead.h"
#include "policy/rate.h"
#include "policy/window.h"
#include "report.h"

#include "base/clock.h"

static floor_word words[2];
static keel_clock real;

static void *zeroed(size_t size)
{
    /* lines of their own, as on the board */
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

    if (!memory)
        exit(1);
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)memory)[i] = 0;
    return memory;
}

static void record(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        BENCH_SINK(keel_window_record(ctx, 1, 0, false, false));
}

static void enter_and_leave(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        keel_place place = { .ticket = 0 };

        if (keel_bulkhead_enter(ctx, &place, 0, 0, true, NULL, NULL) == KEEL_ENTERED)
            keel_bulkhead_leave(ctx, &place, 0);
    }
}

static void take_token(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t wait, tat;

        BENCH_SINK(keel_rate_take(ctx, real.now(real.ctx), 0, &wait, &tat));
    }
}

static void take_token_coarse(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t wait, tat;

        BENCH_SINK(keel_rate_take(ctx, real.now_coarse(real.ctx), 0, &wait, &tat));
    }
}

static void count_windows(void)
{
    keel_window hundred, thousand;
    bench_figure figures[] = {
        { "count window of 100, one record", BENCH_COST, 3, "one add",
          BENCH_ONE(record, &hundred), BENCH_ONE(floor_add, &words[0]) },
        { "count window of 1000, one record", BENCH_COST, 3, "one add",
          BENCH_ONE(record, &thousand), BENCH_ONE(floor_add, &words[0]) },
        { "count window of 1000, one record", BENCH_COST, 1.05, "a window of 100",
          BENCH_ONE(record, &thousand), BENCH_ONE(record, &hundred) },
    };

    keel_count_window_init(&hundred, zeroed(keel_count_window_size(100)), 100);
    keel_count_window_init(&thousand, zeroed(keel_count_window_size(1000)), 1000);
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    free(hundred.by_count);
    free(thousand.by_count);
}

static void bulkheads(void)
{
    keel_bulkhead_common common = { .limit = 1000 };
    keel_bulkhead bulkhead = { .words = zeroed(sizeof *bulkhead.words),
                               .common = &common };
    const bench_figure figures[] = {
        { "bulkhead, in and out", BENCH_COST, 1.5, "add and subtract",
          BENCH_ONE(enter_and_leave, &bulkhead), BENCH_ONE(floor_add_sub, &words[0]) },
        { "bulkhead, in and out, two threads", BENCH_COST, 1.5, "likewise, two threads",
          BENCH_TWO(enter_and_leave, &bulkhead, &bulkhead),
          BENCH_TWO(floor_add_sub, &words[0], &words[0]) },
    };

    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    free(bulkhead.words);
}

static void limiters(void)
{
    keel_policy policy = { .rate = { 1000000000, KEEL_S }, .rate_burst = 1000000000 };
    keel_rate_words *state = zeroed(sizeof *state);
    keel_rate rate;
    const bench_figure figures[] = {
        { "limiter, one token, precise clock", BENCH_COST, 1.25, "U",
          BENCH_ONE(take_token, &rate), BENCH_ONE(floor_precise_add, &words[0]) },
        { "limiter, one token, coarse clock", BENCH_COST, 0, "V",
          BENCH_ONE(take_token_coarse, &rate), BENCH_ONE(floor_coarse_add, &words[0]) },
    };

    keel_rate_init(&rate, state, &policy);
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    free(state);
}

int main(void)
{
    if (!keel_clock_real(&real) || !bench_open())
        return 1;
    bench_report_begin("single policies, below the public functions");
    count_windows();
    bulkheads();
    limiters();
    bench_report_end();
    bench_close();
    return 0;
}
