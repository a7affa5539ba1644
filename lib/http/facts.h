/* SPDX-License-Identifier: MIT */
/*
 * What an easy handle tells of its transfer, while it is in a multi handle and after.
 * What that means is decided in classify.c.
 */
#ifndef KEEL_HTTP_FACTS_H
#define KEEL_HTTP_FACTS_H

#include <keel/curl.h>

#include "http/classify.h"

/* False also where no connection came about: libcurl then names no scheme. */
bool keel_easy_is_http(CURL *easy);

/* Whether some of the request may have left. */
bool keel_easy_has_begun(CURL *easy);

/*
 * True: an answer to one HTTP request, and no other request was made. This one question
 * is all that an ordinary transfer is asked.
 */
bool keel_easy_is_ordinary(CURL *easy);

/*
 * libcurl sent a request again by itself, because a kept connection turned out dead.
 * Known only where an answer came.
 */
bool keel_easy_was_resent(CURL *easy);

/*
 * CURLOPT_CONNECT_ONLY: libcurl is done, and the connection is the caller's to use. Asked
 * before the handle leaves its multi handle, which closes that connection.
 */
bool keel_easy_is_connect_only(CURL *easy, long response);

/*
 * The connection that the handle used and that is kept; CURL_SOCKET_BAD: none. Asked
 * before the handle leaves its multi handle.
 */
curl_socket_t keel_easy_socket(CURL *easy);

/* All of it, of a transfer that has ended with code. */
void keel_easy_facts(CURL *easy, CURLcode code, keel_curl_safety safety,
                     keel_http_facts *facts);

#endif
