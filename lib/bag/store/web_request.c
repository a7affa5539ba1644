/* SPDX-License-Identifier: MIT */
/* What libcurl is told of a request, what it calls on the way, and what came of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/store/web_inside.h"
#include "base/memory.h"
#include "base/wall.h"
#include "call/runtime.h"
#include "http/retry_after.h"

enum { FIRST_BODY_SIZE = 4096, LINE_SIZE = 2048 };

/* ---- what libcurl calls -------------------------------------------------------------- */

/*
 * Called when there is a connection and before anything is sent on it. A second time:
 * a kept connection has died with the request on it, and libcurl would send it again.
 */
static int before_sending(void *ctx, char *there, char *here, int there_port,
                          int here_port)
{
    keel_web_going *g = ctx;

    (void)there;
    (void)here;
    (void)there_port;
    (void)here_port;
    return g->sends++ && g->request->writes ? CURL_PREREQFUNC_ABORT
                                            : CURL_PREREQFUNC_OK;
}

/*
 * An empty line ends a head. libcurl is content with one that the end of the connection
 * has cut, and tells of what it saw as if it were all.
 */
static size_t take_head(char *line, size_t one, size_t length, void *ctx)
{
    keel_web_going *g = ctx;

    (void)one;
    g->is_head_whole = length <= 2 && (line[0] == '\r' || line[0] == '\n');
    return length;
}

static bool grow(keel_web_going *g, size_t need)
{
    const keel_allocator *memory = g->web->runtime->memory;
    size_t room = g->room ? g->room : FIRST_BODY_SIZE;
    char *larger;

    while (room < need)
        room *= 2;
    larger = keel_memory_resize(memory, g->answer->body, g->answer->length, room);
    if (!larger)
        return false;
    g->answer->body = larger;
    g->room = room;
    return true;
}

static size_t take_body(char *from, size_t one, size_t length, void *ctx)
{
    keel_web_going *g = ctx;
    keel_web_answer *a = g->answer;

    (void)one;
    if (length > g->request->body_max - a->length) {
        g->is_too_long = true;
        return 0;
    }
    if (a->length + length + 1 > g->room && !grow(g, a->length + length + 1)) {
        g->has_no_memory = true;
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
static void set_options(keel_web_going *g)
{
    CURL *easy = g->lane->easy;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, g->request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* nor one that the environment has */
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, g->lane->said);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, g->lines);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, g);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, g);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, g);
    if (g->web->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, g->web->ca_file);
    set_method(easy, g->request);
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

static keel_applied applied_of(const keel_web_going *g)
{
    return g->sends && g->request->writes ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO;
}

keel_status keel_web_say(const keel_web_going *g, keel_status status, const char *text,
                         keel_detail *why)
{
    keel_bag_fail(why, status, applied_of(g), g->web->path, "%s", text);
    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = (int)g->code;
    return status;
}

static keel_status say_code(const keel_web_going *g, keel_detail *why)
{
    const char *said = g->lane->said;

    if (g->is_too_long)
        return keel_web_say(g, KEEL_FAILED, "the answer is longer than any should be",
                            why);
    if (g->has_no_memory || g->code == CURLE_OUT_OF_MEMORY)
        return keel_web_say(g, KEEL_E_NOMEM, "out of memory", why);
    if (g->code == CURLE_OPERATION_TIMEDOUT)
        return keel_web_say(g, KEEL_TIMEOUT,
                            g->sends ? "no answer in time" : "no connection in time",
                            why);
    if (g->sends > 1 && g->code == CURLE_ABORTED_BY_CALLBACK)
        return keel_web_say(g, KEEL_FAILED,
                            "the connection ended before an answer came", why);
    return keel_web_say(g, KEEL_FAILED, said[0] ? said : curl_easy_strerror(g->code),
                        why);
}

/* ---- from its beginning to its end --------------------------------------------------- */

keel_status keel_web_begin(keel_web_going *g, keel_detail *why)
{
    *g->answer = (keel_web_answer){ .response = 0 };
    g->lane->said[0] = '\0';
    g->lines = lines_of(g->request);
    if (!g->lines)
        return keel_web_say(g, KEEL_E_NOMEM,
                            "no memory for the request, or it is too long", why);
    set_options(g);
    return KEEL_OK;
}

keel_status keel_web_end(keel_web_going *g, keel_transfer_end end,
                         const keel_transfer_result *result, keel_detail *why)
{
    g->code = result->code;
    if (g->code == CURLE_OK && !g->is_head_whole)
        g->code = CURLE_PARTIAL_FILE;
    g->answer->response = result->response;
    if (end == KEEL_TRANSFER_DONE && g->code == CURLE_OK)
        read_headers(g->lane->easy, g->answer);
    curl_easy_setopt(g->lane->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(g->lines);
    if (end == KEEL_TRANSFER_CANCELLED)
        return keel_web_say(g, KEEL_CANCELLED, "cancelled by the caller", why);
    if (end == KEEL_TRANSFER_DONE && g->code == CURLE_OK)
        return KEEL_OK;
    return say_code(g, why);
}
