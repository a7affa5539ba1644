/* SPDX-License-Identifier: MIT */
/* Keys of requests. */
#include "http/request_key.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "http/cache_rules.h"

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

/* ---- the text ------------------------------------------------------------------ */

/* With to NULL, only counts. */
static size_t put(char *to, size_t at, const char *text)
{
    size_t size = strlen(text) + 1;

    if (to)
        memcpy(to + at, text, size);
    return at + size;
}

static size_t put_before_fields(char *to, const keel_request *request)
{
    size_t at = put(to, 0, request->url);

    at = put(to, at, request->method);
    at = put(to, at, request->authorization ? "+" : "");
    return put(to, at, request->authorization ? request->authorization : "");
}

static size_t put_all(char *to, const keel_request *request)
{
    size_t at = put_before_fields(to, request);

    for (size_t i = 0; i < request->count; i++) {
        at = put(to, at, request->fields[i].name);
        at = put(to, at, request->fields[i].value);
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
    key->fields_at = put_before_fields(NULL, request);
    key->has_authorization = request->authorization;
    return key;
}

bool keel_request_key_equals(const keel_request_key *a, const keel_request_key *b)
{
    return a->length == b->length && !memcmp(a->text, b->text, a->length);
}

/* ---- Vary ---------------------------------------------------------------------- */

static bool is_name(const char *known, const char *name, size_t length)
{
    return strlen(known) == length && !strncasecmp(known, name, length);
}

static bool has_field(const keel_request_key *key, const char *name, size_t length)
{
    const char *at = key->text + key->fields_at;

    if (is_name("authorization", name, length))
        return true;
    while (at < key->text + key->length) {
        if (is_name(at, name, length))
            return true;
        at += strlen(at) + 1; /* the name */
        at += strlen(at) + 1; /* its value */
    }
    return false;
}

bool keel_request_key_covers(const keel_request_key *key, const char *vary)
{
    while (vary) {
        size_t length;

        vary += strspn(vary, " \t,");
        length = strcspn(vary, " \t,");
        if (!length)
            return true;
        if (!has_field(key, vary, length)) /* "*" is no name */
            return false;
        vary += length;
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
