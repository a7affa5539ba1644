/* SPDX-License-Identifier: MIT */
/*
 * A scenario of keel-simulate(1), read and checked: what is wrong with a script is said
 * here, before anything runs. Knows nothing of policies.
 */
#ifndef KEEL_TOOLS_SIMULATE_SCENARIO_H
#define KEEL_TOOLS_SIMULATE_SCENARIO_H

#include <jansson.h>
#include <keel/pipeline.h>

/* What went wrong: a sentence that names the step, and the exit code it deserves. */
typedef struct keel_sim_error {
    int code;
    char text[512];
} keel_sim_error;

/* Says that a step (from 1; 0: the scenario as a whole) is wrong. Returns false. */
bool keel_sim_wrong(keel_sim_error *error, size_t step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for lack of memory or room: not the scenario's fault. */
bool keel_sim_failed(keel_sim_error *error, const char *why);

typedef enum keel_sim_verb {
    KEEL_SIM_CALL,
    KEEL_SIM_BEGIN,
    KEEL_SIM_END,
    KEEL_SIM_ADVANCE,
    KEEL_SIM_LOCK,
    KEEL_SIM_UNLOCK,
    KEEL_SIM_TRANSITION,
    KEEL_SIM_RESET,
    KEEL_SIM_RELOAD,
    KEEL_SIM_ENDPOINT
} keel_sim_verb;

const char *keel_sim_verb_name(keel_sim_verb verb);

/* How one attempt comes out. */
typedef struct keel_sim_outcome {
    keel_status status;
    bool hangs; /* never answers; status is not used */
    bool never_sent;
    uint64_t takes_ns;
    uint64_t retry_after_ns;
} keel_sim_outcome;

/* One step; which fields count depends on the verb. */
typedef struct keel_sim_step {
    keel_sim_verb verb;
    /* call: of each attempt, the last repeats; end: one; endpoint: one, or none with
     * null and "health" */
    keel_sim_outcome *outcomes;
    size_t outcome_count;
    uint64_t times;       /* call */
    uint64_t deadline_ns; /* call, where has_deadline */
    uint64_t affinity;    /* call; 0: none */
    uint64_t length_ns;   /* advance; lock, transition: "for", 0 without */
    const char *text;     /* reload: settings; begin, end: the label */
    size_t label;         /* begin, end: its number */
    keel_lock lock;
    keel_breaker_state state; /* transition */
    const char **endpoints;   /* endpoint: their names */
    size_t endpoint_count;
    bool is_idempotent;
    bool has_deadline;
    bool says_health; /* endpoint: what a check finds, and not how attempts end */
    bool is_healthy;
} keel_sim_step;

typedef struct keel_scenario {
    json_t *root;         /* owns the texts */
    const char *settings; /* "": none given */
    double *draws;        /* cycled; none: a generator with this seed */
    size_t draw_count;
    uint64_t seed;
    uint64_t start_ns;
    keel_sim_step *steps;
    size_t step_count;
    size_t label_count;
    size_t endpoint_count; /* named in steps, each as often as it is */
    const char *pipeline;  /* whose settings in this environment lie over the script's;
                             NULL: nobody's. The command line sets it. */
} keel_scenario;

/*
 * Reads a scenario, taking over the reference to root. To be cleaned up in any case.
 * False: it is wrong, *error says where.
 */
bool keel_scenario_init(keel_scenario *scenario, json_t *root, keel_sim_error *error);
void keel_scenario_cleanup(keel_scenario *scenario);

#endif
