/* SPDX-License-Identifier: MIT */
/*
 * What is timed and counted of keel, through its public functions only: loops over
 * calls that succeed and calls that are refused. bench/calls.c times them,
 * bench/paths.c runs them for the instruction counts.
 */
#ifndef KEEL_BENCH_SUBJECTS_H
#define KEEL_BENCH_SUBJECTS_H

#include <keel/keel.h>

#include "measure.h"

/* ctx of each is a keel_pipeline, which lets calls through or refuses them. */
bench_loop subject_permit;      /* taken, and ended well if it was granted */
bench_loop subject_permit_told; /* the same, asking for retry_after_ns */
bench_loop subject_call;        /* begin, next, report, end */
bench_loop subject_call_told;   /* the same with a detail */
bench_loop subject_run;         /* keel_run around an empty function */
bench_loop subject_run_told;    /* the same with a detail */

/* Opens a pipeline; NULL with a word on stderr when that fails. */
keel_pipeline *subject_open(keel_runtime *runtime, const char *name,
                            const char *settings);

/* The same, held open by its breaker for the rest of the run. */
keel_pipeline *subject_open_refusing(keel_runtime *runtime, const char *name,
                                     const char *settings);

/* A runtime that reads no environment. NULL: stderr says why. */
keel_runtime *subject_runtime(const keel_clock *clock);

#endif
