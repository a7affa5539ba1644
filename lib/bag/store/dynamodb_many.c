/* SPDX-License-Identifier: MIT */
/* Many keys at once: BatchGetItem, and Scan. */
#include <string.h>

#include "bag/store/dynamodb.h"
#include "call/runtime.h"

enum { PAGE = 100 };

/* Of a key that was not answered yet. */
#define ASKED KEEL_IGNORED

/* ---- several keys -------------------------------------------------------------------- */

/* What one BatchGetItem is about: some keys, of which one may occur twice. */
typedef struct batch {
    keel_dynamo *s;
    const keel_bag_op *op;
    const keel_bytes *keys;
    keel_bag_item *items;
    keel_status *statuses;
    size_t count;
} batch;

static bool is_same(keel_bytes a, keel_bytes b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Those that are to be asked for, each once: DynamoDB takes none twice. */
static size_t choose(const batch *b, keel_bytes chosen[])
{
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++) {
        bool is_new = b->statuses[i] == ASKED;

        for (size_t j = 0; j < count && is_new; j++)
            is_new = !is_same(chosen[j], b->keys[i]);
        if (is_new)
            chosen[count++] = b->keys[i];
    }
    return count;
}

static keel_status give(const batch *b, const json_t *item, size_t to, keel_detail *why)
{
    keel_dynamo_found found;
    keel_status status = KEEL_CORRUPT;

    if (keel_dynamo_item_read(item, true, &found))
        status = keel_dynamo_is_over(&found, b->op->now_ms)
                     ? KEEL_NOT_FOUND
                     : keel_dynamo_give(&found, b->op, &b->items[to]);
    return status == KEEL_CORRUPT ? keel_dynamo_corrupt(b->s, why) : status;
}

static void take_items(const batch *b, const json_t *reply, keel_detail *why)
{
    const json_t *items =
        json_object_get(json_object_get(reply, "Responses"), b->s->table);
    keel_dynamo_key key;

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);

        if (!keel_dynamo_key_read(item, &key))
            continue;
        for (size_t j = 0; j < b->count; j++)
            if (b->statuses[j] == ASKED &&
                is_same((keel_bytes){ key.at, key.length }, b->keys[j]))
                b->statuses[j] = give(b, item, j, why);
    }
}

static bool is_among(const json_t *keys, keel_bytes wanted)
{
    keel_dynamo_key key;

    for (size_t i = 0; i < json_array_size(keys); i++)
        if (keel_dynamo_key_read(json_array_get(keys, i), &key) &&
            is_same((keel_bytes){ key.at, key.length }, wanted))
            return true;
    return false;
}

/* What is neither there nor put off is not there. False: there is nothing new. */
static bool take_answer(const batch *b, const json_t *reply, size_t asked,
                        keel_detail *why)
{
    const json_t *left = json_object_get(
        json_object_get(json_object_get(reply, "UnprocessedKeys"), b->s->table),
        "Keys");

    take_items(b, reply, why);
    for (size_t i = 0; i < b->count; i++)
        if (b->statuses[i] == ASKED && !is_among(left, b->keys[i]))
            b->statuses[i] = KEEL_NOT_FOUND;
    return json_array_size(left) < asked;
}

static void end_all(const batch *b, keel_status status)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->statuses[i] == ASKED)
            b->statuses[i] = status;
}

static void get_batch(const batch *b, keel_detail *why)
{
    keel_bytes chosen[KEEL_DYNAMO_BATCH];
    size_t count;

    while ((count = choose(b, chosen)) > 0) {
        keel_dynamo_text text = { .memory = b->s->runtime->memory };
        json_t *reply;
        keel_status status;

        keel_dynamo_get_many(&text, b->s->table, chosen, count);
        status = keel_dynamo_ask(b->s, b->op, "BatchGetItem", KEEL_DYNAMO_READS_MANY,
                                 &text, &reply, why);
        if (status == KEEL_OK && !take_answer(b, reply, count, why))
            status = keel_bag_fail(why, KEEL_THROTTLED, KEEL_APPLIED_NO, b->s->path,
                                   "DynamoDB puts all of these keys off");
        json_decref(reply);
        if (status != KEEL_OK)
            end_all(b, status);
    }
}

void keel_dynamo_store_get_many(void *state, const keel_bag_op *op,
                                const keel_bytes keys[], keel_bag_item items[],
                                keel_status statuses[], size_t count, keel_detail *why)
{
    for (size_t at = 0; at < count; at += KEEL_DYNAMO_BATCH) {
        const batch b = {
            state,
            op,
            keys + at,
            items + at,
            statuses + at,
            count - at < KEEL_DYNAMO_BATCH ? count - at : KEEL_DYNAMO_BATCH
        };

        for (size_t i = 0; i < b.count; i++)
            b.statuses[i] = ASKED;
        get_batch(&b, why);
    }
}

/* ---- all there is -------------------------------------------------------------------- */

static void stand_at(keel_bag_cursor *cursor, const keel_dynamo_key *key)
{
    cursor->length = (uint16_t)key->length;
    memcpy(cursor->bytes, key->at, key->length);
}

static bool is_over(const json_t *item, int64_t now_ms)
{
    const char *digits =
        json_string_value(json_object_get(json_object_get(item, "e"), "N"));
    uint64_t expires;

    return digits &&
           keel_parse_count(keel_text_of(digits), &expires) == KEEL_PARSE_OK &&
           expires <= (uint64_t)now_ms;
}

/* False: it was enough. The cursor then stands at the last one said. */
static bool say_keys(const json_t *reply, int64_t now_ms, keel_bag_cursor *cursor,
                     keel_bag_scan_fn *fn, void *ctx)
{
    const json_t *items = json_object_get(reply, "Items");
    keel_dynamo_key key;

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);

        if (!keel_dynamo_key_read(item, &key) || is_over(item, now_ms))
            continue;
        if (!fn(key.at, ctx)) {
            stand_at(cursor, &key);
            return false;
        }
    }
    return true;
}

static keel_status move_on(keel_dynamo *s, const json_t *reply, keel_bag_cursor *cursor,
                           keel_detail *why)
{
    const json_t *last = json_object_get(reply, "LastEvaluatedKey");
    keel_dynamo_key key;

    cursor->is_at_end = !json_is_object(last);
    if (cursor->is_at_end)
        return KEEL_OK;
    if (!keel_dynamo_key_read(last, &key))
        return keel_bag_fail(why, KEEL_CORRUPT, KEEL_APPLIED_NO, s->path,
                             "the table has a key that no bag has");
    stand_at(cursor, &key);
    return KEEL_OK;
}

keel_status keel_dynamo_store_scan(void *state, const keel_bag_op *op,
                                   keel_bag_cursor *cursor, keel_bag_scan_fn *fn,
                                   void *ctx, keel_detail *why)
{
    keel_dynamo *s = state;
    keel_dynamo_text text = { .memory = s->runtime->memory };
    const keel_bytes after = { cursor->bytes, cursor->length };
    json_t *reply;
    keel_status status;

    keel_dynamo_scan(&text, s->table, cursor->length ? &after : NULL, PAGE);
    status = keel_dynamo_ask(s, op, "Scan", KEEL_DYNAMO_READS_MANY, &text, &reply, why);
    if (status == KEEL_OK && say_keys(reply, op->now_ms, cursor, fn, ctx))
        status = move_on(s, reply, cursor, why);
    json_decref(reply);
    return status;
}

/* ---- deleting all -------------------------------------------------------------------- */

/* One key after the other; the first that cannot be deleted ends it. */
typedef struct sweep {
    keel_dynamo *s;
    const keel_bag_op *op;
    keel_detail *why;
    keel_status status;
    bool has_deleted;
} sweep;

static bool delete_key(const char *key, void *ctx)
{
    sweep *w = ctx;
    const keel_dynamo_write write = { .table = w->s->table,
                                      .key = { key, strlen(key) },
                                      .condition = KEEL_DYNAMO_ALWAYS };
    keel_dynamo_text text = { .memory = w->s->runtime->memory };
    json_t *reply;

    keel_dynamo_delete(&text, &write);
    w->status = keel_dynamo_ask(w->s, w->op, "DeleteItem", KEEL_DYNAMO_WRITES, &text,
                                &reply, w->why);
    json_decref(reply);
    w->has_deleted = w->has_deleted || w->status == KEEL_OK;
    return w->status == KEEL_OK;
}

keel_status keel_dynamo_store_flush(void *state, const keel_bag_op *op,
                                    keel_detail *why)
{
    sweep w = { .s = state, .op = op, .why = why };
    keel_bag_cursor cursor = { .length = 0 };
    keel_status status = KEEL_OK;

    while (!cursor.is_at_end && status == KEEL_OK && w.status == KEEL_OK)
        status = keel_dynamo_store_scan(state, op, &cursor, delete_key, &w, why);
    if (status == KEEL_OK)
        status = w.status;
    if (status != KEEL_OK && w.has_deleted && why &&
        why->size > offsetof(keel_detail, applied))
        why->applied = KEEL_APPLIED_UNKNOWN; /* of some it is known, of all it is not */
    return status;
}
