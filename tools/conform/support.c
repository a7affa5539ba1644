/* SPDX-License-Identifier: MIT */
/* Keys, verdicts and short verbs for the checks. */
#include "conform/conform.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 40 };

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
    size_t used;

    if (c->said[0])
        return;
    va_start(arguments, format);
    vsnprintf(c->said, sizeof c->said, format, arguments);
    va_end(arguments);
    used = strlen(c->said);
    snprintf(c->said + used, sizeof c->said - used, " (%s:%d)", name ? name + 1 : file,
             line);
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

/* The beginning of a value, whatever bytes it has. */
static void show(char to[SHOWN + 1], const char *value, size_t length)
{
    size_t i;

    for (i = 0; i < length && i < SHOWN; i++)
        to[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '.';
    to[i] = '\0';
}

bool has_text(conform *c, const char *file, int line, const char *key, const char *text)
{
    keel_bag_item item;
    keel_status status = get_item(c, key, &item);
    char shown[SHOWN + 1];

    if (status != KEEL_OK) {
        conform_say(c, file, line, "expected the value \"%s\", not %s (%s)", text,
                    keel_status_name(status), c->why.text);
        return false;
    }
    if (item.length == strlen(text) && memcmp(c->value, text, item.length) == 0)
        return true;
    show(shown, c->value, item.length);
    conform_say(c, file, line, "expected the value \"%s\", not \"%s\" of %zu bytes",
                text, shown, item.length);
    return false;
}

const char *applied_name(keel_applied applied)
{
    switch (applied) {
    case KEEL_APPLIED_NO:
        return "no";
    case KEEL_APPLIED_YES:
        return "yes";
    case KEEL_APPLIED_UNKNOWN:
        break;
    }
    return "unknown";
}
