/* SPDX-License-Identifier: MIT */
/*
 * A runtime on a virtual clock with one pipeline, no environment and scripted draws:
 * what most tests of calls begin with.
 */
#ifndef KEEL_TESTS_SUPPORT_LAB_H
#define KEEL_TESTS_SUPPORT_LAB_H

#include <keel/keel.h>

#include "support/vclock.h"

#define LAB_MS ((uint64_t)1000000)
#define LAB_S ((uint64_t)1000000000)

typedef struct lab {
    vclock clock;
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    double draw; /* every draw */
    keel_detail why;
} lab;

/* Under libcheck's asserts. The clock is moved by its waiters, draw is 0.5. */
void lab_open(lab *l, const char *settings);
/* The same with a clock moved by hand, for tests with threads. */
void lab_open_by_hand(lab *l, const char *settings);
/* The same with variables for the runtime. */
void lab_open_in(lab *l, const char *const *environment, const char *settings);
/* Closes both; fails the test if something is still in use. */
void lab_close(lab *l);

void lab_advance(lab *l, uint64_t ns);
keel_pipeline_stats lab_look(const lab *l);

/*
 * A whole call in the blocking loop; each attempt takes no time and ends as outcomes
 * says: o ok, f failed, t throttled, i ignored, c client error, u unknown, h hangs until
 * its timeout. The last one repeats. Fills l->why.
 */
keel_status lab_call(lab *l, const char *outcomes, const keel_call_options *options);

/* The same for an idempotent call, as most tests want it. */
keel_status lab_calls(lab *l, const char *outcomes, unsigned times);

#endif
