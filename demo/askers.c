/* SPDX-License-Identifier: MIT */
/* The callers, and the note each of them makes when a request has ended. */
#include "askers.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

#include "demo.h"

/* What the plain services give a request is what keel gives an attempt by default. */
enum { PATIENCE_MS = 2000, CONNECT_TIMEOUT_MS = 1000 };

enum { THINK_LEAST_MS = 50, THINK_SPREAD_MS = 100 };

/* How a request ended; endpoint: that answered, where it was answered. */
typedef struct ending {
    bool is_answered;
    unsigned attempts;
    int endpoint;
} ending;

typedef struct asker {
    pthread_t thread;
    askers *all;
    unsigned seed;
    CURL *easy;
    keel_http *client;
} asker;

/* mu guards: is_ending, next, felt, cuts. */
struct askers {
    way how;
    const char *const *urls;
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    asker members[ASKERS];
    unsigned running;
    pthread_mutex_t mu;
    pthread_cond_t end_cond;
    bool is_ending;
    unsigned next; /* whose turn it is */
    felt felt;
    cut cuts[PHASES];
};

/* ---- one request ----------------------------------------------------------------------- */

static ending ask_keel(asker *a)
{
    const keel_http_request request = { .size = sizeof request, .url = "/" };
    const keel_http_response *response;
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status =
        keel_http_perform(a->client, a->all->pipeline, &request, &response, &why);
    ending e = { .is_answered = status == KEEL_OK, .attempts = why.attempts };

    if (response)
        e.endpoint = response->endpoint;
    keel_http_response_free(response);
    return e;
}

static int pick(askers *all)
{
    unsigned turn;

    if (all->how == ONE)
        return 0;
    pthread_mutex_lock(&all->mu);
    turn = all->next++;
    pthread_mutex_unlock(&all->mu);
    return (int)(turn % ENDPOINTS);
}

static ending ask_plain(asker *a)
{
    ending e = { .attempts = 1, .endpoint = pick(a->all) };
    long response = 0;

    curl_easy_setopt(a->easy, CURLOPT_URL, a->all->urls[e.endpoint]);
    if (curl_easy_perform(a->easy) == CURLE_OK)
        curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &response);
    e.is_answered = response == 200;
    return e;
}

/* The only place where the services differ. */
static ending ask(asker *a)
{
    return a->all->how == KEPT ? ask_keel(a) : ask_plain(a);
}

/* ---- notes ------------------------------------------------------------------------------- */

static void note_second_locked(felt *f, const ending *e, uint64_t took_ns)
{
    if (!e->is_answered)
        f->failed++;
    else if (e->endpoint < NEAR_ENDPOINTS)
        f->near++;
    else
        f->far++;
    f->answered += e->is_answered;
    f->retried += e->attempts > 1;
    if (took_ns > f->longest_ns)
        f->longest_ns = took_ns;
}

static void note_cut_locked(cut *c, const ending *e, uint64_t begun_ns,
                            uint64_t ended_ns)
{
    bool is_near = e->endpoint < NEAR_ENDPOINTS;
    bool is_late = ended_ns - begun_ns > LATE_MS * NS_PER_MS;

    if (!c->begun_ns || ended_ns < c->begun_ns)
        return;
    if (c->ended_ns && begun_ns >= c->ended_ns) {
        if (!c->home_ns && e->is_answered && is_near)
            c->home_ns = ended_ns;
        return;
    }
    if (!e->is_answered) {
        c->failed++;
        c->error_ns = ended_ns;
    } else {
        c->late += is_late;
    }
    if (!e->is_answered || is_late)
        c->trouble_ns = ended_ns;
    if (!e->is_answered || is_near || e->attempts > 1)
        c->detour_ns = ended_ns;
}

static void ask_and_note(asker *a)
{
    askers *all = a->all;
    uint64_t begun_ns = now_ns(), ended_ns;
    const ending e = ask(a);

    ended_ns = now_ns();
    pthread_mutex_lock(&all->mu);
    note_second_locked(&all->felt, &e, ended_ns - begun_ns);
    for (int i = 0; i < PHASES; i++)
        note_cut_locked(&all->cuts[i], &e, begun_ns, ended_ns);
    pthread_mutex_unlock(&all->mu);
}

/* ---- a caller ---------------------------------------------------------------------------- */

/* False: it is to end. */
static bool think(asker *a)
{
    askers *all = a->all;
    uint64_t ms = THINK_LEAST_MS + (unsigned)rand_r(&a->seed) % THINK_SPREAD_MS;
    uint64_t until_ns = now_ns() + ms * NS_PER_MS;
    struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
                              .tv_nsec = (long)(until_ns % NS_PER_S) };
    int rc = 0;
    bool goes_on;

    pthread_mutex_lock(&all->mu);
    while (!all->is_ending && rc == 0)
        rc = pthread_cond_timedwait(&all->end_cond, &all->mu, &until);
    goes_on = !all->is_ending;
    pthread_mutex_unlock(&all->mu);
    return goes_on;
}

static size_t drop_body(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static CURL *open_plain(void)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    return easy;
}

static bool open_way(asker *a)
{
    if (a->all->how == KEPT)
        return keel_http_open(&a->client, a->all->runtime, NULL, NULL) == KEEL_OK;
    a->easy = open_plain();
    return a->easy != NULL;
}

static void *live(void *arg)
{
    asker *a = arg;

    if (open_way(a))
        while (think(a))
            ask_and_note(a);
    keel_http_close(a->client);
    curl_easy_cleanup(a->easy);
    return NULL;
}

/* ---- what is told about them ------------------------------------------------------------- */

void askers_take(askers *a, felt *to)
{
    pthread_mutex_lock(&a->mu);
    *to = a->felt;
    a->felt = (felt){ .answered = 0 };
    pthread_mutex_unlock(&a->mu);
}

void askers_cut(askers *a, int at)
{
    pthread_mutex_lock(&a->mu);
    a->cuts[at].begun_ns = now_ns();
    pthread_mutex_unlock(&a->mu);
}

void askers_return(askers *a, int at)
{
    pthread_mutex_lock(&a->mu);
    a->cuts[at].ended_ns = now_ns();
    pthread_mutex_unlock(&a->mu);
}

cut askers_look(askers *a, int at)
{
    cut c;

    pthread_mutex_lock(&a->mu);
    c = a->cuts[at];
    pthread_mutex_unlock(&a->mu);
    return c;
}

/* ---- starting and stopping --------------------------------------------------------------- */

static void init_locks(askers *a)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&a->end_cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&a->mu, NULL);
}

static bool start_asker(askers *all, unsigned i)
{
    asker *a = &all->members[i];

    *a = (asker){ .all = all, .seed = i + 1 };
    return pthread_create(&a->thread, NULL, live, a) == 0;
}

askers *askers_start(way how, const char *const urls[ENDPOINTS], keel_runtime *runtime,
                     keel_pipeline *pipeline)
{
    askers *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->how = how;
    a->urls = urls;
    a->runtime = runtime;
    a->pipeline = pipeline;
    init_locks(a);
    while (a->running < ASKERS && start_asker(a, a->running))
        a->running++;
    if (a->running == ASKERS)
        return a;
    askers_free(a);
    return NULL;
}

void askers_halt(askers *a)
{
    pthread_mutex_lock(&a->mu);
    a->is_ending = true;
    pthread_cond_broadcast(&a->end_cond);
    pthread_mutex_unlock(&a->mu);
    while (a->running)
        pthread_join(a->members[--a->running].thread, NULL);
}

void askers_free(askers *a)
{
    if (!a)
        return;
    askers_halt(a);
    pthread_cond_destroy(&a->end_cond);
    pthread_mutex_destroy(&a->mu);
    free(a);
}
