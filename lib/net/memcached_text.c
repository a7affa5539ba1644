/* SPDX-License-Identifier: MIT */
/* Lines, words, numbers and data blocks. Not for what they mean. */
#include "net/memcached_text.h"

#include <string.h>

/* ---- reading ------------------------------------------------------------------------- */

keel_mc_read keel_mc_line(keel_text from, size_t most, keel_text *line, size_t *size)
{
    size_t seen = from.length < most ? from.length : most;
    const char *end = seen ? memchr(from.at, '\n', seen) : NULL;
    size_t length;

    *line = (keel_text){ from.at, 0 };
    *size = from.length + 1;
    if (!end)
        return from.length < most ? KEEL_MC_MORE : KEEL_MC_WRONG;
    length = (size_t)(end - from.at);
    *size = length + 1;
    line->length = length && end[-1] == '\r' ? length - 1 : length;
    return KEEL_MC_READ;
}

keel_mc_read keel_mc_block(keel_text from, size_t head, size_t length, keel_text *block,
                           size_t *size)
{
    *block = (keel_text){ from.at + head, 0 };
    *size = head + length + 2;
    if (from.length < *size)
        return KEEL_MC_MORE;
    if (memcmp(from.at + head + length, "\r\n", 2) != 0)
        return KEEL_MC_WRONG;
    block->length = length;
    return KEEL_MC_READ;
}

bool keel_mc_word(keel_text *rest, keel_text *word)
{
    const char *at = rest->at, *end = at + rest->length;

    while (at < end && *at == ' ')
        at++;
    word->at = at;
    while (at < end && *at != ' ')
        at++;
    word->length = (size_t)(at - word->at);
    *rest = (keel_text){ at, (size_t)(end - at) };
    return word->length > 0;
}

bool keel_mc_number(keel_text text, uint64_t *number)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';

        if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return text.length > 0;
}

bool keel_mc_number32(keel_text text, uint32_t *number)
{
    uint64_t wide;

    if (!keel_mc_number(text, &wide) || wide > UINT32_MAX)
        return false;
    *number = (uint32_t)wide;
    return true;
}

bool keel_mc_signed(keel_text text, int64_t *number)
{
    bool is_negative = text.length && *text.at == '-';
    uint64_t size;

    if (is_negative)
        text = (keel_text){ text.at + 1, text.length - 1 };
    if (!keel_mc_number(text, &size) || size > INT64_MAX)
        return false;
    *number = is_negative ? -(int64_t)size : (int64_t)size;
    return true;
}

/* ---- writing ------------------------------------------------------------------------- */

char *keel_mc_put_text(char *to, keel_text text)
{
    if (text.length)
        memcpy(to, text.at, text.length);
    return to + text.length;
}

char *keel_mc_put(char *to, const char *text)
{
    return keel_mc_put_text(to, (keel_text){ text, strlen(text) });
}

char *keel_mc_put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return keel_mc_put_text(to, (keel_text){ digits + at, sizeof digits - at });
}

char *keel_mc_put_signed(char *to, int64_t number)
{
    if (number >= 0)
        return keel_mc_put_number(to, (uint64_t)number);
    *to++ = '-';
    return keel_mc_put_number(to, (uint64_t)0 - (uint64_t)number);
}
