/* SPDX-License-Identifier: MIT */
/* Keys, verdicts and short verbs for the checks. */
#include "conform/conform.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *key_of(const conform *c, unsigned number)
{
    static _Thread_local char keys[8][64];
    static _Thread_local unsigned turn;
    char *key = keys[turn++ % 8];

    snprintf(key, sizeof keys[0], "conform:%016llx:%u:%u", (unsigned long long)c->run,
             c->check, number);
    return key;
}

void conform_say(conform *c, const char *file, int line, const char *format, ...)
{
    const char *name = strrchr(file, '/');
    va_list arguments;
    int used;

    if (c->said[0])
        return;
    used = snprintf(c->said, sizeof c->said, "%s:%d: ", name ? name + 1 : file, line);
    va_start(arguments, format);
    vsnprintf(c->said + used, sizeof c->said - (size_t)used, format, arguments);
    va_end(arguments);
}

keel_status set_text(conform *c, const char *key, const char *text)
{
    return keel_bag_set(c->bag, key, text, strlen(text), NULL, &c->why);
}

keel_status get_item(conform *c, const char *key, keel_bag_item *item)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .wishes =
                                           KEEL_BAG_WANT_TOKEN | KEEL_BAG_WANT_TTL };

    *item = (keel_bag_item){ .size = sizeof *item,
                             .buffer = c->value,
                             .capacity = sizeof c->value };
    return keel_bag_get(c->bag, key, item, &options, &c->why);
}

bool has_text(conform *c, const char *key, const char *text)
{
    keel_bag_item item;

    return get_item(c, key, &item) == KEEL_OK && item.length == strlen(text) &&
           memcmp(c->value, text, item.length) == 0;
}
