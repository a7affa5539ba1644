/* SPDX-License-Identifier: MIT */
/*
 * What a transfer's end means to the policies, and whether the request may be sent
 * again. Pure decisions on plain values; nothing here touches a handle.
 */
#ifndef KEEL_HTTP_CLASSIFY_H
#define KEEL_HTTP_CLASSIFY_H

#include <curl/curl.h>

#include "call/machine.h"

/*
 * What is known of a transfer that has ended.
 *
 * code           libcurl's; CURLE_OPERATION_TIMEDOUT when keel's own time was up
 * response       HTTP status; 0: none arrived, or it was not HTTP
 * request_begun  a byte of the request may have left
 * received       a byte of an answer, header or body, may have reached the caller
 * consumed       a byte of the caller's request body may have been read
 * repeatable     sending it twice does no harm: by its method, or the caller says so
 * asked_to_wait  the answer carried a Retry-After
 * retry_after_ns its wish
 */
typedef struct keel_http_facts {
    CURLcode code;
    long response;
    bool request_begun;
    bool received;
    bool consumed;
    bool repeatable;
    bool asked_to_wait;
    uint64_t retry_after_ns;
} keel_http_facts;

/* GET, HEAD, OPTIONS, TRACE, PUT, DELETE; NULL and all others: false. */
bool keel_http_method_is_idempotent(const char *method);

keel_status keel_http_classify(const keel_http_facts *facts);

/* The connection never came about, so that no byte of the request can have left. */
bool keel_http_never_sent(const keel_http_facts *facts);

/*
 * Whether the request may be sent again with what the caller offers, else why not. Says
 * nothing of whether it is worth it: that is the call's decision.
 */
bool keel_http_may_repeat(const keel_http_facts *facts, bool can_reset_sink,
                          bool can_rewind_body, keel_bar *bar);

/* What is known of the request's effect. */
keel_applied keel_http_applied(const keel_http_facts *facts);

#endif
