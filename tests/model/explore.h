/* SPDX-License-Identifier: MIT */
/*
 * Runs two logical threads over every order of their atomic steps, up to a number of
 * preemptions: a run is told at which steps the other thread takes over, and every such
 * list is tried, depth first, each time from the same beginning. A thread that ends
 * hands over for free.
 */
#ifndef KEEL_TESTS_MODEL_EXPLORE_H
#define KEEL_TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct explore_case {
    const char *why;
    void (*begin)(void);     /* makes the state afresh; not stepped */
    void (*run[2])(int who); /* what the two do */
    void (*check)(void);     /* libcheck's asserts; not stepped */
    unsigned preemptions;    /* at most; of more than two one fewer with a sanitizer */
    bool shares_a_stripe;    /* the two do; else each has one of its own */
} explore_case;

/* False: this build's thread sanitizer cannot follow coroutines. */
bool explore_is_possible(void);

/* Fails the test with the schedule, if a thread runs without end or a check fails. */
void explore(const explore_case *c);

/* How many schedules the latest explore tried. */
uint64_t explore_schedules(void);

/* The order of the schedule under way, for messages: "start 1, switches 3 7". */
const char *explore_schedule(void);

#endif
