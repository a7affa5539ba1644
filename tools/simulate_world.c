/* SPDX-License-Identifier: MIT */
/* The virtual clock, the draws, and the runtime that lives by them. */
#include "simulate_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- events ---------------------------------------------------------------------- */

static bool make_room(keel_sim_world *world)
{
    size_t room = world->event_room ? 2 * world->event_room : 64;
    keel_sim_event *grown;

    if (world->event_count < world->event_room)
        return true;
    grown = realloc(world->events, room * sizeof *grown);
    if (!grown)
        return false;
    world->events = grown;
    world->event_room = room;
    return true;
}

static bool is_wanted(keel_event_type type)
{
    switch (type) {
    case KEEL_EVENT_TRANSITION:
    case KEEL_EVENT_ENDPOINT_TRANSITION:
    case KEEL_EVENT_EJECTED:
    case KEEL_EVENT_RESTORED:
    case KEEL_EVENT_PANIC:
    case KEEL_EVENT_CALM:
        return true;
    default:
        return false;
    }
}

static bool remember(keel_sim_world *world, const keel_event *event)
{
    char *endpoint = NULL;

    if (!make_room(world))
        return false;
    if (event->type != KEEL_EVENT_TRANSITION) {
        endpoint = strdup(event->endpoint); /* theirs is gone when we return */
        if (!endpoint)
            return false;
    }
    world->events[world->event_count++] =
        (keel_sim_event){ event->type,  event->at_ns,       event->from, event->to,
                          event->cause, event->duration_ns, endpoint };
    return true;
}

static void listen(const keel_event *event, void *ctx)
{
    keel_sim_world *world = ctx;

    if (is_wanted(event->type) && !remember(world, event))
        world->is_out_of_memory = true;
}

/* ---- runtime and pipeline -------------------------------------------------------- */

/*
 * The pipeline has no name that the reader knows of, or the one he gave, and the text
 * in code is the one he wrote.
 */
static const char *in_the_readers_words(const keel_sim_world *world, const char *text,
                                        char to[KEEL_WARNING_SIZE])
{
    static const char code[] = "code col ";
    size_t length = strlen(world->name);
    bool is_code;

    if (!strncmp(text, world->name, length) && !strncmp(text + length, ": ", 2))
        text += length + 2;
    is_code = !strncmp(text, code, strlen(code));
    snprintf(to, KEEL_WARNING_SIZE, "%s%s", is_code ? "settings col " : "",
             is_code ? text + strlen(code) : text);
    return to;
}

/* The one process that is simulated has nobody to share with, whatever is wished for. */
static bool is_about_sharing(const char *line)
{
    return strstr(line, " needs KEEL_REDIS,") || strstr(line, " needs KEEL_BOARD,") ||
           strstr(line, " has no effect without share");
}

static void tell_warnings(keel_sim_world *world)
{
    char shown[KEEL_WARNING_SIZE];
    char line[KEEL_WARNING_SIZE];

    while (world->warnings && keel_runtime_warning(world->runtime, world->warning_count,
                                                   line, sizeof line)) {
        if (!is_about_sharing(line))
            fprintf(world->warnings, "keel simulate: warning: %s\n",
                    in_the_readers_words(world, line, shown));
        world->warning_count++;
    }
}

/* Strict: what is wrong is an error here, never a fall-back to something else. */
static const char *const own_environment[] = { "KEEL_STRICT=on", "KEEL_CHAOS=allow",
                                               "KEEL_DISABLED=off" };

enum { OWN_VARIABLES = sizeof own_environment / sizeof own_environment[0] };

/* No log is wanted, and nothing of a simulation may reach a live board or fleet. */
static bool is_left_out(const char *variable)
{
    static const char *const names[] = { "KEEL_LOG",
                                         "KEEL_BOARD",
                                         "KEEL_REDIS",
                                         "KEEL_REDIS_PASSWORD_FILE",
                                         "KEEL_REDIS__TIMEOUT",
                                         "KEEL_NAMESPACE" };
    size_t length = strcspn(variable, "=");

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && !strncmp(variable, names[i], length))
            return true;
    return false;
}

/*
 * Our own variables, and behind them, so that ours hold, those of the process if they
 * are wanted. NULL: out of memory.
 */
static const char **make_environment(bool with_process)
{
    char **process = environ;
    size_t count = 0;
    const char **made;

    while (with_process && process[count])
        count++;
    made = calloc(OWN_VARIABLES + count + 1, sizeof *made);
    if (!made)
        return NULL;
    memcpy(made, own_environment, sizeof own_environment);
    for (size_t i = 0, at = OWN_VARIABLES; i < count; i++)
        if (!is_left_out(process[i]))
            made[at++] = process[i];
    return made;
}

static bool open_in(keel_sim_world *world, const char *const *environment,
                    keel_sim_error *error)
{
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
    keel_status status = keel_open(&world->runtime, &options, &why);

    if (status == KEEL_E_CONFIG)
        return keel_sim_wrong(error, 0, "%s", why.text);
    if (status == KEEL_OK &&
        keel_events_listen(world->runtime, listen, world) == KEEL_OK)
        return true;
    return keel_sim_failed(error, why.text);
}

static bool open_runtime(keel_sim_world *world, bool with_process,
                         keel_sim_error *error)
{
    const char **environment = make_environment(with_process);
    bool is_open;

    if (!environment)
        return keel_sim_failed(error, "out of memory");
    is_open = open_in(world, environment, error);
    free(environment);
    return is_open;
}

/* Opened again, a pipeline keeps its state and takes the new text. */
static bool open_pipeline(keel_sim_world *world, const char *settings, size_t step,
                          keel_sim_error *error)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char shown[KEEL_WARNING_SIZE];
    keel_status status = keel_pipeline_open(&world->pipeline, world->runtime,
                                            world->name, settings, &why);

    if (status == KEEL_E_CONFIG)
        return keel_sim_wrong(error, step, "%s",
                              in_the_readers_words(world, why.text, shown));
    if (status != KEEL_OK)
        return keel_sim_failed(error, why.text);
    tell_warnings(world);
    return true;
}

bool keel_sim_world_open(keel_sim_world *world, const keel_scenario *scenario,
                         const char *settings, FILE *warnings, keel_sim_error *error)
{
    *world =
        (keel_sim_world){ .now = scenario->start_ns,
                          .draws = scenario->draws,
                          .draw_count = scenario->draw_count,
                          .generator = scenario->seed,
                          .name = scenario->pipeline ? scenario->pipeline : "simulated",
                          .warnings = warnings };
    return open_runtime(world, scenario->pipeline != NULL, error) &&
           open_pipeline(world, settings, 0, error);
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
    for (size_t i = 0; i < world->event_count; i++)
        free(world->events[i].endpoint);
    free(world->events);
}
