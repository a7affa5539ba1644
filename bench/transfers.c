/* SPDX-License-Identifier: MIT */
/*
 * keel_curl_perform in place of curl_easy_perform: small answers over a kept connection.
 *
 *     transfers URL      wall time, in slices that alternate
 *     transfers - URL    the same ways in loops of two lengths between marks, for
 *                        callgrind; bench/transfers.sh reads it
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "report.h"
#include "subjects.h"

enum { LENGTH = 200 };

typedef struct client {
    keel_pipeline *pipeline; /* NULL: without keel */
    CURL *easy;
} client;

static size_t swallow(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

static void perform(uint64_t n, void *ctx)
{
    const client *c = ctx;

    for (uint64_t i = 0; i < n; i++) {
        int code = c->pipeline ? keel_curl_perform(c->pipeline, c->easy)
                               : (int)curl_easy_perform(c->easy);

        if (code != CURLE_OK) {
            fprintf(stderr, "bench: libcurl says %d\n", code);
            exit(1);
        }
    }
}

static CURL *handle_open(const char *url)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        exit(1);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    return easy;
}

static void count(client *c)
{
    perform(LENGTH, c); /* connects */
    path_mark();
    perform(LENGTH, c);
    path_mark();
    perform(3 * LENGTH, c);
    path_mark();
}

static void show(client *raw, client *kept)
{
    const bench_figure figures[] = {
        { "GET, kept connection, against itself", BENCH_WALL, 1.02, "curl_easy_perform",
          BENCH_ONE(perform, raw), BENCH_ONE(perform, raw) },
        { "GET, kept connection, keel_curl_perform", BENCH_WALL, 1.02,
          "curl_easy_perform", BENCH_ONE(perform, kept), BENCH_ONE(perform, raw) },
    };

    bench_report_begin("libcurl under the standard preset, wall time");
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    bench_report_end();
}

int main(int argc, char **argv)
{
    const char *url = argv[argc - 1];
    keel_runtime *runtime = subject_runtime(NULL);
    client raw = { NULL, NULL };
    client kept = { NULL, NULL };

    if (argc < 2 || !runtime)
        return 1;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    kept.pipeline = subject_open(runtime, "service", "standard");
    raw.easy = handle_open(url);
    kept.easy = handle_open(url);
    if (argc == 3) {
        count(&raw);
        count(&kept);
    } else if (bench_open()) {
        show(&raw, &kept);
        bench_close();
    }
    curl_easy_cleanup(raw.easy);
    curl_easy_cleanup(kept.easy);
    keel_pipeline_close(kept.pipeline);
    return keel_close(runtime, 0) != KEEL_OK;
}
