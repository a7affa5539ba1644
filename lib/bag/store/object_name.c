/* SPDX-License-Identifier: MIT */
/* Names of objects. A key has one name, and a name at most one key. */
#include "bag/store/object_name.h"

#include <stdio.h>
#include <string.h>

static bool is_plain(char c, size_t at)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == ':' || (c == '.' && at);
}

typedef struct writer {
    char *to;
    size_t length;
    size_t in_piece;
} writer;

static void put(writer *w, char c)
{
    if (w->in_piece == KEEL_OBJECT_PIECE) {
        w->to[w->length++] = '/';
        w->in_piece = 0;
    }
    w->to[w->length++] = c;
    w->in_piece++;
}

/* No piece begins with a ".", nor is cut within an "=XX". */
static void put_byte(writer *w, char c)
{
    char escaped[4];
    size_t length = 1;

    if (w->in_piece + 3 > KEEL_OBJECT_PIECE)
        w->in_piece = KEEL_OBJECT_PIECE;
    if (is_plain(c, w->in_piece % KEEL_OBJECT_PIECE))
        escaped[0] = c;
    else
        length = (size_t)snprintf(escaped, sizeof escaped, "=%02X",
                                  (unsigned)(unsigned char)c);
    for (size_t i = 0; i < length; i++)
        put(w, escaped[i]);
}

void keel_object_name_write(char to[KEEL_OBJECT_NAME_SIZE], keel_bytes key)
{
    writer w = { to, 0, 0 };
    const char *at = key.at;

    for (size_t i = 0; i < key.length; i++)
        put_byte(&w, at[i]);
    to[w.length] = '\0';
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode(keel_text name, char *key, size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < name.length; i++) {
        int c = (unsigned char)name.at[i];

        if (c == '/')
            continue;
        if (c == '=') {
            int high = i + 2 < name.length ? hex_of(name.at[i + 1]) : -1;
            int low = high >= 0 ? hex_of(name.at[i + 2]) : -1;

            if (low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        }
        if (*length == KEEL_BAG_KEY_MAX)
            return false;
        key[(*length)++] = (char)c;
    }
    key[*length] = '\0';
    return *length > 0 && !memchr(key, '\0', *length);
}

/* What would be written otherwise is somebody else's. */
bool keel_object_name_read(keel_text name, char key[KEEL_BAG_KEY_MAX + 1])
{
    char again[KEEL_OBJECT_NAME_SIZE];
    size_t length;

    if (!decode(name, key, &length))
        return false;
    keel_object_name_write(again, (keel_bytes){ key, length });
    return strlen(again) == name.length && memcmp(again, name.at, name.length) == 0;
}
