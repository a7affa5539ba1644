/* SPDX-License-Identifier: MIT */
/* Which bytes are characters that may be shown. */
#include "base/shown_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that a first byte begins; 0: it begins none. */
static size_t length_of(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 3;
    return first < 0xf5 ? 4 : 0;
}

/* False: the bytes do not go on as the first one says. */
static bool decode(const unsigned char *at, size_t length, uint32_t *character)
{
    *character = length == 1 ? at[0] : at[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) /* the NUL at the end among them */
            return false;
        *character = *character << 6 | (at[i] & 0x3fu);
    }
    return true;
}

/* No control character of either set, no surrogate, none that was written too long, and
 * nothing that turns the direction of what follows. */
static bool is_fit(uint32_t c, size_t length)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    return c >= ' ' && (c < 0x7f || c > 0x9f) && c >= least[length] && c <= 0x10ffff &&
           !(c >= 0xd800 && c <= 0xdfff) && !(c >= 0x200e && c <= 0x200f) &&
           !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

void keel_shown_text(char *text)
{
    unsigned char *at = (unsigned char *)text;

    while (*at) {
        size_t length = length_of(*at);
        uint32_t character;

        if (length && decode(at, length, &character) && is_fit(character, length)) {
            at += length;
        } else {
            *at = '?';
            at++;
        }
    }
}
