/* SPDX-License-Identifier: MIT */
/*
 * The last good answers, for when the dependency is down: found by request, bounded in
 * bytes, the least recently used one dropped first. Not a cache that spares requests:
 * whoever can ask, asks.
 *
 * How long one may be served is HTTP's word and the operator's (cache_rules.h,
 * `stale`): a stale answer is allowed where the server does not forbid it, and the
 * operator has said so (RFC 9111, 4.2.4); the server's stale-if-error (RFC 5861) can
 * shorten it.
 */
#ifndef KEEL_HTTP_CLIENT_STALE_H
#define KEEL_HTTP_CLIENT_STALE_H

#include "http/client/shared_answer.h"
#include "http/client/cache_rules.h"

/* Variants of one URL, in headers or credentials, that are kept at most. */
enum { KEEL_STALE_VARIANTS = 16 };

typedef struct keel_stale keel_stale;

/* most_bytes: all that is kept, with what it takes to find it. False: no memory. */
bool keel_stale_open(keel_stale **stale, const keel_allocator *memory,
                     size_t most_bytes);
/* NULL is fine. Who still holds an answer keeps it. */
void keel_stale_close(keel_stale *stale);

/* From now on no more than so much; what is too much is dropped. */
void keel_stale_limit(keel_stale *stale, size_t most_bytes);

/*
 * Keeps a good answer in place of an older one, as far as the rules allow it and there
 * is room; what the rules forbid is forgotten, since it is no longer what the server
 * says.
 *
 * stale_ns  the operator's: how long after it expired it may be served
 */
void keel_stale_keep(keel_stale *stale, const keel_request_key *key,
                     keel_shared_answer *answer, const keel_cache_rules *rules,
                     uint64_t stale_ns, uint64_t now_ns);

/*
 * Whether what is kept may stand in for a call that ended so: for refusals and
 * failures, as with a fallback (RFC 5861, 4: an error of the server, or no answer); not
 * for what the server answered, a 404, nor for what the caller ended himself.
 */
bool keel_stale_may_serve(keel_status status);

/*
 * The answer to serve while the dependency is down; the caller drops it. NULL: none.
 * expired_ns: out: since when it is not fresh; 0: it is
 */
keel_shared_answer *keel_stale_find(keel_stale *stale, const keel_request_key *key,
                                    uint64_t now_ns, uint64_t *expired_ns);

/* A request that may have changed the resource went well: nothing of its URL is kept
 * (RFC 9111, 4.4). */
void keel_stale_forget(keel_stale *stale, const char *url);

/* What is kept, in bytes. */
size_t keel_stale_bytes(keel_stale *stale);

#endif
