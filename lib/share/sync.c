/* SPDX-License-Identifier: MIT */
/* Reports to the fleet, in batches, and heartbeats. */
#include "share/relay.h"

#include "base/seed.h"

#define BEAT_NS (5 * KEEL_S)
#define TICK_NS KEEL_S
#define BATCH_TOO_OLD_NS (5 * KEEL_S)
#define RETIRED_LOOK_NS (10 * KEEL_S)

enum { MEMBER_MS = 15000 };

static void gather_one(keel_relay *r, keel_follower *f, uint64_t now,
                       keel_occasion occasion, uint64_t *next)
{
    keel_batch *b = &r->batch;
    keel_wire_report *report = &b->reports[b->sync.count];
    keel_follower_visit visit;
    uint64_t at;

    if (b->sync.count == KEEL_WIRE_BATCH || !keel_follower_enter(f, &visit))
        return;
    if (occasion == KEEL_OCCASION_TICK && f->asked_in == r->tick)
        occasion = KEEL_OCCASION_NONE; /* it was in an earlier batch of this tick's */
    if (keel_follower_report(f, visit.plan, now, occasion, report, &at)) {
        b->of[b->sync.count++] = f;
        f->asked_in = r->tick;
    }
    *next = keel_ns_min(*next, at);
    keel_follower_exit(f, &visit);
}

static keel_occasion occasion_of(const keel_relay *r, uint64_t now)
{
    if (now >= r->beat_at)
        return KEEL_OCCASION_BEAT;
    return now >= r->tick_at ? KEEL_OCCASION_TICK : KEEL_OCCASION_NONE;
}

/* In turn, so that each of many comes into a batch some time. A tick lasts until all
 * have been in one. */
static void gather_all(keel_relay *r, uint64_t now, uint64_t *next)
{
    keel_occasion occasion = occasion_of(r, now);
    keel_batch *b = &r->batch;

    b->sync = (keel_wire_sync){ .member_ms = MEMBER_MS,
                                .candidate = keel_seed() >> 11 | 1,
                                .reports = b->reports };
    for (uint32_t i = 0; i < r->count; i++)
        gather_one(r, r->followers[(r->first + i) % r->count], now, occasion, next);
    if (b->sync.count == KEEL_WIRE_BATCH) {
        r->first = (r->first + KEEL_WIRE_BATCH) % r->count;
        *next = now;
    } else if (occasion != KEEL_OCCASION_NONE) {
        r->tick_at = now + keel_random_spread(&r->rt->random, TICK_NS);
        r->tick++;
    }
}

/* True: there is something to send, if only a heartbeat. */
static bool gather(keel_relay *r, uint64_t now, uint64_t *next)
{
    keel_batch *b = &r->batch;

    gather_all(r, now, next);
    if (!b->sync.count && now < r->beat_at)
        return false;
    b->sync.sequence = ++r->sequence;
    b->made_at = now;
    keel_command_init(&r->batch_command, r->batch_bytes, sizeof r->batch_bytes);
    if (!keel_wire_sync_write(&r->batch_command, &r->fleet, &b->sync))
        return false;
    for (size_t i = 0; i < b->sync.count; i++)
        keel_follower_sent(b->of[i], &b->reports[i], now);
    return true;
}

/* Looks again now and then: a fleet that went back to before, or was flushed, is ours. */
static void retire(keel_relay *r, uint64_t now)
{
    bool is_news = !r->retired_until;

    r->retired_until = now + RETIRED_LOOK_NS;
    keel_link_lose(&r->link);
    r->was_up = false;
    if (!is_news)
        return;
    keel_runtime_log(r->rt, KEEL_LOG_ERROR, "fleet",
                     "fleet=left why=\"it is kept by a keel that this version does not "
                     "understand\"");
}

static void learn(keel_relay *r, const keel_wire_synced *synced, uint64_t now)
{
    keel_relay_tell_link(r, true, NULL);
    r->retired_until = 0;
    /* The server has lost its data: what we know, it wants to hear. */
    if (r->gen && synced->gen != r->gen)
        keel_relay_rejoin_all(r);
    r->gen = synced->gen;
    r->beat_at = now + keel_random_spread(&r->rt->random, BEAT_NS);
    r->members = synced->live;
    for (uint32_t i = 0; i < r->count; i++) {
        r->followers[i]->members = synced->live;
        r->followers[i]->gen = synced->gen;
    }
}

static void send_batch(keel_relay *r, uint64_t now)
{
    keel_wire_view views[KEEL_WIRE_BATCH];
    keel_wire_synced synced;
    redisReply *reply;
    keel_batch *b = &r->batch;

    b->is_unanswered = true;
    reply = keel_relay_ask(r, &r->batch_command);
    if (!reply)
        return;
    b->is_unanswered = false;
    if (!keel_wire_sync_read(reply, &b->sync, &synced, views)) {
        keel_relay_distrust(r);
    } else if (synced.min_reader > KEEL_WIRE_FORMAT) {
        retire(r, now);
    } else {
        learn(r, &synced, now);
        for (size_t i = 0; i < b->sync.count; i++) {
            keel_relay_hear(b->of[i], &views[i], now);
            keel_follower_pace(b->of[i], now + synced.pace_ms * KEEL_MS);
        }
    }
    freeReplyObject(reply);
}

/* A batch whose answer was lost is sent once more; too old, it says little. */
void keel_relay_sync(keel_relay *r, uint64_t now, uint64_t *next)
{
    if (r->batch.is_unanswered &&
        keel_ns_left(now, r->batch.made_at) > BATCH_TOO_OLD_NS)
        r->batch.is_unanswered = false;
    if (r->batch.is_unanswered || gather(r, now, next))
        send_batch(r, now);
}
