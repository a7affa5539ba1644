/* SPDX-License-Identifier: MIT */
/*
 * An item as it lies in Redis: one string, the value behind an envelope of 24 bytes, so
 * that GET, SET and MGET do most of the work and scripts change a part of it in place.
 *
 *     0  "kb1:"
 *     4  flags           32 bits, little-endian, as are the next two
 *     8  nonce           64 bits, of the write it comes from; it is the token, too
 *    16  expires_at_ms   64 bits; 0: never
 *    24  the value
 *
 * A write's nonce is drawn anew for each write, so no token comes twice, not even after
 * a deletion. Redis keeps the expiry as well and acts on it; before its version 7.0 it
 * does not tell the instant.
 */
#ifndef KEEL_BAG_STORE_REDIS_ITEM_H
#define KEEL_BAG_STORE_REDIS_ITEM_H

#include <keel/bag_plugin.h>

enum { KEEL_REDIS_ENVELOPE = 24, KEEL_REDIS_NONCE_AT = 8, KEEL_REDIS_EXPIRY_AT = 16 };

typedef struct keel_redis_item {
    uint32_t flags;
    uint64_t nonce;
    int64_t expires_at_ms;
    keel_bytes value;
} keel_redis_item;

/* Writes all but the value. */
void keel_redis_item_seal(char to[KEEL_REDIS_ENVELOPE], const keel_redis_item *item);

/* False: no envelope; value lies in the text. */
bool keel_redis_item_open(keel_redis_item *item, const char *text, size_t length);

/* The parts of an envelope that scripts are given. */
void keel_redis_number_write(char to[8], uint64_t number);

#endif
