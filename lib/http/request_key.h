/* SPDX-License-Identifier: MIT */
/*
 * Which requests are the same: those of one method and URL, with the same credentials
 * and the same of every header that may change the answer. Both coalescing and the
 * answers that are kept go by it.
 */
#ifndef KEEL_HTTP_REQUEST_KEY_H
#define KEEL_HTTP_REQUEST_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/runtime.h>

typedef struct keel_request_field {
    const char *name;
    const char *value;
} keel_request_field;

/*
 * authorization  the header's value; NULL: there is none
 * fields         every other header of the request that may change the answer, always
 *                in the same order; a Cookie is one, and Cache-Control and Pragma are
 */
typedef struct keel_request {
    const char *method;
    const char *url;
    const char *authorization;
    const keel_request_field *fields;
    size_t count;
} keel_request;

/* The URL comes first in the text, then all that stands above; each ended by NUL. */
typedef struct keel_request_key {
    size_t length;
    size_t url_length;
    size_t fields_at;
    bool has_authorization;
    char text[];
} keel_request_key;

/* GET or HEAD, and nobody asks for an answer of his own (RFC 9111, 5.2.1). */
bool keel_request_may_share(const keel_request *request);

/* Freed with keel_memory_free. NULL: no memory. */
keel_request_key *keel_request_key_new(const keel_allocator *memory,
                                       const keel_request *request);

bool keel_request_key_equals(const keel_request_key *a, const keel_request_key *b);

/*
 * Whether the key says all that the answer depends on: each name in its Vary header is
 * a field of the key. vary: NULL: there is no such header
 */
bool keel_request_key_covers(const keel_request_key *key, const char *vary);

/* For tables; seed: of the table, so that nobody outside can tell who meets there. */
uint64_t keel_request_hash(const char *text, size_t length, uint64_t seed);

#endif
