/* SPDX-License-Identifier: MIT */
/* keel_http where a pipeline has several endpoints, or sends copies, or tells the time. */
#include "client_fixture.h"
#include "http/client/target.h"

typedef struct target_case {
    const char *endpoint;
    const char *asked;
    const char *url; /* NULL: none of HTTP */
} target_case;

static const target_case target_cases[] = {
    { "http://a", "/b?c", "http://a/b?c" },
    { "http://a/", "/b", "http://a/b" },
    { "https://a:8443/base/", "/b", "https://a:8443/base/b" },
    { "a:80", "/b", "http://a:80/b" },
    { "http://a", "http://other:1/b/c?d=http://e", "http://a/b/c?d=http://e" },
    { "http://a", "https://other", "http://a/" },
    { "http://a/base", "https://other?x=1", "http://a/base/?x=1" },
    { "http://a", "//other/b", "http://a//other/b" },
    { "/run/a.sock", "/b", "http://localhost/b" },
    { "/run/a.sock", "https://other?x=1", "http://localhost/?x=1" },
    { "redis://a", "/b", NULL },
};

START_TEST(an_endpoint_and_a_path_make_a_url)
{
    const target_case *c = &target_cases[_i];
    char url[256];
    bool is_one = keel_http_target(url, c->endpoint, c->asked);

    ck_assert_uint_ge(sizeof url, keel_http_target_size(c->endpoint, c->asked));
    ck_assert_int_eq(is_one, c->url != NULL);
    if (c->url) {
        ck_assert_str_eq(url, c->url);
        ck_assert_uint_lt(strlen(url), keel_http_target_size(c->endpoint, c->asked));
    }
}
END_TEST

/* ---- endpoints ----------------------------------------------------------------------- */

static fault_server other;

static void begin_two(const char *settings, const fault_step *here,
                      const fault_step *there)
{
    char all[512];

    ck_assert(fault_start(&server, here, 1));
    ck_assert(fault_start(&other, there, 1));
    snprintf(all, sizeof all,
             "endpoints=http://127.0.0.1:%u/one/, http://127.0.0.1:%u; %s", server.port,
             other.port, settings);
    client_open_at(all, server.port);
}

static void end_two(void)
{
    END();
    fault_stop(&other);
}

static int all_requests(void)
{
    return atomic_load(&server.requests) + atomic_load(&other.requests);
}

static int endpoint_told;

static void note_endpoint(keel_status status, const keel_http_response *response,
                          const keel_detail *detail, void *ctx)
{
    note_end(status, response, detail, ctx);
    endpoint_told = response ? response->endpoint : -2;
}

START_TEST(a_path_is_asked_of_the_endpoint_that_is_chosen)
{
    static const fault_step good = SAY(GOOD, FAULT_KEEP);
    told_end t = { 0 };
    keel_http_request r;

    begin_two("", &good, &good);
    r = request_to(&t);
    r.url = "/b?c";
    r.done = note_endpoint;
    for (int i = 0; i < 40; i++) {
        play(&r);
        ck_assert_int_eq(t.status, KEEL_OK);
        ck_assert_int_eq(endpoint_told, strstr(t.url, "/one/b?c") ? 0 : 1);
    }
    ck_assert_int_gt(requests(), 0);
    ck_assert_int_gt(atomic_load(&other.requests), 0);
    ck_assert(fault_saw(&server, "GET /one/b?c HTTP"));
    ck_assert(fault_saw(&other, "GET /b?c HTTP"));
    end_two();
}
END_TEST

START_TEST(a_retry_goes_to_another_endpoint)
{
    static const fault_step sick = SAY(SICK, FAULT_KEEP);
    static const fault_step good = SAY(GOOD, FAULT_KEEP);
    told_end t = { 0 };
    keel_http_request r;

    begin_two(QUICK "retry.attempts=2; retry.budget=off; breaker=off", &sick, &good);
    r = request_to(&t);
    for (int i = 0; i < 20; i++) {
        play(&r);
        ck_assert_int_eq(t.status, KEEL_OK);
    }
    end_two();
}
END_TEST

START_TEST(the_same_number_goes_to_the_same_endpoint)
{
    static const fault_step good = SAY(GOOD, FAULT_KEEP);
    keel_call_options call = { .size = sizeof call, .affinity = 77 };
    told_end t = { 0 };
    keel_http_request r;

    begin_two("endpoints.choice=sticky", &good, &good);
    r = request_to(&t);
    r.call = &call;
    for (int i = 0; i < 12; i++)
        play(&r);
    ck_assert(requests() == 12 || atomic_load(&other.requests) == 12);
    end_two();
}
END_TEST

START_TEST(a_path_alone_needs_endpoints)
{
    told_end t = { 0 };
    keel_http_request r;

    client_open_at("", 1);
    r = request_to(&t);
    r.url = "/b";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_E_ARGUMENT);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(opened_look(&own).failures, 0);
    client_end();
}
END_TEST

START_TEST(an_endpoint_that_is_none_of_http_is_a_wrong_setting)
{
    told_end t = { 0 };
    keel_http_request r;

    client_open_at("endpoints=redis://127.0.0.1:1", 1);
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_E_CONFIG);
    client_end();
}
END_TEST

/* ---- copies ------------------------------------------------------------------------------- */

#define HEDGED                                                                         \
    "hedge=20ms; hedge.budget=100%; retry.budget=off; timeout=20s; deadline=20s; "

START_TEST(a_copy_answers_for_one_that_is_slow)
{
    static const fault_step hangs = SAY("", FAULT_HANG);
    static const fault_step good = SAY(GOOD, FAULT_KEEP);
    keel_pipeline_stats stats;
    told_end t = { 0 };
    keel_http_request r;

    begin_two(HEDGED "breaker=off", &hangs, &good);
    r = request_to(&t);
    for (int i = 0; i < 12; i++) {
        play(&r);
        ck_assert_int_eq(t.status, KEEL_OK);
        ck_assert_str_eq(t.body, "fine");
    }
    stats = opened_look(&own);
    /* a good answer that took long had a copy that lost */
    ck_assert_uint_gt(stats.hedges_won_total, 0);
    ck_assert_uint_le(stats.hedges_won_total, stats.hedges_total);
    ck_assert_uint_eq(stats.in_flight, 0);
    end_two();
}
END_TEST

START_TEST(what_must_not_happen_twice_has_no_copy)
{
    static const fault_step slow = { .send = GOOD, .drip_ms = 2 };
    told_end t = { 0 };
    keel_http_request r;

    begin_two(HEDGED, &slow, &slow);
    r = request_to(&t);
    r.method = "POST";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(all_requests(), 1);
    end_two();
}
END_TEST

static bool count_bytes(const void *bytes, size_t length, void *ctx)
{
    (void)bytes;
    ((told_end *)ctx)->body_length += length;
    return true;
}

/*
 * Two that save up for a copy, then one that fails and one that is slow. A machine that
 * stands still may give the first two copies of their own: then all begins anew.
 */
static void begin_with_savings(keel_http_request *r)
{
    static const fault_step steps[] = { SAY(GOOD, FAULT_KEEP),
                                        SAY(GOOD, FAULT_KEEP),
                                        SAY(SICK, FAULT_KEEP),
                                        { .send = GOOD, .drip_ms = 2 } };

    for (;;) {
        ck_assert(fault_start(&server, steps, 4));
        client_open_at(HEDGED QUICK, server.port);
        play(r);
        play(r);
        if (opened_look(&own).hedges_total == 0)
            return;
        END();
    }
}

/* Also after a failed attempt, when it is known that it may be tried again. */
START_TEST(what_is_handed_on_as_it_arrives_has_no_copy)
{
    told_end t = { 0 };
    keel_http_request r = request_to(&t);

    begin_with_savings(&r);
    r.on_body = count_bytes;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(requests(), 4);
    ck_assert_uint_eq(opened_look(&own).hedges_total, 0);
    END();
}
END_TEST

/* The first is slow to fail, the copy fails at once with another word. */
START_TEST(of_several_that_fail_the_first_one_is_told_of)
{
    static const fault_step steps[] = {
        { .send = "HTTP/1.1 500 First\r\nContent-Length: 5\r\n\r\nfirst",
          .drip_ms = 2 },
        SAY("HTTP/1.1 502 Copy\r\nContent-Length: 4\r\n\r\ncopy", FAULT_KEEP),
    };
    told_end t = { 0 };
    keel_http_request r;

    ck_assert(fault_start(&server, steps, 2));
    client_open_at(HEDGED "retry.attempts=1", server.port);
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert_uint_eq(opened_look(&own).hedges_total, 1);
    ck_assert_int_eq(t.code, 500);
    ck_assert_str_eq(t.body, "first");
    ck_assert_ptr_nonnull(strstr(t.text, "HTTP 500"));
    END();
}
END_TEST

START_TEST(closing_takes_copies_along)
{
    static const fault_step hangs = SAY("", FAULT_HANG);
    told_end t = { 0 };
    keel_http_request r;

    begin_two(HEDGED, &hangs, &hangs);
    r = request_to(&t);
    start(&r);
    while (all_requests() < 2)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    keel_http_close(client);
    client = NULL;
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
    ck_assert_uint_eq(opened_look(&own).in_flight, 0);
    end_two();
}
END_TEST

/* ---- the time left ---------------------------------------------------------------------------- */

START_TEST(the_time_left_and_the_attempt_travel_with_each_attempt)
{
    static const keel_http_pair header = { "X-Other", "stays" };
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(QUICK "deadline.header=keel; deadline=5s", SAY(SICK, FAULT_KEEP),
          SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.headers = &header;
    r.header_count = 1;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert(fault_saw(&server, "x-keel-timeout-ms: "));
    ck_assert(fault_saw(&server, "x-keel-attempt: 2\r\n"));
    ck_assert(fault_saw(&server, "X-Other: stays\r\n"));
    END();
}
END_TEST

START_TEST(it_does_not_unless_it_was_asked_for)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    ck_assert(!fault_saw(&server, "x-keel"));
    END();
}
END_TEST

SUITE("client_endpoints", 20, ROWS(an_endpoint_and_a_path_make_a_url, target_cases),
      ONE(a_path_is_asked_of_the_endpoint_that_is_chosen),
      ONE(a_retry_goes_to_another_endpoint),
      ONE(the_same_number_goes_to_the_same_endpoint), ONE(a_path_alone_needs_endpoints),
      ONE(an_endpoint_that_is_none_of_http_is_a_wrong_setting),
      ONE(a_copy_answers_for_one_that_is_slow),
      ONE(what_must_not_happen_twice_has_no_copy),
      ONE(what_is_handed_on_as_it_arrives_has_no_copy),
      ONE(of_several_that_fail_the_first_one_is_told_of),
      ONE(closing_takes_copies_along),
      ONE(the_time_left_and_the_attempt_travel_with_each_attempt),
      ONE(it_does_not_unless_it_was_asked_for))
