/* SPDX-License-Identifier: MIT */
/* Where a redirect may lead, and that keel_http goes there with no more than it should. */
#include "http/client/redirect.h"

#include <curl/curl.h>

#include "client_fixture.h"

typedef struct hop_case {
    const char *why;
    keel_http_redirects allowed;
    long status;
    const char *from;
    const char *to;
    keel_hop hop;
} hop_case;

#define SAME KEEL_HTTP_SAME_HOST
#define ANY KEEL_HTTP_ANY_HOST

static const hop_case hop_cases[] = {
    { "off", KEEL_HTTP_NO_REDIRECT, 302, "http://a/", "http://a/b", KEEL_HOP_NONE },
    { "the same host", SAME, 302, "http://a/", "http://a/b", KEEL_HOP_SAME },
    { "in other letters", SAME, 301, "http://Api/", "HTTP://aPI:80/b", KEEL_HOP_SAME },
    { "307 and 308 are followed too", SAME, 308, "http://a/", "http://a/b",
      KEEL_HOP_SAME },
    { "304 is not one", SAME, 304, "http://a/", "http://a/b", KEEL_HOP_NONE },
    { "300 leaves the choice to people", SAME, 300, "http://a/", "http://a/b",
      KEEL_HOP_NONE },
    { "without a Location", SAME, 302, "http://a/", NULL, KEEL_HOP_NONE },
    { "another host", SAME, 302, "http://a/", "http://b/", KEEL_HOP_NONE },
    { "a host below it is another", SAME, 302, "http://a.x/", "http://b.a.x/",
      KEEL_HOP_NONE },
    { "another port is another host", SAME, 302, "http://a/", "http://a:81/",
      KEEL_HOP_NONE },
    { "up to https", SAME, 301, "http://a/", "https://a/", KEEL_HOP_SAME },
    { "up to https elsewhere", SAME, 301, "http://a/", "https://a:8443/",
      KEEL_HOP_NONE },
    { "down from https", SAME, 301, "https://a/", "http://a/", KEEL_HOP_NONE },
    { "never down", ANY, 301, "https://a/", "http://a/", KEEL_HOP_NONE },
    { "anywhere", ANY, 302, "http://a/", "http://b/", KEEL_HOP_ELSEWHERE },
    { "anywhere, and it is here", ANY, 302, "http://a/", "http://a/c", KEEL_HOP_SAME },
    { "no other scheme", ANY, 302, "http://a/", "file:///etc/passwd", KEEL_HOP_NONE },
    { "not a URL", ANY, 302, "http://a/", "http://", KEEL_HOP_NONE },
};

START_TEST(a_redirect_leads_where_it_is_allowed_to)
{
    const hop_case *c = &hop_cases[_i];

    ck_assert_msg(keel_http_hop(c->allowed, c->status, c->from, c->to) == c->hop, "%s",
                  c->why);
}
END_TEST

typedef struct method_case {
    long status;
    const char *method;
    const char *follows;
} method_case;

static const method_case method_cases[] = {
    { 301, "GET", "GET" },  { 303, "HEAD", "HEAD" }, { 301, "POST", "GET" },
    { 302, "POST", "GET" }, { 303, "POST", "GET" },  { 303, "PUT", "GET" },
    { 302, "PUT", "PUT" },  { 307, "POST", "POST" }, { 308, "PATCH", "PATCH" },
};

START_TEST(a_redirect_changes_the_method_as_the_rfc_has_it)
{
    const method_case *c = &method_cases[_i];

    ck_assert_str_eq(keel_http_hop_method(c->status, c->method), c->follows);
}
END_TEST

/* ---- followed ---------------------------------------------------------------------------- */

static const keel_http_pair headers[] = { { "Authorization", "Basic eDp5" },
                                          { "X-Other", "stays" },
                                          { "Cookie", "a=b" } };

static keel_http_request confidential_request(told_end *t)
{
    keel_http_request r = request_to(t);

    r.headers = headers;
    r.header_count = 3;
    return r;
}

START_TEST(a_redirect_is_the_answer_unless_it_is_to_be_followed)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY("HTTP/1.1 302 -\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
                  FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(t.code, 302);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_redirect_on_the_same_host_is_followed_with_all_headers)
{
    char expected[80];
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("",
          SAY("HTTP/1.1 302 -\r\nLocation: /b\r\nContent-Length: 4\r\n\r\ngone",
              FAULT_KEEP),
          SAY(GOOD, FAULT_KEEP));
    r = confidential_request(&t);
    r.redirects = KEEL_HTTP_SAME_HOST;
    play(&r);
    ck_assert_int_eq(t.code, 200);
    ck_assert_str_eq(t.body, "fine");
    snprintf(expected, sizeof expected, "%sb", base_url);
    ck_assert_str_eq(t.url, expected);
    ck_assert(fault_saw(&server, "GET /b HTTP"));
    ck_assert(fault_saw(&server, "Authorization: Basic eDp5\r\n"));
    ck_assert_uint_eq(t.attempts, 1);
    END();
}
END_TEST

START_TEST(a_post_that_becomes_a_get_leaves_its_body)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(
        "",
        SAY("HTTP/1.1 303 -\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP),
        SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.method = "POST";
    r.body = "hello";
    r.body_length = 5;
    r.redirects = KEEL_HTTP_SAME_HOST;
    play(&r);
    ck_assert_int_eq(t.code, 200);
    ck_assert(fault_saw(&server, "GET /b HTTP"));
    ck_assert(!fault_saw(&server, "hello"));
    ck_assert(!fault_saw(&server, "Content-Length"));
    END();
}
END_TEST

START_TEST(a_post_that_stays_one_takes_its_body_along)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(
        "",
        SAY("HTTP/1.1 307 -\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP),
        SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.method = "POST";
    r.body = "hello";
    r.body_length = 5;
    r.redirects = KEEL_HTTP_SAME_HOST;
    play(&r);
    ck_assert_int_eq(t.code, 200);
    ck_assert(fault_saw(&server, "POST /b HTTP"));
    ck_assert(fault_saw(&server, "\r\n\r\nhello"));
    END();
}
END_TEST

START_TEST(a_circle_of_redirects_ends)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY("HTTP/1.1 302 -\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
                  FAULT_KEEP));
    r = request_to(&t);
    r.redirects = KEEL_HTTP_SAME_HOST;
    play(&r);
    ck_assert_int_eq(t.code, 302);
    ck_assert_int_eq(requests(), 11);
    END();
}
END_TEST

static fault_server elsewhere;
static char moved[160];

/* Both listen on 127.0.0.1; another port is another host. */
static void begin_moved(const char *scheme)
{
    static const fault_step there[] = { SAY(GOOD, FAULT_KEEP) };
    static fault_step here[1];

    ck_assert(fault_start(&elsewhere, there, 1));
    snprintf(moved, sizeof moved,
             "HTTP/1.1 302 -\r\nLocation: %s://127.0.0.1:%u/b\r\n"
             "Content-Length: 0\r\n\r\n",
             scheme, elsewhere.port);
    here[0] = (fault_step)SAY(moved, FAULT_KEEP);
    ck_assert(fault_start(&server, here, 1));
}

static void set_credentials(void *easy, void *ctx)
{
    (void)ctx;
    curl_easy_setopt(easy, CURLOPT_COOKIE, "prepared=1");
}

START_TEST(another_host_is_not_asked)
{
    told_end t = { 0 };
    keel_http_request r;

    begin_moved("http");
    client_open_at("", server.port);
    r = confidential_request(&t);
    r.redirects = KEEL_HTTP_SAME_HOST;
    play(&r);
    ck_assert_int_eq(t.code, 302);
    ck_assert_int_eq(atomic_load(&elsewhere.connections), 0);
    END();
    fault_stop(&elsewhere);
}
END_TEST

START_TEST(another_host_is_told_nothing_confidential)
{
    keel_http_options options = { .size = sizeof options, .prepare = set_credentials };
    told_end t = { 0 };
    keel_http_request r;

    begin_moved("http");
    client_open_at("", server.port);
    keel_http_close(client);
    ck_assert_int_eq(keel_http_open(&client, own.rt, &options, NULL), KEEL_OK);
    r = confidential_request(&t);
    r.redirects = KEEL_HTTP_ANY_HOST;
    for (int i = 0; i < 2; i++) { /* the second on handles of the first */
        play(&r);
        ck_assert_int_eq(t.code, 200);
        ck_assert(fault_saw(&server, "Authorization: Basic eDp5\r\n"));
        ck_assert(fault_saw(&server, "Cookie: "));
        ck_assert(fault_saw(&elsewhere, "X-Other: stays\r\n"));
        ck_assert(!fault_saw(&elsewhere, "Authorization"));
        ck_assert(!fault_saw(&elsewhere, "Cookie"));
    }
    END();
    fault_stop(&elsewhere);
}
END_TEST

/* What is no certificate is refused by libcurl where it would be shown. */
static void set_certificate(void *easy, void *ctx)
{
    struct curl_blob blob = { ctx, 4, CURL_BLOB_COPY };

    curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
    curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
}

static void note_code(keel_status status, const keel_http_response *response,
                      const keel_detail *detail, void *ctx)
{
    (void)status;
    (void)response;
    *(int *)ctx = detail->system_errno;
}

START_TEST(another_host_is_shown_no_certificate_from_memory)
{
    char none[] = "none";
    keel_http_options options = { .size = sizeof options,
                                  .prepare = set_certificate,
                                  .prepare_ctx = none };
    int code = 0;
    keel_http_request r = { .size = sizeof r,
                            .url = base_url,
                            .redirects = KEEL_HTTP_ANY_HOST,
                            .done = note_code,
                            .ctx = &code };

    begin_moved("https");
    client_open_at("retry.attempts=1; timeout=off; timeout.connect=off; deadline=off",
                   server.port);
    keel_http_close(client);
    ck_assert_int_eq(keel_http_open(&client, own.rt, &options, NULL), KEEL_OK);
    start(&r);
    while (!atomic_load(&elsewhere.connections))
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    fault_stop(&elsewhere); /* nobody speaks TLS there */
    finish_all();
    ck_assert_int_eq(code, CURLE_SSL_CONNECT_ERROR);
    END();
}
END_TEST

SUITE("redirect", 20, ROWS(a_redirect_leads_where_it_is_allowed_to, hop_cases),
      ROWS(a_redirect_changes_the_method_as_the_rfc_has_it, method_cases),
      ONE(a_redirect_is_the_answer_unless_it_is_to_be_followed),
      ONE(a_redirect_on_the_same_host_is_followed_with_all_headers),
      ONE(a_post_that_becomes_a_get_leaves_its_body),
      ONE(a_post_that_stays_one_takes_its_body_along), ONE(a_circle_of_redirects_ends),
      ONE(another_host_is_not_asked), ONE(another_host_is_told_nothing_confidential),
      ONE(another_host_is_shown_no_certificate_from_memory))
