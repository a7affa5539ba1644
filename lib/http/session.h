/* SPDX-License-Identifier: MIT */
/* One keel_curl_perform: what driving it (curl.c) leaves for telling of it (tell.c). */
#ifndef KEEL_HTTP_SESSION_H
#define KEEL_HTTP_SESSION_H

#include <keel/curl.h>

#include "http/classify.h"
#include "http/pool.h"
#include "http/transfer.h"

/*
 * multi          the call's own while it lasts; NULL until its first attempt
 * attempted      result is that of the latest attempt, and facts too where it failed
 * cancelled      the token fired while it was under way
 * resent         libcurl sent some request twice by itself
 * may_have_left  a request of some attempt did, or may have
 * broken         why keel itself cannot go on; KEEL_OK: it can
 */
typedef struct keel_curl_session {
    keel_pipeline *pipeline;
    CURL *easy;
    keel_curl_options options;
    keel_call_options call_options;
    bool has_options;
    keel_curl_pool *pool;
    CURLM *multi;
    keel_call call;
    bool attempted;
    bool cancelled;
    bool resent;
    bool may_have_left;
    keel_transfer_result result;
    keel_http_facts facts;
    keel_status broken;
    const char *broken_text;
} keel_curl_session;

#endif
