/* SPDX-License-Identifier: MIT */
/*
 * The memory store: what keel-conform holds all others against, and the fastest cache
 * there is. Items live in 64 parts, and die with the process. Writers lock a part;
 * readers take no lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bag/key_list.h"
#include "bag/registry.h"
#include "bag/store/memory_shard.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/seed.h"
#include "call/runtime.h"

enum { PARTS = 64 };

#define VALUE_MAX (UINT64_C(1) << 30)

enum { OPTION_MAX };

static const keel_bag_option options[] = {
    { .name = "max",
      .type = KEEL_BAG_SIZE,
      .min = 0,
      .max = UINT64_C(1) << 50,
      .standard = "0",
      .meaning = "Items of that size in all are kept, the longest unused go first; 0: "
                 "all are." },
    { .name = NULL },
};

/* shard_mu guards: shard */
typedef struct part {
    _Alignas(64) pthread_mutex_t shard_mu;
    keel_memory_shard shard;
} part;

typedef struct store {
    const keel_allocator *memory;
    void *block; /* what was allocated */
    uint64_t value_max;
    bool evicts;
    uint64_t seed[2]; /* so that nobody can choose keys that meet in one bucket */
    const char *path;
    _Atomic uint64_t token; /* of the last write to any item */
    keel_reclaim reclaim;
    part parts[PARTS];
} store;

/* ---- which part ---------------------------------------------------------------------- */

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Multiply and fold, eight bytes at a time, as wyhash does it (Wang Yi, 2019). */
static uint64_t hash_of(const store *s, keel_bytes key)
{
    const char *at = key.at;
    uint64_t hash = s->seed[0], word;
    size_t left = key.length;

    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = fold(hash ^ word, s->seed[1]);
    }
    word = 0;
    memcpy(&word, at, left);
    hash = fold(hash ^ word, s->seed[1]);
    return fold(hash ^ key.length, s->seed[1]);
}

/* The upper bits choose the part, the lower ones the bucket in it. */
static part *part_of(store *s, uint64_t hash)
{
    return &s->parts[hash >> 58];
}

static part *lock_part(store *s, uint64_t hash)
{
    part *p = part_of(s, hash);

    pthread_mutex_lock(&p->shard_mu);
    return p;
}

static void unlock(part *p)
{
    pthread_mutex_unlock(&p->shard_mu);
}

/* ---- opening ------------------------------------------------------------------------- */

static void init_parts(store *s, uint64_t most)
{
    for (size_t i = 0; i < PARTS; i++) {
        pthread_mutex_init(&s->parts[i].shard_mu, NULL);
        s->parts[i].shard = (keel_memory_shard){ .memory = s->memory,
                                                 .reclaim = &s->reclaim,
                                                 .most = (most + PARTS - 1) / PARTS };
    }
}

/* An item lives in one part, with a key as long as may be. 0: there is room for none. */
static uint64_t value_max(const keel_bag_setup *setup)
{
    const uint64_t beside = sizeof(keel_memory_item) + KEEL_BAG_KEY_MAX;
    uint64_t each = setup->values[OPTION_MAX].number / PARTS;

    if (!setup->values[OPTION_MAX].number)
        return keel_bag_value_max(setup, VALUE_MAX);
    return each > beside ? keel_bag_value_max(setup, each - beside) : 0;
}

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    char *block;
    store *s;

    if (!value_max(setup))
        return keel_fail(why, KEEL_E_CONFIG,
                         "max is too small: it is shared by 64 parts, and none of them "
                         "has room for an item");
    block = keel_memory_new(memory, sizeof(store) + _Alignof(store));
    if (!block)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    s = (store *)(((uintptr_t)block + _Alignof(store) - 1) &
                  ~(uintptr_t)(_Alignof(store) - 1));
    if (!keel_reclaim_init(&s->reclaim, memory)) {
        keel_memory_free(memory, block);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    s->memory = memory;
    s->block = block;
    s->path = setup->path;
    s->value_max = value_max(setup);
    s->seed[0] = keel_seed();
    s->seed[1] = keel_seed() | 1;
    s->evicts = setup->values[OPTION_MAX].number > 0;
    /* of another process, or of a bag that was closed, no token is one of ours */
    atomic_init(&s->token, keel_seed() >> 2);
    init_parts(s, setup->values[OPTION_MAX].number);
    *state = s;
    return KEEL_OK;
}

static void close_store(void *state)
{
    store *s = state;

    for (size_t i = 0; i < PARTS; i++) {
        keel_memory_cleanup(&s->parts[i].shard);
        pthread_mutex_destroy(&s->parts[i].shard_mu);
    }
    keel_reclaim_cleanup(&s->reclaim);
    keel_memory_free(s->memory, s->block);
}

static void look(void *state, keel_bag_abilities *a)
{
    const store *s = state;

    a->native = KEEL_BAG_CAN_ALL | KEEL_IS_VOLATILE;
    if (s->evicts)
        a->native |= KEEL_MAY_EVICT;
    a->value_max = s->value_max;
    a->batch_max = 1;
    a->ttl_step_ms = 1;
}

/* ---- reading ------------------------------------------------------------------------- */

static keel_status give(keel_memory_item *from, const keel_bag_op *op,
                        keel_bag_item *item)
{
    item->flags = from->flags;
    item->expires_at_ms =
        atomic_load_explicit(&from->expires_at_ms, memory_order_relaxed);
    item->marks = 0;
    item->token.length = 0;
    if (op->wishes & KEEL_BAG_WANT_TOKEN)
        item->token = keel_bag_token_of(from->token);
    if (op->nonce_found)
        *op->nonce_found = from->nonce;
    return keel_bag_item_fill(item, keel_memory_value(from), from->length);
}

/* A line that is not written need not travel between processors. */
static void mark_used(keel_memory_item *item)
{
    if (!atomic_load_explicit(&item->used, memory_order_relaxed))
        atomic_store_explicit(&item->used, true, memory_order_relaxed);
}

static keel_status give_found(keel_memory_item *found, const keel_bag_op *op,
                              keel_bag_item *item)
{
    if (!found)
        return KEEL_NOT_FOUND;
    mark_used(found);
    return give(found, op, item);
}

/* Somebody changed the part while it was looked through. */
static keel_status get_locked(store *s, uint64_t hash, const keel_bag_op *op,
                              keel_bytes key, keel_bag_item *item)
{
    part *p = lock_part(s, hash);
    keel_status status =
        give_found(keel_memory_find(&p->shard, hash, key, op->now_ms), op, item);

    unlock(p);
    return status;
}

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    store *s = state;
    uint64_t hash = hash_of(s, key);
    uint32_t phase = keel_reclaim_enter(&s->reclaim);
    keel_memory_item *found;
    bool is_certain =
        keel_memory_peek(&part_of(s, hash)->shard, hash, key, op->now_ms, &found);
    keel_status status = is_certain ? give_found(found, op, item) : KEEL_OK;

    (void)why;
    keel_reclaim_exit(&s->reclaim, phase);
    return is_certain ? status : get_locked(s, hash, op, key, item);
}

/* ---- writing ------------------------------------------------------------------------- */

static void sign(store *s, const keel_bag_op *op, keel_memory_item *item,
                 keel_bag_token *fresh)
{
    item->token = atomic_fetch_add_explicit(&s->token, 1, memory_order_relaxed) + 1;
    item->nonce = op->nonce;
    *fresh = keel_bag_token_of(item->token);
}

/* Whether the condition of the mode is met; KEEL_OK: it is. */
static keel_status judge(const keel_memory_item *old, const keel_bag_put *put)
{
    switch (put->mode) {
    case KEEL_BAG_SET:
        return KEEL_OK;
    case KEEL_BAG_ADD:
        return old ? KEEL_NOT_STORED : KEEL_OK;
    case KEEL_BAG_REPLACE:
    case KEEL_BAG_APPEND:
    case KEEL_BAG_PREPEND:
        return old ? KEEL_OK : KEEL_NOT_STORED;
    case KEEL_BAG_CAS:
        break;
    }
    if (!old)
        return KEEL_NOT_FOUND;
    return keel_bag_token_number(put->expected) == old->token ? KEEL_OK : KEEL_EXISTS;
}

static bool joins(keel_bag_mode mode)
{
    return mode == KEEL_BAG_APPEND || mode == KEEL_BAG_PREPEND;
}

/* A new item with the value where the mode has it, beside or without the old one's. */
static keel_memory_item *make_item(const part *p, uint64_t hash, keel_bytes key,
                                   const keel_memory_item *old, const keel_bag_put *put)
{
    size_t kept = joins(put->mode) ? old->length : 0;
    bool before = put->mode == KEEL_BAG_PREPEND;
    keel_memory_item *item =
        keel_memory_new_item(&p->shard, hash, key, kept + put->value.length);

    if (!item)
        return NULL;
    if (kept)
        memcpy(keel_memory_value(item) + (before ? put->value.length : 0),
               keel_memory_value(old), kept);
    if (put->value.length)
        memcpy(keel_memory_value(item) + (before ? 0 : kept), put->value.at,
               put->value.length);
    return item;
}

static void set_terms(keel_memory_item *item, keel_memory_item *old,
                      const keel_bag_put *put)
{
    bool keeps = joins(put->mode) || put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;
    int64_t expires = put->expires_at_ms;

    if (keeps)
        expires =
            old ? atomic_load_explicit(&old->expires_at_ms, memory_order_relaxed) : 0;
    atomic_init(&item->expires_at_ms, expires);
    item->flags = joins(put->mode) ? old->flags : put->flags;
}

/* Under the part's lock. False: no memory. */
static bool put_item(store *s, part *p, const keel_bag_op *op, uint64_t hash,
                     keel_bytes key, keel_memory_item *old, const keel_bag_put *put,
                     keel_bag_token *fresh)
{
    keel_memory_item *item = make_item(p, hash, key, old, put);

    if (!item)
        return false;
    set_terms(item, old, put);
    sign(s, op, item, fresh);
    return keel_memory_publish(&p->shard, item, old, op->now_ms);
}

static keel_status store_item(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_put *put, keel_bag_token *fresh,
                              keel_detail *why)
{
    store *s = state;
    uint64_t hash = hash_of(s, key);
    part *p = lock_part(s, hash);
    keel_memory_item *item = keel_memory_find(&p->shard, hash, key, op->now_ms);
    keel_status status = judge(item, put);

    if (status == KEEL_OK && joins(put->mode) &&
        item->length + put->value.length > s->value_max)
        status = keel_bag_fail(why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, s->path,
                               "it would be larger than value_max");
    if (status == KEEL_OK && !put_item(s, p, op, hash, key, item, put, fresh))
        status = keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path,
                               "no memory for it");
    unlock(p);
    return status;
}

static keel_status write_number(store *s, const keel_bag_op *op, part *p,
                                keel_memory_item *old, uint64_t number,
                                keel_bag_token *fresh)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    const keel_bag_put put = { .mode = KEEL_BAG_REPLACE,
                               .value = { digits, (size_t)length },
                               .flags = old->flags,
                               .expires_at_ms = KEEL_BAG_KEEP_EXPIRY };
    const keel_bytes key = { old->bytes, old->key_length };

    return put_item(s, p, op, old->hash, key, old, &put, fresh) ? KEEL_OK
                                                                : KEEL_E_NOMEM;
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    store *s = state;
    uint64_t hash = hash_of(s, key);
    part *p = lock_part(s, hash);
    keel_memory_item *item = keel_memory_find(&p->shard, hash, key, op->now_ms);
    keel_status status = KEEL_NOT_FOUND;

    if (item && !keel_bag_number_read(
                    (keel_bytes){ keel_memory_value(item), item->length }, number)) {
        status = KEEL_NOT_NUMBER;
    } else if (item) {
        *number = keel_bag_number_add(*number, down, by);
        status = write_number(s, op, p, item, *number, fresh);
    }
    unlock(p);
    return status == KEEL_E_NOMEM
               ? keel_bag_fail(why, status, KEEL_APPLIED_NO, s->path, "out of memory")
               : status;
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    store *s = state;
    uint64_t hash = hash_of(s, key);
    part *p = lock_part(s, hash);
    keel_memory_item *found = keel_memory_find(&p->shard, hash, key, op->now_ms);
    keel_status status = KEEL_NOT_FOUND;

    (void)why;
    if (found) {
        if (expires_at_ms != KEEL_BAG_KEEP_EXPIRY)
            atomic_store_explicit(&found->expires_at_ms, expires_at_ms,
                                  memory_order_relaxed);
        status = item ? give(found, op, item) : KEEL_OK;
    }
    unlock(p);
    return status;
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    store *s = state;
    uint64_t hash = hash_of(s, key);
    part *p = lock_part(s, hash);
    keel_memory_item *found = keel_memory_find(&p->shard, hash, key, op->now_ms);
    keel_status status = KEEL_NOT_FOUND;

    (void)why;
    if (found && expected && keel_bag_token_number(expected) != found->token) {
        status = KEEL_EXISTS;
    } else if (found) {
        keel_memory_drop(&p->shard, found);
        status = KEEL_OK;
    }
    unlock(p);
    return status;
}

/* ---- all there is -------------------------------------------------------------------- */

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    store *s = state;

    (void)op;
    (void)why;
    for (size_t i = 0; i < PARTS; i++) {
        pthread_mutex_lock(&s->parts[i].shard_mu);
        keel_memory_drop_all(&s->parts[i].shard);
        unlock(&s->parts[i]);
    }
    return KEEL_OK;
}

/* Under the part's lock. False: no memory. */
static bool list_keys(const store *s, const keel_memory_shard *shard, keel_key_list *l)
{
    size_t bytes = 0;

    for (const keel_memory_item *i = shard->newest; i; i = i->older)
        bytes += i->key_length;
    if (!keel_key_list_init(l, s->memory, shard->count, bytes))
        return false;
    for (const keel_memory_item *i = shard->newest; i; i = i->older)
        keel_key_list_add(l, i->bytes, i->key_length);
    return true;
}

/*
 * A part at a time; its keys are copied, since nobody is called with a lock held. A cursor
 * is the number of the part, and the key that was said last where fn had enough in it.
 */
static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    store *s = state;
    uint8_t number = cursor->length ? cursor->bytes[0] : 0;
    part *p = &s->parts[number % PARTS];
    char behind[KEEL_BAG_KEY_MAX + 1];
    keel_key_list keys;
    const char *last;
    bool is_copied;

    (void)op;
    if (number >= PARTS || !keel_key_list_place_read(behind, cursor))
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, s->path,
                             "the cursor is of another store");
    pthread_mutex_lock(&p->shard_mu);
    is_copied = list_keys(s, &p->shard, &keys);
    unlock(p);
    if (!is_copied)
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path,
                             "out of memory");
    last = keel_key_list_say(&keys, behind, fn, ctx);
    if (!last)
        number++;
    keel_key_list_place_write(cursor, number, last);
    cursor->is_at_end = number >= PARTS;
    keel_key_list_cleanup(&keys);
    return KEEL_OK;
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    (void)state;
    (void)op;
    (void)why;
    return KEEL_OK;
}

const keel_bag_ops keel_store_memory = {
    .size = sizeof keel_store_memory,
    .abi = KEEL_BAG_ABI,
    .name = "memory",
    .options = options,
    .meaning = "The memory of the process.",
    .open = open_store,
    .close = close_store,
    .look = look,
    .get = get,
    .store = store_item,
    .add_to = add_to,
    .touch = touch,
    .remove = remove_item,
    .flush = flush,
    .scan = scan,
    .health = health,
};
