/* SPDX-License-Identifier: MIT */
/* malloc and free behind two counters; the sanitizers still see every block. */
#include "support/allocator.h"

#include <stdlib.h>

static void *allocate(size_t size, void *ctx)
{
    failing_allocator *f = ctx;
    void *block;

    if (atomic_fetch_add(&f->calls, 1) + 1 == f->fail_at) {
        atomic_store(&f->failed, true);
        return NULL;
    }
    block = malloc(size);
    if (block)
        atomic_fetch_add(&f->live, 1);
    return block;
}

static void release(void *memory, void *ctx)
{
    failing_allocator *f = ctx;

    atomic_fetch_sub(&f->live, 1);
    free(memory);
}

void failing_allocator_init(failing_allocator *f, long fail_at)
{
    f->allocator =
        (keel_allocator){ .allocate = allocate, .release = release, .ctx = f };
    f->fail_at = fail_at;
    atomic_init(&f->calls, 0);
    atomic_init(&f->live, 0);
    atomic_init(&f->failed, false);
}
