/* SPDX-License-Identifier: MIT */
/*
 * The HTTP store: items below a URL, on any server that takes PUT, GET and DELETE and has
 * ETags. What is of objects with ETags in general is in objects.c.
 */
#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "bag/store/envelope.h"
#include "bag/store/objects.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

enum { HOST_SIZE = 300, BASE_SIZE = 1024 };

enum { OPTION_AUTHORIZATION, OPTION_CONDITIONS, OPTION_WEB };

static const keel_bag_option options[] = {
    { .name = "authorization",
      .type = KEEL_BAG_SECRET,
      .meaning = "The Authorization header of every request: Bearer TOKEN." },
    KEEL_OBJECTS_OPTION_ROW,
    KEEL_WEB_OPTION_ROWS,
};

/* base: URL with a "/" at its end */
typedef struct http {
    keel_objects objects; /* first */
    const char *authorization;
    char host[HOST_SIZE];
    char base[BASE_SIZE];
} http;

/* ---- opening ------------------------------------------------------------------------- */

static keel_status set_base(http *h, const keel_bag_setup *setup, const char *scheme,
                            keel_detail *why)
{
    bool is_ipv6 = strchr(setup->host, ':') != NULL;
    size_t length = strlen(setup->location);
    char path[BASE_SIZE], port[8] = "";
    int used;

    if (setup->port)
        snprintf(port, sizeof port, ":%u", setup->port);
    snprintf(h->host, sizeof h->host, "%s%s%s%s", is_ipv6 ? "[" : "", setup->host,
             is_ipv6 ? "]" : "", port);
    if (keel_sigv4_encode(setup->location, true, path, sizeof path) >= sizeof path)
        path[0] = '\0';
    used = snprintf(h->base, sizeof h->base, "%s://%s%s%s", scheme, h->host, path,
                    length && setup->location[length - 1] == '/' ? "" : "/");
    if (!*setup->host || (length && !path[0]) || used < 0 ||
        (size_t)used >= sizeof h->base)
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s://host/path is too long, or has no host", scheme);
    return KEEL_OK;
}

static void close_store(void *state)
{
    http *h = state;

    keel_objects_cleanup(&h->objects);
    keel_memory_free(h->objects.runtime->memory, h);
}

/* ---- requests ------------------------------------------------------------------------ */

static bool write_request(const keel_objects *o, const keel_object_request *q,
                          keel_object_room *room)
{
    const http *h = (const http *)o;
    keel_web_request *r = &room->aws.web;

    *r = (keel_web_request){ .method = q->method,
                             .url = room->aws.url,
                             .body = q->body,
                             .writes = strcmp(q->method, "GET") != 0,
                             .body_max = keel_objects_answer_max(q->method) };
    keel_sigv4_encode(q->name, true, room->path, sizeof room->path);
    snprintf(room->aws.url, sizeof room->aws.url, "%s%s", h->base, room->path);
    snprintf(room->range, sizeof room->range, "bytes=0-%d", KEEL_ENVELOPE_SIZE - 1);
    keel_web_add_header(r, "Host", h->host);
    if (h->authorization)
        keel_web_add_header(r, "Authorization", h->authorization);
    if (q->if_match)
        keel_web_add_header(r, "If-Match", q->if_match);
    if (q->if_none_match)
        keel_web_add_header(r, "If-None-Match", "*");
    if (q->only_envelope)
        keel_web_add_header(r, "Range", room->range);
    return true;
}

/* ---- refusals ------------------------------------------------------------------------ */

static bool is_none(const keel_web_answer *a)
{
    return a->response == 404;
}

/* What is refused with a 4xx was not done; after a 5xx nobody knows, but for 501. */
static keel_status refuse(const keel_objects *o, const keel_web_answer *a, bool writes,
                          keel_detail *why)
{
    bool is_known = !writes || a->response < 500 || a->response == 501;

    if (a->response == 429 || (a->response == 503 && a->asked_to_wait))
        return keel_web_refused(&o->web, a, KEEL_THROTTLED, KEEL_APPLIED_NO, why,
                                "the server asks for less: %ld", a->response);
    if (a->response == 413)
        return keel_web_refused(&o->web, a, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, why,
                                "the server takes nothing as large as that");
    return keel_web_refused(&o->web, a, KEEL_FAILED,
                            is_known ? KEEL_APPLIED_NO : KEEL_APPLIED_UNKNOWN, why,
                            "the server refuses: %ld", a->response);
}

static const keel_objects_kind kind = {
    .write = write_request,
    .is_none = is_none,
    .refuse = refuse,
    .deletes_if_match = true,
    .tells_delete = true,
};

/* ---- the tables ---------------------------------------------------------------------- */

static void look(void *state, keel_bag_abilities *a)
{
    keel_objects_look(state, a);
    a->native |= KEEL_IS_DURABLE;
}

static keel_status open_as(const char *scheme, void **state,
                           const keel_bag_setup *setup, keel_detail *why)
{
    http *h;
    keel_status status;

    if (*setup->user || *setup->password)
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s: it sends no user and password of its URL: say "
                          "authorization_file=, with the header's value in it",
                          setup->path);
    h = keel_memory_new(setup->runtime->memory, sizeof *h);
    if (!h)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    h->authorization = setup->values[OPTION_AUTHORIZATION].text;
    status = set_base(h, setup, scheme, why);
    if (status == KEEL_OK)
        status = keel_objects_init(&h->objects, setup, &kind,
                                   &setup->values[OPTION_CONDITIONS],
                                   setup->values + OPTION_WEB, why);
    if (status == KEEL_OK)
        *state = h;
    else
        keel_memory_free(setup->runtime->memory, h);
    return status;
}

static keel_status open_http(void **state, const keel_bag_setup *setup,
                             keel_detail *why)
{
    return open_as("http", state, setup, why);
}

static keel_status open_https(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    return open_as("https", state, setup, why);
}

#define TABLE(scheme, opener)                                                          \
    {                                                                                  \
        .size = sizeof(keel_bag_ops), .abi = KEEL_BAG_ABI, .name = scheme,             \
        .options = options, .meaning = "Objects of a web server that has ETags.",      \
        .open = opener, .close = close_store, .look = look, .get = keel_objects_get,   \
        .get_many = keel_objects_get_many, .store = keel_objects_store,                \
        .remove = keel_objects_remove, .health = keel_objects_health,                  \
    }

const keel_bag_ops keel_store_http = TABLE("http", open_http);
const keel_bag_ops keel_store_https = TABLE("https", open_https);
