/* SPDX-License-Identifier: MIT */
/*
 * A whole answer in memory, as several may hold it at once: those who asked the same,
 * and the table of answers that are kept. Written by the one who made it until he hands
 * it on, read by all after that.
 */
#ifndef KEEL_HTTP_CLIENT_SHARED_ANSWER_H
#define KEEL_HTTP_CLIENT_SHARED_ANSWER_H

#include <stdatomic.h>

#include <keel/runtime.h>

/*
 * status    KEEL_OK, or how the call that asked for it ended: then there may be no bytes
 * reason, retry_after_ns  of that call's end
 * response  HTTP status; 0: none
 * bytes     head_length of headers, then body_length of body, then a NUL
 */
typedef struct keel_shared_answer {
    _Atomic uint32_t holders;
    const keel_allocator *memory;
    keel_status status;
    keel_reason reason;
    uint64_t retry_after_ns;
    long response;
    size_t head_length;
    size_t body_length;
    char bytes[];
} keel_shared_answer;

/* Its bytes are zero, and it has one holder. NULL: no memory. */
keel_shared_answer *keel_shared_answer_new(const keel_allocator *memory,
                                           size_t head_length, size_t body_length);

/* One more holder; returns it. */
keel_shared_answer *keel_shared_answer_hold(keel_shared_answer *answer);

/* One less; the last one frees it. NULL is fine. */
void keel_shared_answer_drop(keel_shared_answer *answer);

#endif
