/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what DynamoDB answers: no crash, nothing written beyond a buffer, and a key
 * is one that a bag could have.
 */
#include <string.h>

#include "bag/store/dynamo_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_item(const json_t *item)
{
    char value[64];
    const keel_bag_op op = { .size = sizeof op, .wishes = KEEL_BAG_WANT_TOKEN };
    keel_bag_item to = { .size = sizeof to, .buffer = value, .capacity = 63 };
    keel_dynamo_found found;
    keel_dynamo_key key;

    value[63] = 'x';
    if (keel_dynamo_item_read(item, true, &found) &&
        keel_dynamo_give(&found, &op, &to) == KEEL_OK && to.length > 63)
        __builtin_trap();
    if (value[63] != 'x')
        __builtin_trap();
    if (keel_dynamo_key_read(item, &key) &&
        (!key.length || key.length > KEEL_BAG_KEY_MAX || strlen(key.at) != key.length))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *reply = keel_dynamo_read((const char *)data, size);
    const json_t *items = json_object_get(reply, "Items");
    const char *name;

    keel_dynamo_error_of(reply, &name);
    look_at_item(json_object_get(reply, "Item"));
    for (size_t i = 0; i < json_array_size(items); i++)
        look_at_item(json_array_get(items, i));
    json_decref(reply);
    return 0;
}
