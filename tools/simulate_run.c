/* SPDX-License-Identifier: MIT */
/* One step after the other. */
#include "simulate_run.h"

#include <stdlib.h>

/* What an operator's function answered, as this step's error. */
static bool check(keel_sim *sim, keel_status status)
{
    keel_pipeline_stats s = { .size = sizeof s };

    if (status == KEEL_OK)
        return true;
    (void)keel_pipeline_look(sim->world.pipeline, &s); /* both are there */
    return keel_sim_wrong(sim->error, sim->step, "%s",
                          s.breaker_on ? "half_open can only follow open"
                                       : "the breaker is off");
}

static bool perform(keel_sim *sim, const keel_sim_step *step)
{
    keel_pipeline *pipeline = sim->world.pipeline;

    switch (step->verb) {
    case KEEL_SIM_CALL:
        return keel_sim_calls(sim, step);
    case KEEL_SIM_BEGIN:
        return keel_sim_begin(sim, step);
    case KEEL_SIM_END:
        return keel_sim_end(sim, step);
    case KEEL_SIM_ADVANCE:
        return keel_sim_move_to(sim, keel_ns_add(sim->world.now, step->length_ns));
    case KEEL_SIM_LOCK:
        return check(sim, keel_pipeline_lock(pipeline, step->lock, step->length_ns));
    case KEEL_SIM_UNLOCK:
        return check(sim, keel_pipeline_unlock(pipeline));
    case KEEL_SIM_TRANSITION:
        return check(sim,
                     keel_pipeline_transition(pipeline, step->state, step->length_ns));
    case KEEL_SIM_RESET:
        return check(sim, keel_pipeline_reset(pipeline));
    case KEEL_SIM_RELOAD:
        return keel_sim_world_reload(&sim->world, step->text, sim->step, sim->error);
    case KEEL_SIM_ENDPOINT:
        return keel_sim_say_of_endpoints(sim, step);
    }
    return true;
}

/* What has happened to endpoints is told at the end, even if a reload has left none. */
static void note_endpoints(keel_sim *sim)
{
    const keel_plan *plan = atomic_load(&sim->world.pipeline->plan);

    sim->had_endpoints |= plan->endpoints != NULL;
}

static bool run_steps(keel_sim *sim, FILE *out)
{
    note_endpoints(sim);
    for (size_t i = 0; i < sim->scenario->step_count; i++) {
        const keel_sim_step *step = &sim->scenario->steps[i];

        sim->step = i + 1;
        sim->tally = (keel_sim_tally){ .reason = KEEL_REASON_NONE };
        sim->wait_count = 0;
        if (!perform(sim, step))
            return false;
        keel_sim_settle(sim);
        note_endpoints(sim);
        keel_sim_print_step(sim, step, out);
    }
    if (sim->world.is_out_of_memory)
        return keel_sim_failed(sim->error, "out of memory");
    keel_sim_print_end(sim, out);
    keel_sim_tell_of_unended(sim);
    return true;
}

/*
 * Takes up each text of a reload, and looks for each endpoint that is named, in a world
 * where nothing happens: what is wrong with one is found before the first line is printed.
 */
static bool rehearse(const keel_scenario *scenario, const char *settings,
                     keel_sim_error *error)
{
    keel_sim_world world;
    bool is_right = keel_sim_world_open(&world, scenario, settings, NULL, error);

    for (size_t i = 0; is_right && i < scenario->step_count; i++) {
        const keel_sim_step *step = &scenario->steps[i];

        if (step->verb == KEEL_SIM_RELOAD)
            is_right = keel_sim_world_reload(&world, step->text, i + 1, error);
        else if (step->verb == KEEL_SIM_ENDPOINT)
            is_right = keel_sim_knows_endpoints(&world, step, i + 1, error);
    }
    keel_sim_world_close(&world);
    return is_right;
}

bool keel_sim_run(const keel_scenario *scenario, const char *settings, FILE *out,
                  FILE *warnings, keel_sim_error *error)
{
    size_t labels = scenario->label_count + 1;
    keel_sim sim = { .scenario = scenario, .error = error };
    bool ran = false;

    sim.flights = calloc(labels, sizeof *sim.flights);
    sim.queued = calloc(labels, sizeof *sim.queued);
    sim.scripts = calloc(scenario->endpoint_count + 1, sizeof *sim.scripts);
    if (!sim.flights || !sim.queued || !sim.scripts)
        ran = keel_sim_failed(error, "out of memory");
    else if (rehearse(scenario, settings, error) &&
             keel_sim_world_open(&sim.world, scenario, settings, warnings, error))
        ran = run_steps(&sim, out);
    if (sim.world.pipeline)
        keel_sim_abandon(&sim);
    keel_sim_world_close(&sim.world);
    free(sim.flights);
    free(sim.queued);
    free(sim.scripts);
    free(sim.waits);
    return ran;
}
