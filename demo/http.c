/* SPDX-License-Identifier: MIT */
/*
 * The part about calls over HTTP: the same small service twice, without keel and with it,
 * side by side against one nginx that is killed, slowed down and brought back. Nothing is
 * scripted but what happens to nginx.
 */
#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "dependency.h"
#include "picture.h"
#include "service.h"
#include "summary.h"
#include "timeline.h"
#include "transitions.h"

enum { CALLERS = 24, SAMPLES_PER_SECOND = 10 };

typedef struct stage {
    const char *picture;
    dependency dependency;
    keel_runtime *runtime;
    keel_pipeline *payments;
    service *services[SERVICES];
    transitions transitions;
    story story;
} stage;

/* ---- one second ------------------------------------------------------------------ */

static void note_second(stage *d)
{
    story *s = &d->story;
    keel_pipeline_stats stats = { .size = sizeof stats };

    for (int i = 0; i < SERVICES; i++)
        service_take(d->services[i], &s->felt[i][s->seconds]);
    keel_pipeline_look(d->payments, &stats);
    s->breaker[s->seconds] = stats.state;
    s->transition_count = transitions_take(&d->transitions, s->transitions);
    s->seconds++;
}

static bool live_second(stage *d)
{
    uint64_t begins_ns = d->story.begun_ns + d->story.seconds * NS_PER_S;

    for (unsigned i = 1; i <= SAMPLES_PER_SECOND; i++) {
        if (!demo_sleep_until(begins_ns + i * (NS_PER_S / SAMPLES_PER_SECOND)))
            return false;
        for (int j = 0; j < SERVICES; j++)
            service_sample(d->services[j]);
    }
    note_second(d);
    timeline_second(&d->story);
    return true;
}

/* ---- all phases ------------------------------------------------------------------ */

static bool live_phase(stage *d, int i)
{
    const phase *p = &d->story.schedule->phases[i];
    bool goes_on;

    if (p->seconds == 0)
        return true;
    timeline_phase(&d->story, i);
    if (!dependency_become(&d->dependency, p->mood))
        return false;
    d->story.phase_began_ns[i] = now_ns();
    for (int j = 0; j < SERVICES; j++)
        service_take_first_answer(d->services[j]);
    do
        goes_on = live_second(d);
    while (goes_on && d->story.seconds < p->begins + p->seconds);
    for (int j = 0; j < SERVICES; j++)
        d->story.first_answer_ns[j][i] = service_take_first_answer(d->services[j]);
    return goes_on;
}

static bool live(stage *d)
{
    d->story.begun_ns = now_ns();
    for (int i = 0; i < PHASES; i++)
        if (!live_phase(d, i))
            return false;
    return true;
}

/* ---- setting and striking the stage ---------------------------------------------- */

static bool keel_begin(stage *d)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char text[512];

    if (keel_open(&d->runtime, NULL, &why) != KEEL_OK ||
        keel_pipeline_open(&d->payments, d->runtime, "payments", NULL, &why) !=
            KEEL_OK) {
        fprintf(stderr, "keel: %s\n", why.text);
        return false;
    }
    keel_runtime_verify(d->runtime, NULL);
    for (size_t i = 0; keel_runtime_warning(d->runtime, i, text, sizeof text); i++)
        fprintf(stderr, "keel: %s\n", text);
    return keel_events_listen(d->runtime, transitions_note, &d->transitions) == KEEL_OK;
}

/* The first phase that is not left out decides how nginx begins. */
static bool dependency_begin(stage *d)
{
    return dependency_init(&d->dependency) &&
           dependency_become(&d->dependency,
                             d->story.schedule->phases[story_phase(&d->story, 0)].mood);
}

static bool services_begin(stage *d)
{
    sigset_t before;

    demo_mask_signals(&before);
    d->services[PLAIN] = service_start(NULL, d->dependency.url, CALLERS);
    d->services[KEEL] = service_start(d->payments, d->dependency.url, CALLERS);
    demo_unmask_signals(&before);
    if (d->services[PLAIN] && d->services[KEEL])
        return true;
    fprintf(stderr, "no memory or no threads for the callers\n");
    return false;
}

/* nginx first: then no caller has anything left to wait for. */
static void strike(stage *d)
{
    dependency_cleanup(&d->dependency);
    for (int i = 0; i < SERVICES; i++)
        service_stop(d->services[i]);
    keel_pipeline_close(d->payments);
    keel_close(d->runtime, 0);
}

static bool is_default_keel(void)
{
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "KEEL_", 5) == 0)
            return false;
    return true;
}

static void introduce(const stage *d)
{
    printf(
        "The same little service twice: %u callers, each of which asks nginx at\n"
        "%s about once a second and is owed an answer or a no within\n"
        "2 s. One service calls curl_easy_perform, the other keel_curl_perform_with;\n"
        "keel has %s. This takes %u s.\n\n",
        (unsigned)CALLERS, d->dependency.url,
        d->story.is_default ? "its default settings"
                            : "the settings in the environment (KEEL_...)",
        d->story.schedule->seconds);
    timeline_begin(stdout, &d->story);
}

static bool conclude(const stage *d)
{
    summary_print(stdout, &d->story);
    if (!picture_write(d->picture, &d->story)) {
        perror(d->picture);
        return false;
    }
    printf("\nThe same as a picture: %s\n", d->picture);
    return fflush(stdout) == 0;
}

static int perform(stage *d)
{
    bool is_done = keel_begin(d) && dependency_begin(d) && services_begin(d);

    if (is_done) {
        introduce(d);
        is_done = live(d);
    }
    strike(d);
    if (demo_interrupted())
        return 128 + demo_interrupted();
    return is_done && conclude(d) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int http_perform(const schedule *s, const char *picture)
{
    static stage d = { .transitions = { .mu = PTHREAD_MUTEX_INITIALIZER } };
    int rc;

    if (!dependency_is_installed()) {
        fprintf(stderr, "nginx with its echo module (nginx-light) is not installed\n");
        return NOT_INSTALLED;
    }
    if (!picture_is_possible(picture)) {
        perror(picture);
        return EXIT_FAILURE;
    }
    d.picture = picture;
    d.story.schedule = s;
    d.story.callers = CALLERS;
    d.story.is_default = is_default_keel();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    rc = perform(&d);
    curl_global_cleanup();
    return rc;
}
