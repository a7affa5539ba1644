/* SPDX-License-Identifier: MIT */
/* Asking the fleet about one breaker's probes and locks, and one pipeline's leases. */
#include "share/relay.h"

#include "base/detail.h"

/* Slow answers to one breaker's questions must not cost the fleet its say in others. */
static void keep_up(keel_relay *r)
{
    uint64_t now = keel_relay_now(r);

    if (keel_ns_left(now, r->kept_up_at) < KEEL_RELAY_KEEP_UP_NS)
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

redisReply *keel_relay_ask(keel_relay *r, keel_command *command)
{
    keel_detail why = KEEL_DETAIL_INIT;
    redisReply *reply;

    if (command->failed || !keel_link_is_up(&r->link))
        return NULL;
    if (keel_link_ask(&r->link, command, &reply, &why) == KEEL_OK) {
        keep_up(r);
        return reply;
    }
    keel_relay_tell_link(r, false, &why);
    return NULL;
}

void keel_relay_distrust(keel_relay *r)
{
    keel_detail why = KEEL_DETAIL_INIT;

    keel_fail(&why, KEEL_FAILED, "an answer of Redis makes no sense");
    keel_link_lose(&r->link);
    keel_relay_tell_link(r, false, &why);
}

static keel_command *fresh_command(keel_relay *r)
{
    keel_command_init(&r->command, r->bytes, sizeof r->bytes);
    return &r->command;
}

/* True: there is an answer, and it was understood. */
static bool is_answered(keel_relay *r, const redisReply *reply, bool is_understood)
{
    if (reply && !is_understood)
        keel_relay_distrust(r);
    return is_understood;
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
        reply = keel_relay_ask(r, &r->command);
        if (!reply)
            return;
        if (is_answered(r, reply, keel_wire_result_read(reply, &known, &ended)))
            keel_follower_ended(f, plan, &result, &ended, now);
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
    reply = keel_relay_ask(r, &r->command);
    if (is_answered(r, reply, keel_wire_claim_read(reply, &claim, &claimed)))
        keel_follower_claimed(f, plan, &claimed, now);
    freeReplyObject(reply);
}

static void send_lock(keel_relay *r, keel_follower *f, const keel_plan *plan,
                      uint64_t now)
{
    const keel_wire_known known = { f->epoch, keel_follower_most_ms(&plan->policy) };
    keel_wire_lock lock;
    keel_wire_locked locked;
    keel_note note;
    redisReply *reply;

    if (!keel_link_is_up(&r->link) || !keel_follower_lock(f, plan, now, &lock, &note))
        return;
    keel_wire_lock_write(fresh_command(r), &r->fleet, &lock);
    reply = keel_relay_ask(r, &r->command);
    if (is_answered(r, reply, keel_wire_lock_read(reply, &known, &locked)))
        keel_follower_locked(f, plan, &locked, now);
    freeReplyObject(reply);
}

static void ask_reason(keel_relay *r, keel_follower *f, const keel_plan *plan,
                       uint64_t now)
{
    const char *const names[] = { f->name };
    keel_wire_look look;
    redisReply *reply;

    if (!f->wants_reason)
        return;
    keel_wire_looks_write(fresh_command(r), &r->fleet, names, 1);
    reply = keel_relay_ask(r, &r->command);
    if (is_answered(r, reply, keel_wire_looks_read(reply, &look, 1)))
        keel_follower_explain_lock(f, plan, &look, now);
    else
        keel_follower_leave_unexplained(f, plan, now);
    freeReplyObject(reply);
}

void keel_relay_attend(keel_relay *r, keel_follower *f, uint64_t now)
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
    reply = keel_relay_ask(r, &r->command);
    if (is_answered(r, reply,
                    keel_wire_places_read(reply, request.want, &granted, &others_wait)))
        keel_lessee_placed(l, plan, granted, others_wait, now);
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
    reply = keel_relay_ask(r, &r->command);
    if (is_answered(r, reply,
                    keel_wire_rate_read(reply, request.want, &granted, &wait_ms)))
        keel_lessee_lent(l, plan, &request, granted, wait_ms, now);
    freeReplyObject(reply);
}

void keel_relay_lease(keel_relay *r, keel_lessee *l, uint64_t now)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(l->pipeline, &phase);

    lease_places(r, l, plan, now);
    lease_tokens(r, l, plan, now);
    keel_plan_exit(l->pipeline, phase);
}
