/* SPDX-License-Identifier: MIT */
/*
 * A get_many whose keys are not all asked for at once or in one place: those that are
 * wanted are gathered, asked for together, and answered where they came from.
 */
#ifndef KEEL_BAG_WRAP_BATCH_H
#define KEEL_BAG_WRAP_BATCH_H

#include <keel/bag_plugin.h>

typedef struct keel_batch {
    const keel_bytes *keys;
    keel_bag_item *items;
    keel_status *statuses;
    size_t count;
} keel_batch;

/* By the status that a key has so far. */
typedef bool keel_batch_wants_fn(keel_status status, const void *ctx);

/* Asks a child for the keys that are wanted. Returns how many there were. */
size_t keel_batch_ask(const keel_batch *b, const keel_bag_child *child,
                      const keel_bag_op *op, keel_batch_wants_fn *wants,
                      const void *ctx, keel_detail *why);

#endif
