/* SPDX-License-Identifier: MIT */
/* keel_http: what is sent, what comes back, and what is tried again. */
#include "client_fixture.h"

START_TEST(an_answer_comes_with_status_headers_and_body)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY("HTTP/1.1 404 Gone\r\nX-Test: yes\r\nContent-Length: 4\r\n\r\nnone",
                  FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.status, KEEL_CLIENT_ERROR);
    ck_assert_int_eq(t.code, 404);
    ck_assert_str_eq(t.body, "none");
    ck_assert_str_eq(t.header, "yes");
    ck_assert_str_eq(t.url, base_url);
    ck_assert_ptr_nonnull(strstr(t.text, "HTTP 404: "));
    END();
}
END_TEST

START_TEST(a_request_is_sent_as_it_was_given)
{
    static const keel_http_pair headers[] = { { "X-One", "1" }, { "X-Empty", "" } };
    char url[80];
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    snprintf(url, sizeof url, "%sa/../b?c", base_url);
    r.method = "PATCH";
    r.url = url;
    r.headers = headers;
    r.header_count = 2;
    r.body = "hello";
    r.body_length = 5;
    start(&r);
    memset(url, 'x', sizeof url - 1); /* texts were copied */
    finish_all();
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert(fault_saw(&server, "PATCH /a/../b?c HTTP/1.1\r\n"));
    ck_assert(fault_saw(&server, "X-One: 1\r\n"));
    ck_assert(fault_saw(&server, "X-Empty:\r\n"));
    ck_assert(fault_saw(&server, "Content-Length: 5\r\n"));
    ck_assert(fault_saw(&server, "\r\n\r\nhello"));
    ck_assert(!fault_saw(&server, "Content-Type"));
    ck_assert(!fault_saw(&server, "Expect"));
    END();
}
END_TEST

/* The handle that sent one is used for the next. */
START_TEST(no_request_inherits_from_the_one_before)
{
    static const keel_http_pair header = { "X-One", "1" };
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.method = "POST";
    r.body = "hello";
    r.body_length = 5;
    r.headers = &header;
    r.header_count = 1;
    play(&r);
    ck_assert(fault_saw(&server, "POST / HTTP"));
    r = request_to(&t);
    play(&r);
    ck_assert(fault_saw(&server, "GET / HTTP"));
    ck_assert(!fault_saw(&server, "X-One"));
    ck_assert(!fault_saw(&server, "Content-Length"));
    r.method = "HEAD";
    play(&r);
    ck_assert(fault_saw(&server, "HEAD / HTTP"));
    r.method = "DELETE";
    play(&r);
    ck_assert(fault_saw(&server, "DELETE / HTTP"));
    r.method = "POST";
    play(&r);
    ck_assert(fault_saw(&server, "POST / HTTP"));
    ck_assert(fault_saw(&server, "Content-Length: 0\r\n"));
    ck_assert_int_eq(t.times, 5);
    ck_assert_int_eq(connections(), 1);
    END();
}
END_TEST

START_TEST(a_connection_is_used_again)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    for (int i = 0; i < 20; i++)
        play(&r);
    ck_assert_int_eq(t.times, 20);
    ck_assert_int_eq(requests(), 20);
    ck_assert_int_eq(connections(), 1);
    END();
}
END_TEST

START_TEST(once_it_is_warm_nothing_of_keels_is_allocated)
{
    told_end t = { 0 };
    keel_http_request r;
    long calls;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    for (int i = 0; i < 4; i++)
        start(&r);
    finish_all();
    calls = atomic_load(&own.memory.calls);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            start(&r);
        finish_all();
    }
    ck_assert_int_eq(t.times, 44);
    ck_assert_int_eq(atomic_load(&own.memory.calls), calls);
    END();
}
END_TEST

START_TEST(done_is_never_called_inside_start)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("bulkhead=1", SAY("", FAULT_HANG));
    r = request_to(&t);
    start(&r);
    start(&r); /* the bulkhead refuses it: known at once, and not told at once */
    ck_assert_int_eq(t.times, 0);
    while (!t.times)
        step();
    ck_assert_int_eq(t.status, KEEL_REJECTED_BULKHEAD_FULL);
    ck_assert_uint_eq(t.attempts, 0);
    ck_assert_int_eq(t.code, 0);
    END();
}
END_TEST

typedef struct retry_case {
    const char *why;
    const char *method;
    keel_curl_safety safety;
    const char *first;
    fault_then then;
    keel_status status;
    int requests;
    keel_applied applied;
} retry_case;

static const retry_case retry_cases[] = {
    { "a buffered 503 is forgotten", "GET", KEEL_CURL_BY_METHOD, SICK, FAULT_KEEP,
      KEEL_OK, 2, KEEL_APPLIED_YES },
    { "a POST may have had an effect", "POST", KEEL_CURL_BY_METHOD, SICK, FAULT_KEEP,
      KEEL_FAILED, 1, KEEL_APPLIED_UNKNOWN },
    { "one declared idempotent may not", "POST", KEEL_CURL_IDEMPOTENT, SICK, FAULT_KEEP,
      KEEL_OK, 2, KEEL_APPLIED_YES },
    { "a GET declared unsafe stays one", "GET", KEEL_CURL_UNSAFE, SICK, FAULT_KEEP,
      KEEL_FAILED, 1, KEEL_APPLIED_UNKNOWN },
    { "half a body is none", "GET", KEEL_CURL_BY_METHOD,
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAULT_CLOSE, KEEL_OK, 2,
      KEEL_APPLIED_YES },
    { "half a head is none", "GET", KEEL_CURL_BY_METHOD, "HTTP/1.1 200 OK\r\nX: y",
      FAULT_CLOSE, KEEL_OK, 2, KEEL_APPLIED_YES },
    { "a PUT whose connection is reset", "PUT", KEEL_CURL_BY_METHOD, "", FAULT_RESET,
      KEEL_OK, 2, KEEL_APPLIED_YES },
    { "a POST whose connection is reset is in doubt", "POST", KEEL_CURL_BY_METHOD, "",
      FAULT_RESET, KEEL_UNKNOWN, 1, KEEL_APPLIED_UNKNOWN },
    { "a 400 is no better the second time", "GET", KEEL_CURL_BY_METHOD,
      "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP, KEEL_CLIENT_ERROR, 1,
      KEEL_APPLIED_UNKNOWN },
};

START_TEST(what_is_safe_is_tried_again)
{
    const retry_case *c = &retry_cases[_i];
    const fault_step script[] = { SAY(c->first, c->then), SAY(GOOD, FAULT_KEEP) };
    told_end t = { 0 };
    keel_http_request r;

    ck_assert(fault_start(&server, script, 2));
    client_open_at(QUICK, server.port);
    r = request_to(&t);
    r.method = c->method;
    r.safety = c->safety;
    play(&r);
    ck_assert_msg(t.status == c->status, "%s: %s", c->why, t.text);
    ck_assert_msg(requests() == c->requests, "%s: %d", c->why, requests());
    ck_assert_msg(t.applied == c->applied, "%s: %d", c->why, t.applied);
    if (c->status == KEEL_OK)
        ck_assert_str_eq(t.body, "fine");
    END();
}
END_TEST

/* The connection dies as the next request goes out on it. */
START_TEST(libcurl_sends_nothing_again_by_itself_that_may_not_be)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("retry.attempts=1", SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE),
          SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    r.method = "POST";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_UNKNOWN);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(requests(), 2);
    ck_assert_uint_eq(opened_look(&own).resends_total, 1);
    END();
}
END_TEST

START_TEST(what_may_be_sent_again_by_libcurl_is_counted)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("retry.attempts=1", SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE),
          SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(requests(), 3);
    ck_assert_uint_eq(opened_look(&own).resends_total, 1);
    END();
}
END_TEST

START_TEST(the_answer_of_a_last_attempt_is_delivered)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(QUICK "retry.attempts=3", SAY(SICK, FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert_uint_eq(t.attempts, 3);
    ck_assert_int_eq(t.code, 503);
    ck_assert_str_eq(t.body, "sick");
    END();
}
END_TEST

/* 20 calls leave 0.2 x 20 extra attempts; each would make two. */
START_TEST(retries_keep_to_their_budget)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(QUICK "breaker=off; retry.budget=20%; retry.budget_floor=0/s",
          SAY(SICK, FAULT_KEEP));
    r = request_to(&t);
    for (int i = 0; i < 20; i++)
        start(&r);
    finish_all();
    ck_assert_int_eq(t.times, 20);
    ck_assert_int_ge(requests(), 23);
    ck_assert_int_le(requests(), 24);
    END();
}
END_TEST

START_TEST(an_open_breaker_refuses_at_once)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("retry.attempts=1; breaker.consecutive=2", SAY(SICK, FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    play(&r);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_REJECTED_OPEN);
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

/* Nobody listens there: nothing of a POST can have left. */
START_TEST(a_request_that_never_left_is_tried_again_whatever_it_is)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    fault_stop(&server);
    r = request_to(&t);
    r.method = "POST";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert_uint_eq(t.attempts, 3);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    client_end();
}
END_TEST

START_TEST(a_queued_request_goes_out_when_a_place_is_free)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("bulkhead=1; bulkhead.queue=8; bulkhead.wait=20s; deadline=30s",
          SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    for (int i = 0; i < 5; i++)
        start(&r);
    finish_all();
    ck_assert_int_eq(t.times, 5);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(requests(), 5);
    ck_assert_int_eq(connections(), 1);
    END();
}
END_TEST

START_TEST(disabled_it_is_the_plain_request)
{
    const char *const environment[] = { "KEEL_DISABLED=on", NULL };
    static const fault_step steps[] = { SAY(SICK, FAULT_KEEP) };
    told_end t = { 0 };
    keel_http_request r;

    ck_assert(fault_start(&server, steps, 1));
    opened_init(&own, OPENED_REAL, environment, "retry.attempts=3");
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, &own.why), KEEL_OK);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/", server.port);
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert_int_eq(t.code, 503);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

/* Given up by its author, or with its client. */
START_TEST(disabled_it_still_can_be_given_up)
{
    const char *const environment[] = { "KEEL_DISABLED=on", NULL };
    static const fault_step steps[] = { SAY("", FAULT_HANG) };
    told_end t[2] = { { 0 } };
    uint64_t ticket = 0;

    ck_assert(fault_start(&server, steps, 1));
    opened_init(&own, OPENED_REAL, environment, "");
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, &own.why), KEEL_OK);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/", server.port);
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&t[i]);

        ticket = start(&r);
    }
    while (requests() < 2)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    ck_assert_int_eq(keel_http_cancel(client, ticket), KEEL_OK);
    while (!t[1].times)
        step();
    ck_assert_int_eq(t[1].status, KEEL_CANCELLED);
    ck_assert_int_eq(t[0].times, 0);
    END();
    ck_assert_int_eq(t[0].times, 1);
    ck_assert_int_eq(t[0].status, KEEL_CANCELLED);
}
END_TEST

START_TEST(perform_waits_and_keeps_the_answer)
{
    const keel_http_response *first, *second;
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP),
          SAY("HTTP/1.1 200 OK\r\nX-Test: two\r\nContent-Length: 5\r\n\r\nother",
              FAULT_KEEP));
    r = request_to(NULL);
    r.done = NULL;
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, &first, &own.why),
                     KEEL_OK);
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, &second, &own.why),
                     KEEL_OK);
    ck_assert_str_eq(first->body, "fine");
    ck_assert_ptr_null(keel_http_header(first, "X-Test", 0));
    ck_assert_str_eq(second->body, "other");
    ck_assert_str_eq(keel_http_header(second, "x-TEST", 0), "two");
    ck_assert_ptr_null(keel_http_header(second, "X-Test", 1));
    keel_http_response_free(first);
    keel_http_response_free(second);
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, NULL, NULL), KEEL_OK);
    END();
}
END_TEST

static void perform_in_done(keel_status status, const keel_http_response *response,
                            const keel_detail *detail, void *ctx)
{
    told_end t = { 0 };
    keel_http_request r = request_to(&t);

    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, NULL, NULL),
                     KEEL_E_STATE);
    ck_assert_int_eq(keel_http_poll(client, 0), KEEL_E_STATE);
    note_end(status, response, detail, ctx);
}

START_TEST(a_callback_does_not_wait_for_others)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.done = perform_in_done;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    END();
}
END_TEST

SUITE("client", 20, ONE(an_answer_comes_with_status_headers_and_body),
      ONE(a_request_is_sent_as_it_was_given),
      ONE(no_request_inherits_from_the_one_before), ONE(a_connection_is_used_again),
      ONE(once_it_is_warm_nothing_of_keels_is_allocated),
      ONE(done_is_never_called_inside_start),
      ROWS(what_is_safe_is_tried_again, retry_cases),
      ONE(libcurl_sends_nothing_again_by_itself_that_may_not_be),
      ONE(what_may_be_sent_again_by_libcurl_is_counted),
      ONE(the_answer_of_a_last_attempt_is_delivered), ONE(retries_keep_to_their_budget),
      ONE(an_open_breaker_refuses_at_once),
      ONE(a_request_that_never_left_is_tried_again_whatever_it_is),
      ONE(a_queued_request_goes_out_when_a_place_is_free),
      ONE(disabled_it_is_the_plain_request), ONE(disabled_it_still_can_be_given_up),
      ONE(perform_waits_and_keeps_the_answer), ONE(a_callback_does_not_wait_for_others))
