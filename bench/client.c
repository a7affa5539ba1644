/* SPDX-License-Identifier: MIT */
/*
 * keel_http beside a hand-written loop of curl_multi_socket_action and epoll, which keeps
 * its handles and connections: small answers from a kept connection, so many requests in
 * flight on one thread. Rounds alternate, each pair gives one ratio of requests a second
 * and one of 99th percentiles, and the medians count.
 *
 *     client URL
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "subjects.h"

enum { IN_FLIGHT = 16, ROUND = 4000, ROUNDS = 15, WARM_UP = 500, BODY_SIZE = 4096 };

/* A round: how many are still to be started and to end, and what each one took. */
typedef struct tally {
    unsigned to_start;
    unsigned to_end;
    unsigned ended;
    double took_ns[ROUND];
} tally;

static tally counted;

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void begin(unsigned requests)
{
    counted.to_start = counted.to_end = requests;
    counted.ended = 0;
}

static void note(uint64_t began)
{
    counted.took_ns[counted.ended++] = (double)(now_ns() - began);
    counted.to_end--;
}

/* ---- without keel ------------------------------------------------------------------------ */

typedef struct lane {
    CURL *easy;
    uint64_t began;
    size_t length;
    char body[BODY_SIZE];
} lane;

static CURLM *multi;
static int epoll;
static long timeout_ms = -1;
static lane lanes[IN_FLIGHT];

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct epoll_event event = { .data.fd = fd };

    (void)easy;
    (void)ctx;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
        return 0;
    }
    event.events =
        (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(multi, fd, &epoll);
    return 0;
}

static int set_timer(CURLM *m, long ms, void *ctx)
{
    (void)m;
    (void)ctx;
    timeout_ms = ms;
    return 0;
}

static size_t take_body(char *bytes, size_t one, size_t length, void *ctx)
{
    lane *l = ctx;

    if (length * one > BODY_SIZE - l->length)
        return 0;
    memcpy(l->body + l->length, bytes, length);
    l->length += length;
    return length;
}

static void raw_start(lane *l)
{
    if (!counted.to_start)
        return;
    counted.to_start--;
    l->length = 0;
    l->began = now_ns();
    if (curl_multi_add_handle(multi, l->easy) != CURLM_OK)
        fail("a handle is refused");
}

static void raw_reap(void)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi, &left))) {
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        void *found = NULL;
        lane *l;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &found);
        l = found;
        curl_multi_remove_handle(multi, easy);
        if (code != CURLE_OK)
            fail(curl_easy_strerror(code));
        note(l->began);
        raw_start(l);
    }
}

static void raw_act(curl_socket_t fd, int mask)
{
    int running;

    curl_multi_socket_action(multi, fd, mask, &running);
    raw_reap();
}

static void raw_step(void)
{
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, 64, (int)timeout_ms);

    for (int i = 0; i < count; i++)
        raw_act(events[i].data.fd,
                (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0));
    if (timeout_ms == 0 || count == 0)
        raw_act(CURL_SOCKET_TIMEOUT, 0);
}

static void raw_round(unsigned requests)
{
    begin(requests);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        raw_start(&lanes[i]);
    while (counted.to_end)
        raw_step();
}

static void raw_open(const char *url)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        lane *l = &lanes[i];

        l->easy = curl_easy_init();
        curl_easy_setopt(l->easy, CURLOPT_URL, url);
        curl_easy_setopt(l->easy, CURLOPT_PRIVATE, l);
        curl_easy_setopt(l->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(l->easy, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(l->easy, CURLOPT_WRITEDATA, l);
    }
}

static void raw_close(void)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        curl_easy_cleanup(lanes[i].easy);
    curl_multi_cleanup(multi);
    close(epoll);
}

/* ---- with keel ---------------------------------------------------------------------------- */

static keel_http *client;
static keel_pipeline *pipeline;
static keel_http_request request = { .size = sizeof request };
static uint64_t began_at[IN_FLIGHT];

static void kept_start(uint64_t *began);

static void kept_done(keel_status status, const keel_http_response *response,
                      const keel_detail *detail, void *ctx)
{
    uint64_t *began = ctx;

    if (status != KEEL_OK || !response)
        fail(detail->text);
    note(*began);
    kept_start(began);
}

static void kept_start(uint64_t *began)
{
    if (!counted.to_start)
        return;
    counted.to_start--;
    *began = now_ns();
    request.ctx = began;
    if (keel_http_start(client, pipeline, &request, NULL, NULL) != KEEL_OK)
        fail("a request is refused");
}

static void kept_round(unsigned requests)
{
    begin(requests);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        kept_start(&began_at[i]);
    while (counted.to_end)
        if (keel_http_poll(client, UINT64_MAX) != KEEL_OK)
            fail("cannot wait");
}

/* ---- both ----------------------------------------------------------------------------------- */

typedef struct figures {
    double per_second;
    double p99_ns;
} figures;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static figures measure(void (*round)(unsigned requests))
{
    uint64_t began = now_ns();
    figures f;

    round(ROUND);
    f.per_second = ROUND * 1e9 / (double)(now_ns() - began);
    qsort(counted.took_ns, ROUND, sizeof counted.took_ns[0], by_size);
    f.p99_ns = counted.took_ns[ROUND * 99 / 100];
    return f;
}

static void print(const char *name, const char *unit, double kept, double raw,
                  double ratio, double goal, bool goal_is_least)
{
    const char *path = getenv("BENCH_JSON");
    FILE *json = path && *path ? fopen(path, "ae") : NULL;
    bool is_met = goal_is_least ? ratio >= goal : ratio <= goal;
    const char *verdict = is_met ? "met" : "NOT MET";

    printf("%-40s keel_http %8.1f, curl multi %8.1f %s: ratio %.3f, goal %s %.2f %s\n",
           name, kept, raw, unit, ratio, goal_is_least ? ">=" : "<=", goal, verdict);
    if (!json)
        return;
    fprintf(json,
            "{\"name\": \"%s\", \"median\": %.1f, \"unit\": \"%s\", \"against\": "
            "\"curl multi\", \"floor\": %.1f, \"ratio\": %.4f, \"goal\": %.2f, "
            "\"goal_is_least\": %s, \"verdict\": \"%s\"}\n",
            name, kept, unit, raw, ratio, goal, goal_is_least ? "true" : "false",
            verdict);
    fclose(json);
}

static void show(void)
{
    double speed[ROUNDS], p99[ROUNDS], raw_speed[ROUNDS], kept_speed[ROUNDS];
    double raw_p99[ROUNDS], kept_p99[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        figures first = measure(i % 2 ? kept_round : raw_round);
        figures second = measure(i % 2 ? raw_round : kept_round);
        figures raw = i % 2 ? second : first, kept = i % 2 ? first : second;

        raw_speed[i] = raw.per_second / 1e3;
        kept_speed[i] = kept.per_second / 1e3;
        raw_p99[i] = raw.p99_ns / 1e3;
        kept_p99[i] = kept.p99_ns / 1e3;
        speed[i] = kept.per_second / raw.per_second;
        p99[i] = kept.p99_ns / raw.p99_ns;
    }
    print("GET, 16 in flight, requests a second", "thousand",
          bench_range_of(kept_speed, ROUNDS).median,
          bench_range_of(raw_speed, ROUNDS).median,
          bench_range_of(speed, ROUNDS).median, 0.97, true);
    print("GET, 16 in flight, 99th percentile", "us",
          bench_range_of(kept_p99, ROUNDS).median,
          bench_range_of(raw_p99, ROUNDS).median, bench_range_of(p99, ROUNDS).median,
          1.05, false);
}

int main(int argc, char **argv)
{
    keel_runtime *runtime = subject_runtime(NULL);

    if (argc < 2 || !runtime)
        return 1;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    raw_open(argv[argc - 1]);
    pipeline = subject_open(runtime, "service", "standard");
    if (keel_http_open(&client, runtime, NULL, NULL) != KEEL_OK)
        return 1;
    request.url = argv[argc - 1];
    request.done = kept_done;
    raw_round(WARM_UP);
    kept_round(WARM_UP);
    show();
    raw_close();
    keel_http_close(client);
    keel_pipeline_close(pipeline);
    return keel_close(runtime, 0) != KEEL_OK;
}
