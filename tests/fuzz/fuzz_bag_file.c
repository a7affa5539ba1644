/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the file of an item: no crash, and what is taken for a record has a key
 * and a length that are those of the file, and is written again as it was read.
 */
#include <string.h>

#include "bag/store/file_record.h"
#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CRC_AT = 60 };

/* Nobody guesses a checksum, so that what is behind it is reached it is made right. */
static void make_right(unsigned char *bytes, size_t length)
{
    size_t key_length = length > 7 ? (size_t)(bytes[6] | bytes[7] << 8) : 0;
    uint32_t crc;

    if (length < KEEL_FILE_HEAD || key_length > length - KEEL_FILE_HEAD)
        return;
    crc =
        keel_crc32c(keel_crc32c(0, bytes, CRC_AT), bytes + KEEL_FILE_HEAD, key_length);
    for (int i = 0; i < 4; i++)
        bytes[CRC_AT + i] = (unsigned char)(crc >> 8 * i);
}

static void check(const keel_file_record *record, const unsigned char *bytes,
                  size_t size)
{
    const keel_bytes key = { bytes + KEEL_FILE_HEAD, record->key_length };
    unsigned char again[KEEL_FILE_HEAD_AND_KEY], third[KEEL_FILE_HEAD];
    keel_file_record read_again;

    if (!key.length || key.length > KEEL_BAG_KEY_MAX ||
        keel_file_record_value_at(record) + record->value_length != size)
        __builtin_trap();
    keel_file_record_write(again, record, key);
    memcpy(again + KEEL_FILE_HEAD, key.at, key.length);
    if (keel_file_record_read(&read_again, again, KEEL_FILE_HEAD + key.length, size))
        __builtin_trap();
    keel_file_record_write(third, &read_again, key);
    if (memcmp(third, again, sizeof third) != 0)
        __builtin_trap();
}

static void check_name(const uint8_t *data, size_t size)
{
    char name[KEEL_FILE_NAME_SIZE + 1];
    size_t length = size < sizeof name - 1 ? size : sizeof name - 1;
    uint32_t stripe;

    memcpy(name, data, length);
    name[length] = '\0';
    if (keel_file_name_read(name, &stripe) && stripe > 255)
        __builtin_trap();
}

/* The first byte: whether the checksum is made right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char bytes[KEEL_FILE_HEAD_AND_KEY];
    keel_file_record record;
    size_t length;

    if (!size)
        return 0;
    length = size - 1 < sizeof bytes ? size - 1 : sizeof bytes;
    memcpy(bytes, data + 1, length);
    if (data[0] & 1)
        make_right(bytes, length);
    if (!keel_file_record_read(&record, bytes, length, size - 1))
        check(&record, bytes, size - 1);
    check_name(data + 1, size - 1);
    return 0;
}
