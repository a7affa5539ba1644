/* SPDX-License-Identifier: MIT */
/* Parts of batches. */
#include "bag/wrap/batch.h"

enum { PART = 32 };

/* from: where in the batch each of them stands */
typedef struct part {
    keel_bytes keys[PART];
    keel_bag_item items[PART];
    keel_status statuses[PART];
    size_t from[PART];
    size_t count;
} part;

/* Those from *at on that are wanted, as many as fit. */
static void gather(part *p, const keel_batch *b, size_t *at, keel_batch_wants_fn *wants,
                   const void *ctx)
{
    p->count = 0;
    for (; *at < b->count && p->count < PART; ++*at)
        if (wants(b->statuses[*at], ctx)) {
            p->keys[p->count] = b->keys[*at];
            p->items[p->count] = b->items[*at];
            p->statuses[p->count] = KEEL_FAILED; /* unless it says otherwise */
            p->from[p->count++] = *at;
        }
}

static void scatter(const part *p, const keel_batch *b)
{
    for (size_t i = 0; i < p->count; i++) {
        b->items[p->from[i]] = p->items[i];
        b->statuses[p->from[i]] = p->statuses[i];
    }
}

size_t keel_batch_ask(const keel_batch *b, const keel_bag_child *child,
                      const keel_bag_op *op, keel_batch_wants_fn *wants,
                      const void *ctx, keel_detail *why)
{
    size_t at = 0, asked = 0;
    part p;

    for (;;) {
        gather(&p, b, &at, wants, ctx);
        if (!p.count)
            return asked;
        keel_bag_child_get_many(child, op, p.keys, p.items, p.statuses, p.count, why);
        scatter(&p, b);
        asked += p.count;
    }
}
