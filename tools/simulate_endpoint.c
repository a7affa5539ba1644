/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of a scenario: what attempts that go to one come to, what an active check
 * finds there, and which were gone to. Not for which one is next: policy/endpoint_choice.h.
 */
#include <string.h>

#include "base/text.h"
#include "call/endpoint.h"
#include "simulate_run.h"

/* A name of the scenario's, fit for a message. */
#define QUOTED(text) keel_quote((char[KEEL_QUOTE_SIZE]){ "" }, keel_text_of(text))

static const keel_plan *plan_of(const keel_sim_world *world)
{
    return atomic_load(&world->pipeline->plan);
}

bool keel_sim_knows_endpoints(const keel_sim_world *world, const keel_sim_step *step,
                              size_t number, keel_sim_error *error)
{
    const keel_endpoints *set = plan_of(world)->endpoints;

    if (!set)
        return keel_sim_wrong(error, number, "the settings name no endpoints");
    for (size_t i = 0; i < step->endpoint_count; i++)
        if (keel_endpoints_find(set, step->endpoints[i]) == set->count)
            return keel_sim_wrong(error, number, "the settings name no endpoint %s",
                                  QUOTED(step->endpoints[i]));
    return true;
}

/* ---- how attempts end ------------------------------------------------------------ */

static keel_sim_script *find_script(const keel_sim *sim, const char *endpoint)
{
    for (size_t i = 0; i < sim->script_count; i++)
        if (!strcmp(sim->scripts[i].endpoint, endpoint))
            return &sim->scripts[i];
    return NULL;
}

/* outcome NULL: as the call says. There is room for every name in the scenario. */
static void set_script(keel_sim *sim, const char *endpoint,
                       const keel_sim_outcome *outcome)
{
    keel_sim_script *script = find_script(sim, endpoint);

    if (!script)
        script = &sim->scripts[sim->script_count++];
    *script = (keel_sim_script){ .endpoint = endpoint, .outcome = outcome };
}

const keel_sim_outcome *keel_sim_outcome_at(const keel_sim *sim, const char *endpoint,
                                            const keel_sim_outcome *of_the_call)
{
    const keel_sim_script *script = find_script(sim, endpoint);

    return script && script->outcome ? script->outcome : of_the_call;
}

/* ---- active checks --------------------------------------------------------------- */

static void say_health(keel_sim *sim, const char *endpoint, bool is_healthy)
{
    const keel_plan *plan = plan_of(&sim->world);

    keel_endpoints_say_health(plan->endpoints,
                              keel_endpoints_find(plan->endpoints, endpoint),
                              is_healthy, sim->world.now);
}

bool keel_sim_say_of_endpoints(keel_sim *sim, const keel_sim_step *step)
{
    if (!keel_sim_knows_endpoints(&sim->world, step, sim->step, sim->error))
        return false;
    for (size_t i = 0; i < step->endpoint_count; i++)
        if (step->says_health)
            say_health(sim, step->endpoints[i], step->is_healthy);
        else
            set_script(sim, step->endpoints[i], step->outcomes);
    return true;
}

/* ---- where attempts went --------------------------------------------------------- */

/* An attempt of before a reload may go where nobody goes any more: it is in no list. */
void keel_sim_note_endpoint(keel_sim *sim, const char *endpoint)
{
    const keel_endpoints *set = plan_of(&sim->world)->endpoints;
    uint32_t index = set ? keel_endpoints_find(set, endpoint) : 0;

    keel_text_copy(sim->tally.endpoint, sizeof sim->tally.endpoint,
                   keel_text_of(endpoint));
    if (set && index < set->count)
        sim->tally.attempts_at[index]++;
}
