/* SPDX-License-Identifier: MIT */
/*
 * What a request comes to: the bag is asked, and its answer written as memcached would.
 * Knows no sockets. Of what a bag can say and memcached cannot, nothing is hidden: a
 * failure is SERVER_ERROR with the bag's sentence, and so is a write that may have
 * happened.
 */
#ifndef KEEL_TOOLS_SERVE_ANSWER_H
#define KEEL_TOOLS_SERVE_ANSWER_H

#include <keel/keel.h>

#include "serve_buffer.h"
#include "serve_counts.h"
#include "serve_protocol.h"

/* What this many bytes wait to be sent, no more of a get's keys are answered. */
enum { KEEL_SERVE_OUT_MAX = 256 * 1024 };

/*
 * What all workers answer from.
 *
 * timeout_ns   of one request; 0: the bag's own
 * cancel       ends whatever is under way
 * token_kinds  of the bag's tokens, as far as any was seen: bits of serve_token.h
 * stats        writes what is known of the server as a whole: STAT lines
 */
typedef struct keel_serve_source {
    keel_runtime *runtime;
    keel_bag *bag;
    keel_bag_abilities abilities;
    uint64_t timeout_ns;
    keel_cancel cancel;
    _Atomic unsigned token_kinds;
    void (*stats)(keel_serve_buffer *out, void *ctx);
    void *stats_ctx;
} keel_serve_source;

/* What one worker answers with. room: for values of several keys; zero at first. */
typedef struct keel_serve_desk {
    keel_serve_source *source;
    keel_serve_counts counts;
    char *room;
    size_t room_each;
} keel_serve_desk;

/*
 * Answers a request into out. Returns how many of its keys are answered, which may be
 * fewer than there are where out holds much already: the rest is to be asked for again.
 * After a failure the rest of a get is not answered at all: request->is_at_end.
 */
size_t keel_serve_answer(keel_serve_desk *desk, keel_serve_request *request,
                         keel_serve_buffer *out);

void keel_serve_desk_cleanup(keel_serve_desk *desk);

/* ---- what the classic commands and the meta commands have in common ----------------- */

void keel_serve_answer_meta(keel_serve_desk *desk, const keel_serve_request *request,
                            keel_serve_buffer *out);

/* Of a call: deadline, cancel, and the request's flags and expiry. */
keel_bag_options keel_serve_options(const keel_serve_desk *desk,
                                    const keel_serve_request *request);

/* "SERVER_ERROR …" of a status that is no answer. */
void keel_serve_put_failure(keel_serve_desk *desk, keel_serve_buffer *out,
                            keel_status status, const keel_detail *why);

/* NULL, or why the bag cannot keep what the request gives with a value. */
const char *keel_serve_loses(const keel_serve_desk *desk,
                             const keel_serve_request *request);

/*
 * Reads an item's value to the place `before` bytes behind out's end, where there is room
 * for that and for a line's end behind it. item->buffer says where; nothing is added.
 * expires: the item gets the options' ttl as well.
 */
keel_status keel_serve_read(keel_serve_desk *desk, const char *key, size_t before,
                            bool expires, const keel_bag_options *options,
                            keel_bag_item *item, keel_serve_buffer *out,
                            keel_detail *why);

#endif
