/* SPDX-License-Identifier: MIT */
/*
 * TLS to a real Redis with certificates of a made-up authority. Built where hiredis has
 * its ssl library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "net/redis.h"
#include "support/allocator.h"
#include "support/child.h"
#include "support/loopback.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

#define LONG_ENOUGH (10 * KEEL_S)
#define SHORT (40 * KEEL_MS)

static char dir[] = "/tmp/t_redis_tls.XXXXXX";
static uint16_t tls_port;
static test_redis server;
static proxy *between;
static failing_allocator memory;
static keel_dialer dialer;
static keel_detail why;
static keel_redis *redis;

/* An authority, and what it says of localhost and 127.0.0.1. */
static void make_certificates(void)
{
    char command[2000];

    snprintf(command, sizeof command,
             "cd %s && exec 2>log && "
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-subj /CN=authority -keyout ca.key -out ca.crt -days 2 && "
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-subj /CN=server -keyout server.key -out server.csr && "
             "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names && "
             "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key "
             "-set_serial 1 -days 2 -extfile names -out server.crt",
             dir);
    ck_assert_int_eq(system(command), 0);
}

static void server_start(void)
{
    char config[1000];

    tls_port = loopback_free_port();
    snprintf(config, sizeof config,
             "tls-port %u\ntls-cert-file %s/server.crt\ntls-key-file %s/server.key\n"
             "tls-ca-cert-file %s/ca.crt\ntls-auth-clients no\n",
             tls_port, dir, dir, dir);
    ck_assert(test_redis_start(&server, config));
    freeReplyObject(test_redis_ask(&server, "CONFIG SET requirepass hunter2"));
}

static void start(void)
{
    char authority[100];

    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    make_certificates();
    snprintf(authority, sizeof authority, "%s/ca.crt", dir);
    setenv("SSL_CERT_FILE", authority, 1);
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    failing_allocator_init(&memory, 0);
    dialer = (keel_dialer){ .memory = &memory.allocator,
                            .interrupt_fd = -1,
                            .timeout_ns = KEEL_S };
    ck_assert_int_eq(keel_resolver_new(&dialer.resolver, dialer.memory), KEEL_OK);
    server_start();
    between = proxy_start(tls_port);
    ck_assert_ptr_nonnull(between);
}

static void stop(void)
{
    char command[100];

    keel_redis_close(redis);
    ck_assert(keel_resolver_free(dialer.resolver, LONG_ENOUGH));
    ck_assert_int_eq(memory.live, 0);
    proxy_stop(between);
    test_redis_cleanup(&server);
    keel_process_detach();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static keel_status open_as(const char *host, uint64_t ns)
{
    keel_redis_url login = { .tls = true, .password = "hunter2" };
    keel_redis_host at = { .port = proxy_port(between) };

    memcpy(at.name, host, strlen(host));
    return keel_redis_open(&redis, &dialer, &login, &at,
                           keel_ns_add(keel_socket_now(), ns), &why);
}

static keel_status ask(const keel_redis_command *command, redisReply **reply,
                       uint64_t ns)
{
    return keel_redis_ask(redis, command, reply, keel_ns_add(keel_socket_now(), ns),
                          &why);
}

static const char *const hosts[] = { "localhost", "127.0.0.1" };

START_TEST(a_server_with_a_certificate_for_the_host_is_spoken_to)
{
    enum { LONG = 300000 }; /* many records */
    char *value = calloc(1, LONG + 1);
    const char *argv[] = { "ECHO", value };
    const keel_redis_command echo = { .argc = 2, .argv = argv };
    redisReply *reply;

    ck_assert_msg(open_as(hosts[_i], LONG_ENOUGH) == KEEL_OK, "%s", why.text);
    for (int i = 0; i < 3; i++) {
        memset(value, 'a' + i, LONG);
        ck_assert_int_eq(ask(&echo, &reply, LONG_ENOUGH), KEEL_OK);
        ck_assert_uint_eq(reply->len, LONG);
        ck_assert_int_eq(memcmp(reply->str, value, LONG), 0);
        freeReplyObject(reply);
    }
    free(value);
}
END_TEST

/* The same server, by a name that its certificate does not have. */
START_TEST(a_certificate_for_another_host_is_refused)
{
    ck_assert_int_eq(open_as("127.1", LONG_ENOUGH), KEEL_FAILED);
    ck_assert_ptr_null(redis);
    ck_assert_msg(strstr(why.text, "certificate") != NULL, "%s", why.text);
}
END_TEST

START_TEST(a_certificate_of_an_unknown_authority_is_refused)
{
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    ck_assert_int_eq(open_as("localhost", LONG_ENOUGH), KEEL_FAILED);
    ck_assert_ptr_null(redis);
    ck_assert_msg(strstr(why.text, "certificate") != NULL, "%s", why.text);
}
END_TEST

typedef struct fault_case {
    const char *why;
    proxy_order order;
    keel_status status;
} fault_case;

static const fault_case faults[] = {
    { "silence", { .fault = PROXY_BLACK_HOLE }, KEEL_TIMEOUT },
    { "drop by drop", { .fault = PROXY_DRIP, .ms = 5000 }, KEEL_TIMEOUT },
    { "no TLS",
      { .fault = PROXY_ANSWER, .answer = "-ERR not TLS\r\n", .answer_size = 14 },
      KEEL_FAILED },
    { "reset", { .fault = PROXY_RESET_BEFORE }, KEEL_FAILED },
    { "half a reply", { .fault = PROXY_CUT }, KEEL_FAILED },
};

START_TEST(a_handshake_that_goes_wrong_ends_by_its_instant)
{
    const fault_case *row = &faults[_i];

    proxy_set(between, row->order);
    ck_assert_msg(
        open_as("127.0.0.1", row->status == KEEL_TIMEOUT ? SHORT : LONG_ENOUGH) ==
            row->status,
        "%s: %s", row->why, why.text);
    ck_assert_ptr_null(redis);
}
END_TEST

START_TEST(a_call_that_goes_wrong_closes_and_raises_no_signal)
{
    const keel_redis_command ping = KEEL_REDIS_COMMAND("PING");
    const fault_case *row = &faults[_i];
    redisReply *reply;

    ck_assert_int_eq(open_as("127.0.0.1", LONG_ENOUGH), KEEL_OK);
    proxy_set(between, row->order);
    ck_assert_int_eq(
        ask(&ping, &reply, row->status == KEEL_TIMEOUT ? SHORT : LONG_ENOUGH),
        row->status);
    ck_assert_ptr_null(reply);
    ck_assert_int_eq(keel_redis_fd(redis), -1);
}
END_TEST

/* Reads nothing before it writes, so that it writes to a connection that is reset. */
START_TEST(writing_to_a_server_that_has_gone_raises_no_signal)
{
    const keel_redis_command ping = KEEL_REDIS_COMMAND("PING");
    keel_status status = KEEL_OK;

    ck_assert_int_eq(open_as("127.0.0.1", LONG_ENOUGH), KEEL_OK);
    proxy_do(between, PROXY_REFUSE);
    for (int i = 0; i < 3 && status == KEEL_OK; i++)
        status = keel_redis_send(redis, &ping, 1,
                                 keel_ns_add(keel_socket_now(), LONG_ENOUGH), &why);
    ck_assert_int_eq(status, KEEL_FAILED);
}
END_TEST

static void drop_in_child(void)
{
    keel_redis_drop(redis);
    CHILD(keel_redis_fd(redis) < 0);
}

START_TEST(a_child_drops_a_session_that_goes_on_in_its_parent)
{
    const keel_redis_command ping = KEEL_REDIS_COMMAND("PING");
    redisReply *reply;

    ck_assert_int_eq(open_as("127.0.0.1", LONG_ENOUGH), KEEL_OK);
    child_await(child_fork(drop_in_child));
    ck_assert_int_eq(ask(&ping, &reply, LONG_ENOUGH), KEEL_OK);
    ck_assert_str_eq(reply->str, "PONG");
    freeReplyObject(reply);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(a_server_with_a_certificate_for_the_host_is_spoken_to, hosts),
        ONE(a_certificate_for_another_host_is_refused),
        ONE(a_certificate_of_an_unknown_authority_is_refused),
        ROWS(a_handshake_that_goes_wrong_ends_by_its_instant, faults),
        ROWS(a_call_that_goes_wrong_closes_and_raises_no_signal, faults),
        ONE(writing_to_a_server_that_has_gone_raises_no_signal),
        ONE(a_child_drops_a_session_that_goes_on_in_its_parent),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("redis_tls", 30, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
