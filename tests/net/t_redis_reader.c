/* SPDX-License-Identifier: MIT */
/* Replies from bytes, and what a hostile peer may not make of them. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "net/redis_reader.h"
#include "support/suite.h"

static keel_redis_reader reader;
static keel_detail why;

static void start(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert(keel_redis_reader_init(&reader));
}

static void stop(void)
{
    keel_redis_reader_cleanup(&reader);
}

static keel_status feed(const char *text)
{
    return keel_redis_reader_feed(&reader, text, strlen(text), &why);
}

static keel_status next(redisReply **reply)
{
    return keel_redis_reader_next(&reader, reply, &why);
}

START_TEST(replies_come_one_by_one_and_a_half_one_when_it_is_whole)
{
    redisReply *reply;

    ck_assert_int_eq(feed("+OK\r\n:12\r\n*2\r\n$1\r\na\r\n"), KEEL_OK);
    ck_assert_int_eq(next(&reply), KEEL_OK);
    ck_assert_str_eq(reply->str, "OK");
    freeReplyObject(reply);
    ck_assert_int_eq(next(&reply), KEEL_OK);
    ck_assert_int_eq(reply->integer, 12);
    freeReplyObject(reply);
    ck_assert_int_eq(next(&reply), KEEL_OK);
    ck_assert_ptr_null(reply);
    ck_assert_int_eq(feed("$1\r\nb\r\n"), KEEL_OK);
    ck_assert_int_eq(next(&reply), KEEL_OK);
    ck_assert_uint_eq(reply->elements, 2);
    freeReplyObject(reply);
    ck_assert_uint_eq(reader.bytes, 0);
}
END_TEST

typedef struct hostile_case {
    const char *why;
    const char *text;
} hostile_case;

static const hostile_case hostile[] = {
    { "another protocol", "HTTP/1.1 200 OK\r\n" },
    { "a length that is no number", "*x\r\n" },
    { "a negative length", "$-7\r\n" },
    { "gigabytes announced", "*1000000000\r\n" },
    { "one more than there may be", "*32769\r\n" },
    { "little by little", "*2\r\n*32766\r\n"
                          ":1\r\n:1\r\n*32766\r\n" },
    { "too many within others", "*3\r\n*16384\r\n*16384\r\n*1\r\n" },
    { "nested without an end",
      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n" },
};

START_TEST(what_is_no_reply_or_too_large_is_refused_before_it_is_allocated)
{
    const hostile_case *row = &hostile[_i];
    size_t before = mallinfo2().uordblks, after;
    redisReply *reply;

    ck_assert_int_eq(feed(row->text), KEEL_OK);
    ck_assert_msg(next(&reply) == KEEL_FAILED, "%s: %s", row->why, why.text);
    ck_assert_ptr_null(reply);
    after = mallinfo2().uordblks;
    ck_assert_msg(after < before + (1 << 20), "%s: %zu bytes", row->why,
                  after - before);
    ck_assert_msg(next(&reply) == KEEL_FAILED, "%s: it goes on", row->why);
}
END_TEST

START_TEST(what_is_announced_is_counted_for_one_reply)
{
    redisReply *reply;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(feed("*30000\r\n"), KEEL_OK);
        for (int k = 0; k < 30000; k++)
            ck_assert_int_eq(feed(":1\r\n"), KEEL_OK);
        ck_assert_msg(next(&reply) == KEEL_OK, "%s", why.text);
        ck_assert_uint_eq(reply->elements, 30000);
        freeReplyObject(reply);
    }
}
END_TEST

START_TEST(a_string_that_never_ends_is_refused)
{
    static char bytes[1 << 16];
    keel_status status = feed("$1000000000\r\n");
    unsigned pieces = 0;
    redisReply *reply;

    for (; status == KEEL_OK && pieces < 1000; pieces++) {
        status = keel_redis_reader_feed(&reader, bytes, sizeof bytes, &why);
        if (status == KEEL_OK)
            ck_assert_int_eq(next(&reply), KEEL_OK);
    }
    ck_assert_int_eq(status, KEEL_FAILED);
    ck_assert_uint_eq(pieces, KEEL_REDIS_REPLY_BYTES / sizeof bytes);
}
END_TEST

SUITE_IN("redis_reader", 30, start, stop,
         ONE(replies_come_one_by_one_and_a_half_one_when_it_is_whole),
         ROWS(what_is_no_reply_or_too_large_is_refused_before_it_is_allocated, hostile),
         ONE(what_is_announced_is_counted_for_one_reply),
         ONE(a_string_that_never_ends_is_refused))
