/* SPDX-License-Identifier: MIT */
/*
 * libcrypto's base64 with strict reading around it: that passes over blanks and takes "="
 * for a letter anywhere, and what was not written like this is told here, and not guessed.
 */
#include "bag/store/base64.h"

#include <openssl/evp.h>
#include <string.h>

size_t keel_base64_size(size_t length)
{
    return (length + 2) / 3 * 4;
}

void keel_base64_write(char *to, const void *from, size_t length)
{
    EVP_EncodeBlock((unsigned char *)to, from, (int)length);
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

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '+' || c == '/';
}

/* The last four letters are read apart: libcrypto writes three bytes of whatever four. */
bool keel_base64_read(void *to, const char *text, size_t size)
{
    const unsigned char *letters = (const unsigned char *)text;
    unsigned char last[3], *bytes = to;
    size_t length, before;

    if (!keel_base64_length(text, size, &length))
        return false;
    for (size_t i = 0; i * 3 < length * 4; i++)
        if (!is_letter(text[i]))
            return false;
    if (!size)
        return true;
    before = size / 4 * 3 - 3;
    if (EVP_DecodeBlock(bytes, letters, (int)size - 4) < 0 ||
        EVP_DecodeBlock(last, letters + size - 4, 4) < 0)
        return false;
    memcpy(bytes + before, last, length - before);
    return true;
}
