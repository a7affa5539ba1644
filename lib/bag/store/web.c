/* SPDX-License-Identifier: MIT */
/* Requests on pooled pairs of an easy and a multi handle. Not for retrying anything. */
#include "bag/store/web.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/sigpipe.h"
#include "base/wall.h"
#include "call/runtime.h"
#include "http/check.h"
#include "http/retry_after.h"
#include "http/transfer.h"

/* Servers and what stands before them let go of quiet connections after about that. */
#define IDLE_NS (20 * KEEL_S)

enum { FIRST_BODY_SIZE = 4096, LINE_SIZE = 2048 };

/* One connection: libcurl keeps it in the multi handle. */
typedef struct handles {
    CURLM *multi;
    CURL *easy;
    char said[CURL_ERROR_SIZE]; /* libcurl's own words */
} handles;

/* A request under way. sends: how often libcurl was about to send it */
typedef struct exchange {
    keel_web *web;
    const keel_bag_op *op;
    const keel_web_request *request;
    keel_web_answer *answer;
    unsigned sends;
    size_t room;
    bool is_head_whole;
    bool is_too_long;
    bool has_no_memory;
    CURLcode code;
} exchange;

/* ---- connections --------------------------------------------------------------------- */

/* A child of the process that made them would say goodbye on its parent's connections. */
static void close_handles(void *ctx, void *connection)
{
    keel_web *web = ctx;
    handles *h = connection;
    keel_sigpipe guard;

    if (web->incarnation == keel_process_incarnation()) {
        keel_sigpipe_block(&guard);
        if (h->easy)
            curl_easy_cleanup(h->easy);
        if (h->multi)
            curl_multi_cleanup(h->multi);
        keel_sigpipe_restore(&guard);
    }
    keel_memory_free(web->runtime->memory, h);
}

/* No byte is sent yet: libcurl connects when it first has a request. */
static keel_status open_handles(void *ctx, uint64_t until_ns, void **connection,
                                keel_detail *why)
{
    keel_web *web = ctx;
    handles *h = keel_memory_new(web->runtime->memory, sizeof *h);

    (void)until_ns;
    if (!h)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    if (!h->multi || !h->easy) {
        close_handles(web, h);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 1L);
    *connection = h;
    return KEEL_OK;
}

static const keel_pool_kind kind = { open_handles, close_handles };

/* Only where libcurl counts its users under a lock. */
static bool hold_libcurl(void)
{
    return (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_THREADSAFE) &&
           curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
}

keel_status keel_web_init(keel_web *web, const keel_bag_setup *setup,
                          const keel_bag_value *values, keel_detail *why)
{
    keel_status status = keel_http_check(why);

    if (status != KEEL_OK)
        return status;
    web->runtime = setup->runtime;
    web->path = setup->path;
    web->ca_file = values[KEEL_WEB_CA_FILE].text;
    web->connect_ns = values[KEEL_WEB_CONNECT_TIMEOUT].number;
    web->incarnation = keel_process_incarnation();
    web->holds_libcurl = hold_libcurl();
    keel_pool_init(&web->pool, &kind, web, &setup->runtime->clock,
                   (uint32_t)values[KEEL_WEB_CONNECTIONS].number, IDLE_NS);
    return KEEL_OK;
}

void keel_web_cleanup(keel_web *web)
{
    keel_pool_cleanup(&web->pool);
    if (web->holds_libcurl)
        curl_global_cleanup();
}

/* ---- what libcurl calls -------------------------------------------------------------- */

/*
 * Called when there is a connection and before anything is sent on it. A second time:
 * a kept connection has died with the request on it, and libcurl would send it again.
 */
static int before_sending(void *ctx, char *there, char *here, int there_port,
                          int here_port)
{
    exchange *e = ctx;

    (void)there;
    (void)here;
    (void)there_port;
    (void)here_port;
    return e->sends++ && e->request->writes ? CURL_PREREQFUNC_ABORT
                                            : CURL_PREREQFUNC_OK;
}

/*
 * An empty line ends a head. libcurl is content with one that the end of the connection
 * has cut, and tells of what it saw as if it were all.
 */
static size_t take_head(char *line, size_t one, size_t length, void *ctx)
{
    exchange *e = ctx;

    (void)one;
    e->is_head_whole = length <= 2 && (line[0] == '\r' || line[0] == '\n');
    return length;
}

static bool grow(exchange *e, size_t need)
{
    const keel_allocator *memory = e->web->runtime->memory;
    size_t room = e->room ? e->room : FIRST_BODY_SIZE;
    char *larger;

    while (room < need)
        room *= 2;
    larger = keel_memory_new(memory, room);
    if (!larger)
        return false;
    if (e->answer->length)
        memcpy(larger, e->answer->body, e->answer->length);
    keel_memory_free(memory, e->answer->body);
    e->answer->body = larger;
    e->room = room;
    return true;
}

static size_t take_body(char *from, size_t one, size_t length, void *ctx)
{
    exchange *e = ctx;
    keel_web_answer *a = e->answer;

    (void)one;
    if (length > e->request->body_max - a->length) {
        e->is_too_long = true;
        return 0;
    }
    if (a->length + length + 1 > e->room && !grow(e, a->length + length + 1)) {
        e->has_no_memory = true;
        return 0;
    }
    memcpy(a->body + a->length, from, length);
    a->length += length;
    a->body[a->length] = '\0';
    return length;
}

/* ---- the request --------------------------------------------------------------------- */

bool keel_web_add_header(keel_web_request *r, const char *name, const char *value)
{
    if (r->header_count == KEEL_WEB_HEADERS)
        return false;
    r->headers[r->header_count++] = (keel_sigv4_pair){ name, value };
    return true;
}

static bool append(struct curl_slist **lines, const char *name, const char *value)
{
    char line[LINE_SIZE];
    int length = snprintf(line, sizeof line, "%s:%s%s", name, *value ? " " : "", value);
    struct curl_slist *longer = NULL;

    if (length > 0 && (size_t)length < sizeof line)
        longer = curl_slist_append(*lines, line);
    explicit_bzero(line, sizeof line);
    if (longer)
        *lines = longer;
    return longer;
}

/* NULL: no memory, or a header that is too long. */
static struct curl_slist *lines_of(const keel_web_request *r)
{
    struct curl_slist *lines = NULL;
    /* no waiting for a 100 before the body, and no form that it would be */
    bool done =
        append(&lines, "Expect", "") &&
        append(&lines, "Content-Type", r->type ? r->type : "application/octet-stream");

    for (size_t i = 0; i < r->header_count && done; i++)
        done = append(&lines, r->headers[i].name, r->headers[i].value);
    if (done)
        return lines;
    curl_slist_free_all(lines);
    return NULL;
}

static void set_method(CURL *easy, const keel_web_request *r)
{
    if (strcmp(r->method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else if (strcmp(r->method, "DELETE") == 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    } else {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.length ? r->body.at : "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

/* Anew for each request, so that none inherits what the one before had. */
static void set_options(exchange *e, handles *h, struct curl_slist *lines)
{
    CURL *easy = h->easy;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, e->request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* nor one that the environment has */
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->said);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, e);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, e);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, e);
    if (e->web->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, e->web->ca_file);
    set_method(easy, e->request);
}

/* ---- the answer ---------------------------------------------------------------------- */

static const char *header_of(CURL *easy, const char *name)
{
    struct curl_header *header;

    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

static void read_headers(CURL *easy, keel_web_answer *a)
{
    const char *etag = header_of(easy, "ETag");
    const char *crc32 = header_of(easy, "x-amz-crc32");
    const char *wait = header_of(easy, "Retry-After");

    if (etag && strlen(etag) < sizeof a->etag)
        memcpy(a->etag, etag, strlen(etag) + 1);
    a->has_crc32 = crc32 != NULL;
    a->crc32 = crc32 ? (uint32_t)strtoul(crc32, NULL, 10) : 0;
    a->asked_to_wait =
        wait && keel_retry_after_read(wait, keel_wall_seconds(), &a->retry_after_ns);
}

/* ---- what came of it ----------------------------------------------------------------- */

static keel_applied applied_of(const exchange *e)
{
    return e->request->writes && e->sends ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO;
}

static keel_status say(const exchange *e, keel_status status, const char *text,
                       keel_detail *why)
{
    keel_bag_fail(why, status, applied_of(e), e->web->path, "%s", text);
    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = (int)e->code;
    return status;
}

static keel_status say_code(const exchange *e, const handles *h, keel_detail *why)
{
    if (e->is_too_long)
        return say(e, KEEL_FAILED, "the answer is longer than any should be", why);
    if (e->has_no_memory || e->code == CURLE_OUT_OF_MEMORY)
        return say(e, KEEL_E_NOMEM, "out of memory", why);
    if (e->code == CURLE_OPERATION_TIMEDOUT)
        return say(e, KEEL_TIMEOUT,
                   e->sends ? "no answer in time" : "no connection in time", why);
    if (e->sends > 1 && e->code == CURLE_ABORTED_BY_CALLBACK)
        return say(e, KEEL_FAILED, "the connection ended before an answer came", why);
    return say(e, KEEL_FAILED, h->said[0] ? h->said : curl_easy_strerror(e->code), why);
}

/* ---- one exchange -------------------------------------------------------------------- */

static keel_transfer_end run(exchange *e, handles *h)
{
    keel_runtime *runtime = e->web->runtime;
    const keel_transfer transfer = { .multi = h->multi,
                                     .easy = h->easy,
                                     .runtime = runtime,
                                     .until_ns = e->op->deadline_at_ns,
                                     .connect_until_ns = keel_ns_add(
                                         keel_now(runtime), e->web->connect_ns),
                                     .cancel = e->op->cancel };
    keel_transfer_result result = { .code = CURLE_OK };
    keel_transfer_end end;
    keel_sigpipe guard;

    h->said[0] = '\0';
    keel_sigpipe_block(&guard);
    end = keel_transfer_run(&transfer, &result);
    keel_sigpipe_restore(&guard);
    e->code = result.code;
    if (e->code == CURLE_OK && !e->is_head_whole)
        e->code = CURLE_PARTIAL_FILE;
    e->answer->response = result.response;
    return end;
}

static keel_status use(exchange *e, handles *h, keel_detail *why)
{
    struct curl_slist *lines = lines_of(e->request);
    keel_transfer_end end;

    if (!lines)
        return say(e, KEEL_E_NOMEM, "no memory for the request, or it is too long",
                   why);
    set_options(e, h, lines);
    end = run(e, h);
    if (end == KEEL_TRANSFER_DONE && e->code == CURLE_OK)
        read_headers(h->easy, e->answer);
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(lines);
    if (end == KEEL_TRANSFER_CANCELLED)
        return say(e, KEEL_CANCELLED, "cancelled by the caller", why);
    if (end == KEEL_TRANSFER_DONE && e->code == CURLE_OK)
        return KEEL_OK;
    return say_code(e, h, why);
}

keel_status keel_web_exchange(keel_web *web, const keel_bag_op *op,
                              const keel_web_request *r, keel_web_answer *answer,
                              keel_detail *why)
{
    exchange e = { .web = web, .op = op, .request = r, .answer = answer };
    keel_detail said = KEEL_DETAIL_INIT;
    keel_pooled taken;
    keel_status status;

    *answer = (keel_web_answer){ .response = 0 };
    if (keel_now(web->runtime) >= op->deadline_at_ns)
        return say(&e, KEEL_DEADLINE, "the deadline had passed before", why);
    status = keel_pool_take(&web->pool, op->deadline_at_ns, op->cancel, &taken, &said);
    if (status != KEEL_OK)
        return say(&e, status, said.text, why);
    status = use(&e, taken.connection, why);
    keel_pool_give(&web->pool, &taken, status == KEEL_OK);
    return status;
}

void keel_web_answer_free(const keel_web *web, keel_web_answer *answer)
{
    keel_memory_free(web->runtime->memory, answer->body);
    answer->body = NULL;
}

keel_status keel_web_refused(const keel_web *web, const keel_web_answer *answer,
                             keel_status status, keel_applied applied, keel_detail *why,
                             const char *format, ...)
{
    char sentence[sizeof why->storage];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    keel_bag_fail(why, status, applied, web->path, "%s", sentence);
    if (why && why->size > offsetof(keel_detail, retry_after_ns))
        why->retry_after_ns = answer->asked_to_wait ? answer->retry_after_ns : 0;
    return status;
}

bool keel_web_is_origin(const char *text, const char **host)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i]);

        if (strncmp(text, schemes[i], length) == 0) {
            *host = text + length;
            return **host && !strpbrk(*host, "/?#@ ");
        }
    }
    return false;
}
