/* SPDX-License-Identifier: MIT */
/*
 * What DynamoDB answers, as its JSON, which may be anything: nothing is believed before it
 * was looked at. Not for what an answer means to a verb.
 */
#ifndef KEEL_BAG_STORE_DYNAMO_REPLY_H
#define KEEL_BAG_STORE_DYNAMO_REPLY_H

#include <jansson.h>

#include <keel/bag_plugin.h>

#include "base/text.h"

/* Why it refused. */
typedef enum keel_dynamo_error {
    KEEL_DYNAMO_REFUSED,   /* the request is wrong, or may not be made */
    KEEL_DYNAMO_NOT_MET,   /* its condition is not met */
    KEEL_DYNAMO_THROTTLED, /* too much is asked of it; nothing was done */
    KEEL_DYNAMO_BUSY,      /* another was at that item; nothing was done */
    KEEL_DYNAMO_TOO_LARGE
} keel_dynamo_error;

/* An item as it was found. text is the value in base64, and lies in the reply. */
typedef struct keel_dynamo_found {
    keel_bytes text;
    uint32_t flags;
    int64_t expires_at_ms;
    keel_bag_token token;
} keel_dynamo_found;

/* Longest bytes of a key that a scan or a batch tells. */
typedef struct keel_dynamo_key {
    size_t length;
    char at[KEEL_BAG_KEY_MAX + 1]; /* with a NUL */
} keel_dynamo_key;

/* NULL: it is no object of JSON. Freed with json_decref. */
json_t *keel_dynamo_read(const char *text, size_t length);

/* An error's kind, and its name for people, which lies in the reply; "" if it has none. */
keel_dynamo_error keel_dynamo_error_of(const json_t *reply, const char **name);

/*
 * An item as it is stored.
 * whole    false: it was asked for without its value
 * Returns  false: it is none of keel's, or damaged
 */
bool keel_dynamo_item_read(const json_t *item, bool whole, keel_dynamo_found *found);

/* A key by itself: {"k": {"B": …}}. */
bool keel_dynamo_key_read(const json_t *item, keel_dynamo_key *key);

/* As keel_bag_item_fill; KEEL_CORRUPT: the value is not base64. */
keel_status keel_dynamo_give(const keel_dynamo_found *found, const keel_bag_op *op,
                             keel_bag_item *item);

#endif
