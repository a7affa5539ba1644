/* SPDX-License-Identifier: MIT */
/*
 * The author's request: whether it is one, and the copy that is kept of it. Texts and the
 * list that libcurl takes headers in lie in one piece, in the exchange where they fit.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/detail.h"
#include "base/memory.h"
#include "http/client/client.h"
#include "http/client/redirect.h"
#include "http/client/target.h"

enum { HEADERS_MAX = 64 << 10, LINES_MOST = 1000 };

/* The ends of every list; libcurl only reads them. */
static struct curl_slist no_expect = { (char *)(uintptr_t) "Expect:", NULL };
static struct curl_slist no_type = { (char *)(uintptr_t) "Content-Type:", &no_expect };

/* ---- whether it is one ----------------------------------------------------------------- */

/* RFC 9110, 5.6.2: what a method and the name of a header are made of. */
static bool is_token(const char *text)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return *text && !text[strspn(text, allowed)];
}

static bool has_line_break(const char *text)
{
    return strpbrk(text, "\r\n") != NULL;
}

/* By its place, for a name that is none may hold anything. */
static keel_status check_header(const keel_http_pair *pair, size_t place,
                                keel_detail *why)
{
    if (!pair->name || !is_token(pair->name))
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "http: headers[%zu].name is %s: it needs letters, digits or "
                          "hyphens, and no colon, blank or line break",
                          place, pair->name ? "not the name of a header" : "NULL");
    if (!pair->value || has_line_break(pair->value))
        return keel_failf(
            why, KEEL_E_ARGUMENT, "http: the value of header %.64s %s", pair->name,
            pair->value ? "has a line break in it" : "is NULL: an empty one is \"\"");
    return KEEL_OK;
}

static keel_status check_headers(const keel_http_request *r, keel_detail *why)
{
    keel_status status = KEEL_OK;

    if (r->header_count > LINES_MOST)
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "http: header_count is %zu, and %d is the most",
                          r->header_count, LINES_MOST);
    if (r->header_count && !r->headers)
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "http: header_count is %zu, but headers is NULL",
                          r->header_count);
    for (size_t i = 0; i < r->header_count && status == KEEL_OK; i++)
        status = check_header(&r->headers[i], i, why);
    return status;
}

static keel_status check_numbers(const keel_http_request *r, keel_detail *why)
{
    if (r->body_length && !r->body)
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "http: body_length is %zu, but body is NULL", r->body_length);
    if ((unsigned)r->safety > KEEL_CURL_UNSAFE)
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "http: safety is %d, which is no keel_curl_safety",
                          (int)r->safety);
    if ((unsigned)r->redirects > KEEL_HTTP_ANY_HOST)
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "http: redirects is %d, which is no keel_http_redirects",
                          (int)r->redirects);
    return KEEL_OK;
}

/* What a URL holds is not repeated: there may be a secret in it. */
keel_status keel_http_request_check(const keel_http_request *r, keel_detail *why)
{
    keel_status status;

    if (!r->url)
        return keel_fail(why, KEEL_E_ARGUMENT, "http: url is NULL");
    if (!keel_http_is_url(r->url) && !keel_http_is_path(r->url))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "http: url begins with none of http://, https:// and /");
    if (r->method && !is_token(r->method))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "http: method is not one word, such as GET or POST");
    status = check_numbers(r, why);
    return status == KEEL_OK ? check_headers(r, why) : status;
}

/* ---- the copy -------------------------------------------------------------------------- */

/* Where what is copied goes: first the lists, then the texts. */
typedef struct writer {
    struct curl_slist *line;
    char *text;
} writer;

static size_t line_size(const keel_http_pair *pair)
{
    return strlen(pair->name) + strlen(": ") + strlen(pair->value) + 1;
}

/* Two lists only where a redirect may need the second. */
static size_t lines_wanted(const keel_http_request *r)
{
    return r->redirects == KEEL_HTTP_ANY_HOST ? 2 * r->header_count : r->header_count;
}

static size_t size_of(const keel_http_request *r)
{
    size_t size = lines_wanted(r) * sizeof(struct curl_slist) + strlen(r->url) + 1;

    if (r->method)
        size += strlen(r->method) + 1;
    for (size_t i = 0; i < r->header_count; i++)
        size += line_size(&r->headers[i]);
    return size;
}

static void put(writer *w, const char *text)
{
    size_t length = strlen(text);

    memcpy(w->text, text, length + 1);
    w->text += length;
}

static char *copy_text(writer *w, const char *text)
{
    char *to = w->text;

    put(w, text);
    w->text++;
    return to;
}

/* libcurl takes "Name:" for a header to be left out, and "Name;" for one that is empty. */
static char *copy_line(writer *w, const keel_http_pair *pair)
{
    char *line = w->text;

    put(w, pair->name);
    put(w, *pair->value ? ": " : ";");
    put(w, pair->value);
    w->text++;
    return line;
}

static void prepend(writer *w, struct curl_slist **list, char *line)
{
    w->line->data = line;
    w->line->next = *list;
    *list = w->line++;
}

static struct curl_slist *end_of(const keel_exchange *x)
{
    if (!x->body_length)
        return NULL;
    return x->has_content_type ? &no_expect : &no_type;
}

/* From the last to the first, since the end of the list is there already. */
static void copy_headers(keel_exchange *x, writer *w, const keel_http_request *r)
{
    x->headers = x->public_headers = end_of(x);
    for (size_t i = r->header_count; i-- > 0;) {
        char *line = copy_line(w, &r->headers[i]);

        prepend(w, &x->headers, line);
        if (r->redirects == KEEL_HTTP_ANY_HOST &&
            !keel_http_is_confidential(r->headers[i].name))
            prepend(w, &x->public_headers, line);
    }
}

static bool names_type(const keel_http_request *r)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, "Content-Type") == 0)
            return true;
    return false;
}

static bool is_repeatable(const keel_http_request *r)
{
    if (r->safety != KEEL_CURL_BY_METHOD)
        return r->safety == KEEL_CURL_IDEMPOTENT;
    return keel_http_method_is_idempotent(r->method ? r->method : "GET");
}

bool keel_http_request_copy(keel_exchange *x, const keel_http_request *r)
{
    const keel_allocator *memory = x->client->runtime->memory;
    size_t size = size_of(r);
    writer w;

    x->text = size > sizeof x->room ? keel_memory_new(memory, size) : NULL;
    if (size > sizeof x->room && !x->text)
        return false;
    w.line = x->text ? x->text : (struct curl_slist *)(void *)x->room;
    w.text = (char *)(w.line + lines_wanted(r));
    x->url = copy_text(&w, r->url);
    x->method = r->method ? copy_text(&w, r->method) : "GET";
    x->body = r->body;
    x->body_length = r->body_length;
    x->has_content_type = names_type(r);
    copy_headers(x, &w, r);
    x->is_repeatable = is_repeatable(r);
    x->redirects = r->redirects;
    x->body_max = r->body_max;
    x->headers_max = r->headers_max ? r->headers_max : HEADERS_MAX;
    x->on_body = r->on_body;
    x->body_ctx = r->ctx;
    return true;
}
