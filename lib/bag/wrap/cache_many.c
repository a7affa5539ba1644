/* SPDX-License-Identifier: MIT */
/*
 * Several keys at once: one exchange with the cache, and one with the source for what is
 * left. Nobody follows another here; a value too large for a small room goes alone.
 */
#include <string.h>

#include "bag/wrap/cache.h"
#include "bag/wrap/key_hash.h"
#include "base/memory.h"
#include "call/runtime.h"

enum { ROOM = KEEL_CACHE_HEAD + 1024 };

/* As many as go together. left: which of them the source is to be asked for. */
typedef struct many {
    keel_cache *c;
    const keel_bag_op *op;
    const keel_bytes *keys;
    keel_bag_item *items;
    keel_status *statuses;
    size_t count;
    keel_detail *why;
    size_t left_count;
    size_t left[KEEL_CACHE_MANY];
    keel_bytes left_keys[KEEL_CACHE_MANY];
    keel_bag_item left_items[KEEL_CACHE_MANY];
    keel_status left_statuses[KEEL_CACHE_MANY];
    keel_cache_seen seen[KEEL_CACHE_MANY];
    char rooms[][ROOM];
} many;

static many *new_many(const keel_cache *c, size_t count)
{
    size_t rooms = count < KEEL_CACHE_MANY ? count : KEEL_CACHE_MANY;

    return keel_memory_new(c->runtime->memory, sizeof(many) + rooms * ROOM);
}

static void look(many *m)
{
    for (size_t i = 0; i < m->count; i++)
        m->left_items[i] = (keel_bag_item){ .size = sizeof(keel_bag_item),
                                            .buffer = m->rooms[i],
                                            .capacity = ROOM };
    keel_cache_look_up_many(m->c, m->op, m->keys, m->left_items, m->seen, m->count);
}

static void leave_over(many *m, size_t i)
{
    m->left[m->left_count] = i;
    m->left_keys[m->left_count] = m->keys[i];
    m->left_items[m->left_count++] = m->items[i];
}

static void answer_from_cache(many *m)
{
    m->left_count = 0;
    for (size_t i = 0; i < m->count; i++) {
        keel_cache_seen *seen = &m->seen[i];

        if (keel_cache_poison_holds(&m->c->poison, keel_key_hash(m->keys[i]))) {
            seen->use = KEEL_CACHE_AVOID;
            seen->is_large = false; /* the source is asked, whatever is here */
        } else if (seen->is_large) {
            m->statuses[i] =
                keel_cache_get(m->c, m->op, m->keys[i], &m->items[i], m->why);
        } else if (seen->use == KEEL_CACHE_FRESH) {
            m->statuses[i] = keel_cache_give_fresh(m->c, seen, &m->items[i]);
        }
        if (seen->use != KEEL_CACHE_FRESH && !seen->is_large)
            leave_over(m, i);
    }
}

/* With the value copied, since a head stands before it in the cache. */
static void fill(many *m, size_t left)
{
    size_t i = m->left[left];
    const keel_bag_item *item = &m->left_items[left];
    keel_cache_answer answer = { .status = m->left_statuses[left],
                                 .flags = item->flags,
                                 .marks = item->marks,
                                 .expires_at_ms = item->expires_at_ms,
                                 .length = item->length };

    if (answer.status == KEEL_OK && !item->buffer)
        return; /* not wanted, so it did not come */
    if (answer.status != KEEL_OK)
        answer.length = 0;
    answer.bytes =
        keel_memory_new(m->c->runtime->memory, KEEL_CACHE_HEAD + answer.length);
    if (!answer.bytes)
        return;
    if (answer.length)
        memcpy(answer.bytes + KEEL_CACHE_HEAD, item->buffer, answer.length);
    keel_cache_fill(m->c, m->op, m->keys[i], &m->seen[i], &answer);
    keel_memory_free(m->c->runtime->memory, answer.bytes);
}

static void ask(many *m)
{
    const keel_bag_child *source = m->c->source;
    keel_bag_op op = *m->op;

    if (source->abilities.effective & KEEL_CAN_TELL_TTL)
        op.wishes |= KEEL_BAG_WANT_TTL;
    keel_bag_child_get_many(source, &op, m->left_keys, m->left_items, m->left_statuses,
                            m->left_count, m->why);
    for (size_t left = 0; left < m->left_count; left++) {
        size_t i = m->left[left];

        keel_cache_add(m->c, KEEL_COUNT_MISSES);
        fill(m, left);
        m->items[i] = m->left_items[left];
        m->statuses[i] = m->left_statuses[left];
        if (keel_cache_is_outage(m->statuses[i]) &&
            keel_cache_may_be_stale(m->op, &m->seen[i]))
            m->statuses[i] = keel_cache_give_stale(m->c, &m->seen[i], &m->items[i]);
    }
}

static void get_some(many *m)
{
    look(m);
    answer_from_cache(m);
    if (m->left_count)
        ask(m);
}

void keel_cache_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                         keel_bag_item items[], keel_status statuses[], size_t count,
                         keel_detail *why)
{
    keel_cache *c = state;
    many *m = NULL;

    if (op->wishes & ~KEEL_CACHE_WISHES) {
        keel_bag_child_get_many(c->source, op, keys, items, statuses, count, why);
        return;
    }
    if (count > 1)
        m = new_many(c, count);
    for (size_t at = 0; at < count; at++)
        if (!m) /* one is all there are, or there is no memory to do better */
            statuses[at] = keel_cache_get(c, op, keys[at], &items[at], why);
    for (size_t at = 0; m && at < count; at += KEEL_CACHE_MANY) {
        size_t left = count - at;

        m->c = c;
        m->op = op;
        m->why = why;
        m->keys = keys + at;
        m->items = items + at;
        m->statuses = statuses + at;
        m->count = left < KEEL_CACHE_MANY ? left : KEEL_CACHE_MANY;
        get_some(m);
    }
    keel_memory_free(c->runtime->memory, m);
}
