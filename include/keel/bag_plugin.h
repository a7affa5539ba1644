/* SPDX-License-Identifier: MIT */
/*
 * What a bag is made of, seen from inside: a store keeps data, a decorator is made of
 * other bags. keel's own and those of others are told by the same table of functions;
 * keel-plugin(3) shows one, examples/plugin is one, keel-conform(1) proves one.
 *
 * What a plugin may rely on
 *   Keys are 1 to 250 bytes without blanks and control characters, values are no larger
 *   than it said it takes, lengths of time have become instants, no function is called
 *   after a fork in the child, open and close are called once each, and close when
 *   nobody is inside any more.
 *
 * What it has to keep to
 *   1. All functions but open and close are called by any number of threads at once.
 *   2. None blocks for longer than 50 ms past op->deadline_at_ns, and none holds a lock
 *      during I/O that another key needs.
 *   3. It never retries, prints, reads the environment, installs signal handlers, or
 *      ends the process. It raises no SIGPIPE.
 *   4. Keys and values are borrowed for the call.
 *   5. After a failure `applied` in the detail is true: NO only if nothing of the
 *      request was sent or the store itself has said so.
 *   6. After an unknown outcome a connection is closed: a late answer would be taken for
 *      that of the next request.
 *   7. What it cannot do is a NULL function, and no ability: it is not called for it.
 *      open, close, look, get and health have to be there.
 */
#ifndef KEEL_BAG_PLUGIN_H
#define KEEL_BAG_PLUGIN_H

#include <stddef.h>

#include <keel/bag.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KEEL_BAG_ABI 1u /* of this file; raised by whatever is not an addition */

typedef struct keel_bytes {
    const void *at;
    size_t length;
} keel_bytes;

/*
 * One operation, handed down the tree as it is. size first.
 *
 * deadline_at_ns  on the runtime's clock; never 0
 * now_ms          since 1970, when it began: by this it is judged what has expired
 * cancel          NULL: none
 * wishes          KEEL_BAG_*
 * nonce           names this write for as long as it is tried: kept with the item by
 *                 stores with KEEL_HAS_NONCE
 * nonce_found     out, of get: the nonce of the item that was found, told by stores with
 *                 KEEL_HAS_NONCE; 0: it has none. NULL: not wanted
 * marks           out, of what writes: KEEL_BAG_* are added to it, by keel_bag_mark. NULL:
 *                 not wanted
 */
typedef struct keel_bag_op {
    size_t size;
    uint64_t deadline_at_ns;
    int64_t now_ms;
    keel_cancel *cancel;
    uint32_t wishes;
    uint64_t nonce;
    uint64_t *nonce_found;
    uint32_t *marks;
} keel_bag_op;

/* Says what is worth knowing of a write: KEEL_BAG_REPEATED, KEEL_BAG_UNVERIFIED, … */
static inline void keel_bag_mark(const keel_bag_op *op, uint32_t marks)
{
    if (op->marks)
        *op->marks |= marks;
}

/* How an item is stored. */
typedef enum keel_bag_mode {
    KEEL_BAG_SET = 0,
    KEEL_BAG_ADD = 1,
    KEEL_BAG_REPLACE = 2,
    KEEL_BAG_CAS = 3,
    KEEL_BAG_APPEND =
        4, /* flags and expiry of the item stay, those given are ignored */
    KEEL_BAG_PREPEND = 5
} keel_bag_mode;

#define KEEL_BAG_KEEP_EXPIRY INT64_MIN

/*
 * size first.
 *
 * expires_at_ms  since 1970; 0: never; KEEL_BAG_KEEP_EXPIRY
 * expected       with KEEL_BAG_CAS
 */
typedef struct keel_bag_put {
    size_t size;
    keel_bag_mode mode;
    keel_bytes value;
    uint32_t flags;
    int64_t expires_at_ms;
    const keel_bag_token *expected;
} keel_bag_put;

/* ---- opening ----------------------------------------------------------------------- */

/* What may stand after "?" in a store's URL, or between a decorator's braces. */
typedef enum keel_bag_option_type {
    KEEL_BAG_DURATION = 0, /* 250ms; value: ns */
    KEEL_BAG_SIZE = 1,     /* 64m, 64MiB; bytes */
    KEEL_BAG_COUNT = 2,
    KEEL_BAG_SWITCH = 3, /* on, off; 1, 0 */
    KEEL_BAG_RATIO = 4,  /* 5%; millionths */
    KEEL_BAG_WORD = 5,   /* one of `words`, cut by "|"; value: which, from 0 */
    KEEL_BAG_TEXT = 6,
    KEEL_BAG_SECRET = 7 /* NAME_file= or NAME_env=; text, read anew by each open */
} keel_bag_option_type;

/* standard  as it would be written; NULL: none, and then the value is absent */
typedef struct keel_bag_option {
    const char *name;
    keel_bag_option_type type;
    uint64_t min, max;
    const char *words;
    const char *standard;
    const char *meaning;
} keel_bag_option;

typedef struct keel_bag_value {
    bool is_given;   /* else it is the standard, or nothing */
    uint64_t number; /* of all types but TEXT and SECRET */
    const char *text;
} keel_bag_value;

typedef struct keel_bag_ops keel_bag_ops;

/* A bag that a decorator is made of, opened. */
typedef struct keel_bag_child {
    const char *role; /* "primary"; "" where the spec names none */
    const char *path; /* "cache.source" */
    const keel_bag_ops *ops;
    void *state;
    keel_bag_abilities abilities;
} keel_bag_child;

/*
 * What an opening gets; everything lives until close has returned. size first.
 *
 * bag       its name
 * path      of this part in the tree, for texts
 * url       a store's, without query and password; NULL: a decorator
 * user, password, host, port, location
 *           its pieces, decoded; "" and 0 where they are not there; location is what
 *           follows the host, with its slash; of several hosts, "a:1,b:2", host has
 *           all of them as they were written, and port is 0
 * values    of the table of options, in its order
 * settings  a decorator with takes_settings: the other options, as a pipeline's settings
 * value_max a store's; the value of a put is no larger, but what append and prepend make
 *           of an item is for the store to refuse; 0: as large as it takes
 */
typedef struct keel_bag_setup {
    size_t size;
    keel_runtime *runtime;
    const char *bag;
    const char *path;
    const char *url;
    const char *user, *password, *host, *location;
    uint16_t port;
    const keel_bag_value *values;
    const char *settings;
    const keel_bag_child *children;
    size_t child_count;
    uint64_t value_max;
} keel_bag_setup;

/* ---- the table --------------------------------------------------------------------- */

/*
 * size first; functions that a later keel adds stand behind its end, and are NULL.
 *
 * abi        KEEL_BAG_ABI
 * name       a store's scheme, a decorator's word: lower case letters, digits, "_"
 * roles      of a decorator's children, cut by "|", in the order in which setup.children
 *            has them, and children without a role get theirs; "*" at the end: any number
 *            more, of any name. NULL: a store
 * takes_settings  options that are not in the table are a pipeline's settings
 *
 * open       *state: its own; returns KEEL_OK, or says in *why what is wrong
 * look       all of abilities but size and effective; asked once, after open
 * get        as keel_bag_get; token and expires_at_ms where op->wishes asks for them
 * get_many   statuses of each; NULL: get is called for each
 * store      *fresh: the token of what was stored, where it tells; never NULL
 * add_to     *number: as stored now; by is taken away where down
 * touch      item NULL: not wanted
 * remove     expected NULL: whatever there is
 * health     one exchange at most: is it there?
 * control    "readonly on": a word of an operator to this part; answer: a line, NULL: not
 *            wanted; KEEL_E_UNSUPPORTED: it knows no such word
 */
struct keel_bag_ops {
    uint32_t size;
    uint32_t abi;
    const char *name;
    const char *roles;
    bool takes_settings;
    const keel_bag_option *options; /* ends with one without name; NULL: none */
    const char *meaning;            /* one sentence */

    keel_status (*open)(void **state, const keel_bag_setup *setup, keel_detail *why);
    void (*close)(void *state);
    void (*look)(void *state, keel_bag_abilities *abilities);

    keel_status (*get)(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why);
    void (*get_many)(void *state, const keel_bag_op *op, const keel_bytes keys[],
                     keel_bag_item items[], keel_status statuses[], size_t count,
                     keel_detail *why);
    keel_status (*store)(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why);
    keel_status (*add_to)(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why);
    keel_status (*touch)(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why);
    keel_status (*remove)(void *state, const keel_bag_op *op, keel_bytes key,
                          const keel_bag_token *expected, keel_detail *why);
    keel_status (*flush)(void *state, const keel_bag_op *op, keel_detail *why);
    keel_status (*scan)(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why);
    keel_status (*health)(void *state, const keel_bag_op *op, keel_detail *why);
    keel_status (*control)(void *state, const char *command, char *answer, size_t size,
                           keel_detail *why);
};

/*
 * What a shared object keel_bag_NAME.so has to export, under this name:
 *
 *     const keel_bag_ops *keel_bag_plugin_v1(void);
 *
 * Threads may call it at once; the table lives as long as the process.
 */
typedef const keel_bag_ops *keel_bag_plugin_fn(void);
#define KEEL_BAG_PLUGIN_SYMBOL "keel_bag_plugin_v1"

/* ---- helpers ----------------------------------------------------------------------- */

/* What a store can that lacks nothing: each verb, and all that belongs to an item. */
#define KEEL_BAG_CAN_ALL                                                               \
    ((uint32_t)(KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_REPLACE |        \
                KEEL_CAN_APPEND | KEEL_CAN_CAS | KEEL_CAN_INCR | KEEL_CAN_TOUCH |      \
                KEEL_CAN_DELETE | KEEL_CAN_DELETE_CAS | KEEL_CAN_FLUSH |               \
                KEEL_CAN_SCAN | KEEL_CAN_TTL | KEEL_CAN_TELL_TTL | KEEL_CAN_FLAGS |    \
                KEEL_HAS_NONCE | KEEL_TELLS_DELETE))

/*
 * Says how an operation failed; returns status, so that `return keel_bag_fail(…)` reads
 * well. path: setup's. why may be NULL.
 */
KEEL_API keel_status keel_bag_fail(keel_detail *why, keel_status status,
                                   keel_applied applied, const char *path,
                                   const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 5, 6)))
#endif
    ;

/*
 * Hands a value to the caller's item: length always, bytes if they fit.
 * Returns  KEEL_OK, or KEEL_E_BUFFER
 */
KEEL_API keel_status keel_bag_item_fill(keel_bag_item *item, const void *value,
                                        size_t length);

/* What a store has to hold append and prepend to: its own limit, or its URL's. */
static inline uint64_t keel_bag_value_max(const keel_bag_setup *setup, uint64_t own)
{
    bool is_told =
        setup->size > offsetof(keel_bag_setup, value_max) && setup->value_max;

    return is_told && setup->value_max < own ? setup->value_max : own;
}

/* Decimal digits, with blanks behind them: false: no number of 64 bits. */
KEEL_API bool keel_bag_number_read(keel_bytes text, uint64_t *number);

/* The number after adding, or taking away: 2^64 wraps, 0 stays. */
KEEL_API uint64_t keel_bag_number_add(uint64_t number, bool down, uint64_t by);

/* get_many of a child, or get for each where it has none. */
KEEL_API void keel_bag_child_get_many(const keel_bag_child *child,
                                      const keel_bag_op *op, const keel_bytes keys[],
                                      keel_bag_item items[], keel_status statuses[],
                                      size_t count, keel_detail *why);

/* A token of 8 bytes, and what is in one; 0: it has another length. */
KEEL_API keel_bag_token keel_bag_token_of(uint64_t number);
KEEL_API uint64_t keel_bag_token_number(const keel_bag_token *token);

#ifdef __cplusplus
}
#endif
#endif
