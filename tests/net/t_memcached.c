/* SPDX-License-Identifier: MIT */
/* A connection's first words: which commands a server has, and who refuses us. */
#include <string.h>

#include "base/clock.h"
#include "base/process.h"
#include "net/memcached.h"
#include "support/allocator.h"
#include "support/memcached.h"
#include "support/proxy.h"
#include "support/suite.h"

#define LONG_ENOUGH (10 * KEEL_S)

static test_memcached server;
static proxy *between;
static failing_allocator memory;
static keel_shared_resolver resolver;
static keel_memcached *connection;
static keel_detail why;

static void start(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    failing_allocator_init(&memory, 0);
    ck_assert_int_eq(keel_shared_resolver_init(&resolver, &memory.allocator), KEEL_OK);
    ck_assert(test_memcached_start(&server, NULL, NULL));
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
}

static void stop(void)
{
    keel_memcached_close(connection);
    connection = NULL;
    keel_shared_resolver_cleanup(&resolver);
    ck_assert_int_eq(memory.live, 0);
    proxy_stop(between);
    test_memcached_cleanup(&server);
    keel_process_detach();
}

static keel_memcached_wait patience(void)
{
    return (keel_memcached_wait){ .until_ns =
                                      keel_ns_add(keel_socket_now(), LONG_ENOUGH) };
}

static keel_status open_as(keel_memcached_speech speech)
{
    const keel_memcached_server at = { .host = "127.0.0.1",
                                       .port = proxy_port(between),
                                       .resolver = &resolver,
                                       .speech = speech,
                                       .value_max = 1000 };
    const keel_memcached_wait wait = patience();

    return keel_memcached_open(&connection, &memory.allocator, &at, &wait, &why);
}

static void answer_with(const char *line)
{
    proxy_set(between, (proxy_order){ .fault = PROXY_ANSWER,
                                      .answer = line,
                                      .answer_size = strlen(line) });
}

static const struct {
    const char *why;
    const char *answer; /* NULL: the server's own */
    keel_memcached_speech speech;
    keel_status status;
    bool is_meta;
    const char *said;
} greetings[] = {
    { "a server of today", NULL, KEEL_MEMCACHED_AUTO, KEEL_OK, true, "" },
    { "and if meta is wanted", NULL, KEEL_MEMCACHED_META, KEEL_OK, true, "" },
    { "and if it is not", NULL, KEEL_MEMCACHED_CLASSIC, KEEL_OK, false, "" },
    { "an old server", "ERROR\r\n", KEEL_MEMCACHED_AUTO, KEEL_OK, false, "" },
    { "if meta is wanted", "ERROR\r\n", KEEL_MEMCACHED_META, KEEL_FAILED, false,
      "no meta commands" },
    { "one that wants a password", "CLIENT_ERROR unauthenticated\r\n",
      KEEL_MEMCACHED_AUTO, KEEL_FAILED, false, "unauthenticated" },
    { "one that is full", "SERVER_ERROR too many open connections\r\n",
      KEEL_MEMCACHED_AUTO, KEEL_FAILED, false, "too many open connections" },
    { "something else", "220 mail.example.org ESMTP\r\n", KEEL_MEMCACHED_AUTO,
      KEEL_FAILED, false, "no reply of memcached" },
};

START_TEST(a_server_is_known_by_its_first_answer)
{
    if (greetings[_i].answer)
        answer_with(greetings[_i].answer);
    ck_assert_int_eq(open_as(greetings[_i].speech), greetings[_i].status);
    if (greetings[_i].status == KEEL_OK) {
        ck_assert(keel_memcached_speaks_meta(connection) == greetings[_i].is_meta);
        ck_assert(keel_memcached_is_quiet(connection));
    } else {
        ck_assert_ptr_null(connection);
        ck_assert_msg(strstr(why.text, greetings[_i].said), "%s", why.text);
    }
}
END_TEST

static void expect_kind(keel_mc_reply_kind kind)
{
    const keel_memcached_wait wait = patience();
    keel_mc_reply reply;

    ck_assert_int_eq(keel_memcached_hear(connection, &reply, &wait, &why), KEEL_OK);
    ck_assert_int_eq(reply.kind, kind);
}

START_TEST(asking_which_commands_there_are_leaves_nothing_behind)
{
    static const keel_text key = { "keel:probe", 10 };
    const keel_mc_request get = { .verb = KEEL_MC_GET, .keys = &key, .count = 1 };
    const keel_memcached_wait wait = patience();

    ck_assert_int_eq(open_as(KEEL_MEMCACHED_AUTO), KEEL_OK);
    ck_assert_int_eq(keel_memcached_add(connection, &get, &why), KEEL_OK);
    ck_assert_int_eq(keel_memcached_send(connection, &wait, &why), KEEL_OK);
    expect_kind(KEEL_MC_END);
}
END_TEST

START_TEST(whatever_somebody_keeps_at_the_key_that_is_asked_with_does_no_harm)
{
    static const keel_text key = { "keel:probe", 10 };
    const keel_mc_request set = {
        .verb = KEEL_MC_SET, .keys = &key, .count = 1, .value = { "a text", 6 }
    };
    const keel_memcached_wait wait = patience();

    ck_assert_int_eq(open_as(KEEL_MEMCACHED_AUTO), KEEL_OK);
    ck_assert_int_eq(keel_memcached_add(connection, &set, &why), KEEL_OK);
    ck_assert_int_eq(keel_memcached_send(connection, &wait, &why), KEEL_OK);
    expect_kind(KEEL_MC_STORED);
    keel_memcached_close(connection);
    connection = NULL;
    ck_assert_msg(open_as(KEEL_MEMCACHED_META) == KEEL_OK, "%s", why.text);
    ck_assert(keel_memcached_speaks_meta(connection));
}
END_TEST

START_TEST(requests_that_are_sent_together_are_answered_in_turn)
{
    static const keel_text key = { "k", 1 };
    const keel_mc_request set = {
        .verb = KEEL_MC_SET, .keys = &key, .count = 1, .value = { "value", 5 }
    };
    const keel_mc_request get = { .verb = KEEL_MC_GET, .keys = &key, .count = 1 };
    const keel_memcached_wait wait = patience();

    ck_assert_int_eq(open_as(KEEL_MEMCACHED_AUTO), KEEL_OK);
    ck_assert_int_eq(keel_memcached_add(connection, &set, &why), KEEL_OK);
    ck_assert_int_eq(keel_memcached_add(connection, &get, &why), KEEL_OK);
    ck_assert_int_eq(keel_memcached_send(connection, &wait, &why), KEEL_OK);
    expect_kind(KEEL_MC_STORED);
    expect_kind(KEEL_MC_VALUE);
    expect_kind(KEEL_MC_END);
    ck_assert(keel_memcached_is_quiet(connection));
}
END_TEST

START_TEST(what_comes_unasked_makes_it_unfit_for_another_use)
{
    const keel_mc_request version = { .verb = KEEL_MC_ASK_VERSION };
    const keel_memcached_wait wait = patience();

    ck_assert_int_eq(open_as(KEEL_MEMCACHED_AUTO), KEEL_OK);
    answer_with("VERSION 1\r\nSTORED\r\n");
    ck_assert_int_eq(keel_memcached_add(connection, &version, &why), KEEL_OK);
    ck_assert_int_eq(keel_memcached_send(connection, &wait, &why), KEEL_OK);
    expect_kind(KEEL_MC_VERSION);
    ck_assert(!keel_memcached_is_quiet(connection));
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(a_server_is_known_by_its_first_answer, greetings),
        ONE(asking_which_commands_there_are_leaves_nothing_behind),
        ONE(whatever_somebody_keeps_at_the_key_that_is_asked_with_does_no_harm),
        ONE(requests_that_are_sent_together_are_answered_in_turn),
        ONE(what_comes_unasked_makes_it_unfit_for_another_use),
    };

    if (!test_memcached_is_installed())
        return 77;
    return suite_run_in("memcached_connection", 30, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
