/* SPDX-License-Identifier: MIT */
/*
 * Which requests are the same: those of one method and URL that say the same in all
 * their headers, but for those that only tell one request from another. Both coalescing
 * and the answers that are kept go by it.
 */
#ifndef KEEL_HTTP_CLIENT_REQUEST_KEY_H
#define KEEL_HTTP_CLIENT_REQUEST_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/runtime.h>

typedef struct keel_request_field {
    const char *name;
    const char *value;
} keel_request_field;

/*
 * fields           all headers that the request carries; in another order it is another
 *                  request
 * has_credentials  it carries some that stand neither there nor in the URL. They are no
 *                  part of the key, so whoever shares a table must share them
 */
typedef struct keel_request {
    const char *method;
    const char *url;
    const keel_request_field *fields;
    size_t count;
    bool has_credentials;
} keel_request;

/* The URL comes first in the text, then all that stands above; each ended by NUL. */
typedef struct keel_request_key {
    size_t length;
    size_t url_length;
    bool has_credentials;
    char text[];
} keel_request_key;

/* GET or HEAD, and nobody asks for an answer of his own (RFC 9111, 5.2.1). */
bool keel_request_may_share(const keel_request *request);

/* Freed with keel_memory_free. NULL: no memory. */
keel_request_key *keel_request_key_new(const keel_allocator *memory,
                                       const keel_request *request);

bool keel_request_key_equals(const keel_request_key *a, const keel_request_key *b);

/*
 * Whether requests of one key agree in all that an answer depends on: its Vary header
 * names no header that is left out of keys, and nothing beside headers ("*"). What is
 * absent from one of them is absent from all (RFC 9111, 4.1).
 *
 * vary  NULL: there is no such header
 */
bool keel_request_keys_cover(const char *vary);

/* For tables; seed: of the table, so that nobody outside can tell who meets there. */
uint64_t keel_request_hash(const char *text, size_t length, uint64_t seed);

#endif
