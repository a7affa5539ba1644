/* SPDX-License-Identifier: MIT */
/* The inside of a Redis store, and what its files have of each other. */
#ifndef KEEL_BAG_STORE_REDIS_STORE_H
#define KEEL_BAG_STORE_REDIS_STORE_H

#include <keel/bag_plugin.h>

#include "bag/store/redis_nodes.h"

enum { KEEL_REDIS_PREFIX_MAX = 255 };

/* envelope: bytes before each value, KEEL_REDIS_ENVELOPE; 0: raw=on, plain strings */
typedef struct keel_redis_store {
    const keel_allocator *memory;
    const keel_clock *clock;
    const char *path;
    keel_text prefix;
    size_t envelope;
    uint64_t value_max;
    bool evicts;
    keel_redis_nodes nodes;
} keel_redis_store;

/* The key as Redis has it. */
typedef struct keel_redis_key {
    size_t length;
    char at[KEEL_REDIS_PREFIX_MAX + KEEL_BAG_KEY_MAX + 1];
} keel_redis_key;

void keel_redis_key_write(keel_redis_key *to, const keel_redis_store *s,
                          keel_bytes key);

extern const keel_bag_option keel_redis_options[];

keel_status keel_redis_store_open(void **state, const keel_bag_setup *setup,
                                  keel_detail *why);
void keel_redis_store_close(void *state);
void keel_redis_store_look(void *state, keel_bag_abilities *abilities);

/* What was stored, for the caller: as keel_bag_get returns it. */
keel_status keel_redis_give(const keel_redis_store *s, const redisReply *stored,
                            const keel_bag_op *op, keel_bag_item *item,
                            keel_detail *why);

keel_status keel_redis_store_get(void *state, const keel_bag_op *op, keel_bytes key,
                                 keel_bag_item *item, keel_detail *why);
void keel_redis_store_get_many(void *state, const keel_bag_op *op,
                               const keel_bytes keys[], keel_bag_item items[],
                               keel_status statuses[], size_t count, keel_detail *why);
keel_status keel_redis_store_scan(void *state, const keel_bag_op *op,
                                  keel_bag_cursor *cursor, keel_bag_scan_fn *fn,
                                  void *ctx, keel_detail *why);
keel_status keel_redis_store_flush(void *state, const keel_bag_op *op,
                                   keel_detail *why);

#endif
