/* SPDX-License-Identifier: MIT */
/*
 * A number for a key, the same in every process: FNV-1a (Fowler, Noll and Vo, 1991),
 * mixed. To find a key again and to tell it from others, not to hide it.
 */
#ifndef KEEL_BAG_WRAP_KEY_HASH_H
#define KEEL_BAG_WRAP_KEY_HASH_H

#include <keel/bag_plugin.h>

#include "base/seed.h"

static inline uint64_t keel_key_hash(keel_bytes key)
{
    const unsigned char *bytes = key.at;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return keel_mix(hash);
}

#endif
