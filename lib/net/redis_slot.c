/* SPDX-License-Identifier: MIT */
/* Keys to slots. */
#include "net/redis_slot.h"

enum { POLYNOMIAL = 0x1021 };

static uint32_t crc16(keel_text text)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < text.length; i++) {
        crc ^= (uint32_t)(unsigned char)text.at[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000 ? crc << 1 ^ POLYNOMIAL : crc << 1) & 0xffff;
    }
    return crc;
}

uint32_t keel_redis_slot(keel_text key)
{
    keel_text before, after, tag, rest;

    if (keel_text_split(key, "{", &before, &after) &&
        keel_text_split(after, "}", &tag, &rest) && tag.length)
        key = tag;
    return crc16(key) % KEEL_REDIS_SLOTS;
}
