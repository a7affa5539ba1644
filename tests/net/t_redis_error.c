/* SPDX-License-Identifier: MIT */
/* Errors told apart, moves read, and keys that fall into the slots Redis puts them in. */
#include <string.h>

#include "net/redis_error.h"
#include "net/redis_slot.h"
#include "support/suite.h"

static redisReply error(const char *text)
{
    return (redisReply){ .type = REDIS_REPLY_ERROR,
                         .str = (char *)(uintptr_t)text,
                         .len = strlen(text) };
}

typedef struct error_case {
    const char *text;
    keel_redis_error error;
} error_case;

/* As Redis 7 words them. */
static const error_case errors[] = {
    { "NOSCRIPT No matching script. Please use EVAL.", KEEL_REDIS_NOSCRIPT },
    { "READONLY You can't write against a read only replica.", KEEL_REDIS_READONLY },
    { "LOADING Redis is loading the dataset in memory", KEEL_REDIS_LOADING },
    { "OOM command not allowed when used memory > 'maxmemory'.", KEEL_REDIS_OOM },
    { "MOVED 3999 127.0.0.1:6381", KEEL_REDIS_MOVED },
    { "ASK 3999 127.0.0.1:6381", KEEL_REDIS_ASK },
    { "NOPERM this user has no permissions to run the 'get' command",
      KEEL_REDIS_NOPERM },
    { "NOAUTH Authentication required.", KEEL_REDIS_NOAUTH },
    { "WRONGPASS invalid username-password pair or user is disabled.",
      KEEL_REDIS_WRONGPASS },
    { "WRONGTYPE Operation against a key holding the wrong kind of value",
      KEEL_REDIS_WRONGTYPE },
    { "CLUSTERDOWN The cluster is down", KEEL_REDIS_CLUSTERDOWN },
    { "MASTERDOWN Link with MASTER is down", KEEL_REDIS_MASTERDOWN },
    { "TRYAGAIN Multiple keys request during rehashing of slot", KEEL_REDIS_TRYAGAIN },
    { "BUSY Redis is busy running a script.", KEEL_REDIS_BUSY },
    { "BUSYKEY Target key name already exists.", KEEL_REDIS_OTHER },
    { "ERR unknown command", KEEL_REDIS_OTHER },
    { "NOSCRIPT", KEEL_REDIS_NOSCRIPT },
    { "noscript", KEEL_REDIS_OTHER },
    { "", KEEL_REDIS_OTHER },
};

START_TEST(an_error_is_told_by_its_first_word)
{
    redisReply reply = error(errors[_i].text);

    ck_assert_int_eq(keel_redis_error_of(&reply), errors[_i].error);
    reply.type = REDIS_REPLY_STATUS;
    ck_assert_int_eq(keel_redis_error_of(&reply), KEEL_REDIS_NO_ERROR);
}
END_TEST

typedef struct move_case {
    const char *why;
    const char *text;
    bool is_read;
    uint32_t slot;
    const char *host;
    uint16_t port;
} move_case;

static const move_case moves[] = {
    { "an address", "MOVED 3999 127.0.0.1:6381", true, 3999, "127.0.0.1", 6381 },
    { "this once", "ASK 16383 127.0.0.1:1", true, 16383, "127.0.0.1", 1 },
    { "IPv6 has no brackets there", "MOVED 0 ::1:6381", true, 0, "::1", 6381 },
    { "a name", "MOVED 7 redis-1.example:65535", true, 7, "redis-1.example", 65535 },
    { "the same host", "MOVED 7 :6381", true, 7, "", 6381 },
    { "no slot", "MOVED 127.0.0.1:6381", false, 0, "", 0 },
    { "no such slot", "MOVED 16384 127.0.0.1:6381", false, 0, "", 0 },
    { "a negative slot", "MOVED -1 127.0.0.1:6381", false, 0, "", 0 },
    { "no port", "MOVED 7 127.0.0.1", false, 0, "", 0 },
    { "port 0", "MOVED 7 127.0.0.1:0", false, 0, "", 0 },
    { "a large port", "MOVED 7 127.0.0.1:65536", false, 0, "", 0 },
    { "something after it", "MOVED 7 127.0.0.1:6381 x", false, 0, "", 0 },
    { "nothing after it", "MOVED", false, 0, "", 0 },
    { "another error", "ERR 7 127.0.0.1:6381", false, 0, "", 0 },
};

START_TEST(a_move_is_read_whole_or_not_at_all)
{
    const move_case *row = &moves[_i];
    keel_redis_move move = { .slot = 77 };
    redisReply reply = error(row->text);

    ck_assert_msg(keel_redis_move_read(&move, &reply) == row->is_read, "%s", row->why);
    ck_assert_uint_eq(move.slot, row->is_read ? row->slot : 77);
    ck_assert_str_eq(move.to.name, row->host);
    ck_assert_uint_eq(move.to.port, row->port);
}
END_TEST

START_TEST(a_move_to_a_name_longer_than_any_is_none)
{
    char text[64 + KEEL_REDIS_NAME_SIZE] = "MOVED 1 ";
    keel_redis_move move;
    redisReply reply;

    memset(text + strlen(text), 'x', KEEL_REDIS_NAME_SIZE);
    memcpy(text + strlen(text), ":1", 3);
    reply = error(text);
    ck_assert(!keel_redis_move_read(&move, &reply));
}
END_TEST

typedef struct slot_case {
    const char *why;
    const char *key;
    uint32_t slot;
} slot_case;

/* The numbers are what CLUSTER KEYSLOT of Redis 7.0 says. */
static const slot_case slots[] = {
    { "the check value of the CRC", "123456789", 12739 },
    { "a key", "foo", 12182 },
    { "the tag alone", "keel1:{foo}:meta", 12182 },
    { "only the first tag", "{foo}{bar}", 12182 },
    { "up to the first brace that closes", "{foo}}x", 12182 },
    { "an empty tag is none", "foo{}{bar}", 8363 },
    { "a brace that stays open", "{foo", 13308 },
    { "no key", "", 0 },
};

START_TEST(a_key_falls_into_the_slot_that_redis_puts_it_in)
{
    ck_assert_msg(keel_redis_slot(keel_text_of(slots[_i].key)) == slots[_i].slot,
                  "%s: %u", slots[_i].why,
                  keel_redis_slot(keel_text_of(slots[_i].key)));
}
END_TEST

SUITE("redis_error", 10, ROWS(an_error_is_told_by_its_first_word, errors),
      ROWS(a_move_is_read_whole_or_not_at_all, moves),
      ONE(a_move_to_a_name_longer_than_any_is_none),
      ROWS(a_key_falls_into_the_slot_that_redis_puts_it_in, slots))
