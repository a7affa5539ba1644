/* SPDX-License-Identifier: MIT */
/* What stores and decorators have in common: items, tokens, numbers, failures. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <keel/bag_plugin.h>

#include "base/detail.h"

/*
 * What is left of a path where the sentence behind it takes most of the room: its end, by
 * which a part is known, and before that "..."; *cut says whether.
 */
static const char *fit_path(const char *path, size_t room, const char **cut)
{
    size_t length = strlen(path),
           left = room > strlen("...") ? room - strlen("...") : 0;

    *cut = length > room ? "..." : "";
    return length > room ? path + length - left : path;
}

keel_status keel_bag_fail(keel_detail *why, keel_status status, keel_applied applied,
                          const char *path, const char *format, ...)
{
    char sentence[sizeof why->storage] = "";
    const char *cut;
    size_t room;
    va_list arguments;

    if (!why)
        return status;
    va_start(arguments, format);
    if (format)
        vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    room = sizeof sentence - 1 - strlen(sentence);
    path = fit_path(path ? path : "", room > 2 ? room - 2 : 0, &cut);
    keel_failf(why, status, "%s%s: %s", cut, path, sentence);
    if (why->size > offsetof(keel_detail, applied))
        why->applied = applied;
    return status;
}

keel_status keel_bag_item_fill(keel_bag_item *item, const void *value, size_t length)
{
    if (!item || (length && !value))
        return KEEL_E_ARGUMENT;
    item->length = length;
    if (!item->buffer)
        return KEEL_OK; /* not wanted */
    if (length > item->capacity)
        return KEEL_E_BUFFER;
    if (length)
        memcpy(item->buffer, value, length);
    return KEEL_OK;
}

bool keel_bag_number_read(keel_bytes text, uint64_t *number)
{
    const char *digits = text.at;
    uint64_t sum = 0;
    size_t i;

    if (!number || !digits)
        return false;
    for (i = 0; i < text.length && digits[i] >= '0' && digits[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(digits[i] - '0');

        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (!i)
        return false;
    while (i < text.length && digits[i] == ' ')
        i++; /* memcached leaves blanks where a number grew shorter */
    *number = sum;
    return i == text.length;
}

uint64_t keel_bag_number_add(uint64_t number, bool down, uint64_t by)
{
    if (!down)
        return number + by;
    return number > by ? number - by : 0;
}

keel_bag_token keel_bag_token_of(uint64_t number)
{
    keel_bag_token token = { .length = sizeof number };

    memcpy(token.bytes, &number, sizeof number);
    return token;
}

uint64_t keel_bag_token_number(const keel_bag_token *token)
{
    uint64_t number = 0;

    if (token && token->length == sizeof number)
        memcpy(&number, token->bytes, sizeof number);
    return number;
}

void keel_bag_child_get_many(const keel_bag_child *child, const keel_bag_op *op,
                             const keel_bytes keys[], keel_bag_item items[],
                             keel_status statuses[], size_t count, keel_detail *why)
{
    if (!child || !op || (count && (!keys || !items || !statuses))) {
        keel_fail(why, KEEL_E_ARGUMENT, "keys, items or statuses are missing");
        return;
    }
    if (child->ops->get_many) {
        child->ops->get_many(child->state, op, keys, items, statuses, count, why);
        return;
    }
    for (size_t i = 0; i < count; i++)
        statuses[i] = child->ops->get(child->state, op, keys[i], &items[i], why);
}

keel_ttl keel_ttl_memcached(int64_t number)
{
    enum { MONTH_S = 30 * 24 * 60 * 60 };

    if (number == 0)
        return keel_ttl_of(KEEL_TTL_NEVER, 0);
    if (number < 0)
        return keel_ttl_for_ms(-1);
    if (number <= MONTH_S)
        return keel_ttl_for_ms(number * 1000);
    return keel_ttl_until_ms(number > INT64_MAX / 1000 ? INT64_MAX : number * 1000);
}

const char *keel_bag_ability_name(keel_bag_ability ability)
{
    switch (ability) {
#define NAME(constant, number, text)                                                   \
    case constant:                                                                     \
        return text;
        KEEL_BAG_ABILITY_MAP(NAME)
#undef NAME
    case KEEL_BAG_ABILITY_LAST_:
        break;
    }
    return NULL;
}
