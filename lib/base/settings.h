/* SPDX-License-Identifier: MIT */
/*
 * The grammar of settings text: cuts "careful; timeout=1s; timeout<=3s" into its items.
 * Knows no key and no value; any bytes go in, and every byte lands in at most one item.
 */
#ifndef KEEL_BASE_SETTINGS_H
#define KEEL_BASE_SETTINGS_H

#include "base/text.h"

typedef enum keel_item_kind {
    KEEL_ITEM_WORD,    /* key alone: the name of a preset, if it is the first */
    KEEL_ITEM_SETTING, /* key = value */
    KEEL_ITEM_AT_MOST, /* key <= value */
    KEEL_ITEM_AT_LEAST /* key >= value */
} keel_item_kind;

typedef struct keel_item {
    keel_item_kind kind;
    bool is_first;
    keel_text key; /* trimmed, as value is; may be empty ("=1s") */
    keel_text value;
    size_t column; /* of the key, from 1 */
    size_t value_column;
} keel_item;

typedef struct keel_settings_reader {
    const char *text;
    size_t at;
    bool any;
} keel_settings_reader;

keel_settings_reader keel_settings_read(const char *text);

/* The next item; false at the end. Empty items (";;") are passed over. */
bool keel_settings_next(keel_settings_reader *reader, keel_item *item);

#endif
