/* SPDX-License-Identifier: MIT */
/* The virtual clock, the draws, and the runtime that lives by them. */
#include "simulate_world.h"

#include <stdlib.h>

#include "base/warnings.h"

/* ---- clock and draws ------------------------------------------------------------- */

static uint64_t read_clock(void *ctx)
{
    const keel_sim_world *world = ctx;

    return world->now;
}

/* Drivers that sleep are not used here; should one be, sleeping is how time passes. */
static bool wait_on_clock(const uint32_t *word, uint32_t expected, uint64_t until_ns,
                          void *ctx)
{
    keel_sim_world *world = ctx;

    if (*word != expected)
        return true;
    if (until_ns > world->now)
        world->now = until_ns;
    return false;
}

static void wake_nobody(const uint32_t *word, int count, void *ctx)
{
    (void)word;
    (void)count;
    (void)ctx;
}

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014): the same draws on every machine */
static double generate(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double draw(void *ctx)
{
    keel_sim_world *world = ctx;

    if (!world->draws)
        return generate(&world->generator);
    if (world->next_draw == world->draw_count)
        world->next_draw = 0;
    return world->draws[world->next_draw++];
}

/* ---- transitions ----------------------------------------------------------------- */

static bool make_room(keel_sim_world *world)
{
    size_t room = world->transition_room ? 2 * world->transition_room : 64;
    keel_sim_transition *grown;

    if (world->transition_count < world->transition_room)
        return true;
    grown = realloc(world->transitions, room * sizeof *grown);
    if (!grown)
        return false;
    world->transitions = grown;
    world->transition_room = room;
    return true;
}

static void listen(const keel_event *event, void *ctx)
{
    keel_sim_world *world = ctx;

    if (event->type != KEEL_EVENT_TRANSITION)
        return;
    if (!make_room(world)) {
        world->is_out_of_memory = true;
        return;
    }
    world->transitions[world->transition_count++] =
        (keel_sim_transition){ event->at_ns, event->from, event->to, event->cause };
}

/* ---- runtime and pipeline -------------------------------------------------------- */

static void tell_warnings(keel_sim_world *world)
{
    char line[KEEL_WARNING_SIZE];

    while (world->warnings && keel_runtime_warning(world->runtime, world->warning_count,
                                                   line, sizeof line)) {
        fprintf(world->warnings, "keel simulate: warning: %s\n", line);
        world->warning_count++;
    }
}

static bool open_runtime(keel_sim_world *world, keel_sim_error *error)
{
    /* strict: what is wrong is an error here, never a fall-back to something else */
    static const char *const environment[] = { "KEEL_STRICT=on", "KEEL_CHAOS=allow",
                                               NULL };
    const keel_clock clock = { .now = read_clock,
                               .now_coarse = read_clock,
                               .wait = wait_on_clock,
                               .wake = wake_nobody,
                               .ctx = world };
    const keel_options options = { .size = sizeof options,
                                   .clock = &clock,
                                   .random = draw,
                                   .random_ctx = world,
                                   .environment = environment };
    keel_detail why = KEEL_DETAIL_INIT;

    if (keel_open(&world->runtime, &options, &why) == KEEL_OK &&
        keel_events_listen(world->runtime, listen, world) == KEEL_OK)
        return true;
    return keel_sim_failed(error, why.text);
}

/* Opened again, a pipeline keeps its state and takes the new text. */
static bool open_pipeline(keel_sim_world *world, const char *settings, size_t step,
                          keel_sim_error *error)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_pipeline_open(&world->pipeline, world->runtime,
                                            "simulated", settings, &why);

    if (status == KEEL_E_CONFIG)
        return keel_sim_wrong(error, step, "%s", why.text);
    if (status != KEEL_OK)
        return keel_sim_failed(error, why.text);
    tell_warnings(world);
    return true;
}

bool keel_sim_world_open(keel_sim_world *world, const keel_scenario *scenario,
                         const char *settings, FILE *warnings, keel_sim_error *error)
{
    *world = (keel_sim_world){ .now = scenario->start_ns,
                               .draws = scenario->draws,
                               .draw_count = scenario->draw_count,
                               .generator = scenario->seed,
                               .warnings = warnings };
    return open_runtime(world, error) && open_pipeline(world, settings, 0, error);
}

bool keel_sim_world_reload(keel_sim_world *world, const char *settings, size_t step,
                           keel_sim_error *error)
{
    keel_pipeline_close(world->pipeline);
    return open_pipeline(world, settings, step, error);
}

void keel_sim_world_close(keel_sim_world *world)
{
    keel_pipeline_close(world->pipeline);
    (void)keel_close(world->runtime, 0); /* no pipeline is open, no callback runs */
    free(world->transitions);
}
