/* SPDX-License-Identifier: MIT */
/*
 * The multi handles of a pipeline. One is taken for the length of a call, by one thread,
 * and given back with its connections kept alive. What a burst has left behind is let go
 * by later calls. Never used across fork: the child leaves its parent's pool alone and
 * makes its own.
 */
#ifndef KEEL_HTTP_POOL_H
#define KEEL_HTTP_POOL_H

#include <curl/curl.h>
#include <stdatomic.h>

#include <keel/runtime.h>

#include "base/clock.h"

/* As many as attempts a pipeline makes at once by default: `bulkhead` is 64. */
enum { KEEL_CURL_IDLE_MAX = 64 };

/* One that nobody has needed for so long is closed. */
#define KEEL_CURL_IDLE_NS (60 * KEEL_S)

typedef struct keel_curl_pool keel_curl_pool;

/*
 * The pool at a place, made there if this process has none yet. Any thread.
 * clock    borrowed until the pool is freed
 * Returns  KEEL_OK; KEEL_E_NOMEM; KEEL_E_UNSUPPORTED (see http/check.h)
 */
keel_status keel_curl_pool_get(_Atomic(void *) *place, const keel_allocator *memory,
                               const keel_clock *clock, keel_curl_pool **out,
                               keel_detail *why);

/*
 * A multi handle with the connections of earlier attempts, where one is idle; a lone
 * caller gets his own back. NULL: out of memory.
 */
CURLM *keel_curl_pool_take(keel_curl_pool *pool);

/* Gives one back that has no easy handle in it, and closes one idle for too long. */
void keel_curl_pool_give(keel_curl_pool *pool, CURLM *multi);

/* Closes one that is not to be kept; without a SIGPIPE. */
void keel_curl_multi_close(CURLM *multi);

/* Closes all; nobody uses it any more. NULL is fine. A parent's pool is only left. */
void keel_curl_pool_free(void *pool);

#endif
