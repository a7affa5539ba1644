/* SPDX-License-Identifier: MIT */
/*
 * keel_http in a program that stood still for longer than anything may take: what lies in
 * its sockets by then is taken before anything is given up. The test is the server, too,
 * and its clock moves by hand.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "late_loop.h"
#include "support/loopback.h"

enum { REQUESTS = 12 };

#define HEDGED                                                                         \
    "timeout=10s; deadline=20s; hedge=100ms; hedge.budget=100%; retry.budget=off"

/* ---- the server ------------------------------------------------------------------------ */

static int listener;
static int accepted[2 * REQUESTS];
static unsigned accepted_count;
static unsigned heard; /* requests, of less than a read each */

static void serve(void)
{
    listener = loopback_listen(0, 64);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/",
             loopback_port(listener));
    accepted_count = heard = 0;
}

static void hear(void)
{
    char request[1024];
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        ck_assert_uint_lt(accepted_count, 2 * REQUESTS);
        accepted[accepted_count++] = fd;
    }
    for (unsigned i = 0; i < accepted_count; i++)
        heard += recv(accepted[i], request, sizeof request, MSG_DONTWAIT) > 0;
}

/* On the connection of that number, in the order of their coming. */
static void say(unsigned number, const char *text)
{
    ck_assert_int_eq(write(accepted[number], text, strlen(text)),
                     (ssize_t)strlen(text));
}

static void answer(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        say(i, GOOD);
}

static void stop_serving(void)
{
    while (accepted_count)
        close(accepted[--accepted_count]);
    close(listener);
}

/* ---- the program ----------------------------------------------------------------------- */

typedef struct loop {
    void (*open)(const char *settings);
    void (*turn)(void);
} loop;

static uint64_t preparing_ns; /* how long the next handle takes */

static void prepare_long(void *easy, void *ctx)
{
    (void)easy;
    (void)ctx;
    vclock_advance(&own.clock, preparing_ns);
    preparing_ns = 0;
}

static void own_open(const char *settings)
{
    const keel_http_options options = { .size = sizeof options,
                                        .prepare = prepare_long };

    opened_init(&own, OPENED_BY_HAND, NULL, settings);
    ck_assert_int_eq(keel_http_open(&client, own.rt, &options, NULL), KEEL_OK);
}

static void own_turn(void)
{
    ck_assert_int_eq(keel_http_poll(client, 0), KEEL_OK);
}

static void others_open(const char *settings)
{
    late_loop_open(settings, (keel_http_options){ .prepare = prepare_long });
}

static const loop loops[] = { { own_open, own_turn }, { others_open, late_loop_turn } };

static void begin(const loop *l, const char *settings, told_end *told)
{
    serve();
    l->open(settings);
    for (unsigned i = 0; i < REQUESTS; i++) {
        keel_http_request r = request_to(&told[i]);

        r.method = "POST"; /* no second attempt makes good what the first was called */
        start(&r);
    }
}

static void turn_until_heard(const loop *l, unsigned count)
{
    while (heard < count) {
        l->turn();
        hear();
    }
}

static void finish(const loop *l)
{
    while (keel_http_in_flight(client))
        l->turn();
}

static void end(void)
{
    client_end();
    stop_serving();
}

static unsigned count_of(const told_end *told, keel_status status)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REQUESTS; i++)
        count += told[i].times == 1 && told[i].status == status;
    return count;
}

/* All have been sent, as many are answered, and the time of all is over. */
static void stand_still(const loop *l, told_end *told, unsigned answered)
{
    begin(l, "timeout=1s; deadline=2s", told);
    turn_until_heard(l, REQUESTS);
    answer(answered);
    vclock_advance(&own.clock, 60 * KEEL_S);
}

START_TEST(answers_that_lie_there_are_told)
{
    const loop *l = &loops[_i];
    told_end told[REQUESTS] = { { 0 } };

    stand_still(l, told, REQUESTS);
    finish(l);
    ck_assert_uint_eq(count_of(told, KEEL_OK), REQUESTS);
    end();
}
END_TEST

START_TEST(those_that_do_not_are_late)
{
    const loop *l = &loops[_i];
    told_end told[REQUESTS] = { { 0 } };

    stand_still(l, told, REQUESTS / 2);
    finish(l);
    ck_assert_uint_eq(count_of(told, KEEL_OK), REQUESTS / 2);
    ck_assert_uint_eq(count_of(told, KEEL_TIMEOUT), REQUESTS / 2);
    end();
}
END_TEST

/* The kernel has connected them meanwhile. */
START_TEST(connections_that_were_made_are_not_late)
{
    const loop *l = &loops[_i];
    told_end told[REQUESTS] = { { 0 } };

    begin(l, "timeout=60s; timeout.connect=1s; deadline=60s", told);
    l->turn();
    ck_assert_uint_eq(heard, 0);
    vclock_advance(&own.clock, 10 * KEEL_S);
    turn_until_heard(l, REQUESTS);
    answer(REQUESTS);
    finish(l);
    ck_assert_uint_eq(count_of(told, KEEL_OK), REQUESTS);
    ck_assert_uint_eq(opened_look(&own).failures, 0);
    end();
}
END_TEST

START_TEST(nothing_is_sent_after_its_time)
{
    const loop *l = &loops[_i];
    told_end told[REQUESTS] = { { 0 } };
    unsigned sent, not_sent = 0;

    begin(l, "timeout=1s; timeout.connect=1s; deadline=2s; retry.attempts=1", told);
    keel_http_timer(client);
    hear();
    sent = heard; /* 0, unless the machine stood still while they were connected */
    vclock_advance(&own.clock, 10 * KEEL_S);
    finish(l);
    hear();
    ck_assert_uint_eq(heard, sent);
    for (unsigned i = 0; i < REQUESTS; i++)
        not_sent += told[i].applied == KEEL_APPLIED_NO;
    ck_assert_uint_eq(not_sent, REQUESTS - sent);
    ck_assert_uint_eq(count_of(told, KEEL_TIMEOUT), REQUESTS);
    end();
}
END_TEST

START_TEST(what_was_late_before_it_was_begun_is_known_not_to_be_sent)
{
    const loop *l = &loops[_i];
    told_end told = { 0 };
    keel_http_request r = request_to(&told);

    serve();
    l->open("timeout=1s; deadline=60s; retry.attempts=1");
    r.method = "POST";
    preparing_ns = 10 * KEEL_S;
    start(&r);
    finish(l);
    hear();
    ck_assert_uint_eq(heard, 0);
    ck_assert_int_eq(told.status, KEEL_TIMEOUT);
    ck_assert_int_eq(told.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

/* Whatever is late by then: closing waits for nothing. */
START_TEST(a_client_that_is_closed_late_tells_everybody)
{
    const loop *l = &loops[_i];
    told_end told[REQUESTS] = { { 0 } };

    stand_still(l, told, REQUESTS / 2);
    end();
    ck_assert_uint_eq(count_of(told, KEEL_CANCELLED), REQUESTS);
}
END_TEST

static uint64_t streamed;

static bool give_up(const void *bytes, size_t length, void *ctx)
{
    (void)bytes;
    (void)length;
    (void)ctx;
    ck_assert_int_eq(keel_http_cancel(client, streamed), KEEL_OK);
    return true;
}

START_TEST(who_gives_up_what_is_late_has_given_it_up)
{
    const loop *l = &loops[_i];
    told_end told = { 0 };
    keel_http_request r = request_to(&told);

    serve();
    l->open("timeout=1s; deadline=2s; retry.attempts=1");
    r.on_body = give_up;
    streamed = start(&r);
    turn_until_heard(l, 1);
    say(0, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    vclock_advance(&own.clock, 60 * KEEL_S);
    finish(l);
    ck_assert_int_eq(told.status, KEEL_CANCELLED);
    ck_assert_uint_eq(opened_look(&own).failures, 0);
    end();
}
END_TEST

#define MOVED "HTTP/1.1 307 Go\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"

START_TEST(nobody_is_followed_elsewhere_after_the_time_for_it)
{
    const loop *l = &loops[_i];
    told_end told = { 0 };
    keel_http_request r = request_to(&told);

    serve();
    l->open("timeout=1s; deadline=2s; retry.attempts=1");
    r.method = "POST";
    r.redirects = KEEL_HTTP_SAME_HOST;
    start(&r);
    turn_until_heard(l, 1);
    say(0, MOVED);
    vclock_advance(&own.clock, 60 * KEEL_S);
    finish(l);
    hear();
    ck_assert_uint_eq(heard, 1);
    ck_assert_int_eq(told.status, KEEL_TIMEOUT);
    ck_assert_int_eq(told.applied, KEEL_APPLIED_UNKNOWN);
    end();
}
END_TEST

/* Of two the leader's answer lies there. */
START_TEST(who_waits_for_anothers_answer_has_it_too)
{
    const loop *l = &loops[_i];
    told_end told[2] = { { 0 } };

    serve();
    l->open("timeout=1s; deadline=2s; coalesce=on; retry.attempts=1");
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&told[i]);

        start(&r);
    }
    turn_until_heard(l, 1);
    answer(1);
    vclock_advance(&own.clock, 60 * KEEL_S);
    finish(l);
    for (int i = 0; i < 2; i++)
        ck_assert(told[i].status == KEEL_OK && told[i].code == 200);
    ck_assert(told[1].is_shared);
    end();
}
END_TEST

START_TEST(who_waits_for_one_that_never_comes_is_late)
{
    const loop *l = &loops[_i];
    told_end told[2] = { { 0 } };

    serve();
    l->open("timeout=1s; deadline=2s; coalesce=on; retry.attempts=1");
    for (int i = 0; i < 2; i++) {
        keel_http_request r = request_to(&told[i]);

        start(&r);
    }
    turn_until_heard(l, 1);
    vclock_advance(&own.clock, 60 * KEEL_S);
    while (keel_http_in_flight(client)) {
        l->turn();
        vclock_advance(&own.clock, KEEL_MS);
    }
    ck_assert_int_eq(told[0].status, KEEL_TIMEOUT);
    ck_assert_int_eq(told[1].code, 0);
    end();
}
END_TEST

/* ---- copies ------------------------------------------------------------------------------ */

static told_end hedged;

static void begin_hedged(const loop *l)
{
    keel_http_request r = request_to(&hedged);

    memset(&hedged, 0, sizeof hedged);
    serve();
    l->open(HEDGED);
    start(&r);
    turn_until_heard(l, 1);
}

START_TEST(no_copy_is_sent_of_what_was_answered)
{
    const loop *l = &loops[_i];

    begin_hedged(l);
    answer(1);
    vclock_advance(&own.clock, KEEL_S);
    finish(l);
    ck_assert_int_eq(hedged.status, KEEL_OK);
    ck_assert_uint_eq(hedged.attempts, 1);
    ck_assert_uint_eq(opened_look(&own).hedges_total, 0);
    end();
}
END_TEST

static void answer_while_it_is_told(const keel_event *event, void *ctx)
{
    (void)ctx;
    if (event->type != KEEL_EVENT_HEDGE)
        return;
    answer(1);
    vclock_advance(&own.clock, 60 * KEEL_S);
}

START_TEST(a_listener_that_takes_long_makes_nobody_late)
{
    const loop *l = &loops[_i];

    begin_hedged(l);
    ck_assert_int_eq(keel_events_listen(own.rt, answer_while_it_is_told, NULL),
                     KEEL_OK);
    vclock_advance(&own.clock, 200 * KEEL_MS);
    finish(l);
    ck_assert_int_eq(hedged.status, KEEL_OK);
    ck_assert_str_eq(hedged.body, "fine");
    ck_assert_uint_eq(opened_look(&own).hedges_total, 1);
    end();
}
END_TEST

/* What the first attempt comes to by then: nothing, or a failure behind it. */
static const char *const of_the_first[] = { "", "", SICK, SICK };

START_TEST(a_copys_answer_stays_whatever_its_original_comes_to)
{
    const loop *l = &loops[_i % 2];

    begin_hedged(l);
    vclock_advance(&own.clock, 200 * KEEL_MS);
    turn_until_heard(l, 2);
    say(1, GOOD);
    say(0, of_the_first[_i]);
    vclock_advance(&own.clock, 60 * KEEL_S);
    finish(l);
    ck_assert_int_eq(hedged.status, KEEL_OK);
    ck_assert_int_eq(hedged.code, 200);
    ck_assert_str_eq(hedged.body, "fine");
    end();
}
END_TEST

SUITE("client_stalled", 30, ROWS(answers_that_lie_there_are_told, loops),
      ROWS(those_that_do_not_are_late, loops),
      ROWS(connections_that_were_made_are_not_late, loops),
      ROWS(nothing_is_sent_after_its_time, loops),
      ROWS(what_was_late_before_it_was_begun_is_known_not_to_be_sent, loops),
      ROWS(a_client_that_is_closed_late_tells_everybody, loops),
      ROWS(who_gives_up_what_is_late_has_given_it_up, loops),
      ROWS(nobody_is_followed_elsewhere_after_the_time_for_it, loops),
      ROWS(who_waits_for_anothers_answer_has_it_too, loops),
      ROWS(who_waits_for_one_that_never_comes_is_late, loops),
      ROWS(no_copy_is_sent_of_what_was_answered, loops),
      ROWS(a_listener_that_takes_long_makes_nobody_late, loops),
      ROWS(a_copys_answer_stays_whatever_its_original_comes_to, of_the_first))
