/* SPDX-License-Identifier: MIT */
/*
 * The author's request: whether it is one, and the copy that is kept of it. Texts and the
 * list that libcurl takes headers in lie in one piece, in the exchange where they fit.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

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

static const char *check_headers(const keel_http_request *r)
{
    if (r->header_count > LINES_MOST || (r->header_count && !r->headers))
        return "http: headers are missing, or too many";
    for (size_t i = 0; i < r->header_count; i++) {
        const keel_http_pair *pair = &r->headers[i];

        if (!pair->name || !is_token(pair->name))
            return "http: the name of a header is not one";
        if (!pair->value || has_line_break(pair->value))
            return "http: the value of a header is missing, or has a line break in it";
    }
    return NULL;
}

const char *keel_http_request_check(const keel_http_request *r)
{
    if (!r->url || !(keel_http_is_url(r->url) || keel_http_is_path(r->url)))
        return "http: the URL is neither an absolute one of http or https nor a path";
    if (r->method && !is_token(r->method))
        return "http: the method is not one";
    if (r->body_length && !r->body)
        return "http: the body is missing";
    if ((unsigned)r->safety > KEEL_CURL_UNSAFE ||
        (unsigned)r->redirects > KEEL_HTTP_ANY_HOST)
        return "http: safety or redirects is a number that means nothing";
    return check_headers(r);
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
