/* SPDX-License-Identifier: MIT */
/* keel_http and a real nginx: connections kept, shared, lost, secured and looked up. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/late_loop.h"
#include "support/comes.h"
#include "support/proxy.h"
#include "support/server.h"

/* $connection: a number that nginx gives each. */
#define PLAIN                                                                          \
    "server {\n"                                                                       \
    "listen 127.0.0.1:@PORT@;\n"                                                       \
    "location / { return 200 \"$connection $server_protocol\"; }\n"                    \
    "location /once { return 200 \"$request_id\"; }\n"                                 \
    "client_max_body_size 9m;\n"                                                       \
    "location /upload { proxy_pass http://127.0.0.1:@PORT@/; }\n"                      \
    "}\n"
#define SECURE                                                                         \
    "server {\n"                                                                       \
    "listen 127.0.0.1:@TLS_PORT@ ssl http2;\n"                                         \
    "ssl_certificate @DIR@/cert.pem;\n"                                                \
    "ssl_certificate_key @DIR@/key.pem;\n"                                             \
    "access_log @DIR@/answered.log;\n"                                                 \
    "location / { return 200 \"$connection $server_protocol\"; }\n"                    \
    "}\n"

enum { REQUESTS = 40 };

static test_server nginx_server;

static void begin(const char *settings)
{
    ck_assert(test_server_start(&nginx_server, PLAIN));
    client_open_at(settings, nginx_server.port);
}

static void end(void)
{
    client_end();
    test_server_cleanup(&nginx_server);
}

/* How many different connections the answers came on. */
static unsigned distinct(told_end *told, unsigned count)
{
    unsigned different = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned before = 0;

        while (before < i && strcmp(told[before].body, told[i].body) != 0)
            before++;
        different += before == i;
    }
    return different;
}

static void start_many(told_end *told, unsigned count, const char *url)
{
    for (unsigned i = 0; i < count; i++) {
        keel_http_request r = request_to(&told[i]);

        r.url = url;
        start(&r);
    }
}

START_TEST(no_more_connections_are_made_than_are_needed_at_once)
{
    told_end told[REQUESTS] = { { 0 } };

    begin("bulkhead=4; bulkhead.queue=100; bulkhead.wait=20s; deadline=20s");
    start_many(told, REQUESTS, base_url);
    finish_all();
    for (int i = 0; i < REQUESTS; i++)
        ck_assert_int_eq(told[i].status, KEEL_OK);
    ck_assert_uint_le(distinct(told, REQUESTS), 4);
    end();
}
END_TEST

/* Its look-up is a thread of libcurl's and a descriptor that libcurl closes by itself. */
START_TEST(a_name_is_looked_up)
{
    told_end told[3] = { { 0 } };
    char url[64];

    begin("");
    for (int i = 0; i < 3; i++) {
        snprintf(url, sizeof url, "http://localhost:%u/%d", nginx_server.port, i);
        start_many(&told[i], 1, url);
        finish_all();
        ck_assert_int_eq(told[i].status, KEEL_OK);
    }
    ck_assert_uint_eq(distinct(told, 3), 1);
    end();
}
END_TEST

START_TEST(a_name_that_there_is_not_never_left)
{
    told_end t = { 0 };
    keel_http_request r;

    begin("retry.attempts=1; timeout=20s; timeout.connect=10s");
    r = request_to(&t);
    r.url = "http://no-such-host.invalid/";
    r.method = "POST";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

START_TEST(a_large_body_goes_out_and_is_sent_again)
{
    static char body[3 << 20];
    told_end t = { 0 };
    keel_http_request r;
    char url[64];
    proxy *between;

    begin(QUICK "timeout=20s; deadline=30s");
    between = proxy_start(nginx_server.port);
    proxy_do(between, PROXY_RESET_AFTER);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/upload", proxy_port(between));
    memset(body, 'x', sizeof body);
    r = request_to(&t);
    r.method = "PUT";
    r.url = url;
    r.body = body;
    r.body_length = sizeof body;
    start(&r);
    while (proxy_accepted(between) < 2)
        step();
    proxy_do(between, PROXY_FORWARD);
    finish_all();
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_uint_ge(t.attempts, 2);
    end();
    proxy_stop(between);
}
END_TEST

START_TEST(a_server_that_was_restarted_is_found_again)
{
    told_end t = { 0 };
    keel_http_request r;

    begin(QUICK);
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    test_server_stop(&nginx_server);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert(test_server_start(&nginx_server, PLAIN));
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(t.times, 3);
    end();
}
END_TEST

/* ---- TLS ---------------------------------------------------------------------------------- */

static char secure_url[64];
static char trusted[SPAWNED_PATH_SIZE];

static void trust(void *easy, void *ctx)
{
    curl_easy_setopt(easy, CURLOPT_CAINFO, ctx);
}

static const keel_http_options trusting = { .size = sizeof trusting,
                                            .prepare = trust,
                                            .prepare_ctx = trusted };

static void serve_securely(void)
{
    char command[4 * SPAWNED_PATH_SIZE];

    ck_assert(test_server_init(&nginx_server));
    spawned_path(&nginx_server.nginx.process, "cert.pem", trusted);
    snprintf(
        command, sizeof command,
        "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=keel "
        "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem "
        "2>openssl.log",
        nginx_server.nginx.process.dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert(test_server_start(&nginx_server, SECURE));
    snprintf(secure_url, sizeof secure_url, "https://127.0.0.1:%u/",
             nginx_server.tls_port);
}

static void begin_secure(bool trusts)
{
    serve_securely();
    opened_init(&own, OPENED_REAL, NULL, "retry.attempts=1; timeout=10s");
    ck_assert_int_eq(keel_http_open(&client, own.rt, trusts ? &trusting : NULL, NULL),
                     KEEL_OK);
}

/* The second burst finds the connection of the first, and shares it. */
START_TEST(http_2_shares_one_connection)
{
    told_end told[REQUESTS] = { { 0 } };

    begin_secure(true);
    start_many(told, 1, secure_url);
    finish_all();
    ck_assert_int_eq(told[0].status, KEEL_OK);
    ck_assert_ptr_nonnull(strstr(told[0].body, " HTTP/2.0"));
    start_many(told + 1, REQUESTS - 1, secure_url);
    finish_all();
    for (int i = 0; i < REQUESTS; i++)
        ck_assert_int_eq(told[i].status, KEEL_OK);
    ck_assert_uint_eq(distinct(told, REQUESTS), 1);
    end();
}
END_TEST

static unsigned answered(void)
{
    char path[SPAWNED_PATH_SIZE], line[1024];
    unsigned count = 0;
    FILE *log;

    spawned_path(&nginx_server.nginx.process, "answered.log", path);
    log = fopen(path, "r");
    ck_assert_ptr_nonnull(log);
    while (fgets(line, sizeof line, log))
        count++;
    fclose(log);
    return count;
}

/* What libcurl reads of one it may have read for others, too. */
START_TEST(answers_that_share_a_connection_are_not_late_while_they_lie_there)
{
    told_end told[REQUESTS] = { { 0 } };
    keel_call_options call = { .size = sizeof call };

    serve_securely();
    late_loop_open("retry.attempts=1; timeout=60s; deadline=60s", trusting);
    start_many(told, 1, secure_url);
    while (keel_http_in_flight(client))
        late_loop_turn();
    kill(nginx_server.nginx.process.pid, SIGSTOP);
    start_many(told, 1, secure_url); /* has time; the others have not */
    call.deadline_at_ns = keel_now(own.rt) + KEEL_S;
    for (int i = 1; i < REQUESTS; i++) {
        keel_http_request r = request_to(&told[i]);

        r.url = secure_url;
        r.call = &call;
        start(&r);
    }
    for (int turns = 0; turns < 10; turns++)
        keel_http_timer(client);
    kill(nginx_server.nginx.process.pid, SIGCONT);
    COMES(answered() == 1 + REQUESTS);
    vclock_advance(&own.clock, 2 * KEEL_S);
    while (keel_http_in_flight(client))
        keel_http_timer(client);
    ck_assert_int_eq(told[0].times, 2);
    for (int i = 0; i < REQUESTS; i++)
        ck_assert_int_eq(told[i].status, KEEL_OK);
    ck_assert_uint_eq(distinct(told, REQUESTS), 1);
    end();
}
END_TEST

START_TEST(a_certificate_that_is_not_trusted_is_refused)
{
    told_end t = { 0 };
    keel_http_request r;

    begin_secure(false);
    r = request_to(&t);
    r.url = secure_url;
    r.method = "POST";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_CLIENT_ERROR);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

/* $request_id: a text that nginx makes for each. */
START_TEST(equal_requests_are_one_and_a_stopped_server_is_stood_in_for)
{
    told_end told[REQUESTS] = { { 0 } };
    char once[80];

    begin("coalesce=on; stale=10m; retry.attempts=1");
    snprintf(once, sizeof once, "%sonce", base_url);
    start_many(told, REQUESTS, once);
    finish_all();
    ck_assert_uint_eq(distinct(told, REQUESTS), 1);
    test_server_stop(&nginx_server);
    start_many(told + 1, 1, once);
    finish_all();
    ck_assert_int_eq(told[1].status, KEEL_OK);
    ck_assert(told[1].is_stale);
    ck_assert_str_eq(told[1].body, told[0].body);
    ck_assert(test_server_start(&nginx_server, PLAIN));
    start_many(told + 1, 1, once);
    finish_all();
    ck_assert(!told[1].is_stale);
    ck_assert_str_ne(told[1].body, told[0].body);
    end();
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(no_more_connections_are_made_than_are_needed_at_once),
        ONE(a_name_is_looked_up),
        ONE(a_name_that_there_is_not_never_left),
        ONE(a_large_body_goes_out_and_is_sent_again),
        ONE(a_server_that_was_restarted_is_found_again),
        ONE(equal_requests_are_one_and_a_stopped_server_is_stood_in_for),
        ONE(http_2_shares_one_connection),
        ONE(answers_that_share_a_connection_are_not_late_while_they_lie_there),
        ONE(a_certificate_that_is_not_trusted_is_refused),
    };

    if (!test_server_is_installed())
        return 77;
    return suite_run("client_nginx", 30, tests, sizeof tests / sizeof tests[0]);
}
