/* SPDX-License-Identifier: MIT */
/* The injectable allocator; not for the hot path, which allocates nothing. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void *keel_memory_new(const keel_allocator *memory, size_t size)
{
    void *block;

    if (!memory || !memory->allocate)
        return calloc(1, size);
    block = memory->allocate(size, memory->ctx);
    if (block)
        memset(block, 0, size);
    return block;
}

char *keel_memory_copy(const keel_allocator *memory, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = keel_memory_new(memory, size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void *keel_memory_resize(const keel_allocator *memory, void *block, size_t used,
                         size_t size)
{
    void *other = keel_memory_new(memory, size);

    if (!other)
        return NULL;
    if (used)
        memcpy(other, block, used);
    keel_memory_free(memory, block);
    return other;
}

void keel_memory_free(const keel_allocator *memory, void *block)
{
    if (!block)
        return;
    if (memory && memory->release)
        memory->release(block, memory->ctx);
    else
        free(block);
}
