/* SPDX-License-Identifier: MIT */
/*
 * failover(primary|standby|*): asks the primary, and where that fails a standby. What is
 * written at a standby is remembered key by key, asked for there alone, and carried back
 * when the primary is there again. failover.h says how the files divide that.
 */
#include "bag/wrap/failover.h"

#include <string.h>

#include "bag/registry.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

/* ---- opening ------------------------------------------------------------------------- */

/* The one of that role, wherever it is written; else the first. */
static void take_children(keel_failover *f, const keel_bag_setup *setup)
{
    size_t primary = 0, next = 1;

    f->count = setup->child_count;
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(setup->children[i].role, "primary") == 0)
            primary = i;
    f->children[0] = setup->children[primary];
    for (size_t i = 0; i < f->count; i++)
        if (i != primary)
            f->children[next++] = setup->children[i];
}

static keel_status init(keel_failover *f, const keel_bag_setup *setup, keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;

    f->runtime = setup->runtime;
    f->bag = setup->bag;
    f->path = setup->path;
    pthread_mutex_init(&f->keys_mu, NULL);
    pthread_mutex_init(&f->thread_mu, NULL);
    keel_dirty_init(&f->keys, memory, 0);
    if (setup->child_count > KEEL_FAILOVER_CHILDREN)
        return keel_failf(why, KEEL_E_CONFIG, "%s: 16 children are the most", f->path);
    take_children(f, setup);
    if (keel_failover_options_read(&f->set, setup->values, why) != KEEL_OK)
        return KEEL_E_CONFIG;
    keel_dirty_init(&f->keys, memory, f->set.dirty_max);
    if (!f->set.journal)
        return KEEL_OK;
    return keel_failover_journal_open(&f->journal, memory, f->set.journal,
                                      keel_failover_recall, f, why);
}

/* Only a log hears of it: whoever wrote them was told that they are stored. */
static void warn_of_forgotten(keel_failover *f)
{
    if (f->journal.is_there || !f->dirty_count)
        return;
    keel_runtime_log(f->runtime, KEEL_LOG_WARNING, "bag",
                     "bag=%s path=%s forgotten=%zu: without journal= nobody carries "
                     "back what a standby has taken",
                     f->bag, f->path, f->dirty_count);
}

static void close_failover(void *state)
{
    keel_failover *f = state;

    keel_failover_thread_stop(f);
    warn_of_forgotten(f);
    keel_failover_journal_close(&f->journal);
    keel_dirty_cleanup(&f->keys);
    pthread_mutex_destroy(&f->thread_mu);
    pthread_mutex_destroy(&f->keys_mu);
    keel_memory_free(f->runtime->memory, f);
}

static keel_status open_failover(void **state, const keel_bag_setup *setup,
                                 keel_detail *why)
{
    keel_failover *f = keel_memory_new(setup->runtime->memory, sizeof *f);
    keel_status status;

    if (!f)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    status = init(f, setup, why);
    if (status != KEEL_OK) {
        close_failover(f);
        return status;
    }
    if (f->dirty_count) /* left by the process before */
        keel_failover_rouse(f);
    *state = f;
    return KEEL_OK;
}

/*
 * What all can; what needs a token, or is asked of one child from its beginning to its
 * end, as far as the primary can.
 */
static void look(void *state, keel_bag_abilities *a)
{
    const uint32_t primarys = KEEL_CAN_CAS | KEEL_CAN_DELETE_CAS | KEEL_CAN_SCAN;
    const uint32_t any = KEEL_IS_VOLATILE | KEEL_MAY_EVICT;
    const keel_failover *f = state;

    *a = f->children[0].abilities;
    for (size_t i = 1; i < f->count; i++) {
        const keel_bag_abilities *other = &f->children[i].abilities;

        a->native &= other->native | primarys | any;
        a->effective &= other->effective | primarys | any;
        a->native |= other->native & any;
        a->effective |= other->effective & any;
        if (!a->value_max || (other->value_max && other->value_max < a->value_max))
            a->value_max = other->value_max;
        if (other->batch_max < a->batch_max)
            a->batch_max = other->batch_max;
        if (other->ttl_step_ms > a->ttl_step_ms)
            a->ttl_step_ms = other->ttl_step_ms;
    }
}

/* ---- reading ------------------------------------------------------------------------- */

static keel_status ask_get(keel_failover_use *u, const keel_bag_child *child,
                           const keel_bag_op *op, keel_detail *why)
{
    return child->ops->get(child->state, op, u->key, u->item, why);
}

keel_status keel_failover_get(void *state, const keel_bag_op *op, keel_bytes key,
                              keel_bag_item *item, keel_detail *why)
{
    keel_failover_use u = { .f = state,
                            .op = op,
                            .key = key,
                            .kind = KEEL_FAILOVER_READ,
                            .needs = KEEL_CAN_GET,
                            .ask = ask_get,
                            .item = item };

    return keel_failover_run(&u, why);
}

/* ---- storing ------------------------------------------------------------------------- */

static keel_status ask_store(keel_failover_use *u, const keel_bag_child *child,
                             const keel_bag_op *op, keel_detail *why)
{
    keel_bag_put put = *u->put;

    put.expected = u->expected;
    return child->ops->store(child->state, op, u->key, &put, u->fresh, why);
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    static const keel_bag_ability needs[] = {
        [KEEL_BAG_SET] = KEEL_CAN_SET,         [KEEL_BAG_ADD] = KEEL_CAN_ADD,
        [KEEL_BAG_REPLACE] = KEEL_CAN_REPLACE, [KEEL_BAG_CAS] = KEEL_CAN_CAS,
        [KEEL_BAG_APPEND] = KEEL_CAN_APPEND,   [KEEL_BAG_PREPEND] = KEEL_CAN_APPEND,
    };
    bool keeps = put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;
    bool joins = put->mode == KEEL_BAG_APPEND || put->mode == KEEL_BAG_PREPEND;
    keel_failover_use u = { .f = state,
                            .op = op,
                            .key = key,
                            .kind = KEEL_FAILOVER_WRITE,
                            .needs = needs[put->mode],
                            .ask = ask_store,
                            .repeats = put->mode == KEEL_BAG_SET,
                            .is_blind = put->mode == KEEL_BAG_SET && !keeps,
                            .put = put,
                            .expected =
                                put->mode == KEEL_BAG_CAS ? put->expected : NULL,
                            .fresh = fresh,
                            .expires_at_ms = keeps || joins ? -1 : put->expires_at_ms };

    return keel_failover_run(&u, why);
}

/* ---- changing ------------------------------------------------------------------------ */

static keel_status ask_add_to(keel_failover_use *u, const keel_bag_child *child,
                              const keel_bag_op *op, keel_detail *why)
{
    return child->ops->add_to(child->state, op, u->key, u->down, u->by, u->number,
                              u->fresh, why);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    keel_failover_use u = { .f = state,
                            .op = op,
                            .key = key,
                            .kind = KEEL_FAILOVER_WRITE,
                            .needs = KEEL_CAN_INCR,
                            .ask = ask_add_to,
                            .fresh = fresh,
                            .number = number,
                            .by = by,
                            .down = down,
                            .expires_at_ms = -1 };

    return keel_failover_run(&u, why);
}

static keel_status ask_touch(keel_failover_use *u, const keel_bag_child *child,
                             const keel_bag_op *op, keel_detail *why)
{
    return child->ops->touch(child->state, op, u->key, u->expires_at_ms, u->item, why);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    keel_failover_use u = { .f = state,
                            .op = op,
                            .key = key,
                            .kind = KEEL_FAILOVER_WRITE,
                            .needs = KEEL_CAN_TOUCH,
                            .ask = ask_touch,
                            .repeats = true,
                            .item = item,
                            .expires_at_ms = expires_at_ms };

    return keel_failover_run(&u, why);
}

static keel_status ask_remove(keel_failover_use *u, const keel_bag_child *child,
                              const keel_bag_op *op, keel_detail *why)
{
    return child->ops->remove(child->state, op, u->key, u->expected, why);
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    keel_failover_use u = { .f = state,
                            .op = op,
                            .key = key,
                            .kind = KEEL_FAILOVER_DELETE,
                            .needs = expected ? KEEL_CAN_DELETE_CAS : KEEL_CAN_DELETE,
                            .ask = ask_remove,
                            .repeats = true,
                            .is_blind = !expected,
                            .expected = expected,
                            .expires_at_ms = -1 };

    return keel_failover_run(&u, why);
}

/* ---- the rest ------------------------------------------------------------------------ */

/* It is there if one of its children is. */
static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_failover *f = state;
    uint8_t order[KEEL_FAILOVER_CHILDREN];
    uint8_t count = keel_failover_order(f, order);
    keel_status status = KEEL_OK;

    for (uint8_t i = 0; i < count; i++) {
        const keel_bag_child *child = &f->children[order[i]];
        keel_bag_op part = *op;

        part.deadline_at_ns = keel_failover_share(f, op, (size_t)(count - i));
        status =
            child->ops->health ? child->ops->health(child->state, &part, why) : KEEL_OK;
        if (status == KEEL_OK)
            break;
    }
    return status;
}

const keel_bag_ops keel_wrap_failover = {
    .size = sizeof keel_wrap_failover,
    .abi = KEEL_BAG_ABI,
    .name = "failover",
    .roles = "primary|standby|*",
    .options = keel_failover_options,
    .meaning = "A bag, and others that stand in for it while it is away.",
    .open = open_failover,
    .close = close_failover,
    .look = look,
    .get = keel_failover_get,
    .get_many = keel_failover_get_many,
    .store = store,
    .add_to = add_to,
    .touch = touch,
    .remove = remove_item,
    .flush = keel_failover_flush,
    .scan = keel_failover_scan,
    .health = health,
};
