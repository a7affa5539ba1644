/* SPDX-License-Identifier: MIT */
/*
 * Of the processes that share a cache one asks the source: the one whose mark that it
 * does so is in the cache. The others look again until its answer is there. Nothing but
 * effort depends on it: whoever asks all the same does no harm, since what he is told is
 * kept only in the place of what he saw.
 */
#include "bag/wrap/cache.h"
#include "call/runtime.h"

#define PAUSE_NS (5 * KEEL_MS)

enum { LOST_MOST = 3 };

/* op: the caller's, whose time goes on while he waits */
typedef struct leasing {
    keel_cache *c;
    keel_bag_op op;
    keel_bytes key;
    size_t capacity;
    keel_cache_look *look;
    int64_t began_ms;
    uint64_t began_at, until_ns;
} leasing;

static uint64_t now_of(const leasing *l)
{
    const keel_clock *clock = &l->c->runtime->clock;

    return clock->now(clock->ctx);
}

static leasing begin(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                     size_t capacity, keel_cache_look *look)
{
    leasing l = { .c = c,
                  .op = *op,
                  .key = key,
                  .capacity = capacity,
                  .look = look,
                  .began_ms = op->now_ms };

    l.began_at = now_of(&l);
    l.until_ns = keel_ns_min(keel_ns_add(l.began_at, c->wait_ns), op->deadline_at_ns);
    return l;
}

static void look_again(leasing *l)
{
    uint64_t waited_ns = keel_ns_left(now_of(l), l->began_at);

    l->op.now_ms = l->began_ms + (int64_t)(waited_ns / KEEL_MS);
    keel_cache_look_up(l->c, &l->op, l->key, l->capacity, l->look);
}

static void wait_a_little(const leasing *l)
{
    const keel_clock *clock = &l->c->runtime->clock;
    const uint32_t nobody_wakes = 0;

    clock->wait(&nobody_wakes, 0,
                keel_ns_min(keel_ns_add(now_of(l), PAUSE_NS), l->until_ns), clock->ctx);
}

/* Where the item is that was looked at, and where an entry finds room. */
static char *bytes_of(keel_cache_look *look)
{
    return look->large ? look->large : look->room;
}

/* An entry in the place of what was seen, with the stale value that this may have. */
static bool put(const leasing *l, const keel_cache_entry *entry, keel_bag_token *fresh)
{
    const keel_cache_seen *seen = &l->look->seen;
    size_t length =
        KEEL_CACHE_HEAD + (seen->use == KEEL_CACHE_STALE ? seen->value.length : 0);

    return keel_cache_put(l->c, &l->op, l->key, seen, entry, bytes_of(l->look), length,
                          fresh);
}

/* False: another was faster, or the cache is away. */
static bool take(leasing *l)
{
    keel_cache_seen *seen = &l->look->seen;
    bool is_stale = seen->use == KEEL_CACHE_STALE;
    const keel_cache_entry entry = keel_cache_entry_asked(
        is_stale ? &seen->entry : NULL, l->op.now_ms, l->c->lease_ms);
    keel_bag_token fresh;

    if (!put(l, &entry, &fresh))
        return false;
    if (fresh.length)
        seen->token = fresh;
    else
        look_again(l); /* a cache that tells no token of what it stores */
    seen->is_mine = true;
    return true;
}

static bool is_to_ask(const leasing *l)
{
    keel_cache_use use = l->look->seen.use;

    return use == KEEL_CACHE_STALE || use == KEEL_CACHE_REPLACE;
}

static bool waits_no_longer(const leasing *l)
{
    return (l->c->revalidates && keel_cache_may_be_stale(&l->op, &l->look->seen)) ||
           keel_cancel_fired(l->op.cancel) || now_of(l) >= l->until_ns;
}

bool keel_cache_lease(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                      size_t capacity, keel_cache_look *look)
{
    leasing l = begin(c, op, key, capacity, look);
    unsigned lost = 0;

    for (bool has_waited = false; is_to_ask(&l); look_again(&l)) {
        if (!look->seen.is_asked) {
            if (take(&l) || ++lost == LOST_MOST)
                return true;
            continue;
        }
        if (waits_no_longer(&l))
            return keel_cancel_fired(op->cancel) ||
                   !keel_cache_may_be_stale(op, &look->seen);
        if (!has_waited)
            keel_cache_add(c, KEEL_COUNT_AWAITED);
        has_waited = true;
        wait_a_little(&l);
    }
    return look->seen.use != KEEL_CACHE_FRESH;
}

void keel_cache_lease_end(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                          keel_cache_look *look)
{
    const keel_cache_seen *seen = &look->seen;
    keel_cache_entry entry;
    keel_bag_token fresh;
    leasing l;

    if (!seen->is_mine)
        return;
    l = begin(c, op, key, 0, look);
    if (seen->use == KEEL_CACHE_STALE)
        entry = keel_cache_entry_unasked(&seen->entry, op->now_ms);
    else
        entry = keel_cache_entry_mark(KEEL_CACHE_WRITTEN, op->now_ms, 0);
    (void)put(&l, &entry, &fresh);
}
