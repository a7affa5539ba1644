/* SPDX-License-Identifier: MIT */
#include "serve_buffer.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 16 * 1024 };

static bool grow(keel_serve_buffer *b, size_t needed)
{
    size_t size = b->size ? b->size : SMALLEST;
    char *block;

    while (size < needed)
        size *= 2;
    block = realloc(b->block, size);
    if (!block)
        return false;
    b->block = block;
    b->size = size;
    return true;
}

char *keel_serve_room(keel_serve_buffer *b, size_t length)
{
    size_t held = keel_serve_held(b);

    if (b->size - b->end >= length && b->block)
        return b->block + b->end;
    if (b->block && b->begin)
        memmove(b->block, b->block + b->begin, held);
    b->begin = 0;
    b->end = held;
    if (length > SIZE_MAX / 4 || (b->size - held < length && !grow(b, held + length))) {
        b->is_lost = true;
        return NULL;
    }
    return b->block + b->end;
}

void keel_serve_put(keel_serve_buffer *b, const void *bytes, size_t length)
{
    char *to = keel_serve_room(b, length);

    if (!to)
        return;
    memcpy(to, bytes, length);
    keel_serve_add(b, length);
}

void keel_serve_put_text(keel_serve_buffer *b, const char *text)
{
    keel_serve_put(b, text, strlen(text));
}

char *keel_serve_digits(char *to, uint64_t number)
{
    char digits[KEEL_SERVE_DIGITS];
    char *at = digits + sizeof digits;
    size_t length;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    length = (size_t)(digits + sizeof digits - at);
    memcpy(to, at, length);
    return to + length;
}

void keel_serve_put_number(keel_serve_buffer *b, uint64_t number)
{
    char *to = keel_serve_room(b, KEEL_SERVE_DIGITS);

    if (to)
        keel_serve_add(b, (size_t)(keel_serve_digits(to, number) - to));
}

void keel_serve_drop(keel_serve_buffer *b, size_t length)
{
    b->begin += length;
    if (b->begin == b->end)
        b->begin = b->end = 0;
}

void keel_serve_buffer_cleanup(keel_serve_buffer *b)
{
    free(b->block);
    *b = (keel_serve_buffer){ 0 };
}
