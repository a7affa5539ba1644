/* SPDX-License-Identifier: MIT */
/* Writing requests to DynamoDB. Not for sending them, nor for what they answer. */
#include "bag/store/dynamo_request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bag/store/base64.h"
#include "base/memory.h"

enum { FIRST_SIZE = 1024 };

/* ---- text ---------------------------------------------------------------------------- */

/* Room for so much more and a NUL. */
static bool has_room(keel_dynamo_text *t, size_t more)
{
    size_t size = t->size ? t->size : FIRST_SIZE;
    char *larger;

    if (t->has_failed || more < t->size - t->length)
        return !t->has_failed;
    while (size <= t->length + more)
        size *= 2;
    larger = keel_memory_resize(t->memory, t->at, t->length, size);
    if (!larger) {
        t->has_failed = true;
        return false;
    }
    t->at = larger;
    t->size = size;
    return true;
}

static void add(keel_dynamo_text *t, const char *text)
{
    size_t length = strlen(text);

    if (!has_room(t, length))
        return;
    memcpy(t->at + t->length, text, length + 1);
    t->length += length;
}

static void add_number(keel_dynamo_text *t, int64_t number)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%lld", (long long)number);
    add(t, digits);
}

static void add_base64(keel_dynamo_text *t, keel_bytes bytes)
{
    size_t length = keel_base64_size(bytes.length);

    if (!has_room(t, length))
        return;
    keel_base64_write(t->at + t->length, bytes.at, bytes.length);
    t->length += length;
}

void keel_dynamo_text_free(keel_dynamo_text *t)
{
    keel_memory_free(t->memory, t->at);
    t->at = NULL;
}

/* ---- attributes ---------------------------------------------------------------------- */

/* name is an attribute's, or one of a value in an expression. */
static void add_binary(keel_dynamo_text *t, const char *name, keel_bytes bytes)
{
    add(t, "\"");
    add(t, name);
    add(t, "\":{\"B\":\"");
    add_base64(t, bytes);
    add(t, "\"}");
}

static void add_count(keel_dynamo_text *t, const char *name, int64_t number)
{
    add(t, ",\"");
    add(t, name);
    add(t, "\":{\"N\":\"");
    add_number(t, number);
    add(t, "\"}");
}

static void add_mark(keel_dynamo_text *t, const char *name, const keel_bag_token *mark)
{
    char hex[2 * KEEL_BAG_TOKEN_MAX + 1] = "";

    for (size_t i = 0; i < mark->length && i < KEEL_BAG_TOKEN_MAX; i++)
        snprintf(hex + 2 * i, 3, "%02x", mark->bytes[i]);
    add(t, ",\"");
    add(t, name);
    add(t, "\":{\"S\":\"");
    add(t, hex);
    add(t, "\"}");
}

static int64_t seconds_of(int64_t ms)
{
    return ms / 1000 + (ms % 1000 > 0);
}

/* ---- pieces of requests -------------------------------------------------------------- */

static void begin(keel_dynamo_text *t, const char *table)
{
    add(t, "{\"TableName\":\"");
    add(t, table);
    add(t, "\"");
}

static void begin_with_key(keel_dynamo_text *t, const char *table, keel_bytes key)
{
    begin(t, table);
    add(t, ",\"Key\":{");
    add_binary(t, "k", key);
    add(t, "}");
}

#define IS_GONE "e <= :now"
#define IS_LIVE "(attribute_not_exists(e) OR e > :now)"

static const char *const conditions[] = {
    [KEEL_DYNAMO_ALWAYS] = NULL,
    [KEEL_DYNAMO_IF_GONE] = "attribute_not_exists(k) OR " IS_GONE,
    [KEEL_DYNAMO_IF_LIVE] = "attribute_exists(k) AND " IS_LIVE,
    [KEEL_DYNAMO_UNLESS_GONE] = IS_LIVE,
    [KEEL_DYNAMO_IF_SEEN] = "c = :seen AND " IS_LIVE,
};

static void add_condition(keel_dynamo_text *t, const keel_dynamo_write *w)
{
    if (!conditions[w->condition])
        return;
    add(t, ",\"ConditionExpression\":\"");
    add(t, conditions[w->condition]);
    add(t, "\"");
}

/* The values that a condition speaks of; each begins with a comma. */
static void add_condition_values(keel_dynamo_text *t, const keel_dynamo_write *w)
{
    if (w->condition == KEEL_DYNAMO_ALWAYS)
        return;
    add_count(t, ":now", w->now_ms);
    if (w->condition == KEEL_DYNAMO_IF_SEEN)
        add_mark(t, ":seen", w->expected);
}

/* Values of an expression are told in an object of their own, which may not be empty. */
static void begin_values(keel_dynamo_text *t)
{
    add(t, ",\"ExpressionAttributeValues\":{");
}

/* Their commas stand before them: that of the first is taken away. */
static void end_values(keel_dynamo_text *t, size_t begun_at)
{
    if (!t->has_failed && t->at[begun_at] == ',')
        t->at[begun_at] = ' ';
    add(t, "}");
}

/* ---- requests ------------------------------------------------------------------------ */

static void end_with_condition(keel_dynamo_text *t, const keel_dynamo_write *w)
{
    add_condition(t, w);
    if (w->condition != KEEL_DYNAMO_ALWAYS) {
        size_t at;

        begin_values(t);
        at = t->length;
        add_condition_values(t, w);
        end_values(t, at);
    }
    add(t, "}");
}

void keel_dynamo_put(keel_dynamo_text *t, const keel_dynamo_write *w,
                     const keel_dynamo_item *item)
{
    begin(t, w->table);
    add(t, ",\"Item\":{");
    add_binary(t, "k", w->key);
    add(t, ",");
    add_binary(t, "v", item->value);
    add_count(t, "f", item->flags);
    add_mark(t, "c", item->mark);
    if (item->expires_at_ms) {
        add_count(t, "e", item->expires_at_ms);
        add_count(t, "t", seconds_of(item->expires_at_ms));
    }
    add(t, "}");
    end_with_condition(t, w);
}

void keel_dynamo_put_keeping_expiry(keel_dynamo_text *t, const keel_dynamo_write *w,
                                    const keel_dynamo_item *item)
{
    begin_with_key(t, w->table, w->key);
    add(t, ",\"UpdateExpression\":\"SET v = :v, f = :f, c = :c\"");
    add_condition(t, w);
    begin_values(t);
    add_binary(t, ":v", item->value);
    add_count(t, ":f", item->flags);
    add_mark(t, ":c", item->mark);
    add_condition_values(t, w);
    add(t, "}}");
}

void keel_dynamo_touch(keel_dynamo_text *t, const keel_dynamo_write *w,
                       int64_t expires_at_ms, bool tells)
{
    size_t at;

    begin_with_key(t, w->table, w->key);
    add(t, expires_at_ms ? ",\"UpdateExpression\":\"SET e = :e, t = :t\""
                         : ",\"UpdateExpression\":\"REMOVE e, t\"");
    add(t, tells ? ",\"ReturnValues\":\"ALL_NEW\"" : "");
    add_condition(t, w);
    begin_values(t);
    at = t->length;
    add_condition_values(t, w);
    if (expires_at_ms) {
        add_count(t, ":e", expires_at_ms);
        add_count(t, ":t", seconds_of(expires_at_ms));
    }
    end_values(t, at);
    add(t, "}");
}

void keel_dynamo_delete(keel_dynamo_text *t, const keel_dynamo_write *w)
{
    begin_with_key(t, w->table, w->key);
    end_with_condition(t, w);
}

void keel_dynamo_get(keel_dynamo_text *t, const char *table, keel_bytes key, bool value)
{
    begin_with_key(t, table, key);
    add(t, value ? ",\"ConsistentRead\":true}"
                 : ",\"ConsistentRead\":true,\"ProjectionExpression\":\"k, e, c\"}");
}

void keel_dynamo_get_many(keel_dynamo_text *t, const char *table,
                          const keel_bytes keys[], size_t count)
{
    add(t, "{\"RequestItems\":{\"");
    add(t, table);
    add(t, "\":{\"ConsistentRead\":true,\"Keys\":[");
    for (size_t i = 0; i < count; i++) {
        add(t, i ? ",{" : "{");
        add_binary(t, "k", keys[i]);
        add(t, "}");
    }
    add(t, "]}}}");
}

void keel_dynamo_scan(keel_dynamo_text *t, const char *table, const keel_bytes *after,
                      unsigned limit)
{
    begin(t, table);
    add(t, ",\"ConsistentRead\":true,\"ProjectionExpression\":\"k, e\",\"Limit\":");
    add_number(t, limit);
    if (after) {
        add(t, ",\"ExclusiveStartKey\":{");
        add_binary(t, "k", *after);
        add(t, "}");
    }
    add(t, "}");
}
