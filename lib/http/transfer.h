/* SPDX-License-Identifier: MIT */
/*
 * One attempt of an easy handle inside a multi handle, under keel's clock. Knows
 * nothing of retries: it runs until libcurl is done, time is up, or a token fires.
 */
#ifndef KEEL_HTTP_TRANSFER_H
#define KEEL_HTTP_TRANSFER_H

#include <curl/curl.h>

#include <keel/call.h>

/*
 * multi, easy       borrowed; easy is in no multi handle, or it is refused
 * runtime           for its clock
 * until_ns          when the attempt is given up
 * connect_until_ns  the same while nothing of the request has left. Once some has, it
 *                   is over for good: of a connection that a redirect leads to libcurl
 *                   does not tell whether it stands
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
    KEEL_TRANSFER_DONE,       /* code: libcurl's, or CURLE_OPERATION_TIMEDOUT */
    KEEL_TRANSFER_CANCELLED,  /* the token fired */
    KEEL_TRANSFER_REFUSED,    /* the handle is in use elsewhere; nothing was changed */
    KEEL_TRANSFER_UNSUPPORTED /* CURLOPT_CONNECT_ONLY: the connection is closed again */
} keel_transfer_end;

/*
 * code      libcurl's
 * response  its response code, of whatever protocol; 0 unless code is CURLE_OK
 * resent    libcurl sent the request again by itself; known only where an answer came
 */
typedef struct keel_transfer_result {
    CURLcode code;
    long response;
    bool resent;
} keel_transfer_result;

/* Runs the attempt and takes the handle out of the multi handle again. */
keel_transfer_end keel_transfer_run(const keel_transfer *transfer,
                                    keel_transfer_result *result);

/*
 * One wait of such a run: until libcurl has work in the multi handle, the instant has
 * come, or the token fires. Of the transfer no more is looked at than multi, runtime and
 * cancel.
 */
CURLMcode keel_transfer_wait(const keel_transfer *transfer, uint64_t until_ns,
                             uint64_t now);

#endif
