/* SPDX-License-Identifier: MIT */
/*
 * One call around an easy handle of the author's: what driving it (curl.c, curl_multi.c)
 * leaves for telling of it (tell.c).
 */
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

/* All but the call. */
void keel_session_clear(keel_curl_session *session, keel_pipeline *pipeline,
                        CURL *easy);
/* False: options, or those of their call, that are not to be read. */
bool keel_session_take_options(keel_curl_session *session,
                               const keel_curl_options *options);

/* Begins the call; what of its settings has no effect here the log says once. */
void keel_session_begin(keel_curl_session *session);

/* Tells the call of the transfer that has ended. True: a success; of that nothing more is
 * asked, for this is the hot path. */
bool keel_session_report(keel_curl_session *session);

/*
 * Before another attempt: what the one before delivered is forgotten and what it read is
 * taken back. False: that cannot be done, and *bar says which.
 */
bool keel_session_start_over(keel_curl_session *session, keel_bar *bar);

#endif
