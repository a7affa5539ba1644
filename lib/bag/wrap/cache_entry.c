/* SPDX-License-Identifier: MIT */
/* Times and bytes of the cache's entries. */
#include "bag/wrap/cache_entry.h"

#include <endian.h>
#include <string.h>

static const char magic[3] = { 'k', 'c', '1' };

/* ---- times --------------------------------------------------------------------------- */

static int64_t later(int64_t at_ms, int64_t length_ms)
{
    return at_ms > INT64_MAX - length_ms ? INT64_MAX : at_ms + length_ms;
}

static int64_t earlier_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t jittered(const keel_cache_terms *terms, double draw)
{
    double jitter = (double)terms->jitter / 1e6;

    return (int64_t)((double)terms->ttl_ms * (1 - jitter + 2 * jitter * draw));
}

keel_cache_entry keel_cache_entry_value(const keel_cache_terms *terms, double draw,
                                        int64_t now_ms, uint32_t flags,
                                        int64_t expires_at_ms)
{
    keel_cache_entry entry = { .kind = KEEL_CACHE_VALUE,
                               .flags = flags,
                               .expires_at_ms = expires_at_ms };

    entry.fresh_until_ms = later(now_ms, jittered(terms, draw));
    entry.kept_until_ms = later(entry.fresh_until_ms, terms->stale_ms);
    if (expires_at_ms > 0) {
        entry.fresh_until_ms = earlier_of(entry.fresh_until_ms, expires_at_ms);
        entry.kept_until_ms = earlier_of(entry.kept_until_ms, expires_at_ms);
    }
    return entry;
}

keel_cache_entry keel_cache_entry_mark(keel_cache_kind kind, int64_t now_ms,
                                       int64_t length_ms)
{
    int64_t until_ms = later(now_ms, length_ms);

    return (keel_cache_entry){ .kind = kind,
                               .fresh_until_ms = until_ms,
                               .kept_until_ms = until_ms };
}

keel_cache_entry keel_cache_entry_asked(const keel_cache_entry *stale, int64_t now_ms,
                                        int64_t length_ms)
{
    keel_cache_entry entry = keel_cache_entry_mark(KEEL_CACHE_ASKED, now_ms, length_ms);

    if (!stale)
        return entry;
    entry.kind = KEEL_CACHE_VALUE_ASKED;
    entry.flags = stale->flags;
    entry.kept_until_ms = stale->kept_until_ms;
    entry.expires_at_ms = stale->expires_at_ms;
    return entry;
}

keel_cache_entry keel_cache_entry_unasked(const keel_cache_entry *asked, int64_t now_ms)
{
    keel_cache_entry entry = *asked;

    entry.kind = KEEL_CACHE_VALUE;
    entry.fresh_until_ms = now_ms;
    return entry;
}

bool keel_cache_entry_is_asked(const keel_cache_entry *entry, int64_t now_ms)
{
    return (entry->kind == KEEL_CACHE_ASKED || entry->kind == KEEL_CACHE_VALUE_ASKED) &&
           entry->fresh_until_ms > now_ms;
}

int64_t keel_cache_longest_ms(const keel_cache_terms *terms)
{
    int64_t value_ms = later(jittered(terms, 1), terms->stale_ms);

    return value_ms > terms->absent_ms ? value_ms : terms->absent_ms;
}

keel_cache_use keel_cache_entry_use(const keel_cache_entry *entry, int64_t now_ms)
{
    if (entry->kept_until_ms <= now_ms || entry->kind == KEEL_CACHE_WRITTEN ||
        entry->kind == KEEL_CACHE_ASKED)
        return KEEL_CACHE_REPLACE; /* a store that forgets late has kept it */
    if (entry->kind == KEEL_CACHE_DOUBT)
        return KEEL_CACHE_AVOID;
    if (entry->kind == KEEL_CACHE_VALUE_ASKED)
        return KEEL_CACHE_STALE;
    return entry->fresh_until_ms > now_ms ? KEEL_CACHE_FRESH : KEEL_CACHE_STALE;
}

/* ---- bytes --------------------------------------------------------------------------- */

/* Little endian, so that hosts of both kinds may share a cache. */
static char *put(char *to, int64_t number)
{
    uint64_t bytes = htole64((uint64_t)number);

    memcpy(to, &bytes, sizeof bytes);
    return to + sizeof bytes;
}

static const char *take(const char *from, int64_t *number)
{
    uint64_t bytes;

    memcpy(&bytes, from, sizeof bytes);
    *number = (int64_t)le64toh(bytes);
    return from + sizeof bytes;
}

void keel_cache_entry_write(const keel_cache_entry *entry, void *head)
{
    uint32_t flags = htole32(entry->flags);
    char *to = head;

    memcpy(to, magic, sizeof magic);
    to[sizeof magic] = (char)entry->kind;
    memcpy(to + 4, &flags, sizeof flags);
    to = put(to + 8, entry->fresh_until_ms);
    to = put(to, entry->kept_until_ms);
    put(to, entry->expires_at_ms);
}

bool keel_cache_entry_read(keel_cache_entry *entry, keel_bytes item)
{
    const char *from = item.at;
    uint32_t flags;

    if (item.length < KEEL_CACHE_HEAD || memcmp(from, magic, sizeof magic) != 0 ||
        from[3] < KEEL_CACHE_VALUE || from[3] > KEEL_CACHE_VALUE_ASKED)
        return false;
    entry->kind = (keel_cache_kind)from[3];
    memcpy(&flags, from + 4, sizeof flags);
    entry->flags = le32toh(flags);
    from = take(from + 8, &entry->fresh_until_ms);
    from = take(from, &entry->kept_until_ms);
    take(from, &entry->expires_at_ms);
    return true;
}
