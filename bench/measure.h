/* SPDX-License-Identifier: MIT */
/*
 * Timing two things against each other, so that the answer survives a noisy machine:
 * both run in the same process in short alternating slices, each slice gives one ratio,
 * and the median of the ratios counts. A slice in which a thread lost its processor is
 * thrown away. A second thread exists all the time, because a C library is quicker in a
 * process that has only one. Not for what a comparison means: that is the caller's.
 */
#ifndef KEEL_BENCH_MEASURE_H
#define KEEL_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_SLICES = 21, BENCH_SLICES_LEAST = 15 };

/* Hides a value from the optimiser, so that what made it is not removed. */
#define BENCH_SINK(value) __asm__ volatile("" : : "r"(value) : "memory")

/* What one thread repeats n times. */
typedef void bench_loop(uint64_t n, void *ctx);

/* A thing to time. With second_ctx two threads repeat it at once, one processor each.
 */
typedef struct bench_side {
    bench_loop *loop;
    void *ctx;
    void *second_ctx;
} bench_side;

#define BENCH_ONE(loop, ctx)                                                           \
    {                                                                                  \
        loop, ctx, NULL                                                                \
    }
#define BENCH_TWO(loop, ctx, second_ctx)                                               \
    {                                                                                  \
        loop, ctx, second_ctx                                                          \
    }

typedef struct bench_range {
    double median;
    double min;
    double max;
} bench_range;

/*
 * subject  nanoseconds per operation, as each of its threads sees it
 * floor    the same
 * ratio    of each slice, see bench_compare
 * slices   clean ones; fewer than BENCH_SLICES_LEAST: inconclusive
 */
typedef struct bench_result {
    bench_range subject;
    bench_range floor;
    bench_range ratio;
    int slices;
    int dropped;
} bench_result;

/* Sorts the values and says where they lie; all zero for none. */
bench_range bench_range_of(double *values, int count);

/* Pins the caller, starts the second thread. False: stderr says why not. */
bool bench_open(void);
void bench_close(void);

/*
 * Times subject against floor; the ratio says how many times the floor it takes.
 * less  may be NULL: what the subject does beside the thing that is asked about; taken
 *       from it before the division
 */
bench_result bench_compare_cost(const bench_side *subject, const bench_side *less,
                                const bench_side *floor);

/* The cost of things that wait for others: by the wall, no slice thrown away. */
bench_result bench_compare_wall(const bench_side *subject, const bench_side *floor);

/*
 * As bench_compare_cost, but the ratio says how many times the floor's operations per second the
 * subject manages, all threads of each together.
 */
bench_result bench_compare_speed(const bench_side *subject, const bench_side *floor);

/* Time another guest had of our processors since bench_open, in per cent of all. */
double bench_steal_percent(void);

#endif
