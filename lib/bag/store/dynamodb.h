/* SPDX-License-Identifier: MIT */
/* The inside of a DynamoDB store, and what its files have of each other. */
#ifndef KEEL_BAG_STORE_DYNAMODB_H
#define KEEL_BAG_STORE_DYNAMODB_H

#include "bag/store/aws.h"
#include "bag/store/dynamo_reply.h"
#include "bag/store/dynamo_request.h"

enum { KEEL_DYNAMO_BATCH = 100 }; /* keys that BatchGetItem takes */

typedef struct keel_dynamo {
    keel_runtime *runtime;
    const char *path;
    const char *table;
    keel_aws aws;
    keel_web web;
} keel_dynamo;

/* What a request may have done, and how large its answer can be. */
typedef enum keel_dynamo_kind {
    KEEL_DYNAMO_READS,
    KEEL_DYNAMO_READS_MANY,
    KEEL_DYNAMO_WRITES
} keel_dynamo_kind;

/*
 * Asks, and frees the text.
 *
 * operation  "GetItem"
 * reply      out, to be freed with json_decref; NULL unless KEEL_OK
 * Returns    KEEL_OK; KEEL_NOT_STORED: its condition is not met; else a failure, told
 */
keel_status keel_dynamo_ask(keel_dynamo *s, const keel_bag_op *op,
                            const char *operation, keel_dynamo_kind kind,
                            keel_dynamo_text *text, json_t **reply, keel_detail *why);

keel_status keel_dynamo_corrupt(const keel_dynamo *s, keel_detail *why);

/* What has passed is no item, even where the table has not deleted it yet. */
static inline bool keel_dynamo_is_over(const keel_dynamo_found *found, int64_t now_ms)
{
    return found->expires_at_ms && found->expires_at_ms <= now_ms;
}

/* dynamodb_many.c */
void keel_dynamo_store_get_many(void *state, const keel_bag_op *op,
                                const keel_bytes keys[], keel_bag_item items[],
                                keel_status statuses[], size_t count, keel_detail *why);
keel_status keel_dynamo_store_scan(void *state, const keel_bag_op *op,
                                   keel_bag_cursor *cursor, keel_bag_scan_fn *fn,
                                   void *ctx, keel_detail *why);
keel_status keel_dynamo_store_flush(void *state, const keel_bag_op *op,
                                    keel_detail *why);

#endif
