/* SPDX-License-Identifier: MIT */
/* What failover does with more than one key: batches, scans, flushes. */
#include <string.h>

#include "bag/key_list.h"
#include "bag/wrap/batch.h"
#include "bag/wrap/failover.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

/* ---- several keys -------------------------------------------------------------------- */

/* What no get returns: the key has not been asked for yet. */
#define NOT_ASKED KEEL_PARTIAL

static bool is_dirty(keel_failover *f, keel_bytes key)
{
    uint8_t owner;

    return keel_failover_look_up(f, key, &owner, NULL);
}

static bool wants(keel_status status, const void *ctx)
{
    return status == NOT_ASKED || keel_failover_read_goes_on(ctx, status);
}

/* The batch as one outcome of a child: the last of its failures. */
static keel_status sum_up(const keel_batch *b)
{
    keel_status sum = KEEL_OK;

    for (size_t i = 0; i < b->count; i++)
        if (!keel_failover_is_answer(b->statuses[i]))
            sum = b->statuses[i];
    return sum;
}

/* Answers that came just now have no mark of their child yet: `seen` has those that do. */
static void mark_answers(const keel_batch *b, uint8_t child, bool seen[])
{
    for (size_t i = 0; i < b->count; i++) {
        if (seen[i] || !keel_failover_is_answer(b->statuses[i]))
            continue;
        seen[i] = true;
        keel_failover_token_mark(&b->items[i].token, child);
        b->items[i].marks |= child ? KEEL_BAG_FROM_STANDBY : 0;
    }
}

/* Dirty keys have an owner each, and misses may have to be asked for again. */
static void get_each(keel_failover *f, const keel_bag_op *op, const keel_batch *b,
                     keel_detail *why)
{
    for (size_t i = 0; i < b->count; i++)
        b->statuses[i] = keel_failover_get(f, op, b->keys[i], &b->items[i], why);
}

enum { MANY_AT_ONCE = 64 };

static void get_some(keel_failover *f, const keel_bag_op *op, const keel_batch *b,
                     keel_detail *why)
{
    uint8_t order[KEEL_FAILOVER_CHILDREN];
    uint8_t count = keel_failover_order_knowing(f, order);
    bool seen[MANY_AT_ONCE] = { false };
    keel_bag_op part = *op;

    for (size_t i = 0; i < b->count; i++)
        b->statuses[i] = NOT_ASKED;
    for (uint8_t i = 0; i < count; i++) {
        part.deadline_at_ns = keel_failover_share(f, op, (size_t)(count - i));
        if (!keel_batch_ask(b, &f->children[order[i]], &part, wants, f, why))
            return;
        keel_failover_note(f, order[i], sum_up(b));
        mark_answers(b, order[i], seen);
    }
}

void keel_failover_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                            keel_bag_item items[], keel_status statuses[], size_t count,
                            keel_detail *why)
{
    keel_failover *f = state;

    for (size_t at = 0; at < count; at += MANY_AT_ONCE) {
        size_t some = count - at < MANY_AT_ONCE ? count - at : MANY_AT_ONCE;
        const keel_batch b = { keys + at, items + at, statuses + at, some };
        bool is_plain = !f->set.on_miss;

        for (size_t i = 0; i < some && is_plain; i++)
            is_plain = !is_dirty(f, b.keys[i]);
        if (is_plain)
            get_some(f, op, &b, why);
        else
            get_each(f, op, &b, why);
    }
}

/* ---- flushes ------------------------------------------------------------------------- */

/*
 * Everywhere, the primary first: what one child kept would come back with the next
 * outage, or at its end.
 */
static keel_status flush_all(keel_failover *f, const keel_bag_op *op, keel_detail *why)
{
    for (size_t i = 0; i < f->count; i++) {
        const keel_bag_child *child = &f->children[i];
        keel_bag_op part = *op;
        keel_status status;

        part.deadline_at_ns = keel_failover_share(f, op, f->count - i);
        status = child->ops->flush(child->state, &part, why);
        keel_failover_note(f, (uint8_t)i, status);
        if (status == KEEL_OK)
            continue;
        if (i && why && why->size > offsetof(keel_detail, applied))
            why->applied = KEEL_APPLIED_UNKNOWN; /* others have flushed already */
        return status;
    }
    return KEEL_OK;
}

keel_status keel_failover_flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_failover *f = state;
    keel_status status = keel_failover_flush_begin(f, op);

    if (status != KEEL_OK)
        return keel_bag_fail(why, status, KEEL_APPLIED_NO, f->path,
                             "a key was being carried back all the while");
    status = flush_all(f, op, why);
    keel_failover_flush_end(f, status == KEEL_OK);
    return status;
}

/* ---- scans --------------------------------------------------------------------------- */

/*
 * A cursor is of one child, whose number comes first in it; at the end of the primary's
 * keys come those that are dirty, since it may not have them, under a number of their own.
 */
enum { THE_DIRTY = KEEL_FAILOVER_CHILDREN };

typedef struct scanning {
    keel_failover *f;
    const keel_bag_op *op;
    keel_bag_scan_fn *fn;
    void *ctx;
    bool has_enough; /* fn has said so */
} scanning;

static bool say(const char *key, void *ctx)
{
    scanning *s = ctx;

    s->has_enough = !s->fn(key, s->ctx);
    return !s->has_enough;
}

static bool say_if_live(const char *key, void *ctx)
{
    scanning *s = ctx;
    keel_bag_item item = { .size = sizeof item };
    keel_status status =
        keel_failover_get(s->f, s->op, (keel_bytes){ key, strlen(key) }, &item, NULL);

    return status != KEEL_OK || say(key, s);
}

/* False: no memory. */
static bool list_dirty(keel_failover *f, keel_key_list *l)
{
    bool is_made;

    pthread_mutex_lock(&f->keys_mu);
    is_made = keel_key_list_init(l, f->runtime->memory, f->dirty_count,
                                 f->dirty_count * KEEL_BAG_KEY_MAX);
    for (keel_dirty_key *k = f->keys.first; is_made && k; k = k->after)
        if (k->is_dirty)
            keel_key_list_add(l, k->key, k->length);
    pthread_mutex_unlock(&f->keys_mu);
    return is_made;
}

static keel_status say_dirty(scanning *s, keel_bag_cursor *cursor, keel_detail *why)
{
    char behind[KEEL_BAG_KEY_MAX + 1];
    keel_key_list keys;
    const char *last;

    if (!keel_key_list_place_read(behind, cursor))
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, s->f->path,
                             "the cursor is of another bag");
    if (!list_dirty(s->f, &keys))
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->f->path,
                             "out of memory");
    last = keel_key_list_say(&keys, behind, say_if_live, s);
    keel_key_list_place_write(cursor, THE_DIRTY, last);
    cursor->is_at_end = !last;
    keel_key_list_cleanup(&keys);
    return KEEL_OK;
}

/* The primary has said all of its own. */
static keel_status go_on_with_dirty(scanning *s, keel_bag_cursor *cursor,
                                    keel_detail *why)
{
    keel_key_list_place_write(cursor, THE_DIRTY, NULL);
    cursor->is_at_end = !keel_failover_dirty_count(s->f);
    return cursor->is_at_end || s->has_enough ? KEEL_OK : say_dirty(s, cursor, why);
}

static keel_status scan_child(scanning *s, uint8_t number, size_t tries_left,
                              keel_bag_cursor *cursor, keel_detail *why)
{
    const keel_bag_child *child = &s->f->children[number];
    keel_bag_cursor inner = { .length = 0 };
    keel_bag_op part = *s->op;
    keel_status status;

    if (!(child->abilities.effective & KEEL_CAN_SCAN))
        return keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_NO, child->path,
                             "it cannot scan");
    if (cursor->length) {
        inner.length = (uint16_t)(cursor->length - 1);
        memcpy(inner.bytes, cursor->bytes + 1, inner.length);
    }
    part.deadline_at_ns = keel_failover_share(s->f, s->op, tries_left);
    status = child->ops->scan(child->state, &part, &inner, say, s, why);
    keel_failover_note(s->f, number, status);
    if (status != KEEL_OK)
        return status;
    if (inner.length >= sizeof cursor->bytes)
        return keel_bag_fail(why, KEEL_E_LIMIT, KEEL_APPLIED_NO, child->path,
                             "its cursor is too long");
    if (inner.is_at_end && !number)
        return go_on_with_dirty(s, cursor, why);
    cursor->length = (uint16_t)(inner.length + 1);
    cursor->bytes[0] = number;
    memcpy(cursor->bytes + 1, inner.bytes, inner.length);
    cursor->is_at_end = inner.is_at_end;
    return status;
}

keel_status keel_failover_scan(void *state, const keel_bag_op *op,
                               keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                               keel_detail *why)
{
    keel_failover *f = state;
    scanning s = { .f = f, .op = op, .fn = fn, .ctx = ctx };
    uint8_t order[KEEL_FAILOVER_CHILDREN];
    uint8_t count = keel_failover_order_knowing(f, order);
    keel_status status = KEEL_OK;

    if (cursor->length) { /* begun at one of them, and no other can go on */
        if (cursor->bytes[0] == THE_DIRTY)
            return say_dirty(&s, cursor, why);
        if (cursor->bytes[0] >= f->count)
            return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, f->path,
                                 "the cursor is of another bag");
        return scan_child(&s, cursor->bytes[0], 1, cursor, why);
    }
    for (uint8_t i = 0; i < count; i++) {
        status = scan_child(&s, order[i], (size_t)(count - i), cursor, why);
        if (!keel_failover_read_goes_on(f, status))
            break;
    }
    return status;
}
