/* SPDX-License-Identifier: MIT */
/*
 * Requests of memcached's text protocol, classic and meta, as a client writes them. Pure
 * functions over bytes: not for sending them.
 */
#ifndef KEEL_NET_MEMCACHED_REQUEST_H
#define KEEL_NET_MEMCACHED_REQUEST_H

#include "net/memcached_reply.h"

/* How the line of a verb goes on. */
typedef enum keel_mc_shape {
    KEEL_MC_ALONE,      /* nothing more */
    KEEL_MC_KEYS,       /* key+ */
    KEEL_MC_TTL_KEYS,   /* exptime key+ */
    KEEL_MC_STORE,      /* key flags exptime length, and a block */
    KEEL_MC_STORE_IF,   /* key flags exptime length token, and a block */
    KEEL_MC_BY,         /* key number */
    KEEL_MC_TTL,        /* key exptime */
    KEEL_MC_META,       /* key flag* */
    KEEL_MC_META_STORE, /* key length flag*, and a block */
} keel_mc_shape;

#define KEEL_MC_VERB_MAP(X)                                                            \
    X(KEEL_MC_GET, "get", KEEL_MC_KEYS)                                                \
    X(KEEL_MC_GETS, "gets", KEEL_MC_KEYS)                                              \
    X(KEEL_MC_GAT, "gat", KEEL_MC_TTL_KEYS)                                            \
    X(KEEL_MC_GATS, "gats", KEEL_MC_TTL_KEYS)                                          \
    X(KEEL_MC_SET, "set", KEEL_MC_STORE)                                               \
    X(KEEL_MC_ADD, "add", KEEL_MC_STORE)                                               \
    X(KEEL_MC_REPLACE, "replace", KEEL_MC_STORE)                                       \
    X(KEEL_MC_APPEND, "append", KEEL_MC_STORE)                                         \
    X(KEEL_MC_PREPEND, "prepend", KEEL_MC_STORE)                                       \
    X(KEEL_MC_CAS, "cas", KEEL_MC_STORE_IF)                                            \
    X(KEEL_MC_INCR, "incr", KEEL_MC_BY)                                                \
    X(KEEL_MC_DECR, "decr", KEEL_MC_BY)                                                \
    X(KEEL_MC_TOUCH, "touch", KEEL_MC_TTL)                                             \
    X(KEEL_MC_DELETE, "delete", KEEL_MC_KEYS)                                          \
    X(KEEL_MC_FLUSH_ALL, "flush_all", KEEL_MC_ALONE)                                   \
    X(KEEL_MC_ASK_VERSION, "version", KEEL_MC_ALONE)                                   \
    X(KEEL_MC_META_GET, "mg", KEEL_MC_META)                                            \
    X(KEEL_MC_META_SET, "ms", KEEL_MC_META_STORE)                                      \
    X(KEEL_MC_META_DELETE, "md", KEEL_MC_META)                                         \
    X(KEEL_MC_META_COUNT, "ma", KEEL_MC_META)

typedef enum keel_mc_verb {
#define KEEL_MC_VERB_ENUM(name, word, shape) name,
    KEEL_MC_VERB_MAP(KEEL_MC_VERB_ENUM)
#undef KEEL_MC_VERB_ENUM
} keel_mc_verb;

/* What a meta request asks for: KEEL_MC_HAS_* of its reply, and the value. */
enum { KEEL_MC_WANTS_VALUE = 1 << 8 };

/* What a meta request says. */
enum {
    KEEL_MC_GIVES_FLAGS = 1, /* F: flags */
    KEEL_MC_GIVES_TTL = 2,   /* T: ttl_s */
    KEEL_MC_GIVES_TOKEN = 4, /* C: token */
    KEEL_MC_GIVES_BY = 8     /* D: by */
};

/*
 * keys, count  of get, gets, gat and gats: any number; of others: one
 * ttl_s        memcached's number: keel_ttl_memcached
 * mode         M of ms and ma; 0: none
 * wants, gives of meta requests
 */
typedef struct keel_mc_request {
    keel_mc_verb verb;
    const keel_text *keys;
    size_t count;
    keel_text value;
    uint32_t flags;
    int64_t ttl_s;
    uint64_t token;
    uint64_t by;
    uint32_t wants;
    uint32_t gives;
    char mode;
} keel_mc_request;

/* Room that it needs at most. */
size_t keel_mc_request_room(const keel_mc_request *request);

/* Writes it, data block and line ends included; returns what is behind it. */
char *keel_mc_request_write(char *to, const keel_mc_request *request);

#endif
