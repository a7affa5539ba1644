/* SPDX-License-Identifier: MIT */
/*
 * One attempt of an easy handle inside a multi handle, under keel's clock. Knows
 * nothing of retries: it runs until libcurl is done, time is up, or a token fires.
 */
#ifndef KEEL_HTTP_TRANSFER_H
#define KEEL_HTTP_TRANSFER_H

#include <keel/curl.h>

#include "http/classify.h"

/*
 * multi, easy       borrowed; easy is in no multi handle, or it is refused
 * runtime           for its clock
 * until_ns          when the attempt is given up
 * connect_until_ns  the same while nothing of the request has left
 * cancel            may be NULL
 */
typedef struct keel_transfer {
    CURLM *multi;
    CURL *easy;
    keel_runtime *runtime;
    uint64_t until_ns;
    uint64_t connect_until_ns;
    const keel_cancel *cancel;
} keel_transfer;

typedef enum keel_transfer_end {
    KEEL_TRANSFER_DONE, /* with *code; CURLE_OPERATION_TIMEDOUT where time was up */
    KEEL_TRANSFER_CANCELLED, /* the token fired */
    KEEL_TRANSFER_REFUSED    /* the handle is in use elsewhere; nothing was changed */
} keel_transfer_end;

/*
 * Runs the attempt and takes the handle out of the multi handle again.
 *
 * code    out: libcurl's
 * resent  out: libcurl found a kept connection dead and sent the request again on a
 *         fresh one, by itself; known only where an answer came
 */
keel_transfer_end keel_transfer_run(const keel_transfer *transfer, CURLcode *code,
                                    bool *resent);

/* What the handle tells of a transfer that has ended with code; for failures. */
void keel_transfer_facts(CURL *easy, CURLcode code, keel_curl_safety safety,
                         keel_http_facts *facts);

#endif
