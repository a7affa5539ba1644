/* SPDX-License-Identifier: MIT */
/*
 * Deadlines that travel. A service reads from a request's headers how long its caller
 * still waits, gives that to its own calls, and tells those it calls what is left. What
 * travels is a length of time, never an instant: clocks differ. With it goes the number
 * of the attempt, so that a retry is not retried at every further step.
 *
 *     keel_inbound in = { .size = sizeof in };
 *
 *     keel_deadline_from_headers(rt, header_of, request, NULL, &in);
 *     keel_call_options o = { .size = sizeof o,
 *                             .deadline_at_ns = in.deadline_at_ns,
 *                             .attempt = in.attempt };
 *
 * See keel-deadline(7). No HTTP library is needed for these two functions.
 */
#ifndef KEEL_HTTP_HEADERS_H
#define KEEL_HTTP_HEADERS_H

#include <keel/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- in ------------------------------------------------------------------------ */

/*
 * Finds a header of the request that is being served.
 *
 * name     in lower case; headers' names are the same in any case
 * Returns  its value, NUL-terminated and alive until the next question; NULL: there is
 *          none. Of one that was sent twice, any of them, or all joined by commas,
 *          which is then no value
 */
typedef const char *keel_header_get_fn(const char *name, void *ctx);

/*
 * Options of keel_deadline_from_headers. size first; every zero means the default.
 *
 * ceiling_ns    no request gets more, whatever it says, nor one that says nothing; 0:
 *               no ceiling but the pipeline's own deadline
 * allowance_ns  for the way there and back, off what the headers say; 0: 5 ms
 */
typedef struct keel_inbound_options {
    size_t size;
    uint64_t ceiling_ns;
    uint64_t allowance_ns;
} keel_inbound_options;

/*
 * What a request's headers say. size first, set by the caller; never written past it.
 *
 * deadline_at_ns  for keel_call_options; 0: nothing was said and there is no ceiling.
 *                 An instant that has come: the caller has no time left
 * attempt         for keel_call_options; 0: nothing was said. Of several, the highest
 * header          the one whose time holds, the shortest of all; NULL: the ceiling, or
 *                 nothing
 * ignored         a sentence about one whose value is none, for a log; NULL: all were
 *                 understood. Static, without the value
 */
typedef struct keel_inbound {
    size_t size;
    uint64_t deadline_at_ns;
    uint32_t attempt;
    const char *header;
    const char *ignored;
} keel_inbound;

/*
 * Reads how long the caller of this service still waits, and which attempt of his this
 * is: x-keel-timeout-ms and x-keel-attempt, grpc-timeout and
 * grpc-previous-rpc-attempts, x-envoy-expected-rq-timeout-ms and x-envoy-attempt-count.
 *
 * A value that is not understood, or is 0, is ignored: nothing that a stranger writes
 * gives him more time than the ceiling. He may give himself less, and may forbid
 * retries of his own request; where that matters, the proxy at the edge removes these
 * headers.
 *
 * get, ctx  borrowed for this function
 * options   borrowed for this function; NULL: defaults
 * Returns   KEEL_OK          *inbound is filled in, from no header too
 *           KEEL_E_ARGUMENT  runtime, get or inbound is NULL, or a size is wrong
 * Threads   any; blocks as little as get does
 * Source    gRPC over HTTP/2, Timeout; gRFC A6; Envoy's HTTP header reference
 */
KEEL_API keel_status keel_deadline_from_headers(keel_runtime *runtime,
                                                keel_header_get_fn *get, void *ctx,
                                                const keel_inbound_options *options,
                                                keel_inbound *inbound);

/* ---- out ----------------------------------------------------------------------- */

/* keel_call_headers never gives more. */
#define KEEL_CALL_HEADERS_MAX 4

/* name: static, in lower case. value: NUL-terminated */
typedef struct keel_header {
    const char *name;
    char value[24];
} keel_header;

/*
 * The headers for the request of the attempt that keel_call_next, or keel_call_poll,
 * has just asked for: the time left to it, less deadline.allowance, and its number; in
 * the words that deadline.header names. The attempt of a call that is itself part of a
 * retry counts as the second, so that those further on do not retry it either.
 *
 * headers  the caller's, `room` of them; KEEL_CALL_HEADERS_MAX are always enough
 * count    out: how many there are; 0 with deadline.header=off
 * Returns  KEEL_OK
 *          KEEL_E_STATE     no attempt is under way
 *          KEEL_E_BUFFER    there is no room for all of them; *count says how many
 *          KEEL_E_ARGUMENT  call, headers or count is NULL
 * Threads  the call's own; nothing is allocated
 */
KEEL_API keel_status keel_call_headers(const keel_call *call, keel_header *headers,
                                       size_t room, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
