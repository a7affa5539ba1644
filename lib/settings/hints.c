/* SPDX-License-Identifier: MIT */
/* A table of likely habits, asked from the top. */
#include "settings/hints.h"

#include <string.h>

static bool has(keel_text text, char c)
{
    return text.length && memchr(text.at, c, text.length);
}

static bool begins_quoted(keel_text text)
{
    return text.length && (text.at[0] == '"' || text.at[0] == '\'');
}

/* Files of variables for containers keep the quotation marks that a shell takes off. */
static bool is_quoted(const keel_item *item)
{
    return begins_quoted(item->key) || begins_quoted(item->value);
}

/* "careful,timeout=1s" and "timeout=1s,deadline=3s", but not "1,5s". */
static bool is_list(const keel_item *item)
{
    return has(item->key, ',') || (has(item->value, ',') && has(item->value, '='));
}

/* "timeout:1s" */
static bool is_yaml(const keel_item *item)
{
    return item->kind == KEEL_ITEM_WORD && has(item->key, ':');
}

/* "timeout=" */
static bool is_empty(const keel_item *item)
{
    return item->kind != KEEL_ITEM_WORD && !item->value.length;
}

const char *keel_item_hint(const keel_item *item)
{
    static const struct {
        bool (*applies)(const keel_item *item);
        const char *hint;
    } hints[] = {
        { is_quoted, ": leave the quotation marks out" },
        { is_list, ": settings are separated by \";\"" },
        { is_yaml, ": a setting is written key=value" },
        { is_empty, ": there is no value" },
    };

    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (hints[i].applies(item))
            return hints[i].hint;
    return "";
}
