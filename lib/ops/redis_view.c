/* SPDX-License-Identifier: MIT */
/* Pages of the index, a look at each name on them, and views made of that. */
#include "ops/redis_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/shown_text.h"
#include "base/wall.h"

#define LOOK_NS (5 * KEEL_S)

enum { PIPELINES_MOST = 16384 };

/* ---- a page of the index ----------------------------------------------------------- */

typedef struct page {
    keel_wire_page said;
    size_t count;
    char names[KEEL_WIRE_BATCH][KEEL_NAME_MAX + 1];
} page;

/* Names that a pipeline cannot have are left out. */
static void take_names(page *p, const keel_text *names)
{
    p->count = 0;
    for (size_t i = 0; i < p->said.count; i++) {
        char *to = p->names[p->count];

        if (names[i].length > KEEL_NAME_MAX)
            continue;
        memcpy(to, names[i].at, names[i].length);
        to[names[i].length] = '\0';
        p->count += keel_name_is_valid(to);
    }
}

static keel_status read_page(keel_redis_client *client, uint32_t first, page *p,
                             keel_detail *why)
{
    keel_text names[KEEL_WIRE_BATCH];
    keel_status status;
    redisReply *reply;

    keel_wire_names_write(keel_redis_client_command(client), &client->fleet, first,
                          KEEL_WIRE_BATCH);
    status = keel_redis_client_ask(client, &reply, why);
    if (status != KEEL_OK)
        return status;
    if (keel_wire_names_read(reply, names, KEEL_WIRE_BATCH, &p->said))
        take_names(p, names);
    else
        status = keel_redis_client_distrust(client, why);
    freeReplyObject(reply);
    return status;
}

/* ---- what a look says -------------------------------------------------------------- */

static void set_text(char *to, size_t size, keel_text from)
{
    size_t length = from.length < size - 1 ? from.length : size - 1;

    memcpy(to, from.at, length);
    to[length] = '\0';
    keel_shown_text(to);
}

/* Of one that was lifted the texts stay: who did it. */
static void set_lock(const keel_wire_look *look, keel_lock_state *lock)
{
    lock->size = look->view.lock == KEEL_LOCK_NONE ? 0 : sizeof *lock;
    lock->lock = look->view.lock;
    lock->version = look->view.lock_epoch;
    lock->left_ns = look->view.lock_remaining_ms * KEEL_MS;
    lock->set_s = look->locked_at_ms / 1000;
    set_text(lock->actor, sizeof lock->actor, look->actor);
    set_text(lock->reason, sizeof lock->reason, look->reason);
}

/* The server says how long ago, so that its clock and ours need not agree. */
static uint64_t since(const keel_wire_view *view)
{
    bool is_known = view->cause != KEEL_CAUSE_NONE && view->since_ms < UINT32_MAX - 1;

    return is_known ? (keel_wall_ms() - view->since_ms) / 1000 : 0;
}

/* Causes by which the fleet's window has opened it. */
static bool is_of_window(keel_cause cause)
{
    return cause == KEEL_CAUSE_FAILURE_RATE || cause == KEEL_CAUSE_SLOW_RATE ||
           cause == KEEL_CAUSE_CONSECUTIVE;
}

/*
 * Members tell failures at once, and successes when they are asked, which they are before
 * the window opens the breaker. With share.trip=any nobody was asked, and there are none.
 */
static void set_totals(const keel_wire_look *look, keel_pipeline_view *view)
{
    bool knows_calls = view->state == KEEL_BREAKER_OPEN && is_of_window(view->cause) &&
                       look->calls > 0;
    bool knows_bad =
        knows_calls || (view->has_state && view->state == KEEL_BREAKER_CLOSED);

    view->totals =
        (keel_totals){ .total = knows_calls ? look->calls : KEEL_VIEW_UNKNOWN,
                       .failed = knows_bad ? look->bad : KEEL_VIEW_UNKNOWN,
                       .slow = knows_bad ? look->slow : KEEL_VIEW_UNKNOWN };
}

static void set_view(const keel_wire_look *look, const char *name,
                     keel_pipeline_view *view)
{
    const keel_wire_view *v = &look->view;

    *view = (keel_pipeline_view){ .is_of_fleet = true, .has_breaker = true };
    memcpy(view->name, name, strlen(name) + 1);
    set_lock(look, &view->lock);
    view->has_state = v->state != KEEL_WIRE_UNKNOWN;
    if (view->has_state) {
        view->state = (keel_breaker_state)v->state;
        view->generation = v->epoch;
        view->since_s = since(v);
        view->cause = (keel_cause)v->cause;
        view->probe_in_ns = v->remaining_ms * KEEL_MS;
    }
    set_totals(look, view);
    view->places = (keel_places_view){ .in_use = look->places,
                                       .limit = look->places_limit,
                                       .others_wait = look->others_wait };
    view->tokens = (keel_tokens_view){ .left = look->tokens,
                                       .burst = look->burst,
                                       .count = look->rate_count,
                                       .period_ns = look->period_us * 1000 };
}

static keel_status read_looks(keel_redis_client *client, const char *const *names,
                              keel_wire_look *looks, size_t count, redisReply **reply,
                              keel_detail *why)
{
    keel_status status;

    keel_wire_looks_write(keel_redis_client_command(client), &client->fleet, names,
                          count);
    status = keel_redis_client_ask(client, reply, why);
    if (status == KEEL_OK && !keel_wire_looks_read(*reply, looks, count)) {
        freeReplyObject(*reply);
        status = keel_redis_client_distrust(client, why);
    }
    return status;
}

keel_status keel_redis_look(keel_redis_client *client, const char *name,
                            keel_pipeline_view *view, uint64_t *lock_number,
                            keel_detail *why)
{
    keel_wire_look look;
    redisReply *reply;
    keel_status status = read_looks(client, &name, &look, 1, &reply, why);

    *view = (keel_pipeline_view){ .has_breaker = false };
    *lock_number = 0;
    if (status != KEEL_OK)
        return status;
    set_view(&look, name, view);
    *lock_number = look.view.lock_epoch;
    freeReplyObject(reply);
    return KEEL_OK;
}

/* ---- all of it --------------------------------------------------------------------- */

static bool make_room(keel_view *view, size_t count)
{
    keel_pipeline_view *larger =
        realloc(view->pipelines, (view->count + count) * sizeof *larger);

    if (larger)
        view->pipelines = larger;
    return larger;
}

static keel_status add_page(keel_redis_client *client, const page *p, keel_view *view,
                            keel_detail *why)
{
    const char *names[KEEL_WIRE_BATCH];
    keel_wire_look looks[KEEL_WIRE_BATCH];
    redisReply *reply;
    keel_status status;

    if (!p->count)
        return KEEL_OK;
    if (!make_room(view, p->count))
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    for (size_t i = 0; i < p->count; i++)
        names[i] = p->names[i];
    status = read_looks(client, names, looks, p->count, &reply, why);
    if (status != KEEL_OK)
        return status;
    for (size_t i = 0; i < p->count; i++)
        set_view(&looks[i], names[i], &view->pipelines[view->count++]);
    freeReplyObject(reply);
    return KEEL_OK;
}

static keel_status add_pages(keel_redis_client *client, keel_view *view,
                             keel_detail *why)
{
    uint64_t until = keel_socket_now() + LOOK_NS;
    uint32_t first = 0;
    page p;

    do {
        keel_status status = read_page(client, first, &p, why);

        if (status == KEEL_OK)
            status = add_page(client, &p, view, why);
        if (status != KEEL_OK)
            return status;
        view->members = p.said.live;
        first += KEEL_WIRE_BATCH;
        view->is_cut = p.said.listed == KEEL_WIRE_BATCH &&
                       (first >= PIPELINES_MOST || keel_socket_now() >= until);
    } while (p.said.listed == KEEL_WIRE_BATCH && !view->is_cut);
    return KEEL_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const keel_pipeline_view *)a)->name,
                  ((const keel_pipeline_view *)b)->name);
}

/* The index is in the order of use: what moves between two pages comes twice. */
static void sort(keel_view *view)
{
    size_t count = 0;

    if (!view->count)
        return;
    qsort(view->pipelines, view->count, sizeof *view->pipelines, by_name);
    for (size_t i = 1; i < view->count; i++)
        if (by_name(&view->pipelines[count], &view->pipelines[i]) != 0)
            view->pipelines[++count] = view->pipelines[i];
    view->count = count + 1;
}

keel_status keel_redis_view(keel_redis_client *client, keel_view *view,
                            keel_detail *why)
{
    keel_status status;

    *view = (keel_view){ .count = 0 };
    status = add_pages(client, view, why);
    if (status == KEEL_OK)
        sort(view);
    else
        keel_view_cleanup(view);
    return status;
}

static bool has_name(const page *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->names[i], name))
            return true;
    return false;
}

keel_status keel_redis_is_listed(keel_redis_client *client, const char *name,
                                 bool *is_listed, keel_detail *why)
{
    uint64_t until = keel_socket_now() + LOOK_NS;
    page p;

    *is_listed = false;
    for (uint32_t first = 0; !*is_listed && first < PIPELINES_MOST;
         first += KEEL_WIRE_BATCH) {
        keel_status status = read_page(client, first, &p, why);

        if (status != KEEL_OK)
            return status;
        *is_listed = has_name(&p, name);
        if (p.said.listed < KEEL_WIRE_BATCH || keel_socket_now() >= until)
            break;
    }
    return KEEL_OK;
}
