/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an item of a cache that others write to, looked at at any time: no crash,
 * nothing is used past its time, and what is taken for an entry is written back as it was.
 */
#include <string.h>

#include "bag/wrap/cache_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first eight bytes are the clock, the rest is the item. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char head[KEEL_CACHE_HEAD];
    keel_cache_entry entry;
    keel_cache_use use;
    int64_t now_ms;

    if (size < sizeof now_ms)
        return 0;
    memcpy(&now_ms, data, sizeof now_ms);
    data += sizeof now_ms;
    if (!keel_cache_entry_read(&entry, (keel_bytes){ data, size - sizeof now_ms }))
        return 0;
    use = keel_cache_entry_use(&entry, now_ms);
    if (use != KEEL_CACHE_REPLACE && entry.kept_until_ms <= now_ms)
        __builtin_trap();
    keel_cache_entry_write(&entry, head);
    if (memcmp(head, data, sizeof head) != 0)
        __builtin_trap();
    return 0;
}
