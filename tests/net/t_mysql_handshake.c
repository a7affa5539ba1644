/* SPDX-License-Identifier: MIT */
/* What a MySQL says to one who logs in, and what is answered; no server is needed. */
#include <string.h>

#include "net/mysql_handshake.h"
#include "support/suite.h"

/* Strings of bytes, with what is in them counted. */
typedef struct bytes {
    const char *at;
    size_t length;
} bytes;

#define BYTES(text)                                                                    \
    {                                                                                  \
        text, sizeof(text) - 1                                                         \
    }

/* 5.5.5-10.11.19-MariaDB, as it greets; of a server of 1998 the end is missing. */
#define CHALLENGE "12345678\0"
#define OLD_PART                                                                       \
    "\x0a"                                                                             \
    "5.1\0"                                                                            \
    "\x07\0\0\0" CHALLENGE
#define GREETING                                                                       \
    "\x39\0\0\0" OLD_PART "\xfe\xf7"                                                   \
    "\x08"                                                                             \
    "\x02\0"                                                                           \
    "\xff\x81"                                                                         \
    "\x15"                                                                             \
    "\0\0\0\0\0\0\0\0\0\0"                                                             \
    "123456789012\0"                                                                   \
    "a_method"
#define OLD_GREETING "\x14\0\0\0" OLD_PART "\x0c\xa2"
#define OLDEST_GREETING "\x14\0\0\0" OLD_PART "\x0c\x20"

#define OK "\x07\0\0\x02\0\0\0\x02\0\0\0"
#define PONG "\x07\0\0\x01\0\0\0\x02\0\0\0"
#define SWITCH                                                                         \
    "\x0e\0\0\x02\xfe"                                                                 \
    "other\0"                                                                          \
    "abcdef\0"
#define OLD_SWITCH "\x01\0\0\x02\xfe"
#define ERROR_OF(low, high) "\x09\0\0\x02\xff" low high "#28000"
#define DENIED ERROR_OF("\x15", "\x04")

static const struct {
    const char *why;
    bytes said;
    keel_mysql_state state;
} talks[] = {
    { "nothing yet", BYTES(""), KEEL_MYSQL_GREETS },
    { "half a header", BYTES("\x39\0"), KEEL_MYSQL_GREETS },
    { "half a greeting", BYTES("\x39\0\0\0" OLD_PART), KEEL_MYSQL_GREETS },
    { "a greeting", BYTES(GREETING), KEEL_MYSQL_LOGS_IN },
    { "one without its newer half", BYTES(OLD_GREETING), KEEL_MYSQL_LOGS_IN },
    { "one that speaks as before 4.1", BYTES(OLDEST_GREETING), KEEL_MYSQL_IS_ILL },
    { "too many connections", BYTES("\x17\0\0\0\xff\x10\x04Too many connections"),
      KEEL_MYSQL_IS_ILL },
    { "the host is blocked",
      BYTES("\x06\0\0\0\xff\x69\x04"
            "Hos"),
      KEEL_MYSQL_IS_ILL },
    { "nobody of this host may",
      BYTES("\x06\0\0\0\xff\x6a\x04"
            "Hos"),
      KEEL_MYSQL_IS_ILL },
    { "shutting down", BYTES("\x03\0\0\0\xff\x1d\x04"), KEEL_MYSQL_IS_ILL },
    { "another protocol",
      BYTES("\x05\0\0\0\x09"
            "3.2\0"),
      KEEL_MYSQL_IS_ILL },
    { "a version without an end",
      BYTES("\x04\0\0\0\x0a"
            "5.1"),
      KEEL_MYSQL_IS_ILL },
    { "nothing behind the version",
      BYTES("\x05\0\0\0\x0a"
            "5.1\0"),
      KEEL_MYSQL_IS_ILL },
    { "a byte too few behind it", BYTES("\x13\0\0\0" OLD_PART "\x0c"),
      KEEL_MYSQL_IS_ILL },
    { "an empty packet", BYTES("\0\0\0\0"), KEEL_MYSQL_IS_ILL },
    { "the longest packet", BYTES("\xfc\x03\0\0\x0a"), KEEL_MYSQL_GREETS },
    { "one byte longer", BYTES("\xfd\x03\0\0"), KEEL_MYSQL_IS_ILL },
    { "16 MiB to come", BYTES("\xff\xff\xff\0"), KEEL_MYSQL_IS_ILL },
    { "HTTP", BYTES("HTTP/1.1 400 Bad Request\r\n"), KEEL_MYSQL_IS_ILL },
    { "Postgres, which ends with the check's time", BYTES("E\0\0\0\x0dSFATAL\0\0"),
      KEEL_MYSQL_GREETS },
    { "Redis", BYTES("-ERR unknown command\r\n"), KEEL_MYSQL_IS_ILL },
    { "let in", BYTES(GREETING OK), KEEL_MYSQL_PINGS },
    { "and its pong", BYTES(GREETING OK PONG), KEEL_MYSQL_IS_WELL },
    { "what comes then is of no interest", BYTES(GREETING OK PONG "\0\0\0\0"),
      KEEL_MYSQL_IS_WELL },
    { "an error in its place", BYTES(GREETING OK DENIED), KEEL_MYSQL_IS_ILL },
    { "denied", BYTES(GREETING DENIED), KEEL_MYSQL_IS_WELL },
    { "of the database", BYTES(GREETING ERROR_OF("\x14", "\x04")), KEEL_MYSQL_IS_WELL },
    { "whatever the password", BYTES(GREETING ERROR_OF("\xa2", "\x06")),
      KEEL_MYSQL_IS_WELL },
    { "a locked account", BYTES(GREETING ERROR_OF("\x37", "\x10")),
      KEEL_MYSQL_IS_WELL },
    { "only with TLS", BYTES(GREETING ERROR_OF("\x57", "\x0c")), KEEL_MYSQL_IS_WELL },
    { "one that is counted against the host", BYTES(GREETING ERROR_OF("\x36", "\x10")),
      KEEL_MYSQL_IS_ILL },
    { "and another", BYTES(GREETING ERROR_OF("\xfb", "\x04")), KEEL_MYSQL_IS_ILL },
    { "too many, after the login", BYTES(GREETING ERROR_OF("\x10", "\x04")),
      KEEL_MYSQL_IS_ILL },
    { "an error without a code", BYTES(GREETING "\x02\0\0\x02\xff\x15"),
      KEEL_MYSQL_IS_ILL },
    { "another method", BYTES(GREETING SWITCH), KEEL_MYSQL_LOGS_IN },
    { "that is content", BYTES(GREETING SWITCH OK PONG), KEEL_MYSQL_IS_WELL },
    { "that is not", BYTES(GREETING SWITCH DENIED), KEEL_MYSQL_IS_WELL },
    { "the oldest method", BYTES(GREETING OLD_SWITCH DENIED), KEEL_MYSQL_IS_WELL },
    { "four rounds", BYTES(GREETING SWITCH SWITCH SWITCH SWITCH OK), KEEL_MYSQL_PINGS },
    { "no fifth", BYTES(GREETING SWITCH SWITCH SWITCH SWITCH SWITCH),
      KEEL_MYSQL_IS_ILL },
};

static keel_mysql_handshake h;

START_TEST(a_talk_comes_to_a_verdict)
{
    keel_mysql_handshake_init(&h, "keel_health");
    keel_mysql_handshake_take(&h, talks[_i].said.at, talks[_i].said.length);
    ck_assert_msg(h.state == talks[_i].state, "%s: %d", talks[_i].why, h.state);
}
END_TEST

START_TEST(a_talk_in_single_bytes_is_the_same)
{
    keel_mysql_handshake_init(&h, "keel_health");
    for (size_t i = 0; i < talks[_i].said.length; i++)
        keel_mysql_handshake_take(&h, talks[_i].said.at + i, 1);
    ck_assert_msg(h.state == talks[_i].state, "%s: %d", talks[_i].why, h.state);
}
END_TEST

/* ---- what is answered --------------------------------------------------------------- */

#define ZEROS_23 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define LOGIN_AS(name)                                                                 \
    "\0\0\0\x01"                                                                       \
    "\x21" ZEROS_23 name "\0"                                                          \
    "\0"

static const struct {
    const char *why;
    bytes said;
    bytes answer;
} answers[] = {
    { "a login without a password", BYTES(GREETING),
      BYTES("\x3b\0\0\x01"
            "\x01\x82\x08\0" LOGIN_AS("sam") "mysql_native_password\0") },
    { "as an older server reads it", BYTES(OLD_GREETING),
      BYTES("\x25\0\0\x01"
            "\x01\x82\0\0" LOGIN_AS("sam")) },
};

START_TEST(a_greeting_is_answered_by_a_login)
{
    keel_mysql_handshake_init(&h, "sam");
    keel_mysql_handshake_take(&h, answers[_i].said.at, answers[_i].said.length);
    ck_assert_mem_eq(h.out, answers[_i].answer.at, answers[_i].answer.length);
    ck_assert_uint_eq(h.out_length, answers[_i].answer.length);
}
END_TEST

static void hear(const char *said, size_t said_length, const char *answer,
                 size_t answer_length)
{
    h.out_length = 0;
    keel_mysql_handshake_take(&h, said, said_length);
    ck_assert_uint_eq(h.out_length, answer_length);
    ck_assert_mem_eq(h.out, answer, answer_length);
}

#define HEAR(said, answer) hear(said, sizeof(said) - 1, answer, sizeof(answer) - 1)

START_TEST(each_word_has_its_answer)
{
    keel_mysql_handshake_init(&h, "sam");
    keel_mysql_handshake_take(&h, GREETING, sizeof GREETING - 1);
    HEAR(SWITCH, "\0\0\0\x03");
    HEAR("\x02\0\0\x04\x01\x04", "\0\0\0\x05"); /* the whole password, please */
    HEAR("\x02\0\0\x06\x01\x03", "");           /* it needs none */
    HEAR("\x07\0\0\x07\0\0\0\x02\0\0\0", "\x01\0\0\0\x0e");
    HEAR(PONG, "\x01\0\0\0\x01");
    HEAR(PONG, "");
}
END_TEST

#define ZEROS_64 ZEROS_23 ZEROS_23 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

START_TEST(a_method_that_must_be_answered_by_a_signature_is)
{
    keel_mysql_handshake_init(&h, "sam");
    keel_mysql_handshake_take(&h, GREETING, sizeof GREETING - 1);
    HEAR("\x11\0\0\x02\xfe"
         "client_ed25519\0"
         "n",
         "\x40\0\0\x03" ZEROS_64);
    HEAR("\x0f\0\0\x04\xfe"
         "client_ed25519", /* a name that does not end is another one */
         "\0\0\0\x05");
}
END_TEST

START_TEST(a_name_without_an_end_is_cut)
{
    char name[2 * KEEL_MYSQL_USER_SIZE];

    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    keel_mysql_handshake_init(&h, name);
    keel_mysql_handshake_take(&h, GREETING, sizeof GREETING - 1);
    ck_assert_uint_eq(h.out_length, 4 + h.out[0]);
    ck_assert_ptr_nonnull(memchr(h.out + 36, '\0', KEEL_MYSQL_USER_SIZE));
}
END_TEST

SUITE("mysql_handshake", 10, ROWS(a_talk_comes_to_a_verdict, talks),
      ROWS(a_talk_in_single_bytes_is_the_same, talks),
      ROWS(a_greeting_is_answered_by_a_login, answers), ONE(each_word_has_its_answer),
      ONE(a_method_that_must_be_answered_by_a_signature_is),
      ONE(a_name_without_an_end_is_cut))
