/* SPDX-License-Identifier: MIT */
/* CRC32C against the examples of RFC 3720, B.4, and both ways to it against each other. */
#include <string.h>

#include "base/crc32c.h"
#include "support/suite.h"

static unsigned char bytes[300];

static void fill(unsigned first, unsigned step)
{
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(first + i * step);
}

typedef struct vector {
    const char *why;
    unsigned first, step;
    size_t length;
    uint32_t crc;
} vector;

static const vector vectors[] = {
    { "nothing", 0, 0, 0, 0 },
    { "32 zeros", 0, 0, 32, 0x8a9136aa },
    { "32 bytes of ones", 0xff, 0, 32, 0x62a8ab43 },
    { "32 bytes that rise", 0, 1, 32, 0x46dd794e },
    { "32 bytes that fall", 31, 0xff, 32, 0x113fdb5c },
    { "the nine digits that all CRCs are told by", '1', 1, 9, 0xe3069283 },
};

START_TEST(it_is_as_published)
{
    const vector *v = &vectors[_i];

    fill(v->first, v->step);
    ck_assert_msg(keel_crc32c(0, bytes, v->length) == v->crc, "%s", v->why);
    ck_assert_msg(keel_crc32c_by_table(0, bytes, v->length) == v->crc, "%s", v->why);
}
END_TEST

/* Whatever the processor has for it begins and ends anywhere. */
START_TEST(both_ways_lead_to_the_same)
{
    fill(7, 13);
    for (size_t from = 0; from < 9; from++)
        for (size_t length = 0; length < sizeof bytes - 9; length++)
            ck_assert_uint_eq(keel_crc32c(0, bytes + from, length),
                              keel_crc32c_by_table(0, bytes + from, length));
}
END_TEST

START_TEST(pieces_are_as_good_as_the_whole)
{
    uint32_t whole, crc;

    fill(3, 29);
    whole = keel_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        crc = keel_crc32c(keel_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut);
        ck_assert_uint_eq(crc, whole);
    }
}
END_TEST

SUITE("crc32c", 10, ROWS(it_is_as_published, vectors), ONE(both_ways_lead_to_the_same),
      ONE(pieces_are_as_good_as_the_whole))
