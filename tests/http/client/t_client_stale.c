/* SPDX-License-Identifier: MIT */
/*
 * keel_http with `stale`: while the dependency is down, the last good answer stands in.
 * The clock moves by hand, so that an answer ages when a test says so.
 */
#include "client_fixture.h"
#include "http/client/common.h"

#define ON "stale=10s; retry.attempts=1; "
#define ANSWER(headers)                                                                \
    "HTTP/1.1 200 OK\r\n" headers "X-Test: kept\r\nContent-Length: 4\r\n\r\nfine"
#define FRESH(seconds) ANSWER("Cache-Control: max-age=" seconds "\r\n")

static void open_by_hand(const char *settings)
{
    opened_init(&own, OPENED_BY_HAND, NULL, settings);
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, &own.why), KEEL_OK);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/", server.port);
}

#define BEGIN_BY_HAND(settings, ...)                                                   \
    static const fault_step steps[] = { __VA_ARGS__ };                                 \
    ck_assert(fault_start(&server, steps, sizeof steps / sizeof *steps));              \
    open_by_hand(settings)

static told_end ask(const char *method)
{
    told_end t = { 0 };
    keel_http_request r = request_to(&t);

    r.method = method;
    play(&r);
    return t;
}

static void open_breaker(void)
{
    ck_assert_int_eq(
        keel_pipeline_transition(own.pipeline, KEEL_BREAKER_OPEN, 600 * KEEL_S),
        KEEL_OK);
}

static size_t kept_bytes(void)
{
    return keel_stale_bytes(keel_http_common_look(own.pipeline)->stale);
}

static void is_kept_one(const told_end *t, keel_status stood_in_for)
{
    ck_assert_int_eq(t->status, KEEL_OK);
    ck_assert(t->is_stale && t->fallback);
    ck_assert_int_eq(t->stood_in_for, stood_in_for);
    ck_assert_int_eq(t->code, 200);
    ck_assert_str_eq(t->body, "fine");
    ck_assert_str_eq(t->header, "kept");
    ck_assert_str_eq(t->url, base_url);
}

START_TEST(it_stands_in_for_failures_and_refusals)
{
    told_end t;

    BEGIN_BY_HAND(ON, SAY(ANSWER(""), FAULT_CLOSE), SAY(SICK, FAULT_CLOSE),
                  SAY("", FAULT_CLOSE));
    t = ask("GET");
    ck_assert(!t.is_stale && !t.fallback);
    t = ask("GET");
    is_kept_one(&t, KEEL_FAILED);
    ck_assert_uint_eq(t.attempts, 1);
    t = ask("GET");
    is_kept_one(&t, KEEL_FAILED);
    open_breaker();
    t = ask("GET");
    is_kept_one(&t, KEEL_REJECTED_OPEN);
    ck_assert_int_eq(t.reason, KEEL_REASON_OPEN);
    ck_assert_int_eq(requests(), 3); /* whoever can ask, asks */
    ck_assert_uint_eq(opened_look(&own).stale_served_total, 3);
    t = ask("HEAD"); /* another request, and nothing is kept of it */
    ck_assert_int_eq(t.status, KEEL_REJECTED_OPEN);
    END();
}
END_TEST

START_TEST(without_the_setting_nothing_stands_in)
{
    told_end t;

    BEGIN_BY_HAND("retry.attempts=1", SAY(FRESH("60"), FAULT_KEEP));
    ask("GET");
    open_breaker();
    t = ask("GET");
    ck_assert_int_eq(t.status, KEEL_REJECTED_OPEN);
    ck_assert_ptr_null(keel_http_common_look(own.pipeline));
    END();
}
END_TEST

START_TEST(it_is_served_as_long_as_the_setting_says)
{
    told_end t;

    BEGIN_BY_HAND(ON, SAY(FRESH("5"), FAULT_KEEP));
    ask("GET");
    open_breaker();
    t = ask("GET");
    ck_assert(t.is_stale);
    ck_assert_uint_eq(t.expired_ns, 0); /* still fresh */
    vclock_advance(&own.clock, 7 * KEEL_S);
    t = ask("GET");
    ck_assert(t.is_stale);
    ck_assert_uint_eq(t.expired_ns, 2 * KEEL_S);
    vclock_advance(&own.clock, 8 * KEEL_S - 1);
    t = ask("GET");
    ck_assert(t.is_stale);
    vclock_advance(&own.clock, 1);
    t = ask("GET");
    ck_assert_int_eq(t.status, KEEL_REJECTED_OPEN);
    ck_assert_int_eq(t.code, 0);
    END();
}
END_TEST

static const struct {
    const char *why, *answer;
} never_kept[] = {
    { "must be asked again", ANSWER("Cache-Control: must-revalidate\r\n") },
    { "not to be stored", ANSWER("Cache-Control: no-store\r\n") },
    { "somebody's own", ANSWER("Cache-Control: private\r\n") },
    { "a cookie comes with it", ANSWER("Set-Cookie: a=b\r\n") },
    { "not if there is an error", ANSWER("Cache-Control: stale-if-error=0\r\n") },
    { "the last of several says so",
      ANSWER("Cache-Control: max-age=9\r\nCache-Control: no-store\r\n") },
    { "not there", "HTTP/1.1 404 -\r\nContent-Length: 0\r\n\r\n" },
};

START_TEST(what_the_server_forbids_is_not_served)
{
    const fault_step only[] = { SAY(never_kept[_i].answer, FAULT_KEEP) };
    told_end t;

    ck_assert(fault_start(&server, only, 1));
    open_by_hand(ON);
    ask("GET");
    open_breaker();
    t = ask("GET");
    ck_assert_msg(t.status == KEEL_REJECTED_OPEN && !t.is_stale, "%s",
                  never_kept[_i].why);
    END();
}
END_TEST

static const struct {
    const char *why, *method, *answer;
    bool is_kept;
} changes[] = {
    { "it went well", "POST", "HTTP/1.1 204 -\r\n\r\n", false },
    { "it may have been done", "DELETE", "", false },
    { "it was refused", "PUT", "HTTP/1.1 409 -\r\nContent-Length: 0\r\n\r\n", true },
    { "it changes nothing", "OPTIONS", "HTTP/1.1 204 -\r\n\r\n", true },
    { "it is gone", "GET", "HTTP/1.1 410 -\r\nContent-Length: 0\r\n\r\n", false },
};

START_TEST(what_was_changed_is_forgotten)
{
    const fault_step both[] = { SAY(FRESH("60"), FAULT_CLOSE),
                                SAY(changes[_i].answer, FAULT_CLOSE) };

    ck_assert(fault_start(&server, both, 2));
    open_by_hand(ON);
    ask("GET");
    ask(changes[_i].method);
    ck_assert_int_eq(requests(), 2);
    open_breaker();
    ck_assert_msg(ask("GET").is_stale == changes[_i].is_kept, "%s", changes[_i].why);
    END();
}
END_TEST

static keel_status own_way(const keel_detail *detail, void *ctx)
{
    (void)ctx;
    return detail->code == KEEL_REJECTED_OPEN ? KEEL_FAILED : KEEL_E_STATE;
}

START_TEST(the_authors_own_fallback_comes_before_it)
{
    keel_call_options call = { .size = sizeof call, .fallback = own_way };
    keel_http_request r;
    told_end t = { 0 };

    BEGIN_BY_HAND(ON, SAY(FRESH("60"), FAULT_KEEP));
    ask("GET");
    open_breaker();
    r = request_to(&t);
    r.call = &call;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_FAILED);
    ck_assert(t.fallback && !t.is_stale);
    END();
}
END_TEST

START_TEST(memory_is_bounded)
{
    char url[80];
    told_end t = { 0 };
    keel_http_request r;

    BEGIN_BY_HAND(ON "stale.size=4KiB", SAY(FRESH("60"), FAULT_KEEP));
    r = request_to(&t);
    r.url = url;
    for (int i = 0; i < 50; i++) {
        snprintf(url, sizeof url, "%s%d", base_url, i);
        play(&r);
        ck_assert_uint_le(kept_bytes(), 4096);
    }
    ck_assert_uint_gt(kept_bytes(), 2048);
    open_breaker();
    play(&r);
    ck_assert(t.is_stale); /* the latest is there, */
    snprintf(url, sizeof url, "%s0", base_url);
    memset(&t, 0, sizeof t);
    play(&r);
    ck_assert(!t.is_stale); /* and the first is not */
    END();
}
END_TEST

START_TEST(a_reload_turns_it_off_and_what_is_kept_is_gone)
{
    told_end t;

    BEGIN_BY_HAND(ON, SAY(FRESH("600"), FAULT_KEEP));
    ask("GET");
    ck_assert_uint_gt(kept_bytes(), 0);
    ck_assert_int_eq(
        keel_pipeline_override(own.pipeline, "stale=off", 60 * KEEL_S, NULL), KEEL_OK);
    open_breaker();
    t = ask("GET");
    ck_assert_int_eq(t.status, KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(kept_bytes(), 0);
    ck_assert_int_eq(keel_pipeline_override(own.pipeline, "", 1, NULL), KEEL_OK);
    t = ask("GET");
    ck_assert_int_eq(t.status, KEEL_REJECTED_OPEN);
    END();
}
END_TEST

START_TEST(with_coalesce_followers_have_it_too)
{
    told_end t[3] = { { 0 } };

    BEGIN_BY_HAND(ON "coalesce=on", SAY(FRESH("60"), FAULT_CLOSE),
                  SAY(SICK, FAULT_CLOSE));
    ask("GET");
    for (int i = 0; i < 3; i++) {
        keel_http_request r = request_to(&t[i]);

        start(&r);
    }
    finish_all();
    ck_assert_int_eq(requests(), 2);
    for (int i = 0; i < 3; i++)
        is_kept_one(&t[i], KEEL_FAILED);
    END();
}
END_TEST

START_TEST(a_lent_one_outlives_its_request)
{
    const keel_http_response *response;
    keel_http_request r = { .size = sizeof r, .url = base_url };
    keel_detail why = KEEL_DETAIL_INIT;

    BEGIN_BY_HAND(ON, SAY(FRESH("60"), FAULT_KEEP));
    ask("GET");
    open_breaker();
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, &response, &why),
                     KEEL_OK);
    ck_assert(why.fallback);
    ask("GET");
    ck_assert(response->is_stale);
    ck_assert_str_eq(response->body, "fine");
    ck_assert_str_eq(keel_http_header(response, "x-test", 0), "kept");
    keel_http_response_free(response);
    END();
}
END_TEST

/* Two equal ones, whatever cannot be had. True: nothing was missing. */
static bool survives_without(long n)
{
    told_end t[2] = { { 0 } };
    int begun = 0;
    bool failed;

    open_by_hand(ON "coalesce=on");
    own.memory.fail_at = atomic_load(&own.memory.calls) + n;
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&t[i]);

        begun += keel_http_start(client, own.pipeline, &r, NULL, NULL) == KEEL_OK;
    }
    finish_all();
    failed = atomic_load(&own.memory.failed);
    ck_assert_int_eq(t[0].times + t[1].times, begun);
    for (int i = 0; i < 2; i++)
        ck_assert(!t[i].times || t[i].status == KEEL_OK || t[i].status == KEEL_E_NOMEM);
    client_end();
    return !failed;
}

START_TEST(each_allocation_may_fail)
{
    static const fault_step good[] = { SAY(FRESH("60"), FAULT_KEEP) };
    long n = 1;

    ck_assert(fault_start(&server, good, 1));
    while (!survives_without(n))
        n++;
    ck_assert_int_gt(n, 10);
    fault_stop(&server);
}
END_TEST

SUITE("client_stale", 30, ONE(it_stands_in_for_failures_and_refusals),
      ONE(without_the_setting_nothing_stands_in),
      ONE(it_is_served_as_long_as_the_setting_says),
      ROWS(what_the_server_forbids_is_not_served, never_kept),
      ROWS(what_was_changed_is_forgotten, changes),
      ONE(the_authors_own_fallback_comes_before_it), ONE(memory_is_bounded),
      ONE(a_reload_turns_it_off_and_what_is_kept_is_gone),
      ONE(with_coalesce_followers_have_it_too), ONE(a_lent_one_outlives_its_request),
      ONE(each_allocation_may_fail))
