/* SPDX-License-Identifier: MIT */
/* Reading DynamoDB's answers with jansson, by type and by range. */
#include "bag/store/dynamo_reply.h"

#include <string.h>

#include "bag/store/base64.h"
#include "bag/store/dynamo_request.h"

json_t *keel_dynamo_read(const char *text, size_t length)
{
    json_t *reply = text ? json_loadb(text, length, 0, NULL) : NULL;

    if (json_is_object(reply))
        return reply;
    json_decref(reply);
    return NULL;
}

/* ---- errors -------------------------------------------------------------------------- */

typedef struct error_row {
    const char *name;
    keel_dynamo_error error;
} error_row;

static const error_row errors[] = {
    { "ConditionalCheckFailedException", KEEL_DYNAMO_NOT_MET },
    { "ProvisionedThroughputExceededException", KEEL_DYNAMO_THROTTLED },
    { "ThrottlingException", KEEL_DYNAMO_THROTTLED },
    { "RequestLimitExceeded", KEEL_DYNAMO_THROTTLED },
    { "TransactionConflictException", KEEL_DYNAMO_BUSY },
    { "TransactionInProgressException", KEEL_DYNAMO_BUSY },
    { "ItemCollectionSizeLimitExceededException", KEEL_DYNAMO_TOO_LARGE },
};

keel_dynamo_error keel_dynamo_error_of(const json_t *reply, const char **name)
{
    const char *type = json_string_value(json_object_get(reply, "__type"));
    const char *behind = type ? strchr(type, '#') : NULL;

    *name = behind ? behind + 1 : type ? type : "";
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(*name, errors[i].name) == 0)
            return errors[i].error;
    return KEEL_DYNAMO_REFUSED;
}

/* ---- attributes ---------------------------------------------------------------------- */

/* The text of an attribute of one type; at NULL: there is none of that type. */
static keel_text attribute(const json_t *item, const char *name, const char *type)
{
    const json_t *text = json_object_get(json_object_get(item, name), type);

    return (keel_text){ json_string_value(text), json_string_length(text) };
}

static bool read_number(const json_t *item, const char *name, uint64_t most,
                        uint64_t *number)
{
    keel_text digits = attribute(item, name, "N");

    return digits.at && keel_parse_count(digits, number) == KEEL_PARSE_OK &&
           *number <= most;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_token(const json_t *item, keel_bag_token *token)
{
    keel_text hex = attribute(item, "c", "S");

    if (!hex.at || hex.length != (size_t)2 * KEEL_DYNAMO_MARK)
        return false;
    token->length = KEEL_DYNAMO_MARK;
    for (size_t i = 0; i < KEEL_DYNAMO_MARK; i++) {
        int high = hex_of(hex.at[2 * i]), low = hex_of(hex.at[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        token->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool keel_dynamo_item_read(const json_t *item, bool whole, keel_dynamo_found *found)
{
    keel_text value = attribute(item, "v", "B");
    uint64_t flags = 0, expires = 0;
    size_t length;

    if (whole && (!value.at || !keel_base64_length(value.at, value.length, &length) ||
                  !read_number(item, "f", UINT32_MAX, &flags)))
        return false;
    if (json_object_get(item, "e") && !read_number(item, "e", INT64_MAX, &expires))
        return false;
    *found = (keel_dynamo_found){ .text = { value.at, value.length },
                                  .flags = (uint32_t)flags,
                                  .expires_at_ms = (int64_t)expires };
    return read_token(item, &found->token);
}

bool keel_dynamo_key_read(const json_t *item, keel_dynamo_key *key)
{
    keel_text text = attribute(item, "k", "B");

    if (!text.at || !keel_base64_length(text.at, text.length, &key->length) ||
        !key->length || key->length > KEEL_BAG_KEY_MAX ||
        !keel_base64_read(key->at, text.at, text.length))
        return false;
    key->at[key->length] = '\0';
    return !memchr(key->at, '\0', key->length);
}

/* ---- giving -------------------------------------------------------------------------- */

keel_status keel_dynamo_give(const keel_dynamo_found *found, const keel_bag_op *op,
                             keel_bag_item *item)
{
    size_t length;

    item->flags = found->flags;
    item->expires_at_ms = found->expires_at_ms;
    item->marks = 0;
    item->token.length = 0;
    if (op->wishes & KEEL_BAG_WANT_TOKEN)
        item->token = found->token;
    if (op->nonce_found)
        memcpy(op->nonce_found, found->token.bytes, sizeof *op->nonce_found);
    if (!keel_base64_length(found->text.at, found->text.length, &length))
        return KEEL_CORRUPT;
    item->length = length;
    if (!item->buffer)
        return KEEL_OK;
    if (length > item->capacity)
        return KEEL_E_BUFFER;
    return keel_base64_read(item->buffer, found->text.at, found->text.length)
               ? KEEL_OK
               : KEEL_CORRUPT;
}
