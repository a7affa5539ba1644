/* SPDX-License-Identifier: MIT */
/*
 * Reads a Retry-After header. Pure: text and the wall clock's time in, a wish out.
 * libcurl's own reading cannot be used: it does not tell "0" from a missing header, and
 * takes "120 apples" for two minutes.
 */
#ifndef KEEL_HTTP_RETRY_AFTER_H
#define KEEL_HTTP_RETRY_AFTER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * text      the header's value: seconds, or one of HTTP's three forms of a date
 * wall_s    now, seconds since 1970
 * after_ns  out: how long to stay away; 0 for a date that is past; never UINT64_MAX,
 *           which means "never" elsewhere
 * Returns   false: not a Retry-After; *after_ns is 0
 */
bool keel_retry_after_read(const char *text, int64_t wall_s, uint64_t *after_ns);

#endif
