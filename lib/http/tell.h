/* SPDX-License-Identifier: MIT */
/* How a call of keel_curl_perform ended, in keel's words and in libcurl's. */
#ifndef KEEL_HTTP_TELL_H
#define KEEL_HTTP_TELL_H

#include "http/session.h"

/* libcurl's word for how a call ended. */
CURLcode keel_curl_code_of(const keel_curl_session *session, keel_status status);

/* Puts what the wire said before the sentence of what that means. */
void keel_http_explain(keel_detail *all, CURLcode code, long response);

/* Ends the call. why may be NULL. */
keel_status keel_curl_end(keel_curl_session *session, keel_detail *why);

/* The same for a transfer without a call, which has ended with result.code. */
keel_status keel_curl_end_plainly(keel_curl_session *session, keel_detail *why);

#endif
