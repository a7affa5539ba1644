/* SPDX-License-Identifier: MIT */
/* What the fleet says: messages, and views that come with answers. */
#include "share/relay.h"

static keel_follower *find(const keel_relay *r, keel_text name)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (keel_text_is(name, r->followers[i]->name))
            return r->followers[i];
    return NULL;
}

void keel_relay_hear(keel_follower *f, const keel_wire_view *view, uint64_t now)
{
    keel_follower_visit visit;

    if (!keel_follower_enter(f, &visit))
        return;
    keel_follower_hear(f, visit.plan, view, now);
    keel_follower_exit(f, &visit);
}

void keel_relay_rejoin_all(keel_relay *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        keel_follower_rejoin(r->followers[i]);
    for (uint32_t i = 0; i < r->lessee_count; i++)
        keel_lessee_rejoin(r->lessees[i]);
}

static void hear_event(keel_relay *r, const keel_wire_event *event, uint64_t gen,
                       uint64_t now)
{
    keel_follower *f = find(r, event->name);

    if (!f || !keel_wire_epoch_is_plausible(f->epoch, event->view.epoch))
        return;
    if (event->view.epoch > f->epoch + 1 || gen != r->gen)
        f->must_report = true; /* something was missed, or lost */
    f->gen = gen;
    keel_relay_hear(f, &event->view, now);
}

void keel_relay_listen(keel_relay *r, uint64_t now)
{
    keel_wire_message message;
    keel_wire_event event;
    redisReply *reply;
    keel_text text;

    while (keel_link_is_up(&r->link) &&
           keel_link_message(&r->link, &reply, &text, NULL)) {
        if (keel_wire_message_read(text, &message))
            while (keel_wire_message_next(&message, &event))
                hear_event(r, &event, message.gen, now);
        freeReplyObject(reply);
    }
}
