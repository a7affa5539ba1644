/* SPDX-License-Identifier: MIT */
/* memcached's text protocol, as a client writes and reads it; no server is needed. */
#include <string.h>

#include "net/memcached_request.h"
#include "support/suite.h"

#define VALUE_MAX 1000

static keel_text text(const char *string)
{
    return keel_text_of(string);
}

/* ---- requests ------------------------------------------------------------------------ */

static const keel_text one[] = { { "k", 1 } };
static const keel_text two[] = { { "k", 1 }, { "other", 5 } };

static const struct {
    keel_mc_request request;
    const char *written;
} requests[] = {
    { { .verb = KEEL_MC_GET, .keys = one, .count = 1 }, "get k\r\n" },
    { { .verb = KEEL_MC_GETS, .keys = two, .count = 2 }, "gets k other\r\n" },
    { { .verb = KEEL_MC_GAT, .keys = one, .count = 1, .ttl_s = -1 }, "gat -1 k\r\n" },
    { { .verb = KEEL_MC_GATS, .keys = two, .count = 2, .ttl_s = 60 },
      "gats 60 k other\r\n" },
    { { .verb = KEEL_MC_SET,
        .keys = one,
        .count = 1,
        .flags = UINT32_MAX,
        .ttl_s = 5,
        .value = { "a\r\nb", 4 } },
      "set k 4294967295 5 4\r\na\r\nb\r\n" },
    { { .verb = KEEL_MC_ADD, .keys = one, .count = 1 }, "add k 0 0 0\r\n\r\n" },
    { { .verb = KEEL_MC_CAS,
        .keys = one,
        .count = 1,
        .token = UINT64_MAX,
        .value = { "v", 1 } },
      "cas k 0 0 1 18446744073709551615\r\nv\r\n" },
    { { .verb = KEEL_MC_INCR, .keys = one, .count = 1, .by = 7 }, "incr k 7\r\n" },
    { { .verb = KEEL_MC_TOUCH, .keys = one, .count = 1, .ttl_s = 9 }, "touch k 9\r\n" },
    { { .verb = KEEL_MC_DELETE, .keys = one, .count = 1 }, "delete k\r\n" },
    { { .verb = KEEL_MC_FLUSH_ALL }, "flush_all\r\n" },
    { { .verb = KEEL_MC_ASK_VERSION }, "version\r\n" },
    { { .verb = KEEL_MC_META_GET,
        .keys = one,
        .count = 1,
        .wants = KEEL_MC_WANTS_VALUE | KEEL_MC_HAS_FLAGS | KEEL_MC_HAS_TOKEN |
                 KEEL_MC_HAS_TTL | KEEL_MC_HAS_SIZE,
        .gives = KEEL_MC_GIVES_TTL,
        .ttl_s = 30 },
      "mg k v f c t s T30\r\n" },
    { { .verb = KEEL_MC_META_SET,
        .keys = one,
        .count = 1,
        .value = { "v", 1 },
        .flags = 3,
        .ttl_s = -1,
        .token = 12,
        .wants = KEEL_MC_HAS_TOKEN,
        .gives = KEEL_MC_GIVES_FLAGS | KEEL_MC_GIVES_TTL | KEEL_MC_GIVES_TOKEN },
      "ms k 1 c F3 T-1 C12\r\nv\r\n" },
    { { .verb = KEEL_MC_META_SET, .keys = one, .count = 1, .mode = 'E' },
      "ms k 0 ME\r\n\r\n" },
    { { .verb = KEEL_MC_META_DELETE, .keys = one, .count = 1 }, "md k\r\n" },
    { { .verb = KEEL_MC_META_COUNT,
        .keys = one,
        .count = 1,
        .by = UINT64_MAX,
        .wants = KEEL_MC_WANTS_VALUE,
        .gives = KEEL_MC_GIVES_BY,
        .mode = 'D' },
      "ma k v D18446744073709551615 MD\r\n" },
};

START_TEST(each_request_is_written_as_the_protocol_has_it)
{
    const keel_mc_request *request = &requests[_i].request;
    char written[1024];
    const char *end = keel_mc_request_write(written, request);
    size_t length = (size_t)(end - written);

    ck_assert_uint_eq(length, strlen(requests[_i].written));
    ck_assert(memcmp(written, requests[_i].written, length) == 0);
    ck_assert_uint_le(length, keel_mc_request_room(request));
}
END_TEST

/* ---- replies ------------------------------------------------------------------------- */

static const struct {
    const char *said;
    keel_mc_reply_kind kind;
    uint32_t has;
    const char *key, *value, *text;
    uint32_t flags;
    uint64_t token, size, number;
    int64_t ttl_s;
} replies[] = {
    { .said = "STORED\r\n", .kind = KEEL_MC_STORED },
    { .said = "NOT_STORED\r\n", .kind = KEEL_MC_NOT_STORED },
    { .said = "EXISTS\r\n", .kind = KEEL_MC_EXISTS },
    { .said = "NOT_FOUND\r\n", .kind = KEEL_MC_NOT_FOUND },
    { .said = "DELETED\r\n", .kind = KEEL_MC_DELETED },
    { .said = "TOUCHED\r\n", .kind = KEEL_MC_TOUCHED },
    { .said = "END\r\n", .kind = KEEL_MC_END },
    { .said = "END\n", .kind = KEEL_MC_END },
    { .said = "OK\r\n", .kind = KEEL_MC_OK },
    { .said = "18446744073709551615\r\n", .kind = KEEL_MC_COUNT, .number = UINT64_MAX },
    { .said = "9 \r\n", .kind = KEEL_MC_COUNT, .number = 9 },
    { .said = "VERSION 1.6.18\r\n", .kind = KEEL_MC_VERSION, .text = "1.6.18" },
    { .said = "ERROR\r\n", .kind = KEEL_MC_ERROR },
    { .said = "SERVER_ERROR out of memory\r\n",
      .kind = KEEL_MC_SERVER_ERROR,
      .text = "out of memory" },
    { .said = "VALUE k 7 3\r\na\nb\r\n",
      .kind = KEEL_MC_VALUE,
      .has = KEEL_MC_HAS_KEY | KEEL_MC_HAS_FLAGS,
      .key = "k",
      .flags = 7,
      .value = "a\nb" },
    { .said = "VALUE k 0 0 18446744073709551615\r\n\r\n",
      .kind = KEEL_MC_VALUE,
      .has = KEEL_MC_HAS_KEY | KEEL_MC_HAS_FLAGS | KEEL_MC_HAS_TOKEN,
      .key = "k",
      .token = UINT64_MAX },
    { .said = "VA 4 f5 c4 t-1 s4 Wx\r\n\r\n\r\n\r\n",
      .kind = KEEL_MC_VA,
      .has = KEEL_MC_HAS_FLAGS | KEEL_MC_HAS_TOKEN | KEEL_MC_HAS_TTL | KEEL_MC_HAS_SIZE,
      .flags = 5,
      .token = 4,
      .ttl_s = -1,
      .size = 4,
      .value = "\r\n\r\n" },
    { .said = "HD c12\r\n", .kind = KEEL_MC_HD, .has = KEEL_MC_HAS_TOKEN, .token = 12 },
    { .said = "NS c0\r\n", .kind = KEEL_MC_NS, .has = KEEL_MC_HAS_TOKEN },
    { .said = "EN\r\n", .kind = KEEL_MC_EN },
    { .said = "EX\r\n", .kind = KEEL_MC_EX },
    { .said = "NF\r\n", .kind = KEEL_MC_NF },
};

static void expect_text(keel_text got, const char *wanted)
{
    ck_assert_uint_eq(got.length, wanted ? strlen(wanted) : 0);
    ck_assert(!got.length || memcmp(got.at, wanted, got.length) == 0);
}

/* And while it is not whole, more is asked for, never more than it has. */
START_TEST(each_reply_is_read_once_it_is_whole_and_not_before)
{
    const keel_text said = text(replies[_i].said);
    keel_mc_reply reply;
    size_t size;

    for (size_t length = 0; length < said.length; length++) {
        ck_assert_int_eq(keel_mc_reply_read((keel_text){ said.at, length }, VALUE_MAX,
                                            &reply, &size),
                         KEEL_MC_MORE);
        ck_assert_uint_gt(size, length);
        ck_assert_uint_le(size, said.length);
    }
    ck_assert_int_eq(keel_mc_reply_read(said, VALUE_MAX, &reply, &size), KEEL_MC_READ);
    ck_assert_uint_eq(size, said.length);
    ck_assert_int_eq(reply.kind, replies[_i].kind);
    ck_assert_uint_eq(reply.has, replies[_i].has);
    ck_assert_uint_eq(reply.flags, replies[_i].flags);
    ck_assert_uint_eq(reply.token, replies[_i].token);
    ck_assert_uint_eq(reply.size, replies[_i].size);
    ck_assert_uint_eq(reply.number, replies[_i].number);
    ck_assert_int_eq(reply.ttl_s, replies[_i].ttl_s);
    expect_text(reply.key, replies[_i].key);
    expect_text(reply.value, replies[_i].value);
    expect_text(reply.text, replies[_i].text);
}
END_TEST

static const struct {
    const char *why;
    const char *said;
} wrong[] = {
    { "an empty line", "\r\n" },
    { "another protocol", "HTTP/1.1 400 Bad Request\r\n" },
    { "a word that is longer", "STOREDX\r\n" },
    { "a word that is shorter", "STORE\r\n" },
    { "small letters", "end\r\n" },
    { "a number and more", "12 13\r\n" },
    { "a number of 65 bits", "18446744073709551616\r\n" },
    { "a number below nothing", "-1\r\n" },
    { "a value without length", "VALUE k 0\r\n" },
    { "flags of 33 bits", "VALUE k 4294967296 1\r\nx\r\n" },
    { "a length that is none", "VALUE k 0 1x\r\nx\r\n" },
    { "a length below nothing", "VALUE k 0 -1\r\n\r\n" },
    { "a value larger than is allowed", "VALUE k 0 1001\r\n" },
    { "a length of 64 bits", "VA 18446744073709551615 f0\r\n" },
    { "a length of more than that", "VA 99999999999999999999 f0\r\n" },
    { "a value that goes on", "VALUE k 0 1\r\nxx\r\n" },
    { "a value that ends in another way", "VA 1\r\nx\n\n" },
    { "a token that is none", "HD cx\r\n" },
    { "an empty token", "HD c\r\n" },
    { "a time below -1", "HD t-2\r\n" },
};

START_TEST(what_is_no_reply_is_wrong)
{
    keel_mc_reply reply;
    size_t size;

    ck_assert_msg(keel_mc_reply_read(text(wrong[_i].said), VALUE_MAX, &reply, &size) ==
                      KEEL_MC_WRONG,
                  "%s", wrong[_i].why);
}
END_TEST

START_TEST(a_line_without_end_is_not_kept_for_ever)
{
    static char line[KEEL_MC_REPLY_LINE];
    keel_mc_reply reply;
    size_t size;

    memset(line, 'A', sizeof line);
    ck_assert_int_eq(keel_mc_reply_read((keel_text){ line, sizeof line - 1 }, VALUE_MAX,
                                        &reply, &size),
                     KEEL_MC_MORE);
    ck_assert_int_eq(
        keel_mc_reply_read((keel_text){ line, sizeof line }, VALUE_MAX, &reply, &size),
        KEEL_MC_WRONG);
}
END_TEST

START_TEST(replies_are_read_one_after_the_other)
{
    static const char said[] = "VALUE a 0 1\r\nx\r\nVALUE b 0 5\r\nEND\r\n\r\nEND\r\n";
    static const keel_mc_reply_kind kinds[] = { KEEL_MC_VALUE, KEEL_MC_VALUE,
                                                KEEL_MC_END };
    keel_text rest = text(said);
    keel_mc_reply reply;
    size_t size;

    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(keel_mc_reply_read(rest, VALUE_MAX, &reply, &size),
                         KEEL_MC_READ);
        ck_assert_int_eq(reply.kind, kinds[i]);
        rest = (keel_text){ rest.at + size, rest.length - size };
    }
    ck_assert_uint_eq(rest.length, 0);
}
END_TEST

SUITE("memcached_codec", 10,
      ROWS(each_request_is_written_as_the_protocol_has_it, requests),
      ROWS(each_reply_is_read_once_it_is_whole_and_not_before, replies),
      ROWS(what_is_no_reply_is_wrong, wrong),
      ONE(a_line_without_end_is_not_kept_for_ever),
      ONE(replies_are_read_one_after_the_other))
