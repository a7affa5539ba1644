/* SPDX-License-Identifier: MIT */
/*
 * What keel serve answers, on one connection without a process: each conversation is held
 * twice, all that the client says at once and byte by byte, and must come out the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../tools/serve_connection.h"
#include "../../tools/serve_token.h"
#include "bag/bag.h"
#include "bag/registry.h"
#include "support/suite.h"

enum { HEARD = 1 << 20, LINE_MAX_SIZE = 4096, VALUE_MAX_SIZE = 1000 };

static keel_serve_source source;
static keel_serve_desk desk;
static keel_serve_connection *server;
static int client = -1;
static char heard[HEARD];

static void say_nothing(keel_serve_buffer *out, void *ctx)
{
    (void)ctx;
    keel_serve_put_text(out, "STAT answer 42\r\n");
}

static void open_bag(const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;

    source = (keel_serve_source){ .stats = say_nothing };
    source.abilities.size = sizeof source.abilities;
    desk = (keel_serve_desk){ .source = &source };
    ck_assert_int_eq(keel_open(&source.runtime, NULL, &why), KEEL_OK);
    ck_assert_msg(keel_bag_open(&source.bag, source.runtime, "served", spec, &why) ==
                      KEEL_OK,
                  "%s", why.text);
    ck_assert_int_eq(keel_bag_look(source.bag, &source.abilities), KEEL_OK);
}

static void open_connection(void)
{
    int ends[2];

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    client = ends[0];
    server = keel_serve_connection_new(ends[1], LINE_MAX_SIZE, VALUE_MAX_SIZE);
    ck_assert_ptr_nonnull(server);
}

static void close_connection(void)
{
    keel_serve_connection_free(server);
    close(client);
    client = -1;
}

static void setup(void)
{
    open_bag("memory://?allow_flush=on");
    open_connection();
}

static void teardown(void)
{
    close_connection();
    keel_serve_desk_cleanup(&desk);
    keel_bag_close(source.bag);
    keel_close(source.runtime, 0);
}

/* What has been answered so far, added to what was heard before. */
static void hear(void)
{
    size_t length = strlen(heard);
    ssize_t got;

    while ((got = recv(client, heard + length, sizeof heard - 1 - length, 0)) > 0)
        length += (size_t)got;
    heard[length] = '\0';
}

/* True: the connection lives on. */
static bool say(const char *bytes, size_t length, size_t at_once)
{
    bool lives = true;

    heard[0] = '\0';
    for (size_t at = 0; at < length && lives; at += at_once) {
        size_t some = length - at < at_once ? length - at : at_once;

        ck_assert_int_eq(send(client, bytes + at, some, MSG_NOSIGNAL), (ssize_t)some);
        lives = keel_serve_take_turn(server, &desk);
        hear();
    }
    return lives;
}

static const char *answer_to(const char *text)
{
    say(text, strlen(text), strlen(text));
    return heard;
}

/* ---- conversations ------------------------------------------------------------------- */

#define KEY_50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY_250 KEY_50 KEY_50 KEY_50 KEY_50 KEY_50
#define BAD "CLIENT_ERROR bad command line format\r\n"

static const struct talk {
    const char *why;
    const char *said, *answered;
    bool ends;
} talks[] = {
    { "a value comes back as it was stored", "set a 7 0 5\r\nhello\r\nget a\r\n",
      "STORED\r\nVALUE a 7 5\r\nhello\r\nEND\r\n", false },
    { "an empty value is one", "set a 0 0 0\r\n\r\nget a\r\n",
      "STORED\r\nVALUE a 0 0\r\n\r\nEND\r\n", false },
    { "a value may look like a command", "set a 0 0 9\r\nget b\r\nEN\r\nget a\r\n",
      "STORED\r\nVALUE a 0 9\r\nget b\r\nEN\r\nEND\r\n", false },
    { "a line may end without a carriage return", "set a 0 0 1\nx\r\nget a\n",
      "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n", false },
    { "flags have 32 bits", "set a 4294967295 0 1\r\nx\r\nget a\r\n",
      "STORED\r\nVALUE a 4294967295 1\r\nx\r\nEND\r\n", false },
    { "and no more", "set a 4294967296 0 1\r\nx\r\nget a\r\n", BAD "END\r\n", false },
    { "hits are told in the order asked, misses left out",
      "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nget b x a b\r\n",
      "STORED\r\nSTORED\r\nVALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\n"
      "VALUE b 0 1\r\n2\r\nEND\r\n",
      false },
    { "a key of 250 bytes", "set " KEY_250 " 0 0 1\r\nx\r\nmg " KEY_250 " v\r\n",
      "STORED\r\nVA 1\r\nx\r\n", false },
    { "one of 251 is refused, with its value",
      "set " KEY_250 "k 0 0 5\r\nget a\r\nget " KEY_250 "k\r\n", BAD BAD, false },
    { "a key with a control character", "get a\x01\r\n",
      "CLIENT_ERROR a key has no blanks and no control characters\r\n", false },
    { "add and replace",
      "replace a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nadd a 0 0 1\r\n3\r\n"
      "replace a 0 0 1\r\n4\r\nget a\r\n",
      "NOT_STORED\r\nSTORED\r\nNOT_STORED\r\nSTORED\r\nVALUE a 0 1\r\n4\r\nEND\r\n",
      false },
    { "append and prepend keep flags",
      "append a 0 0 1\r\n1\r\nset a 5 0 1\r\n2\r\nappend a 9 0 1\r\n3\r\n"
      "prepend a 9 0 1\r\n1\r\nget a\r\n",
      "NOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nVALUE a 5 3\r\n123\r\nEND\r\n",
      false },
    { "numbers wrap above, and stay at 0 below",
      "incr n 1\r\nset n 0 0 20\r\n18446744073709551615\r\nincr n 2\r\ndecr n 5\r\n"
      "get n\r\n",
      "NOT_FOUND\r\nSTORED\r\n1\r\n0\r\nVALUE n 0 1\r\n0\r\nEND\r\n", false },
    { "what is no number", "set n 0 0 1\r\nx\r\nincr n 1\r\nincr n -1\r\nincr n\r\n",
      "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
      "CLIENT_ERROR invalid numeric delta argument\r\nERROR\r\n",
      false },
    { "delete, and as old clients say it",
      "set a 0 0 1\r\nx\r\ndelete a 0\r\ndelete a\r\ndelete a 5\r\n",
      "STORED\r\nDELETED\r\nNOT_FOUND\r\n"
      "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n",
      false },
    { "touch, and a past that is gone",
      "touch a 10\r\nset a 0 0 1\r\nx\r\ntouch a 10\r\ngat 10 a b\r\ntouch a -1\r\n"
      "get a\r\n",
      "NOT_FOUND\r\nSTORED\r\nTOUCHED\r\nVALUE a 0 1\r\nx\r\nEND\r\nTOUCHED\r\nEND\r\n",
      false },
    { "an expiry below 0 is over at once", "set a 0 -1 1\r\nx\r\nget a\r\n",
      "STORED\r\nEND\r\n", false },
    { "flush", "set a 0 0 1\r\nx\r\nflush_all\r\nget a\r\nflush_all 10\r\n",
      "STORED\r\nOK\r\nEND\r\nSERVER_ERROR a bag is flushed at once, or not\r\n",
      false },
    { "noreply says nothing, not even that it failed",
      "set a 0 0 1 noreply\r\nx\r\nadd a 0 0 1 noreply\r\ny\r\nincr a 1 noreply\r\n"
      "delete b noreply\r\ntouch a 0 noreply\r\nverbosity 1 noreply\r\nget a\r\n",
      "VALUE a 0 1\r\nx\r\nEND\r\n", false },
    { "nor what was wrong with it",
      "incr a x noreply\r\nincr a noreply\r\ntouch a x noreply\r\n"
      "touch a noreply\r\nset a x 0 1 noreply\r\ny\r\nset a 0 x 1 noreply\r\ny\r\n"
      "cas a 0 0 1 x noreply\r\ny\r\ndelete a b noreply\r\nflush_all x noreply\r\n"
      "verbosity x noreply\r\nmn\r\n",
      "MN\r\n", false },
    { "but where it is not the word for that",
      "incr noreply\r\nincr a 1 2 noreply\r\ndelete noreply\r\nmn\r\n",
      "ERROR\r\nCLIENT_ERROR bad command line format\r\nNOT_FOUND\r\nMN\r\n", false },
    { "of the server itself",
      "version x\r\nverbosity 1\r\nstats\r\nstats settings\r\nstats reset\r\n"
      "stats nothing\r\n",
      "VERSION 1.6.0-keel-0.1.0\r\nOK\r\nSTAT answer 42\r\nEND\r\nEND\r\nRESET\r\n"
      "ERROR\r\n",
      false },
    { "what is no command", "\r\nGET a\r\nget\r\nlru mode flat\r\n",
      "ERROR\r\nERROR\r\nERROR\r\nERROR\r\n", false },
    { "quit ends it, and what follows is not read", "version\r\nquit\r\nversion\r\n",
      "VERSION 1.6.0-keel-0.1.0\r\n", true },
    { "the value of a wrong line is no command",
      "set a x 0 9\r\nflush_all\r\nset a 0 y 9\r\nflush_all\r\nversion\r\n",
      BAD BAD "VERSION 1.6.0-keel-0.1.0\r\n", false },
    { "without a length nobody knows where it goes on", "set a 0 0 -1\r\nversion\r\n",
      BAD, true },
    { "a value longer than it says", "set a 0 0 2\r\nxyz and more\r\nversion\r\n",
      "CLIENT_ERROR bad data chunk\r\nVERSION 1.6.0-keel-0.1.0\r\n", false },
    { "meta: hits", "ms a 2 F5 T90\r\nhi\r\nmg a\r\nmg a s v t f k Oxy\r\nmg a v q\r\n",
      "HD\r\nHD\r\nVA 2 s2 t90 f5 ka Oxy\r\nhi\r\nVA 2\r\nhi\r\n", false },
    { "meta: misses, and those that are kept quiet",
      "mg a v k O1\r\nmg a v q\r\nmn\r\n", "EN ka O1\r\nMN\r\n", false },
    { "meta: modes",
      "ms a 1 MR\r\n1\r\nms a 1 ME\r\n2\r\nms a 1 ME k\r\n3\r\nms a 1 Ma\r\n4\r\n"
      "ms a 1 MP\r\n1\r\nms a 1 MX\r\n5\r\nmg a v\r\n",
      "NS\r\nHD\r\nNS ka\r\nHD\r\nHD\r\nCLIENT_ERROR invalid mode for ms M token\r\n"
      "VA 3\r\n124\r\n",
      false },
    { "meta: q hides success alone",
      "ms a 1 q\r\n1\r\nms a 1 q ME\r\n2\r\nmd a q\r\nmd a q\r\nmn\r\n",
      "NS\r\nNF\r\nMN\r\n", false },
    { "meta: a life is renewed by a look", "ms a 1 T10\r\nx\r\nmg a T90\r\nmg a t\r\n",
      "HD\r\nHD\r\nHD t90\r\n", false },
    { "meta: numbers, and those that begin",
      "ma n\r\nma n N0 J7 v\r\nma n D5 v\r\nma n MD D2 v k\r\nma n q\r\nma n MX\r\n"
      "ma n v\r\n",
      "NF\r\nVA 1\r\n7\r\nVA 2\r\n12\r\nVA 2 kn\r\n10\r\n"
      "CLIENT_ERROR invalid mode for ma M token\r\nVA 2\r\n12\r\n",
      false },
    { "meta: binary keys",
      "ms aGVsbG8= 1 b k\r\nx\r\nget hello\r\nmg aGVsbG8= b k v\r\nmg aGVsbG8 b\r\n"
      "mg AAA= b\r\nmd aGVsbG8= b\r\n",
      "HD kaGVsbG8= b\r\nVALUE hello 0 1\r\nx\r\nEND\r\nVA 1 kaGVsbG8= b\r\nx\r\n"
      "CLIENT_ERROR bad key\r\nCLIENT_ERROR bad key\r\nHD\r\n",
      false },
    { "meta: what a bag does not know is refused, with its value",
      "ms a 1 I\r\nx\r\nmg a h\r\nmg a N30\r\nmg a v v\r\nmn\r\n",
      "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR invalid flag\r\n"
      "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR duplicate flag\r\nMN\r\n",
      false },
};

static void hold(const struct talk *t, size_t at_once)
{
    bool lives = say(t->said, strlen(t->said), at_once);

    ck_assert_msg(!strcmp(heard, t->answered), "%s: \"%s\" is answered with \"%s\"",
                  t->why, t->said, heard);
    ck_assert_msg(lives == !t->ends, "%s: the connection", t->why);
}

START_TEST(answers_are_memcached_s)
{
    hold(&talks[_i], SIZE_MAX / 2);
}
END_TEST

START_TEST(answers_do_not_depend_on_how_the_bytes_come)
{
    hold(&talks[_i], 1);
}
END_TEST

/* ---- limits -------------------------------------------------------------------------- */

START_TEST(a_value_that_is_too_large_is_passed_over)
{
    char said[VALUE_MAX_SIZE + 100], expected[VALUE_MAX_SIZE + 100];
    int length = sprintf(said, "set a 0 0 %d\r\n", VALUE_MAX_SIZE + 1);

    memset(said + length, 'x', VALUE_MAX_SIZE + 1);
    strcpy(said + length + VALUE_MAX_SIZE + 1, "\r\nget a\r\n");
    ck_assert_str_eq(answer_to(said),
                     "SERVER_ERROR object too large for cache\r\nEND\r\n");
    length = sprintf(said, "set a 0 0 %d\r\n", VALUE_MAX_SIZE);
    memset(said + length, 'x', VALUE_MAX_SIZE);
    strcpy(said + length + VALUE_MAX_SIZE, "\r\nget a\r\n");
    sprintf(expected, "STORED\r\nVALUE a 0 %d\r\n%.*s\r\nEND\r\n", VALUE_MAX_SIZE,
            VALUE_MAX_SIZE, said + length);
    ck_assert_str_eq(answer_to(said), expected);
}
END_TEST

START_TEST(a_line_that_is_too_long_ends_the_connection)
{
    char said[LINE_MAX_SIZE + 2];

    memset(said, 'x', sizeof said);
    ck_assert(!say(said, sizeof said, 100));
    ck_assert_str_eq(heard, "CLIENT_ERROR line too long\r\n");
}
END_TEST

START_TEST(a_zero_byte_ends_the_connection)
{
    ck_assert(!say("get a\0b\r\nversion\r\n", 18, 18));
    ck_assert_str_eq(heard, BAD);
}
END_TEST

START_TEST(a_get_has_as_many_keys_as_its_line_holds)
{
    enum { KEYS = 300 };
    char said[LINE_MAX_SIZE] = "get", *to = said + 3;
    size_t hits = 0;

    for (int i = 0; i < KEYS; i++) {
        char set[64];

        sprintf(set, "set key:%d 0 0 3\r\n%03d\r\n", i, i);
        ck_assert_str_eq(answer_to(set), "STORED\r\n");
        to += sprintf(to, " key:%d", i);
    }
    strcpy(to, "\r\nversion\r\n");
    answer_to(said);
    for (const char *at = heard; (at = strstr(at, "VALUE key:")); at++) {
        char value[16];

        sprintf(value, " 0 3\r\n%03zu\r\n", hits++);
        ck_assert_ptr_nonnull(strstr(at, value));
    }
    ck_assert_uint_eq(hits, KEYS);
    ck_assert_ptr_nonnull(strstr(heard, "\r\nEND\r\nVERSION"));
}
END_TEST

/* A client that does not read gets no more than its socket and OUT_MAX hold; what it asked
 * for comes when it does. */
START_TEST(answers_wait_for_whoever_does_not_read)
{
    static const char get[] = "get a a a a\r\n";
    size_t asked = 0, answers = 0;
    char said[VALUE_MAX_SIZE + 100];
    int length = sprintf(said, "set a 0 0 %d\r\n", VALUE_MAX_SIZE);

    memset(said + length, 'x', VALUE_MAX_SIZE);
    strcpy(said + length + VALUE_MAX_SIZE, "\r\n");
    ck_assert_str_eq(answer_to(said), "STORED\r\n");
    while (send(client, get, sizeof get - 1, MSG_NOSIGNAL) == sizeof get - 1) {
        asked += 4;
        ck_assert(keel_serve_take_turn(server, &desk));
        ck_assert_uint_lt(keel_serve_held(&server->out),
                          KEEL_SERVE_OUT_MAX + 2 * VALUE_MAX_SIZE);
        ck_assert_uint_lt(server->out.size, 4 * KEEL_SERVE_OUT_MAX);
    }
    ck_assert(server->is_blocked);
    while (answers < asked) {
        heard[0] = '\0';
        hear();
        for (const char *at = heard; (at = strstr(at, "VALUE a")); at++)
            answers++;
        ck_assert(keel_serve_take_turn(server, &desk));
    }
    ck_assert_uint_eq(answers, asked);
}
END_TEST

/* ---- cas ----------------------------------------------------------------------------- */

static uint64_t token_told(const char *answer)
{
    uint64_t token = 0;

    ck_assert_int_eq(sscanf(answer, "VALUE a %*u %*u %" SCNu64, &token), 1);
    return token;
}

static const char *cas_with(uint64_t token, const char *more)
{
    char said[128];

    sprintf(said, "cas a 0 0 1 %" PRIu64 "\r\ny\r\n%s", token, more);
    return answer_to(said);
}

static void a_number_stores_once(void)
{
    uint64_t token;

    ck_assert_str_eq(answer_to("set a 0 0 1\r\nx\r\n"), "STORED\r\n");
    token = token_told(answer_to("gets a\r\n"));
    ck_assert_str_eq(cas_with(token + 1, ""), "EXISTS\r\n");
    ck_assert_str_eq(cas_with(token, ""), "STORED\r\n");
    ck_assert_str_eq(cas_with(token, ""), "EXISTS\r\n");
    ck_assert_uint_ne(token_told(answer_to("gets a\r\n")), token);
    ck_assert_str_eq(answer_to("delete a\r\n"), "DELETED\r\n");
    ck_assert_str_eq(cas_with(token, ""), "NOT_FOUND\r\n");
}

static void a_meta_number_stores_once(void)
{
    char said[128];
    uint64_t token;

    ck_assert_int_eq(sscanf(answer_to("ms a 1 c\r\nx\r\n"), "HD c%" SCNu64, &token), 1);
    sprintf(said, "ms a 1 C%" PRIu64 "\r\ny\r\nms a 1 C%" PRIu64 "\r\nz\r\n", token,
            token);
    ck_assert_str_eq(answer_to(said), "HD\r\nEX\r\n");
    sprintf(said, "md a C%" PRIu64 "\r\n", token);
    ck_assert_str_eq(answer_to(said), "EX\r\n");
    ck_assert_int_eq(sscanf(answer_to("mg a c\r\n"), "HD c%" SCNu64, &token), 1);
    sprintf(said, "md a C%" PRIu64 "\r\nmg a\r\n", token);
    ck_assert_str_eq(answer_to(said), "HD\r\nEN\r\n");
}

START_TEST(a_token_of_eight_bytes_is_its_number)
{
    a_number_stores_once();
    a_meta_number_stores_once();
}
END_TEST

/* ---- bags that are otherwise --------------------------------------------------------- */

/* The memory store, with longer tokens, and keys whose writes fail. */
static keel_bag_token lengthened(const keel_bag_token *token)
{
    keel_bag_token longer = *token;

    if (token->length)
        longer.length = (uint8_t)(token->length + 12);
    return longer;
}

static keel_status get_long(void *state, const keel_bag_op *op, keel_bytes key,
                            keel_bag_item *item, keel_detail *why)
{
    keel_status status = keel_store_memory.get(state, op, key, item, why);

    item->token = lengthened(&item->token);
    return status;
}

static keel_status store_long(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_put *put, keel_bag_token *fresh,
                              keel_detail *why)
{
    keel_bag_put shorter = *put;
    keel_bag_token expected;
    keel_status status;

    if (put->expected) {
        if (put->expected->length != 20)
            return KEEL_EXISTS;
        expected = *put->expected;
        expected.length = 8;
        shorter.expected = &expected;
    }
    status = keel_store_memory.store(state, op, key, &shorter, fresh, why);
    *fresh = lengthened(fresh);
    return status;
}

static keel_status remove_long(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    keel_bag_token shorter = expected ? *expected : (keel_bag_token){ 0 };

    if (expected && expected->length != 20)
        return KEEL_EXISTS;
    shorter.length = 8;
    return keel_store_memory.remove(state, op, key, expected ? &shorter : NULL, why);
}

static keel_status store_and_fail(void *state, const keel_bag_op *op, keel_bytes key,
                                  const keel_bag_put *put, keel_bag_token *fresh,
                                  keel_detail *why)
{
    if (*(const char *)key.at == 'u')
        return keel_bag_fail(why, KEEL_TIMEOUT, KEEL_APPLIED_UNKNOWN, "memory",
                             "no answer\r\nEND in %d ms", 500);
    if (*(const char *)key.at == 'f')
        return keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_NO, "memory", "it is down");
    return keel_store_memory.store(state, op, key, put, fresh, why);
}

static keel_status get_or_fail(void *state, const keel_bag_op *op, keel_bytes key,
                               keel_bag_item *item, keel_detail *why)
{
    if (*(const char *)key.at == 'f')
        return keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_NO, "memory", "it is down");
    return keel_store_memory.get(state, op, key, item, why);
}

static void replace_ops(keel_bag_ops *with)
{
    source.bag->root.ops = with;
}

START_TEST(a_longer_token_goes_out_as_a_hash_and_comes_back)
{
    static keel_bag_ops ops;

    ops = keel_store_memory;
    ops.get = get_long;
    ops.store = store_long;
    ops.remove = remove_long;
    replace_ops(&ops);
    a_number_stores_once();
    a_meta_number_stores_once();
}
END_TEST

START_TEST(a_number_from_before_a_restart_still_stores)
{
    static keel_bag_ops ops;
    uint64_t token;

    ops = keel_store_memory;
    ops.get = get_long;
    ops.store = store_long;
    replace_ops(&ops);
    answer_to("set a 0 0 1\r\nx\r\n");
    token = token_told(answer_to("gets a\r\n"));
    source.token_kinds = 0; /* it has seen none of them */
    ck_assert_str_eq(cas_with(token, ""), "STORED\r\n");
}
END_TEST

START_TEST(a_failure_is_told_and_never_a_miss)
{
    static keel_bag_ops ops;

    ops = keel_store_memory;
    ops.get = get_or_fail;
    ops.store = store_and_fail;
    replace_ops(&ops);
    ck_assert_str_eq(answer_to("set f 0 0 1\r\nx\r\n"),
                     "SERVER_ERROR memory: it is down\r\n");
    ck_assert_str_eq(answer_to("set u 0 0 1\r\nx\r\n"),
                     "SERVER_ERROR it may have been done: memory: no answer??END in "
                     "500 ms\r\n");
    ck_assert_str_eq(answer_to("set a 0 0 1\r\nx\r\nget a f a\r\nget a\r\n"),
                     "STORED\r\nVALUE a 0 1\r\nx\r\nSERVER_ERROR memory: it is down\r\n"
                     "VALUE a 0 1\r\nx\r\nEND\r\n");
    ck_assert_str_eq(answer_to("mg f v q\r\nms u 1 q\r\nx\r\nmn\r\n"),
                     "SERVER_ERROR memory: it is down\r\n"
                     "SERVER_ERROR it may have been done: memory: no answer??END in "
                     "500 ms\r\nMN\r\n");
    ck_assert_str_eq(answer_to("set f 0 0 1 noreply\r\nx\r\nmn\r\n"), "MN\r\n");
    ck_assert_uint_eq(keel_serve_counted(&desk.counts, KEEL_SERVE_UNKNOWN_WRITES), 2);
}
END_TEST

static unsigned batches;

static void get_many_counted(void *state, const keel_bag_op *op,
                             const keel_bytes keys[], keel_bag_item items[],
                             keel_status statuses[], size_t count, keel_detail *why)
{
    batches++;
    for (size_t i = 0; i < count; i++)
        statuses[i] = get_or_fail(state, op, keys[i], &items[i], why);
}

static void have_batches(void)
{
    static keel_bag_ops ops;

    ops = keel_store_memory;
    ops.get = get_or_fail;
    ops.get_many = get_many_counted;
    replace_ops(&ops);
    source.abilities.effective |= KEEL_CAN_MANY;
    batches = 0;
}

START_TEST(several_keys_go_in_one_exchange_where_the_bag_can)
{
    have_batches();
    answer_to("set a 1 0 1\r\nx\r\nset b 2 0 2\r\nyz\r\n");
    ck_assert_str_eq(answer_to("get a c b a\r\n"),
                     "VALUE a 1 1\r\nx\r\nVALUE b 2 2\r\nyz\r\nVALUE a 1 1\r\nx\r\n"
                     "END\r\n");
    ck_assert_uint_eq(batches, 1);
    ck_assert_str_eq(answer_to("get a f b\r\n"),
                     "VALUE a 1 1\r\nx\r\nSERVER_ERROR memory: it is down\r\n");
}
END_TEST

/* The room for each of several is 2 KiB at first. */
START_TEST(values_of_a_batch_may_be_larger_than_its_room)
{
    static char value[100000], said[200], *expected;
    const keel_bag_options options = { .size = sizeof options, .flags = 3 };

    have_batches();
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 3; i++) {
        size_t length = i == 1 ? 5000 : i == 2 ? sizeof value - 1 : 2;
        char key[2] = { (char)('a' + i), '\0' };

        ck_assert_int_eq(keel_bag_set(source.bag, key, value, length, &options, NULL),
                         KEEL_OK);
    }
    expected = malloc(3 * sizeof value);
    ck_assert_ptr_nonnull(expected);
    sprintf(
        expected,
        "VALUE c 3 99999\r\n%s\r\nVALUE a 3 2\r\nvv\r\nVALUE b 3 5000\r\n%.5000s\r\n"
        "END\r\n",
        value, value);
    strcpy(said, "get c a b\r\n");
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(answer_to(said), expected);
    free(expected);
}
END_TEST

START_TEST(a_value_that_ends_by_being_read_is_read_once)
{
    enum { LENGTH = 60000 };
    static char value[LENGTH + 1], said[64];

    memset(value, 'v', LENGTH);
    for (int i = 0; i < 3; i++) {
        static const char *const reads[] = { "gat -1 k", "gats 2592001 k",
                                             "mg k v T-1" };

        ck_assert_int_eq(keel_bag_set(source.bag, "k", value, LENGTH, NULL, NULL),
                         KEEL_OK);
        snprintf(said, sizeof said, "%s\r\nget k\r\n", reads[i]);
        ck_assert_ptr_nonnull(strstr(answer_to(said), value));
        ck_assert_str_eq(answer_to("get k\r\n"), "END\r\n");
    }
}
END_TEST

START_TEST(what_a_bag_cannot_keep_is_refused)
{
    source.abilities.effective &= ~(uint32_t)(KEEL_CAN_TTL | KEEL_CAN_FLAGS);
    ck_assert_str_eq(answer_to("set a 1 0 1\r\nx\r\nset a 0 9 1\r\nx\r\nget a\r\n"),
                     "SERVER_ERROR the bag keeps no flags\r\n"
                     "SERVER_ERROR the items of this bag do not expire\r\nEND\r\n");
    ck_assert_str_eq(answer_to("set a 0 0 1\r\nx\r\ntouch a 9\r\ngat 9 a\r\n"),
                     "STORED\r\nSERVER_ERROR the items of this bag do not expire\r\n"
                     "SERVER_ERROR the items of this bag do not expire\r\n");
}
END_TEST

SUITE_IN("keel serve's answers", 60, setup, teardown,
         ROWS(answers_are_memcached_s, talks),
         ROWS(answers_do_not_depend_on_how_the_bytes_come, talks),
         ONE(a_value_that_is_too_large_is_passed_over),
         ONE(a_line_that_is_too_long_ends_the_connection),
         ONE(a_zero_byte_ends_the_connection),
         ONE(a_get_has_as_many_keys_as_its_line_holds),
         ONE(answers_wait_for_whoever_does_not_read),
         ONE(a_token_of_eight_bytes_is_its_number),
         ONE(a_longer_token_goes_out_as_a_hash_and_comes_back),
         ONE(a_number_from_before_a_restart_still_stores),
         ONE(a_failure_is_told_and_never_a_miss),
         ONE(several_keys_go_in_one_exchange_where_the_bag_can),
         ONE(values_of_a_batch_may_be_larger_than_its_room),
         ONE(a_value_that_ends_by_being_read_is_read_once),
         ONE(what_a_bag_cannot_keep_is_refused))
