/* SPDX-License-Identifier: MIT */
/*
 * The inside of the cache decorator, and how it speaks with its cache. No entry is ever
 * put into the cache by a plain set but one that says "written since": every other is
 * put where there was none (add), or in the place of the one that was seen before the
 * source was asked (cas). So a fill that began before a write finds the write's mark
 * and is refused by the cache itself, in whichever process either of them is.
 */
#ifndef KEEL_BAG_WRAP_CACHE_H
#define KEEL_BAG_WRAP_CACHE_H

#include "bag/wrap/cache_entry.h"
#include "bag/wrap/cache_flights.h"
#include "bag/wrap/cache_poison.h"
#include "bag/wrap/counts.h"

#define KEEL_CACHE_COUNT_MAP(X)                                                        \
    X(HITS, "hits")                                                                    \
    X(ABSENT, "absent")     /* hits that say that there is none */                     \
    X(STALE, "stale")       /* answered with what is past its time */                  \
    X(MISSES, "misses")     /* the source was asked */                                 \
    X(FOLLOWED, "followed") /* another was asking it already */                        \
    X(AWAITED, "awaited")   /* another process was */                                  \
    X(BYPASSED, "bypassed") /* asked for a token, or for no cache */                   \
    X(FILLS, "fills")                                                                  \
    X(LOST, "lost")           /* fills that a write has overtaken */                   \
    X(TOO_LARGE, "too_large") /* for the cache */                                      \
    X(ERRORS, "errors")       /* of the cache */                                       \
    X(POISONED, "poisoned")   /* writes that it could not be told of */

typedef enum keel_cache_count {
#define KEEL_CACHE_COUNT_ENUM(name, text) KEEL_COUNT_##name,
    KEEL_CACHE_COUNT_MAP(KEEL_CACHE_COUNT_ENUM)
#undef KEEL_CACHE_COUNT_ENUM
        KEEL_COUNTS
} keel_cache_count;

typedef struct keel_cache {
    keel_runtime *runtime;
    const char *path;
    const keel_bag_child *cache;
    const keel_bag_child *source;
    keel_cache_terms terms;
    uint64_t timeout_ns; /* of one exchange with the cache */
    uint64_t wait_ns;    /* of followers */
    int64_t lease_ms;    /* for so long others wait for who asks; 0: they do not */
    bool revalidates;    /* who finds it stale while another asks need not wait */
    bool writes_through;
    keel_flights flights;
    keel_cache_poison poison;
    _Atomic uint32_t flushes; /* that the source has done */
    keel_counts counts;
} keel_cache;

static inline void keel_cache_add(keel_cache *c, keel_cache_count what)
{
    keel_counts_add(&c->counts, what);
}

/*
 * What the cache has for a key, and how it may be used.
 *
 * token  length 0: there is nothing, or the cache has not answered
 * value  of an entry, in the memory of whoever looked
 * is_asked, is_mine  somebody asks the source already; who looked does
 * flushes  that had been when it was looked
 */
typedef struct keel_cache_seen {
    keel_cache_use use;
    bool is_large; /* it did not fit, and has to be looked at alone */
    bool is_asked;
    bool is_mine;
    uint32_t flushes;
    keel_cache_entry entry;
    keel_bag_token token;
    keel_bytes value;
} keel_cache_seen;

enum { KEEL_CACHE_ROOM = 4096, KEEL_CACHE_ROOM_MAX = 65536 };

/* A look at one key, with the memory for it. */
typedef struct keel_cache_look {
    keel_cache_seen seen;
    char *large;
    char room[KEEL_CACHE_ROOM];
} keel_cache_look;

/* Only what has to be set is: it is large. */
static inline void keel_cache_look_init(keel_cache_look *look)
{
    look->large = NULL;
}

/* capacity: of the caller's buffer, which tells how large the value may be. */
void keel_cache_look_up(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                        size_t capacity, keel_cache_look *look);
void keel_cache_look_cleanup(keel_cache *c, keel_cache_look *look);

enum { KEEL_CACHE_MANY = 64 };

/* The same for several keys in one exchange, into memory of the caller's. */
void keel_cache_look_up_many(keel_cache *c, const keel_bag_op *op,
                             const keel_bytes keys[], keel_bag_item items[],
                             keel_cache_seen seen[], size_t count);

/*
 * Puts an entry in the place of what was seen, its head and the value behind it, unless
 * all was flushed since: nothing in a cache that is empty tells a fill of before.
 *
 * fresh    out: its token, where the cache tells
 * Returns  true: it is there; false: somebody else was faster, or the cache is away
 */
bool keel_cache_put(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                    const keel_cache_seen *seen, const keel_cache_entry *entry,
                    char *bytes, size_t length, keel_bag_token *fresh);

/*
 * Before the source is asked for what was seen to be missing or past its time: has other
 * processes wait for the answer, or waits for theirs. To be ended unless the answer was
 * kept.
 *
 * look     what was seen; and then what is there
 * Returns  true: the source is to be asked; false: what is there is the answer, fresh or
 *          stale
 */
bool keel_cache_lease(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                      size_t capacity, keel_cache_look *look);
void keel_cache_lease_end(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                          keel_cache_look *look);

/* What the source has said. bytes: room for a head, and the value behind it. */
typedef struct keel_cache_answer {
    keel_status status;
    uint32_t flags;
    uint32_t marks;
    int64_t expires_at_ms;
    char *bytes;
    size_t length; /* of the value */
} keel_cache_answer;

/* Keeps it in the place of what was seen before, if it is to be kept. True: it is. */
bool keel_cache_fill(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                     const keel_cache_seen *seen, const keel_cache_answer *answer);

/* Answers from the cache; counted. */
keel_status keel_cache_give_fresh(keel_cache *c, const keel_cache_seen *seen,
                                  keel_bag_item *item);
keel_status keel_cache_give_stale(keel_cache *c, const keel_cache_seen *seen,
                                  keel_bag_item *item);

/* Whether what was seen may stand in for the source where that cannot be asked; outage:
 * whether its status says so. */
static inline bool keel_cache_may_be_stale(const keel_bag_op *op,
                                           const keel_cache_seen *seen)
{
    return seen->use == KEEL_CACHE_STALE && !(op->wishes & KEEL_BAG_NO_STALE);
}

static inline bool keel_cache_is_outage(keel_status status)
{
    return status != KEEL_OK && status != KEEL_NOT_FOUND && status != KEEL_CANCELLED &&
           !keel_status_is_error(status);
}

/* Wishes that change nothing of an answer from the cache; with any other the source is
 * asked. */
#define KEEL_CACHE_WISHES (KEEL_CACHE_WISHES_OF_FAILURE | (uint32_t)KEEL_BAG_WANT_TTL)

/* Those that change what becomes of a failure: no stale answer in its place, no other
 * try. */
#define KEEL_CACHE_WISHES_OF_FAILURE ((uint32_t)(KEEL_BAG_NO_RETRY | KEEL_BAG_NO_STALE))

/* Whether the cache is not to be asked for it; counted. */
bool keel_cache_is_bypassed(keel_cache *c, const keel_bag_op *op, uint64_t hash);

/* Says that a key was written, KEEL_CACHE_WRITTEN, or may be: in the cache, and where
 * that fails here. */
void keel_cache_mark(keel_cache *c, const keel_bag_op *op, keel_bytes key,
                     uint64_t hash, keel_cache_kind kind);

/* The source was flushed; then the cache is to be: what was seen before it is not put
 * any more. */
void keel_cache_note_flush(keel_cache *c);

/* Nothing in the cache is to be believed for as long as any entry can be there;
 * is_emptied: or one that was just being put. */
void keel_cache_distrust_all(keel_cache *c, bool is_emptied);

/* cache_read.c */
keel_status keel_cache_get(void *state, const keel_bag_op *op, keel_bytes key,
                           keel_bag_item *item, keel_detail *why);

/* cache_many.c */
void keel_cache_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                         keel_bag_item items[], keel_status statuses[], size_t count,
                         keel_detail *why);

/* cache_write.c */
keel_status keel_cache_store(void *state, const keel_bag_op *op, keel_bytes key,
                             const keel_bag_put *put, keel_bag_token *fresh,
                             keel_detail *why);
keel_status keel_cache_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                              bool down, uint64_t by, uint64_t *number,
                              keel_bag_token *fresh, keel_detail *why);
keel_status keel_cache_touch(void *state, const keel_bag_op *op, keel_bytes key,
                             int64_t expires_at_ms, keel_bag_item *item,
                             keel_detail *why);
keel_status keel_cache_remove(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_token *expected, keel_detail *why);
keel_status keel_cache_flush(void *state, const keel_bag_op *op, keel_detail *why);

#endif
