/* SPDX-License-Identifier: MIT */
/* Reading is strict: what was not written like this is told, and not guessed. */
#include "bag/store/base64.h"

#include <stdint.h>

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t keel_base64_size(size_t length)
{
    return (length + 2) / 3 * 4;
}

void keel_base64_write(char *to, const void *from, size_t length)
{
    const uint8_t *at = from;

    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)at[i] << 16;

        three |= left > 1 ? (uint32_t)at[i + 1] << 8 : 0;
        three |= left > 2 ? at[i + 2] : 0;
        *to++ = letters[three >> 18];
        *to++ = letters[three >> 12 & 63];
        *to++ = left > 1 ? letters[three >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[three & 63] : '=';
    }
}

bool keel_base64_length(const char *text, size_t size, size_t *length)
{
    size_t padding = 0;

    if (size % 4)
        return false;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    *length = size / 4 * 3 - padding;
    return true;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool keel_base64_read(void *to, const char *text, size_t size)
{
    uint8_t *at = to;
    size_t length;

    if (!keel_base64_length(text, size, &length))
        return false;
    for (size_t i = 0, done = 0; i < size; i += 4) {
        uint32_t three = 0;

        for (size_t j = 0; j < 4; j++) {
            bool is_padding = done + (j ? j - 1 : 0) >= length && j > 1;
            int value = is_padding ? 0 : value_of(text[i + j]);

            if (value < 0)
                return false;
            three = three << 6 | (uint32_t)value;
        }
        for (size_t j = 0; j < 3 && done < length; j++)
            at[done++] = (uint8_t)(three >> (16 - 8 * j));
    }
    return true;
}
