/* SPDX-License-Identifier: MIT */
/* The injectable allocator. Every function takes the one to use; NULL: malloc and free.
 */
#ifndef KEEL_BASE_MEMORY_H
#define KEEL_BASE_MEMORY_H

#include <keel/runtime.h>

void *keel_memory_new(const keel_allocator *memory, size_t size); /* zeroed, or NULL */
char *keel_memory_copy(const keel_allocator *memory, const char *text);
void keel_memory_free(const keel_allocator *memory, void *block); /* NULL is fine */

#endif
