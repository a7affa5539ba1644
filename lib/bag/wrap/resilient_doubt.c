/* SPDX-License-Identifier: MIT */
/*
 * Whether a write under a condition was applied, where its answer was lost. Not for
 * writes that may simply be repeated, nor for those that nothing can tell of.
 */
#include <string.h>

#include "bag/wrap/resilient_try.h"

bool keel_try_can_resolve(const keel_try *t)
{
    const uint32_t needed = KEEL_CAN_GET | KEEL_HAS_NONCE;

    return (t->r->child->abilities.effective & needed) == needed && t->op.nonce != 0;
}

static bool is_same(const keel_bag_token *a, const keel_bag_token *b)
{
    return a->length && a->length == b->length &&
           memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* The item as it is now, without its value, and whose write it is. */
static keel_status read_back(const keel_try *t, keel_bytes key, keel_bag_item *item,
                             uint64_t *nonce)
{
    const keel_bag_child *child = t->r->child;
    keel_bag_op op = t->op;
    keel_try reading;

    op.deadline_at_ns = keel_machine_of(&t->call)->deadline_at;
    op.wishes |= KEEL_BAG_WANT_TOKEN | KEEL_BAG_NO_CACHE | KEEL_BAG_NO_STALE;
    op.nonce_found = nonce;
    op.marks = NULL;
    keel_try_begin_read(&reading, t->r, &op, NULL);
    while (keel_try_next(&reading))
        keel_try_report(
            &reading,
            child->ops->get(child->state, &reading.op, key, item, &reading.said), true);
    return keel_try_end(&reading);
}

keel_doubt keel_try_resolve(const keel_try *t, keel_bytes key, const keel_bag_put *put,
                            keel_bag_token *fresh)
{
    keel_bag_item item = { .size = sizeof item };
    uint64_t nonce = 0;
    keel_status status = read_back(t, key, &item, &nonce);

    if (status == KEEL_OK && nonce == t->op.nonce) {
        *fresh = item.token;
        return KEEL_DOUBT_STORED;
    }
    /* without a nonce nobody knows whose it is */
    if (put->mode == KEEL_BAG_ADD && status == KEEL_OK && nonce)
        return KEEL_DOUBT_REFUSED;
    if (put->mode == KEEL_BAG_ADD && status == KEEL_NOT_FOUND)
        return KEEL_DOUBT_MAY_RETRY;
    /* a token comes once: while it is there, nothing was stored over it */
    if (put->mode == KEEL_BAG_CAS && status == KEEL_OK &&
        is_same(&item.token, put->expected))
        return KEEL_DOUBT_MAY_RETRY;
    return KEEL_DOUBT_STAYS;
}
