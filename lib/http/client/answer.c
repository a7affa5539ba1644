/* SPDX-License-Identifier: MIT */
/*
 * What libcurl delivers of an answer, kept within bounds, and the answer as its author
 * sees it. Not for what it means.
 */
#include <string.h>

#include "base/memory.h"
#include "http/client/answer_copy.h"
#include "http/client/client.h"

enum { FIRST_BODY_SIZE = 1024, BODY_MAX = 1 << 20 };

/* ---- while it comes ------------------------------------------------------------------ */

/*
 * There is a connection, and a request is about to be sent on it. A second time without
 * an answer in between: a kept connection has died with the request on it, and libcurl
 * would send it again. Nothing is sent for which there is no time left.
 */
static int before_sending(void *ctx, char *there, char *here, int there_port,
                          int here_port)
{
    keel_attempt_handle *a = ctx;
    bool again = a->sends > 0 && !a->heard;

    (void)there;
    (void)here;
    (void)there_port;
    (void)here_port;
    a->is_late = keel_attempt_is_over(a);
    if (a->is_late)
        return CURL_PREREQFUNC_ABORT;
    a->sends++;
    a->heard = false;
    if (!again)
        return CURL_PREREQFUNC_OK;
    a->is_resent = true;
    return a->exchange && a->exchange->is_repeatable ? CURL_PREREQFUNC_OK
                                                     : CURL_PREREQFUNC_ABORT;
}

/*
 * An empty line ends a head, and what follows are trailers. libcurl is content with a head
 * that the end of the connection has cut, and tells of what it saw as if it were all.
 */
static void follow_head(keel_attempt_handle *a, const char *line, size_t length)
{
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
        a->is_head_whole = false;
    else if (length <= 2 && (line[0] == '\r' || line[0] == '\n'))
        a->is_head_whole = true;
}

static size_t take_head(char *line, size_t one, size_t length, void *ctx)
{
    keel_attempt_handle *a = ctx;

    (void)one;
    a->heard = true;
    follow_head(a, line, length);
    a->head_length += length;
    if (!a->exchange || a->head_length > a->exchange->headers_max) {
        a->is_too_large = true;
        return 0;
    }
    return length;
}

static bool grow(keel_attempt_handle *a, size_t need)
{
    const keel_allocator *memory = a->client->runtime->memory;
    size_t room = a->room ? a->room : FIRST_BODY_SIZE;
    char *larger;

    while (room < need)
        room *= 2;
    larger = keel_memory_resize(memory, a->body, a->length, room);
    if (!larger)
        return false;
    a->body = larger;
    a->room = room;
    return true;
}

static size_t keep(keel_attempt_handle *a, const char *from, size_t length)
{
    size_t limit = a->exchange->body_max ? a->exchange->body_max : BODY_MAX;

    if (length > limit - a->length) {
        a->is_too_large = true;
        return 0;
    }
    if (a->length + length + 1 > a->room && !grow(a, a->length + length + 1)) {
        a->has_no_memory = true;
        return 0;
    }
    memcpy(a->body + a->length, from, length);
    a->length += length;
    a->body[a->length] = '\0';
    return length;
}

/* Its author may close the client in there: then the exchange is gone. */
static bool ask_author(const keel_exchange *x, const char *from, size_t length)
{
    keel_http *client = x->client;
    unsigned outer = keel_http_author_begin(client);
    bool wants_more = x->on_body(from, length, x->body_ctx);

    keel_http_author_end(client, outer);
    return wants_more;
}

static size_t hand_on(keel_attempt_handle *a, const char *from, size_t length)
{
    keel_exchange *x = a->exchange;
    size_t limit = x->body_max;

    if (limit && length > limit - a->length) {
        a->is_too_large = true;
        return 0;
    }
    a->length += length;
    a->has_streamed = true;
    if (!ask_author(x, from, length))
        a->is_unwanted = true;
    return a->is_unwanted || !a->exchange ? 0 : length;
}

static bool is_good(CURL *easy)
{
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status < 400;
}

/* The body of an answer that sends us elsewhere is of no use. */
static bool is_on_its_way(const keel_attempt_handle *a)
{
    long status = 0;

    if (!a->exchange->redirects)
        return false;
    curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    return status / 100 == 3;
}

static size_t take_body(char *from, size_t one, size_t length, void *ctx)
{
    keel_attempt_handle *a = ctx;

    (void)one;
    if (!a->exchange)
        return 0;
    if (a->exchange->on_body && is_good(a->easy) && !is_on_its_way(a))
        return hand_on(a, from, length);
    return keep(a, from, length);
}

void keel_answer_listen(keel_attempt_handle *a)
{
    curl_easy_setopt(a->easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(a->easy, CURLOPT_PREREQDATA, a);
    curl_easy_setopt(a->easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(a->easy, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(a->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(a->easy, CURLOPT_WRITEDATA, a);
}

/* For another answer, or none. */
void keel_answer_clear(keel_attempt_handle *a)
{
    a->length = 0;
    a->head_length = 0;
    a->is_head_whole = false;
    if (a->room <= KEEL_HTTP_BODY_KEPT)
        return;
    keel_memory_free(a->client->runtime->memory, a->body);
    a->body = NULL;
    a->room = 0;
}

/* ---- as it is seen ------------------------------------------------------------------- */

const keel_http_response *keel_answer_show(keel_attempt_handle *a, uint32_t attempts)
{
    keel_http_response *r = &a->response;
    bool is_kept = a->length > 0 && !a->has_streamed;
    const char *url = "";
    long status = 0;

    if (!a->is_head_whole)
        return NULL;
    curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(a->easy, CURLINFO_EFFECTIVE_URL, &url);
    *r = (keel_http_response){ .size = sizeof *r,
                               .status = (int)status,
                               .body = is_kept ? a->body : "",
                               .body_length = is_kept ? a->length : 0,
                               .url = url,
                               .attempts = attempts,
                               .endpoint = a->endpoint,
                               .keel_private = a };
    return r;
}

void keel_answer_lend(const keel_http_response *response)
{
    void *owner = (void *)(uintptr_t)response->keel_private;

    if (keel_answer_is_anothers(response))
        ((keel_equal *)owner)->is_kept = true;
    else
        ((keel_attempt_handle *)owner)->is_kept = true;
}

static const char *header_of(const keel_attempt_handle *a, const char *name,
                             size_t index)
{
    struct curl_header *header;

    return curl_easy_header(a->easy, name, index, CURLH_HEADER, -1, &header) ==
                   CURLHE_OK
               ? header->value
               : NULL;
}

const char *keel_http_header(const keel_http_response *response, const char *name,
                             size_t index)
{
    const void *owner = response ? response->keel_private : NULL;

    if (!owner || !name)
        return NULL;
    return keel_answer_is_anothers(response)
               ? keel_answer_copy_header(((const keel_equal *)owner)->answer, name,
                                         index)
               : header_of(owner, name, index);
}
