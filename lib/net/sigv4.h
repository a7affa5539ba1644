/* SPDX-License-Identifier: MIT */
/*
 * AWS Signature Version 4: the Authorization of a request. Knows no service; hashes are
 * libcrypto's.
 *
 * Source  "Signature Version 4 signing process", AWS General Reference; held against the
 *         examples published there and in the Amazon S3 API Reference
 */
#ifndef KEEL_NET_SIGV4_H
#define KEEL_NET_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_SIGV4_PAIRS = 32,
    KEEL_SIGV4_HASH = 65,  /* hexadecimal SHA-256, with its end */
    KEEL_SIGV4_DATE = 17,  /* 20150830T123600Z */
    KEEL_SIGV4_TEXT = 1024 /* the Authorization */
};

/* A header, or a parameter of the query. Headers' names are in lower case. */
typedef struct keel_sigv4_pair {
    const char *name;
    const char *value;
} keel_sigv4_pair;

/*
 * path     as it is meant, nothing encoded: "/bucket/a key"
 * query    as it is meant, in any order
 * headers  all that are signed, in any order: host and x-amz-date at least; blanks
 *          around a value do not matter
 * payload  the body's hash, or "UNSIGNED-PAYLOAD"
 * encodes_path_once  Amazon S3; all others encode what was encoded already once more
 */
typedef struct keel_sigv4_request {
    const char *method;
    const char *path;
    keel_sigv4_pair query[KEEL_SIGV4_PAIRS];
    size_t query_count;
    keel_sigv4_pair headers[KEEL_SIGV4_PAIRS];
    size_t header_count;
    const char *payload;
    const char *region, *service;
    const char *key_id, *secret;
    char date[KEEL_SIGV4_DATE];
    bool encodes_path_once;
} keel_sigv4_request;

/* The hash of a body. False: libcrypto has no memory. */
bool keel_sigv4_hash(const void *body, size_t length, char hash[KEEL_SIGV4_HASH]);

/* Seconds since 1970 as x-amz-date. False: no date. */
bool keel_sigv4_date(int64_t unix_s, char date[KEEL_SIGV4_DATE]);

/*
 * The value of the Authorization header. False: the request is too large to be signed, or
 * libcrypto has no memory. The secret leaves no copy behind.
 */
bool keel_sigv4_sign(const keel_sigv4_request *request, char to[KEEL_SIGV4_TEXT]);

/*
 * As it stands in a URL: letters, digits and "-._~" as they are, "/" where it is kept, all
 * else as %XX. Returns the length; what does not fit with its end is cut.
 */
size_t keel_sigv4_encode(const char *text, bool keeps_slash, char *to, size_t size);

#endif
