/* SPDX-License-Identifier: MIT */
/*
 * What is answered from the cache, and what of the source's answers is kept in it. Not
 * when either is asked.
 */
#include "bag/wrap/cache.h"
#include "base/random.h"
#include "call/runtime.h"

/* ---- from the cache ------------------------------------------------------------------ */

bool keel_cache_is_bypassed(keel_cache *c, const keel_bag_op *op, uint64_t hash)
{
    if (!(op->wishes & ~KEEL_CACHE_WISHES) &&
        !keel_cache_poison_holds(&c->poison, hash))
        return false;
    keel_cache_add(c, KEEL_COUNT_BYPASSED);
    return true;
}

static keel_status give(const keel_cache_seen *seen, uint32_t marks,
                        keel_bag_item *item)
{
    item->marks = KEEL_BAG_FROM_CACHE | marks;
    if (seen->entry.kind == KEEL_CACHE_ABSENT)
        return KEEL_NOT_FOUND;
    item->flags = seen->entry.flags;
    item->expires_at_ms = seen->entry.expires_at_ms;
    item->token.length = 0;
    return keel_bag_item_fill(item, seen->value.at, seen->value.length);
}

keel_status keel_cache_give_fresh(keel_cache *c, const keel_cache_seen *seen,
                                  keel_bag_item *item)
{
    bool is_absent = seen->entry.kind == KEEL_CACHE_ABSENT;

    keel_cache_add(c, is_absent ? KEEL_COUNT_ABSENT : KEEL_COUNT_HITS);
    return give(seen, 0, item);
}

keel_status keel_cache_give_stale(keel_cache *c, const keel_cache_seen *seen,
                                  keel_bag_item *item)
{
    keel_cache_add(c, KEEL_COUNT_STALE);
    return give(seen, KEEL_BAG_STALE, item);
}

/* ---- into the cache ------------------------------------------------------------------ */

/* What may be older than what the source has once it is well: it would outlive the
 * outage, and nobody could tell it by its marks. */
#define PASSING ((uint32_t)(KEEL_BAG_STALE | KEEL_BAG_FROM_STANDBY))

/* An error is never kept, nor what may be older than a write, nor a standby's word, be it
 * that there is none. */
static bool is_to_be_kept(const keel_cache *c, const keel_bag_op *op,
                          const keel_cache_seen *seen, const keel_cache_answer *answer)
{
    const keel_clock *clock = &c->runtime->clock;

    if (answer->status != KEEL_OK && answer->status != KEEL_NOT_FOUND)
        return false;
    return seen->use != KEEL_CACHE_AVOID && !(answer->marks & PASSING) &&
           clock->now(clock->ctx) < op->deadline_at_ns;
}

static bool fits(keel_cache *c, const keel_cache_answer *answer)
{
    if (KEEL_CACHE_HEAD + answer->length <= c->cache->abilities.value_max)
        return true;
    keel_cache_add(c, KEEL_COUNT_TOO_LARGE);
    return false;
}

/*
 * What the cache is to hold from now on. False: nothing else than it does. What it held
 * past its time must not come back where the source has another answer.
 */
static bool choose(keel_cache *c, const keel_bag_op *op, const keel_cache_seen *seen,
                   const keel_cache_answer *answer, keel_cache_entry *entry)
{
    if (answer->status == KEEL_OK && fits(c, answer)) {
        *entry =
            keel_cache_entry_value(&c->terms, keel_random_draw(&c->runtime->random),
                                   op->now_ms, answer->flags, answer->expires_at_ms);
        return true;
    }
    if (answer->status == KEEL_NOT_FOUND && c->terms.absent_ms) {
        *entry =
            keel_cache_entry_mark(KEEL_CACHE_ABSENT, op->now_ms, c->terms.absent_ms);
        return true;
    }
    *entry = keel_cache_entry_mark(KEEL_CACHE_WRITTEN, op->now_ms, c->terms.stale_ms);
    return seen->use == KEEL_CACHE_STALE;
}

bool keel_cache_fill(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                     const keel_cache_seen *seen, const keel_cache_answer *answer)
{
    keel_cache_entry entry;
    keel_bag_token fresh;
    size_t length = KEEL_CACHE_HEAD;

    if (!is_to_be_kept(c, op, seen, answer) || !choose(c, op, seen, answer, &entry))
        return false;
    if (entry.kind == KEEL_CACHE_VALUE)
        length += answer->length;
    if (!keel_cache_put(c, op, key, seen, &entry, answer->bytes, length, &fresh))
        return false;
    keel_cache_add(c, KEEL_COUNT_FILLS);
    return true;
}
