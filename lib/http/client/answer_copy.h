/* SPDX-License-Identifier: MIT */
/*
 * A whole answer, copied out of libcurl's handle, so that it outlives that and can be
 * held by several: its URL, all its headers, its body. Not for whom it is given to.
 */
#ifndef KEEL_HTTP_CLIENT_ANSWER_COPY_H
#define KEEL_HTTP_CLIENT_ANSWER_COPY_H

#include <curl/curl.h>

#include "http/client/cache_rules.h"
#include "http/client/shared_answer.h"

/* Of a handle whose transfer is over. NULL: no memory. */
keel_shared_answer *keel_answer_copy(const keel_allocator *memory, CURL *easy,
                                     const char *body, size_t length);

/* What is in it; "" where there was no answer. */
const char *keel_answer_copy_url(const keel_shared_answer *copy);
const char *keel_answer_copy_body(const keel_shared_answer *copy);
/* The index-th of that name, from 0, in any case; NULL: there is none. */
const char *keel_answer_copy_header(const keel_shared_answer *copy, const char *name,
                                    size_t index);

/* What its headers say of sharing and keeping it. */
void keel_answer_copy_rules(const keel_shared_answer *copy, const keel_request_key *key,
                            int64_t wall_s, keel_cache_rules *rules);

#endif
