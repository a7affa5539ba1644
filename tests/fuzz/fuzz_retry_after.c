/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a Retry-After header, read at any hour: no crash, never "never", and
 * nothing claimed where nothing was read.
 */
#include <stdlib.h>
#include <string.h>

#include "http/retry_after.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first eight bytes are the clock, the rest is the header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t wall_s;
    uint64_t after_ns = 1;
    char *text;
    bool read;

    if (size < sizeof wall_s)
        return 0;
    memcpy(&wall_s, data, sizeof wall_s);
    text = strndup((const char *)data + sizeof wall_s, size - sizeof wall_s);
    if (!text)
        return 0;
    read = keel_retry_after_read(text, wall_s, &after_ns);
    if ((!read && after_ns) || after_ns == UINT64_MAX)
        __builtin_trap();
    free(text);
    return 0;
}
