/* SPDX-License-Identifier: MIT */
/*
 * The store in MariaDB when its server dies, comes back, or stands still, and over TLS:
 * what failed has failed by its deadline, says truly whether it was applied, and the next
 * call is fine. Each test has a server of its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "mysql_fixture.h"

static char certificates[SPAWNED_PATH_SIZE], options[3][SPAWNED_PATH_SIZE + 32];
static MYSQL *root;

static void start(void)
{
    ck_assert(test_mariadb_start(&server));
    root = test_mariadb_connect(&server);
    ck_assert_ptr_nonnull(root);
    open_runtime();
}

static void stop(void)
{
    close_runtime();
    mysql_close(root);
    test_mariadb_stop(&server);
}

static keel_status set_within(uint64_t ms, const char *text)
{
    const keel_bag_options in_time = within(ms);

    return keel_bag_set(bag, "k", text, strlen(text), &in_time, &why);
}

static keel_status get_within(uint64_t ms)
{
    const keel_bag_options in_time = within(ms);

    item = (keel_bag_item){ .size = sizeof item };
    return keel_bag_get(bag, "k", &item, &in_time, &why);
}

/* ---- death --------------------------------------------------------------------------- */

START_TEST(a_server_that_died_is_found_out_before_anything_is_sent)
{
    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("k", "before"));
    test_mariadb_stop(&server);
    EXPECT(KEEL_FAILED, set_text("k", "meanwhile"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_FAILED, get_text("k"));
    ck_assert(test_mariadb_start(&server));
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "before");
    EXPECT(KEEL_OK, set_text("k", "after"));
}
END_TEST

START_TEST(a_restart_between_two_calls_is_not_noticed)
{
    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("k", "v"));
    test_mariadb_stop(&server);
    ck_assert(test_mariadb_start(&server));
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "v");
}
END_TEST

static keel_status written;

static void *write_it(void *ctx)
{
    written = set_within(20000, "after");
    return ctx;
}

START_TEST(a_server_that_dies_over_a_write_leaves_it_unknown)
{
    pthread_t thread;

    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("k", "before"));
    test_mariadb_tell(root, "LOCK TABLES keel_bag WRITE");
    ck_assert_int_eq(pthread_create(&thread, NULL, write_it, NULL), 0);
    while (!test_mariadb_ask(root,
                             "SELECT COUNT(*) FROM information_schema.processlist "
                             "WHERE user = 'app' AND state LIKE 'Waiting%'"))
        ;
    test_mariadb_stop(&server);
    pthread_join(thread, NULL);
    EXPECT(KEEL_UNKNOWN, written);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert(test_mariadb_start(&server));
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "before");
}
END_TEST

/* ---- standstill ---------------------------------------------------------------------- */

START_TEST(a_frozen_server_leaves_a_write_unknown_and_its_late_answer_unread)
{
    uint64_t begun;

    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("k", "before"));
    EXPECT(KEEL_OK, set_text("m", "other"));
    test_mariadb_freeze(&server);
    begun = now_ms();
    EXPECT(KEEL_UNKNOWN, set_within(400, "after"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_UNKNOWN);
    EXPECT(KEEL_TIMEOUT, get_within(400)); /* nor is anybody let in */
    ck_assert_uint_le(now_ms() - begun, 800 + SLACK_MS);
    test_mariadb_thaw(&server);
    EXPECT(KEEL_OK, get_text("m"));
    ck_assert_str_eq(value, "other");
    do
        EXPECT(KEEL_OK, get_text("k"));
    while (strcmp(value, "before") == 0);
    ck_assert_str_eq(value, "after"); /* it was applied after all */
}
END_TEST

/* A value that fills what the kernel keeps on the way: half of it is not sent yet. */
START_TEST(a_write_that_was_not_sent_whole_was_not_applied)
{
    size_t size = 12 << 20;
    char *large = malloc(size);
    keel_bag_options in_time;

    memset(large, 'x', size);
    open_at(server.port, "&value_max=16MiB");
    EXPECT(KEEL_OK, set_text("k", "before"));
    test_mariadb_freeze(&server);
    in_time = within(1000);
    EXPECT(KEEL_TIMEOUT, keel_bag_set(bag, "k", large, size, &in_time, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    test_mariadb_thaw(&server);
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "before");
    free(large);
}
END_TEST

/* ---- TLS ----------------------------------------------------------------------------- */

/* An authority, and what it says of 127.0.0.1. */
static bool make_certificates(void)
{
    char command[2000];

    spawned_path(&server.process, "tls", certificates);
    snprintf(command, sizeof command,
             "mkdir %s && cd %s && exec 2>log && "
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-subj /CN=authority -keyout ca.key -out ca.crt -days 2 && "
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-subj /CN=server -keyout server.key -out server.csr && "
             "printf 'subjectAltName=DNS:other,IP:127.0.0.1' >names && "
             "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key "
             "-set_serial 1 -days 2 -extfile names -out server.crt",
             certificates, certificates);
    snprintf(options[0], sizeof options[0], "--ssl-ca=%s/ca.crt", certificates);
    snprintf(options[1], sizeof options[1], "--ssl-cert=%s/server.crt", certificates);
    snprintf(options[2], sizeof options[2], "--ssl-key=%s/server.key", certificates);
    return system(command) == 0;
}

static void start_tls(void)
{
    for (size_t i = 0; i < 3; i++)
        server.options[i] = options[i];
    start();
    test_mariadb_tell(root, "ALTER USER app@'%' REQUIRE SSL");
}

static void stop_tls(void)
{
    test_mariadb_tell(root, "ALTER USER app@'%' REQUIRE NONE");
    stop();
}

static void open_tls(const char *host, const char *authority)
{
    char spec[1024];

    snprintf(spec, sizeof spec,
             "mysql://app@%s:%u/"
             "kv?create=on&password_env=KEEL_TEST_PASSWORD&tls=on&tls_ca=%s/%s",
             host, server.port, certificates, authority);
    open_spec(spec);
}

START_TEST(by_tls_the_server_is_the_one_that_it_should_be)
{
    start_tls();
    open_at(server.port, "");
    EXPECT(KEEL_FAILED, set_text("k", "v")); /* the user is not let in without */
    open_tls("127.0.0.1", "ca.crt");
    EXPECT(KEEL_OK, set_text("k", "v"));
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "v");
    open_tls("localhost", "ca.crt");
    EXPECT(KEEL_FAILED, set_text("k", "w")); /* of which it says nothing */
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    open_tls("127.0.0.1", "server.crt");
    EXPECT(KEEL_FAILED, set_text("k", "w")); /* an authority that it is not from */
    EXPECT(KEEL_FAILED, get_text("k"));
    stop_tls();
}
END_TEST

START_TEST(a_server_without_tls_is_not_spoken_to)
{
    start();
    open_tls("127.0.0.1", "ca.crt");
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, "SSL") != NULL, "%s", why.text);
    stop();
}
END_TEST

START_TEST(by_tls_too_a_frozen_server_is_left_at_the_deadline)
{
    uint64_t begun;

    start_tls();
    open_tls("127.0.0.1", "ca.crt");
    EXPECT(KEEL_OK, set_text("k", "before"));
    test_mariadb_freeze(&server);
    begun = now_ms();
    EXPECT(KEEL_UNKNOWN, set_within(400, "after"));
    EXPECT(KEEL_TIMEOUT, get_within(400));
    ck_assert_uint_le(now_ms() - begun, 800 + SLACK_MS);
    test_mariadb_thaw(&server);
    EXPECT(KEEL_OK, get_text("k"));
    stop_tls();
}
END_TEST

/* The answer begins as a long one, and no more of it comes. */
START_TEST(a_handshake_that_stands_still_is_left)
{
    proxy *between;
    uint64_t begun;
    char spec[1024];

    start_tls();
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
    snprintf(spec, sizeof spec,
             "mysql://app@127.0.0.1:%u/kv?create=on&password_env=KEEL_TEST_PASSWORD"
             "&tls=on&tls_ca=%s/ca.crt",
             proxy_port(between), certificates);
    open_spec(spec);
    proxy_do(between, PROXY_ANSWER);
    begun = now_ms();
    EXPECT(KEEL_TIMEOUT, set_within(200, "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    /* where the greeting was there at once, it is libmariadb that waits, for a second */
    ck_assert_uint_le(now_ms() - begun, 1000 + SLACK_MS);
    proxy_do(between, PROXY_FORWARD);
    EXPECT(KEEL_OK, set_text("k", "v"));
    keel_bag_close(bag);
    bag = NULL;
    proxy_stop(between);
    stop_tls();
}
END_TEST

/* One that had been sent would have ended the test's process. */
START_TEST(no_signal_comes_of_a_server_that_died)
{
    start_tls();
    ck_assert(signal(SIGPIPE, SIG_DFL) !=
              SIG_ERR); /* the test's own libmariadb ignores it */
    open_tls("127.0.0.1", "ca.crt");
    EXPECT(KEEL_OK, set_text("k", "v"));
    test_mariadb_stop(&server);
    EXPECT(KEEL_FAILED, set_text("k", "w"));
    ck_assert(test_mariadb_start(&server));
    EXPECT(KEEL_OK, set_text("k", "w"));
    mysql_close(root);
    root = test_mariadb_connect(&server);
    stop_tls();
}
END_TEST

/* In a process that has not used libmariadb before, which would have it ignored by all. */
START_TEST(opening_leaves_signals_as_they_were)
{
    struct sigaction now;

    open_runtime();
    open_spec("mysql://app@127.0.0.1:1/kv");
    close_runtime();
    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_DFL);
}
END_TEST

int main(void)
{
    const suite_test first[] = { ONE(opening_leaves_signals_as_they_were) };
    const suite_test by_port[] = {
        ONE(a_server_that_died_is_found_out_before_anything_is_sent),
        ONE(a_restart_between_two_calls_is_not_noticed),
        ONE(a_server_that_dies_over_a_write_leaves_it_unknown),
        ONE(a_frozen_server_leaves_a_write_unknown_and_its_late_answer_unread),
        ONE(a_write_that_was_not_sent_whole_was_not_applied),
    };
    const suite_test by_tls[] = {
        ONE(by_tls_the_server_is_the_one_that_it_should_be),
        ONE(a_server_without_tls_is_not_spoken_to),
        ONE(by_tls_too_a_frozen_server_is_left_at_the_deadline),
        ONE(a_handshake_that_stands_still_is_left),
        ONE(no_signal_comes_of_a_server_that_died),
    };
    int failed = 1;

    if (!test_mariadb_is_installed())
        return 77;
    if (suite_run("mysql signals", 60, first, 1) == 0 && test_mariadb_init(&server) &&
        make_certificates()) {
        failed = suite_run_in("mysql server", 60, start, stop, by_port,
                              sizeof by_port / sizeof by_port[0]);
        failed |= suite_run("mysql tls", 60, by_tls, sizeof by_tls / sizeof by_tls[0]);
    }
    test_mariadb_cleanup(&server);
    return failed;
}
