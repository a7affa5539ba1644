/* SPDX-License-Identifier: MIT */
/*
 * Bytes in, Redis replies out: hiredis' reader with a limit to what a hostile peer can
 * make it keep. The one file that minds which hiredis it is. No socket here.
 */
#ifndef KEEL_NET_REDIS_READER_H
#define KEEL_NET_REDIS_READER_H

#include <hiredis/hiredis.h>

#include <keel/status.h>

enum {
    KEEL_REDIS_REPLY_BYTES = 1 << 20,    /* of one reply, unless told otherwise */
    KEEL_REDIS_REPLY_ELEMENTS = 1 << 15, /* of all its arrays together */
    KEEL_REDIS_REPLY_DEPTH = 7           /* of arrays within arrays */
};

typedef struct keel_redis_reader {
    redisReader *reader;
    const redisReplyObjectFunctions *hiredis; /* how it makes replies */
    redisReplyObjectFunctions limited;        /* the same, but for arrays */
    size_t bytes;                             /* fed, and of no reply taken so far */
    size_t bytes_most;                        /* of one reply, as it comes */
    size_t elements;                          /* announced by the reply being read */
    bool is_too_large;
} keel_redis_reader;

/* It must not move afterwards. False: out of memory. */
bool keel_redis_reader_init(keel_redis_reader *r);
void keel_redis_reader_cleanup(keel_redis_reader *r); /* all zero is fine */

/* KEEL_OK, KEEL_E_NOMEM; KEEL_FAILED: more than a reply may have */
keel_status keel_redis_reader_feed(keel_redis_reader *r, const char *bytes, size_t size,
                                   keel_detail *why);

/*
 * The next reply, freed by freeReplyObject; NULL with KEEL_OK: more bytes are needed.
 * KEEL_FAILED, which is for good: that is no reply, or too large a one.
 */
keel_status keel_redis_reader_next(keel_redis_reader *r, redisReply **reply,
                                   keel_detail *why);

#endif
