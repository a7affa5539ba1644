/* SPDX-License-Identifier: MIT */
/*
 * What happens to the breakers of a fleet, heard on its channel. Redis keeps no journal
 * of it: what nobody listened to is only seen in what it came to. So all breakers are
 * looked at once in a few seconds, and after the connection was lost; what is found to be
 * different is an event like those that were heard.
 */
#ifndef KEEL_OPS_REDIS_EVENTS_H
#define KEEL_OPS_REDIS_EVENTS_H

#include "ops/redis_view.h"
#include "ops/source.h"

typedef struct keel_redis_known keel_redis_known;

enum { KEEL_REDIS_EVENTS_AT_ONCE = 2 }; /* one word may tell of a state and a lock */

typedef struct keel_redis_events {
    keel_redis_client *client;
    keel_redis_known *known; /* as it was told last */
    size_t count, room;
    uint64_t gen; /* of the server's data; 0: not known */
    uint64_t sequence;
    bool is_away;
    bool has_looked; /* what is seen at first is no event */

    bool is_looking;
    keel_view view; /* of the look under way, and how far it is told */
    size_t viewed;
    uint64_t look_at; /* the next one; on the sockets' clock */

    redisReply *message; /* the one under way, and how far it is told */
    keel_wire_message rest;

    keel_event_view ready[KEEL_REDIS_EVENTS_AT_ONCE];
    size_t ready_count;
} keel_redis_events;

/* client: borrowed, and connected */
void keel_redis_events_begin(keel_redis_events *e, keel_redis_client *client);
void keel_redis_events_cleanup(keel_redis_events *e);

/*
 * The next event; never waits for one. KEEL_EVENT_AWAY: the connection is lost, and why;
 * KEEL_EVENT_BACK: it is there again.
 */
keel_event_found keel_redis_events_next(keel_redis_events *e, keel_event_view *event,
                                        keel_detail *why);

#endif
