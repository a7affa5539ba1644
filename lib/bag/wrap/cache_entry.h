/* SPDX-License-Identifier: MIT */
/*
 * What the cache decorator keeps in its cache: a head, and behind it the value. Plain
 * values in, plain values out; knows neither bags nor clocks.
 */
#ifndef KEEL_BAG_WRAP_CACHE_ENTRY_H
#define KEEL_BAG_WRAP_CACHE_ENTRY_H

#include <keel/bag_plugin.h>

enum { KEEL_CACHE_HEAD = 32 };

typedef enum keel_cache_kind {
    KEEL_CACHE_VALUE = 1,      /* what the source had */
    KEEL_CACHE_ABSENT = 2,     /* it had none */
    KEEL_CACHE_WRITTEN = 3,    /* it was written since: to be asked again */
    KEEL_CACHE_DOUBT = 4,      /* a write may still happen: nothing is to be kept */
    KEEL_CACHE_ASKED = 5,      /* somebody asks the source */
    KEEL_CACHE_VALUE_ASKED = 6 /* the same, and what it had before is here */
} keel_cache_kind;

/*
 * Instants in ms since 1970. flags, expires_at_ms: of the source's item. While somebody
 * asks it, nothing is fresh: fresh_until_ms is when others need not wait for him longer.
 */
typedef struct keel_cache_entry {
    keel_cache_kind kind;
    uint32_t flags;
    int64_t fresh_until_ms;
    int64_t kept_until_ms;
    int64_t expires_at_ms; /* 0: never; -1: not known */
} keel_cache_entry;

/* Lengths in ms; jitter in millionths of ttl_ms, to both sides. */
typedef struct keel_cache_terms {
    int64_t ttl_ms;
    int64_t stale_ms;
    int64_t absent_ms;
    uint32_t jitter;
} keel_cache_terms;

/* How an entry may be used. */
typedef enum keel_cache_use {
    KEEL_CACHE_FRESH,   /* answer with it */
    KEEL_CACHE_STALE,   /* where the source cannot be asked */
    KEEL_CACHE_REPLACE, /* not at all: another may take its place */
    KEEL_CACHE_AVOID    /* not at all, and nothing may take its place */
} keel_cache_use;

/* A value's entry: fresh, then stale, never beyond what the source's item has. draw: of
 * [0, 1). */
keel_cache_entry keel_cache_entry_value(const keel_cache_terms *terms, double draw,
                                        int64_t now_ms, uint32_t flags,
                                        int64_t expires_at_ms);

/* An entry of another kind, for so long. */
keel_cache_entry keel_cache_entry_mark(keel_cache_kind kind, int64_t now_ms,
                                       int64_t length_ms);

/* That somebody asks the source, for so long. stale: the value that is here meanwhile;
 * NULL: none */
keel_cache_entry keel_cache_entry_asked(const keel_cache_entry *stale, int64_t now_ms,
                                        int64_t length_ms);
/* The same value, and nobody asks any more. */
keel_cache_entry keel_cache_entry_unasked(const keel_cache_entry *asked,
                                          int64_t now_ms);
bool keel_cache_entry_is_asked(const keel_cache_entry *entry, int64_t now_ms);

/* How long any entry can be there. */
int64_t keel_cache_longest_ms(const keel_cache_terms *terms);

keel_cache_use keel_cache_entry_use(const keel_cache_entry *entry, int64_t now_ms);

void keel_cache_entry_write(const keel_cache_entry *entry, void *head);
/* False: it is none of ours. */
bool keel_cache_entry_read(keel_cache_entry *entry, keel_bytes item);

#endif
