/* SPDX-License-Identifier: MIT */
/* What stores over HTTP write bytes as: base64, sums, names of objects, envelopes. */
#include <stdio.h>
#include <string.h>

#include "bag/store/base64.h"
#include "bag/store/crc32.h"
#include "bag/store/envelope.h"
#include "bag/store/object_name.h"
#include "bag/store/s3_reply.h"
#include "support/suite.h"

/* ---- base64 -------------------------------------------------------------------------- */

typedef struct base64_case {
    const char *bytes, *text;
} base64_case;

/* RFC 4648, section 10, and all letters that are no letters. */
static const base64_case base64_cases[] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xfb\xff\xbf", "+/+/" },
};

START_TEST(base64_is_written_and_read)
{
    const base64_case *c = &base64_cases[_i];
    char text[16], bytes[16];
    size_t length = strlen(c->bytes), told;

    ck_assert_uint_eq(keel_base64_size(length), strlen(c->text));
    keel_base64_write(text, c->bytes, length);
    ck_assert_mem_eq(text, c->text, strlen(c->text));
    ck_assert(keel_base64_length(c->text, strlen(c->text), &told));
    ck_assert_uint_eq(told, length);
    ck_assert(keel_base64_read(bytes, c->text, strlen(c->text)));
    ck_assert_mem_eq(bytes, c->bytes, length);
}
END_TEST

static const char *const no_base64[] = { "Z",    "Zg",   "Zg=",          "=Zg=", "Z===",
                                         "Zg=v", "Zm9-", "Zm9vZg==Zm9v", "    " };

START_TEST(what_is_no_base64_is_told)
{
    char bytes[16];

    ck_assert(!keel_base64_read(bytes, no_base64[_i], strlen(no_base64[_i])));
}
END_TEST

/* ---- sums ---------------------------------------------------------------------------- */

/* The check value of the catalogue of CRCs. */
START_TEST(the_sum_is_the_one_of_ethernet)
{
    ck_assert_uint_eq(keel_crc32(0, "123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(keel_crc32(keel_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
    ck_assert_uint_eq(keel_crc32(0, "", 0), 0);
}
END_TEST

/* ---- names --------------------------------------------------------------------------- */

typedef struct name_case {
    const char *key, *name;
} name_case;

static const name_case names[] = {
    { "user:17", "user:17" },
    { "a-b_c.D", "a-b_c.D" },
    { "..", "=2E." },
    { "../etc/passwd", "=2E.=2Fetc=2Fpasswd" },
    { "100%", "100=25" },
    { "a=b", "a=3Db" },
    { "\xc3\xa9\xff", "=C3=A9=FF" },
};

START_TEST(a_key_has_a_name_and_the_name_that_key)
{
    char name[KEEL_OBJECT_NAME_SIZE], key[KEEL_BAG_KEY_MAX + 1];

    keel_object_name_write(name, (keel_bytes){ names[_i].key, strlen(names[_i].key) });
    ck_assert_str_eq(name, names[_i].name);
    ck_assert(keel_object_name_read(keel_text_of(name), key));
    ck_assert_str_eq(key, names[_i].key);
}
END_TEST

START_TEST(the_longest_names_come_back_and_have_no_long_piece)
{
    char key[KEEL_BAG_KEY_MAX + 1], back[KEEL_BAG_KEY_MAX + 1];
    char name[KEEL_OBJECT_NAME_SIZE];

    for (unsigned step = 1; step < 255; step++) {
        size_t piece = 0;

        for (unsigned i = 0; i < KEEL_BAG_KEY_MAX; i++)
            key[i] = (char)(0x21 + i * step % 0xde);
        key[KEEL_BAG_KEY_MAX] = '\0';
        keel_object_name_write(name, (keel_bytes){ key, KEEL_BAG_KEY_MAX });
        ck_assert(keel_object_name_read(keel_text_of(name), back));
        ck_assert_str_eq(back, key);
        for (const char *at = name; *at; at++) {
            piece = *at == '/' ? 0 : piece + 1;
            ck_assert_uint_le(piece, KEEL_OBJECT_PIECE);
            ck_assert(piece != 1 || *at != '.');
        }
    }
}
END_TEST

static const char *const no_names[] = { "",    "a/b", "=probe-1", "=2",  "=2e",
                                        "=41", "/a",  "a/",       "=00", "a b" };

START_TEST(a_name_that_no_key_has_is_none)
{
    char key[KEEL_BAG_KEY_MAX + 1];

    ck_assert(!keel_object_name_read(keel_text_of(no_names[_i]), key));
}
END_TEST

/* ---- envelopes ----------------------------------------------------------------------- */

static const keel_envelope wrapped = { .flags = 0xfedcba98,
                                       .expires_at_ms = 0x0123456789abcdef,
                                       .mark = "0123456789abcde" };

START_TEST(any_bit_that_turns_in_an_object_is_seen)
{
    uint8_t object[KEEL_ENVELOPE_SIZE + 5] = { 0 };
    const keel_bytes whole = { object, sizeof object };
    keel_envelope read;
    keel_bytes value;

    memcpy(object + KEEL_ENVELOPE_SIZE, "value", 5);
    keel_envelope_write(object, &wrapped, (keel_bytes){ "value", 5 });
    ck_assert(keel_envelope_read(&read, whole) && keel_envelope_value(whole, &value));
    ck_assert_uint_eq(read.flags, wrapped.flags);
    ck_assert_int_eq(read.expires_at_ms, wrapped.expires_at_ms);
    ck_assert_mem_eq(read.mark, wrapped.mark, sizeof read.mark);
    ck_assert_mem_eq(value.at, "value", 5);
    for (size_t bit = 0; bit < 8 * sizeof object; bit++) {
        object[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(!keel_envelope_read(&read, whole) ||
                  !keel_envelope_value(whole, &value));
        object[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert(
        !keel_envelope_read(&read, (keel_bytes){ object, KEEL_ENVELOPE_SIZE - 1 }));
}
END_TEST

/* ---- S3's XML ------------------------------------------------------------------------ */

START_TEST(elements_are_found_one_after_the_other)
{
    keel_text xml = keel_text_of("<L><Key>a</Key><X/><Key></Key><Key>b"), inside;

    ck_assert(keel_s3_next(&xml, "Key", &inside) && keel_text_is(inside, "a"));
    ck_assert(keel_s3_next(&xml, "Key", &inside) && keel_text_is(inside, ""));
    ck_assert(!keel_s3_next(&xml, "Key", &inside));
    ck_assert(keel_text_is(
        keel_s3_error_code(keel_text_of("<Error><Code>SlowDown</Code></Error>")),
        "SlowDown"));
    ck_assert(keel_text_is(keel_s3_error_code(keel_text_of("")), ""));
}
END_TEST

SUITE("encodings", 20, ROWS(base64_is_written_and_read, base64_cases),
      ROWS(what_is_no_base64_is_told, no_base64), ONE(the_sum_is_the_one_of_ethernet),
      ROWS(a_key_has_a_name_and_the_name_that_key, names),
      ONE(the_longest_names_come_back_and_have_no_long_piece),
      ROWS(a_name_that_no_key_has_is_none, no_names),
      ONE(any_bit_that_turns_in_an_object_is_seen),
      ONE(elements_are_found_one_after_the_other))
