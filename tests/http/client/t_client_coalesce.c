/* SPDX-License-Identifier: MIT */
/*
 * keel_http with `coalesce`: equal reads that are under way at once are sent once.
 * KEEL_SEED repeats a run of the schedules.
 */
#include <pthread.h>
#include <stdlib.h>

#include "call/pipeline.h"
#include "client_fixture.h"
#include "support/child.h"
#include "support/comes.h"

#define ON "coalesce=on; retry.attempts=1; timeout=20s; deadline=30s; "
#define ANSWER(headers)                                                                \
    "HTTP/1.1 200 OK\r\n" headers "X-Test: of the leader\r\nContent-Length: 4\r\n\r\n" \
    "fine"
#define HANG SAY("", FAULT_HANG)

enum { MANY = 50 };

static told_end ends[MANY];

/* Each equal to the others. */
static void start_all(unsigned count)
{
    memset(ends, 0, sizeof ends);
    for (unsigned i = 0; i < count; i++) {
        keel_http_request r = request_to(&ends[i]);

        start(&r);
    }
}

static void await_request(int number)
{
    while (requests() < number)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
}

START_TEST(fifty_equal_ones_make_one_request)
{
    BEGIN(ON, SAY(ANSWER(""), FAULT_KEEP));
    start_all(MANY);
    finish_all();
    ck_assert_int_eq(requests(), 1);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(ends[i].times, 1);
        ck_assert_int_eq(ends[i].status, KEEL_OK);
        ck_assert_int_eq(ends[i].code, 200);
        ck_assert_str_eq(ends[i].body, "fine");
        ck_assert_str_eq(ends[i].header, "of the leader");
        ck_assert_str_eq(ends[i].url, base_url);
        ck_assert_int_eq(ends[i].is_shared, i > 0);
        ck_assert_uint_eq(ends[i].attempts, i == 0);
    }
    ck_assert_uint_eq(opened_look(&own).coalesced_total, MANY - 1);
    start_all(1); /* not a cache: whoever comes later asks */
    finish_all();
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

START_TEST(without_the_setting_each_asks)
{
    BEGIN("", SAY(GOOD, FAULT_KEEP));
    start_all(5);
    finish_all();
    ck_assert_int_eq(requests(), 5);
    ck_assert_ptr_null(atomic_load(&own.pipeline->http_common));
    END();
}
END_TEST

START_TEST(a_failure_is_told_to_all_and_counts_once)
{
    BEGIN(ON, SAY(SICK, FAULT_KEEP));
    start_all(10);
    finish_all();
    ck_assert_int_eq(requests(), 1);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(ends[i].status, KEEL_FAILED);
        ck_assert_int_eq(ends[i].code, 503);
        ck_assert_str_eq(ends[i].body, "sick");
    }
    ck_assert_uint_eq(opened_look(&own).failures, 1);
    ck_assert_uint_eq(opened_look(&own).calls, 1);
    END();
}
END_TEST

static double chance_after(unsigned count)
{
    static const fault_step sick[] = { SAY(SICK, FAULT_KEEP) };
    double chance;

    ck_assert(fault_start(&server, sick, 1));
    client_open_at(ON "throttle=on; throttle.min_calls=1", server.port);
    start_all(count);
    finish_all();
    chance = opened_look(&own).throttle_chance;
    END();
    return chance;
}

START_TEST(the_throttle_hears_of_one_call)
{
    double once = chance_after(1), shared = chance_after(10);

    ck_assert(once > 0);
    ck_assert(shared <= once && shared >= once);
}
END_TEST

START_TEST(with_endpoints_the_path_says_what_is_asked)
{
    static const fault_step good[] = { SAY(GOOD, FAULT_KEEP) };
    static const char *const urls[] = { "/x", "http://any.example/x" };
    char settings[160];

    ck_assert(fault_start(&server, good, 1));
    snprintf(settings, sizeof settings, ON "endpoints=http://127.0.0.1:%u",
             server.port);
    client_open_at(settings, server.port);
    memset(ends, 0, sizeof ends);
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&ends[i]);

        r.url = urls[i];
        start(&r);
    }
    finish_all();
    ck_assert_int_eq(requests(), 1);
    ck_assert_int_eq(ends[1].status, KEEL_OK);
    ck_assert(ends[1].is_shared);
    END();
}
END_TEST

START_TEST(a_failure_without_an_answer_is_shared_as_well)
{
    BEGIN(ON, SAY("", FAULT_CLOSE));
    start_all(3);
    finish_all();
    ck_assert_int_eq(requests(), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ends[i].status, KEEL_FAILED);
        ck_assert_int_eq(ends[i].code, 0);
    }
    END();
}
END_TEST

START_TEST(a_refusal_is_shared_as_well)
{
    BEGIN(ON, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(
        keel_pipeline_transition(own.pipeline, KEEL_BREAKER_OPEN, 60 * KEEL_S),
        KEEL_OK);
    start_all(3);
    finish_all();
    ck_assert_int_eq(requests(), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ends[i].status, KEEL_REJECTED_OPEN);
        ck_assert_int_eq(ends[i].reason, KEEL_REASON_OPEN);
    }
    ck_assert_uint_eq(opened_look(&own).rejected_total, 1);
    END();
}
END_TEST

static keel_status stand_in(const keel_detail *detail, void *ctx)
{
    (void)detail;
    ++*(int *)ctx;
    return KEEL_OK;
}

START_TEST(each_has_its_own_fallback)
{
    int fallbacks = 0;
    keel_call_options call = { .size = sizeof call,
                               .fallback = stand_in,
                               .fallback_ctx = &fallbacks };
    told_end t[2] = { { 0 } };

    BEGIN(ON, SAY(SICK, FAULT_KEEP));
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&t[i]);

        r.call = &call;
        start(&r);
    }
    finish_all();
    ck_assert_int_eq(requests(), 1);
    ck_assert_int_eq(fallbacks, 2);
    ck_assert_int_eq(t[1].status, KEEL_OK);
    ck_assert(t[1].fallback);
    ck_assert_int_eq(t[1].stood_in_for, KEEL_FAILED);
    END();
}
END_TEST

START_TEST(when_the_leader_is_cancelled_a_follower_takes_over)
{
    keel_http_request r;
    uint64_t leader;

    BEGIN(ON, HANG, SAY(GOOD, FAULT_KEEP));
    memset(ends, 0, sizeof ends);
    r = request_to(&ends[0]);
    leader = start(&r);
    for (int i = 1; i < 4; i++) {
        r = request_to(&ends[i]);
        start(&r);
    }
    await_request(1);
    ck_assert_int_eq(keel_http_cancel(client, leader), KEEL_OK);
    finish_all();
    ck_assert_int_eq(requests(), 2);
    ck_assert_int_eq(ends[0].status, KEEL_CANCELLED);
    ck_assert_int_eq(ends[1].status, KEEL_OK);
    ck_assert(!ends[1].is_shared);
    ck_assert_uint_eq(ends[1].attempts, 1);
    ck_assert(ends[2].is_shared && ends[3].is_shared);
    END();
}
END_TEST

START_TEST(a_follower_leaves_at_its_own_deadline_or_by_its_token)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_call_options call = { .size = sizeof call };
    keel_http_request r;
    uint64_t leader;

    BEGIN(ON, HANG);
    memset(ends, 0, sizeof ends);
    r = request_to(&ends[0]);
    leader = start(&r);
    call.deadline_at_ns = keel_now(own.rt) + 30 * KEEL_MS;
    r = request_to(&ends[1]);
    r.call = &call;
    start(&r);
    call.deadline_at_ns = 0;
    call.cancel = &cancel;
    r.ctx = &ends[2];
    start(&r);
    keel_cancel_fire(&cancel);
    while (!ends[1].times || !ends[2].times)
        step();
    ck_assert_int_eq(ends[1].status, KEEL_REJECTED_DEADLINE);
    ck_assert_int_eq(ends[2].status, KEEL_CANCELLED);
    ck_assert_int_eq(ends[0].times, 0);
    await_request(1);
    ck_assert_int_eq(requests(), 1);
    keel_http_cancel(client, leader);
    finish_all();
    END();
}
END_TEST

static const struct {
    const char *why;
    keel_http_request changes;
    const char *name, *value;
    int requests;
} kinds[] = {
    { "it asks the same", { .url = NULL }, NULL, NULL, 1 },
    { "only a trace tells them apart", { .url = NULL }, "Traceparent", "00-1", 1 },
    { "another language", { .url = NULL }, "Accept-Language", "de", 2 },
    { "somebody else", { .url = NULL }, "Authorization", "Bearer x", 2 },
    { "it wants one of its own", { .url = NULL }, "Cache-Control", "no-cache", 2 },
    { "another method", { .method = "HEAD" }, NULL, NULL, 2 },
    { "a write", { .method = "POST" }, NULL, NULL, 2 },
    { "it may not be repeated", { .safety = KEEL_CURL_UNSAFE }, NULL, NULL, 2 },
    { "it goes where the answer says",
      { .redirects = KEEL_HTTP_SAME_HOST },
      NULL,
      NULL,
      2 },
    { "it takes less", { .body_max = 100 }, NULL, NULL, 2 },
    { "it has a body", { .body = "b", .body_length = 1 }, NULL, NULL, 2 },
};

START_TEST(who_is_equal)
{
    keel_http_pair pair = { kinds[_i].name, kinds[_i].value };
    keel_http_request r;

    BEGIN(ON, SAY("HTTP/1.1 204 -\r\n\r\n", FAULT_KEEP));
    memset(ends, 0, sizeof ends);
    r = request_to(&ends[0]);
    start(&r);
    r = kinds[_i].changes;
    r.size = sizeof r;
    r.url = base_url;
    r.done = note_end;
    r.ctx = &ends[1];
    r.headers = &pair;
    r.header_count = kinds[_i].name != NULL;
    start(&r);
    finish_all();
    ck_assert_msg(requests() == kinds[_i].requests, "%s", kinds[_i].why);
    ck_assert_int_eq(ends[1].status, KEEL_OK);
    END();
}
END_TEST

static const struct {
    const char *answer;
} not_for_others[] = {
    { ANSWER("Cache-Control: private\r\n") },
    { ANSWER("Cache-Control: max-age=1\r\nCache-Control: no-store\r\n") },
    { ANSWER("Set-Cookie: a=b\r\n") },
    { ANSWER("Vary: *\r\n") },
};

START_TEST(what_is_not_for_others_each_gets_by_itself)
{
    const fault_step only[] = { SAY(not_for_others[_i].answer, FAULT_KEEP) };

    ck_assert(fault_start(&server, only, 1));
    client_open_at(ON, server.port);
    start_all(3);
    finish_all();
    ck_assert_int_eq(requests(), 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ends[i].status, KEEL_OK);
        ck_assert(!ends[i].is_shared);
    }
    END();
}
END_TEST

static bool swallow(const void *bytes, size_t length, void *ctx)
{
    (void)bytes;
    (void)length;
    (void)ctx;
    return true;
}

START_TEST(what_streams_is_not_shared)
{
    BEGIN(ON, SAY(GOOD, FAULT_KEEP));
    memset(ends, 0, sizeof ends);
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&ends[i]);

        r.on_body = swallow;
        start(&r);
    }
    finish_all();
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

static void other_credentials(void *easy, void *ctx)
{
    (void)easy;
    (void)ctx;
}

START_TEST(clients_share_where_they_prepare_alike)
{
    keel_http_options options = { .size = sizeof options };
    keel_http *others[2];
    told_end t[2] = { { 0 } };

    BEGIN(ON, SAY(ANSWER(""), FAULT_KEEP));
    ck_assert_int_eq(keel_http_open(&others[0], own.rt, NULL, NULL), KEEL_OK);
    options.prepare = other_credentials;
    ck_assert_int_eq(keel_http_open(&others[1], own.rt, &options, NULL), KEEL_OK);
    start_all(1);
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&t[i]);

        ck_assert_int_eq(keel_http_start(others[i], own.pipeline, &r, NULL, NULL),
                         KEEL_OK);
    }
    finish_all();
    for (int i = 0; i < 2; i++)
        while (keel_http_in_flight(others[i]))
            keel_http_poll(others[i], UINT64_MAX);
    ck_assert_int_eq(requests(), 2);
    ck_assert(t[0].is_shared);
    ck_assert(!t[1].is_shared);
    keel_http_close(others[0]);
    keel_http_close(others[1]);
    END();
}
END_TEST

START_TEST(a_lent_answer_outlives_its_request)
{
    const keel_http_response *response;
    keel_http_request r;
    told_end t = { 0 };

    BEGIN(ON, SAY(ANSWER(""), FAULT_KEEP), SAY(SICK, FAULT_KEEP));
    r = request_to(&t);
    start(&r);
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, &response, NULL),
                     KEEL_OK);
    ck_assert(response->is_shared);
    start_all(1);
    finish_all();
    ck_assert_str_eq(response->body, "fine");
    ck_assert_str_eq(keel_http_header(response, "CONTENT-LENGTH", 0), "4");
    ck_assert_ptr_null(keel_http_header(response, "content-length", 1));
    keel_http_response_free(response);
    END();
}
END_TEST

START_TEST(a_client_is_closed_with_followers_waiting)
{
    keel_http *other;
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(ON, HANG, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(keel_http_open(&other, own.rt, NULL, NULL), KEEL_OK);
    start_all(5);
    r = request_to(&t);
    ck_assert_int_eq(keel_http_start(other, own.pipeline, &r, NULL, NULL), KEEL_OK);
    await_request(1);
    keel_http_close(client);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ends[i].status, KEEL_CANCELLED);
    client = other;
    finish_all(); /* who followed from elsewhere leads */
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

START_TEST(a_reload_turns_it_on_and_off)
{
    BEGIN("retry.attempts=1", SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(
        keel_pipeline_override(own.pipeline, "coalesce=on", 60 * KEEL_S, NULL),
        KEEL_OK);
    start_all(3);
    finish_all();
    ck_assert_int_eq(requests(), 1);
    ck_assert_int_eq(keel_pipeline_override(own.pipeline, "", 1, NULL), KEEL_OK);
    start_all(3);
    finish_all();
    ck_assert_int_eq(requests(), 4);
    END();
}
END_TEST

/* The parent leads; its child has a table of its own and waits for nobody. */
static void in_child(void)
{
    keel_http *mine;
    keel_http_request r;
    told_end t = { 0 };

    keel_http_close(client);
    CHILD(keel_http_open(&mine, own.rt, NULL, NULL) == KEEL_OK);
    r = request_to(&t);
    CHILD(keel_http_start(mine, own.pipeline, &r, NULL, NULL) == KEEL_OK);
    while (keel_http_in_flight(mine))
        CHILD(keel_http_poll(mine, UINT64_MAX) == KEEL_OK);
    CHILD(t.status == KEEL_OK && !t.is_shared);
    keel_http_close(mine);
    keel_pipeline_close(own.pipeline);
    CHILD(keel_close(own.rt, 0) == KEEL_OK);
}

START_TEST(a_forked_child_waits_for_nobody)
{
    BEGIN(ON, HANG, SAY(GOOD, FAULT_KEEP));
    start_all(2);
    await_request(1);
    child_await(child_fork(in_child));
    ck_assert_int_eq(ends[0].times + ends[1].times, 0);
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

/* ---- any order, several threads ------------------------------------------------------- */

enum { CLIENTS = 4, EACH = 150 };

typedef struct crew {
    pthread_t thread;
    keel_http *http;
    uint64_t state;
    unsigned begun;
    int told[EACH];
    uint64_t tickets[EACH];
} crew;

static uint64_t draw(crew *c, uint64_t below)
{
    c->state = c->state * 6364136223846793005u + 1442695040888963407u;
    return (c->state >> 33) % below;
}

static void count_end(keel_status status, const keel_http_response *response,
                      const keel_detail *detail, void *ctx)
{
    (void)detail;
    if (status == KEEL_OK) /* a fresh one, a shared one, or one that was kept */
        ck_assert_str_eq(response->body, "fine");
    ++*(int *)ctx;
}

static void begin_one(crew *c)
{
    keel_call_options call = { .size = sizeof call };
    keel_http_request r = request_to(NULL);
    char url[80];

    snprintf(url, sizeof url, "%s%d", base_url, (int)draw(c, 2));
    if (draw(c, 4) == 0)
        call.deadline_at_ns = keel_now(own.rt) + draw(c, 10) * KEEL_MS;
    r.url = url;
    r.method = draw(c, 10) ? "GET" : "POST";
    r.call = &call;
    r.done = count_end;
    r.ctx = &c->told[c->begun];
    ck_assert_int_eq(
        keel_http_start(c->http, own.pipeline, &r, &c->tickets[c->begun], NULL),
        KEEL_OK);
    c->begun++;
}

static void *work(void *arg)
{
    crew *c = arg;

    ck_assert_int_eq(keel_http_open(&c->http, own.rt, NULL, NULL), KEEL_OK);
    while (c->begun < EACH) {
        if (draw(c, 3))
            begin_one(c);
        if (draw(c, 6) == 0 && c->begun)
            keel_http_cancel(c->http, c->tickets[draw(c, c->begun)]);
        keel_http_poll(c->http, draw(c, 2) * KEEL_MS);
    }
    for (uint64_t i = draw(c, 20); i; i--)
        keel_http_poll(c->http, KEEL_MS);
    keel_http_close(c->http);
    return NULL;
}

START_TEST(in_any_order_each_is_told_once)
{
    static crew crews[CLIENTS];
    const char *given = getenv("KEEL_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : now_ns();

    printf("KEEL_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    BEGIN(QUICK "coalesce=on; stale=1ms; stale.size=4KiB; breaker.open=5ms; "
                "timeout=20ms; deadline=50ms",
          SAY(GOOD, FAULT_KEEP), SAY(GOOD, FAULT_KEEP), SAY(SICK, FAULT_KEEP),
          SAY(GOOD, FAULT_CLOSE), SAY("", FAULT_RESET), SAY("", FAULT_HANG),
          SAY(ANSWER("Set-Cookie: a\r\n"), FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    for (unsigned i = 0; i < CLIENTS; i++) {
        crews[i].state = seed + i;
        ck_assert_int_eq(pthread_create(&crews[i].thread, NULL, work, &crews[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(crews[i].thread, NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned j = 0; j < EACH; j++)
            ck_assert_msg(crews[i].told[j] == 1, "seed %llu: %u of client %u",
                          (unsigned long long)seed, j, i);
    ck_assert_uint_eq(opened_look(&own).in_flight, 0);
    END();
}
END_TEST

SUITE("client_coalesce", 60, ONE(fifty_equal_ones_make_one_request),
      ONE(without_the_setting_each_asks), ONE(a_failure_is_told_to_all_and_counts_once),
      ONE(the_throttle_hears_of_one_call),
      ONE(with_endpoints_the_path_says_what_is_asked),
      ONE(a_failure_without_an_answer_is_shared_as_well),
      ONE(a_refusal_is_shared_as_well), ONE(each_has_its_own_fallback),
      ONE(when_the_leader_is_cancelled_a_follower_takes_over),
      ONE(a_follower_leaves_at_its_own_deadline_or_by_its_token),
      ROWS(who_is_equal, kinds),
      ROWS(what_is_not_for_others_each_gets_by_itself, not_for_others),
      ONE(what_streams_is_not_shared), ONE(clients_share_where_they_prepare_alike),
      ONE(a_lent_answer_outlives_its_request),
      ONE(a_client_is_closed_with_followers_waiting), ONE(a_reload_turns_it_on_and_off),
      ONE(a_forked_child_waits_for_nobody), ONE(in_any_order_each_is_told_once))
