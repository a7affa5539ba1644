/* SPDX-License-Identifier: MIT */
/* A bounded writer of JSON. */
#include "health/json.h"

#include <stdio.h>
#include <string.h>

void keel_json_init(keel_json *json, char *to, size_t size)
{
    *json = (keel_json){ .to = to, .size = size, .is_full = size == 0 };
    if (size)
        to[0] = '\0';
}

static void put(keel_json *json, const char *bytes, size_t length)
{
    if (json->is_full || length >= json->size - json->length) {
        json->is_full = true;
        return;
    }
    memcpy(json->to + json->length, bytes, length);
    json->length += length;
    json->to[json->length] = '\0';
}

void keel_json_raw(keel_json *json, const char *text)
{
    put(json, text, strlen(text));
}

static void put_character(keel_json *json, char c)
{
    char escaped[8];

    if (c == '"' || c == '\\')
        snprintf(escaped, sizeof escaped, "\\%c", c);
    else if ((unsigned char)c < ' ')
        snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)c);
    else
        snprintf(escaped, sizeof escaped, "%c", c);
    keel_json_raw(json, escaped);
}

void keel_json_string(keel_json *json, const char *text)
{
    keel_json_raw(json, "\"");
    for (; *text; text++)
        put_character(json, *text);
    keel_json_raw(json, "\"");
}

void keel_json_text(keel_json *json, const char *before, const char *name,
                    const char *value)
{
    keel_json_raw(json, before);
    keel_json_string(json, name);
    keel_json_raw(json, ":");
    keel_json_string(json, value);
}

void keel_json_cut(keel_json *json, size_t length)
{
    json->length = length;
    json->is_full = json->size == 0;
    if (json->size)
        json->to[length] = '\0';
}
