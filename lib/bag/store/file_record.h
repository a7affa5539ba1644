/* SPDX-License-Identifier: MIT */
/*
 * The flat-file store's records as bytes: one item with its key, told from damage by two
 * checksums. Pure; not for files.
 *
 *   0  "KBF1"          8  flags           24  expires at, ms      48  12 zeros, for a
 *   4  version, 1     12  value's CRC32C  32  token                   stamp
 *   6  key's length   16  value's length  40  nonce               60  CRC32C of the 60
 *                                                                     bytes and the key
 *   then the key, then the value. All numbers are little-endian.
 */
#ifndef KEEL_BAG_STORE_FILE_RECORD_H
#define KEEL_BAG_STORE_FILE_RECORD_H

#include <keel/bag_plugin.h>

enum {
    KEEL_FILE_HEAD = 64,
    KEEL_FILE_HEAD_AND_KEY = KEEL_FILE_HEAD + KEEL_BAG_KEY_MAX,
    KEEL_FILE_NAME_SIZE = 65 /* of a record's file: 64 digits and the NUL */
};

#define KEEL_FILE_VALUE_MAX (UINT64_C(1) << 30)

typedef struct keel_file_record {
    uint32_t flags;
    uint32_t value_crc;
    uint64_t value_length;
    int64_t expires_at_ms; /* 0: never */
    uint64_t token;
    uint64_t nonce;
    uint16_t key_length;
} keel_file_record;

/* Its first bytes; key_length is the key's. */
void keel_file_record_write(unsigned char head[KEEL_FILE_HEAD],
                            const keel_file_record *record, keel_bytes key);

/*
 * bytes      as many of the file's first ones as there are, KEEL_FILE_HEAD_AND_KEY at
 *            most; its key stands at KEEL_FILE_HEAD
 * file_size  of all
 * Returns    NULL; else what is wrong with it
 */
const char *keel_file_record_read(keel_file_record *record, const unsigned char *bytes,
                                  size_t length, uint64_t file_size);

/* Where a record's value begins. */
static inline uint64_t keel_file_record_value_at(const keel_file_record *record)
{
    return (uint64_t)KEEL_FILE_HEAD + record->key_length;
}

static inline bool keel_file_record_is_live(const keel_file_record *record,
                                            int64_t now_ms)
{
    return !record->expires_at_ms || record->expires_at_ms > now_ms;
}

/*
 * The name of a key's file: the hexadecimal digits of its SHA-256, so that no key can
 * lead anywhere else, be too long for a name, or differ from another in case alone.
 * False: libcrypto has no memory.
 */
bool keel_file_name(char name[KEEL_FILE_NAME_SIZE], keel_bytes key);

/* False: that is no such name. *stripe: its first byte. */
bool keel_file_name_read(const char *name, uint32_t *stripe);

#endif
