/* SPDX-License-Identifier: MIT */
/* How a memcached store writes; table functions. */
#ifndef KEEL_BAG_STORE_MEMCACHED_WRITE_H
#define KEEL_BAG_STORE_MEMCACHED_WRITE_H

#include "bag/store/memcached_exchange.h"

keel_status keel_memcached_store_put(void *state, const keel_bag_op *op, keel_bytes key,
                                     const keel_bag_put *put, keel_bag_token *fresh,
                                     keel_detail *why);
keel_status keel_memcached_store_add_to(void *state, const keel_bag_op *op,
                                        keel_bytes key, bool down, uint64_t by,
                                        uint64_t *number, keel_bag_token *fresh,
                                        keel_detail *why);
keel_status keel_memcached_store_remove(void *state, const keel_bag_op *op,
                                        keel_bytes key, const keel_bag_token *expected,
                                        keel_detail *why);
keel_status keel_memcached_store_flush(void *state, const keel_bag_op *op,
                                       keel_detail *why);

#endif
