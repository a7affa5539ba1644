/* SPDX-License-Identifier: MIT */
/*
 * The inside of requests over HTTP: connections as libcurl has them, and one request on its
 * way, whether it goes alone (web.c) or beside others (web_many.c).
 */
#ifndef KEEL_BAG_STORE_WEB_INSIDE_H
#define KEEL_BAG_STORE_WEB_INSIDE_H

#include <curl/curl.h>

#include "bag/store/web.h"
#include "http/transfer.h"

/* What goes over one connection at a time. said: libcurl's own words */
typedef struct keel_web_lane {
    CURL *easy;
    char said[CURL_ERROR_SIZE];
} keel_web_lane;

/*
 * One place in the pool: libcurl keeps the connections in the multi handle. The first
 * lane is always there, the others from when several requests first went at once.
 */
typedef struct keel_web_handles {
    CURLM *multi;
    keel_web_lane lanes[KEEL_WEB_LANES];
} keel_web_handles;

/*
 * A request under way, all of it set by its owner but for what libcurl's calls tell:
 *
 * sends    how often libcurl was about to send it
 * room     of the answer's body
 * code     libcurl's, once it is over
 * lines    the headers that were sent
 */
typedef struct keel_web_going {
    keel_web *web;
    const keel_bag_op *op;
    const keel_web_request *request;
    keel_web_answer *answer;
    keel_web_lane *lane;
    struct curl_slist *lines;
    unsigned sends;
    size_t room;
    bool is_head_whole;
    bool is_too_long;
    bool has_no_memory;
    CURLcode code;
} keel_web_going;

/* Readies its lane. KEEL_OK: to be ended. */
keel_status keel_web_begin(keel_web_going *g, keel_detail *why);

/*
 * What came of it, once libcurl is done with it.
 * Returns  as keel_web_exchange
 */
keel_status keel_web_end(keel_web_going *g, keel_transfer_end end,
                         const keel_transfer_result *result, keel_detail *why);

/* Says how a request ended that was never sent, or whose answer is none. */
keel_status keel_web_say(const keel_web_going *g, keel_status status, const char *text,
                         keel_detail *why);

#endif
