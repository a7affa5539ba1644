/* SPDX-License-Identifier: MIT */
/*
 * A kernel that does not know MADV_WIPEONFORK, for a test program that is linked with
 * --wrap=madvise.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

int __real_madvise(void *memory, size_t size, int advice);
int __wrap_madvise(void *memory, size_t size, int advice);

int __wrap_madvise(void *memory, size_t size, int advice)
{
    if (advice != MADV_WIPEONFORK)
        return __real_madvise(memory, size, advice);
    errno = EINVAL;
    return -1;
}
