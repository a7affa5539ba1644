/* SPDX-License-Identifier: MIT */
/*
 * The way back to the primary: it is left alone for a while, then asked whether it is
 * there, then gets back what was written meanwhile, key by key. Where it is the current
 * child already, the last of these is all there is to do. Without a thread of its own.
 */
#include <string.h>

#include "bag/wrap/failover.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/wall.h"
#include "call/runtime.h"

enum { CARRIED_AT_ONCE = 32 };

static uint64_t now_of(const keel_failover *f)
{
    const keel_clock *clock = &f->runtime->clock;

    return clock->now(clock->ctx);
}

static keel_bag_op own_op(keel_failover *f)
{
    return (keel_bag_op){
        .size = sizeof(keel_bag_op),
        .deadline_at_ns = keel_ns_add(now_of(f), f->set.rejoin_timeout_ns),
        .now_ms = (int64_t)keel_wall_ms(),
        .cancel = &f->stop,
        .wishes = KEEL_BAG_NO_CACHE | KEEL_BAG_NO_STALE | KEEL_BAG_WANT_TTL,
        .nonce = keel_random_number(),
    };
}

/* The primary is not ready: it is tried again later, as late as it asks for. */
static uint64_t later(keel_failover *f, const keel_detail *said)
{
    uint64_t wait =
        said->retry_after_ns > f->set.probe_ns ? said->retry_after_ns : f->set.probe_ns;

    f->probe_at = keel_ns_add(now_of(f), wait);
    return f->probe_at;
}

/* ---- probing ------------------------------------------------------------------------- */

static keel_status probe(keel_failover *f, keel_detail *said)
{
    const keel_bag_child *primary = &f->children[0];
    const keel_bag_op op = own_op(f);

    return primary->ops->health ? primary->ops->health(primary->state, &op, said)
                                : KEEL_OK;
}

static void come_back(keel_failover *f)
{
    atomic_store(&f->failed_in_row, 0);
    atomic_store(&f->current, 0);
    keel_runtime_log(f->runtime, KEEL_LOG_INFO, "bag",
                     "bag=%s path=%s first=%s dirty=%zu", f->bag, f->path,
                     f->children[0].role, keel_failover_dirty_count(f));
}

/* ---- carrying back ------------------------------------------------------------------- */

/* The item with a buffer as large as it needs, which is the caller's to free. */
static keel_status read_item(keel_failover *f, const keel_failover_carried *c,
                             const keel_bag_op *op, keel_bag_item *item,
                             keel_detail *said)
{
    const keel_bag_child *owner = &f->children[c->owner];
    const keel_bytes key = { c->key, c->length };
    size_t room = 1024;

    for (;;) {
        keel_status status;

        *item = (keel_bag_item){ .size = sizeof *item, .capacity = room };
        item->buffer = keel_memory_new(f->runtime->memory, room);
        if (!item->buffer)
            return KEEL_E_NOMEM;
        status = owner->ops->get(owner->state, op, key, item, said);
        if (status != KEEL_E_BUFFER)
            return status;
        room = item->length + 64;
        keel_memory_free(f->runtime->memory, item->buffer);
    }
}

/* What has no such function is not called for it. */
static keel_status cannot(const keel_failover *f, keel_detail *said)
{
    return keel_bag_fail(said, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO, f->children[0].path,
                         "nothing can be carried back to it");
}

static keel_status put_back(keel_failover *f, const keel_failover_carried *c,
                            const keel_bag_op *op, const keel_bag_item *item,
                            keel_detail *said)
{
    const keel_bag_child *primary = &f->children[0];
    const keel_bag_put put = {
        .size = sizeof put,
        .mode = KEEL_BAG_SET,
        .value = { item->buffer, item->length },
        .flags = item->flags,
        .expires_at_ms =
            item->expires_at_ms >= 0 ? item->expires_at_ms : c->expires_at_ms,
    };
    keel_bag_token fresh = { .length = 0 };

    if (!(primary->abilities.effective & KEEL_CAN_SET))
        return cannot(f, said);
    return primary->ops->store(primary->state, op, (keel_bytes){ c->key, c->length },
                               &put, &fresh, said);
}

static keel_status take_away(keel_failover *f, const keel_failover_carried *c,
                             const keel_bag_op *op, keel_detail *said)
{
    const keel_bag_child *primary = &f->children[0];
    keel_status status;

    if (!(primary->abilities.effective & KEEL_CAN_DELETE))
        return cannot(f, said);
    status = primary->ops->remove(primary->state, op, (keel_bytes){ c->key, c->length },
                                  NULL, said);
    return status == KEEL_NOT_FOUND ? KEEL_OK : status;
}

/* The state of one key. of_primary: what failed, if anything, was the primary. */
static keel_status carry(keel_failover *f, const keel_failover_carried *c,
                         bool *of_primary, keel_detail *said)
{
    const keel_bag_op op = own_op(f);
    keel_bag_item item = { .buffer = NULL };
    keel_status status = KEEL_NOT_FOUND;

    *of_primary = false;
    if (!f->set.invalidates)
        status = read_item(f, c, &op, &item, said);
    if (status == KEEL_OK) {
        *of_primary = true;
        status = put_back(f, c, &op, &item, said);
    } else if (status == KEEL_NOT_FOUND) { /* deleted, or past its time */
        *of_primary = true;
        status = take_away(f, c, &op, said);
    }
    keel_memory_free(f->runtime->memory, item.buffer);
    return status;
}

static uint64_t carry_some(keel_failover *f)
{
    for (int i = 0; i < CARRIED_AT_ONCE; i++) {
        keel_detail said = KEEL_DETAIL_INIT;
        keel_failover_carried c;
        bool of_primary;
        keel_status status;

        if (!keel_failover_carry_begin(f, &c)) /* they are being written, or flushed */
            return later(f, &said);
        status = carry(f, &c, &of_primary, &said);
        keel_failover_carry_end(f, &c, status == KEEL_OK);
        if (of_primary)
            keel_failover_note(f, 0, status);
        if (status != KEEL_OK)
            return later(f, &said);
        if (!keel_failover_dirty_count(f))
            return KEEL_NEVER;
    }
    return now_of(f);
}

/* ---- one step ------------------------------------------------------------------------ */

uint64_t keel_failover_step(keel_failover *f)
{
    bool is_away = atomic_load(&f->current) != 0;
    uint64_t now = now_of(f), due = f->probe_at;
    keel_detail said = KEEL_DETAIL_INIT;

    if (!is_away && !keel_failover_dirty_count(f))
        return KEEL_NEVER;
    if (is_away && keel_ns_add(atomic_load(&f->away_at), f->set.hold_ns) > due)
        due = keel_ns_add(atomic_load(&f->away_at), f->set.hold_ns);
    if (now < due)
        return due;
    if (is_away) {
        if (probe(f, &said) != KEEL_OK)
            return later(f, &said);
        come_back(f);
    }
    return keel_failover_dirty_count(f) ? carry_some(f) : KEEL_NEVER;
}
