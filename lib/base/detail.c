/* SPDX-License-Identifier: MIT */
/* Filling the caller's keel_detail, and reading the caller's sized options. */
#include "base/detail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The caller's struct may be shorter than ours (compiled against an older keel), so
 * whole fields are copied as far as they fit and text never points past its end.
 */
void keel_detail_fill(keel_detail *why, const keel_detail *all)
{
    size_t size;

    if (!why || why->size <= sizeof why->size)
        return;
    size = why->size < sizeof *why ? why->size : sizeof *why;
    memcpy((char *)why + sizeof why->size, (const char *)all + sizeof all->size,
           size - sizeof all->size);
    if (size >= offsetof(keel_detail, storage) && all->text == all->storage)
        why->text = size == sizeof *why ? why->storage : keel_status_text(all->code);
}

keel_status keel_fail(keel_detail *why, keel_status code, const char *text)
{
    keel_detail all = { .size = sizeof all, .code = code, .text = text };

    keel_detail_fill(why, &all);
    return code;
}

keel_status keel_failf(keel_detail *why, keel_status code, const char *format, ...)
{
    keel_detail all = { .size = sizeof all, .code = code };
    va_list args;

    va_start(args, format);
    vsnprintf(all.storage, sizeof all.storage, format, args);
    va_end(args);
    all.text = all.storage;
    keel_detail_fill(why, &all);
    return code;
}

keel_status keel_succeed(keel_detail *why)
{
    return keel_fail(why, KEEL_OK, keel_status_text(KEEL_OK));
}

bool keel_options_read(void *to, size_t to_size, const void *from)
{
    const unsigned char *bytes = from;
    size_t size;

    if (!from)
        return true;
    memcpy(&size, from, sizeof size);
    if (size < sizeof size)
        return false;
    for (size_t i = to_size; i < size; i++)
        if (bytes[i])
            return false;
    memcpy((char *)to + sizeof size, bytes + sizeof size,
           (size < to_size ? size : to_size) - sizeof size);
    return true;
}
