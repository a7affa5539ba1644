/* SPDX-License-Identifier: MIT */
/*
 * The inside of the relay, for the files that make it: relay.c is its thread, sync.c
 * reports what was counted, asking.c asks about probes, locks and leases, hearing.c takes
 * what comes back.
 */
#ifndef KEEL_SHARE_RELAY_H
#define KEEL_SHARE_RELAY_H

#include <pthread.h>

#include "call/relay.h"
#include "share/follower.h"
#include "share/lessee.h"
#include "share/link.h"

#define KEEL_RELAY_KEEP_UP_NS (500 * KEEL_MS) /* well below what a say lasts */

enum {
    KEEL_RELAY_MEMBER_SIZE = 33,
    KEEL_RELAY_BYTES =
        KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER
};

/* A sync that is under way, or whose answer was lost: sent again, it is the same. */
typedef struct keel_batch {
    keel_wire_sync sync;
    keel_wire_report reports[KEEL_WIRE_BATCH];
    keel_follower *of[KEEL_WIRE_BATCH];
    uint64_t made_at;
    bool is_unanswered;
} keel_batch;

struct keel_relay {
    keel_runtime *rt;
    pthread_t thread;
    keel_descriptor stop; /* eventfds */
    keel_descriptor wake;
    _Atomic bool sleeps;
    keel_link link;
    keel_fleet fleet;
    char member[KEEL_RELAY_MEMBER_SIZE];
    keel_follower *followers[KEEL_PIPELINES_MAX];
    uint32_t count;
    keel_lessee *lessees[KEEL_PIPELINES_MAX];
    uint32_t lessee_count;
    uint32_t looked_at; /* pipelines that were looked at so far */
    uint32_t members;   /* of the fleet, when it was last heard of; 0: never */
    uint64_t sequence;
    uint64_t gen; /* of the server's data; 0: not known */
    uint64_t beat_at;
    uint64_t tick_at;
    uint32_t tick;  /* counts them */
    uint32_t first; /* of the breakers, whose turn it is to be gathered first */
    uint64_t kept_up_at;
    uint64_t looked_last_at;
    uint64_t retired_until; /* the fleet's keel is not understood here; 0: it is */
    bool was_up;
    bool leads;           /* speaks for its host; always, without a board */
    uint64_t led_at;      /* what another leader on the board wrote last */
    uint64_t led_seen_at; /* when that was first seen; 0: there is none */
    keel_batch batch;
    keel_command batch_command;
    keel_command command;
    char batch_bytes[KEEL_RELAY_BYTES];
    char bytes[KEEL_RELAY_BYTES];
};

static inline uint64_t keel_relay_now(const keel_relay *r)
{
    return r->rt->clock.now(r->rt->clock.ctx);
}

/* relay.c: in the log, where it is news. why: of a link that is lost */
void keel_relay_tell_link(keel_relay *r, bool is_up, const keel_detail *why);

/* sync.c: what there is to report, and its answer. *next: when there may be more */
void keel_relay_sync(keel_relay *r, uint64_t now, uint64_t *next);

/* asking.c */

/* Sends the command; NULL: the link is lost. */
redisReply *keel_relay_ask(keel_relay *r, keel_command *command);
/* What cannot be understood is not to be trusted in the rest either. */
void keel_relay_distrust(keel_relay *r);
/* A breaker's locks and probes, a pipeline's leases. */
void keel_relay_attend(keel_relay *r, keel_follower *f, uint64_t now);
void keel_relay_lease(keel_relay *r, keel_lessee *l, uint64_t now);

/* hearing.c */

void keel_relay_hear(keel_follower *f, const keel_wire_view *view, uint64_t now);
/* All messages that have come. */
void keel_relay_listen(keel_relay *r, uint64_t now);
/* After the link was lost, or the server's data: all is to be said anew. */
void keel_relay_rejoin_all(keel_relay *r);

#endif
