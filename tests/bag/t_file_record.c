/* SPDX-License-Identifier: MIT */
/* A flat file's records as bytes: read as they were written, or not at all. */
#include <string.h>

#include "bag/store/file_record.h"
#include "support/suite.h"

enum { KEY_LENGTH = 7, VALUE_LENGTH = 1000, SIZE = KEEL_FILE_HEAD + KEY_LENGTH };

static const keel_bytes key = { "user:17", KEY_LENGTH };
static const keel_file_record written = { .flags = 0xfedcba98,
                                          .value_crc = 0x12345678,
                                          .value_length = VALUE_LENGTH,
                                          .expires_at_ms = INT64_C(0x123456789abcdef),
                                          .token = UINT64_C(0xfedcba9876543210),
                                          .nonce = UINT64_C(0x0f1e2d3c4b5a6978),
                                          .key_length = KEY_LENGTH };
static unsigned char bytes[SIZE];

static void setup(void)
{
    keel_file_record_write(bytes, &written, key);
    memcpy(bytes + KEEL_FILE_HEAD, key.at, key.length);
}

static const char *read_it(keel_file_record *record, size_t length, uint64_t size)
{
    return keel_file_record_read(record, bytes, length, size);
}

START_TEST(a_record_is_read_as_it_was_written)
{
    keel_file_record r;

    ck_assert_ptr_null(read_it(&r, SIZE, SIZE + VALUE_LENGTH));
    ck_assert_uint_eq(r.flags, written.flags);
    ck_assert_uint_eq(r.value_crc, written.value_crc);
    ck_assert_uint_eq(r.value_length, written.value_length);
    ck_assert_int_eq(r.expires_at_ms, written.expires_at_ms);
    ck_assert_uint_eq(r.token, written.token);
    ck_assert_uint_eq(r.nonce, written.nonce);
    ck_assert_uint_eq(r.key_length, written.key_length);
    ck_assert_uint_eq(keel_file_record_value_at(&r), SIZE);
}
END_TEST

/* What stands on a disk is read by keels to come. */
START_TEST(the_format_stays)
{
    static const unsigned char head[] = "KBF1\x01\x00\x07\x00\x98\xba\xdc\xfe";

    ck_assert_mem_eq(bytes, head, sizeof head - 1);
    ck_assert_mem_eq(bytes + 32, "\x10\x32\x54\x76\x98\xba\xdc\xfe", 8);
}
END_TEST

START_TEST(every_flipped_bit_of_head_and_key_is_seen)
{
    keel_file_record r;

    for (size_t bit = 0; bit < 8 * SIZE; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ck_assert_msg(read_it(&r, SIZE, SIZE + VALUE_LENGTH), "bit %zu", bit);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(every_other_length_is_seen)
{
    keel_file_record r;

    for (size_t size = 0; size < SIZE + 2 * VALUE_LENGTH; size++)
        if (size != SIZE + VALUE_LENGTH)
            ck_assert_msg(read_it(&r, size < SIZE ? size : SIZE, size), "%zu", size);
}
END_TEST

START_TEST(an_item_is_alive_until_its_instant)
{
    keel_file_record r = { .expires_at_ms = 1000 };

    ck_assert(keel_file_record_is_live(&r, 999));
    ck_assert(!keel_file_record_is_live(&r, 1000));
    r.expires_at_ms = 0;
    ck_assert(keel_file_record_is_live(&r, INT64_MAX));
}
END_TEST

/* FIPS 180-4's example. */
START_TEST(a_name_is_the_keys_sha_256)
{
    char name[KEEL_FILE_NAME_SIZE];
    uint32_t stripe;

    ck_assert(keel_file_name(name, (keel_bytes){ "abc", 3 }));
    ck_assert_str_eq(
        name, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(keel_file_name_read(name, &stripe));
    ck_assert_uint_eq(stripe, 0xba);
}
END_TEST

static const char *const not_names[] = {
    "",
    "new",
    "..",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
    "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a.",
};

START_TEST(nothing_else_is_a_name)
{
    uint32_t stripe;

    ck_assert(!keel_file_name_read(not_names[_i], &stripe));
}
END_TEST

SUITE_IN("file_record", 10, setup, NULL, ONE(a_record_is_read_as_it_was_written),
         ONE(the_format_stays), ONE(every_flipped_bit_of_head_and_key_is_seen),
         ONE(every_other_length_is_seen), ONE(an_item_is_alive_until_its_instant),
         ONE(a_name_is_the_keys_sha_256), ROWS(nothing_else_is_a_name, not_names))
