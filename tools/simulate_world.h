/* SPDX-License-Identifier: MIT */
/*
 * What a live service has from its system, made of a scenario: a clock that only steps
 * move, draws that come from a list or a seed, an environment with nothing in it, or with
 * one pipeline's. Opens the one pipeline of a simulation and remembers what happened to
 * its breaker and its endpoints.
 */
#ifndef KEEL_TOOLS_SIMULATE_WORLD_H
#define KEEL_TOOLS_SIMULATE_WORLD_H

#include <stdio.h>

#include <keel/events.h>

#include "simulate_scenario.h"

/* The clock ends here, some four years on: the breaker keeps instants in 58 bits. */
#define KEEL_SIM_CLOCK_END ((uint64_t)1 << 57)

/* Of the breaker: KEEL_EVENT_TRANSITION; the other types are what happened to endpoints. */
typedef struct keel_sim_event {
    keel_event_type type;
    uint64_t at_ns;
    keel_breaker_state from;
    keel_breaker_state to;
    keel_cause cause;
    uint64_t duration_ns;
    char *endpoint; /* "": of all of them; NULL: of the breaker */
} keel_sim_event;

typedef struct keel_sim_world {
    uint64_t now;
    const double *draws; /* of the scenario; NULL: generator */
    size_t draw_count;
    size_t next_draw;
    uint64_t generator;
    const char *name; /* the pipeline's */
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    FILE *warnings;       /* where lint goes; NULL: nowhere */
    size_t warning_count; /* told so far */
    keel_sim_event *events;
    size_t event_count;
    size_t event_room;
    bool is_out_of_memory;
} keel_sim_world;

/*
 * Opens runtime and pipeline. To be closed in any case.
 * warnings  receives what lint has to say, a line each; NULL: nobody wants to know
 * False: *error says why.
 */
bool keel_sim_world_open(keel_sim_world *world, const keel_scenario *scenario,
                         const char *settings, FILE *warnings, keel_sim_error *error);
void keel_sim_world_close(keel_sim_world *world);

/* Other settings in code for the same pipeline, whose state stays. step: for *error. */
bool keel_sim_world_reload(keel_sim_world *world, const char *settings, size_t step,
                           keel_sim_error *error);

#endif
