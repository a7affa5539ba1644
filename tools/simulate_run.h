/* SPDX-License-Identifier: MIT */
/*
 * Running a scenario. Drives the same state machine and the same admission as a live
 * service; there is no policy in these files.
 */
#ifndef KEEL_TOOLS_SIMULATE_RUN_H
#define KEEL_TOOLS_SIMULATE_RUN_H

#include "call/admission.h"
#include "policy/endpoint_choice.h"
#include "policy/endpoint_state.h"
#include "simulate_world.h"

/* How this step's calls ended, for the line that tells of it. */
typedef struct keel_sim_tally {
    uint64_t ok;
    uint64_t failed;
    uint64_t ignored;
    uint64_t rejected;
    uint64_t attempts;
    uint64_t hedges;         /* copies among them */
    keel_reason reason;      /* of the last unsuccessful one; KEEL_REASON_NONE: none */
    uint64_t retry_after_ns; /* its hint, 0: none */
    uint64_t attempts_at[KEEL_ENDPOINTS_MAX];  /* by place in the list of endpoints */
    char endpoint[KEEL_ENDPOINT_NAME_MAX + 1]; /* of the last attempt; "": none */
} keel_sim_tally;

typedef enum keel_sim_flight_state {
    KEEL_SIM_FLIGHT_NONE = 0, /* never begun, refused, or ended */
    KEEL_SIM_FLIGHT_QUEUED,
    KEEL_SIM_FLIGHT_UNDER_WAY
} keel_sim_flight_state;

/* An attempt between its begin and its end. */
typedef struct keel_sim_flight {
    keel_admission admission;
    keel_endpoint_pick pick; /* where it goes to, if there are endpoints */
    const keel_plan *plan;   /* it keeps the settings it began with */
    uint32_t plan_phase;
    keel_sim_flight_state state;
    size_t begun_in; /* the step's number */
    uint64_t began_at;
    uint64_t wake_at; /* waits for the limiter: its turn */
} keel_sim_flight;

/* How attempts at an endpoint end from now on; outcome NULL: as the call says. */
typedef struct keel_sim_script {
    const char *endpoint;
    const keel_sim_outcome *outcome;
} keel_sim_script;

typedef struct keel_sim {
    keel_sim_world world;
    const keel_scenario *scenario;
    keel_sim_error *error;
    size_t step; /* from 1 */
    keel_sim_tally tally;
    uint64_t *waits; /* back-off waits of the step's last call */
    size_t wait_count;
    size_t wait_room;
    keel_sim_flight *flights; /* by label */
    size_t *queued;           /* labels that wait, in the order of their begins */
    size_t queued_count;
    keel_sim_script *scripts;
    size_t script_count;
    bool had_endpoints; /* before a reload, if not now */
} keel_sim;

/*
 * Runs a scenario.
 * settings  in place of the scenario's own
 * out       receives one line for each step, and one for the end
 * warnings  receives lint
 * False: *error says why; the lines of the steps before have been printed.
 */
bool keel_sim_run(const keel_scenario *scenario, const char *settings, FILE *out,
                  FILE *warnings, keel_sim_error *error);

/* ---- between the files of the simulator; false: sim->error says why ---------------- */

/* simulate_flight.c: attempts that stay in flight */
bool keel_sim_begin(keel_sim *sim, const keel_sim_step *step);
bool keel_sim_end(keel_sim *sim, const keel_sim_step *step);
/* Moves the clock; refuses those whose wait in the queue is over. */
bool keel_sim_move_to(keel_sim *sim, uint64_t at_ns);
/* Those who queue look whether their turn has come. */
void keel_sim_settle(keel_sim *sim);
/* Warns of what nobody ends. */
void keel_sim_tell_of_unended(const keel_sim *sim);
/* What is still in flight when the scenario is over is given up. */
void keel_sim_abandon(keel_sim *sim);

/* simulate_call.c: whole calls */
bool keel_sim_calls(keel_sim *sim, const keel_sim_step *step);

/* simulate_endpoint.c: what steps say of endpoints, and where attempts went */
bool keel_sim_say_of_endpoints(keel_sim *sim, const keel_sim_step *step);
/* Whether the settings of now name those that a step does. number: the step's */
bool keel_sim_knows_endpoints(const keel_sim_world *world, const keel_sim_step *step,
                              size_t number, keel_sim_error *error);
/* How an attempt there ends. */
const keel_sim_outcome *keel_sim_outcome_at(const keel_sim *sim, const char *endpoint,
                                            const keel_sim_outcome *of_the_call);
void keel_sim_note_endpoint(keel_sim *sim, const char *endpoint);

/* simulate_print.c: the lines */
void keel_sim_print_step(const keel_sim *sim, const keel_sim_step *step, FILE *out);
void keel_sim_print_end(const keel_sim *sim, FILE *out);

#endif
