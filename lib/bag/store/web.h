/* SPDX-License-Identifier: MIT */
/*
 * One request over HTTP on a kept connection, body in, body out, over by an instant. What
 * is told apart is whether it never left, was answered, or may have arrived. Knows no
 * store; what an answer means is its owner's business.
 */
#ifndef KEEL_BAG_STORE_WEB_H
#define KEEL_BAG_STORE_WEB_H

#include <keel/bag_plugin.h>

#include "net/connection_pool.h"
#include "net/sigv4.h"

enum {
    KEEL_WEB_HEADERS = 24,
    KEEL_WEB_ETAG_SIZE = 72,
    KEEL_WEB_URL_SIZE = 4096,
    KEEL_WEB_LANES = 8 /* requests at once in one place of the pool */
};

/* The options that every store over HTTP has, last in its table, in this order. */
enum {
    KEEL_WEB_CA_FILE,
    KEEL_WEB_CONNECTIONS,
    KEEL_WEB_CONNECT_TIMEOUT,
    KEEL_WEB_OPTIONS
};

/* clang-format off */
#define KEEL_WEB_OPTION_ROWS                                                           \
    { .name = "ca_file",                                                               \
      .type = KEEL_BAG_TEXT,                                                           \
      .meaning = "Certificates to trust in place of the system's." },                  \
    { .name = "connections",                                                           \
      .type = KEEL_BAG_COUNT,                                                          \
      .min = 1,                                                                        \
      .max = KEEL_POOL_MAX,                                                            \
      .standard = "16",                                                                \
      .meaning = "Calls at once; others wait." },                                      \
    { .name = "connect_timeout",                                                       \
      .type = KEEL_BAG_DURATION,                                                       \
      .min = KEEL_MS,                                                                  \
      .max = 3600 * KEEL_S,                                                            \
      .standard = "2s",                                                                \
      .meaning = "How long a connection may take to come about." },                    \
    { .name = NULL }
/* clang-format on */

typedef struct keel_web {
    keel_runtime *runtime;
    const char *path;    /* of the store in the tree */
    const char *ca_file; /* NULL: the system's */
    uint64_t connect_ns;
    bool holds_libcurl;
    keel_connection_pool pool;
} keel_web;

/*
 * method   GET, PUT, POST, DELETE
 * headers  as they are sent, in any order; Host among them
 * type     of the body; NULL: it is just bytes
 * body     sent unless the method is GET or DELETE
 * writes   its effect matters: it is never sent twice, and is in doubt without an answer
 * body_max of the answer; a larger one is a failure
 */
typedef struct keel_web_request {
    const char *method;
    const char *url;
    keel_sigv4_pair headers[KEEL_WEB_HEADERS];
    size_t header_count;
    const char *type;
    keel_bytes body;
    bool writes;
    size_t body_max;
} keel_web_request;

/* body is the runtime's memory, with a NUL behind it. */
typedef struct keel_web_answer {
    long response;
    char *body;
    size_t length;
    char etag[KEEL_WEB_ETAG_SIZE]; /* "" also where it is too long to be kept */
    bool has_crc32;                /* x-amz-crc32 */
    uint32_t crc32;
    bool asked_to_wait;
    uint64_t retry_after_ns;
} keel_web_answer;

/*
 * values   those of KEEL_WEB_OPTION_ROWS
 * Returns  KEEL_OK; KEEL_E_UNSUPPORTED: this libcurl is too old
 */
keel_status keel_web_init(keel_web *web, const keel_bag_setup *setup,
                          const keel_bag_value *values, keel_detail *why);
/* In a forked child the parent's connections are left alone. */
void keel_web_cleanup(keel_web *web);

/* False: there is no room for another. Both texts are borrowed. */
bool keel_web_add_header(keel_web_request *r, const char *name, const char *value);

/*
 * Makes the request.
 *
 * answer   to be freed, also after a failure
 * Returns  KEEL_OK: it was answered, whatever the answer says; else there is none, and
 *          applied says whether it may have arrived: KEEL_DEADLINE, KEEL_TIMEOUT,
 *          KEEL_CANCELLED, KEEL_FAILED, KEEL_E_NOMEM
 */
keel_status keel_web_exchange(keel_web *web, const keel_bag_op *op,
                              const keel_web_request *r, keel_web_answer *answer,
                              keel_detail *why);
void keel_web_answer_free(const keel_web *web, keel_web_answer *answer);

/*
 * Requests of one call, none of which writes, several of them at once.
 *
 * begin  makes the one of a number, in what belongs to its lane: it is the only one
 *        there until it has ended. NULL: it cannot be made, and has ended
 * end    what came of it, as keel_web_exchange has it; the answer is freed behind it.
 *        Called for each that was begun, and for those that never were
 */
typedef struct keel_web_many {
    size_t count;
    const keel_web_request *(*begin)(void *ctx, size_t number, unsigned lane);
    void (*end)(void *ctx, size_t number, keel_status status,
                const keel_web_answer *answer);
    void *ctx;
} keel_web_many;

/* why: of the last one that failed */
void keel_web_exchange_many(keel_web *web, const keel_bag_op *op,
                            const keel_web_many *many, keel_detail *why);

/* What an answer's refusal is to be told as: without effect, or perhaps with one. */
keel_status keel_web_refused(const keel_web *web, const keel_web_answer *answer,
                             keel_status status, keel_applied applied, keel_detail *why,
                             const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* "https://host:1234", and nothing behind it; *host: as a Host header has it. */
bool keel_web_is_origin(const char *text, const char **host);

#endif
