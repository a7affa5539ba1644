/* SPDX-License-Identifier: MIT */
/*
 * Read, change, cas, and again while others were faster. Each try that was refused has
 * provably not been applied; one whose outcome is unknown is the last.
 */
#include "bag/emulate.h"

#include <stdio.h>
#include <string.h>

#include "bag/wrap/pass.h"
#include "base/clock.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

typedef struct emulation {
    keel_pass pass; /* first: what is only handed on knows no more of it */
    keel_runtime *runtime;
} emulation;

/* One item that is being changed. buffer grows to what it needs. */
typedef struct change {
    const emulation *e;
    const keel_bag_op *op;
    keel_bytes key;
    keel_detail *why;
    keel_bag_item item;
} change;

static keel_status open_emulation(void **state, const keel_bag_setup *setup,
                                  keel_detail *why)
{
    emulation *e = keel_memory_new(setup->runtime->memory, sizeof *e);

    if (!e)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    *e = (emulation){ { setup->children }, setup->runtime };
    *state = e;
    return KEEL_OK;
}

static void close_emulation(void *state)
{
    emulation *e = state;

    keel_memory_free(e->runtime->memory, e);
}

static void look(void *state, keel_bag_abilities *a)
{
    const emulation *e = state;

    *a = e->pass.inner->abilities;
    a->effective |= KEEL_BAG_EMULATED;
}

static bool can(const emulation *e, keel_bag_ability ability)
{
    return e->pass.inner->abilities.native & (uint32_t)ability;
}

/* ---- the loop ------------------------------------------------------------------------ */

static keel_status grow(change *c)
{
    const keel_allocator *memory = c->e->runtime->memory;
    size_t need = c->item.length + 64;

    keel_memory_free(memory, c->item.buffer);
    c->item.capacity = 0;
    c->item.buffer = keel_memory_new(memory, need);
    if (!c->item.buffer)
        return keel_bag_fail(c->why, KEEL_E_NOMEM, KEEL_APPLIED_NO,
                             c->e->pass.inner->path, "out of memory");
    c->item.capacity = need;
    return KEEL_OK;
}

/* No cas would ever succeed. */
static keel_status say_no_token(const change *c)
{
    return keel_bag_fail(c->why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO,
                         c->e->pass.inner->path,
                         "the store tells no token of that item, and without one there "
                         "is no cas to make this of");
}

/* The item as it is now, whole, with its token and its expiry. */
static keel_status read_item(change *c)
{
    const keel_bag_child *store = c->e->pass.inner;
    keel_bag_op op = *c->op;
    keel_status status = c->item.buffer ? KEEL_OK : grow(c);

    if (status != KEEL_OK)
        return status; /* without a buffer it would not be told that there is more */
    op.wishes |= KEEL_BAG_WANT_TOKEN | KEEL_BAG_WANT_TTL | KEEL_BAG_NO_CACHE;
    for (;;) {
        status = store->ops->get(store->state, &op, c->key, &c->item, c->why);
        if (status != KEEL_E_BUFFER)
            break;
        status = grow(c);
        if (status != KEEL_OK)
            return status;
    }
    if (c->why && status != KEEL_OK)
        c->why->applied = KEEL_APPLIED_NO; /* nothing but reading was tried */
    return status == KEEL_OK && !c->item.token.length ? say_no_token(c) : status;
}

/* What is to be written for it to stay as it is: a store may be unable to tell it. */
static int64_t same_expiry(const change *c)
{
    return c->item.expires_at_ms < 0 ? KEEL_BAG_KEEP_EXPIRY : c->item.expires_at_ms;
}

static keel_status write_item(change *c, keel_bytes value, uint32_t flags,
                              int64_t expires_at_ms, keel_bag_token *fresh)
{
    const keel_bag_child *store = c->e->pass.inner;
    const keel_bag_put put = { .size = sizeof put,
                               .mode = KEEL_BAG_CAS,
                               .value = value,
                               .flags = flags,
                               .expires_at_ms = expires_at_ms,
                               .expected = &c->item.token };

    return store->ops->store(store->state, c->op, c->key, &put, fresh, c->why);
}

static bool is_time_left(const change *c)
{
    const keel_clock *clock = &c->e->runtime->clock;

    return clock->now(clock->ctx) < c->op->deadline_at_ns;
}

/* True: it was another's turn, and there is time to try again. */
static bool is_to_try_again(change *c, keel_status *status)
{
    if (*status != KEEL_EXISTS)
        return false;
    if (is_time_left(c))
        return true;
    *status =
        keel_bag_fail(c->why, KEEL_DEADLINE, KEEL_APPLIED_NO, c->e->pass.inner->path,
                      "others were always faster until the deadline");
    return false;
}

static change begin(const emulation *e, const keel_bag_op *op, keel_bytes key,
                    keel_detail *why)
{
    return (change){ .e = e,
                     .op = op,
                     .key = key,
                     .why = why,
                     .item = { .size = sizeof(keel_bag_item) } };
}

static void end(change *c)
{
    keel_memory_free(c->e->runtime->memory, c->item.buffer);
}

/* ---- the verbs ----------------------------------------------------------------------- */

/* Old and new in the order of the mode, in memory of their own. */
static keel_status join(change *c, const keel_bag_put *put, keel_bytes *joined)
{
    bool before = put->mode == KEEL_BAG_PREPEND;
    size_t length = c->item.length + put->value.length;
    char *to;

    if (length > c->e->pass.inner->abilities.value_max)
        return keel_bag_fail(c->why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO,
                             c->e->pass.inner->path,
                             "it would be larger than value_max");
    to = keel_memory_new(c->e->runtime->memory, length + 1);
    if (!to)
        return keel_bag_fail(c->why, KEEL_E_NOMEM, KEEL_APPLIED_NO,
                             c->e->pass.inner->path, "out of memory");
    *joined = (keel_bytes){ to, length };
    if (put->value.length)
        memcpy(to + (before ? 0 : c->item.length), put->value.at, put->value.length);
    if (c->item.length)
        memcpy(to + (before ? put->value.length : 0), c->item.buffer, c->item.length);
    return KEEL_OK;
}

static keel_status append_once(change *c, const keel_bag_put *put,
                               keel_bag_token *fresh)
{
    keel_bytes joined = { NULL, 0 };
    keel_status status = read_item(c);

    if (status == KEEL_NOT_FOUND)
        return KEEL_NOT_STORED;
    if (status == KEEL_OK)
        status = join(c, put, &joined);
    if (status != KEEL_OK)
        return status;
    status = write_item(c, joined, c->item.flags, same_expiry(c), fresh);
    keel_memory_free(c->e->runtime->memory, (void *)(uintptr_t)joined.at);
    return status == KEEL_NOT_FOUND ? KEEL_NOT_STORED : status;
}

static keel_status replace_once(change *c, const keel_bag_put *put,
                                keel_bag_token *fresh)
{
    keel_status status = read_item(c);

    if (status == KEEL_OK)
        status =
            write_item(c, put->value, put->flags,
                       put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY ? same_expiry(c)
                                                                  : put->expires_at_ms,
                       fresh);
    return status == KEEL_NOT_FOUND ? KEEL_NOT_STORED : status;
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    const emulation *e = state;
    bool appends = put->mode == KEEL_BAG_APPEND || put->mode == KEEL_BAG_PREPEND;
    change c = begin(e, op, key, why);
    keel_status status;

    if (appends ? can(e, KEEL_CAN_APPEND)
                : put->mode != KEEL_BAG_REPLACE || can(e, KEEL_CAN_REPLACE))
        return e->pass.inner->ops->store(e->pass.inner->state, op, key, put, fresh,
                                         why);
    do
        status = appends ? append_once(&c, put, fresh) : replace_once(&c, put, fresh);
    while (is_to_try_again(&c, &status));
    end(&c);
    return status;
}

static keel_status add_once(change *c, bool down, uint64_t by, uint64_t *number,
                            keel_bag_token *fresh)
{
    char digits[24];
    int length;
    keel_status status = read_item(c);

    if (status != KEEL_OK)
        return status;
    if (!keel_bag_number_read((keel_bytes){ c->item.buffer, c->item.length }, number))
        return KEEL_NOT_NUMBER;
    *number = keel_bag_number_add(*number, down, by);
    length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)*number);
    return write_item(c, (keel_bytes){ digits, (size_t)length }, c->item.flags,
                      same_expiry(c), fresh);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    const emulation *e = state;
    change c = begin(e, op, key, why);
    keel_status status;

    if (can(e, KEEL_CAN_INCR))
        return e->pass.inner->ops->add_to(e->pass.inner->state, op, key, down, by,
                                          number, fresh, why);
    do
        status = add_once(&c, down, by, number, fresh);
    while (is_to_try_again(&c, &status));
    end(&c);
    return status;
}

static keel_status touch_once(change *c, int64_t expires_at_ms)
{
    keel_bag_token fresh;
    keel_status status = read_item(c);

    if (status == KEEL_OK)
        status = write_item(c, (keel_bytes){ c->item.buffer, c->item.length },
                            c->item.flags, expires_at_ms, &fresh);
    return status;
}

static keel_status give(const change *c, int64_t expires_at_ms, keel_bag_item *item)
{
    item->flags = c->item.flags;
    item->expires_at_ms =
        expires_at_ms == KEEL_BAG_KEEP_EXPIRY ? c->item.expires_at_ms : expires_at_ms;
    item->marks = c->item.marks;
    item->token.length = 0; /* of the one before */
    return keel_bag_item_fill(item, c->item.buffer, c->item.length);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    const emulation *e = state;
    change c = begin(e, op, key, why);
    keel_status status;

    if (can(e, KEEL_CAN_TOUCH))
        return e->pass.inner->ops->touch(e->pass.inner->state, op, key, expires_at_ms,
                                         item, why);
    do
        status = touch_once(&c, expires_at_ms);
    while (is_to_try_again(&c, &status));
    if (status == KEEL_OK && item)
        status = give(&c, expires_at_ms, item);
    end(&c);
    return status;
}

const keel_bag_ops keel_bag_emulation = {
    .size = sizeof keel_bag_emulation,
    .abi = KEEL_BAG_ABI,
    .name = "emulation",
    .roles = "store",
    .meaning = "What keel makes of get and cas.",
    .open = open_emulation,
    .close = close_emulation,
    .look = look,
    .get = keel_pass_get,
    .get_many = keel_pass_get_many,
    .store = store,
    .add_to = add_to,
    .touch = touch,
    .remove = keel_pass_remove,
    .flush = keel_pass_flush,
    .scan = keel_pass_scan,
    .health = keel_pass_health,
};
