/* SPDX-License-Identifier: MIT */
/* Names: their form, their folding and how far two of them are apart. */
#include "base/name.h"

#include <string.h>

/* Not ctype's: those follow the locale. */
static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool keel_name_is_valid(const char *name)
{
    size_t length = strlen(name);

    if (!is_lower(name[0]) || length > KEEL_NAME_MAX)
        return false;
    for (size_t i = 1; i < length; i++) {
        bool joint = name[i] == '-' || name[i] == '.' || name[i] == '_';

        if (!joint && !is_lower(name[i]) && !is_digit(name[i]))
            return false;
        /* a joint stands between two words, never at the end or beside another */
        if (joint && !is_lower(name[i + 1]) && !is_digit(name[i + 1]))
            return false;
    }
    return true;
}

static char fold(char c)
{
    if (is_lower(c))
        return (char)(c - 'a' + 'A');
    return is_digit(c) || (c >= 'A' && c <= 'Z') ? c : '_';
}

void keel_name_fold(keel_folded to, keel_text name)
{
    size_t length = name.length < KEEL_NAME_MAX ? name.length : KEEL_NAME_MAX;

    for (size_t i = 0; i < length; i++)
        to[i] = fold(name.at[i]);
    to[length] = '\0';
}

void keel_lower_case(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; from[i] && i + 1 < size; i++)
        to[i] =
            from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a') : from[i];
    to[i] = '\0';
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the usual table are enough: a swap looks back two. */
size_t keel_name_distance(keel_text a, keel_text b, size_t most)
{
    size_t rows[3][KEEL_NAME_MAX + 1];

    if (a.length > KEEL_NAME_MAX || b.length > KEEL_NAME_MAX)
        return most + 1;
    for (size_t j = 0; j <= b.length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        const size_t *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        size_t *row = rows[i % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t changed = above[j - 1] + (a.at[i - 1] != b.at[j - 1]);

            row[j] = least(changed, 1 + least(above[j], row[j - 1]));
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
                a.at[i - 2] == b.at[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return least(rows[a.length % 3][b.length], most + 1);
}

bool keel_name_is_near(keel_text read, keel_text meant)
{
    size_t slips = meant.length < 5    ? 0
                   : meant.length < 8  ? 1
                   : meant.length < 12 ? 2
                                       : 3;

    return slips && keel_name_distance(read, meant, slips) <= slips;
}
