/* SPDX-License-Identifier: MIT */
/*
 * A page fetched into memory under a pipeline. A 503, or half of a page, is fetched again
 * because the buffer can be emptied; without sink_reset no answer is. Usage: curl URL
 */
#include <curl/curl.h>
#include <keel/keel.h>
#include <stdio.h>
#include <string.h>

typedef struct page {
    size_t length;
    char text[65536];
} page;

static size_t page_add(char *bytes, size_t size, size_t count, void *ctx)
{
    page *p = ctx;
    size_t length = size * count;

    if (length > sizeof p->text - p->length)
        return 0; /* too large: libcurl gives up, and keel does not blame the server */
    memcpy(p->text + p->length, bytes, length);
    p->length += length;
    return length;
}

static int page_empty(void *ctx)
{
    ((page *)ctx)->length = 0;
    return 0;
}

static keel_status fetch(keel_pipeline *web, CURL *easy, const char *url, page *p)
{
    keel_curl_options options = { .size = sizeof options,
                                  .sink_reset = page_empty,
                                  .ctx = p };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, page_add);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
    status = keel_curl_perform_with(web, easy, &options, NULL, &why);
    if (status == KEEL_OK)
        printf("%zu bytes, %u attempts\n", p->length, (unsigned)why.attempts);
    else
        fprintf(stderr, "%s: %s\n", url, why.text);
    return status;
}

int main(int argc, char **argv)
{
    static page p;
    keel_runtime *rt;
    keel_pipeline *web;
    CURL *easy = curl_easy_init();
    keel_status status = KEEL_E_NOMEM;

    if (argc < 2 || !easy || keel_open(&rt, NULL, NULL) != KEEL_OK)
        return 2;
    if (keel_pipeline_open(&web, rt, "web", "timeout=2s; deadline=5s", NULL) ==
        KEEL_OK) {
        status = fetch(web, easy, argv[1], &p);
        keel_pipeline_close(web);
    }
    curl_easy_cleanup(easy);
    keel_close(rt, 0);
    return status == KEEL_OK ? 0 : 1;
}
