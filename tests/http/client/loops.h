/* SPDX-License-Identifier: MIT */
/*
 * What a client does in any event loop. Each of the programs that include this has a loop
 * and its adapter, and says how that is opened, run and closed.
 */
#ifndef KEEL_TESTS_HTTP_CLIENT_LOOPS_H
#define KEEL_TESTS_HTTP_CLIENT_LOOPS_H

#include <pthread.h>

#include "client_fixture.h"
#include "support/comes.h"

/* Opens loop and client, whose place it returns. */
static keel_http **loop_open(keel_runtime *runtime);
/* Waits until something happens, and does it. */
static void loop_step(void);
static void loop_close(void);
/* The adapter's part of that alone; loop_close follows. */
static void loop_leave(void);

/* Opens the adapter in vain, for lack of the n-th thing that it needs, which why has to
 * tell of: its text. NULL: there are not so many. */
static const char *loop_open_without(keel_runtime *runtime, int n, keel_detail *why);

static keel_http **opened_client;

static void loop_begin(const char *settings, const fault_step *steps, int count)
{
    ck_assert(fault_start(&server, steps, count));
    opened_init(&own, OPENED_REAL, NULL, settings);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u/", server.port);
    opened_client = loop_open(own.rt);
    client = *opened_client;
    ck_assert_ptr_nonnull(client);
}

static void loop_end(void)
{
    loop_close();
    opened_cleanup(&own);
    fault_stop(&server);
}

#define LOOP_BEGIN(settings, ...)                                                      \
    static const fault_step steps[] = { __VA_ARGS__ };                                 \
    loop_begin(settings, steps, sizeof steps / sizeof *steps)

static void finish_in_loop(void)
{
    while (keel_http_in_flight(client))
        loop_step();
}

START_TEST(requests_queue_fail_and_are_tried_again_in_a_loop)
{
    told_end t = { 0 };
    keel_http_request r;

    LOOP_BEGIN(QUICK "bulkhead=4; bulkhead.queue=100; bulkhead.wait=20s; deadline=20s",
               SAY(GOOD, FAULT_KEEP), SAY(SICK, FAULT_KEEP), SAY("", FAULT_RESET),
               SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    for (int i = 0; i < 60; i++)
        start(&r);
    ck_assert_int_eq(t.times, 0);
    ck_assert_int_eq(keel_http_poll(client, 0), KEEL_E_STATE);
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, NULL, NULL),
                     KEEL_E_STATE);
    finish_in_loop();
    ck_assert_int_eq(t.times, 60);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_ge(requests(), 62);
    loop_end();
}
END_TEST

/* Nothing but the timer can end it. */
START_TEST(a_timeout_is_the_loops_timer)
{
    told_end t = { 0 };
    keel_http_request r;

    LOOP_BEGIN("timeout=80ms; retry.attempts=2; retry.backoff=20ms",
               SAY("", FAULT_HANG));
    r = request_to(&t);
    start(&r);
    finish_in_loop();
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.status, KEEL_TIMEOUT);
    ck_assert_uint_eq(t.attempts, 2);
    loop_end();
}
END_TEST

static void *fire_when_asked(void *cancel)
{
    while (!requests())
        a_moment();
    keel_cancel_fire(cancel);
    return NULL;
}

START_TEST(another_thread_wakes_the_loop)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_call_options call = { .size = sizeof call, .cancel = &cancel };
    told_end t = { 0 };
    keel_http_request r;
    pthread_t thread;

    LOOP_BEGIN("timeout=60s; timeout.connect=50s; deadline=60s", SAY("", FAULT_HANG));
    r = request_to(&t);
    r.call = &call;
    start(&r);
    ck_assert_int_eq(pthread_create(&thread, NULL, fire_when_asked, &cancel), 0);
    finish_in_loop();
    pthread_join(thread, NULL);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
    loop_end();
}
END_TEST

static void close_in_done(keel_status status, const keel_http_response *response,
                          const keel_detail *detail, void *ctx)
{
    note_end(status, response, detail, ctx);
    *opened_client = NULL;
    keel_http_close(client);
    client = NULL;
}

START_TEST(the_client_is_closed_in_the_midst_of_a_loop)
{
    told_end t = { 0 };
    keel_http_request r;

    LOOP_BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.done = close_in_done;
    start(&r);
    r.done = note_end;
    start(&r);
    while (client)
        loop_step();
    ck_assert_int_eq(t.times, 2);
    loop_end();
}
END_TEST

static void leave_in_done(keel_status status, const keel_http_response *response,
                          const keel_detail *detail, void *ctx)
{
    note_end(status, response, detail, ctx);
    client = NULL;
    loop_leave();
}

START_TEST(the_adapter_is_closed_in_the_midst_of_a_loop)
{
    told_end t = { 0 };
    keel_http_request r;

    LOOP_BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    r.done = leave_in_done;
    start(&r);
    r.done = note_end;
    start(&r);
    while (client)
        loop_step();
    ck_assert_int_eq(t.times, 2);
    loop_end();
}
END_TEST

START_TEST(closing_the_loop_ends_what_is_under_way)
{
    told_end t = { 0 };
    keel_http_request r;

    LOOP_BEGIN("", SAY("", FAULT_HANG));
    r = request_to(&t);
    for (int i = 0; i < 4; i++)
        start(&r);
    while (!requests())
        loop_step();
    loop_end();
    ck_assert_int_eq(t.times, 4);
    ck_assert_int_eq(t.status, KEEL_CANCELLED);
}
END_TEST

START_TEST(what_an_adapter_lacks_is_told)
{
    const char *text;

    opened_init(&own, OPENED_REAL, NULL, "");
    for (int n = 0; (text = loop_open_without(own.rt, n, &own.why)); n++) {
        ck_assert_str_eq(own.why.text, text);
        ck_assert(keel_status_is_error(own.why.code));
    }
    opened_cleanup(&own);
}
END_TEST

SUITE(LOOP_NAME, 20, ONE(requests_queue_fail_and_are_tried_again_in_a_loop),
      ONE(a_timeout_is_the_loops_timer), ONE(another_thread_wakes_the_loop),
      ONE(the_client_is_closed_in_the_midst_of_a_loop),
      ONE(the_adapter_is_closed_in_the_midst_of_a_loop),
      ONE(closing_the_loop_ends_what_is_under_way), ONE(what_an_adapter_lacks_is_told))

#endif
