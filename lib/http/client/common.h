/* SPDX-License-Identifier: MIT */
/*
 * What all HTTP clients of a pipeline have in common: equal requests that are under way,
 * and answers that are kept. Made when a setting first wants either, and never used
 * across fork: a child leaves its parent's alone, since a thread that it does not have
 * may be at work in there, and makes its own.
 */
#ifndef KEEL_HTTP_CLIENT_COMMON_H
#define KEEL_HTTP_CLIENT_COMMON_H

#include "call/pipeline.h"
#include "http/client/coalesce.h"
#include "http/client/stale.h"

typedef struct keel_http_common {
    const keel_allocator *memory;
    uint64_t incarnation;             /* the process that made it */
    struct keel_http_common *parents; /* left behind by fork */
    keel_coalescer *coalescer;
    keel_stale *stale;
} keel_http_common;

/* The pipeline's, made if this process has none yet. NULL: no memory. Any thread. */
keel_http_common *keel_http_common_get(keel_pipeline *pipeline, size_t stale_bytes);

/* The same where it is there already; NULL: it is not. */
keel_http_common *keel_http_common_look(const keel_pipeline *pipeline);

#endif
