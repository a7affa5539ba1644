/* SPDX-License-Identifier: MIT */
/*
 * Replies of memcached's text protocol, classic and meta, as a client reads them.
 * Incremental: reading is tried again from the reply's beginning with more bytes.
 * Bounded: a line is 2048 bytes at most, a value as long as the reader allows.
 */
#ifndef KEEL_NET_MEMCACHED_REPLY_H
#define KEEL_NET_MEMCACHED_REPLY_H

#include "net/memcached_text.h"

enum { KEEL_MC_REPLY_LINE = 2048 };

/* What a reply begins with. */
#define KEEL_MC_REPLY_MAP(X)                                                           \
    X(KEEL_MC_VALUE, "VALUE") /* get: key, flags, length and perhaps token */          \
    X(KEEL_MC_END, "END")                                                              \
    X(KEEL_MC_STORED, "STORED")                                                        \
    X(KEEL_MC_NOT_STORED, "NOT_STORED")                                                \
    X(KEEL_MC_EXISTS, "EXISTS")                                                        \
    X(KEEL_MC_NOT_FOUND, "NOT_FOUND")                                                  \
    X(KEEL_MC_DELETED, "DELETED")                                                      \
    X(KEEL_MC_TOUCHED, "TOUCHED")                                                      \
    X(KEEL_MC_OK, "OK")                                                                \
    X(KEEL_MC_VERSION, "VERSION")                                                      \
    X(KEEL_MC_ERROR, "ERROR")                                                          \
    X(KEEL_MC_CLIENT_ERROR, "CLIENT_ERROR")                                            \
    X(KEEL_MC_SERVER_ERROR, "SERVER_ERROR")                                            \
    X(KEEL_MC_VA, "VA") /* meta: length and flags */                                   \
    X(KEEL_MC_HD, "HD")                                                                \
    X(KEEL_MC_EN, "EN")                                                                \
    X(KEEL_MC_NS, "NS")                                                                \
    X(KEEL_MC_EX, "EX")                                                                \
    X(KEEL_MC_NF, "NF")                                                                \
    X(KEEL_MC_MN, "MN")

typedef enum keel_mc_reply_kind {
    KEEL_MC_COUNT, /* a number alone: incr, decr */
#define KEEL_MC_REPLY_ENUM(name, word) name,
    KEEL_MC_REPLY_MAP(KEEL_MC_REPLY_ENUM)
#undef KEEL_MC_REPLY_ENUM
} keel_mc_reply_kind;

/* Which of a reply's fields were there. */
enum {
    KEEL_MC_HAS_FLAGS = 1,
    KEEL_MC_HAS_TOKEN = 2,
    KEEL_MC_HAS_TTL = 4,
    KEEL_MC_HAS_SIZE = 8,
    KEEL_MC_HAS_KEY = 16
};

/*
 * Texts lie in the bytes that were read.
 *
 * text   what follows the word, of an error and a version
 * value  of VALUE and VA; may be empty
 * ttl_s  -1: it does not expire
 */
typedef struct keel_mc_reply {
    keel_mc_reply_kind kind;
    uint32_t has;
    uint32_t flags;
    uint64_t token;
    int64_t ttl_s;
    uint64_t size;
    uint64_t number;
    keel_text key;
    keel_text text;
    keel_text value;
} keel_mc_reply;

/*
 * value_max  a longer value is WRONG, before one byte of it is waited for
 * *size      READ: bytes of the reply; MORE: how many it needs at least
 */
keel_mc_read keel_mc_reply_read(keel_text from, size_t value_max, keel_mc_reply *reply,
                                size_t *size);

#endif
