/* SPDX-License-Identifier: MIT */
/* How long keel_curl_perform waits, and who can make it stop. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "fixture.h"
#include "support/pause.h"

/* ---- time ------------------------------------------------------------------------ */

START_TEST(an_answer_that_never_comes_is_given_up_at_the_timeout)
{
    BEGIN("timeout=200ms; retry.attempts=1", SAY("", FAULT_HANG));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    /* a little less, for the call may count in steps of the coarse clock */
    ck_assert_uint_ge(client.why.elapsed_ns, 190 * MS);
    ck_assert_uint_lt(client.why.elapsed_ns, 5000 * MS);
    END();
}
END_TEST

START_TEST(a_get_without_an_answer_is_retried_after_its_timeout)
{
    BEGIN(QUICK "; timeout=1s", SAY("", FAULT_HANG), SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_ge(client.why.attempts, 2); /* a third: the machine stood still */
    END();
}
END_TEST

START_TEST(a_post_without_an_answer_is_not)
{
    BEGIN(QUICK "; timeout=1s", SAY("", FAULT_HANG), SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_UNKNOWN);
    END();
}
END_TEST

START_TEST(a_body_that_drips_past_the_timeout_is_not_retried)
{
    BEGIN(QUICK "; timeout=1s",
          { .send = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nsl",
            .then = FAULT_HANG,
            .drip_ms = 1 },
          SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.why.attempts, 1);
    END();
}
END_TEST

START_TEST(connecting_has_a_shorter_time_and_proves_that_nothing_left)
{
    /* TLS to a server that never says hello: connected, and yet not */
    BEGIN(QUICK "; timeout=30s; deadline=60s; timeout.connect=100ms; retry.attempts=2",
          SAY("", FAULT_HANG));
    curl_client_aim(&client, "https", server.port, "/");
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_lt(client.why.elapsed_ns, 20000 * MS);
    END();
}
END_TEST

START_TEST(an_answer_slower_than_connecting_may_be_is_waited_for)
{
    BEGIN("timeout=30s; deadline=60s; timeout.connect=200ms; retry.attempts=1",
          { .send = GOOD, .then = FAULT_KEEP, .drip_ms = 10 });
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_uint_ge(client.why.elapsed_ns, 200 * MS);
    END();
}
END_TEST

START_TEST(the_authors_own_timeout_stays_and_applies)
{
    BEGIN("timeout=30s; deadline=60s; retry.attempts=1", SAY("", FAULT_HANG));
    curl_easy_setopt(client.easy, CURLOPT_TIMEOUT_MS, 100L);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    ck_assert_uint_lt(client.why.elapsed_ns, 20000 * MS);
    END();
}
END_TEST

/* Stops the transfer once a second has passed in it. */
static int stop_after_a_second(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c,
                               curl_off_t d)
{
    uint64_t *began = ctx;
    uint64_t now = keel_now(client.runtime);

    (void)a, (void)b, (void)c, (void)d;
    *began = *began ? *began : now;
    return now - *began >= 1000 * MS;
}

START_TEST(a_progress_callback_is_called_while_nothing_arrives)
{
    uint64_t began = 0;

    BEGIN("timeout=30s; timeout.connect=29s; deadline=60s", SAY(GOOD, FAULT_KEEP),
          SAY("", FAULT_HANG));
    /* on a kept connection libcurl has no timers of its own to wake up for */
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    curl_easy_setopt(client.easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(client.easy, CURLOPT_XFERINFOFUNCTION, stop_after_a_second);
    curl_easy_setopt(client.easy, CURLOPT_XFERINFODATA, &began);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_IGNORED);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    ck_assert_uint_lt(client.why.elapsed_ns, 10000 * MS);
    END();
}
END_TEST

static uint64_t hook_takes_ns;

static int reset_slowly(void *ctx)
{
    uint64_t until = keel_now(client.runtime) + hook_takes_ns;

    while (keel_now(client.runtime) < until)
        pause_ns(MS);
    return curl_client_reset(ctx);
}

#define HALF "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"

START_TEST(what_a_hook_takes_is_not_given_back)
{
    BEGIN("retry.backoff=1ms; timeout=off; deadline=4s", SAY(HALF, FAULT_CLOSE),
          SAY("", FAULT_HANG));
    hook_takes_ns = 2000 * MS;
    client.options.sink_reset = reset_slowly;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_DEADLINE);
    ck_assert_int_eq(requests(), 2);
    ck_assert_uint_lt(client.why.elapsed_ns, 5500 * MS);
    END();
}
END_TEST

START_TEST(a_hook_that_takes_all_the_time_leaves_none_for_a_request)
{
    BEGIN("retry.backoff=1ms; timeout=off; deadline=2s", SAY(SICK, FAULT_KEEP),
          SAY(GOOD, FAULT_KEEP));
    hook_takes_ns = 2100 * MS;
    client.options.sink_reset = reset_slowly;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_DEADLINE);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

/* Whether the process's first thread, which makes the call, sleeps in the kernel. */
static bool caller_sleeps(void)
{
    char state = '?';
    FILE *stat = fopen("/proc/self/stat", "re");

    ck_assert_ptr_nonnull(stat);
    ck_assert_int_eq(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
    fclose(stat);
    return state == 'S';
}

/* Fires when the request is with the server and its sender waits for the answer. */
static void *fire_under_way(void *cancel)
{
    while (requests() < 2 || !caller_sleeps())
        sched_yield();
    keel_cancel_fire(cancel);
    return NULL;
}

START_TEST(a_token_ends_a_transfer_from_another_thread)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    pthread_t other;

    BEGIN("timeout=30s; timeout.connect=29s; deadline=60s", SAY(GOOD, FAULT_KEEP),
          SAY("", FAULT_HANG));
    /* on a kept connection libcurl has no timers of its own to wake up for */
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    client.call.cancel = &cancel;
    ck_assert_int_eq(pthread_create(&other, NULL, fire_under_way, &cancel), 0);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_CANCELLED);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_uint_lt(client.why.elapsed_ns, 10000 * MS);
    pthread_join(other, NULL);
    END();
}
END_TEST

START_TEST(a_token_fired_before_prevents_the_call)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    keel_cancel_fire(&cancel);
    client.call.cancel = &cancel;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_CANCELLED);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    ck_assert_int_eq(connections(), 0);
    END();
}
END_TEST

SUITE("http/curl_time", 60, ONE(an_answer_that_never_comes_is_given_up_at_the_timeout),
      ONE(a_get_without_an_answer_is_retried_after_its_timeout),
      ONE(a_post_without_an_answer_is_not),
      ONE(a_body_that_drips_past_the_timeout_is_not_retried),
      ONE(connecting_has_a_shorter_time_and_proves_that_nothing_left),
      ONE(an_answer_slower_than_connecting_may_be_is_waited_for),
      ONE(the_authors_own_timeout_stays_and_applies),
      ONE(a_progress_callback_is_called_while_nothing_arrives),
      ONE(what_a_hook_takes_is_not_given_back),
      ONE(a_hook_that_takes_all_the_time_leaves_none_for_a_request),
      ONE(a_token_ends_a_transfer_from_another_thread),
      ONE(a_token_fired_before_prevents_the_call))
