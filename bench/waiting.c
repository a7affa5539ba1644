/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand requests that wait for an answer in one event loop: what keel takes of
 * memory for each of them, what libcurl and the process take, and how many threads there
 * are. Where fewer descriptors are allowed, as many requests as there can be.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"
#include "station.h"

#define FOR_EVER (1000 * NS_PER_S)

enum { MANY = 10000, SPARE_DESCRIPTORS = 200, HOSTS = 200, HEADER = 16, TURNS = 100 };

/* What was taken and not given back; of keel, and of libcurl. */
static size_t kept, kept_by_curl;

/* ---- memory, counted by size ------------------------------------------------------------- */

static void *take_counted(size_t size, size_t *sum)
{
    char *block = malloc(size + HEADER);

    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    *sum += size;
    return block + HEADER;
}

static void give_counted(void *memory, size_t *sum)
{
    char *block = memory;
    size_t size;

    if (!block)
        return;
    block -= HEADER;
    memcpy(&size, block, sizeof size);
    *sum -= size;
    free(block);
}

static void *take(size_t size, void *ctx)
{
    (void)ctx;
    return take_counted(size, &kept);
}

static void give(void *memory, void *ctx)
{
    (void)ctx;
    give_counted(memory, &kept);
}

static void *curl_take(size_t size)
{
    return take_counted(size, &kept_by_curl);
}

static void curl_give(void *memory)
{
    give_counted(memory, &kept_by_curl);
}

static void *curl_take_zeroed(size_t count, size_t size)
{
    void *memory = curl_take(count * size);

    return memory ? memset(memory, 0, count * size) : NULL;
}

static void *curl_take_again(void *memory, size_t size)
{
    void *larger = curl_take(size);
    size_t before = 0;

    if (memory)
        memcpy(&before, (char *)memory - HEADER, sizeof before);
    if (!larger)
        return NULL;
    if (memory)
        memcpy(larger, memory, before < size ? before : size);
    curl_give(memory);
    return larger;
}

static char *curl_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = curl_take(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

/* ---- what the process has ---------------------------------------------------------------- */

/* A line of /proc/self/status: "VmRSS", "Threads". */
static unsigned long status_of(const char *what)
{
    FILE *file = fopen("/proc/self/status", "re");
    unsigned long value = 0;
    char line[256];

    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, what, strlen(what)) && line[strlen(what)] == ':')
            value = strtoul(line + strlen(what) + 1, NULL, 10);
    if (file)
        fclose(file);
    return value;
}

static bool may_open(rlim_t descriptors)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max < descriptors)
        return false;
    limit.rlim_cur = descriptors;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static unsigned requests_possible(void)
{
    unsigned most = MANY;

    while (!may_open(most + SPARE_DESCRIPTORS))
        most /= 2;
    return most;
}

/* ---- the measurement --------------------------------------------------------------------- */

static void done(keel_status status, const keel_http_response *response,
                 const keel_detail *detail, void *ctx)
{
    (void)status;
    (void)response;
    (void)detail;
    (void)ctx;
}

/* On many addresses: libcurl looks at every connection to a host for one to use. */
static bool start_all(keel_http *client, keel_pipeline *pipeline, const char *port,
                      unsigned count)
{
    char url[64];
    const keel_http_request request = { .size = sizeof request,
                                        .url = url,
                                        .done = done };

    for (unsigned i = 0; i < count; i++) {
        snprintf(url, sizeof url, "http://127.0.0.%u:%s/a/path?id=12345", 1 + i % HOSTS,
                 port);
        if (keel_http_start(client, pipeline, &request, NULL, NULL) != KEEL_OK)
            return false;
    }
    for (int i = 0; i < TURNS; i++)
        if (keel_http_poll(client, NS_PER_MS) != KEEL_OK)
            return false;
    return keel_http_in_flight(client) == count;
}

static bool measure(keel_http *client, keel_pipeline *pipeline, const station *server,
                    unsigned count)
{
    const char *port = strrchr(server->url, ':') + 1;
    size_t before = kept, curl_before = kept_by_curl;
    unsigned long resident = status_of("VmRSS");
    unsigned long threads;

    if (!start_all(client, pipeline, port, count))
        return false;
    resident = status_of("VmRSS") - resident;
    threads = status_of("Threads");
    printf("%u requests wait for an answer; each took libcurl %.0f bytes, and made the "
           "process %.0f bytes larger\n",
           count, (double)(kept_by_curl - curl_before) / count,
           (double)resident * 1024 / count);
    load_tell("a request that waits: keel's own memory",
              (double)(kept - before) / count, 1024, "bytes", false);
    load_tell("all requests that wait: the process has", (double)threads, 1, "threads",
              false);
    return true;
}

static bool run(const station *server, unsigned count)
{
    static const char *const nothing[] = { NULL };
    const keel_allocator memory = { take, give, NULL };
    const keel_options options = { .size = sizeof options,
                                   .allocator = &memory,
                                   .environment = nothing };
    keel_pipeline *pipeline = NULL;
    keel_http *client = NULL;
    keel_runtime *runtime;
    bool is_done;

    is_done = keel_open(&runtime, &options, NULL) == KEEL_OK &&
              keel_pipeline_open(&pipeline, runtime, "service",
                                 "bulkhead=off; timeout=60s; deadline=60s",
                                 NULL) == KEEL_OK &&
              keel_http_open(&client, runtime, NULL, NULL) == KEEL_OK &&
              measure(client, pipeline, server, count);
    keel_http_close(client);
    keel_pipeline_close(pipeline);
    return keel_close(runtime, 0) == KEEL_OK && is_done;
}

int main(void)
{
    unsigned count = requests_possible();
    station server;
    bool is_done;

    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_take, curl_give, curl_take_again,
                         curl_copy, curl_take_zeroed);
    is_done = station_start(&server, STATION_MANY, FOR_EVER) && run(&server, count);
    station_stop(&server);
    curl_global_cleanup();
    return !is_done;
}
