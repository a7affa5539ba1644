/* SPDX-License-Identifier: MIT */
/*
 * What single policies take by themselves, below the public functions: their share of a
 * call, in multiples of what the machine takes for the least of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "floors.h"
#include "policy/bulkhead.h"
#include "policy/endpoint_choice.h"
#include "policy/endpoint_state.h"
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

/* A policy, a set of so many endpoints and the board that they lie on. */
typedef struct endpoint_bench {
    keel_policy policy;
    keel_board *board;
    keel_endpoints *set;
} endpoint_bench;

static void choose_and_end(uint64_t n, void *ctx)
{
    const endpoint_bench *b = ctx;
    const keel_random random = { NULL, NULL };
    const keel_endpoint_request request = { .now = KEEL_S, .random = &random };
    const keel_breaker_result good = { .outcome = KEEL_OUTCOME_OK };
    keel_endpoint_changes changes;
    keel_endpoint_pick pick;
    uint64_t retry_after;

    for (uint64_t i = 0; i < n; i++) {
        changes.count = 0;
        if (keel_endpoints_choose(b->set, &b->policy, &request, &pick, &retry_after,
                                  &changes) == KEEL_OK)
            keel_endpoints_end(b->set, &b->policy, &pick, &good, KEEL_S, &random,
                               &changes);
    }
}

static void make_set(endpoint_bench *b, const char *list)
{
    keel_endpoint_parts parts = { .pipeline = "bench" };

    b->policy = (keel_policy){ .endpoints = keel_text_of(list),
                               .healthy_share_ppm = 700000,
                               .breaker = true,
                               .window_ns = 10 * KEEL_S,
                               .window_buckets = 10,
                               .min_calls = 20,
                               .failure_rate_ppm = KEEL_PPM / 2,
                               .slow_rate_ppm = KEEL_PPM,
                               .half_open_permits = 3,
                               .eject = true,
                               .eject_consecutive = 5,
                               .eject_interval_ns = 10 * KEEL_S,
                               .eject_share_ppm = KEEL_PPM / 2 };
    if (keel_board_open(&b->board, NULL) != KEEL_OK)
        exit(1);
    parts.board = parts.shared = b->board;
    if (keel_endpoints_new(&b->set, &parts, &b->policy) != KEEL_OK)
        exit(1);
}

static void drop_set(endpoint_bench *b)
{
    keel_endpoints_free(b->set);
    keel_board_close(b->board);
}

static void endpoints(void)
{
    endpoint_bench three, ten;
    const bench_figure figures[] = {
        { "one of 3 endpoints, chosen and let go", BENCH_COST, 0, "one add",
          BENCH_ONE(choose_and_end, &three), BENCH_ONE(floor_add, &words[0]) },
        { "one of 10 endpoints, chosen and let go", BENCH_COST, 2.5, "of 3",
          BENCH_ONE(choose_and_end, &ten), BENCH_ONE(choose_and_end, &three) },
    };

    make_set(&three, "a:1, b:1, c:1");
    make_set(&ten, "a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1, i:1, j:1");
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    drop_set(&three);
    drop_set(&ten);
}

int main(void)
{
    if (!keel_clock_real(&real) || !bench_open())
        return 1;
    bench_report_begin("single policies, below the public functions");
    count_windows();
    bulkheads();
    limiters();
    endpoints();
    bench_report_end();
    bench_close();
    return 0;
}
