/* SPDX-License-Identifier: MIT */
/*
 * What DynamoDB is asked, as its JSON. An item's attributes are named by one letter each:
 *
 *   k  B  the key of the table, and of the item
 *   v  B  the value
 *   f  N  flags
 *   e  N  when it expires, ms since 1970; not there: never
 *   t  N  the same in seconds, rounded up: what a table's own TTL deletes by
 *   c  S  which write it is of: 32 hexadecimal digits, those of the write's nonce and as
 *         many drawn anew for each request
 *
 * Nothing here needs to be escaped: keys and values are base64, all else is digits.
 */
#ifndef KEEL_BAG_STORE_DYNAMO_REQUEST_H
#define KEEL_BAG_STORE_DYNAMO_REQUEST_H

#include <keel/bag_plugin.h>

enum { KEEL_DYNAMO_MARK = 16 }; /* bytes of c, which are a token's */

/* Text that grows; what there was no memory for is told at the end. */
typedef struct keel_dynamo_text {
    const keel_allocator *memory;
    char *at;
    size_t length, size;
    bool has_failed;
} keel_dynamo_text;

/* Under which condition something is written; all but the first may be refused. */
typedef enum keel_dynamo_condition {
    KEEL_DYNAMO_ALWAYS,
    KEEL_DYNAMO_IF_GONE,     /* there is none, or it has expired */
    KEEL_DYNAMO_IF_LIVE,     /* there is one that has not */
    KEEL_DYNAMO_UNLESS_GONE, /* there is none, or one that has not expired */
    KEEL_DYNAMO_IF_SEEN      /* it is the one with that token, and has not expired */
} keel_dynamo_condition;

/* What a request is about. expected: with KEEL_DYNAMO_IF_SEEN */
typedef struct keel_dynamo_write {
    const char *table;
    keel_bytes key;
    keel_dynamo_condition condition;
    int64_t now_ms;
    const keel_bag_token *expected;
} keel_dynamo_write;

/* What is stored. mark: its token, made by the caller */
typedef struct keel_dynamo_item {
    keel_bytes value;
    uint32_t flags;
    int64_t expires_at_ms;
    const keel_bag_token *mark;
} keel_dynamo_item;

void keel_dynamo_text_free(keel_dynamo_text *t);

/* PutItem: the item in place of whatever there is. */
void keel_dynamo_put(keel_dynamo_text *t, const keel_dynamo_write *w,
                     const keel_dynamo_item *item);

/* UpdateItem: the same but for the expiry, which stays as it is. */
void keel_dynamo_put_keeping_expiry(keel_dynamo_text *t, const keel_dynamo_write *w,
                                    const keel_dynamo_item *item);

/* UpdateItem: the expiry alone. tells: answers with the item as it is then. */
void keel_dynamo_touch(keel_dynamo_text *t, const keel_dynamo_write *w,
                       int64_t expires_at_ms, bool tells);

/* DeleteItem. */
void keel_dynamo_delete(keel_dynamo_text *t, const keel_dynamo_write *w);

/* GetItem; value false: all but the value. */
void keel_dynamo_get(keel_dynamo_text *t, const char *table, keel_bytes key,
                     bool value);

/* BatchGetItem, of keys of which none occurs twice. */
void keel_dynamo_get_many(keel_dynamo_text *t, const char *table,
                          const keel_bytes keys[], size_t count);

/* Scan: keys and expiries, after a key; NULL: from the beginning. */
void keel_dynamo_scan(keel_dynamo_text *t, const char *table, const keel_bytes *after,
                      unsigned limit);

#endif
