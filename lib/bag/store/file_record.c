/* SPDX-License-Identifier: MIT */
/* Writing and reading the bytes of records. */
#include "bag/store/file_record.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/crc32c.h"

enum { FORMAT = 1, DIGEST = 32 };

/* Where each field stands. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_KEY_LENGTH = 6,
    AT_FLAGS = 8,
    AT_VALUE_CRC = 12,
    AT_VALUE_LENGTH = 16,
    AT_EXPIRES = 24,
    AT_TOKEN = 32,
    AT_NONCE = 40,
    AT_HEAD_CRC = 60
};

static const unsigned char magic[4] = { 'K', 'B', 'F', '1' };

/* ---- numbers ------------------------------------------------------------------------- */

static void put(unsigned char *at, unsigned size, uint64_t number)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

static uint64_t take(const unsigned char *at, unsigned size)
{
    uint64_t number = 0;

    for (unsigned i = size; i > 0; i--)
        number = number << 8 | at[i - 1];
    return number;
}

/* ---- records ------------------------------------------------------------------------- */

static uint32_t head_crc(const unsigned char *head, const void *key, size_t length)
{
    return keel_crc32c(keel_crc32c(0, head, AT_HEAD_CRC), key, length);
}

void keel_file_record_write(unsigned char head[KEEL_FILE_HEAD],
                            const keel_file_record *record, keel_bytes key)
{
    memset(head, 0, KEEL_FILE_HEAD);
    memcpy(head + AT_MAGIC, magic, sizeof magic);
    put(head + AT_VERSION, 2, FORMAT);
    put(head + AT_KEY_LENGTH, 2, key.length);
    put(head + AT_FLAGS, 4, record->flags);
    put(head + AT_VALUE_CRC, 4, record->value_crc);
    put(head + AT_VALUE_LENGTH, 8, record->value_length);
    put(head + AT_EXPIRES, 8, (uint64_t)record->expires_at_ms);
    put(head + AT_TOKEN, 8, record->token);
    put(head + AT_NONCE, 8, record->nonce);
    put(head + AT_HEAD_CRC, 4, head_crc(head, key.at, key.length));
}

static void take_all(keel_file_record *record, const unsigned char *head)
{
    *record = (keel_file_record){
        .key_length = (uint16_t)take(head + AT_KEY_LENGTH, 2),
        .flags = (uint32_t)take(head + AT_FLAGS, 4),
        .value_crc = (uint32_t)take(head + AT_VALUE_CRC, 4),
        .value_length = take(head + AT_VALUE_LENGTH, 8),
        .expires_at_ms = (int64_t)take(head + AT_EXPIRES, 8),
        .token = take(head + AT_TOKEN, 8),
        .nonce = take(head + AT_NONCE, 8),
    };
}

const char *keel_file_record_read(keel_file_record *record, const unsigned char *bytes,
                                  size_t length, uint64_t file_size)
{
    *record = (keel_file_record){ .flags = 0 };
    if (length < KEEL_FILE_HEAD)
        return "is too short to be a record";
    if (memcmp(bytes + AT_MAGIC, magic, sizeof magic) != 0)
        return "does not begin as a record does";
    take_all(record, bytes);
    if (!record->key_length || record->key_length > KEEL_BAG_KEY_MAX ||
        keel_file_record_value_at(record) > length)
        return "has no whole key";
    if (take(bytes + AT_HEAD_CRC, 4) !=
        head_crc(bytes, bytes + KEEL_FILE_HEAD, record->key_length))
        return "has another head than was written";
    if (take(bytes + AT_VERSION, 2) != FORMAT)
        return "is of another version of keel";
    if (record->value_length > KEEL_FILE_VALUE_MAX ||
        keel_file_record_value_at(record) + record->value_length != file_size)
        return "has another length than was written";
    return NULL;
}

/* ---- names --------------------------------------------------------------------------- */

bool keel_file_name(char name[KEEL_FILE_NAME_SIZE], keel_bytes key)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[DIGEST];

    if (!EVP_Digest(key.at, key.length, digest, NULL, EVP_sha256(), NULL))
        return false;
    for (size_t i = 0; i < sizeof digest; i++) {
        name[2 * i] = digits[digest[i] >> 4];
        name[2 * i + 1] = digits[digest[i] & 15];
    }
    name[KEEL_FILE_NAME_SIZE - 1] = '\0';
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool keel_file_name_read(const char *name, uint32_t *stripe)
{
    size_t length = 0;

    while (digit_of(name[length]) >= 0)
        length++;
    if (name[length] || length != KEEL_FILE_NAME_SIZE - 1)
        return false;
    *stripe = (uint32_t)(digit_of(name[0]) << 4 | digit_of(name[1]));
    return true;
}
