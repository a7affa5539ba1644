/* SPDX-License-Identifier: MIT */
/* A connection to a real Redis, with a proxy between the two that spoils what it may. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "net/redis.h"
#include "net/redis_error.h"
#include "support/allocator.h"
#include "support/child.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

#define LONG_ENOUGH (10 * KEEL_S)
#define SHORT (40 * KEEL_MS)

static test_redis server;
static proxy *between;
static failing_allocator memory;
static keel_dialer dialer;
static keel_detail why;
static keel_redis *redis;

static void start(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    failing_allocator_init(&memory, 0);
    dialer = (keel_dialer){ .memory = &memory.allocator,
                            .interrupt_fd = eventfd(0, EFD_CLOEXEC),
                            .timeout_ns = KEEL_S };
    ck_assert_int_eq(keel_resolver_new(&dialer.resolver, dialer.memory), KEEL_OK);
    ck_assert(test_redis_start(&server, ""));
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
}

static void stop(void)
{
    keel_redis_close(redis);
    ck_assert(keel_resolver_free(dialer.resolver, LONG_ENOUGH));
    ck_assert_int_eq(memory.live, 0);
    close(dialer.interrupt_fd);
    proxy_stop(between);
    test_redis_cleanup(&server);
    keel_process_detach();
}

static uint64_t in(uint64_t ns)
{
    return keel_ns_add(keel_socket_now(), ns);
}

static keel_status open_at(uint16_t port, const keel_redis_url *login)
{
    keel_redis_host at = { .name = "127.0.0.1", .port = port };

    return keel_redis_open(&redis, &dialer, login, &at, in(LONG_ENOUGH), &why);
}

static void open_through_proxy(void)
{
    ck_assert_int_eq(open_at(proxy_port(between), NULL), KEEL_OK);
}

/* One command of words; the last is NULL. */
static keel_status ask_until(redisReply **reply, uint64_t until_ns,
                             const char *const *words)
{
    keel_redis_command command = { .argv = (const char **)(uintptr_t)words };

    while (words[command.argc])
        command.argc++;
    return keel_redis_ask(redis, &command, reply, until_ns, &why);
}

#define ASK_UNTIL(reply, until_ns, ...)                                                \
    ask_until(reply, until_ns, (const char *const[]){ __VA_ARGS__, NULL })
#define ASK(reply, ...) ASK_UNTIL(reply, in(LONG_ENOUGH), __VA_ARGS__)

static void expect_text(redisReply *reply, const char *text)
{
    ck_assert_ptr_nonnull(reply);
    ck_assert_ptr_nonnull(reply->str);
    ck_assert_str_eq(reply->str, text);
    freeReplyObject(reply);
}

static void expect_error(redisReply *reply, keel_redis_error error)
{
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(keel_redis_error_of(reply) == error, "%s", reply->str);
    freeReplyObject(reply);
}

/* What another client sees at a key. */
static void expect_at(const char *key, const char *value)
{
    redisReply *reply = test_redis_ask(&server, "GET %s", key);

    ck_assert_ptr_nonnull(reply);
    ck_assert_str_eq(reply->str ? reply->str : "nothing", value);
    freeReplyObject(reply);
}

static void expect_closed(void)
{
    redisReply *reply;

    ck_assert_int_eq(keel_redis_fd(redis), -1);
    ck_assert_int_eq(ASK(&reply, "SET", "after", "1"), KEEL_E_STATE);
    ck_assert_ptr_null(reply);
    ck_assert_int_eq(keel_redis_receive(redis, &reply, 0, &why), KEEL_E_STATE);
    expect_at("after", "nothing");
}

START_TEST(each_command_of_a_pipeline_gets_its_reply_and_errors_are_replies)
{
    const keel_redis_command commands[] = { KEEL_REDIS_COMMAND("SET", "k", "v"),
                                            KEEL_REDIS_COMMAND("LPUSH", "k", "x"),
                                            KEEL_REDIS_COMMAND("GET", "k") };
    redisReply *replies[3];

    open_through_proxy();
    ck_assert_int_eq(
        keel_redis_call(redis, commands, 3, replies, in(LONG_ENOUGH), &why), KEEL_OK);
    expect_text(replies[0], "OK");
    expect_error(replies[1], KEEL_REDIS_WRONGTYPE);
    expect_text(replies[2], "v");
}
END_TEST

START_TEST(arguments_are_any_bytes_and_as_long_as_they_like)
{
    enum { LONG = 100000 };
    char *value = calloc(1, LONG + 1);
    const char *argv[] = { "SET", "k", value };
    const size_t lengths[] = { 3, 1, LONG };
    const keel_redis_command set = { .argc = 3, .argv = argv, .lengths = lengths };
    redisReply *reply;

    value[LONG - 1] = 'x';
    open_through_proxy();
    ck_assert_int_eq(keel_redis_ask(redis, &set, &reply, in(LONG_ENOUGH), &why),
                     KEEL_OK);
    expect_text(reply, "OK");
    ck_assert_int_eq(ASK(&reply, "GET", "k"), KEEL_OK);
    ck_assert_uint_eq(reply->len, LONG);
    ck_assert_int_eq(memcmp(reply->str, value, LONG), 0);
    freeReplyObject(reply);
    free(value);
}
END_TEST

/* ---- logging in ------------------------------------------------------------------- */

static void configure(const char *setting, const char *value)
{
    expect_text(test_redis_ask(&server, "CONFIG SET %s %s", setting, value), "OK");
}

START_TEST(a_login_is_by_password_and_database)
{
    keel_redis_url login = { .db = 3, .password = "hunter2" };
    redisReply *reply;

    configure("requirepass", "hunter2");
    ck_assert_msg(open_at(server.port, &login) == KEEL_OK, "%s", why.text);
    ck_assert_int_eq(ASK(&reply, "CLIENT", "LIST"), KEEL_OK);
    ck_assert_ptr_nonnull(strstr(reply->str, " db=3 "));
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_login_is_by_user_and_password)
{
    keel_redis_url login = { .user = "joe", .password = "hunter2" };
    redisReply *reply;

    expect_text(test_redis_ask(&server, "ACL SETUSER joe on >hunter2 +acl"), "OK");
    ck_assert_msg(open_at(server.port, &login) == KEEL_OK, "%s", why.text);
    ck_assert_int_eq(ASK(&reply, "ACL", "WHOAMI"), KEEL_OK);
    expect_text(reply, "joe");
    ck_assert_int_eq(ASK(&reply, "GET", "k"), KEEL_OK);
    expect_error(reply, KEEL_REDIS_NOPERM);
}
END_TEST

START_TEST(a_login_that_is_refused_is_no_connection_and_tells_no_password)
{
    keel_redis_url login = { .user = "joe", .password = "hunter2" };

    ck_assert_int_eq(open_at(server.port, &login), KEEL_FAILED);
    ck_assert_ptr_null(redis);
    ck_assert_ptr_nonnull(strstr(why.text, "AUTH: \"WRONGPASS"));
    ck_assert_ptr_null(strstr(why.text, "hunter2"));
}
END_TEST

START_TEST(a_database_that_is_none_is_no_connection)
{
    keel_redis_url login = { .db = 99 };

    ck_assert_int_eq(open_at(server.port, &login), KEEL_FAILED);
    ck_assert_ptr_null(redis);
    ck_assert_ptr_nonnull(strstr(why.text, "SELECT"));
}
END_TEST

START_TEST(a_unix_socket_is_a_server_too)
{
    keel_redis_url login = { .kind = KEEL_REDIS_UNIX, .db = 1 };
    redisReply *reply;

    ck_assert_uint_lt(strlen(server.socket), sizeof login.path);
    memcpy(login.path, server.socket, strlen(server.socket));
    ck_assert_int_eq(
        keel_redis_open(&redis, &dialer, &login, NULL, in(LONG_ENOUGH), &why), KEEL_OK);
    ck_assert_int_eq(ASK(&reply, "PING"), KEEL_OK);
    expect_text(reply, "PONG");
}
END_TEST

/* Looks into each block before it goes. */
static void release_unless_secret(void *block, void *ctx)
{
    (void)ctx;
    ck_assert_ptr_null(memmem(block, malloc_usable_size(block), "hunter2", 7));
    free(block);
}

static void *allocate(size_t size, void *ctx)
{
    (void)ctx;
    return malloc(size);
}

START_TEST(a_password_does_not_stay_in_memory)
{
    static const keel_allocator watching = { .allocate = allocate,
                                             .release = release_unless_secret };
    keel_dialer by_watching = dialer;
    keel_redis_url login = { .password = "hunter2" };
    keel_redis_host at = { .name = "127.0.0.1", .port = server.port };

    configure("requirepass", "hunter2");
    by_watching.memory = &watching;
    ck_assert_int_eq(
        keel_redis_open(&redis, &by_watching, &login, &at, in(LONG_ENOUGH), &why),
        KEEL_OK);
    keel_redis_close(redis);
    redis = NULL;
}
END_TEST

/* ---- faults ----------------------------------------------------------------------- */

typedef struct fault_case {
    const char *why;
    proxy_order order;
    keel_status status;
    const char *counted; /* by the server: whether it took effect; NULL: who knows */
} fault_case;

#define ANSWER(text)                                                                   \
    {                                                                                  \
        .fault = PROXY_ANSWER, .answer = text, .answer_size = sizeof text - 1          \
    }

static const fault_case faults[] = {
    { "late", { .fault = PROXY_DELAY, .ms = 10000 }, KEEL_TIMEOUT, NULL },
    { "drop by drop", { .fault = PROXY_DRIP, .ms = 5000 }, KEEL_TIMEOUT, NULL },
    { "half a reply", { .fault = PROXY_CUT }, KEEL_FAILED, "1" },
    { "reset before", { .fault = PROXY_RESET_BEFORE }, KEEL_FAILED, "nothing" },
    { "reset after", { .fault = PROXY_RESET_AFTER }, KEEL_FAILED, "1" },
    { "silence", { .fault = PROXY_BLACK_HOLE }, KEEL_TIMEOUT, NULL },
    { "gone", { .fault = PROXY_REFUSE }, KEEL_FAILED, "nothing" },
    { "garbage", { .fault = PROXY_ANSWER }, KEEL_FAILED, "nothing" },
    { "another protocol", ANSWER("HTTP/1.1 400 Bad Request\r\n"), KEEL_FAILED,
      "nothing" },
    { "gigabytes", ANSWER("*1000000000\r\n"), KEEL_FAILED, "nothing" },
    { "too little", ANSWER("+OK\r\n"), KEEL_TIMEOUT, "nothing" },
};

START_TEST(whatever_goes_wrong_on_the_wire_closes_the_connection_for_good)
{
    const fault_case *row = &faults[_i];
    const keel_redis_command commands[] = { KEEL_REDIS_COMMAND("PING"),
                                            KEEL_REDIS_COMMAND("INCR", "count") };
    redisReply *replies[2];
    uint64_t until_ns;
    keel_status status;

    open_through_proxy();
    proxy_set(between, row->order);
    until_ns = in(row->status == KEEL_TIMEOUT ? SHORT : LONG_ENOUGH);
    status = keel_redis_call(redis, commands, 2, replies, until_ns, &why);
    ck_assert_msg(status == row->status, "%s: %s", row->why, why.text);
    ck_assert_msg(status != KEEL_TIMEOUT || keel_socket_now() >= until_ns, "%s",
                  row->why);
    ck_assert_ptr_null(replies[0]);
    ck_assert_ptr_null(replies[1]);
    proxy_do(between, PROXY_FORWARD);
    expect_closed();
    if (row->counted)
        expect_at("count", row->counted);
}
END_TEST

START_TEST(a_frozen_server_accepts_and_the_first_call_ends_at_its_instant)
{
    uint64_t until_ns;
    redisReply *reply;

    test_redis_freeze(&server);
    ck_assert_int_eq(open_at(server.port, NULL), KEEL_OK);
    until_ns = in(SHORT);
    ck_assert_int_eq(ASK_UNTIL(&reply, until_ns, "PING"), KEEL_TIMEOUT);
    ck_assert_uint_ge(keel_socket_now(), until_ns);
    ck_assert_int_eq(keel_redis_fd(redis), -1);
    test_redis_thaw(&server);
}
END_TEST

START_TEST(a_reply_to_nothing_is_not_taken_for_the_next_ones)
{
    redisReply *reply;

    open_through_proxy();
    proxy_set(between, (proxy_order)ANSWER("+OK\r\n+OK\r\n"));
    ck_assert_int_eq(ASK(&reply, "PING"), KEEL_OK);
    expect_text(reply, "OK");
    proxy_do(between, PROXY_FORWARD);
    ck_assert_int_eq(ASK(&reply, "SET", "k", "v"), KEEL_FAILED);
    ck_assert_ptr_null(reply);
    expect_closed();
    expect_at("k", "nothing");
}
END_TEST

START_TEST(an_interrupt_ends_a_call_at_once_and_closes)
{
    const uint64_t one = 1;
    redisReply *reply;

    open_through_proxy();
    proxy_do(between, PROXY_BLACK_HOLE);
    ck_assert_int_eq(write(dialer.interrupt_fd, &one, sizeof one), (int)sizeof one);
    ck_assert_int_eq(ASK_UNTIL(&reply, KEEL_NEVER, "PING"), KEEL_CANCELLED);
    proxy_do(between, PROXY_FORWARD);
    expect_closed();
}
END_TEST

START_TEST(without_memory_there_is_no_connection_and_nothing_is_lost)
{
    keel_redis_url login = { .db = 1 };
    keel_redis_host at = { .name = "127.0.0.1", .port = server.port };
    failing_allocator f;
    long fails = 0;

    do {
        keel_dialer by_failing = dialer;
        keel_status status;

        failing_allocator_init(&f, ++fails);
        by_failing.memory = &f.allocator;
        status =
            keel_redis_open(&redis, &by_failing, &login, &at, in(LONG_ENOUGH), &why);
        ck_assert_int_eq(status, f.failed ? KEEL_E_NOMEM : KEEL_OK);
        keel_redis_close(redis);
        redis = NULL;
        ck_assert_int_eq(f.live, 0);
    } while (f.failed);
    ck_assert_int_gt(fails, 1);
}
END_TEST

/* ---- what Redis answers ----------------------------------------------------------- */

START_TEST(what_redis_answers_in_trouble_is_told_apart)
{
    redisReply *reply;

    open_through_proxy();
    ck_assert_int_eq(
        ASK(&reply, "EVALSHA", "0000000000000000000000000000000000000000", "0"),
        KEEL_OK);
    expect_error(reply, KEEL_REDIS_NOSCRIPT);
    configure("maxmemory", "1");
    ck_assert_int_eq(ASK(&reply, "SET", "k", "v"), KEEL_OK);
    expect_error(reply, KEEL_REDIS_OOM);
    configure("maxmemory", "0");
    expect_text(test_redis_ask(&server, "REPLICAOF 127.0.0.1 1"), "OK");
    ck_assert_int_eq(ASK(&reply, "SET", "k", "v"), KEEL_OK);
    expect_error(reply, KEEL_REDIS_READONLY);
    configure("replica-serve-stale-data", "no");
    ck_assert_int_eq(ASK(&reply, "GET", "k"), KEEL_OK);
    expect_error(reply, KEEL_REDIS_MASTERDOWN);
    configure("requirepass", "hunter2");
    keel_redis_close(redis);
    open_through_proxy();
    ck_assert_int_eq(ASK(&reply, "GET", "k"), KEEL_OK);
    expect_error(reply, KEEL_REDIS_NOAUTH);
}
END_TEST

/* ---- channels --------------------------------------------------------------------- */

static void publish(const char *message)
{
    freeReplyObject(test_redis_ask(&server, "PUBLISH channel %s", message));
}

static void expect_message(const char *text)
{
    redisReply *reply;
    keel_text message;

    ck_assert_int_eq(keel_redis_receive(redis, &reply, in(LONG_ENOUGH), &why), KEEL_OK);
    ck_assert(keel_redis_message(reply, &message));
    ck_assert(keel_text_is(message, text));
    freeReplyObject(reply);
}

static void subscribe(void)
{
    open_through_proxy();
    ck_assert_int_eq(
        keel_redis_subscribe(redis, "channel", false, in(LONG_ENOUGH), &why), KEEL_OK);
}

START_TEST(messages_come_in_order_and_waiting_in_vain_closes_nothing)
{
    const uint64_t one = 1;
    uint64_t count;
    redisReply *reply;

    subscribe();
    ck_assert_int_eq(keel_redis_receive(redis, &reply, 0, &why), KEEL_TIMEOUT);
    publish("first");
    publish("second");
    expect_message("first");
    expect_message("second");
    ck_assert_int_eq(keel_redis_receive(redis, &reply, in(SHORT), &why), KEEL_TIMEOUT);
    ck_assert_int_eq(write(dialer.interrupt_fd, &one, sizeof one), (int)sizeof one);
    ck_assert_int_eq(keel_redis_receive(redis, &reply, KEEL_NEVER, &why),
                     KEEL_CANCELLED);
    ck_assert_int_eq(read(dialer.interrupt_fd, &count, sizeof count),
                     (int)sizeof count);
    publish("third");
    expect_message("third");
}
END_TEST

START_TEST(a_message_that_drips_is_read_on)
{
    redisReply *reply;
    unsigned waits = 0;
    keel_status status;
    keel_text message;

    subscribe();
    proxy_set(between, (proxy_order){ .fault = PROXY_DRIP, .ms = 5 });
    publish("hello");
    do {
        status = keel_redis_receive(redis, &reply, in(10 * KEEL_MS), &why);
        waits++;
    } while (status == KEEL_TIMEOUT && waits < 1000);
    ck_assert_int_eq(status, KEEL_OK);
    ck_assert(keel_redis_message(reply, &message));
    ck_assert(keel_text_is(message, "hello"));
    freeReplyObject(reply);
    ck_assert_uint_gt(waits, 1);
}
END_TEST

START_TEST(a_listening_connection_may_be_pinged)
{
    const keel_redis_command ping = KEEL_REDIS_COMMAND("PING");
    redisReply *reply;
    keel_text message;

    subscribe();
    ck_assert_int_eq(keel_redis_send(redis, &ping, 1, in(LONG_ENOUGH), &why), KEEL_OK);
    ck_assert_int_eq(keel_redis_receive(redis, &reply, in(LONG_ENOUGH), &why), KEEL_OK);
    ck_assert(!keel_redis_message(reply, &message));
    ck_assert_str_eq(reply->element[0]->str, "pong");
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_channel_that_is_not_ours_is_refused_and_closes)
{
    keel_redis_url login = { .user = "joe", .password = "x" };

    expect_text(test_redis_ask(&server, "ACL SETUSER joe on >x +subscribe &mine"),
                "OK");
    ck_assert_int_eq(open_at(server.port, &login), KEEL_OK);
    ck_assert_int_eq(
        keel_redis_subscribe(redis, "channel", false, in(LONG_ENOUGH), &why),
        KEEL_FAILED);
    ck_assert_int_eq(keel_redis_fd(redis), -1);
    ck_assert_ptr_nonnull(strstr(why.text, "SUBSCRIBE: \"NOPERM"));
}
END_TEST

START_TEST(a_listening_connection_that_is_reset_is_closed)
{
    redisReply *reply;

    subscribe();
    proxy_do(between, PROXY_REFUSE);
    ck_assert_int_eq(keel_redis_receive(redis, &reply, in(LONG_ENOUGH), &why),
                     KEEL_FAILED);
    proxy_do(between, PROXY_FORWARD);
    expect_closed();
}
END_TEST

/* ---- fork ------------------------------------------------------------------------- */

static void drop_in_child(void)
{
    int fd = keel_redis_fd(redis);

    keel_redis_drop(redis);
    CHILD(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
    CHILD(keel_redis_fd(redis) < 0);
}

START_TEST(a_child_drops_a_connection_that_goes_on_in_its_parent)
{
    const keel_redis_command set = KEEL_REDIS_COMMAND("SET", "k", "v");
    redisReply *reply;

    open_through_proxy();
    ck_assert_int_eq(keel_redis_send(redis, &set, 1, in(LONG_ENOUGH), &why), KEEL_OK);
    child_await(child_fork(drop_in_child));
    ck_assert_int_eq(keel_redis_receive(redis, &reply, in(LONG_ENOUGH), &why), KEEL_OK);
    expect_text(reply, "OK");
    ck_assert_int_eq(ASK(&reply, "GET", "k"), KEEL_OK);
    expect_text(reply, "v");
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(each_command_of_a_pipeline_gets_its_reply_and_errors_are_replies),
        ONE(arguments_are_any_bytes_and_as_long_as_they_like),
        ONE(a_login_is_by_password_and_database),
        ONE(a_login_is_by_user_and_password),
        ONE(a_login_that_is_refused_is_no_connection_and_tells_no_password),
        ONE(a_database_that_is_none_is_no_connection),
        ONE(a_unix_socket_is_a_server_too),
        ONE(a_password_does_not_stay_in_memory),
        ROWS(whatever_goes_wrong_on_the_wire_closes_the_connection_for_good, faults),
        ONE(a_frozen_server_accepts_and_the_first_call_ends_at_its_instant),
        ONE(a_reply_to_nothing_is_not_taken_for_the_next_ones),
        ONE(an_interrupt_ends_a_call_at_once_and_closes),
        ONE(without_memory_there_is_no_connection_and_nothing_is_lost),
        ONE(what_redis_answers_in_trouble_is_told_apart),
        ONE(messages_come_in_order_and_waiting_in_vain_closes_nothing),
        ONE(a_message_that_drips_is_read_on),
        ONE(a_listening_connection_may_be_pinged),
        ONE(a_channel_that_is_not_ours_is_refused_and_closes),
        ONE(a_listening_connection_that_is_reset_is_closed),
        ONE(a_child_drops_a_connection_that_goes_on_in_its_parent),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("redis", 30, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
