/* SPDX-License-Identifier: MIT */
/*
 * The table: one line a figure, for people on standard output and, where BENCH_JSON
 * names a file, one JSON object a line at its end. Says whether a goal was met and
 * never fails for it, because ratios are noisy; what fails a build are counted
 * instructions (tests/instructions.sh).
 */
#ifndef KEEL_BENCH_REPORT_H
#define KEEL_BENCH_REPORT_H

#include "measure.h"

/* What a ratio says. */
typedef enum bench_kind {
    BENCH_COST,  /* times the floor's time; the goal is a ceiling */
    BENCH_SPEED, /* times the floor's operations per second; the goal is to be reached */
    BENCH_WALL   /* times the floor's time, waits included; the goal is a ceiling */
} bench_kind;

/* A figure and what it is held against. goal 0: only shown. */
typedef struct bench_figure {
    const char *name;
    bench_kind kind;
    double goal;
    const char *floor_name;
    bench_side subject;
    bench_side floor;
} bench_figure;

/* Says what kind of machine this is; the head of the table. */
void bench_report_begin(const char *title);

/* Measures and prints. Returns the median ratio. */
double bench_report(const bench_figure *figure);
void bench_report_all(const bench_figure *figures, size_t count);

/* A cost; what `less` takes is taken from the subject before it is divided. */
void bench_report_share(const bench_figure *figure, const bench_side *less);

/* How much of the processors others had meanwhile. */
void bench_report_end(void);

#endif
