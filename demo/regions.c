/* SPDX-License-Identifier: MIT */
/*
 * The part about regions: the same small service three times, side by side against one
 * dependency with four endpoints. One of its two regions is cut off and returns, then an
 * endpoint becomes slow and one fails. Nothing is scripted but what happens to nginx.
 */
#include "regions.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"
#include "dependency.h"
#include "place.h"
#include "regions_lines.h"

enum { MAX_SETTINGS = 512 };

/* a and b are near; c and d are asked when those are short. All of it is one line. */
static const char settings[] = "eject.time=5s; endpoints=%s name=a zone=eu-1, "
                               "%s name=b zone=eu-1, "
                               "%s name=c zone=eu-2 tier=1, "
                               "%s name=d zone=eu-2 tier=1";

/* mu guards: ejections, ejection_count. */
typedef struct stage {
    place places[ENDPOINTS];
    const char *urls[ENDPOINTS];
    char settings[MAX_SETTINGS];
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    askers *askers[WAYS];
    pthread_mutex_t mu;
    ejection ejections[MAX_EJECTIONS];
    unsigned ejection_count;
    regions_story story;
} stage;

/* ---- one second -------------------------------------------------------------------------- */

static void note_ejection(const keel_event *event, void *ctx)
{
    stage *d = ctx;

    if (event->type != KEEL_EVENT_EJECTED)
        return;
    pthread_mutex_lock(&d->mu);
    if (d->ejection_count < MAX_EJECTIONS) {
        ejection *e = &d->ejections[d->ejection_count++];

        e->at_ns = event->at_ns;
        e->for_ns = event->duration_ns;
        snprintf(e->endpoint, sizeof e->endpoint, "%s", event->endpoint);
    }
    pthread_mutex_unlock(&d->mu);
}

static unsigned count_out(keel_pipeline *pipeline)
{
    keel_endpoint_stats stats = { .size = sizeof stats };
    unsigned out = 0;

    for (unsigned i = 0; i < ENDPOINTS; i++)
        if (keel_pipeline_endpoint_look(pipeline, i, &stats) == KEEL_OK)
            out += stats.ejected_left_ns > 0;
    return out;
}

static void note_second(stage *d)
{
    regions_story *s = &d->story;

    for (int i = 0; i < WAYS; i++)
        askers_take(d->askers[i], &s->felt[i][s->seconds]);
    s->out[s->seconds] = count_out(d->pipeline);
    pthread_mutex_lock(&d->mu);
    memcpy(s->ejections, d->ejections, sizeof s->ejections);
    s->ejection_count = d->ejection_count;
    pthread_mutex_unlock(&d->mu);
    s->seconds++;
}

/* Before the last second is noted: what was under way belongs to it. */
static void halt(stage *d)
{
    for (int i = 0; i < WAYS; i++)
        askers_halt(d->askers[i]);
}

static bool live_second(stage *d)
{
    if (!demo_sleep_until(d->story.begun_ns + (d->story.seconds + 1) * NS_PER_S))
        return false;
    if (d->story.seconds + 1 == d->story.schedule->seconds)
        halt(d);
    note_second(d);
    regions_lines_second(&d->story);
    return true;
}

/* ---- all phases -------------------------------------------------------------------------- */

static bool is_cut(mood m)
{
    return m == MOOD_FROZEN || m == MOOD_DEAD;
}

/* What a phase does to one endpoint. */
static mood mood_of(mood wanted, int endpoint)
{
    bool is_meant = wanted == MOOD_SLOW      ? endpoint == 0
                    : wanted == MOOD_FAILING ? endpoint == 1
                                             : endpoint < NEAR_ENDPOINTS;

    return is_meant ? wanted : MOOD_WELL;
}

static bool places_become(stage *d, mood wanted)
{
    for (int i = 0; i < ENDPOINTS; i++)
        if (!place_become(&d->places[i], mood_of(wanted, i)))
            return false;
    return true;
}

static bool begin_phase(stage *d, int i)
{
    const phase *p = &d->story.schedule->phases[i];

    regions_lines_phase(&d->story, i);
    for (int j = 0; is_cut(p->mood) && j < WAYS; j++)
        askers_cut(d->askers[j], i);
    return places_become(d, p->mood);
}

static bool end_phase(stage *d, int i)
{
    if (!is_cut(d->story.schedule->phases[i].mood))
        return true;
    if (!places_become(d, MOOD_WELL))
        return false;
    for (int j = 0; j < WAYS; j++)
        askers_return(d->askers[j], i);
    return true;
}

static bool live_phase(stage *d, int i)
{
    const phase *p = &d->story.schedule->phases[i];
    bool goes_on;

    if (p->seconds == 0)
        return true;
    if (!begin_phase(d, i))
        return false;
    do
        goes_on = live_second(d);
    while (goes_on && d->story.seconds < p->begins + p->seconds);
    return goes_on && end_phase(d, i);
}

static bool live(stage *d)
{
    d->story.begun_ns = now_ns();
    for (int i = 0; i < PHASES; i++)
        if (!live_phase(d, i))
            return false;
    for (int i = 0; i < WAYS; i++)
        for (int j = 0; j < PHASES; j++)
            d->story.cuts[i][j] = askers_look(d->askers[i], j);
    return true;
}

/* ---- setting and striking the stage ------------------------------------------------------ */

static bool start_places(stage *d)
{
    for (int i = 0; i < ENDPOINTS; i++) {
        if (!place_start(&d->places[i]))
            return false;
        d->urls[i] = d->places[i].url;
    }
    return true;
}

/* What is shown are the settings here, not those of whoever looks on. */
static bool open_keel(stage *d)
{
    static const char *const strict[] = { "KEEL_STRICT=on", NULL };
    const keel_options options = { .size = sizeof options, .environment = strict };
    keel_detail why = KEEL_DETAIL_INIT;

    snprintf(d->settings, sizeof d->settings, settings, d->urls[0], d->urls[1],
             d->urls[2], d->urls[3]);
    if (keel_open(&d->runtime, &options, &why) == KEEL_OK &&
        keel_pipeline_open(&d->pipeline, d->runtime, "orders", d->settings, &why) ==
            KEEL_OK &&
        keel_events_listen(d->runtime, note_ejection, d) == KEEL_OK)
        return true;
    fprintf(stderr, "keel: %s\n", why.text);
    return false;
}

static bool start_askers(stage *d)
{
    bool is_done = true;
    sigset_t before;

    demo_mask_signals(&before);
    for (int i = 0; i < WAYS; i++) {
        d->askers[i] = askers_start((way)i, d->urls, d->runtime, d->pipeline);
        is_done = is_done && d->askers[i];
    }
    demo_unmask_signals(&before);
    if (!is_done)
        fprintf(stderr, "no memory or no threads for the callers\n");
    return is_done;
}

/* nginx first: then no caller has anything left to wait for. */
static void strike(stage *d)
{
    for (int i = 0; i < ENDPOINTS; i++)
        place_cleanup(&d->places[i]);
    for (int i = 0; i < WAYS; i++)
        askers_free(d->askers[i]);
    keel_pipeline_close(d->pipeline);
    keel_close(d->runtime, 0);
}

/* An entry of the list a line, as a shell would take it. */
static void print_settings(const char *text)
{
    fputs("    ", stdout);
    for (; *text; text++) {
        putchar(*text);
        if (*text == ',' || *text == ';')
            fputs(" \\\n   ", stdout);
    }
    fputs("\n\n", stdout);
}

static void introduce(const stage *d)
{
    printf(
        "The same little service three times: %u callers, each of which asks a\n"
        "dependency some ten times a second. It lives in two regions, with two nginx\n"
        "in each. One service knows the first address, one takes all four in turns,\n"
        "one has keel, with its default settings and\n\n",
        (unsigned)ASKERS);
    print_settings(d->settings);
    printf(
        "The first of these so that nobody has to look on for the usual 30 s until an\n"
        "endpoint is tried again. This takes %u s.\n\n",
        d->story.schedule->seconds);
    regions_lines_begin(stdout);
}

static int perform(stage *d)
{
    bool is_done = start_places(d) && open_keel(d) && start_askers(d);

    if (is_done) {
        introduce(d);
        is_done = live(d);
    }
    if (is_done)
        regions_lines_end(&d->story);
    strike(d);
    if (demo_interrupted())
        return 128 + demo_interrupted();
    return is_done && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int regions_perform(const schedule *s)
{
    static stage d = { .mu = PTHREAD_MUTEX_INITIALIZER };
    int rc;

    if (!dependency_is_installed()) {
        fprintf(stderr, "nginx with its echo module (nginx-light) is not installed\n");
        return NOT_INSTALLED;
    }
    d.story.schedule = s;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    rc = perform(&d);
    curl_global_cleanup();
    return rc;
}
