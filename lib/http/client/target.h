/* SPDX-License-Identifier: MIT */
/* The URL of an attempt: an endpoint's, and behind it what the request names. Pure. */
#ifndef KEEL_HTTP_CLIENT_TARGET_H
#define KEEL_HTTP_CLIENT_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* A request names an absolute URL of http or https, */
bool keel_http_is_url(const char *text);
/* or, where there are endpoints, a path alone. */
bool keel_http_is_path(const char *text);

/* Of "https://host:1/path?query" what begins with the slash; "" where there is none. */
const char *keel_http_path(const char *asked);

/* A buffer of that size holds what keel_http_target writes. */
size_t keel_http_target_size(const char *endpoint, const char *asked);

/*
 * endpoint  http://host[:port][/path], or https, or host:port: that is http; or the
 *           absolute path of a unix socket: the host is then localhost
 * asked     a path, or an absolute URL, of which only the path and what follows counts
 * Returns   false: the endpoint is none of HTTP
 */
bool keel_http_target(char *to, const char *endpoint, const char *asked);

#endif
