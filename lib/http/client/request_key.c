/* SPDX-License-Identifier: MIT */
/* Keys of requests. */
#include "http/client/request_key.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "http/client/cache_rules.h"

/* They tell one request, or one attempt, from another, and nothing of what is asked. */
static const char *const left_out[] = {
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-correlation-id",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-keel-timeout-ms",
    "x-keel-attempt",
    "grpc-timeout",
    "grpc-previous-rpc-attempts",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-attempt-count",
};

static bool is_left_out(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strlen(left_out[i]) == length && !strncasecmp(left_out[i], name, length))
            return true;
    return false;
}

/* ---- which may be shared --------------------------------------------------------- */

static bool asks_for_its_own(const keel_request_field *field)
{
    if (!strcasecmp(field->name, "pragma"))
        return true;
    return !strcasecmp(field->name, "cache-control") &&
           (keel_cache_control_has(field->value, "no-store") ||
            keel_cache_control_has(field->value, "no-cache"));
}

bool keel_request_may_share(const keel_request *request)
{
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        return false;
    for (size_t i = 0; i < request->count; i++)
        if (asks_for_its_own(&request->fields[i]))
            return false;
    return true;
}

static bool names_user(const char *url)
{
    const char *host = strstr(url, "://");
    const char *at = host ? strchr(host + 3, '@') : NULL;

    return at && at < host + 3 + strcspn(host + 3, "/?#");
}

static bool has_credentials(const keel_request *request)
{
    for (size_t i = 0; i < request->count; i++)
        if (!strcasecmp(request->fields[i].name, "authorization"))
            return true;
    return request->has_credentials || names_user(request->url);
}

/* ---- the text -------------------------------------------------------------------- */

/* With to NULL, only counts. */
static size_t put(char *to, size_t at, const char *text)
{
    size_t size = strlen(text) + 1;

    if (to)
        memcpy(to + at, text, size);
    return at + size;
}

/* Names are the same in any case. */
static size_t put_name(char *to, size_t at, const char *name)
{
    size_t end = put(to, at, name);

    for (size_t i = at; to && i < end; i++)
        if (to[i] >= 'A' && to[i] <= 'Z')
            to[i] = (char)(to[i] - 'A' + 'a');
    return end;
}

static size_t put_all(char *to, const keel_request *request)
{
    size_t at = put(to, put(to, 0, request->url), request->method);

    for (size_t i = 0; i < request->count; i++) {
        const keel_request_field *field = &request->fields[i];

        if (is_left_out(field->name, strlen(field->name)))
            continue;
        at = put_name(to, at, field->name);
        at = put(to, at, field->value);
    }
    return at;
}

keel_request_key *keel_request_key_new(const keel_allocator *memory,
                                       const keel_request *request)
{
    size_t length = put_all(NULL, request);
    keel_request_key *key = keel_memory_new(memory, sizeof *key + length);

    if (!key)
        return NULL;
    key->length = put_all(key->text, request);
    key->url_length = strlen(request->url);
    key->has_credentials = has_credentials(request);
    return key;
}

bool keel_request_key_equals(const keel_request_key *a, const keel_request_key *b)
{
    return a->length == b->length && !memcmp(a->text, b->text, a->length);
}

bool keel_request_keys_cover(const char *vary)
{
    size_t length;

    for (; vary; vary += length) {
        vary += strspn(vary, " \t,");
        length = strcspn(vary, " \t,");
        if (!length)
            return true;
        if (*vary == '*' || is_left_out(vary, length))
            return false;
    }
    return true;
}

/* FNV-1a (Fowler, Noll, Vo), begun with the seed, its bits mixed at the end. */
uint64_t keel_request_hash(const char *text, size_t length, uint64_t seed)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}
