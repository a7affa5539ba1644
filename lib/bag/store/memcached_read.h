/* SPDX-License-Identifier: MIT */
/* How a memcached store reads; table functions, and what writing has of them. */
#ifndef KEEL_BAG_STORE_MEMCACHED_READ_H
#define KEEL_BAG_STORE_MEMCACHED_READ_H

#include "bag/store/memcached_exchange.h"

keel_status keel_memcached_store_get(void *state, const keel_bag_op *op, keel_bytes key,
                                     keel_bag_item *item, keel_detail *why);
void keel_memcached_store_get_many(void *state, const keel_bag_op *op,
                                   const keel_bytes keys[], keel_bag_item items[],
                                   keel_status statuses[], size_t count,
                                   keel_detail *why);

/* expires_at_ms: KEEL_BAG_KEEP_EXPIRY: as it is; item NULL: not wanted */
keel_status keel_memcached_store_touch(void *state, const keel_bag_op *op,
                                       keel_bytes key, int64_t expires_at_ms,
                                       keel_bag_item *item, keel_detail *why);

/* The length of an item; KEEL_NOT_FOUND. */
keel_status keel_memcached_length(keel_memcached_exchange *e, keel_text key,
                                  uint64_t *length);

/* memcached's number for an instant, seen from another. */
int64_t keel_memcached_ttl(int64_t now_ms, int64_t expires_at_ms);

#endif
