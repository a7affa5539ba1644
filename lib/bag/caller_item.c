/* SPDX-License-Identifier: MIT */
/* Seldom used: an item of our own size is used as it is. */
#include "bag/caller_item.h"

#include <string.h>

#include "base/detail.h"

bool keel_caller_item_read(keel_bag_item *own, const keel_bag_item *given)
{
    *own = (keel_bag_item){ .size = sizeof *own };
    return given && keel_options_read(own, sizeof *own, given) &&
           (own->buffer || !own->capacity);
}

void keel_caller_item_fill(keel_bag_item *given, const keel_bag_item *own)
{
    const size_t head = sizeof own->size;
    size_t size = given->size < sizeof *own ? given->size : sizeof *own;

    memcpy((char *)given + head, (const char *)own + head, size - head);
}
