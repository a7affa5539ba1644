/* SPDX-License-Identifier: MIT */
/* keel_http: requests that are given up, and what callbacks may do. */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <keel/adapters/epoll.h>

#include "client_fixture.h"
#include "support/comes.h"
#include "support/loopback.h"

#define HANG SAY("", FAULT_HANG)

START_TEST(a_cancelled_request_is_told_once_and_not_inside)
{
    told_end t = { 0 };
    keel_http_request r;
    uint64_t ticket;

    BEGIN("", HANG);
    r = request_to(&t);
    ticket = start(&r);
    while (!requests())
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    ck_assert_int_eq(keel_http_cancel(client, ticket), KEEL_OK);
    ck_assert_int_eq(t.times, 0);
    finish_all();
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
    ck_assert_int_eq(keel_http_cancel(client, ticket), KEEL_E_STATE);
    start(&r); /* takes its place */
    ck_assert_int_eq(keel_http_cancel(client, ticket), KEEL_E_STATE);
    ck_assert_int_eq(keel_http_cancel(client, 0), KEEL_E_STATE);
    ck_assert_uint_eq(opened_look(&own).failures, 0);
    END();
}
END_TEST

static void *fire(void *cancel)
{
    while (!requests())
        a_moment();
    keel_cancel_fire(cancel);
    return NULL;
}

START_TEST(another_thread_cancels_by_a_token)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_call_options call = { .size = sizeof call, .cancel = &cancel };
    told_end t = { 0 };
    keel_http_request r;
    pthread_t thread;

    BEGIN("timeout=60s; timeout.connect=50s; deadline=60s", HANG);
    r = request_to(&t);
    r.call = &call;
    start(&r);
    ck_assert_int_eq(pthread_create(&thread, NULL, fire, &cancel), 0);
    finish_all();
    pthread_join(thread, NULL);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
    play(&r); /* one that has fired already */
    ck_assert_int_eq(t.times, 2);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

static void *free_a_place(void *permit)
{
    a_moment();
    keel_permit_end(permit, KEEL_OK);
    return NULL;
}

START_TEST(another_thread_frees_the_place_that_is_waited_for)
{
    told_end t = { 0 };
    keel_http_request r;
    keel_permit permit;
    pthread_t thread;

    BEGIN("bulkhead=1; bulkhead.queue=1; bulkhead.wait=60s; deadline=60s",
          SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(keel_permit_take(own.pipeline, &permit, NULL), KEEL_OK);
    r = request_to(&t);
    start(&r);
    step();
    ck_assert_int_eq(pthread_create(&thread, NULL, free_a_place, &permit), 0);
    finish_all();
    pthread_join(thread, NULL);
    ck_assert_int_eq(t.status, KEEL_OK);
    END();
}
END_TEST

START_TEST(an_attempt_ends_at_its_timeout_and_is_made_again)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(QUICK "timeout=1s; retry.attempts=2", HANG, SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_uint_eq(t.attempts, 2);
    END();
}
END_TEST

START_TEST(the_deadline_comes_in_the_midst_of_a_body)
{
    static const fault_step dripping[] = {
        { .send = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\nxxxxxxxxxxxxxxxxxx"
                  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
          .then = FAULT_HANG,
          .drip_ms = 1 },
    };
    keel_call_options call = { .size = sizeof call };
    told_end t = { 0 };
    keel_http_request r;

    ck_assert(fault_start(&server, dripping, 1));
    client_open_at("timeout=off", server.port);
    call.deadline_at_ns = keel_now(own.rt) + 2 * KEEL_S;
    r = request_to(&t);
    r.method = "POST";
    r.call = &call;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_DEADLINE);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(t.code, 0);
    END();
}
END_TEST

/*
 * A full backlog: what else wants to connect is not answered. Nothing was sent, so that a
 * POST is tried again.
 */
START_TEST(connecting_has_a_timeout_of_its_own)
{
    int listener = loopback_listen(0, 0);
    int fillers[4];
    told_end t = { 0 };
    keel_http_request r;

    ck_assert_int_ge(listener, 0);
    client_open_at(QUICK "timeout=60s; deadline=90s; timeout.connect=50ms; "
                         "retry.attempts=2",
                   loopback_port(listener));
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in at = loopback_address(loopback_port(listener));

        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&at, sizeof at);
    }
    r = request_to(&t);
    r.method = "POST";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_TIMEOUT);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(t.attempts, 2);
    client_end();
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(listener);
}
END_TEST

START_TEST(a_connected_request_does_not_mind_the_connect_timeout)
{
    static const fault_step late[] = { { .send = GOOD, .drip_ms = 10 } };
    told_end t = { 0 };
    keel_http_request r;

    ck_assert(fault_start(&server, late, 1));
    client_open_at("timeout=60s; deadline=90s; timeout.connect=200ms; retry.attempts=1",
                   server.port);
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    END();
}
END_TEST

START_TEST(too_large_an_answer_ends_and_blames_nobody)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN(QUICK,
          SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nninebytes", FAULT_KEEP),
          SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nninebytes", FAULT_KEEP),
          SAY("HTTP/1.1 200 OK\r\nX: a long one, longer than is allowed, much\r\n"
              "Content-Length: 0\r\n\r\n",
              FAULT_KEEP));
    r = request_to(&t);
    r.body_max = 9;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    r.body_max = 8;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_E_TOO_LARGE);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_YES);
    ck_assert_uint_eq(t.attempts, 1);
    r.headers_max = 40;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_E_TOO_LARGE);
    ck_assert_int_eq(connections(), 2); /* the one with the rest in it was closed */
    ck_assert_uint_eq(opened_look(&own).failures, 0);
    END();
}
END_TEST

START_TEST(a_body_larger_than_a_mebibyte_needs_to_be_asked_for)
{
    static char large[(1 << 20) + 200];
    const fault_step script[] = { SAY(large, FAULT_KEEP) };
    told_end t = { 0 };
    keel_http_request r;
    int head = snprintf(large, sizeof large,
                        "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", (1 << 20) + 1);

    memset(large + head, 'x', (1 << 20) + 1);
    ck_assert(fault_start(&server, script, 1));
    client_open_at("timeout=20s; deadline=30s", server.port);
    r = request_to(&t);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_E_TOO_LARGE);
    r.body_max = 2 << 20;
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_uint_eq(t.body_length, (1 << 20) + 1);
    END();
}
END_TEST

/* ---- as it arrives --------------------------------------------------------------------- */

typedef struct stream {
    told_end told;
    size_t length;
    size_t stop_at;
    bool closes;
} stream;

static bool take(const void *bytes, size_t length, void *ctx)
{
    stream *s = ctx;

    ck_assert_ptr_nonnull(bytes);
    s->length += length;
    if (s->closes) {
        keel_http_close(client);
        client = NULL;
    }
    return !s->stop_at || s->length < s->stop_at;
}

static void note_stream(keel_status status, const keel_http_response *response,
                        const keel_detail *detail, void *ctx)
{
    note_end(status, response, detail, &((stream *)ctx)->told);
}

static keel_http_request stream_request(stream *s)
{
    keel_http_request r = request_to(NULL);

    r.on_body = take;
    r.done = note_stream;
    r.ctx = s;
    return r;
}

START_TEST(a_body_is_handed_on_as_it_arrives)
{
    stream s = { .length = 0 };
    keel_http_request r;

    BEGIN(QUICK, SAY(SICK, FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    r = stream_request(&s);
    play(&r);
    ck_assert_int_eq(s.told.status, KEEL_OK);
    ck_assert_int_eq(s.told.code, 200);
    ck_assert_uint_eq(s.length, 4); /* nothing of the 503 */
    ck_assert_uint_eq(s.told.body_length, 0);
    ck_assert_uint_eq(s.told.attempts, 2);
    END();
}
END_TEST

START_TEST(after_its_first_byte_nothing_is_tried_again)
{
    stream s = { .length = 0 };
    keel_http_request r;

    BEGIN(QUICK, SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAULT_CLOSE));
    r = stream_request(&s);
    play(&r);
    ck_assert_int_eq(s.told.status, KEEL_FAILED);
    ck_assert_int_eq(s.told.reason, KEEL_REASON_NOT_RETRYABLE);
    ck_assert_ptr_nonnull(strstr(s.told.text, "an answer had begun to arrive"));
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(who_wants_no_more_of_it_says_so)
{
    stream s = { .stop_at = 2 };
    keel_http_request r;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    r = stream_request(&s);
    play(&r);
    ck_assert_int_eq(s.told.status, KEEL_CANCELLED);
    ck_assert_int_eq(s.told.times, 1);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

/* A listener that never accepts: requests to it wait. */
static int listener;
static char waiting_url[64];

static void listen_in_vain(void)
{
    listener = loopback_listen(0, 64);
    ck_assert_int_ge(listener, 0);
    snprintf(waiting_url, sizeof waiting_url, "http://127.0.0.1:%u/",
             loopback_port(listener));
}

static void start_waiting(told_end *t, unsigned count)
{
    keel_http_request r = request_to(t);

    r.url = waiting_url;
    for (unsigned i = 0; i < count; i++)
        start(&r);
}

START_TEST(a_client_is_closed_while_libcurl_calls_back)
{
    stream s = { .closes = true };
    told_end other = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    listen_in_vain();
    r = stream_request(&s);
    start(&r);
    start_waiting(&other, 1);
    while (client)
        step();
    ck_assert_int_eq(s.told.times, 1);
    ck_assert_int_eq(s.told.status, KEEL_CANCELLED);
    ck_assert_int_eq(other.times, 1);
    close(listener);
    END();
}
END_TEST

/* ---- in done ----------------------------------------------------------------------------- */

static told_end others[8];

static void start_others(keel_status status, const keel_http_response *response,
                         const keel_detail *detail, void *ctx)
{
    note_end(status, response, detail, ctx);
    for (int i = 0; i < 8; i++) {
        keel_http_request r = request_to(&others[i]);
        uint64_t ticket = start(&r);

        ck_assert_int_eq(others[i].times, 0);
        if (i % 2)
            ck_assert_int_eq(keel_http_cancel(client, ticket), KEEL_OK);
    }
}

START_TEST(done_starts_and_cancels)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    memset(others, 0, sizeof others);
    r = request_to(&t);
    r.done = start_others;
    play(&r);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(others[i].times, 1);
        ck_assert_int_eq(others[i].status, i % 2 ? KEEL_CANCELLED : KEEL_OK);
    }
    END();
}
END_TEST

static void close_client(keel_status status, const keel_http_response *response,
                         const keel_detail *detail, void *ctx)
{
    keel_http_close(client);
    note_end(status, response, detail, ctx); /* the answer is still there */
    client = NULL;
}

START_TEST(done_closes_the_client)
{
    told_end t = { 0 }, waiting = { 0 };
    keel_http_request r;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    listen_in_vain();
    r = request_to(&t);
    r.done = close_client;
    start(&r);
    start_waiting(&waiting, 8);
    while (client)
        step();
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_str_eq(t.body, "fine");
    ck_assert_int_eq(waiting.times, 8);
    ck_assert_int_eq(waiting.status, KEEL_CANCELLED);
    close(listener);
    END();
}
END_TEST

static void start_again(keel_status status, const keel_http_response *response,
                        const keel_detail *detail, void *ctx)
{
    keel_http_request r = request_to(NULL);

    note_end(status, response, detail, ctx);
    if (status == KEEL_CANCELLED)
        ck_assert_int_eq(keel_http_start(client, own.pipeline, &r, NULL, NULL),
                         KEEL_E_STATE);
}

START_TEST(closing_tells_all_that_are_under_way)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("bulkhead=4; bulkhead.queue=2; bulkhead.wait=9s", HANG);
    r = request_to(&t);
    r.done = start_again;
    for (int i = 0; i < 8; i++)
        start(&r);
    while (requests() < 4)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    ck_assert_int_eq(t.times, 2); /* that found no place in the queue */
    keel_http_close(client);
    client = NULL;
    ck_assert_int_eq(t.times, 8);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
    ck_assert_uint_eq(opened_look(&own).in_flight, 0);
    END();
}
END_TEST

static uint64_t given_up[2];

static void give_up(const keel_event *event, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 2 && event->type == KEEL_EVENT_REJECTED; i++)
        ck_assert_int_eq(keel_http_cancel(client, given_up[i]), KEEL_OK);
}

/* The one is in the midst of being moved on, the other waits for its answer. */
START_TEST(a_listener_gives_up_what_is_just_refused)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("retry.attempts=1", HANG, SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    given_up[1] = start(&r);
    while (!requests())
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    ck_assert_int_eq(keel_events_listen(own.rt, give_up, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_lock(own.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    given_up[0] = start(&r);
    finish_all();
    ck_assert_int_eq(t.times, 2);
    ck_assert_int_eq(keel_pipeline_unlock(own.pipeline), KEEL_OK);
    play(&r);
    ck_assert_int_eq(t.times, 3);
    ck_assert_int_eq(t.status, KEEL_OK);
    END();
}
END_TEST

static int told_by_then;

static void close_once(const keel_event *event, void *ctx)
{
    const told_end *t = ctx;

    if (!client || event->type != KEEL_EVENT_REJECTED)
        return;
    keel_http_close(client);
    client = NULL;
    told_by_then = t->times;
}

/* One is in the midst of being refused, others wait for their answer. */
START_TEST(a_listener_closes_the_client)
{
    told_end t = { 0 };
    keel_http_request r;
    keel_http *closed;

    BEGIN("retry.attempts=1", HANG, HANG);
    r = request_to(&t);
    start(&r);
    start(&r);
    while (requests() < 2)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    ck_assert_int_eq(keel_events_listen(own.rt, close_once, &t), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_lock(own.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    start(&r);
    start(&r);
    closed = client;
    while (client)
        ck_assert_int_eq(keel_http_poll(closed, UINT64_MAX), KEEL_OK);
    ck_assert_int_eq(told_by_then, 0);
    ck_assert_int_eq(t.times, 4);
    ck_assert_uint_eq(opened_look(&own).in_flight, 0);
    END();
}
END_TEST

static void close_on_a_warning(keel_log_level level, const char *subsystem,
                               const char *message, void *ctx)
{
    (void)subsystem;
    (void)message;
    if (!client || level != KEEL_LOG_WARNING)
        return;
    keel_http_close(client);
    client = NULL;
    told_by_then = ((const told_end *)ctx)->times;
}

/* Warned of is a call that failed and cannot be retried; one more waits for its answer. */
START_TEST(a_log_hook_closes_the_client)
{
    static const fault_step steps[] = { HANG, SAY(SICK, FAULT_KEEP) };
    told_end t = { 0 };
    keel_http_request r;
    keel_http *closed;

    ck_assert(fault_start(&server, steps, 2));
    opened_init_with_log(&own, OPENED_REAL, NULL, QUICK, close_on_a_warning, &t);
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, NULL), KEEL_OK);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/", server.port);
    r = request_to(&t);
    r.method = "POST";
    start(&r);
    while (!requests())
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    start(&r);
    closed = client;
    while (client)
        ck_assert_int_eq(keel_http_poll(closed, UINT64_MAX), KEEL_OK);
    ck_assert_int_eq(told_by_then, 0);
    ck_assert_int_eq(t.times, 2);
    END();
}
END_TEST

static keel_status close_in_its_place(const keel_detail *detail, void *ctx)
{
    keel_http_close(client);
    client = NULL;
    told_by_then = ((const told_end *)ctx)->times;
    return detail->code;
}

START_TEST(a_fallback_closes_the_client)
{
    told_end t = { 0 };
    keel_call_options call = { .size = sizeof call,
                               .fallback = close_in_its_place,
                               .fallback_ctx = &t };
    keel_http_request r;
    keel_http *closed;

    BEGIN("retry.attempts=1", SAY(SICK, FAULT_KEEP));
    listen_in_vain();
    start_waiting(&t, 8);
    r = request_to(&t);
    r.call = &call;
    start(&r);
    closed = client;
    while (client)
        ck_assert_int_eq(keel_http_poll(closed, UINT64_MAX), KEEL_OK);
    ck_assert_int_eq(told_by_then, 0);
    ck_assert_int_eq(t.times, 9);
    close(listener);
    END();
}
END_TEST

static void close_when_it_recovers(const keel_event *event, void *ctx)
{
    (void)ctx;
    if (!client || event->type != KEEL_EVENT_TRANSITION)
        return;
    keel_http_close(client);
    client = NULL;
}

/* An answer that nobody could give back any more is not lent. */
START_TEST(an_answer_is_not_lent_by_a_client_that_was_closed)
{
    const keel_http_response *response;
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("breaker.half_open_permits=1", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    ck_assert_int_eq(keel_pipeline_transition(own.pipeline, KEEL_BREAKER_OPEN, 0),
                     KEEL_OK);
    ck_assert_int_eq(keel_pipeline_transition(own.pipeline, KEEL_BREAKER_HALF_OPEN, 0),
                     KEEL_OK);
    ck_assert_int_eq(keel_events_listen(own.rt, close_when_it_recovers, NULL), KEEL_OK);
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, &response, &own.why),
                     KEEL_CANCELLED);
    ck_assert_ptr_null(client);
    ck_assert_ptr_null(response);
    ck_assert_int_eq(own.why.code, KEEL_CANCELLED);
    ck_assert_int_eq(own.why.reason, KEEL_REASON_CANCELLED);
    ck_assert_int_eq(own.why.applied, KEEL_APPLIED_YES);
    END();
}
END_TEST

static keel_epoll loop;

/* Long enough for the other's timer, which is then taken while nothing can be done. */
static void dispatch_inside(keel_status status, const keel_http_response *response,
                            const keel_detail *detail, void *ctx)
{
    uint64_t until = keel_now(own.rt) + 200 * KEEL_MS;

    note_end(status, response, detail, ctx);
    while (keel_now(own.rt) < until)
        a_moment();
    keel_epoll_dispatch(&loop);
}

START_TEST(a_timer_that_comes_inside_a_callback_is_not_lost)
{
    told_end t = { 0 };
    struct pollfd set = { .events = POLLIN };
    keel_http_request r;

    BEGIN("retry.attempts=1; timeout=100ms", HANG, SAY(GOOD, FAULT_KEEP));
    keel_http_close(client);
    ck_assert_int_eq(keel_epoll_open(&loop, own.rt, NULL, NULL), KEEL_OK);
    client = loop.client;
    set.fd = keel_epoll_fd(&loop);
    r = request_to(&t);
    start(&r);
    while (!requests() && poll(&set, 1, 1) >= 0)
        keel_epoll_dispatch(&loop);
    r.done = dispatch_inside;
    start(&r);
    while (keel_http_in_flight(client)) {
        ck_assert_int_eq(poll(&set, 1, 5000), 1);
        keel_epoll_dispatch(&loop);
    }
    ck_assert_int_eq(t.times, 2);
    keel_epoll_close(&loop);
    client = NULL;
    END();
}
END_TEST

SUITE("client_ends", 20, ONE(a_cancelled_request_is_told_once_and_not_inside),
      ONE(another_thread_cancels_by_a_token),
      ONE(another_thread_frees_the_place_that_is_waited_for),
      ONE(an_attempt_ends_at_its_timeout_and_is_made_again),
      ONE(the_deadline_comes_in_the_midst_of_a_body),
      ONE(connecting_has_a_timeout_of_its_own),
      ONE(a_connected_request_does_not_mind_the_connect_timeout),
      ONE(too_large_an_answer_ends_and_blames_nobody),
      ONE(a_body_larger_than_a_mebibyte_needs_to_be_asked_for),
      ONE(a_body_is_handed_on_as_it_arrives),
      ONE(after_its_first_byte_nothing_is_tried_again),
      ONE(who_wants_no_more_of_it_says_so),
      ONE(a_client_is_closed_while_libcurl_calls_back), ONE(done_starts_and_cancels),
      ONE(done_closes_the_client), ONE(closing_tells_all_that_are_under_way),
      ONE(a_listener_gives_up_what_is_just_refused), ONE(a_listener_closes_the_client),
      ONE(a_fallback_closes_the_client), ONE(a_log_hook_closes_the_client),
      ONE(an_answer_is_not_lent_by_a_client_that_was_closed),
      ONE(a_timer_that_comes_inside_a_callback_is_not_lost))
