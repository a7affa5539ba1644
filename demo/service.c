/* SPDX-License-Identifier: MIT */
/* The callers, and the note each of them makes when a request has ended. */
#include "service.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demo.h"

/*
 * What both services owe their callers: an answer or a no. It is also keel's default for
 * one attempt, so that neither service is the more patient one.
 */
enum { PATIENCE_MS = 2000, CONNECT_TIMEOUT_MS = 1000 };

enum { THINK_LEAST_MS = 500, THINK_SPREAD_MS = 1000 };
enum { STUCK_MS = 250, MAX_WAITS = 1024, MAX_BODY = 4096 };

typedef struct body {
    char text[MAX_BODY];
    size_t length;
} body;

typedef struct caller {
    pthread_t thread;
    service *service;
    unsigned seed;
    uint64_t asking_since_ns; /* 0: thinking */
} caller;

/* mu guards everything that is not set once before the threads start. */
struct service {
    keel_pipeline *pipeline;
    const char *url;
    caller *callers;
    unsigned started;
    pthread_mutex_t mu;
    pthread_cond_t stop_cond;
    bool stopping;
    tally felt;
    uint64_t waits_ns[MAX_WAITS];
    unsigned wait_count;
    unsigned sample_count;
    uint64_t first_answer_ns;
};

/* ---- one request ----------------------------------------------------------------- */

/* Forgets what arrived of an answer, so that keel may ask again. */
static int body_reset(void *ctx)
{
    body *b = ctx;

    b->length = 0;
    return 0;
}

/*
 * The only place where the two services differ. Both owe their caller an answer or a no
 * within the same time; here it is the call's deadline, retries and waits included.
 */
static CURLcode ask(const service *s, CURL *easy, body *b, keel_detail *why)
{
    keel_call_options call = { .size = sizeof call,
                               .deadline_at_ns = now_ns() + PATIENCE_MS * NS_PER_MS };
    keel_curl_options options = {
        .size = sizeof options, .call = &call, .sink_reset = body_reset, .ctx = b
    };
    int code = CURLE_OK;

    if (s->pipeline) {
        keel_curl_perform_with(s->pipeline, easy, &options, &code, why);
        return (CURLcode)code;
    }
    why->attempts = 1;
    return curl_easy_perform(easy);
}

static bool is_answer(CURL *easy, CURLcode code)
{
    long response = 0;

    if (code != CURLE_OK)
        return false;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response);
    return response == 200;
}

static void note_locked(service *s, bool answered, const keel_detail *why,
                        uint64_t took_ns)
{
    tally *t = &s->felt;

    if (answered)
        t->answered++;
    else if (why->attempts == 0)
        t->refused++;
    else
        t->failed++;
    if (!answered)
        t->lost_ns += took_ns;
    if (took_ns > NS_PER_S)
        t->hung++;
    if (took_ns > t->longest_ns)
        t->longest_ns = took_ns;
    t->attempts += why->attempts;
    t->retries += why->attempts > 1 ? why->attempts - 1 : 0;
    if (s->wait_count < MAX_WAITS)
        s->waits_ns[s->wait_count++] = took_ns;
}

static void ask_and_note(caller *c, CURL *easy, body *b)
{
    service *s = c->service;
    keel_detail why = KEEL_DETAIL_INIT;
    uint64_t begun_ns = now_ns(), ended_ns;
    bool answered;

    b->length = 0;
    pthread_mutex_lock(&s->mu);
    c->asking_since_ns = begun_ns;
    pthread_mutex_unlock(&s->mu);

    answered = is_answer(easy, ask(s, easy, b, &why));
    ended_ns = now_ns();

    pthread_mutex_lock(&s->mu);
    c->asking_since_ns = 0;
    note_locked(s, answered, &why, ended_ns - begun_ns);
    if (answered && !s->first_answer_ns)
        s->first_answer_ns = ended_ns;
    pthread_mutex_unlock(&s->mu);
}

/* ---- a caller -------------------------------------------------------------------- */

/* False: the service stops. */
static bool think(caller *c, unsigned least_ms)
{
    service *s = c->service;
    uint64_t ms = least_ms + (unsigned)rand_r(&c->seed) % THINK_SPREAD_MS;
    uint64_t until_ns = now_ns() + ms * NS_PER_MS;
    struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
                              .tv_nsec = (long)(until_ns % NS_PER_S) };
    int rc = 0;
    bool goes_on;

    pthread_mutex_lock(&s->mu);
    while (!s->stopping && rc == 0)
        rc = pthread_cond_timedwait(&s->stop_cond, &s->mu, &until);
    goes_on = !s->stopping;
    pthread_mutex_unlock(&s->mu);
    return goes_on;
}

static size_t body_append(char *data, size_t size, size_t count, void *ctx)
{
    body *b = ctx;
    size_t length = size * count;

    if (length > sizeof b->text - b->length)
        return 0;
    memcpy(b->text + b->length, data, length);
    b->length += length;
    return length;
}

static void *live(void *arg)
{
    caller *c = arg;
    body b = { .length = 0 };
    CURL *easy = curl_easy_init();

    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, c->service->url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_append);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &b);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    for (bool goes_on = think(c, 0); goes_on; goes_on = think(c, THINK_LEAST_MS))
        ask_and_note(c, easy, &b);
    curl_easy_cleanup(easy);
    return NULL;
}

/* ---- what is told about them ----------------------------------------------------- */

void service_sample(service *s)
{
    uint64_t now = now_ns();
    unsigned stuck = 0;

    pthread_mutex_lock(&s->mu);
    for (unsigned i = 0; i < s->started; i++) {
        uint64_t since = s->callers[i].asking_since_ns;

        stuck += since && since + STUCK_MS * NS_PER_MS < now;
    }
    s->felt.stuck += stuck;
    s->sample_count++;
    pthread_mutex_unlock(&s->mu);
}

static int compare_waits(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static uint64_t median_locked(service *s)
{
    if (s->wait_count == 0)
        return 0;
    qsort(s->waits_ns, s->wait_count, sizeof *s->waits_ns, compare_waits);
    return s->waits_ns[s->wait_count / 2];
}

void service_take(service *s, tally *felt)
{
    pthread_mutex_lock(&s->mu);
    *felt = s->felt;
    felt->median_ns = median_locked(s);
    if (s->sample_count)
        felt->stuck /= s->sample_count;
    s->felt = (tally){ 0 };
    s->wait_count = 0;
    s->sample_count = 0;
    pthread_mutex_unlock(&s->mu);
}

uint64_t service_take_first_answer(service *s)
{
    uint64_t at_ns;

    pthread_mutex_lock(&s->mu);
    at_ns = s->first_answer_ns;
    s->first_answer_ns = 0;
    pthread_mutex_unlock(&s->mu);
    return at_ns;
}

/* ---- starting and stopping ------------------------------------------------------- */

static void init_locks(service *s)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stop_cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->mu, NULL);
}

static bool start_caller(service *s, unsigned i)
{
    caller *c = &s->callers[i];

    *c = (caller){ .service = s, .seed = i + 1 };
    return pthread_create(&c->thread, NULL, live, c) == 0;
}

service *service_start(keel_pipeline *pipeline, const char *url, unsigned callers)
{
    service *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->pipeline = pipeline;
    s->url = url;
    init_locks(s);
    s->callers = calloc(callers, sizeof *s->callers);
    while (s->callers && s->started < callers && start_caller(s, s->started))
        s->started++;
    if (s->started == callers)
        return s;
    service_stop(s);
    return NULL;
}

void service_stop(service *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mu);
    s->stopping = true;
    pthread_cond_broadcast(&s->stop_cond);
    pthread_mutex_unlock(&s->mu);
    for (unsigned i = 0; i < s->started; i++)
        pthread_join(s->callers[i].thread, NULL);
    pthread_cond_destroy(&s->stop_cond);
    pthread_mutex_destroy(&s->mu);
    free(s->callers);
    free(s);
}
