/* SPDX-License-Identifier: MIT */
/*
 * A kernel that takes no advice, MADV_WIPEONFORK least of all, for a test program that is
 * linked with --wrap=madvise.
 */
#include <errno.h>
#include <stddef.h>

int __wrap_madvise(void *memory, size_t size, int advice);

int __wrap_madvise(void *memory, size_t size, int advice)
{
    (void)memory;
    (void)size;
    (void)advice;
    errno = EINVAL;
    return -1;
}
