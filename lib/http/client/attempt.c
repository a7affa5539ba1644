/* SPDX-License-Identifier: MIT */
/*
 * One attempt on one easy handle: what libcurl is told of the request, and the handle's
 * way into the multi handle and out of it. Handles are kept with their settings, so that
 * an ordinary GET has only its URL and headers set. What an end means is exchange.c's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "call/race.h"
#include "http/client/client.h"
#include "http/facts.h"
#include "http/client/redirect.h"
#include "http/client/target.h"

enum { SHORT_URL_SIZE = 512 };

/* Of a call without policies (KEEL_DISABLED). */
#define PLAIN_TTL_NS (30 * KEEL_S)

/* ---- handles --------------------------------------------------------------------------- */

/* What holds for every request, as it is left by keel_attempt_drop. */
static void configure(keel_attempt_handle *a)
{
    CURL *easy = a->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, a);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* nor one that the environment names */
    if (a->client->prepare)
        a->client->prepare(easy, a->client->prepare_ctx);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* keel_attempt_hop does */
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, keel_http_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, a);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, keel_http_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, a->client);
    keel_answer_listen(a);
    a->is_plain = true;
    a->ttl_s = 0;
}

static keel_attempt_handle *handle_new(keel_http *client)
{
    keel_attempt_handle *a = keel_memory_new(client->runtime->memory, sizeof *a);

    if (!a)
        return NULL;
    a->client = client;
    a->easy = curl_easy_init();
    if (!a->easy) {
        keel_memory_free(client->runtime->memory, a);
        return NULL;
    }
    configure(a);
    return a;
}

static void handle_free(keel_attempt_handle *a)
{
    const keel_allocator *memory = a->client->runtime->memory;

    curl_easy_cleanup(a->easy);
    keel_memory_free(memory, a->travel);
    keel_memory_free(memory, a->body);
    keel_memory_free(memory, a);
}

static keel_attempt_handle *handle_take(keel_http *client)
{
    keel_attempt_handle *a = client->idle;

    if (!a)
        return handle_new(client);
    client->idle = a->next;
    client->idle_count--;
    return a;
}

static void handle_give(keel_attempt_handle *a)
{
    keel_http *client = a->client;

    if (client->idle_count == KEEL_HTTP_SPARE_MAX) {
        handle_free(a);
        return;
    }
    keel_answer_clear(a);
    a->next = client->idle;
    client->idle = a;
    client->idle_count++;
}

/* ---- the request ------------------------------------------------------------------------ */

static void set_body(keel_attempt_handle *a, const void *body, size_t length)
{
    curl_easy_setopt(a->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(a->easy, CURLOPT_POSTFIELDS, length ? body : "");
}

/* A GET without a body is what a handle has by itself; all else begins with one. */
static void set_method(keel_attempt_handle *a, const keel_exchange *x)
{
    const char *method = a->method;
    bool is_changed = method != x->method; /* by a redirect, and the body is gone */
    size_t length = is_changed ? 0 : x->body_length;

    if (strcmp(method, "GET") == 0 && !length && a->is_plain)
        return;
    a->is_plain = false;
    curl_easy_setopt(a->easy, CURLOPT_HTTPGET, 1L);
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(a->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (length || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        set_body(a, x->body, length);
    curl_easy_setopt(a->easy, CURLOPT_CUSTOMREQUEST, method);
}

/* Who we are is told to nobody but the host that the request names, and its socket is not
 * another's. */
static void leave_host(keel_attempt_handle *a)
{
    static const CURLoption texts[] = {
        CURLOPT_USERPWD,          CURLOPT_USERNAME,        CURLOPT_PASSWORD,
        CURLOPT_XOAUTH2_BEARER,   CURLOPT_COOKIE,          CURLOPT_SSLCERT,
        CURLOPT_SSLKEY,           CURLOPT_AWS_SIGV4,       CURLOPT_KEYPASSWD,
        CURLOPT_TLSAUTH_USERNAME, CURLOPT_TLSAUTH_PASSWORD
    };

    static const CURLoption blobs[] = { CURLOPT_SSLCERT_BLOB, CURLOPT_SSLKEY_BLOB };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        curl_easy_setopt(a->easy, texts[i], NULL);
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++)
        curl_easy_setopt(a->easy, blobs[i], NULL);
    curl_easy_setopt(a->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(a->easy, CURLOPT_UNIX_SOCKET_PATH, NULL);
    a->is_confidential = false;
    a->is_plain = false;
}

static bool add(keel_attempt_handle *a)
{
    a->is_added = curl_multi_add_handle(a->client->multi, a->easy) == CURLM_OK;
    return a->is_added;
}

static void clear(keel_attempt_handle *a, keel_exchange *x, uint32_t number)
{
    keel_answer_clear(a);
    a->exchange = x;
    a->number = number;
    a->is_copy = keel_race_copy(keel_machine_of(&x->call), number) != NULL;
    a->method = x->method;
    a->code = CURLE_OK;
    a->fd = -1;
    a->sends = 0;
    a->hops = 0;
    a->is_confidential = true;
    a->heard = false;
    a->is_too_large = false;
    a->has_no_memory = false;
    a->is_unwanted = false;
    a->is_resent = false;
    a->is_late = false;
    a->has_streamed = false;
}

static void set_times(keel_attempt_handle *a, const keel_exchange *x)
{
    const keel_machine *m = keel_machine_of(&x->call);
    uint64_t connect_ns = m->plan ? keel_machine_connect_ns(m) : 0;
    uint64_t now = keel_exchange_now(x);

    a->until_ns = keel_ns_add(now, keel_call_timeout_ns(&x->call));
    a->connect_until_ns = connect_ns ? keel_ns_add(now, connect_ns) : KEEL_NEVER;
}

bool keel_attempt_is_over(const keel_attempt_handle *a)
{
    return a->exchange && keel_exchange_now(a->exchange) >= a->until_ns;
}

/* So that an address that has moved is found while connections to it are alive. */
static void set_ttl(keel_attempt_handle *a, const keel_exchange *x)
{
    const keel_machine *m = keel_machine_of(&x->call);
    uint64_t ttl_ns = m->plan ? m->plan->policy.endpoints_ttl_ns : PLAIN_TTL_NS;
    uint64_t ttl_s = keel_ns_add(ttl_ns, KEEL_S - 1) / KEEL_S;

    if (a->ttl_s == (long)ttl_s)
        return;
    a->ttl_s = (long)(ttl_s < INT32_MAX ? ttl_s : INT32_MAX);
    curl_easy_setopt(a->easy, CURLOPT_DNS_CACHE_TIMEOUT, a->ttl_s);
    curl_easy_setopt(a->easy, CURLOPT_MAXLIFETIME_CONN, a->ttl_s);
}

/* What travels with this attempt, before what every attempt has. */
static bool set_headers(keel_attempt_handle *a, const keel_exchange *x)
{
    keel_header told[KEEL_CALL_HEADERS_MAX];
    size_t count = 0;

    a->headers = x->headers;
    (void)keel_call_headers(&x->call, told, KEEL_CALL_HEADERS_MAX, &count);
    if (count && !a->travel)
        a->travel = keel_memory_new(a->client->runtime->memory, sizeof *a->travel);
    if (count && !a->travel)
        return false;
    for (size_t i = 0; i < count; i++) {
        snprintf(a->travel->texts[i], sizeof a->travel->texts[i], "%s: %s",
                 told[i].name, told[i].value);
        a->travel->lines[i] =
            (struct curl_slist){ .data = a->travel->texts[i], .next = a->headers };
        a->headers = &a->travel->lines[i];
    }
    curl_easy_setopt(a->easy, CURLOPT_HTTPHEADER, a->headers);
    return true;
}

static keel_status set_joined(keel_attempt_handle *a, const char *endpoint,
                              const char *asked)
{
    const keel_allocator *memory = a->client->runtime->memory;
    size_t size = keel_http_target_size(endpoint, asked);
    char short_one[SHORT_URL_SIZE];
    char *url = size <= sizeof short_one ? short_one : keel_memory_new(memory, size);
    keel_status status = KEEL_E_CONFIG;

    if (!url)
        return KEEL_E_NOMEM;
    if (keel_http_target(url, endpoint, asked))
        status = curl_easy_setopt(a->easy, CURLOPT_URL, url) == CURLE_OK ? KEEL_OK
                                                                         : KEEL_E_NOMEM;
    if (url != short_one)
        keel_memory_free(memory, url);
    return status;
}

/* Not left set: the handle's next request may go elsewhere. */
static keel_status set_unix_socket(keel_attempt_handle *a, const char *path)
{
    if (strlen(path) >= sizeof((struct sockaddr_un){ 0 }).sun_path)
        return KEEL_E_CONFIG;
    a->is_plain = false;
    return curl_easy_setopt(a->easy, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK
               ? KEEL_OK
               : KEEL_E_NOMEM;
}

static keel_status set_endpoint(keel_attempt_handle *a, const keel_exchange *x,
                                const keel_endpoint *endpoint)
{
    keel_status status = KEEL_OK;

    a->endpoint = (int)endpoint->index;
    if (keel_http_is_path(endpoint->url))
        status = set_unix_socket(a, endpoint->url);
    return status == KEEL_OK ? set_joined(a, endpoint->url, x->url) : status;
}

static keel_status set_url(keel_attempt_handle *a, const keel_exchange *x)
{
    keel_endpoint endpoint = { .size = sizeof endpoint };

    a->endpoint = -1;
    if (keel_call_endpoint(&x->call, a->number, &endpoint) == KEEL_OK)
        return set_endpoint(a, x, &endpoint);
    if (!keel_http_is_url(x->url))
        return KEEL_E_ARGUMENT;
    return curl_easy_setopt(a->easy, CURLOPT_URL, x->url) == CURLE_OK ? KEEL_OK
                                                                      : KEEL_E_NOMEM;
}

static keel_status set_request(keel_attempt_handle *a, const keel_exchange *x)
{
    keel_status status = set_url(a, x);

    if (status != KEEL_OK)
        return status;
    if (!set_headers(a, x))
        return KEEL_E_NOMEM;
    set_ttl(a, x);
    set_method(a, x);
    return KEEL_OK;
}

keel_status keel_attempt_begin(keel_exchange *x, uint32_t number)
{
    keel_attempt_handle *a = handle_take(x->client);
    keel_status status;

    if (!a)
        return KEEL_E_NOMEM;
    clear(a, x, number);
    set_times(a, x);
    status = set_request(a, x);
    if (status == KEEL_OK && !add(a))
        status = KEEL_E_NOMEM;
    if (status != KEEL_OK) {
        keel_unfit_note(x, status, a->endpoint);
        keel_attempt_drop(a);
        return status;
    }
    a->next = x->attempts;
    x->attempts = a;
    return KEEL_OK;
}

/* ---- its end ------------------------------------------------------------------------------ */

void keel_attempt_stop(keel_attempt_handle *a, CURLcode code)
{
    a->code = code;
    if (!a->is_added)
        return;
    a->is_added = false;
    keel_http_curl_begin(a->client);
    curl_multi_remove_handle(a->client->multi, a->easy);
    keel_http_curl_end(a->client);
}

/*
 * Where the URL names credentials, libcurl's answer to "where to" does, too, if that is
 * relative; so they stay with their host.
 */
bool keel_attempt_hop(keel_attempt_handle *a)
{
    const keel_exchange *x = a->exchange;
    const char *from = NULL, *to = NULL;
    long status = 0;
    keel_hop hop;

    if (!x->redirects || a->hops == KEEL_HTTP_HOPS)
        return false;
    curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(a->easy, CURLINFO_EFFECTIVE_URL, &from);
    curl_easy_getinfo(a->easy, CURLINFO_REDIRECT_URL, &to);
    hop = keel_http_hop(x->redirects, status, from, to);
    if (hop == KEEL_HOP_NONE)
        return false;
    a->hops++;
    a->method = keel_http_hop_method(status, a->method);
    keel_answer_clear(a);
    if (hop == KEEL_HOP_ELSEWHERE)
        leave_host(a);
    curl_easy_setopt(a->easy, CURLOPT_URL, to);
    curl_easy_setopt(a->easy, CURLOPT_HTTPHEADER,
                     a->is_confidential ? a->headers : x->public_headers);
    set_method(a, x);
    return add(a);
}

/* A sending that was not let happen, and a head that was cut, are no answer. */
static CURLcode code_of(const keel_attempt_handle *a)
{
    if (a->is_late && a->code == CURLE_ABORTED_BY_CALLBACK)
        return CURLE_OPERATION_TIMEDOUT;
    if (a->is_resent && a->code == CURLE_ABORTED_BY_CALLBACK)
        return CURLE_GOT_NOTHING;
    if (a->code == CURLE_OK && !a->is_head_whole)
        return CURLE_PARTIAL_FILE;
    return a->code;
}

bool keel_attempt_is_answered(const keel_attempt_handle *a)
{
    return code_of(a) == CURLE_OK;
}

void keel_attempt_facts(const keel_attempt_handle *a, keel_http_facts *facts)
{
    keel_easy_facts(a->easy, code_of(a), KEEL_CURL_BY_METHOD, facts);
    facts->request_begun = a->sends > 0;
    facts->received = a->has_streamed;
    facts->repeatable = a->exchange->is_repeatable;
}

/* ---- putting away --------------------------------------------------------------------------- */

static void put_away(keel_attempt_handle *a)
{
    keel_attempt_stop(a, CURLE_ABORTED_BY_CALLBACK);
    a->exchange = NULL;
    if (!a->is_plain) {
        curl_easy_reset(a->easy);
        configure(a);
    }
    handle_give(a);
}

/* libcurl cannot let go of a handle that it is calling back from. */
void keel_attempt_drop(keel_attempt_handle *a)
{
    keel_http *client = a->client;

    if (!client->is_called_back) {
        put_away(a);
        return;
    }
    a->exchange = NULL;
    a->next = client->dropped;
    client->dropped = a;
}

void keel_attempts_sweep(keel_http *client)
{
    while (client->dropped) {
        keel_attempt_handle *a = client->dropped;

        client->dropped = a->next;
        put_away(a);
    }
}

void keel_attempts_cleanup(keel_http *client)
{
    while (client->idle) {
        keel_attempt_handle *a = client->idle;

        client->idle = a->next;
        handle_free(a);
    }
}
