/* SPDX-License-Identifier: MIT */
/* Stands before libc's own functions; visible, so that libraries are watched, too. */
#include "support/watched_malloc.h"

#include <stddef.h>

#define WATCHED __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);

static _Thread_local long mallocs;

long watched_mallocs(void)
{
    return mallocs;
}

WATCHED void *malloc(size_t size)
{
    mallocs++;
    return __libc_malloc(size);
}

WATCHED void *calloc(size_t count, size_t size)
{
    mallocs++;
    return __libc_calloc(count, size);
}

WATCHED void *realloc(void *block, size_t size)
{
    mallocs++;
    return __libc_realloc(block, size);
}
