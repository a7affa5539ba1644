/* SPDX-License-Identifier: MIT */
/*
 * The demonstration: the same small service twice, without keel and with it, side by
 * side against one nginx that is killed, slowed down and brought back. Nothing is
 * scripted but what happens to nginx. scripts/demo builds and runs this.
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dependency.h"
#include "picture.h"
#include "service.h"
#include "summary.h"
#include "timeline.h"

#define NS_PER_S UINT64_C(1000000000)

enum { CALLERS = 24, SAMPLES_PER_SECOND = 10, NO_NGINX = 77 };

/* mu guards the transitions until the story copies them. */
typedef struct stage {
    schedule schedule;
    const char *picture;
    dependency dependency;
    keel_runtime *runtime;
    keel_pipeline *payments;
    service *services[SERVICES];
    pthread_mutex_t mu;
    transition transitions[MAX_TRANSITIONS];
    unsigned transition_count;
    story story;
} stage;

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    interrupted = number;
}

/* ---- one second ------------------------------------------------------------------ */

static void on_event(const keel_event *event, void *ctx)
{
    stage *d = ctx;

    if (event->type != KEEL_EVENT_TRANSITION)
        return;
    pthread_mutex_lock(&d->mu);
    if (d->transition_count < MAX_TRANSITIONS)
        d->transitions[d->transition_count++] =
            (transition){ event->at_ns, event->from, event->to, event->cause };
    pthread_mutex_unlock(&d->mu);
}

/* False: interrupted, or nobody reads us any more. */
static bool sleep_until(uint64_t at_ns)
{
    struct timespec at = { .tv_sec = (time_t)(at_ns / NS_PER_S),
                           .tv_nsec = (long)(at_ns % NS_PER_S) };
    int rc = EINTR;

    while (!interrupted && rc == EINTR)
        rc = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    return !interrupted && !ferror(stdout);
}

static void note_second(stage *d)
{
    story *s = &d->story;
    keel_pipeline_stats stats = { .size = sizeof stats };

    for (int i = 0; i < SERVICES; i++)
        service_take(d->services[i], &s->felt[i][s->seconds]);
    keel_pipeline_look(d->payments, &stats);
    s->breaker[s->seconds] = stats.state;
    pthread_mutex_lock(&d->mu);
    memcpy(s->transitions, d->transitions, sizeof s->transitions);
    s->transition_count = d->transition_count;
    pthread_mutex_unlock(&d->mu);
    s->seconds++;
}

static bool live_second(stage *d)
{
    uint64_t begins_ns = d->story.begun_ns + d->story.seconds * NS_PER_S;

    for (unsigned i = 1; i <= SAMPLES_PER_SECOND; i++) {
        if (!sleep_until(begins_ns + i * (NS_PER_S / SAMPLES_PER_SECOND)))
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
    const phase *p = &d->schedule.phases[i];
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
    return keel_events_listen(d->runtime, on_event, d) == KEEL_OK;
}

/* The first phase that is not left out decides how nginx begins. */
static bool dependency_begin(stage *d)
{
    return dependency_init(&d->dependency) &&
           dependency_become(&d->dependency,
                             d->schedule.phases[story_phase(&d->story, 0)].mood);
}

/* Signals are for this thread alone. */
static bool services_begin(stage *d)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    d->services[PLAIN] = service_start(NULL, d->dependency.url, CALLERS);
    d->services[KEEL] = service_start(d->payments, d->dependency.url, CALLERS);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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

static void catch_signals(void)
{
    const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
    struct sigaction action = { .sa_handler = interrupt };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
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
        d->schedule.seconds);
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
    if (interrupted)
        return 128 + interrupted;
    return is_done && conclude(d) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the command line ------------------------------------------------------------ */

static void print_help(FILE *out)
{
    fputs(
        "usage: keel-demo [--picture FILE] [--seconds N,N,N,N,N,N,N]\n"
        "\n"
        "Shows what the callers of a service feel while the server it depends on is\n"
        "healthy, killed, back, 2 s slow, fast, answering 30 % errors, and back;\n"
        "without keel and with it, at the same time.\n"
        "\n"
        "  --picture FILE  where the picture (SVG) goes; default: keel-demo.svg\n"
        "  --seconds LIST  how long each of the seven phases lasts, 0 leaves it out;\n"
        "                  default: 8,8,10,22,10,12,6\n"
        "\n"
        "KEEL_PAYMENTS='timeout=500ms' in the environment changes keel's settings,\n"
        "as it does for any service. NO_COLOR switches colours off.\n",
        out);
}

/* False: there is nothing to perform; *rc is what to exit with. */
static bool parse(stage *d, char **argv, int *rc)
{
    for (argv++; *argv; argv++) {
        *rc = EXIT_SUCCESS;
        if (!strcmp(*argv, "--help") || !strcmp(*argv, "-h")) {
            print_help(stdout);
            return false;
        }
        if (!strcmp(*argv, "--picture") && argv[1])
            d->picture = *++argv;
        else if (!strcmp(*argv, "--seconds") && argv[1] &&
                 schedule_parse(&d->schedule, argv[1]))
            argv++;
        else {
            print_help(stderr);
            *rc = EXIT_FAILURE;
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static stage d = { .picture = "keel-demo.svg", .mu = PTHREAD_MUTEX_INITIALIZER };
    int rc = EXIT_SUCCESS;

    (void)argc;
    schedule_init(&d.schedule);
    if (!parse(&d, argv, &rc))
        return rc;
    if (!dependency_is_installed()) {
        fprintf(stderr, "nginx with its echo module (nginx-light) is not installed\n");
        return NO_NGINX;
    }
    if (!picture_is_possible(d.picture)) {
        perror(d.picture);
        return EXIT_FAILURE;
    }
    d.story.schedule = &d.schedule;
    d.story.callers = CALLERS;
    d.story.is_default = is_default_keel();
    catch_signals();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    rc = perform(&d);
    curl_global_cleanup();
    return rc;
}
