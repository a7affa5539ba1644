/* SPDX-License-Identifier: MIT */
/* A fleet's Redis as a source of pipelines. */
#include "ops/source.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/detail.h"
#include "ops/redis_events.h"
#include "ops/redis_lock.h"

typedef struct redis_source {
    keel_source source; /* first: it is all that others know */
    keel_redis_client *client;
    keel_redis_events events;
    char name[KEEL_REDIS_URL_TEXT_SIZE + KEEL_WIRE_TAG + 16];
} redis_source;

static redis_source *inside(keel_source *source)
{
    return (redis_source *)source;
}

static keel_status look(keel_source *source, keel_view *view, keel_detail *why)
{
    return keel_redis_view(inside(source)->client, view, why);
}

static keel_status lock(keel_source *source, const char *name, keel_lock lock,
                        const keel_lock_options *options, keel_lock_state *standing,
                        keel_lock_state *replaced, keel_detail *why)
{
    return keel_redis_lock(inside(source)->client, name, lock, options, standing,
                           replaced, why);
}

static keel_status history(keel_source *source, const char *name,
                           keel_history_view *view)
{
    (void)source;
    (void)name;
    (void)view;
    return KEEL_E_UNSUPPORTED;
}

/* What was known so far is no event any more. The place is the source's own. */
static keel_event_cursor begin(keel_source *source)
{
    redis_source *r = inside(source);

    keel_redis_events_cleanup(&r->events);
    keel_redis_events_begin(&r->events, r->client);
    return (keel_event_cursor){ .position = 0 };
}

static keel_event_found next(keel_source *source, keel_event_cursor *cursor,
                             keel_event_view *event, uint64_t *lost, keel_detail *why)
{
    (void)cursor;
    *lost = 0;
    return keel_redis_events_next(&inside(source)->events, event, why);
}

static int fd(const keel_source *source)
{
    return keel_link_fd(&((const redis_source *)source)->client->link);
}

static bool is_current(keel_source *source)
{
    (void)source;
    return true;
}

static void close_source(keel_source *source)
{
    redis_source *r = inside(source);

    keel_redis_events_cleanup(&r->events);
    keel_redis_client_close(r->client);
    free(r);
}

/* Without user and password; with the namespace, since Redis may hold several. */
static void set_name(redis_source *r)
{
    char url[KEEL_REDIS_URL_TEXT_SIZE];

    snprintf(r->name, sizeof r->name, "%s (namespace %s)",
             keel_redis_url_print(&r->client->link.url, url), r->client->name_space);
    r->source.name = r->name;
}

static keel_status open_client(redis_source *r, const keel_process_settings *settings,
                               const char *url, keel_detail *why)
{
    keel_detail what = KEEL_DETAIL_INIT;
    keel_status status = keel_redis_client_open(&r->client, settings, url, &what);

    if (status != KEEL_OK)
        return keel_failf(why, status, "%s: %s", url ? "URL" : "KEEL_REDIS", what.text);
    set_name(r);
    status = keel_redis_client_connect(r->client, &what);
    if (status == KEEL_OK)
        return KEEL_OK;
    keel_redis_client_close(r->client);
    return keel_failf(why, status, "%s: %s", r->name, what.text);
}

keel_status keel_redis_source_open(keel_source **out,
                                   const keel_process_settings *settings,
                                   const char *url, keel_detail *why)
{
    redis_source *r = calloc(1, sizeof *r);
    keel_status status;

    *out = NULL;
    if (!r)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    r->source = (keel_source){ .look = look,
                               .lock = lock,
                               .history = history,
                               .begin = begin,
                               .next = next,
                               .fd = fd,
                               .is_current = is_current,
                               .close = close_source };
    status = open_client(r, settings, url, why);
    if (status == KEEL_OK)
        *out = &r->source;
    else
        free(r);
    return status;
}
