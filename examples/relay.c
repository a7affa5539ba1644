/* SPDX-License-Identifier: MIT */
/*
 * A relay behind CGI: it answers with what another service says, for as long as its own
 * caller waits and no longer, and tells that service how much is left. Usage: relay URL
 */
#include <ctype.h>
#include <curl/curl.h>
#include <keel/keel.h>
#include <stdio.h>
#include <stdlib.h>

/* CGI puts the header x-keel-timeout-ms into the variable HTTP_X_KEEL_TIMEOUT_MS. */
static const char *header_of(const char *name, void *ctx)
{
    char variable[64] = "HTTP_";

    (void)ctx;
    for (size_t i = 0; name[i] && i < sizeof variable - 6; i++)
        variable[i + 5] = name[i] == '-' ? '_' : (char)toupper(name[i]);
    return getenv(variable);
}

static keel_status attempt(const keel_call *call, CURL *easy)
{
    keel_header headers[KEEL_CALL_HEADERS_MAX];
    struct curl_slist *list = NULL;
    char line[80];
    size_t count;
    CURLcode code;

    if (keel_call_headers(call, headers, KEEL_CALL_HEADERS_MAX, &count) != KEEL_OK)
        return KEEL_FAILED;
    for (size_t i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%s: %s", headers[i].name, headers[i].value);
        list = curl_slist_append(list, line);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)keel_call_timeout_ms(call));
    code = curl_easy_perform(easy);
    curl_slist_free_all(list);
    return code == CURLE_OK ? KEEL_OK : KEEL_FAILED;
}

static keel_status relay(keel_runtime *rt, keel_pipeline *origin, CURL *easy)
{
    keel_inbound_options ceiling = { .size = sizeof ceiling, .ceiling_ns = 2000000000 };
    keel_inbound in = { .size = sizeof in };
    keel_call_options options = { .size = sizeof options };
    keel_call call;

    if (keel_deadline_from_headers(rt, header_of, NULL, &ceiling, &in) == KEEL_OK) {
        options.deadline_at_ns = in.deadline_at_ns;
        options.attempt = in.attempt;
    }
    keel_call_begin(&call, origin, &options);
    while (keel_call_next(&call))
        keel_call_report(&call, attempt(&call, easy));
    return keel_call_end(&call, NULL);
}

int main(int argc, char **argv)
{
    keel_runtime *rt;
    keel_pipeline *origin;
    CURL *easy = curl_easy_init();
    keel_status status = KEEL_E_NOMEM;

    if (argc < 2 || !easy || keel_open(&rt, NULL, NULL) != KEEL_OK)
        return 2;
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    puts("Content-Type: text/plain\n");
    if (keel_pipeline_open(&origin, rt, "origin", "deadline.header=keel", NULL) ==
        KEEL_OK) {
        status = relay(rt, origin, easy);
        keel_pipeline_close(origin);
    }
    curl_easy_cleanup(easy);
    keel_close(rt, 0);
    return status == KEEL_OK ? 0 : 1;
}
