/* SPDX-License-Identifier: MIT */
/*
 * Bags: key-value stores behind one API with memcached's verbs. What a bag is made of,
 * one store or a tree of stores and decorators, is said by a spec, keel-bag-spec(5),
 * which an operator may replace: the code stays as it is.
 *
 *     keel_bag *sessions;
 *     char value[4096];
 *     keel_bag_item item = { .size = sizeof item, .buffer = value,
 *                            .capacity = sizeof value };
 *
 *     keel_bag_open(&sessions, rt, "sessions", "file:///var/lib/app/sessions", &why);
 *     keel_bag_set(sessions, "user:17", body, length, NULL, &why);
 *     status = keel_bag_get(sessions, "user:17", &item, NULL, &why);
 *     keel_bag_close(sessions);
 *
 * Every verb may be called by any number of threads at once, blocks until its deadline
 * at the latest, and keeps none of its arguments. Of what they return three families
 * are treated differently:
 *
 *   KEEL_OK, KEEL_NOT_FOUND, KEEL_NOT_STORED, KEEL_EXISTS, KEEL_NOT_NUMBER
 *                  the store has answered: none of them is a failure
 *   KEEL_REJECTED_*, KEEL_FAILED, KEEL_TIMEOUT, KEEL_DEADLINE, KEEL_THROTTLED,
 *   KEEL_READ_ONLY, KEEL_CORRUPT, KEEL_CANCELLED, KEEL_UNKNOWN
 *                  it has not, or not as it should. A write that may have happened is
 *                  KEEL_UNKNOWN and nothing else is: after all others it has not. The
 *                  detail's `applied` says the same, and its text which part of the
 *                  tree failed and why
 *   KEEL_E_*       the call itself cannot be: a bad key, a value too large, a verb that
 *                  these stores cannot do. Nothing was sent
 */
#ifndef KEEL_BAG_H
#define KEEL_BAG_H

#include <keel/call.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct keel_bag keel_bag;

enum {
    KEEL_BAG_KEY_MAX = 250, /* bytes of a key */
    KEEL_BAG_TOKEN_MAX = 47
};

/* ---- what is stored -------------------------------------------------------------- */

/*
 * How long an item lives. All zero: for ever. Made by the functions below.
 *
 * NEVER     does not expire
 * RELATIVE  ms from now; becomes an instant once, when the call begins: a retry prolongs
 *           nothing
 * ABSOLUTE  ms since 1970; what has passed is gone at once
 * KEEP      what the item has; where there is none: for ever
 */
typedef enum keel_ttl_kind {
    KEEL_TTL_NEVER = 0,
    KEEL_TTL_RELATIVE = 1,
    KEEL_TTL_ABSOLUTE = 2,
    KEEL_TTL_KEEP = 3
} keel_ttl_kind;

typedef struct keel_ttl {
    keel_ttl_kind kind;
    int64_t ms;
} keel_ttl;

static inline keel_ttl keel_ttl_of(keel_ttl_kind kind, int64_t ms)
{
    keel_ttl ttl;

    ttl.kind = kind;
    ttl.ms = ms;
    return ttl;
}

static inline keel_ttl keel_ttl_for_ms(int64_t ms)
{
    return keel_ttl_of(KEEL_TTL_RELATIVE, ms);
}

static inline keel_ttl keel_ttl_until_ms(int64_t unix_ms)
{
    return keel_ttl_of(KEEL_TTL_ABSOLUTE, unix_ms);
}

/*
 * memcached's number: 0 for ever, below 0 gone at once, up to 2592000 (30 days) seconds
 * from now, above that seconds since 1970.
 */
KEEL_API keel_ttl keel_ttl_memcached(int64_t number);

/*
 * Which version of an item was seen; to be handed back unread. Of two writes to a bag no
 * two leave the same, not even if the item was deleted and made anew between them.
 *
 * length  0: none
 */
typedef struct keel_bag_token {
    uint8_t length;
    uint8_t bytes[KEEL_BAG_TOKEN_MAX];
} keel_bag_token;

/* What is worth knowing of an answer. */
enum {
    KEEL_BAG_STALE = 1,        /* older than its time: the source could not be asked */
    KEEL_BAG_FROM_CACHE = 2,   /* not from the source */
    KEEL_BAG_FROM_STANDBY = 4, /* not from the primary */
    KEEL_BAG_REPEATED = 8,     /* a try before may have done it already */
    KEEL_BAG_UNVERIFIED = 16 /* done, but whether there was one the store cannot tell */
};

/*
 * An item as it is read. size first.
 *
 * buffer, capacity  in: the caller's memory for the value; NULL and 0: not wanted
 * length            out: of the value; of one that did not fit, the room that it needs
 * flags             out: what was stored with it, for the caller's use
 * expires_at_ms     out: ms since 1970; 0: never; -1: the store cannot tell
 * token             out: for keel_bag_cas; length 0: not asked for, or it has none
 * marks             out: KEEL_BAG_*; of KEEL_NOT_FOUND, too
 */
typedef struct keel_bag_item {
    size_t size;
    void *buffer;
    size_t capacity;
    size_t length;
    uint32_t flags;
    int64_t expires_at_ms;
    uint32_t marks;
    keel_bag_token token;
} keel_bag_item;

/* Wishes of a call. */
enum {
    KEEL_BAG_NO_RETRY = 1,   /* one attempt, whatever the settings say */
    KEEL_BAG_NO_CACHE = 2,   /* from the source */
    KEEL_BAG_NO_STALE = 4,   /* rather an error than what is past its time */
    KEEL_BAG_WANT_TOKEN = 8, /* keel_bag_get: the item's token too, for a later cas */
    KEEL_BAG_WANT_TTL = 16   /* keel_bag_get: when it expires too */
};

/*
 * Options of a call. size first; every zero means the default.
 *
 * deadline_at_ns  an instant of the runtime's clock (keel_now); 0: the bag's own, ten
 *                 seconds unless its spec says otherwise; the earlier of the two holds
 * cancel          borrowed for the call
 * wishes          KEEL_BAG_*
 * flags, ttl      of what is stored
 * token           out, may be NULL: of what was stored, where the store tells
 * marks           out, may be NULL: KEEL_BAG_*, of a write
 */
typedef struct keel_bag_options {
    size_t size;
    uint64_t deadline_at_ns;
    keel_cancel *cancel;
    uint32_t wishes;
    uint32_t flags;
    keel_ttl ttl;
    keel_bag_token *token;
    uint32_t *marks;
} keel_bag_options;

/* ---- opening ----------------------------------------------------------------------- */

/*
 * Opens a bag and all it is made of. Stores are connected to when they are first used,
 * so that a service starts while what it depends on is down; what can be seen to be
 * wrong at once (a spec, a directory, a plugin) is said here.
 *
 * name     as a pipeline's; "sessions" is KEEL_BAG_SESSIONS
 * spec     the author's; NULL: there is none without the operator's. KEEL_BAG_<NAME>
 *          takes its place
 * Returns  KEEL_OK; KEEL_E_CONFIG: no spec, or it is wrong, why->text says where;
 *          KEEL_E_UNSUPPORTED: it requires what the stores cannot do; KEEL_E_NOMEM,
 *          KEEL_E_SYSTEM; *bag is NULL unless KEEL_OK
 * Threads  any
 */
KEEL_API KEEL_MUST_USE keel_status keel_bag_open(keel_bag **bag, keel_runtime *runtime,
                                                 const char *name, const char *spec,
                                                 keel_detail *why);

/* Ends it, once no thread uses it any more; reads that have lost a hedge are waited for.
 * NULL is fine. A bag that was opened before a fork is the parent's: in the child it stays
 * as it is. */
KEEL_API void keel_bag_close(keel_bag *bag);

/*
 * The tree as it is, as a spec, without secrets ("***").
 * Returns the text's length; what does not fit into `size` with its end is cut
 */
KEEL_API size_t keel_bag_describe(const keel_bag *bag, char *text, size_t size);

/*
 * A word of an operator to a part of the tree, as "readonly on". Which words a part knows
 * stands in its man page.
 *
 * path     of the part, as texts name it: "cache.source"; NULL: the first one from the
 *          root on that knows the command
 * command  the part's word, and what it is to do
 * answer   out, may be NULL: a line, ended by a NUL, cut to size
 * Returns  KEEL_OK; KEEL_E_UNSUPPORTED: that part, or every part, knows it not;
 *          KEEL_E_ARGUMENT: there is no such part, or the command is not whole
 * Threads  any, while verbs run
 */
KEEL_API keel_status keel_bag_control(keel_bag *bag, const char *path,
                                      const char *command, char *answer, size_t size,
                                      keel_detail *why);

/*
 * What a bag can do: by itself, and with what keel makes of it (append, incr and touch
 * from get and cas).
 */
#define KEEL_BAG_ABILITY_MAP(X)                                                        \
    X(KEEL_CAN_GET, 0, "get")                                                          \
    X(KEEL_CAN_SET, 1, "set")                                                          \
    X(KEEL_CAN_ADD, 2, "add")                                                          \
    X(KEEL_CAN_REPLACE, 3, "replace")                                                  \
    X(KEEL_CAN_APPEND, 4, "append")                                                    \
    X(KEEL_CAN_CAS, 5, "cas")                                                          \
    X(KEEL_CAN_INCR, 6, "incr")                                                        \
    X(KEEL_CAN_TOUCH, 7, "touch")                                                      \
    X(KEEL_CAN_DELETE, 8, "delete")                                                    \
    X(KEEL_CAN_DELETE_CAS, 9, "delete_cas")                                            \
    X(KEEL_CAN_FLUSH, 10, "flush")                                                     \
    X(KEEL_CAN_SCAN, 11, "scan")                                                       \
    X(KEEL_CAN_MANY, 12, "many")         /* several keys in one exchange */            \
    X(KEEL_CAN_TTL, 13, "ttl")           /* items expire */                            \
    X(KEEL_CAN_TELL_TTL, 14, "tell_ttl") /* and it is known when */                    \
    X(KEEL_CAN_FLAGS, 15, "flags")                                                     \
    X(KEEL_IS_DURABLE, 16, "durable")        /* outlives a crash of its machine */     \
    X(KEEL_IS_VOLATILE, 17, "volatile")      /* ends with its process */               \
    X(KEEL_MAY_EVICT, 18, "evicts")          /* drops items for want of room */        \
    X(KEEL_HAS_NONCE, 19, "nonce")           /* a write can be known for one's own */  \
    X(KEEL_TELLS_DELETE, 20, "tells_delete") /* whether there was one */

typedef enum keel_bag_ability {
#define KEEL_BAG_ABILITY_ENUM(name, number, text) name = 1 << number,
    KEEL_BAG_ABILITY_MAP(KEEL_BAG_ABILITY_ENUM)
#undef KEEL_BAG_ABILITY_ENUM
        KEEL_BAG_ABILITY_LAST_ = 0x7fffffff
} keel_bag_ability;

/*
 * size first.
 *
 * native, effective   sets of keel_bag_ability
 * value_max           bytes
 * batch_max           keys in one exchange
 * ttl_step_ms         how exactly items expire
 */
typedef struct keel_bag_abilities {
    size_t size;
    uint32_t native;
    uint32_t effective;
    uint64_t value_max;
    uint32_t batch_max;
    uint32_t ttl_step_ms;
} keel_bag_abilities;

KEEL_API keel_status keel_bag_look(const keel_bag *bag, keel_bag_abilities *abilities);

/* "cas"; NULL for a number that is none. */
KEEL_API const char *keel_bag_ability_name(keel_bag_ability ability);

/* ---- verbs ------------------------------------------------------------------------- */
/*
 * key      1 to 250 bytes, none of them a blank or a control character
 * options  borrowed; NULL: defaults
 * why      NULL: not wanted
 */

/*
 * Returns  KEEL_OK; KEEL_NOT_FOUND: it is not there, or no longer; KEEL_E_BUFFER: it is,
 *          item->length is what it needs, flags, token and ttl are right, the buffer is
 *          as it was; KEEL_CORRUPT: what is stored is damaged
 */
KEEL_API keel_status keel_bag_get(keel_bag *bag, const char *key, keel_bag_item *item,
                                  const keel_bag_options *options, keel_detail *why);

/*
 * Several keys at once, each with an answer of its own; a key may occur twice.
 *
 * items, statuses  count of each: what keel_bag_get would have said
 * Returns  KEEL_OK: each was answered, if only with KEEL_NOT_FOUND; KEEL_PARTIAL: some
 *          were not; else none was, and why
 */
KEEL_API keel_status keel_bag_get_many(keel_bag *bag, const char *const keys[],
                                       keel_bag_item items[], keel_status statuses[],
                                       size_t count, const keel_bag_options *options,
                                       keel_detail *why);

/*
 * Stores, with options' flags and ttl.
 *
 * value, length  borrowed; NULL and 0: the empty value, which is one
 * set      whatever there is
 * add      where there is none; else KEEL_NOT_STORED
 * replace  where there is one; else KEEL_NOT_STORED
 * cas      where there is the one that was seen; KEEL_EXISTS: it is another now;
 *          KEEL_NOT_FOUND: there is none
 * append, prepend  to what there is, whose flags and ttl stay; else KEEL_NOT_STORED
 */
KEEL_API keel_status keel_bag_set(keel_bag *bag, const char *key, const void *value,
                                  size_t length, const keel_bag_options *options,
                                  keel_detail *why);
KEEL_API keel_status keel_bag_add(keel_bag *bag, const char *key, const void *value,
                                  size_t length, const keel_bag_options *options,
                                  keel_detail *why);
KEEL_API keel_status keel_bag_replace(keel_bag *bag, const char *key, const void *value,
                                      size_t length, const keel_bag_options *options,
                                      keel_detail *why);
KEEL_API keel_status keel_bag_cas(keel_bag *bag, const char *key,
                                  const keel_bag_token *token, const void *value,
                                  size_t length, const keel_bag_options *options,
                                  keel_detail *why);
KEEL_API keel_status keel_bag_append(keel_bag *bag, const char *key, const void *value,
                                     size_t length, const keel_bag_options *options,
                                     keel_detail *why);
KEEL_API keel_status keel_bag_prepend(keel_bag *bag, const char *key, const void *value,
                                      size_t length, const keel_bag_options *options,
                                      keel_detail *why);

/*
 * Adds to, or takes from, a number in decimal digits: 64 bits without sign; past the
 * largest it begins again with 0, below 0 it stays 0. Flags and ttl stay.
 *
 * number   out, may be NULL: what it is now
 * Returns  KEEL_OK; KEEL_NOT_FOUND; KEEL_NOT_NUMBER: it is something else
 */
KEEL_API keel_status keel_bag_incr(keel_bag *bag, const char *key, uint64_t by,
                                   uint64_t *number, const keel_bag_options *options,
                                   keel_detail *why);
KEEL_API keel_status keel_bag_decr(keel_bag *bag, const char *key, uint64_t by,
                                   uint64_t *number, const keel_bag_options *options,
                                   keel_detail *why);

/* Gives it options' ttl. KEEL_NOT_FOUND. With an item: reads it, too, as keel_bag_get. */
KEEL_API keel_status keel_bag_touch(keel_bag *bag, const char *key,
                                    const keel_bag_options *options, keel_detail *why);
KEEL_API keel_status keel_bag_get_and_touch(keel_bag *bag, const char *key,
                                            keel_bag_item *item,
                                            const keel_bag_options *options,
                                            keel_detail *why);

/*
 * KEEL_NOT_FOUND: there was none. With a token: only the one that was seen; KEEL_EXISTS:
 * it is another now.
 */
KEEL_API keel_status keel_bag_delete(keel_bag *bag, const char *key,
                                     const keel_bag_options *options, keel_detail *why);
KEEL_API keel_status keel_bag_delete_cas(keel_bag *bag, const char *key,
                                         const keel_bag_token *token,
                                         const keel_bag_options *options,
                                         keel_detail *why);

/*
 * Deletes all there is. Only with allow_flush=on in the spec, else KEEL_E_UNSUPPORTED.
 */
KEEL_API keel_status keel_bag_flush(keel_bag *bag, const keel_bag_options *options,
                                    keel_detail *why);

/* ---- all there is ------------------------------------------------------------------ */

/* Where a scan stands; all zero: at its beginning. May be kept, and gone on with later. */
typedef struct keel_bag_cursor {
    uint16_t length;
    uint8_t is_at_end;
    uint8_t bytes[509];
} keel_bag_cursor;

/* Called for each key; true: go on. May not use the bag that it is called by. */
typedef bool keel_bag_scan_fn(const char *key, void *ctx);

/*
 * Says some of the keys, and where to go on: until cursor->is_at_end. A key that is
 * there all the while is said once at least; one that comes or goes meanwhile, perhaps.
 *
 * cursor   in and out
 * Returns  KEEL_OK; KEEL_E_UNSUPPORTED: memcached and HTTP have no list of their keys
 */
KEEL_API keel_status keel_bag_scan(keel_bag *bag, keel_bag_cursor *cursor,
                                   keel_bag_scan_fn *fn, void *ctx,
                                   const keel_bag_options *options, keel_detail *why);

#ifdef __cplusplus
}
#endif
#endif
