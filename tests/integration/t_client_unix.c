/* SPDX-License-Identifier: MIT */
/* keel_http to a server that listens on a unix socket, and to another beside it. */
#include "http/client/client_fixture.h"
#include "support/server.h"

#define SERVERS                                                                        \
    "server { listen unix:@DIR@/app.sock; listen 127.0.0.1:@PORT@;"                    \
    " location / { return 200 \"$server_addr $http_host $request_uri\"; }"             \
    " location /away { return 302 http://127.0.0.1:@PORT@/there; }"                    \
    " location /near { return 302 /here; } }"

static test_server real = { .port = 0 };

/* The socket, and the same server by its port. */
static void begin(bool has_both)
{
    char settings[512], other[128] = "";

    ck_assert(test_server_start(&real, SERVERS));
    if (has_both)
        snprintf(other, sizeof other, ", 127.0.0.1:%u; endpoints.choice=round_robin",
                 real.port);
    snprintf(settings, sizeof settings, "endpoints=%s/app.sock%s",
             real.nginx.process.dir, other);
    client_open_at(settings, real.port);
}

static void end(void)
{
    client_end();
    test_server_cleanup(&real);
}

static void get(told_end *t, const char *url, keel_http_redirects redirects)
{
    keel_http_request r = request_to(t);

    r.url = url;
    r.redirects = redirects;
    play(&r);
    ck_assert_msg(t->status == KEEL_OK, "%s: %s", url, t->text);
}

START_TEST(an_endpoint_may_be_a_unix_socket)
{
    keel_http_pair host = { "Host", "app.example" };
    told_end t = { 0 };
    keel_http_request r;

    begin(false);
    get(&t, "/orders?id=7", KEEL_HTTP_NO_REDIRECT);
    ck_assert_str_eq(t.url, "http://localhost/orders?id=7");
    ck_assert(strncmp(t.body, "unix:", 5) == 0);
    ck_assert(strstr(t.body, " localhost /orders?id=7"));
    r = request_to(&t);
    r.url = "https://app.example/orders";
    r.headers = &host;
    r.header_count = 1;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert(strstr(t.body, " app.example /orders"));
    end();
}
END_TEST

/* On the same handles, one after the other. */
START_TEST(a_socket_is_left_for_the_next_endpoint)
{
    told_end t = { 0 };

    begin(true);
    for (int i = 0; i < 8; i++) {
        get(&t, "/b", KEEL_HTTP_NO_REDIRECT);
        ck_assert_int_eq(strncmp(t.body, "unix:", 5) == 0,
                         strncmp(t.url, "http://localhost/", 17) == 0);
    }
    end();
}
END_TEST

START_TEST(a_redirect_to_another_host_leaves_the_socket)
{
    told_end t = { 0 };

    begin(false);
    get(&t, "/near", KEEL_HTTP_SAME_HOST);
    ck_assert(strncmp(t.body, "unix:", 5) == 0);
    ck_assert(strstr(t.body, " /here"));
    get(&t, "/away", KEEL_HTTP_SAME_HOST);
    ck_assert_int_eq(t.code, 302);
    get(&t, "/away", KEEL_HTTP_ANY_HOST);
    ck_assert_int_eq(t.code, 200);
    ck_assert(strncmp(t.body, "127.0.0.1 ", 10) == 0);
    end();
}
END_TEST

START_TEST(a_socket_that_is_not_there_is_a_failure_that_never_left)
{
    told_end t = { 0 };
    keel_http_request r;

    client_open_at("endpoints=/nonexistent/app.sock; retry.attempts=1", 1);
    r = request_to(&t);
    r.url = "/b";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    client_end();
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(an_endpoint_may_be_a_unix_socket),
        ONE(a_socket_is_left_for_the_next_endpoint),
        ONE(a_redirect_to_another_host_leaves_the_socket),
        ONE(a_socket_that_is_not_there_is_a_failure_that_never_left),
    };

    if (!test_server_is_installed())
        return 77;
    return suite_run("client_unix", 20, tests, sizeof tests / sizeof tests[0]);
}
