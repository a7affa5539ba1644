/* SPDX-License-Identifier: MIT */
/*
 * libcurl under a pipeline. Takes easy handles as void *, so that it needs no curl
 * header. The caller's handle runs inside a multi handle of the pipeline's; two options
 * are set and left set, CURLOPT_NOSIGNAL=1 and CURLOPT_QUICK_EXIT=1, no other.
 */
#ifndef KEEL_CURL_H
#define KEEL_CURL_H

#include <keel/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * In place of curl_easy_perform(easy).
 *
 * An answer of the server, be it a 503 or a 429, is not retried: its header has reached
 * the caller. keel_curl_perform_with does it, given a sink_reset.
 *
 * easy     a CURL *, set up as for curl_easy_perform; in no multi handle
 * Returns  the CURLcode of the last attempt (a 503 is CURLE_OK: ask for the response
 *          code)
 *          CURLE_ABORTED_BY_CALLBACK    keel refused the call
 *          CURLE_OPERATION_TIMEDOUT     the timeout or deadline came first
 *          CURLE_BAD_FUNCTION_ARGUMENT  NULL, or the handle is in a multi handle
 *          CURLE_NOT_BUILT_IN           this libcurl cannot be used: it must be
 *                                       7.87 or newer, with AsynchDNS; or the handle
 *                                       has CURLOPT_CONNECT_ONLY, whose connection
 *                                       would not outlive the call
 * Retried  GET, HEAD, OPTIONS, TRACE, PUT and DELETE while no byte of an answer arrived
 *          and none of a request body was read; anything if the request never left,
 *          which only HTTP and WebSocket can prove once there is a connection
 * Names    CURLOPT_RESOLVE holds for all attempts of this call. libcurl reads it once:
 *          set it again before each call. Other handles of the pipeline may see what it
 *          says: set it for all of them, or for none
 * Buffers  refused: CURLOPT_ERRORBUFFER and curl_easy_getinfo still tell of the transfer
 *          before; keel's timeout: the buffer is empty
 * Threads  any, each with its own handle; callbacks run in the caller's thread and may
 *          call keel. But CURLOPT_CLOSESOCKETFUNCTION runs whenever the connection is
 *          closed: in any thread that uses or closes the pipeline, long after the handle
 *          is gone. What it needs must outlive the pipeline
 */
KEEL_API int keel_curl_perform(keel_pipeline *pipeline, void *easy);

/*
 * Whether a request may be sent twice. KEEL_CURL_BY_METHOD: as its method says.
 *
 * One declared unsafe goes out on a fresh connection, so that libcurl cannot re-send it
 * by itself because a kept one turned out dead. It still can for the later requests of
 * one transfer, which share a connection: after a redirect, or a step of authentication
 * (Digest, NTLM, Negotiate); and where the author shares connections
 * (CURL_LOCK_DATA_CONNECT). `applied` is KEEL_APPLIED_UNKNOWN where that came to pass.
 */
typedef enum keel_curl_safety {
    KEEL_CURL_BY_METHOD = 0,
    KEEL_CURL_IDEMPOTENT = 1,
    KEEL_CURL_UNSAFE = 2
} keel_curl_safety;

/*
 * Options of keel_curl_perform_with. size first.
 *
 * call         deadline, cancel, fallback as for any call, size included; idempotent is
 *              not read
 * safety       may the request be sent twice
 * sink_reset   forgets the part of an answer received so far (truncate the file, empty
 *              the buffer) so that a retry can start over; 0: done, else no retry.
 *              Without it no answer is retried, whatever its status
 * body_rewind  takes the request body back to its start; 0: done, else no retry
 * ctx          handed to both
 */
typedef struct keel_curl_options {
    size_t size;
    const keel_call_options *call;
    keel_curl_safety safety;
    int (*sink_reset)(void *ctx);
    int (*body_rewind)(void *ctx);
    void *ctx;
} keel_curl_options;

/*
 * The same, saying all it knows.
 *
 * options    borrowed, may be NULL
 * curl_code  out, may be NULL: what keel_curl_perform would have returned
 * why        out, may be NULL; system_errno is the CURLcode
 * Returns    as keel_call_end: KEEL_OK, KEEL_FAILED (a 503 too), KEEL_REJECTED_*, …
 *            KEEL_E_ARGUMENT     NULL, or the handle is in another multi handle
 *            KEEL_E_UNSUPPORTED  libcurl is too old, or without AsynchDNS; or
 *                                CURLOPT_CONNECT_ONLY is set
 */
KEEL_API keel_status keel_curl_perform_with(keel_pipeline *pipeline, void *easy,
                                            const keel_curl_options *options,
                                            int *curl_code, keel_detail *why);

/* ---- for those who keep a multi handle of their own ------------------------------ */

/*
 * One transfer in the author's multi handle, as a call. The handle is his, and so is the
 * loop: keel says when to add the easy handle and when to take it out, and touches the
 * multi handle never.
 *
 *     keel_curl_multi_start(&t, payments, easy, NULL, &why);
 *     for (;;)
 *         switch (keel_curl_multi_next(&t, &wake_at_ns)) {
 *         case KEEL_CURL_ADD:    curl_multi_add_handle(multi, easy); break;
 *         case KEEL_CURL_REMOVE: curl_multi_remove_handle(multi, easy); break;
 *         case KEEL_CURL_WAIT:   return to the loop until wake_at_ns or CURLMSG_DONE;
 *                                that: curl_multi_remove_handle, keel_curl_multi_done
 *         case KEEL_CURL_ENDED:  keel_curl_multi_end(&t, &code, &why); return;
 *         }
 *
 * The caller's memory, and at one place until its end; needs no initialisation. Belongs
 * to one thread at a time. Nothing here allocates or waits.
 */
typedef struct keel_curl_transfer {
    uint64_t keel_private[96];
} keel_curl_transfer;

typedef enum keel_curl_step {
    KEEL_CURL_ADD = 1,    /* add the easy handle to the multi handle, and ask again */
    KEEL_CURL_WAIT = 2,   /* ask again at *wake_at_ns, or after keel_curl_multi_done */
    KEEL_CURL_REMOVE = 3, /* its time is up: take the handle out, and ask again */
    KEEL_CURL_ENDED = 4   /* the handle is in no multi handle: keel_curl_multi_end */
} keel_curl_step;

/*
 * Begins a call. The handle is in no multi handle, and keeps its options but for the two
 * above.
 *
 * options   as for keel_curl_perform_with; the call's wake is rung when a place in the
 *           bulkhead is free, and whoever fires its cancel wakes the loop himself. One
 *           declared unsafe wants CURLOPT_FRESH_CONNECT set
 * Returns   KEEL_OK; KEEL_E_ARGUMENT, KEEL_E_UNSUPPORTED: nothing was begun
 */
KEEL_API keel_status keel_curl_multi_start(keel_curl_transfer *transfer,
                                           keel_pipeline *pipeline, void *easy,
                                           const keel_curl_options *options,
                                           keel_detail *why);

/* What to do now. wake_at_ns: out, may be NULL: an instant of keel_now. */
KEEL_API KEEL_MUST_USE keel_curl_step keel_curl_multi_next(keel_curl_transfer *transfer,
                                                           uint64_t *wake_at_ns);

/*
 * libcurl is done with the transfer: curl_code is the result of its CURLMSG_DONE. To be
 * called once the handle is out of the multi handle, and followed by
 * keel_curl_multi_next. Without a transfer under way nothing happens.
 */
KEEL_API void keel_curl_multi_done(keel_curl_transfer *transfer, int curl_code);

/*
 * Ends the call; not optional, and legal at any moment, with the handle out of the multi
 * handle: what is still open ends as abandoned.
 *
 * curl_code, why, Returns  as keel_curl_perform_with
 *                          KEEL_E_STATE  it was not begun, or has ended before
 */
KEEL_API keel_status keel_curl_multi_end(keel_curl_transfer *transfer, int *curl_code,
                                         keel_detail *why);

#ifdef __cplusplus
}
#endif
#endif
