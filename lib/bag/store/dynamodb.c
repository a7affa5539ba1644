/* SPDX-License-Identifier: MIT */
/*
 * The DynamoDB store: what each verb asks and what its answers mean. Each is one request
 * under a condition, so that nothing is read that could be old when it is written; append
 * and incr, for which DynamoDB has no such request, are made of get and cas by the tree.
 *
 * A table deletes what has expired when it pleases, within days. So the instant stands in
 * every condition, and is looked at in every answer.
 */
#include "bag/store/dynamodb.h"

#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/random.h"
#include "call/runtime.h"

/* An item has 400 KB with its key, the names and the other attributes. */
enum { ITEM_MAX = 400 * 1024, AROUND_VALUE = 512, TABLE_MAX = 255 };

static const keel_bag_option options[] = { KEEL_AWS_OPTION_ROWS, KEEL_WEB_OPTION_ROWS };

/* ---- opening ------------------------------------------------------------------------- */

/* As DynamoDB lets tables be named, so that nothing in JSON needs to be escaped. */
static bool is_table(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789_.-");

    return length >= 3 && length <= TABLE_MAX && !name[length];
}

static keel_status init(keel_dynamo *s, const keel_bag_setup *setup, keel_detail *why)
{
    char host[KEEL_AWS_HOST_SIZE];
    keel_status status;

    s->runtime = setup->runtime;
    s->path = setup->path;
    s->table = setup->location + (*setup->location == '/');
    if (!is_table(s->table))
        return keel_fail(why, KEEL_E_CONFIG,
                         "a table is named by 3 to 255 letters, digits, \"_\", \"-\" "
                         "and \".\": dynamodb://region/table");
    snprintf(host, sizeof host, "dynamodb.%s.amazonaws.com", setup->host);
    status = keel_aws_init(&s->aws, setup, "dynamodb", host, setup->values, why);
    if (status != KEEL_OK)
        return status;
    return keel_web_init(&s->web, setup, setup->values + KEEL_AWS_OPTIONS, why);
}

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    keel_dynamo *s = keel_memory_new(setup->runtime->memory, sizeof *s);
    keel_status status;

    if (!s)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    status = init(s, setup, why);
    if (status == KEEL_OK)
        *state = s;
    else
        keel_memory_free(setup->runtime->memory, s);
    return status;
}

static void close_store(void *state)
{
    keel_dynamo *s = state;

    keel_web_cleanup(&s->web);
    keel_memory_free(s->runtime->memory, s);
}

static void look(void *state, keel_bag_abilities *a)
{
    (void)state;
    a->native = KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_REPLACE |
                KEEL_CAN_CAS | KEEL_CAN_TOUCH | KEEL_CAN_DELETE | KEEL_CAN_DELETE_CAS |
                KEEL_CAN_FLUSH | KEEL_CAN_SCAN | KEEL_CAN_MANY | KEEL_CAN_TTL |
                KEEL_CAN_TELL_TTL | KEEL_CAN_FLAGS | KEEL_IS_DURABLE | KEEL_HAS_NONCE |
                KEEL_TELLS_DELETE;
    a->value_max = ITEM_MAX - AROUND_VALUE;
    a->batch_max = KEEL_DYNAMO_BATCH;
    a->ttl_step_ms = 1;
}

/* ---- reading ------------------------------------------------------------------------- */

/* An item in a reply that has not expired. */
static keel_status read_live(const keel_dynamo *s, const json_t *item, bool whole,
                             int64_t now_ms, keel_dynamo_found *found, keel_detail *why)
{
    if (!item)
        return KEEL_NOT_FOUND;
    if (!keel_dynamo_item_read(item, whole, found))
        return keel_dynamo_corrupt(s, why);
    return keel_dynamo_is_over(found, now_ms) ? KEEL_NOT_FOUND : KEEL_OK;
}

/* item NULL: only whether it is there. */
static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    keel_dynamo *s = state;
    keel_dynamo_text text = { .memory = s->runtime->memory };
    keel_dynamo_found found;
    json_t *reply;
    keel_status status;

    keel_dynamo_get(&text, s->table, key, item != NULL);
    status = keel_dynamo_ask(s, op, "GetItem", KEEL_DYNAMO_READS, &text, &reply, why);
    if (status == KEEL_OK)
        status = read_live(s, json_object_get(reply, "Item"), item != NULL, op->now_ms,
                           &found, why);
    if (status == KEEL_OK && item)
        status = keel_dynamo_give(&found, op, item);
    json_decref(reply);
    return status == KEEL_CORRUPT ? keel_dynamo_corrupt(s, why) : status;
}

/* Why the item that was seen is not what a condition has met. */
static keel_status tell_apart(keel_dynamo *s, const keel_bag_op *op, keel_bytes key,
                              keel_detail *why)
{
    keel_status status = get(s, op, key, NULL, why);

    return status == KEEL_OK ? KEEL_EXISTS : status;
}

/* ---- writing ------------------------------------------------------------------------- */

static keel_dynamo_write write_of(const keel_dynamo *s, const keel_bag_op *op,
                                  keel_bytes key, keel_dynamo_condition condition,
                                  const keel_bag_token *expected)
{
    return (keel_dynamo_write){ .table = s->table,
                                .key = key,
                                .condition = condition,
                                .now_ms = op->now_ms,
                                .expected = expected };
}

/* Half of it says whose write it is, and half makes that of each request another. */
static keel_bag_token mark_of(const keel_bag_op *op)
{
    keel_bag_token mark = { .length = KEEL_DYNAMO_MARK };
    uint64_t fresh = keel_random_number();

    memcpy(mark.bytes, &op->nonce, sizeof op->nonce);
    memcpy(mark.bytes + sizeof op->nonce, &fresh, sizeof fresh);
    return mark;
}

static keel_status put(keel_dynamo *s, const keel_bag_op *op,
                       const keel_dynamo_write *w, const keel_dynamo_item *item,
                       bool keeps_expiry, keel_detail *why)
{
    keel_dynamo_text text = { .memory = s->runtime->memory };
    json_t *reply;
    keel_status status;

    if (keeps_expiry)
        keel_dynamo_put_keeping_expiry(&text, w, item);
    else
        keel_dynamo_put(&text, w, item);
    status = keel_dynamo_ask(s, op, keeps_expiry ? "UpdateItem" : "PutItem",
                             KEEL_DYNAMO_WRITES, &text, &reply, why);
    json_decref(reply);
    return status;
}

/*
 * One that has expired has no time left that could be kept: it is replaced by one for
 * ever. Another may come in between the two requests; both are refused then, and it is
 * tried again.
 */
static keel_status set_keeping_expiry(keel_dynamo *s, const keel_bag_op *op,
                                      keel_bytes key, const keel_dynamo_item *item,
                                      keel_detail *why)
{
    const keel_dynamo_write live = write_of(s, op, key, KEEL_DYNAMO_UNLESS_GONE, NULL);
    const keel_dynamo_write gone = write_of(s, op, key, KEEL_DYNAMO_IF_GONE, NULL);
    keel_status status;

    do {
        status = put(s, op, &live, item, true, why);
        if (status == KEEL_NOT_STORED)
            status = put(s, op, &gone, item, false, why);
    } while (status == KEEL_NOT_STORED);
    return status;
}

static const keel_dynamo_condition condition_of[] = {
    [KEEL_BAG_SET] = KEEL_DYNAMO_ALWAYS,
    [KEEL_BAG_ADD] = KEEL_DYNAMO_IF_GONE,
    [KEEL_BAG_REPLACE] = KEEL_DYNAMO_IF_LIVE,
    [KEEL_BAG_CAS] = KEEL_DYNAMO_IF_SEEN,
};

static keel_status store_item(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_put *what, keel_bag_token *fresh,
                              keel_detail *why)
{
    keel_dynamo *s = state;
    const keel_bag_token mark = mark_of(op);
    bool keeps = what->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;
    const keel_dynamo_item item = { what->value, what->flags,
                                    keeps ? 0 : what->expires_at_ms, &mark };
    const keel_dynamo_write w =
        write_of(s, op, key, condition_of[what->mode], what->expected);
    keel_status status;

    if (keeps && what->mode == KEEL_BAG_SET)
        status = set_keeping_expiry(s, op, key, &item, why);
    else
        status = put(s, op, &w, &item, keeps && what->mode != KEEL_BAG_ADD, why);
    if (status == KEEL_OK)
        *fresh = mark;
    if (status == KEEL_NOT_STORED && what->mode == KEEL_BAG_CAS)
        return tell_apart(s, op, key, why);
    return status;
}

/* What it is was asked with the change of its expiry, which was made. */
static keel_status say_touched_is_corrupt(const keel_dynamo *s, keel_detail *why)
{
    keel_status status = keel_dynamo_corrupt(s, why);

    if (why && why->size > offsetof(keel_detail, applied))
        why->applied = KEEL_APPLIED_YES;
    return status;
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    keel_dynamo *s = state;
    const keel_dynamo_write w = write_of(s, op, key, KEEL_DYNAMO_IF_LIVE, NULL);
    keel_dynamo_text text = { .memory = s->runtime->memory };
    keel_dynamo_found found;
    json_t *reply;
    keel_status status;

    if (expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        return get(s, op, key, item, why);
    keel_dynamo_touch(&text, &w, expires_at_ms, item != NULL);
    status =
        keel_dynamo_ask(s, op, "UpdateItem", KEEL_DYNAMO_WRITES, &text, &reply, why);
    if (status == KEEL_OK && item)
        status =
            keel_dynamo_item_read(json_object_get(reply, "Attributes"), true, &found)
                ? keel_dynamo_give(&found, op, item)
                : KEEL_CORRUPT;
    json_decref(reply);
    if (status == KEEL_CORRUPT)
        return say_touched_is_corrupt(s, why);
    return status == KEEL_NOT_STORED ? KEEL_NOT_FOUND : status;
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    keel_dynamo *s = state;
    const keel_dynamo_write w = write_of(
        s, op, key, expected ? KEEL_DYNAMO_IF_SEEN : KEEL_DYNAMO_IF_LIVE, expected);
    keel_dynamo_text text = { .memory = s->runtime->memory };
    json_t *reply;
    keel_status status;

    keel_dynamo_delete(&text, &w);
    status =
        keel_dynamo_ask(s, op, "DeleteItem", KEEL_DYNAMO_WRITES, &text, &reply, why);
    json_decref(reply);
    if (status != KEEL_NOT_STORED)
        return status;
    return expected ? tell_apart(s, op, key, why) : KEEL_NOT_FOUND;
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_bytes key = { "keel:health", strlen("keel:health") };
    keel_status status = get(state, op, key, NULL, why);

    return status == KEEL_NOT_FOUND ? KEEL_OK : status;
}

const keel_bag_ops keel_store_dynamodb = {
    .size = sizeof keel_store_dynamodb,
    .abi = KEEL_BAG_ABI,
    .name = "dynamodb",
    .options = options,
    .meaning = "A table of Amazon DynamoDB.",
    .open = open_store,
    .close = close_store,
    .look = look,
    .get = get,
    .get_many = keel_dynamo_store_get_many,
    .store = store_item,
    .touch = touch,
    .remove = remove_item,
    .flush = keel_dynamo_store_flush,
    .scan = keel_dynamo_store_scan,
    .health = health,
};
