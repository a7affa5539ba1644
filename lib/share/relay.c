/* SPDX-License-Identifier: MIT */
/*
 * The relay: one thread that speaks to the fleet for its process, or for its host where
 * there is a board. It looks at words that calls change, asks Redis, and moves words that
 * calls read; nobody ever waits for it. Not for what is said (follower.c) or how it is
 * sent (link.c).
 */
#include "call/relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/seed.h"
#include "share/follower.h"
#include "share/lessee.h"
#include "share/link.h"

#define BEAT_NS (5 * KEEL_S)
#define TICK_NS KEEL_S
#define BOARD_LOOK_NS (10 * KEEL_MS) /* other processes cannot wake us */
#define BUSY_LOOK_NS (5 * KEEL_MS)
#define RETRY_LOOK_NS (50 * KEEL_MS)
#define KEEP_UP_NS (500 * KEEL_MS) /* well below what a say lasts */
#define LEADER_LOST_NS (3 * KEEL_S)
#define OVERSLEPT_NS (2 * KEEL_S)
#define BATCH_TOO_OLD_NS (5 * KEEL_S)
#define RETIRED_LOOK_NS (10 * KEEL_S)

enum {
    MEMBER_MS = 15000,
    MEMBER_SIZE = 33,
    COMMAND_BYTES = KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER
};

/* A sync that is under way, or whose answer was lost: sent again, it is the same. */
typedef struct batch {
    keel_wire_sync sync;
    keel_wire_report reports[KEEL_WIRE_BATCH];
    keel_follower *of[KEEL_WIRE_BATCH];
    uint64_t made_at;
    bool is_unanswered;
} batch;

struct keel_relay {
    keel_runtime *rt;
    pthread_t thread;
    int stop_fd;
    int wake_fd;
    _Atomic bool sleeps;
    keel_link link;
    keel_fleet fleet;
    char member[MEMBER_SIZE];
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
    uint64_t kept_up_at;
    uint64_t looked_last_at;
    uint64_t
        retired_until; /* the fleet is of a keel not understood here; 0: it is not */
    bool was_up;
    bool leads;           /* speaks for its host; always, without a board */
    uint64_t led_at;      /* what another leader on the board wrote last */
    uint64_t led_seen_at; /* when that was first seen; 0: there is none */
    batch batch;
    keel_command batch_command;
    keel_command command;
    char batch_bytes[COMMAND_BYTES];
    char bytes[COMMAND_BYTES];
};

static uint64_t now_of(const keel_relay *r)
{
    return r->rt->clock.now(r->rt->clock.ctx);
}

/* ---- who it speaks for -------------------------------------------------------------- */

static void follow(keel_relay *r, keel_pipeline *pipeline)
{
    keel_follower *f;

    if (pipeline->scopes.share != KEEL_SCOPE_FLEET)
        return;
    f = keel_memory_new(r->rt->memory, sizeof *f);
    if (!f)
        return; /* it goes by its own rules */
    keel_follower_init(f, pipeline);
    r->followers[r->count++] = f;
}

static void lease_for(keel_relay *r, keel_pipeline *pipeline)
{
    keel_lessee *l;

    if (pipeline->scopes.bulkhead != KEEL_SCOPE_FLEET &&
        pipeline->scopes.rate != KEEL_SCOPE_FLEET)
        return;
    l = keel_memory_new(r->rt->memory, sizeof *l);
    if (!l)
        return; /* its limits are its own */
    keel_lessee_init(l, pipeline);
    r->lessees[r->lessee_count++] = l;
}

static void follow_new_ones(keel_relay *r)
{
    uint32_t count = atomic_load(&r->rt->pipeline_count);

    for (; r->looked_at < count; r->looked_at++) {
        follow(r, r->rt->pipelines[r->looked_at]);
        lease_for(r, r->rt->pipelines[r->looked_at]);
    }
}

static keel_follower *find(const keel_relay *r, keel_text name)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (keel_text_is(name, r->followers[i]->name))
            return r->followers[i];
    return NULL;
}

static void hear(keel_follower *f, const keel_wire_view *view, uint64_t now)
{
    keel_follower_visit visit;

    if (!keel_follower_enter(f, &visit))
        return;
    keel_follower_hear(f, visit.plan, view, now);
    keel_follower_exit(f, &visit);
}

static void rejoin_all(keel_relay *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        keel_follower_rejoin(r->followers[i]);
    for (uint32_t i = 0; i < r->lessee_count; i++)
        keel_lessee_rejoin(r->lessees[i]);
}

/* ---- the link ----------------------------------------------------------------------- */

static void tell_link(keel_relay *r, bool is_up, const keel_detail *why)
{
    if (!is_up && r->link.failures == 1)
        r->was_up = true; /* so that the first failure of all is told */
    if (r->was_up == is_up)
        return;
    r->was_up = is_up;
    if (is_up)
        keel_runtime_log(r->rt, KEEL_LOG_INFO, "fleet", "fleet=joined member=%s",
                         r->member);
    else
        keel_runtime_log(r->rt, KEEL_LOG_WARNING, "fleet", "fleet=lost why=\"%s\"",
                         why->text);
}

/* Slow answers to one breaker's questions must not cost the fleet its say in others. */
static void keep_up(keel_relay *r)
{
    uint64_t now = now_of(r);

    if (keel_ns_left(now, r->kept_up_at) < KEEP_UP_NS)
        return;
    r->kept_up_at = now;
    for (uint32_t i = 0; i < r->count; i++) {
        keel_follower_visit visit;

        if (!keel_follower_enter(r->followers[i], &visit))
            continue;
        keel_follower_hold(r->followers[i], visit.plan, now);
        keel_follower_exit(r->followers[i], &visit);
    }
}

/* Sends the command; NULL: the link is lost. */
static redisReply *ask(keel_relay *r, keel_command *command)
{
    keel_detail why = KEEL_DETAIL_INIT;
    redisReply *reply;

    if (command->failed || !keel_link_is_up(&r->link))
        return NULL;
    if (keel_link_ask(&r->link, command, &reply, &why) == KEEL_OK) {
        keep_up(r);
        return reply;
    }
    tell_link(r, false, &why);
    return NULL;
}

/* What cannot be understood is not to be trusted in the rest either. */
static void distrust(keel_relay *r)
{
    keel_detail why = KEEL_DETAIL_INIT;

    keel_fail(&why, KEEL_FAILED, "an answer of Redis makes no sense");
    keel_link_lose(&r->link);
    tell_link(r, false, &why);
}

static keel_command *fresh_command(keel_relay *r)
{
    keel_command_init(&r->command, r->bytes, sizeof r->bytes);
    return &r->command;
}

/* ---- syncing ------------------------------------------------------------------------ */

static void gather_one(keel_relay *r, keel_follower *f, uint64_t now,
                       keel_occasion occasion, uint64_t *next)
{
    batch *b = &r->batch;
    keel_wire_report *report = &b->reports[b->sync.count];
    keel_follower_visit visit;
    uint64_t at;

    if (b->sync.count == KEEL_WIRE_BATCH || !keel_follower_enter(f, &visit))
        return;
    if (keel_follower_report(f, visit.plan, now, occasion, report, &at))
        b->of[b->sync.count++] = f;
    *next = keel_ns_min(*next, at);
    keel_follower_exit(f, &visit);
}

/* A fifth more or less, so that members do not speak all at once. */
static uint64_t spread(uint64_t length_ns)
{
    return length_ns * 4 / 5 + keel_seed() % (length_ns * 2 / 5);
}

/* True: there is something to send, if only a heartbeat. */
static bool gather(keel_relay *r, uint64_t now, uint64_t *next)
{
    batch *b = &r->batch;
    keel_occasion occasion = now >= r->beat_at   ? KEEL_OCCASION_BEAT
                             : now >= r->tick_at ? KEEL_OCCASION_TICK
                                                 : KEEL_OCCASION_NONE;

    if (occasion != KEEL_OCCASION_NONE)
        r->tick_at = now + spread(TICK_NS);
    b->sync = (keel_wire_sync){ .member_ms = MEMBER_MS,
                                .candidate = keel_seed() >> 11 | 1,
                                .reports = b->reports };
    for (uint32_t i = 0; i < r->count; i++)
        gather_one(r, r->followers[i], now, occasion, next);
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
    tell_link(r, true, NULL);
    r->retired_until = 0;
    if (r->gen && synced->gen != r->gen)
        rejoin_all(
            r); /* the server has lost its data: what we know, it wants to hear */
    r->gen = synced->gen;
    r->beat_at = now + spread(BEAT_NS);
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
    batch *b = &r->batch;

    b->is_unanswered = true;
    reply = ask(r, &r->batch_command);
    if (!reply)
        return;
    b->is_unanswered = false;
    if (!keel_wire_sync_read(reply, &b->sync, &synced, views)) {
        distrust(r);
    } else if (synced.min_reader > KEEL_WIRE_FORMAT) {
        retire(r, now);
    } else {
        learn(r, &synced, now);
        for (size_t i = 0; i < b->sync.count; i++) {
            hear(b->of[i], &views[i], now);
            keel_follower_pace(b->of[i], now + synced.pace_ms * KEEL_MS);
        }
    }
    freeReplyObject(reply);
}

/* A batch whose answer was lost is sent once more; too old, it says little. */
static void sync_now(keel_relay *r, uint64_t now, uint64_t *next)
{
    if (r->batch.is_unanswered &&
        keel_ns_left(now, r->batch.made_at) > BATCH_TOO_OLD_NS)
        r->batch.is_unanswered = false;
    if (r->batch.is_unanswered || gather(r, now, next))
        send_batch(r, now);
}

/* ---- probes and locks --------------------------------------------------------------- */

static void send_results(keel_relay *r, keel_follower *f, const keel_plan *plan,
                         uint64_t now)
{
    keel_wire_result result;

    while (keel_link_is_up(&r->link) && keel_follower_result(f, plan, now, &result)) {
        const keel_wire_known known = { f->epoch, result.opening.most_ms };
        keel_wire_ended ended;
        redisReply *reply;

        keel_wire_result_write(fresh_command(r), &r->fleet, &result);
        reply = ask(r, &r->command);
        if (!reply)
            return;
        if (keel_wire_result_read(reply, &known, &ended))
            keel_follower_ended(f, plan, &result, &ended, now);
        else
            distrust(r);
        freeReplyObject(reply);
    }
}

static void send_claim(keel_relay *r, keel_follower *f, const keel_plan *plan,
                       uint64_t now)
{
    keel_wire_claim claim;
    keel_wire_claimed claimed;
    redisReply *reply;

    if (!keel_link_is_up(&r->link) || !keel_follower_claim(f, plan, now, &claim))
        return;
    keel_wire_claim_write(fresh_command(r), &r->fleet, &claim);
    reply = ask(r, &r->command);
    if (!reply)
        return;
    if (keel_wire_claim_read(reply, &claim, &claimed))
        keel_follower_claimed(f, plan, &claimed, now);
    else
        distrust(r);
    freeReplyObject(reply);
}

static void send_lock(keel_relay *r, keel_follower *f, const keel_plan *plan,
                      uint64_t now)
{
    const keel_wire_known known = { f->epoch,
                                    keel_follower_opening(f, &plan->policy).most_ms };
    keel_wire_lock lock;
    keel_wire_locked locked;
    keel_note note;
    redisReply *reply;

    if (!keel_link_is_up(&r->link) || !keel_follower_lock(f, plan, now, &lock, &note))
        return;
    keel_wire_lock_write(fresh_command(r), &r->fleet, &lock);
    reply = ask(r, &r->command);
    if (!reply)
        return;
    if (keel_wire_lock_read(reply, &known, &locked))
        keel_follower_locked(f, plan, &locked, now);
    else
        distrust(r);
    freeReplyObject(reply);
}

static void ask_reason(keel_relay *r, keel_follower *f, const keel_plan *plan,
                       uint64_t now)
{
    const char *const names[] = { f->name };
    keel_wire_look look;
    redisReply *reply;

    if (!f->wants_reason || !keel_link_is_up(&r->link))
        return;
    keel_wire_looks_write(fresh_command(r), &r->fleet, names, 1);
    reply = ask(r, &r->command);
    if (!reply)
        return;
    if (keel_wire_looks_read(reply, &look, 1))
        keel_follower_explain_lock(f, plan, &look, now);
    else
        distrust(r);
    freeReplyObject(reply);
}

static void attend(keel_relay *r, keel_follower *f, uint64_t now)
{
    keel_follower_visit visit;

    if (!keel_follower_enter(f, &visit))
        return;
    send_lock(r, f, visit.plan, now);
    ask_reason(r, f, visit.plan, now);
    send_results(r, f, visit.plan, now);
    send_claim(r, f, visit.plan, now);
    keel_follower_exit(f, &visit);
}

/* ---- leases ------------------------------------------------------------------------- */

static void lease_places(keel_relay *r, keel_lessee *l, const keel_plan *plan,
                         uint64_t now)
{
    keel_wire_places request;
    redisReply *reply;
    uint16_t granted;
    bool others_wait;

    if (!plan->bulkhead.fleet || !keel_link_is_up(&r->link) ||
        !keel_lessee_places(l, plan, r->members, now, &request))
        return;
    if (!keel_wire_places_write(fresh_command(r), &r->fleet, &request))
        return;
    reply = ask(r, &r->command);
    if (!reply)
        return;
    if (keel_wire_places_read(reply, request.want, &granted, &others_wait))
        keel_lessee_placed(l, plan, granted, others_wait, now);
    else
        distrust(r);
    freeReplyObject(reply);
}

static void lease_tokens(keel_relay *r, keel_lessee *l, const keel_plan *plan,
                         uint64_t now)
{
    keel_wire_rate request;
    redisReply *reply;
    uint32_t granted, wait_ms;

    if (!plan->rate.fleet || !keel_link_is_up(&r->link) ||
        !keel_lessee_tokens(l, plan, r->members, now, &request))
        return;
    if (!keel_wire_rate_write(fresh_command(r), &r->fleet, &request))
        return;
    reply = ask(r, &r->command);
    if (!reply)
        return;
    if (keel_wire_rate_read(reply, request.want, &granted, &wait_ms))
        keel_lessee_lent(l, plan, &request, granted, wait_ms, now);
    else
        distrust(r);
    freeReplyObject(reply);
}

static void lease(keel_relay *r, keel_lessee *l, uint64_t now)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(l->pipeline, &phase);

    lease_places(r, l, plan, now);
    lease_tokens(r, l, plan, now);
    keel_plan_exit(l->pipeline, phase);
}

static void do_without(const keel_relay *r, const keel_lessee *l, uint64_t now)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(l->pipeline, &phase);

    if (plan->bulkhead.fleet)
        keel_lessee_places_alone(l, plan, r->members, now);
    if (plan->rate.fleet)
        keel_lessee_tokens_alone(plan, r->members);
    keel_plan_exit(l->pipeline, phase);
}

/* When to look again, at the latest, because of leases. */
static uint64_t lease_again_at(const keel_lessee *l)
{
    uint64_t next = KEEL_NEVER;
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(l->pipeline, &phase);

    if (plan->bulkhead.fleet)
        next = keel_lessee_places_next(l, plan);
    if (plan->rate.fleet)
        next = keel_ns_min(next, keel_lessee_tokens_next(l, plan));
    keel_plan_exit(l->pipeline, phase);
    return next;
}

/* ---- messages ----------------------------------------------------------------------- */

static void hear_event(keel_relay *r, const keel_wire_event *event, uint64_t gen,
                       uint64_t now)
{
    keel_follower *f = find(r, event->name);

    if (!f || !keel_wire_epoch_is_plausible(f->epoch, event->view.epoch))
        return;
    if (event->view.epoch > f->epoch + 1 || gen != r->gen)
        f->must_report = true; /* something was missed, or lost */
    f->gen = gen;
    hear(f, &event->view, now);
}

static void listen_now(keel_relay *r, uint64_t now)
{
    keel_wire_message message;
    keel_wire_event event;
    redisReply *reply;
    keel_text text;

    while (keel_link_is_up(&r->link) && keel_link_message(&r->link, &reply, &text)) {
        if (keel_wire_message_read(text, &message))
            while (keel_wire_message_next(&message, &event))
                hear_event(r, &event, message.gen, now);
        freeReplyObject(reply);
    }
}

/* ---- the loop ----------------------------------------------------------------------- */

static void govern(keel_relay *r, keel_follower *f, uint64_t now)
{
    keel_follower_visit visit;

    if (!keel_follower_enter(f, &visit))
        return;
    if (keel_link_is_up(&r->link))
        keel_follower_govern(f, visit.plan, now);
    else
        keel_follower_alone(f, visit.plan, now);
    keel_follower_exit(f, &visit);
}

static bool is_connected(keel_relay *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;

    if (keel_link_is_up(&r->link))
        return true;
    if (now_of(r) < r->retired_until)
        return false;
    status = keel_link_connect(&r->link, &why);
    if (status == KEEL_E_BUSY)
        return false;
    if (status != KEEL_OK) {
        tell_link(r, false, &why);
        return false;
    }
    r->fleet.sharded = r->link.is_sharded;
    rejoin_all(r);
    return true;
}

/* Forgets what calls have marked, before it looks at what they have done. */
static void take_news(const keel_relay *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        keel_follower_visit visit;

        if (!keel_follower_enter(r->followers[i], &visit))
            continue;
        atomic_store(&visit.plan->breaker.fleet->news, 0);
        keel_follower_exit(r->followers[i], &visit);
    }
}

static bool has_news(const keel_relay *r)
{
    bool has = r->looked_at < atomic_load(&r->rt->pipeline_count);

    for (uint32_t i = 0; i < r->count && !has; i++) {
        keel_follower_visit visit;

        if (!keel_follower_enter(r->followers[i], &visit))
            continue;
        has = atomic_load(&visit.plan->breaker.fleet->news) != 0;
        keel_follower_exit(r->followers[i], &visit);
    }
    return has;
}

/* When to look again, at the latest, because of a breaker. */
static uint64_t look_again_at(const keel_relay *r, const keel_follower *f, uint64_t now)
{
    if (keel_link_is_up(&r->link) && keel_follower_is_busy(f, now))
        return now + BUSY_LOOK_NS;
    return f->state == KEEL_BREAKER_CLOSED ? KEEL_NEVER : now + KEEP_UP_NS;
}

/* One look at everything. Returns when to look again at the latest. */
static uint64_t pass(keel_relay *r)
{
    uint64_t now = now_of(r);
    uint64_t next = now + BEAT_NS;

    follow_new_ones(r);
    take_news(r);
    if (is_connected(r)) {
        listen_now(r, now);
        sync_now(r, now, &next);
        for (uint32_t i = 0; i < r->count; i++)
            attend(r, r->followers[i], now_of(r));
        for (uint32_t i = 0; i < r->lessee_count; i++)
            lease(r, r->lessees[i], now_of(r));
    }
    now = now_of(r);
    for (uint32_t i = 0; i < r->count; i++) {
        govern(r, r->followers[i], now);
        next = keel_ns_min(next, look_again_at(r, r->followers[i], now));
    }
    for (uint32_t i = 0; !keel_link_is_up(&r->link) && i < r->lessee_count; i++)
        do_without(r, r->lessees[i], now);
    next =
        keel_ns_min(next, keel_link_is_up(&r->link) ? r->beat_at : now + RETRY_LOOK_NS);
    return r->rt->shared ? keel_ns_min(next, now + BOARD_LOOK_NS) : next;
}

/* When to be up again: calls may have marked something since it was looked at. */
static uint64_t wake_at(const keel_relay *r, uint64_t next)
{
    if (has_news(r))
        return 0;
    for (uint32_t i = 0; keel_link_is_up(&r->link) && i < r->lessee_count; i++)
        next = keel_ns_min(next, lease_again_at(r->lessees[i]));
    return next;
}

static int ms_until(uint64_t at, uint64_t now)
{
    uint64_t left = keel_ns_left(at, now);

    return (int)keel_ns_min(left / KEEL_MS + (left % KEEL_MS != 0), 60000);
}

typedef enum woken { BY_TIME, BY_OTHERS, TO_STOP } woken;

static woken wait_for(keel_relay *r, bool for_news, uint64_t at)
{
    struct pollfd fds[] = { { .fd = r->stop_fd, .events = POLLIN },
                            { .fd = keel_link_fd(&r->link), .events = POLLIN },
                            { .fd = for_news ? r->wake_fd : -1, .events = POLLIN } };
    int count = poll(fds, 3, ms_until(at, now_of(r)));

    if (fds[0].revents)
        return TO_STOP;
    return count ? BY_OTHERS : BY_TIME;
}

static woken wait_for_news(keel_relay *r, uint64_t at)
{
    woken by;
    uint64_t unused;

    /* who marks something now sees that we sleep, or we see his mark */
    atomic_store(&r->sleeps, true);
    by = wait_for(r, true, wake_at(r, at));
    atomic_store(&r->sleeps, false);
    if (read(r->wake_fd, &unused, sizeof unused) < 0) {
        /* nobody has woken us */
    }
    return by;
}

/* In an outage every call is news. So after a look comes a rest, in which only the fleet
 * is listened to. False: it is to stop. */
static bool sleep_until(keel_relay *r, uint64_t at)
{
    uint64_t rest = r->looked_last_at + BUSY_LOOK_NS;
    woken by = BY_TIME;

    r->looked_last_at = now_of(r);
    if (!r->leads) /* what calls mark is the leader's to see */
        by = wait_for(r, false, at);
    else if (r->looked_last_at < rest)
        by = wait_for(r, false, keel_ns_min(rest, at));
    if (r->leads && by == BY_TIME && now_of(r) < at)
        by = wait_for_news(r, at);
    return by != TO_STOP;
}

/* Whether the leader has not moved its word for too long, since it was first looked at. */
static bool leader_is_still(keel_relay *r, uint64_t now)
{
    uint64_t led_at =
        atomic_load_explicit(keel_board_led_at(r->rt->shared), memory_order_relaxed);

    if (led_at != r->led_at || !r->led_seen_at) {
        r->led_at = led_at;
        r->led_seen_at = now;
    }
    return keel_ns_left(now, r->led_seen_at) > LEADER_LOST_NS;
}

/* On a board one process speaks for all. Where it has been still for too long, another
 * does so too, which does no harm. */
static bool is_leader(keel_relay *r)
{
    keel_board *board = r->rt->shared;
    uint64_t now = now_of(r);

    if (!board)
        return true;
    if (!keel_board_lead(board))
        return leader_is_still(r, now);
    atomic_store_explicit(keel_board_led_at(board), now, memory_order_relaxed);
    r->led_seen_at = 0;
    return true;
}

/*
 * What lies unread in the sockets is history, which a breaker is not to live through once
 * more. On a board somebody else has gone on with it meanwhile: it is met like a new one.
 */
static void forget_the_present(keel_relay *r)
{
    keel_link_leave(&r->link);
    r->batch.is_unanswered = false;
    for (uint32_t i = 0; r->rt->shared && i < r->count; i++)
        keel_follower_init(r->followers[i], r->followers[i]->pipeline);
}

static uint64_t stand_by(keel_relay *r)
{
    if (keel_link_is_up(&r->link))
        forget_the_present(r);
    return now_of(r) + KEEL_S;
}

static void *run(void *ctx)
{
    keel_relay *r = ctx;
    uint64_t next = 0;

    do {
        if (next && keel_ns_left(now_of(r), next) > OVERSLEPT_NS)
            forget_the_present(r); /* stopped, or its host was */
        r->leads = is_leader(r);
        next = r->leads ? pass(r) : stand_by(r);
    } while (sleep_until(r, next));
    return NULL;
}

/* ---- starting and stopping ---------------------------------------------------------- */

static bool open_fds(keel_relay *r)
{
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return r->stop_fd >= 0 && r->wake_fd >= 0;
}

static void close_fds(const keel_relay *r)
{
    if (r->stop_fd >= 0)
        close(r->stop_fd);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
}

static keel_status open_link(keel_relay *r, keel_detail *why)
{
    const keel_process_settings *s = keel_config_process(r->rt->config);
    const keel_link_options options = { .memory = r->rt->memory,
                                        .random = r->rt->random,
                                        .url = s->redis,
                                        .password_file = s->redis_password_file,
                                        .tag = s->name_space,
                                        .timeout_ns = s->redis_timeout_ns,
                                        .interrupt_fd = r->stop_fd };

    snprintf(r->member, sizeof r->member, "%016llx%016llx",
             (unsigned long long)keel_seed(), (unsigned long long)keel_seed());
    r->fleet = (keel_fleet){ .tag = s->name_space, .member = r->member };
    return keel_link_init(&r->link, &options, why);
}

/* No signal of the author's is for this thread. */
static bool start_thread(keel_relay *r)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return false;
    error = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !error;
}

static void destroy(keel_relay *r)
{
    keel_allocator given = r->rt->memory_given;
    const keel_allocator *memory = r->rt->memory ? &given : NULL;

    for (uint32_t i = 0; i < r->count; i++)
        keel_memory_free(memory, r->followers[i]);
    for (uint32_t i = 0; i < r->lessee_count; i++)
        keel_memory_free(memory, r->lessees[i]);
    close_fds(r);
    keel_memory_free(memory, r);
}

void keel_relay_start(keel_runtime *rt)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_relay *r;

    if (!keel_config_process(rt->config)->redis || keel_runtime_is_disabled(rt))
        return;
    r = keel_memory_new(rt->memory, sizeof *r);
    if (!r) {
        keel_warn(&rt->warnings,
                  "KEEL_REDIS: no memory; nothing is shared by the fleet");
        return;
    }
    r->rt = rt;
    r->stop_fd = r->wake_fd = -1;
    if (!open_fds(r)) {
        keel_fail(&why, KEEL_E_SYSTEM, "KEEL_REDIS: no descriptors for its thread");
        goto fail;
    }
    if (open_link(r, &why) != KEEL_OK)
        goto fail;
    if (!start_thread(r)) {
        keel_fail(&why, KEEL_E_SYSTEM, "KEEL_REDIS: no thread to be had");
        goto fail_link;
    }
    atomic_store(&rt->relay, r);
    return;

fail_link:
    keel_link_cleanup(&r->link);
fail:
    keel_warn(&rt->warnings, "%s; nothing is shared by the fleet", why.text);
    destroy(r);
}

void keel_relay_stop(keel_runtime *rt)
{
    keel_relay *r = atomic_exchange(&rt->relay, NULL);
    uint64_t one = 1;

    if (!r)
        return;
    if (write(r->stop_fd, &one, sizeof one) < 0) {
        /* it can hold more than one */
    }
    pthread_join(r->thread, NULL);
    keel_link_cleanup(&r->link);
    destroy(r);
}

void keel_relay_forked(keel_runtime *rt)
{
    keel_relay *r = atomic_exchange(&rt->relay, NULL);

    if (!r)
        return;
    /* its thread may have been anywhere: its memory stays as it was */
    keel_link_drop(&r->link);
    close_fds(r);
    keel_relay_start(rt);
}

void keel_relay_wake(const keel_runtime *rt)
{
    keel_relay *r = atomic_load_explicit(&rt->relay, memory_order_acquire);
    uint64_t one = 1;
    int saved = errno;

    if (r && atomic_exchange(&r->sleeps, false) &&
        write(r->wake_fd, &one, sizeof one) < 0) {
        /* full: it will wake */
    }
    errno = saved;
}
