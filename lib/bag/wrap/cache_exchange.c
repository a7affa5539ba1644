/* SPDX-License-Identifier: MIT */
/*
 * Talking with the cache itself: each exchange has a short time of its own, and none
 * that fails is more than counted.
 */
#include "bag/wrap/cache.h"
#include "bag/wrap/key_hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "call/runtime.h"

/* For longer than an operation lasts: whoever asked the source before has given up by
 * then. */
#define WRITTEN_MS INT64_C(30000)

/* Past the caller's deadline, within what every operation may take: the mark matters
 * most when a write has used up all its time. */
#define SLACK_NS (40 * KEEL_MS)

/* By so much may any operation end after its deadline. */
#define LATE_NS (50 * KEEL_MS)

static uint64_t now_of(const keel_cache *c)
{
    const keel_clock *clock = &c->runtime->clock;

    return clock->now_coarse(clock->ctx);
}

/* An operation of the cache's own: what the caller wishes, and what he is to be told, is
 * of the source. */
static keel_bag_op exchange(const keel_cache *c, const keel_bag_op *op,
                            uint64_t until_ns)
{
    uint64_t own_ns = keel_ns_add(now_of(c), c->timeout_ns);

    return (keel_bag_op){ .size = sizeof(keel_bag_op),
                          .deadline_at_ns = keel_ns_min(until_ns, own_ns),
                          .now_ms = op->now_ms,
                          .cancel = op->cancel,
                          .wishes = KEEL_BAG_WANT_TOKEN };
}

/* ---- looking ------------------------------------------------------------------------- */

void keel_cache_look_cleanup(keel_cache *c, keel_cache_look *look)
{
    keel_memory_free(c->runtime->memory, look->large);
    look->large = NULL;
}

static bool grow(keel_cache *c, keel_cache_look *look, keel_bag_item *item, size_t size)
{
    keel_cache_look_cleanup(c, look);
    look->large = keel_memory_new(c->runtime->memory, size);
    item->buffer = look->large;
    item->capacity = size;
    return look->large != NULL;
}

/* acquire pairs with the release in note_flush: who has the new count asks a source that
 * was flushed */
static uint32_t flushes_of(const keel_cache *c)
{
    return atomic_load_explicit(&c->flushes, memory_order_acquire);
}

/* An item that others put there is to be replaced, too. */
static void judge(keel_cache_seen *seen, const keel_bag_item *item, int64_t now_ms)
{
    const keel_bytes bytes = { item->buffer, item->length };

    seen->token = item->token;
    seen->use = KEEL_CACHE_REPLACE;
    if (!keel_cache_entry_read(&seen->entry, bytes))
        return;
    seen->use = keel_cache_entry_use(&seen->entry, now_ms);
    seen->is_asked = keel_cache_entry_is_asked(&seen->entry, now_ms);
    seen->value = (keel_bytes){ (const char *)bytes.at + KEEL_CACHE_HEAD,
                                bytes.length - KEEL_CACHE_HEAD };
}

static void note(keel_cache *c, keel_cache_seen *seen, keel_status status,
                 const keel_bag_item *item, int64_t now_ms)
{
    seen->is_large = status == KEEL_E_BUFFER;
    seen->is_asked = seen->is_mine = false;
    seen->token.length = 0;
    seen->use = KEEL_CACHE_REPLACE;
    seen->flushes = flushes_of(c);
    if (status == KEEL_OK)
        judge(seen, item, now_ms);
    if (status == KEEL_OK || status == KEEL_NOT_FOUND || seen->is_large)
        return;
    keel_cache_add(c, KEEL_COUNT_ERRORS);
    seen->use = KEEL_CACHE_AVOID;
}

static keel_status read_item(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                             size_t capacity, keel_cache_look *look,
                             keel_bag_item *item)
{
    size_t likely = capacity < KEEL_CACHE_ROOM_MAX ? capacity : KEEL_CACHE_ROOM_MAX;
    keel_status status;

    item->buffer = look->room;
    item->capacity = sizeof look->room;
    if (likely + KEEL_CACHE_HEAD > sizeof look->room &&
        !grow(c, look, item, likely + KEEL_CACHE_HEAD))
        return KEEL_E_NOMEM;
    while ((status = c->cache->ops->get(c->cache->state, op, key, item, NULL)) ==
           KEEL_E_BUFFER)
        if (!grow(c, look, item, item->length))
            return KEEL_E_NOMEM;
    return status;
}

void keel_cache_look_up(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                        size_t capacity, keel_cache_look *look)
{
    keel_bag_op own = exchange(c, op, op->deadline_at_ns);
    keel_bag_item item = { .size = sizeof item };
    keel_status status;

    keel_cache_look_cleanup(c, look);
    status = read_item(c, &own, key, capacity, look, &item);
    note(c, &look->seen, status, &item, op->now_ms);
}

void keel_cache_look_up_many(keel_cache *c, const keel_bag_op *op,
                             const keel_bytes keys[], keel_bag_item items[],
                             keel_cache_seen seen[], size_t count)
{
    keel_bag_op own = exchange(c, op, op->deadline_at_ns);
    keel_status statuses[KEEL_CACHE_MANY];

    keel_bag_child_get_many(c->cache, &own, keys, items, statuses, count, NULL);
    for (size_t i = 0; i < count; i++)
        note(c, &seen[i], statuses[i], &items[i], op->now_ms);
}

/* ---- writing ------------------------------------------------------------------------- */

/* A write of the cache's own: who reads back whether it was done must not take another's
 * for it. */
static keel_status write_item(keel_cache *c, keel_bag_op *own, keel_bytes key,
                              const keel_bag_put *put, keel_bag_token *fresh)
{
    fresh->length = 0;
    own->wishes = 0;
    own->nonce = keel_random_number();
    return c->cache->ops->store(c->cache->state, own, key, put, fresh, NULL);
}

/*
 * No entry may be forgotten while somebody may still be asking who saw that there was
 * none before it: his add would succeed. How long it is used is for its head to say.
 */
static int64_t forgotten_at(const keel_bag_op *op, const keel_cache_entry *entry)
{
    int64_t least_ms = op->now_ms + WRITTEN_MS;

    return entry->kept_until_ms > least_ms ? entry->kept_until_ms : least_ms;
}

static uint64_t ns_of(int64_t ms)
{
    return (uint64_t)ms > KEEL_NEVER / KEEL_MS ? KEEL_NEVER : (uint64_t)ms * KEEL_MS;
}

static int64_t life_of(const keel_cache *c, keel_cache_kind kind)
{
    int64_t doubt_ms = c->terms.ttl_ms > WRITTEN_MS ? c->terms.ttl_ms : WRITTEN_MS;

    return kind == KEEL_CACHE_DOUBT ? doubt_ms : WRITTEN_MS;
}

void keel_cache_mark(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                     uint64_t hash, keel_cache_kind kind)
{
    char head[KEEL_CACHE_HEAD];
    const keel_cache_entry entry =
        keel_cache_entry_mark(kind, op->now_ms, life_of(c, kind));
    const keel_bag_put put = { .size = sizeof put,
                               .mode = KEEL_BAG_SET,
                               .value = { head, sizeof head },
                               .expires_at_ms = entry.kept_until_ms };
    keel_bag_op own = exchange(c, op, keel_ns_add(op->deadline_at_ns, SLACK_NS));
    keel_bag_token fresh;

    own.cancel = NULL; /* the write that was cancelled may have happened */
    keel_cache_entry_write(&entry, head);
    if (kind == KEEL_CACHE_DOUBT)
        keel_cache_poison_add(&c->poison, hash, ns_of(life_of(c, kind)));
    if (write_item(c, &own, key, &put, &fresh) == KEEL_OK)
        return;
    keel_cache_add(c, KEEL_COUNT_POISONED);
    keel_cache_poison_add(&c->poison, hash, ns_of(keel_cache_longest_ms(&c->terms)));
}

/* ---- filling ------------------------------------------------------------------------- */

/*
 * An add succeeds in a cache that was emptied. Whether this one came before or after that
 * is not known where it was flushed meanwhile: then it is taken back.
 */
static keel_status put_item(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                            const keel_cache_seen *seen, const keel_bag_put *put,
                            keel_bag_token *fresh)
{
    keel_bag_op own = exchange(c, op, op->deadline_at_ns);
    keel_status status;

    if (flushes_of(c) != seen->flushes)
        return KEEL_NOT_STORED;
    status = write_item(c, &own, key, put, fresh);
    if (flushes_of(c) == seen->flushes)
        return status;
    keel_cache_mark(c, op, key, keel_key_hash(key), KEEL_CACHE_WRITTEN);
    return KEEL_NOT_STORED;
}

bool keel_cache_put(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                    const keel_cache_seen *seen, const keel_cache_entry *entry,
                    char *bytes, size_t length, keel_bag_token *fresh)
{
    bool is_new = !seen->token.length;
    const keel_bag_put put = { .size = sizeof put,
                               .mode = is_new ? KEEL_BAG_ADD : KEEL_BAG_CAS,
                               .value = { bytes, length },
                               .expires_at_ms = forgotten_at(op, entry),
                               .expected = is_new ? NULL : &seen->token };

    keel_cache_entry_write(entry, bytes);
    switch (put_item(c, op, key, seen, &put, fresh)) {
    case KEEL_OK:
        return true;
    case KEEL_NOT_STORED:
    case KEEL_EXISTS:
    case KEEL_NOT_FOUND:
        keel_cache_add(c, KEEL_COUNT_LOST);
        return false;
    default:
        keel_cache_add(c, KEEL_COUNT_ERRORS);
        return false;
    }
}

/* ---- flushes ------------------------------------------------------------------------- */

void keel_cache_note_flush(keel_cache *c)
{
    atomic_fetch_add_explicit(&c->flushes, 1, memory_order_release);
}

/* How long what was just being put may be there before it is taken back: two exchanges,
 * each of which may end late. */
static uint64_t passing_ns(const keel_cache *c)
{
    return 2 * keel_ns_add(c->timeout_ns, LATE_NS);
}

void keel_cache_distrust_all(keel_cache *c, bool is_emptied)
{
    keel_cache_poison_add_all(&c->poison,
                              is_emptied ? passing_ns(c)
                                         : ns_of(keel_cache_longest_ms(&c->terms)));
}
