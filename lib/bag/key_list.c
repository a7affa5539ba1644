/* SPDX-License-Identifier: MIT */
/* In one order, whatever the order in which they were found. */
#include "bag/key_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bool keel_key_list_init(keel_key_list *l, const keel_allocator *memory, size_t count,
                        size_t bytes)
{
    *l = (keel_key_list){ .memory = memory };
    l->at = keel_memory_new(memory, (count + 1) * sizeof *l->at);
    l->bytes = keel_memory_new(memory, bytes + count + 1);
    if (l->at && l->bytes)
        return true;
    keel_key_list_cleanup(l);
    return false;
}

void keel_key_list_cleanup(keel_key_list *l)
{
    keel_memory_free(l->memory, l->at);
    keel_memory_free(l->memory, l->bytes);
}

void keel_key_list_add(keel_key_list *l, const char *key, size_t length)
{
    char *to = l->bytes + l->used;

    memcpy(to, key, length);
    to[length] = '\0';
    l->at[l->count++] = to;
    l->used += length + 1;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *keel_key_list_say(keel_key_list *l, const char *behind,
                              keel_bag_scan_fn *fn, void *ctx)
{
    qsort(l->at, l->count, sizeof *l->at, compare);
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->at[i], behind) > 0 && !fn(l->at[i], ctx))
            return l->at[i];
    return NULL;
}

bool keel_key_list_place_read(char key[KEEL_BAG_KEY_MAX + 1],
                              const keel_bag_cursor *cursor)
{
    size_t length = cursor->length ? cursor->length - 1u : 0;

    if (length > KEEL_BAG_KEY_MAX)
        return false;
    memcpy(key, cursor->bytes + 1, length);
    key[length] = '\0';
    return true;
}

void keel_key_list_place_write(keel_bag_cursor *cursor, uint8_t first, const char *key)
{
    size_t length = key ? strlen(key) : 0;

    cursor->bytes[0] = first;
    if (key)
        memcpy(cursor->bytes + 1, key, length);
    cursor->length = (uint16_t)(length + 1);
}
