/* SPDX-License-Identifier: MIT */
/* keel_curl_perform and a real nginx that is stopped, frozen, slow, strict or sick. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/curl_client.h"
#include "support/server.h"
#include "support/suite.h"

#define QUICK "retry.backoff=1ms; retry.throttle_backoff=1ms"
#define MS ((uint64_t)1000000)

/* Whatever a test needs of nginx; the slow document is 1 MB at 8 kB/s. */
#define PLAIN                                                                          \
    "server {\n"                                                                       \
    "listen 127.0.0.1:@PORT@;\n"                                                       \
    "location / { return 200 \"fine\"; }\n"                                            \
    "location /host { return 200 \"$http_host\"; }\n"                                  \
    "location /429 { add_header Retry-After 120 always; return 429 \"less\"; }\n"      \
    "location /busy { add_header Retry-After 120 always; return 503 \"busy\"; }\n"     \
    "location /503 { return 503 \"sick\"; }\n"                                         \
    "location /404 { return 404 \"none\"; }\n"                                         \
    "location /silent { return 444; }\n"                                               \
    "location /slow { root @DIR@; limit_rate 8k; }\n"                                  \
    "}\n"

#define TLS                                                                            \
    "server {\n"                                                                       \
    "listen 127.0.0.1:@TLS_PORT@ ssl;\n"                                               \
    "ssl_certificate @DIR@/cert.pem;\n"                                                \
    "ssl_certificate_key @DIR@/key.pem;\n"                                             \
    "client_max_body_size 1g;\n"                                                       \
    "location / { return 200 \"secret\"; }\n"                                          \
    "location /upload { proxy_pass http://127.0.0.1:@PORT@/; }\n"                      \
    "}\n"

static test_server server;
static curl_client client;

static void begin(const char *settings, const char *path)
{
    ck_assert(test_server_start(&server, PLAIN));
    curl_client_open(&client, settings, server.port, path);
}

static void end(void)
{
    curl_client_close(&client);
    test_server_cleanup(&server);
}

/* ---- refused, reset, silent, frozen, slow, cut off ------------------------------- */

START_TEST(a_stopped_server_is_tried_again_and_nothing_was_applied)
{
    begin(QUICK "; retry.attempts=3", "/");
    test_server_stop(&server);
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_COULDNT_CONNECT);
    ck_assert_int_eq(client.why.attempts, 3);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

START_TEST(a_server_that_was_restarted_is_found_again)
{
    begin(QUICK, "/");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    test_server_stop(&server);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert(test_server_start(&server, PLAIN));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_str_eq(client.sink, "fine");
    end();
}
END_TEST

START_TEST(a_server_that_hangs_up_without_a_word_is_asked_again)
{
    begin(QUICK "; retry.attempts=2", "/silent");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_GOT_NOTHING);
    ck_assert_int_eq(client.why.attempts, 2);
    end();
}
END_TEST

START_TEST(a_frozen_server_costs_the_timeout_and_no_more)
{
    begin("timeout=200ms; retry.attempts=1", "/");
    kill(server.nginx.process.pid, SIGSTOP);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    ck_assert_uint_lt(client.why.elapsed_ns, 5000 * MS);
    end();
}
END_TEST

static void write_slow_document(void)
{
    char path[256], *zeroes = calloc(1, 1 << 20);
    FILE *file;

    snprintf(path, sizeof path, "%s/slow", server.nginx.process.dir);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(zeroes);
    ck_assert_uint_eq(fwrite(zeroes, 1, 1 << 20, file), 1 << 20);
    ck_assert_int_eq(fclose(file), 0);
    free(zeroes);
}

START_TEST(a_slow_body_is_given_up_and_not_asked_for_again)
{
    begin("timeout=1s; retry.attempts=3; retry.backoff=1ms", "/slow");
    write_slow_document();
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_uint_gt(client.sink_length, 0);
    end();
}
END_TEST

static size_t stop_the_server(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes, (void)ctx;
    test_server_stop(&server);
    return size * count;
}

START_TEST(a_body_cut_off_by_a_dead_server_is_a_failure_not_retried)
{
    begin(QUICK "; timeout=30s; deadline=60s", "/slow");
    write_slow_document();
    curl_easy_setopt(client.easy, CURLOPT_WRITEFUNCTION, stop_the_server);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert(client.code == CURLE_PARTIAL_FILE || client.code == CURLE_RECV_ERROR);
    ck_assert_int_eq(client.why.attempts, 1);
    end();
}
END_TEST

/* ---- what the answers say -------------------------------------------------------- */

typedef struct answer_row {
    const char *path;
    long response;
    keel_status status;
    uint64_t retry_after_ns;
} answer_row;

static const answer_row answer_rows[] = {
    { "/", 200, KEEL_OK, 0 },
    { "/404", 404, KEEL_CLIENT_ERROR, 0 },
    { "/429", 429, KEEL_THROTTLED, 120000 * MS },
    { "/503", 503, KEEL_FAILED, 0 },
    { "/busy", 503, KEEL_THROTTLED, 120000 * MS },
};

START_TEST(an_answer_is_taken_for_what_it_says)
{
    const answer_row *row = &answer_rows[_i];

    begin("retry.attempts=1", row->path);
    ck_assert_int_eq(curl_client_perform(&client), row->status);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(curl_client_response(&client), row->response);
    ck_assert_uint_eq(client.why.retry_after_ns, row->retry_after_ns);
    end();
}
END_TEST

START_TEST(with_failonerror_the_wish_is_still_read)
{
    begin("retry.attempts=1", "/busy");
    curl_easy_setopt(client.easy, CURLOPT_FAILONERROR, 1L);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_THROTTLED);
    ck_assert_int_eq(client.code, CURLE_HTTP_RETURNED_ERROR);
    ck_assert_uint_eq(client.why.retry_after_ns, 120000 * MS);
    end();
}
END_TEST

START_TEST(the_callers_proxy_is_used)
{
    begin(QUICK, "/");
    curl_easy_setopt(client.easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(client.easy, CURLOPT_PROXY, "http://127.0.0.1");
    curl_easy_setopt(client.easy, CURLOPT_PROXYPORT, (long)server.port);
    curl_easy_setopt(client.easy, CURLOPT_URL, "http://elsewhere.example/host");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_str_eq(client.sink, "elsewhere.example");
    end();
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------- */

static void begin_tls(const char *settings, const char *path)
{
    char command[1024], trusted[256];

    ck_assert(test_server_init(&server));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=keel "
             "-addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem -out %s/cert.pem "
             "2>%s/openssl.log",
             server.nginx.process.dir, server.nginx.process.dir,
             server.nginx.process.dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert(test_server_start(&server, PLAIN TLS));
    curl_client_open(&client, settings, server.port, "/");
    curl_client_aim(&client, "https", server.tls_port, path);
    snprintf(trusted, sizeof trusted, "%s/cert.pem", server.nginx.process.dir);
    curl_easy_setopt(client.easy, CURLOPT_CAINFO, trusted);
}

START_TEST(a_certificate_the_caller_trusts_is_accepted)
{
    begin_tls(QUICK, "/");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_str_eq(client.sink, "secret");
    end();
}
END_TEST

START_TEST(a_certificate_the_caller_does_not_trust_is_no_use_trying_again)
{
    begin_tls(QUICK, "/");
    curl_easy_setopt(client.easy, CURLOPT_CAINFO, NULL);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_CLIENT_ERROR);
    ck_assert_int_eq(client.code, CURLE_PEER_FAILED_VERIFICATION);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

START_TEST(a_handshake_that_fails_never_sent_the_request)
{
    begin(QUICK "; retry.attempts=2", "/");
    curl_client_aim(&client, "https", server.port, "/"); /* no TLS spoken there */
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_SSL_CONNECT_ERROR);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

/* The second piece is written to a connection whose other end is dead. */
static size_t feed_a_dying_server(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)ctx;
    test_server_stop(&server);
    memset(bytes, 'x', size * count);
    return size * count;
}

START_TEST(a_server_that_dies_under_a_tls_upload_is_a_failure)
{
    begin_tls(QUICK "; timeout=30s; deadline=60s", "/upload");
    curl_easy_setopt(client.easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(client.easy, CURLOPT_READFUNCTION, feed_a_dying_server);
    curl_easy_setopt(client.easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)64 << 20);
    curl_easy_setopt(client.easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.why.attempts, 1);
    end();
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(a_stopped_server_is_tried_again_and_nothing_was_applied),
        ONE(a_server_that_was_restarted_is_found_again),
        ONE(a_server_that_hangs_up_without_a_word_is_asked_again),
        ONE(a_frozen_server_costs_the_timeout_and_no_more),
        ONE(a_slow_body_is_given_up_and_not_asked_for_again),
        ONE(a_body_cut_off_by_a_dead_server_is_a_failure_not_retried),
        ROWS(an_answer_is_taken_for_what_it_says, answer_rows),
        ONE(with_failonerror_the_wish_is_still_read),
        ONE(the_callers_proxy_is_used),
        ONE(a_certificate_the_caller_trusts_is_accepted),
        ONE(a_certificate_the_caller_does_not_trust_is_no_use_trying_again),
        ONE(a_handshake_that_fails_never_sent_the_request),
        ONE(a_server_that_dies_under_a_tls_upload_is_a_failure)
    };

    if (!test_server_is_installed())
        return 77;
    return suite_run("integration/curl_nginx", 120, tests,
                     sizeof tests / sizeof tests[0]);
}
