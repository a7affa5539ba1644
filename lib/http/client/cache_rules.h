/* SPDX-License-Identifier: MIT */
/*
 * What HTTP says of an answer: whether others may have it, how long it is fresh,
 * whether it may be served after that. Pure: header texts in, a verdict out.
 *
 * keel counts as a shared cache (RFC 9111): a service asks for many users, so what is
 * private to one of them is not kept, nor is an answer to a request with credentials
 * unless the server says that it may be (3.5), nor one that sets a cookie, which RFC
 * 9111 leaves open (7.3). Nothing is fresh by guess (4.2.2).
 */
#ifndef KEEL_HTTP_CLIENT_CACHE_RULES_H
#define KEEL_HTTP_CLIENT_CACHE_RULES_H

#include "http/client/request_key.h"

/*
 * The headers that matter; each NULL where it is missing. Of a header that was sent
 * several times, its values joined by commas.
 */
typedef struct keel_answer_head {
    long response;
    const char *cache_control;
    const char *expires;
    const char *date;
    const char *age;
    const char *vary;
    bool sets_cookie;
} keel_answer_head;

/*
 * may_share          others who ask just the same may have this answer
 * may_keep           it may be kept, and served when the server does not answer
 * fresh_ns           how long it is still fresh; 0: not any more,
 * expired_ns         since so long
 * stale_if_error_ns  the server's own limit to serving it after that (RFC 5861, 4);
 *                    KEEL_NEVER: it says none
 */
typedef struct keel_cache_rules {
    bool may_share;
    bool may_keep;
    uint64_t fresh_ns;
    uint64_t expired_ns;
    uint64_t stale_if_error_ns;
} keel_cache_rules;

/* wall_s: now, seconds since 1970 */
void keel_cache_rules_read(const keel_answer_head *head, const keel_request_key *key,
                           int64_t wall_s, keel_cache_rules *rules);

/* Whether a directive stands in a Cache-Control header, with a value or without. */
bool keel_cache_control_has(const char *cache_control, const char *directive);

#endif
