/* SPDX-License-Identifier: MIT */
/*
 * A key as the name of an object, in letters that every server takes as they are:
 * letters, digits, "_", "-", ":" and, but for the first, "." stand for themselves, all
 * else is "=XX". Long names are cut by "/", for servers that keep objects as files.
 */
#ifndef KEEL_BAG_STORE_OBJECT_NAME_H
#define KEEL_BAG_STORE_OBJECT_NAME_H

#include <keel/bag_plugin.h>

#include "base/text.h"

enum {
    KEEL_OBJECT_PIECE = 180,                         /* letters between two "/" */
    KEEL_OBJECT_NAME_SIZE = 3 * KEEL_BAG_KEY_MAX + 8 /* with all "/", and a NUL */
};

void keel_object_name_write(char to[KEEL_OBJECT_NAME_SIZE], keel_bytes key);

/* The key of a name; false: no key has it. */
bool keel_object_name_read(keel_text name, char key[KEEL_BAG_KEY_MAX + 1]);

#endif
