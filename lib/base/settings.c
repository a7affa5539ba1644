/* SPDX-License-Identifier: MIT */
/* Cutting settings text into items. Pure: no allocation, no meaning, no error. */
#include "base/settings.h"

#include <string.h>

keel_settings_reader keel_settings_read(const char *text)
{
    return (keel_settings_reader){ .text = text };
}

/* What stands up to the next separator, trimmed; may be empty. */
static keel_text next_piece(keel_settings_reader *reader)
{
    keel_text piece = { reader->text + reader->at, 0 };

    piece.length = strcspn(piece.at, ";\n");
    reader->at += piece.length;
    if (reader->text[reader->at])
        reader->at++;
    return keel_text_trim(piece);
}

/* "timeout<" before the "=" makes a fence of it. */
static keel_item_kind take_fence(keel_text *key)
{
    char last = key->length ? key->at[key->length - 1] : '\0';

    if (last != '<' && last != '>')
        return KEEL_ITEM_SETTING;
    key->length--;
    return last == '<' ? KEEL_ITEM_AT_MOST : KEEL_ITEM_AT_LEAST;
}

bool keel_settings_next(keel_settings_reader *reader, keel_item *item)
{
    keel_text piece = { NULL, 0 };

    while (!piece.length && reader->text[reader->at])
        piece = next_piece(reader);
    if (!piece.length)
        return false;

    *item = (keel_item){ .kind = KEEL_ITEM_WORD, .is_first = !reader->any };
    reader->any = true;
    item->key = piece;
    item->value = (keel_text){ piece.at + piece.length, 0 };
    if (keel_text_split(piece, "=", &item->key, &item->value))
        item->kind = take_fence(&item->key);
    item->key = keel_text_trim(item->key);
    item->value = keel_text_trim(item->value);
    item->column = (size_t)(piece.at - reader->text) + 1;
    item->value_column = (size_t)(item->value.at - reader->text) + 1;
    return true;
}
