/* SPDX-License-Identifier: MIT */
/*
 * Whether an answer sends its request elsewhere, and what goes along (RFC 9110, 15.4).
 * Pure decisions on texts.
 */
#ifndef KEEL_HTTP_CLIENT_REDIRECT_H
#define KEEL_HTTP_CLIENT_REDIRECT_H

#include <keel/http.h>

/* As many as are followed, one after the other. */
enum { KEEL_HTTP_HOPS = 10 };

typedef enum keel_hop {
    KEEL_HOP_NONE = 0, /* the answer is to be had as it is */
    KEEL_HOP_SAME,     /* followed, with all that the request says */
    KEEL_HOP_ELSEWHERE /* followed, without what is meant for the first host alone */
} keel_hop;

/*
 * from, to  absolute URLs; to may be NULL: the answer names none
 * Returns   KEEL_HOP_NONE also where no memory is left to look
 */
keel_hop keel_http_hop(keel_http_redirects allowed, long status, const char *from,
                       const char *to);

/* The method of the request that follows; with GET in another's place goes its body. */
const char *keel_http_hop_method(long status, const char *method);

/* A header that is meant for the host that the request names. */
bool keel_http_is_confidential(const char *name);

#endif
