/* SPDX-License-Identifier: MIT */
/*
 * What stands before a value in an object: flags, expiry, whose write it is, and sums
 * that tell damage. The mark is another with every write, so that no two objects are
 * the same, and a server that makes an ETag of the bytes alone never repeats one.
 */
#ifndef KEEL_BAG_STORE_ENVELOPE_H
#define KEEL_BAG_STORE_ENVELOPE_H

#include <keel/bag_plugin.h>

/* "KEEL", sum of what follows, flags, sum of the value, expiry, mark; little endian. */
enum { KEEL_ENVELOPE_SIZE = 40, KEEL_ENVELOPE_MARK = 16 };

typedef struct keel_envelope {
    uint32_t flags;
    int64_t expires_at_ms;
    uint8_t mark[KEEL_ENVELOPE_MARK];
} keel_envelope;

void keel_envelope_write(uint8_t to[KEEL_ENVELOPE_SIZE], const keel_envelope *e,
                         keel_bytes value);

/* False: it is none, or damaged. Only the beginning need be there. */
bool keel_envelope_read(keel_envelope *e, keel_bytes object);

/* The value behind an envelope that was read; false: it is damaged. */
bool keel_envelope_value(keel_bytes object, keel_bytes *value);

#endif
