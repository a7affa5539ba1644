/* SPDX-License-Identifier: MIT */
/* The injectable allocator. Every function takes the one to use; NULL: malloc and free.
 */
#ifndef KEEL_BASE_MEMORY_H
#define KEEL_BASE_MEMORY_H

#include <keel/runtime.h>

void *keel_memory_new(const keel_allocator *memory, size_t size); /* zeroed, or NULL */
char *keel_memory_copy(const keel_allocator *memory, const char *text);

/*
 * A block of size bytes that begins with the first `used` of the old one, which is freed;
 * the rest is zero. NULL: no memory, and the old one stays as it is.
 */
void *keel_memory_resize(const keel_allocator *memory, void *block, size_t used,
                         size_t size);

void keel_memory_free(const keel_allocator *memory, void *block); /* NULL is fine */

#endif
