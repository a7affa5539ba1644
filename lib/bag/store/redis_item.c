/* SPDX-License-Identifier: MIT */
/* Envelopes: the numbers little-endian, wherever they are written. */
#include "bag/store/redis_item.h"

#include <endian.h>
#include <string.h>

static const char magic[] = "kb1:";

enum { MAGIC = sizeof magic - 1, FLAGS_AT = MAGIC };

void keel_redis_number_write(char to[8], uint64_t number)
{
    number = htole64(number);
    memcpy(to, &number, sizeof number);
}

static uint64_t read_number(const char *from)
{
    uint64_t number;

    memcpy(&number, from, sizeof number);
    return le64toh(number);
}

void keel_redis_item_seal(char to[KEEL_REDIS_ENVELOPE], const keel_redis_item *item)
{
    uint32_t flags = htole32(item->flags);

    memcpy(to, magic, MAGIC);
    memcpy(to + FLAGS_AT, &flags, sizeof flags);
    keel_redis_number_write(to + KEEL_REDIS_NONCE_AT, item->nonce);
    keel_redis_number_write(to + KEEL_REDIS_EXPIRY_AT, (uint64_t)item->expires_at_ms);
}

bool keel_redis_item_open(keel_redis_item *item, const char *text, size_t length)
{
    uint32_t flags;

    if (length < KEEL_REDIS_ENVELOPE || memcmp(text, magic, MAGIC) != 0)
        return false;
    memcpy(&flags, text + FLAGS_AT, sizeof flags);
    item->flags = le32toh(flags);
    item->nonce = read_number(text + KEEL_REDIS_NONCE_AT);
    item->expires_at_ms = (int64_t)read_number(text + KEEL_REDIS_EXPIRY_AT);
    item->value =
        (keel_bytes){ text + KEEL_REDIS_ENVELOPE, length - KEEL_REDIS_ENVELOPE };
    return true;
}
