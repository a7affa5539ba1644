/* SPDX-License-Identifier: MIT */
/* Envelopes as bytes. Not for what is done with them. */
#include "bag/store/envelope.h"

#include <string.h>

#include "bag/store/crc32.h"

enum { HEAD_SUM_AT = 4, FLAGS_AT = 8, VALUE_SUM_AT = 12, EXPIRY_AT = 16, MARK_AT = 24 };

static const char magic[4] = { 'K', 'E', 'E', 'L' };

static void write_number(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t read_number(const uint8_t *from, size_t bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)from[i] << (8 * i);
    return number;
}

static uint32_t head_sum(const uint8_t *head)
{
    return keel_crc32(0, head + FLAGS_AT, KEEL_ENVELOPE_SIZE - FLAGS_AT);
}

void keel_envelope_write(uint8_t to[KEEL_ENVELOPE_SIZE], const keel_envelope *e,
                         keel_bytes value)
{
    memcpy(to, magic, sizeof magic);
    write_number(to + FLAGS_AT, e->flags, 4);
    write_number(to + VALUE_SUM_AT, keel_crc32(0, value.at, value.length), 4);
    write_number(to + EXPIRY_AT, (uint64_t)e->expires_at_ms, 8);
    memcpy(to + MARK_AT, e->mark, sizeof e->mark);
    write_number(to + HEAD_SUM_AT, head_sum(to), 4);
}

bool keel_envelope_read(keel_envelope *e, keel_bytes object)
{
    const uint8_t *at = object.at;

    if (object.length < KEEL_ENVELOPE_SIZE || memcmp(at, magic, sizeof magic) != 0 ||
        read_number(at + HEAD_SUM_AT, 4) != head_sum(at))
        return false;
    e->flags = (uint32_t)read_number(at + FLAGS_AT, 4);
    e->expires_at_ms = (int64_t)read_number(at + EXPIRY_AT, 8);
    memcpy(e->mark, at + MARK_AT, sizeof e->mark);
    return true;
}

bool keel_envelope_value(keel_bytes object, keel_bytes *value)
{
    const uint8_t *at = object.at;

    *value =
        (keel_bytes){ at + KEEL_ENVELOPE_SIZE, object.length - KEEL_ENVELOPE_SIZE };
    return read_number(at + VALUE_SUM_AT, 4) == keel_crc32(0, value->at, value->length);
}
