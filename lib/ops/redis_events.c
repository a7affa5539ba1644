/* SPDX-License-Identifier: MIT */
/* Following a fleet: messages and looks are compared with what was known. */
#include "ops/redis_events.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/wall.h"

#define LOOK_EVERY_NS (5 * KEEL_S)

enum { KNOWN_MOST = 16384 };

struct keel_redis_known {
    char name[KEEL_NAME_MAX + 1];
    keel_breaker_state state;
    uint64_t epoch;
    uint64_t lock_number;
    keel_lock lock;
};

/* What a message or a look says of one breaker. */
typedef struct report {
    const char *name;
    bool has_state;
    keel_breaker_state state;
    keel_cause cause;
    uint64_t epoch;
    uint64_t lock_number;
    const keel_lock_state *lock; /* NULL: who and why is to be asked */
} report;

/* ---- what is known ----------------------------------------------------------------- */

static bool make_room(keel_redis_events *e)
{
    size_t room = e->room ? e->room * 2 : KEEL_WIRE_BATCH;
    keel_redis_known *larger;

    if (e->count < e->room)
        return true;
    larger = e->count < KNOWN_MOST ? realloc(e->known, room * sizeof *larger) : NULL;
    if (!larger)
        return false;
    e->known = larger;
    e->room = room;
    return true;
}

/* One that is new was closed, as all are at first. NULL: there are too many. */
static keel_redis_known *recall(keel_redis_events *e, const char *name)
{
    keel_redis_known *k;

    for (size_t i = 0; i < e->count; i++)
        if (!strcmp(e->known[i].name, name))
            return &e->known[i];
    if (!make_room(e))
        return NULL;
    k = &e->known[e->count++];
    *k = (keel_redis_known){ .state = KEEL_BREAKER_CLOSED };
    memcpy(k->name, name, strlen(name) + 1);
    return k;
}

/* The server's data were lost: numbers begin anew. */
static void forget_epochs(keel_redis_events *e)
{
    for (size_t i = 0; i < e->count; i++)
        e->known[i].epoch = 0;
}

/* ---- events ------------------------------------------------------------------------ */

static keel_event_view *add(keel_redis_events *e, const report *r, keel_event_type type)
{
    keel_event_view *event = &e->ready[e->ready_count++];

    *event = (keel_event_view){ .is_of_fleet = true,
                                .sequence = ++e->sequence,
                                .wall_ms = keel_wall_ms(),
                                .type = type };
    memcpy(event->name, r->name, strlen(r->name) + 1);
    return event;
}

static void compare_state(keel_redis_events *e, const report *r, keel_redis_known *k)
{
    keel_event_view *event;

    if (!r->has_state || r->epoch <= k->epoch ||
        !keel_wire_epoch_is_plausible(k->epoch, r->epoch))
        return;
    if (e->has_looked && r->state != k->state) {
        event = add(e, r, KEEL_EVENT_TRANSITION);
        event->from = k->state;
        event->to = r->state;
        event->cause = r->cause;
        event->generation = r->epoch;
    }
    k->epoch = r->epoch;
    k->state = r->state;
}

static keel_lock_state ask_lock(keel_redis_events *e, const char *name)
{
    keel_pipeline_view view;
    uint64_t unused;

    (void)keel_redis_look(e->client, name, &view, &unused, NULL); /* empty on failure */
    return view.lock;
}

/* One that has run out keeps its number; that it is over is no message, but is seen. */
static void compare_lock(keel_redis_events *e, const report *r, keel_lock kind,
                         keel_redis_known *k)
{
    if (r->lock_number < k->lock_number ||
        (r->lock_number == k->lock_number && kind == k->lock))
        return;
    if (e->has_looked) {
        keel_event_view *event = add(e, r, KEEL_EVENT_LOCKED);

        event->lock = r->lock ? *r->lock : ask_lock(e, r->name);
        event->lock.lock = kind;
    }
    k->lock_number = r->lock_number;
    k->lock = kind;
}

static void compare(keel_redis_events *e, const report *r, keel_lock kind)
{
    keel_redis_known *k = recall(e, r->name);

    if (!k)
        return;
    compare_state(e, r, k);
    compare_lock(e, r, kind, k);
}

/* ---- messages ---------------------------------------------------------------------- */

static void hear(keel_redis_events *e, const keel_wire_event *heard)
{
    char name[KEEL_NAME_MAX + 1] = "";
    const report r = { .name = name,
                       .has_state = heard->view.state != KEEL_WIRE_UNKNOWN,
                       .state = (keel_breaker_state)heard->view.state,
                       .cause = (keel_cause)heard->view.cause,
                       .epoch = heard->view.epoch,
                       .lock_number = heard->view.lock_epoch };

    if (heard->name.length > KEEL_NAME_MAX)
        return;
    memcpy(name, heard->name.at, heard->name.length);
    if (keel_name_is_valid(name))
        compare(e, &r, heard->view.lock);
}

static void end_message(keel_redis_events *e)
{
    if (e->message)
        freeReplyObject(e->message);
    e->message = NULL;
}

/* False: all of it is told. */
static bool go_on_with_message(keel_redis_events *e)
{
    keel_wire_event heard;

    if (!e->message)
        return false;
    if (keel_wire_message_next(&e->rest, &heard)) {
        hear(e, &heard);
        return true;
    }
    end_message(e);
    return false;
}

static void begin_message(keel_redis_events *e, keel_text text)
{
    if (!keel_wire_message_read(text, &e->rest)) {
        end_message(e);
        return;
    }
    if (e->gen && e->rest.gen && e->rest.gen != e->gen)
        forget_epochs(e);
    e->gen = e->rest.gen ? e->rest.gen : e->gen;
}

static bool take_message(keel_redis_events *e, keel_detail *why)
{
    keel_text text;

    if (!keel_link_is_up(&e->client->link) ||
        !keel_link_message(&e->client->link, &e->message, &text, why))
        return false;
    begin_message(e, text);
    return true;
}

/* ---- looks ------------------------------------------------------------------------- */

static bool take_look(keel_redis_events *e, keel_detail *why)
{
    e->look_at = keel_socket_now() + LOOK_EVERY_NS;
    e->viewed = 0;
    e->is_looking = keel_redis_view(e->client, &e->view, why) == KEEL_OK;
    return e->is_looking;
}

/* A lock that does not stand has no number in a view, it is the one that was known; nor
 * is it seen whether somebody has lifted it. */
static void see(keel_redis_events *e, const keel_pipeline_view *p)
{
    static const keel_lock_state none = { .size = 0 };
    const keel_redis_known *k = recall(e, p->name);
    const report r = { .name = p->name,
                       .has_state = p->has_state,
                       .state = p->state,
                       .cause = p->cause,
                       .epoch = p->generation,
                       .lock_number = p->lock.size ? p->lock.version
                                      : k          ? k->lock_number
                                                   : 0,
                       .lock = p->lock.size ? &p->lock : &none };

    compare(e, &r, p->lock.lock);
}

static void go_on_with_look(keel_redis_events *e)
{
    if (e->viewed < e->view.count) {
        see(e, &e->view.pipelines[e->viewed++]);
        return;
    }
    keel_view_cleanup(&e->view);
    e->is_looking = false;
    e->has_looked = true;
}

/* ---- the connection ---------------------------------------------------------------- */

/* Said once, however long it lasts. It may have been lost when nobody asked why. */
static keel_event_found say_away(keel_redis_events *e, keel_detail *why)
{
    bool is_news = !e->is_away;

    if (why && !*why->text)
        keel_fail(why, KEEL_FAILED, "the connection is lost");
    end_message(e);
    e->is_away = true;
    return is_news ? KEEL_EVENT_AWAY : KEEL_EVENT_END;
}

/* What was missed meanwhile is seen by a look. */
static keel_event_found come_back(keel_redis_events *e, keel_detail *why)
{
    if (keel_redis_client_connect(e->client, why) != KEEL_OK || !take_look(e, why))
        return KEEL_EVENT_END;
    e->is_away = false;
    return KEEL_EVENT_BACK;
}

/* ---- in order ---------------------------------------------------------------------- */

void keel_redis_events_begin(keel_redis_events *e, keel_redis_client *client)
{
    *e = (keel_redis_events){ .client = client };
}

void keel_redis_events_cleanup(keel_redis_events *e)
{
    end_message(e);
    keel_view_cleanup(&e->view);
    free(e->known);
}

/* Looks for more, until there is an event or nothing more to look at. */
static keel_event_found gather(keel_redis_events *e, keel_detail *why)
{
    while (!e->ready_count) {
        if (e->is_looking) {
            go_on_with_look(e);
        } else if (go_on_with_message(e)) {
            continue;
        } else if (!keel_link_is_up(&e->client->link)) {
            return e->is_away ? come_back(e, why) : say_away(e, why);
        } else if (keel_socket_now() >= e->look_at) {
            if (!take_look(e, why))
                return say_away(e, why);
        } else if (!take_message(e, why)) {
            return keel_link_is_up(&e->client->link) ? KEEL_EVENT_END
                                                     : say_away(e, why);
        }
    }
    return KEEL_EVENT_FOUND;
}

keel_event_found keel_redis_events_next(keel_redis_events *e, keel_event_view *event,
                                        keel_detail *why)
{
    keel_event_found found = gather(e, why);

    if (found != KEEL_EVENT_FOUND)
        return found;
    *event = e->ready[0];
    e->ready[0] = e->ready[1];
    e->ready_count--;
    return found;
}
