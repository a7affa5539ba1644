/* SPDX-License-Identifier: MIT */
/*
 * The flat-file store: a directory, a file for each item, no server. Whoever is killed at
 * whatever instant leaves the old item or the new one, whole; what a disk has damaged is
 * told from what is not there; any number of processes may use it at once. The verbs are
 * here; how files are found, locked and written is in the other file_*.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bag/registry.h"
#include "bag/store/file_generation.h"
#include "bag/store/file_item.h"
#include "bag/store/file_lock.h"
#include "bag/store/file_scan.h"
#include "bag/store/file_token.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

/* How often a flush may come between opening a directory and writing into it. */
enum { TRIES = 8 };

#define CLEAN_NS KEEL_S /* that long an open, or a flush, removes what was dropped */

enum { OPTION_SYNC };

static const keel_bag_option options[] = {
    { .name = "sync",
      .type = KEEL_BAG_WORD,
      .words = "full|data|none",
      .standard = "full",
      .meaning = "What is waited for: full: that the item and its place in the "
                 "directory are on the disk; data: that the item is; none: nothing." },
    { .name = NULL },
};

/* ---- around each verb ---------------------------------------------------------------- */

/* A verb leaves errno alone, and a thread that is cancelled keeps no lock. */
typedef struct calm {
    int error;
    int cancel_state;
} calm;

static calm keep_calm(void)
{
    calm was = { .error = errno };

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was.cancel_state);
    return was;
}

static keel_status leave(calm was, keel_status status)
{
    pthread_setcancelstate(was.cancel_state, NULL);
    errno = was.error;
    return status;
}

static keel_status check_time(const keel_file_store *s, const keel_bag_op *op,
                              keel_detail *why)
{
    if (op->cancel && keel_cancel_fired(op->cancel))
        return keel_bag_fail(why, KEEL_CANCELLED, KEEL_APPLIED_NO, s->path,
                             "cancelled before it began");
    if (s->clock->now(s->clock->ctx) >= op->deadline_at_ns)
        return keel_bag_fail(why, KEEL_DEADLINE, KEEL_APPLIED_NO, s->path,
                             "the deadline came before it began");
    return KEEL_OK;
}

static keel_status check_place(const keel_file_store *s, keel_detail *why)
{
    if (keel_file_store_is_there(s))
        return KEEL_OK;
    return keel_file_fail(s, why, KEEL_APPLIED_NO,
                          "its directory is not the one that was opened");
}

static keel_status check_writing(const keel_file_store *s, const keel_bag_op *op,
                                 keel_detail *why)
{
    if (s->is_read_only)
        return keel_bag_fail(why, KEEL_READ_ONLY, KEEL_APPLIED_NO, s->path,
                             "its directory could only be read when it was opened");
    return check_time(s, op, why);
}

/* ---- opening ------------------------------------------------------------------------- */

static keel_status read_root(keel_file_store *s, const char *location, keel_detail *why)
{
    size_t length = strlen(location);

    while (length && location[length - 1] == '/')
        length--;
    if (!length)
        return keel_fail(why, KEEL_E_CONFIG,
                         "a flat file's URL names a directory: file:///var/lib/app");
    if (length >= sizeof s->root)
        return keel_fail(why, KEEL_E_CONFIG, "the directory's path is too long");
    memcpy(s->root, location, length);
    return KEEL_OK;
}

static keel_status open_root(keel_file_store *s, keel_detail *why)
{
    calm was = keep_calm();
    keel_status status = keel_file_store_open(s, why);

    if (status == KEEL_OK && !s->is_read_only) {
        keel_file_remove_leftovers(s);
        keel_file_clean(s, keel_ns_add(s->clock->now(s->clock->ctx), CLEAN_NS));
    }
    return leave(was, status);
}

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    keel_file_store *s = keel_memory_new(memory, sizeof *s);
    keel_status status;

    if (!s)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    s->memory = memory;
    s->clock = &setup->runtime->clock;
    s->path = setup->path;
    s->value_max = keel_bag_value_max(setup, KEEL_FILE_VALUE_MAX);
    s->sync = (keel_file_sync)setup->values[OPTION_SYNC].number;
    s->marks = (keel_descriptor)KEEL_DESCRIPTOR_NONE;
    status = read_root(s, setup->location, why);
    if (status == KEEL_OK)
        status = open_root(s, why);
    if (status != KEEL_OK) {
        keel_memory_free(memory, s);
        return status;
    }
    *state = s;
    return KEEL_OK;
}

static void close_store(void *state)
{
    keel_file_store *s = state;
    calm was = keep_calm();

    keel_file_store_close(s);
    keel_memory_free(s->memory, s);
    leave(was, KEEL_OK);
}

static void look(void *state, keel_bag_abilities *a)
{
    const keel_file_store *s = state;

    a->native = KEEL_BAG_CAN_ALL;
    if (s->sync == KEEL_FILE_SYNC_FULL)
        a->native |= KEEL_IS_DURABLE;
    a->value_max = s->value_max;
    a->batch_max = 1;
    a->ttl_step_ms = 1;
}

/* ---- reading ------------------------------------------------------------------------- */

static void give_terms(const keel_file_record *from, uint32_t wishes,
                       keel_bag_item *item)
{
    item->flags = from->flags;
    item->expires_at_ms = from->expires_at_ms;
    item->marks = 0;
    item->token.length = 0;
    if (wishes & KEEL_BAG_WANT_TOKEN)
        item->token = keel_bag_token_of(from->token);
}

static keel_status give(const keel_file_store *s, const keel_file_found *found,
                        uint32_t wishes, keel_bag_item *item, keel_detail *why)
{
    keel_status status = KEEL_OK;

    give_terms(&found->record, wishes, item);
    item->length = found->record.value_length;
    if (!item->buffer)
        return KEEL_OK;
    if (item->length > item->capacity)
        return KEEL_E_BUFFER;
    status = keel_file_read_value(s, found, item->buffer, why);
    if (status != KEEL_OK)
        item->length = 0;
    return status;
}

/* A live record; KEEL_NOT_FOUND: there is none. */
static keel_status find_live(const keel_file_store *s, const keel_bag_op *op, int dir,
                             const char *at, keel_bytes key, keel_file_found *found,
                             keel_detail *why)
{
    keel_status status = keel_file_find(s, dir, at, key, found, why);

    if (status != KEEL_OK || keel_file_record_is_live(&found->record, op->now_ms))
        return status;
    keel_file_found_close(found);
    return KEEL_NOT_FOUND;
}

static keel_status get_item(const keel_file_store *s, const keel_bag_op *op,
                            keel_bytes key, keel_bag_item *item, keel_detail *why)
{
    char name[KEEL_FILE_NAME_SIZE];
    char in_root[sizeof KEEL_FILE_ITEMS + 4 + sizeof name];
    keel_file_path path;
    keel_file_found found;
    keel_status status = check_time(s, op, why);

    if (status != KEEL_OK)
        return status;
    if (!keel_file_name(name, key))
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path,
                             "out of memory");
    snprintf(in_root, sizeof in_root, KEEL_FILE_ITEMS "/%.2s/%s", name, name);
    status =
        find_live(s, op, AT_FDCWD, keel_file_in(s, path, in_root), key, &found, why);
    if (status == KEEL_OK) {
        if (op->nonce_found)
            *op->nonce_found = found.record.nonce;
        status = give(s, &found, op->wishes, item, why);
        keel_file_found_close(&found);
    } else if (status == KEEL_NOT_FOUND && check_place(s, why) != KEEL_OK) {
        status = KEEL_FAILED; /* it says nothing about ours */
    }
    return status;
}

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    calm was = keep_calm();

    return leave(was, get_item(state, op, key, item, why));
}

/* ---- changing ------------------------------------------------------------------------ */

/* A change of one item, under its lock. */
typedef struct change {
    keel_file_store *s;
    const keel_bag_op *op;
    keel_bytes key;
    keel_detail *why;
    char name[KEEL_FILE_NAME_SIZE];
    int dir;
    bool is_gone; /* the directory, by a flush, and nothing was changed */
} change;

typedef keel_status step_fn(change *c, void *ctx);

/* What a verb does, in a directory that a flush may take away under its hands. */
static keel_status step_in_dir(change *c, uint32_t stripe, step_fn *step, void *ctx)
{
    keel_status status = check_place(c->s, c->why);

    for (int i = 0; i < TRIES && status == KEEL_OK; i++) {
        status = keel_file_open_stripe(c->s, stripe, c->op, &c->dir, c->why);
        if (status != KEEL_OK)
            return status;
        c->is_gone = false;
        status = step(c, ctx);
        close(c->dir);
        if (!c->is_gone)
            return status;
        status = i + 1 < TRIES ? KEEL_OK : status;
    }
    return status;
}

static keel_status change_item(keel_file_store *s, const keel_bag_op *op,
                               keel_bytes key, step_fn *step, void *ctx,
                               keel_detail *why)
{
    change c = { .s = s, .op = op, .key = key, .why = why };
    uint32_t stripe;
    calm was = keep_calm();
    keel_status status = check_writing(s, op, why);

    if (status == KEEL_OK && !keel_file_name(c.name, key))
        status =
            keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path, "out of memory");
    if (status != KEEL_OK)
        return leave(was, status);
    keel_file_name_read(c.name, &stripe);
    status = keel_file_lock(s, stripe, op, why);
    if (status != KEEL_OK)
        return leave(was, status);
    status = step_in_dir(&c, stripe, step, ctx);
    keel_file_unlock(s, stripe);
    return leave(was, status);
}

static keel_status find_old(change *c, keel_file_found *old)
{
    return find_live(c->s, c->op, c->dir, c->name, c->key, old, c->why);
}

/* Its value, to be freed; NULL: it cannot be read, and *status says why. */
static char *read_old(change *c, const keel_file_found *old, keel_status *status)
{
    char *value = keel_memory_new(c->s->memory, old->record.value_length + 1);

    if (!value) {
        *status = keel_bag_fail(c->why, KEEL_E_NOMEM, KEEL_APPLIED_NO, c->s->path,
                                "out of memory");
        return NULL;
    }
    *status = keel_file_read_value(c->s, old, value, c->why);
    if (*status == KEEL_OK)
        return value;
    keel_memory_free(c->s->memory, value);
    return NULL;
}

/* Under the token it has. */
static keel_status put_as_it_is(change *c, keel_file_record *record, keel_bytes first,
                                keel_bytes second)
{
    const keel_bytes parts[KEEL_FILE_PARTS] = { first, second };

    return keel_file_put(c->s, c->dir, c->name, c->key, record, parts, &c->is_gone,
                         c->why);
}

static keel_status put_fresh(change *c, keel_file_record *record, keel_bytes first,
                             keel_bytes second, keel_bag_token *fresh)
{
    keel_status status = keel_file_token(c->s, c->op, &record->token, c->why);

    if (status != KEEL_OK)
        return status;
    record->nonce = c->op->nonce;
    status = put_as_it_is(c, record, first, second);
    if (status == KEEL_OK)
        *fresh = keel_bag_token_of(record->token);
    return status;
}

/* ---- storing ------------------------------------------------------------------------- */

typedef struct store_wish {
    const keel_bag_put *put;
    keel_bag_token *fresh;
} store_wish;

static bool joins(keel_bag_mode mode)
{
    return mode == KEEL_BAG_APPEND || mode == KEEL_BAG_PREPEND;
}

/* Whether the condition of the mode is met; KEEL_OK: it is. old NULL: there is none. */
static keel_status judge(const keel_file_record *old, const keel_bag_put *put)
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

static keel_status join(change *c, const keel_file_found *old, const store_wish *wish)
{
    keel_file_record record = old->record;
    const keel_bytes added = wish->put->value;
    bool at_end = wish->put->mode == KEEL_BAG_APPEND;
    keel_bytes kept = { NULL, record.value_length };
    keel_status status;
    char *value;

    if (kept.length + added.length > c->s->value_max)
        return keel_bag_fail(c->why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, c->s->path,
                             "it would be larger than value_max");
    value = read_old(c, old, &status);
    if (!value)
        return status;
    kept.at = value;
    status = put_fresh(c, &record, at_end ? kept : added, at_end ? added : kept,
                       wish->fresh);
    keel_memory_free(c->s->memory, value);
    return status;
}

static keel_status replace(change *c, const keel_file_found *old,
                           const store_wish *wish)
{
    const keel_bag_put *put = wish->put;
    keel_file_record record = { .flags = put->flags,
                                .expires_at_ms = put->expires_at_ms };

    if (put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        record.expires_at_ms = old ? old->record.expires_at_ms : 0;
    return put_fresh(c, &record, put->value, (keel_bytes){ NULL, 0 }, wish->fresh);
}

/* What a set replaces is not looked at: so it also mends what is damaged. */
static keel_status store_step(change *c, void *ctx)
{
    const store_wish *wish = ctx;
    const keel_bag_put *put = wish->put;
    keel_file_found old = { .fd = -1 };
    keel_status status = KEEL_NOT_FOUND;
    bool is_live;

    if (put->mode != KEEL_BAG_SET || put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        status = find_old(c, &old);
    if (status != KEEL_OK && status != KEEL_NOT_FOUND)
        return status;
    is_live = status == KEEL_OK;
    status = judge(is_live ? &old.record : NULL, put);
    if (status == KEEL_OK)
        status = joins(put->mode) ? join(c, &old, wish)
                                  : replace(c, is_live ? &old : NULL, wish);
    keel_file_found_close(&old);
    return status;
}

static keel_status store_item(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_put *put, keel_bag_token *fresh,
                              keel_detail *why)
{
    store_wish wish = { put, fresh };

    return change_item(state, op, key, store_step, &wish, why);
}

/* ---- counting ------------------------------------------------------------------------ */

typedef struct count_wish {
    bool down;
    uint64_t by;
    uint64_t *number;
    keel_bag_token *fresh;
} count_wish;

static keel_status count_on(change *c, keel_file_found *old, const count_wish *wish)
{
    char digits[24];
    int length;
    keel_status status;
    char *value = read_old(c, old, &status);
    bool is_number;

    if (!value)
        return status;
    is_number = keel_bag_number_read((keel_bytes){ value, old->record.value_length },
                                     wish->number);
    keel_memory_free(c->s->memory, value);
    if (!is_number)
        return KEEL_NOT_NUMBER;
    *wish->number = keel_bag_number_add(*wish->number, wish->down, wish->by);
    length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)*wish->number);
    return put_fresh(c, &old->record, (keel_bytes){ digits, (size_t)length },
                     (keel_bytes){ NULL, 0 }, wish->fresh);
}

static keel_status count_step(change *c, void *ctx)
{
    keel_file_found old;
    keel_status status = find_old(c, &old);

    if (status != KEEL_OK)
        return status;
    status = count_on(c, &old, ctx);
    keel_file_found_close(&old);
    return status;
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    count_wish wish = { down, by, number, fresh };

    return change_item(state, op, key, count_step, &wish, why);
}

/* ---- touching ------------------------------------------------------------------------ */

typedef struct touch_wish {
    int64_t expires_at_ms;
    keel_bag_item *item; /* NULL: not wanted */
} touch_wish;

/* The token stays: it is the same value. */
static keel_status renew(change *c, keel_file_found *old, const touch_wish *wish)
{
    keel_status status;
    char *value = read_old(c, old, &status);

    if (!value)
        return status;
    if (wish->expires_at_ms != KEEL_BAG_KEEP_EXPIRY) {
        old->record.expires_at_ms = wish->expires_at_ms;
        status = put_as_it_is(c, &old->record,
                              (keel_bytes){ value, old->record.value_length },
                              (keel_bytes){ NULL, 0 });
    }
    if (status == KEEL_OK && wish->item) {
        give_terms(&old->record, c->op->wishes, wish->item);
        status = keel_bag_item_fill(wish->item, value, old->record.value_length);
    }
    keel_memory_free(c->s->memory, value);
    return status;
}

static keel_status touch_step(change *c, void *ctx)
{
    keel_file_found old;
    keel_status status = find_old(c, &old);

    if (status != KEEL_OK)
        return status;
    status = renew(c, &old, ctx);
    keel_file_found_close(&old);
    return status;
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    touch_wish wish = { expires_at_ms, item };

    return change_item(state, op, key, touch_step, &wish, why);
}

/* ---- removing ------------------------------------------------------------------------ */

/* KEEL_OK: it is to be removed. What is damaged is, too, unless a token was seen of it. */
static keel_status judge_removal(change *c, const keel_bag_token *expected)
{
    keel_file_found old;
    keel_status status = keel_file_find(c->s, c->dir, c->name, c->key, &old, c->why);

    if (status == KEEL_CORRUPT && !expected)
        return KEEL_OK;
    if (status != KEEL_OK)
        return status;
    keel_file_found_close(&old);
    if (!keel_file_record_is_live(&old.record, c->op->now_ms)) {
        keel_file_remove(c->s, c->dir, c->name, NULL);
        return KEEL_NOT_FOUND;
    }
    return !expected || keel_bag_token_number(expected) == old.record.token
               ? KEEL_OK
               : KEEL_EXISTS;
}

static keel_status remove_step(change *c, void *ctx)
{
    keel_status status = judge_removal(c, ctx);

    return status == KEEL_OK ? keel_file_remove(c->s, c->dir, c->name, c->why) : status;
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    return change_item(state, op, key, remove_step, (void *)(uintptr_t)expected, why);
}

/* ---- all there is -------------------------------------------------------------------- */

static keel_status drop_all(keel_file_store *s, const keel_bag_op *op, keel_detail *why)
{
    keel_status status = check_writing(s, op, why);
    uint64_t until_ns;

    if (status == KEEL_OK)
        status = check_place(s, why);
    if (status == KEEL_OK)
        status = keel_file_drop_items(s, why);
    if (status != KEEL_OK)
        return status;
    until_ns = keel_ns_add(s->clock->now(s->clock->ctx), CLEAN_NS);
    keel_file_clean(s, keel_ns_min(until_ns, op->deadline_at_ns));
    return KEEL_OK;
}

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    calm was = keep_calm();

    return leave(was, drop_all(state, op, why));
}

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    calm was = keep_calm();
    keel_status status = check_time(state, op, why);

    if (status == KEEL_OK)
        status = keel_file_scan(state, op, cursor, fn, ctx, why);
    return leave(was, status);
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    calm was = keep_calm();

    (void)op;
    return leave(was, check_place(state, why));
}

const keel_bag_ops keel_store_file = {
    .size = sizeof keel_store_file,
    .abi = KEEL_BAG_ABI,
    .name = "file",
    .options = options,
    .meaning = "A directory of files, one for each item.",
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
