/* SPDX-License-Identifier: MIT */
/* Filling the caller's keel_detail, and reading the caller's sized options. */
#include "base/detail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The caller's struct may be shorter than ours (compiled against an older keel), so
 * whole fields are copied as far as they fit and text never points past its end. The
 * storage is copied only where text lies in it.
 */
void keel_detail_fill(keel_detail *why, const keel_detail *all)
{
    /* only the storage may be unset, and it is read only where text lies in it */
    /* cppcheck-suppress ctuuninitvar */
    bool is_formatted = all->text == all->storage;
    const size_t head = sizeof all->size;
    size_t size;

    if (!why || why->size <= head)
        return;
    size = is_formatted ? sizeof *why : offsetof(keel_detail, storage);
    if (why->size < size)
        size = why->size;
    memcpy((char *)why + head, (const char *)all + head, size - head);
    if (is_formatted && size >= offsetof(keel_detail, storage))
        why->text = size == sizeof *why ? why->storage : keel_status_text(all->code);
}

void keel_detail_say(keel_detail *why, keel_status code, keel_reason reason,
                     uint32_t attempts, uint64_t elapsed_ns, uint64_t retry_after_ns)
{
    keel_detail all; /* field by field: the storage is large, and not used here */

    if (!why)
        return;
    all.code = code;
    all.reason = reason;
    all.attempts = attempts;
    all.applied = attempts ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO;
    all.system_errno = 0;
    all.fallback = false;
    all.elapsed_ns = elapsed_ns;
    all.retry_after_ns = retry_after_ns;
    all.text = keel_status_text(code);
    keel_detail_fill(why, &all);
}

keel_status keel_fail(keel_detail *why, keel_status code, const char *text)
{
    keel_detail all = { .size = sizeof all, .code = code, .text = text };

    keel_detail_fill(why, &all);
    return code;
}

keel_status keel_failf(keel_detail *why, keel_status code, const char *format, ...)
{
    static const char cut[] = "...";
    keel_detail all = { .size = sizeof all, .code = code };
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(all.storage, sizeof all.storage, format, args);
    va_end(args);
    if (length >= (int)sizeof all.storage) /* half a sentence is seen to be one */
        memcpy(all.storage + sizeof all.storage - sizeof cut, cut, sizeof cut);
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

bool keel_struct_fill(void *to, const void *all, size_t all_size)
{
    size_t size;

    memcpy(&size, to, sizeof size);
    if (size < sizeof size)
        return false;
    if (size > all_size)
        size = all_size;
    memcpy((char *)to + sizeof size, (const char *)all + sizeof size,
           size - sizeof size);
    return true;
}
