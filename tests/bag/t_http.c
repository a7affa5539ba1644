/* SPDX-License-Identifier: MIT */
/* The HTTP store against a server that heeds conditions, and against nginx, which does
 * not. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bag/web_objects.h"
#include "support/fault.h"
#include "support/pause.h"
#include "support/server.h"
#include "support/suite.h"

#define SPEC "http://127.0.0.1:%u/bag/items"

static node_server server;
static proxy *between;
static web_bag w;

static void setup(void)
{
    ck_assert(node_server_start(&server, NODE_OBJECTS));
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
    web_open(&w, SPEC, proxy_port(between));
}

static void teardown(void)
{
    web_close(&w);
    proxy_stop(between);
    node_server_cleanup(&server);
}

/* ---- the promises -------------------------------------------------------------------- */

START_TEST(it_conforms)
{
    ck_assert(web_conforms(SPEC, server.port));
}
END_TEST

#define NGINX                                                                          \
    "server { listen 127.0.0.1:@PORT@; root @DIR@; client_max_body_size 64m;"          \
    " create_full_put_path on; dav_methods PUT DELETE; etag on; }"

START_TEST(it_conforms_on_nginx_without_conditions)
{
    test_server real = { .port = 0 };

    ck_assert(test_server_start(&real, NGINX));
    ck_assert(web_conforms("http://127.0.0.1:%u/bag?conditions=off", real.port));
    test_server_cleanup(&real);
}
END_TEST

START_TEST(a_server_deaf_to_conditions_is_found_out)
{
    test_server real = { .port = 0 };
    web_bag deaf;

    ck_assert(test_server_start(&real, NGINX));
    web_open(&deaf, "http://127.0.0.1:%u/bag", real.port);
    ck_assert_int_eq(web_set(&deaf, "key", "x"), KEEL_OK);
    ck_assert_int_eq(web_add(&deaf, "other", "x"), KEEL_E_UNSUPPORTED);
    ck_assert_msg(strstr(deaf.why.text, "does not heed If-Match"), "%s", deaf.why.text);
    ck_assert_int_eq(deaf.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(web_get_within(&deaf, "other", 1000), KEEL_NOT_FOUND);
    web_close(&deaf);
    test_server_cleanup(&real);
}
END_TEST

START_TEST(a_fault_is_told_as_it_is)
{
    web_check_fault(&w, between, &web_faults[_i]);
}
END_TEST

START_TEST(a_server_that_stands_still_leaves_a_write_unknown)
{
    web_check_frozen(&w, &server);
}
END_TEST

START_TEST(several_keys_are_asked_for_at_once)
{
    web_check_many(&w, between, &server);
}
END_TEST

START_TEST(what_is_told_without_memory_is_true)
{
    web_check_memory(&w);
}
END_TEST

START_TEST(a_killed_server_is_used_again_when_it_is_back)
{
    web_check_killed(SPEC, &server);
}
END_TEST

START_TEST(an_add_and_a_cas_are_settled_by_reading_whose_write_it_is)
{
    web_check_read_back(SPEC, &server);
}
END_TEST

START_TEST(what_is_made_of_get_and_cas_is_in_doubt_where_the_cas_is)
{
    web_check_lost_cas(&w, &server);
}
END_TEST

/*
 * More than that would be seen as connections, since eight threads ask at once; a server
 * may close one meanwhile, and the kit opens the bag thrice more to ask it alone.
 */
START_TEST(no_more_connections_are_made_than_are_allowed)
{
    unsigned before = proxy_accepted(between);

    ck_assert(web_conforms(SPEC "?connections=2", proxy_port(between)));
    ck_assert_uint_le(proxy_accepted(between) - before, 4 + 3);
}
END_TEST

static void *fire(void *cancel)
{
    pause_ns(20 * KEEL_MS);
    keel_cancel_fire(cancel);
    return NULL;
}

/* Whenever it fires, before or while an answer is waited for. */
START_TEST(a_call_is_cancelled_while_it_waits)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    const keel_bag_options options = { .size = sizeof options, .cancel = &cancel };
    keel_bag_item item = { .size = sizeof item };
    uint64_t begun = keel_now(w.opened.rt);
    pthread_t thread;

    proxy_do(between, PROXY_BLACK_HOLE);
    ck_assert_int_eq(pthread_create(&thread, NULL, fire, &cancel), 0);
    ck_assert_int_eq(keel_bag_get(w.bag, "key", &item, &options, &w.why),
                     KEEL_CANCELLED);
    ck_assert_uint_lt(keel_now(w.opened.rt) - begun, 5 * KEEL_S);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- TLS ----------------------------------------------------------------------------- */

#define TLS_NGINX                                                                      \
    "server { listen 127.0.0.1:@TLS_PORT@ ssl; root @DIR@; create_full_put_path on;"   \
    " ssl_certificate @DIR@/crt; ssl_certificate_key @DIR@/key;"                       \
    " client_max_body_size 64m; dav_methods PUT DELETE; }"

static void make_certificate(const char *dir)
{
    char command[1024];

    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-days 2 -subj /CN=keel -addext subjectAltName=IP:127.0.0.1 "
             "-keyout %s/key -out %s/crt 2>%s/openssl.log",
             dir, dir, dir);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(https_is_spoken_with_who_proves_to_be_who_he_is)
{
    test_server real;
    web_bag trusting, strict;
    char spec[512];

    ck_assert(test_server_init(&real));
    make_certificate(real.nginx.process.dir);
    ck_assert(test_server_start(&real, TLS_NGINX));
    snprintf(spec, sizeof spec,
             "https://127.0.0.1:%%u/bag?conditions=off&ca_file=%s/crt",
             real.nginx.process.dir);
    web_open(&trusting, spec, real.tls_port);
    ck_assert_msg(web_set(&trusting, "key", "x") == KEEL_OK, "%s", trusting.why.text);
    ck_assert(web_has(&trusting, "key", "x"));
    web_open(&strict, "https://127.0.0.1:%u/bag", real.tls_port);
    ck_assert_int_eq(web_set(&strict, "key", "y"), KEEL_FAILED);
    ck_assert_int_eq(strict.why.applied, KEEL_APPLIED_NO);
    ck_assert(web_has(&trusting, "key", "x"));
    web_close(&strict);
    web_close(&trusting);
    test_server_cleanup(&real);
}
END_TEST

/* Who says goodbye on a connection that is another's ends it. */
START_TEST(a_child_that_closes_the_bag_leaves_its_parents_connections_alone)
{
    test_server real;
    proxy *to_real;
    web_bag shared;
    char spec[512];
    unsigned accepted;
    int ended;
    pid_t child;

    ck_assert(test_server_init(&real));
    make_certificate(real.nginx.process.dir);
    ck_assert(test_server_start(&real, TLS_NGINX));
    to_real = proxy_start(real.tls_port);
    snprintf(spec, sizeof spec,
             "https://127.0.0.1:%%u/bag?conditions=off&ca_file=%s/crt",
             real.nginx.process.dir);
    web_open(&shared, spec, proxy_port(to_real));
    ck_assert_int_eq(web_set(&shared, "key", "x"), KEEL_OK);
    accepted = proxy_accepted(to_real);
    child = fork();
    if (child == 0) {
        keel_status status = web_set(&shared, "key", "of the child");

        keel_bag_close(shared.bag);
        _exit(status == KEEL_E_STATE ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert_int_eq(ended, 0);
    ck_assert(web_has(&shared, "key", "x"));
    ck_assert_uint_eq(proxy_accepted(to_real), accepted);
    web_close(&shared);
    proxy_stop(to_real);
    test_server_cleanup(&real);
}
END_TEST

/* ---- conditions ---------------------------------------------------------------------- */

START_TEST(conditions_are_probed_once)
{
    char counts[256];

    ck_assert_int_eq(web_add(&w, "one", "x"), KEEL_OK);
    ck_assert_int_eq(node_server_post(&server, "/-/requests", NULL, "", NULL, 0), 200);
    ck_assert_int_eq(web_add(&w, "two", "x"), KEEL_OK);
    node_server_post(&server, "/-/requests", NULL, "", counts, sizeof counts);
    ck_assert_str_eq(counts, "{\"PUT\":1}");
}
END_TEST

START_TEST(a_probe_that_fails_is_made_again)
{
    web_order(&server, "[{\"method\":\"PUT\",\"status\":500}]");
    ck_assert_int_eq(web_add(&w, "key", "x"), KEEL_FAILED);
    ck_assert_int_eq(w.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(web_add(&w, "key", "x"), KEEL_OK);
}
END_TEST

START_TEST(what_has_expired_makes_room_for_an_add)
{
    const keel_bag_options gone = { .size = sizeof gone, .ttl = keel_ttl_for_ms(-1) };

    ck_assert_int_eq(keel_bag_set(w.bag, "key", "old", 3, &gone, &w.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_delete(w.bag, "key", NULL, &w.why), KEEL_NOT_FOUND);
    ck_assert_int_eq(web_add(&w, "key", "new"), KEEL_OK);
    ck_assert_int_eq(web_add(&w, "key", "newer"), KEEL_NOT_STORED);
    ck_assert(web_has(&w, "key", "new"));
}
END_TEST

START_TEST(damage_is_told_and_is_not_taken_for_nothing)
{
    ck_assert_int_eq(web_set(&w, "key", "a value that is long enough to be cut"),
                     KEEL_OK);
    ck_assert_int_eq(node_server_post(&server, "/-/cut", NULL, "", NULL, 0), 200);
    ck_assert_int_eq(web_get_within(&w, "key", 1000), KEEL_CORRUPT);
    ck_assert_int_eq(web_set(&w, "key", "whole again"), KEEL_OK);
    ck_assert(web_has(&w, "key", "whole again"));
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------ */

static const web_refusal refusals[] = {
    { "too much is asked", "{\"method\":\"PUT\",\"status\":429,\"retryAfter\":2}",
      KEEL_THROTTLED, KEEL_APPLIED_NO, false, "" },
    { "it asks to wait", "{\"method\":\"PUT\",\"status\":503,\"retryAfter\":2}",
      KEEL_THROTTLED, KEEL_APPLIED_NO, false, "" },
    { "it fails, and has done it",
      "{\"method\":\"PUT\",\"status\":500,\"applied\":true}", KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN, true, "" },
    { "it is away for an unknown time", "{\"method\":\"PUT\",\"status\":503}",
      KEEL_UNKNOWN, KEEL_APPLIED_UNKNOWN, false, "" },
    { "it may not be", "{\"method\":\"PUT\",\"status\":403}", KEEL_FAILED,
      KEEL_APPLIED_NO, false, "" },
    { "it is elsewhere", "{\"method\":\"PUT\",\"status\":301}", KEEL_FAILED,
      KEEL_APPLIED_NO, false, "" },
    { "it is too large there", "{\"method\":\"PUT\",\"status\":413}", KEEL_E_TOO_LARGE,
      KEEL_APPLIED_NO, false, "" },
    { "a reset after it was done",
      "{\"method\":\"PUT\",\"applied\":true,\"reset\":true}", KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN, true, "" },
};

START_TEST(a_refusal_is_told_as_what_it_means)
{
    web_check_refusal(&w, &server, &refusals[_i]);
}
END_TEST

/* ---- the request itself -------------------------------------------------------------- */

START_TEST(authorization_is_sent_and_not_shown)
{
    static const fault_step fine = { "HTTP/1.1 204 Fine\r\n\r\n", FAULT_KEEP, 0,
                                     false };
    char path[SPAWNED_PATH_SIZE], spec[512], described[512];
    fault_server mock;
    web_bag mocked;

    ck_assert(node_server_write(&server, "bearer", "Bearer hush", path));
    snprintf(spec, sizeof spec, "http://127.0.0.1:%%u?authorization_file=%s", path);
    ck_assert(fault_start(&mock, &fine, 1));
    web_open(&mocked, spec, mock.port);
    ck_assert_int_eq(web_set(&mocked, "a/key", "x"), KEEL_OK);
    ck_assert(fault_saw(&mock, "PUT /a%3D2Fkey HTTP/1.1\r\n"));
    ck_assert(fault_saw(&mock, "Authorization: Bearer hush\r\n"));
    keel_bag_describe(mocked.bag, described, sizeof described);
    ck_assert_ptr_null(strstr(described, "hush"));
    web_close(&mocked);
    fault_stop(&mock);
}
END_TEST

START_TEST(an_answer_without_end_is_not_read)
{
    static const fault_step endless = {
        "HTTP/1.1 200 Fine\r\nContent-Length: 99999999999\r\n\r\n", FAULT_HANG, 0, false
    };
    fault_server mock;
    web_bag mocked;
    uint64_t begun;

    ck_assert(fault_start(&mock, &endless, 1));
    web_open(&mocked, SPEC, mock.port);
    begun = keel_now(mocked.opened.rt);
    ck_assert_int_ne(web_get_within(&mocked, "key", 300), KEEL_OK);
    ck_assert_uint_lt(keel_now(mocked.opened.rt) - begun, 800 * KEEL_MS);
    web_close(&mocked);
    fault_stop(&mock);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(it_conforms),
        ONE(it_conforms_on_nginx_without_conditions),
        ONE(a_server_deaf_to_conditions_is_found_out),
        ROWS(a_fault_is_told_as_it_is, web_faults),
        ONE(a_server_that_stands_still_leaves_a_write_unknown),
        ONE(several_keys_are_asked_for_at_once),
        ONE(what_is_told_without_memory_is_true),
        ONE(a_killed_server_is_used_again_when_it_is_back),
        ONE(an_add_and_a_cas_are_settled_by_reading_whose_write_it_is),
        ONE(what_is_made_of_get_and_cas_is_in_doubt_where_the_cas_is),
        ONE(no_more_connections_are_made_than_are_allowed),
        ONE(a_call_is_cancelled_while_it_waits),
        ONE(https_is_spoken_with_who_proves_to_be_who_he_is),
        ONE(a_child_that_closes_the_bag_leaves_its_parents_connections_alone),
        ONE(conditions_are_probed_once),
        ONE(a_probe_that_fails_is_made_again),
        ONE(what_has_expired_makes_room_for_an_add),
        ONE(damage_is_told_and_is_not_taken_for_nothing),
        ROWS(a_refusal_is_told_as_what_it_means, refusals),
        ONE(authorization_is_sent_and_not_shown),
        ONE(an_answer_without_end_is_not_read),
    };

    if (!node_server_is_installed(NODE_OBJECTS) || !test_server_is_installed())
        return 77;
    return suite_run_in("http", 120, setup, teardown, tests,
                        sizeof tests / sizeof tests[0]);
}
