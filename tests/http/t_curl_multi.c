/* SPDX-License-Identifier: MIT */
/* A call around a transfer in the author's own multi handle. */
#include "fixture.h"
#include "support/comes.h"
#include "support/without.h"

static CURLM *multi;
static keel_curl_transfer transfer;
static int added, removed; /* how often keel asked for it */

static void take_done(void)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi, &left))) {
        CURLcode code = message->data.result;

        curl_multi_remove_handle(multi, message->easy_handle);
        keel_curl_multi_done(&transfer, (int)code);
    }
}

/* The author's loop, with many other things in it. */
static void wait_until(uint64_t at_ns)
{
    uint64_t now = keel_now(client.runtime);
    uint64_t ms = at_ns > now ? (at_ns - now) / MS + 1 : 0;
    int running;

    curl_multi_perform(multi, &running);
    curl_multi_poll(multi, NULL, 0, ms < 1000 ? (int)ms : 1000, NULL);
    curl_multi_perform(multi, &running);
    take_done();
}

/* One step of the call's; false: it is over. */
static bool go_on(void)
{
    uint64_t wake_at_ns;

    switch (keel_curl_multi_next(&transfer, &wake_at_ns)) {
    case KEEL_CURL_ADD:
        added++;
        ck_assert_int_eq(curl_multi_add_handle(multi, client.easy), CURLM_OK);
        return true;
    case KEEL_CURL_REMOVE:
        removed++;
        ck_assert_int_eq(curl_multi_remove_handle(multi, client.easy), CURLM_OK);
        return true;
    case KEEL_CURL_WAIT:
        wait_until(wake_at_ns);
        return true;
    default:
        return false;
    }
}

static void begin(void)
{
    multi = curl_multi_init();
    ck_assert_int_eq(keel_curl_multi_start(&transfer, client.pipeline, client.easy,
                                           &client.options, &client.why),
                     KEEL_OK);
}

static keel_status end(void)
{
    keel_status status = keel_curl_multi_end(&transfer, &client.code, &client.why);

    curl_multi_cleanup(multi);
    return status;
}

static keel_status play(void)
{
    begin();
    while (go_on())
        ;
    return end();
}

START_TEST(a_transfer_goes_through_the_authors_multi_handle)
{
    BEGIN("", SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(play(), KEEL_OK);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_str_eq(client.sink, "fine");
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_YES);
    ck_assert_int_eq(added, 1);
    ck_assert_int_eq(removed, 0);
    END();
}
END_TEST

START_TEST(a_503_is_asked_again_where_the_sink_can_be_emptied)
{
    BEGIN(QUICK, SAY(SICK, FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(play(), KEEL_OK);
    ck_assert_str_eq(client.sink, "fine");
    ck_assert_int_eq(client.resets, 1);
    ck_assert_uint_eq(client.why.attempts, 2);
    END();
}
END_TEST

START_TEST(without_that_it_is_the_answer)
{
    BEGIN(QUICK, SAY(SICK, FAULT_KEEP));
    ck_assert_int_eq(play(), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(curl_client_response(&client), 503);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

static int refuse(void *ctx)
{
    (void)ctx;
    return 1;
}

START_TEST(a_sink_that_cannot_be_emptied_after_all_ends_the_call)
{
    BEGIN(QUICK, SAY(SICK, FAULT_KEEP));
    client.options.sink_reset = refuse;
    ck_assert_int_eq(play(), KEEL_FAILED);
    ck_assert_uint_eq(client.why.attempts, 1);
    ck_assert_int_eq(added, 1);
    END();
}
END_TEST

START_TEST(when_its_time_is_up_the_handle_is_to_be_taken_out)
{
    BEGIN(QUICK "; timeout=1s; retry.attempts=2", SAY("", FAULT_HANG),
          SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(play(), KEEL_OK);
    ck_assert_int_eq(added, 2);
    ck_assert_int_eq(removed, 1);
    ck_assert_uint_eq(client.why.attempts, 2);
    END();
}
END_TEST

START_TEST(a_token_ends_it_at_the_next_look)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;

    BEGIN("", SAY("", FAULT_HANG));
    client.call.cancel = &cancel;
    begin();
    while (!requests())
        ck_assert(go_on());
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_curl_multi_next(&transfer, NULL), KEEL_CURL_REMOVE);
    curl_multi_remove_handle(multi, client.easy);
    ck_assert_int_eq(keel_curl_multi_next(&transfer, NULL), KEEL_CURL_ENDED);
    ck_assert_int_eq(end(), KEEL_CANCELLED);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    END();
}
END_TEST

START_TEST(an_open_breaker_never_asks_for_the_handle)
{
    BEGIN("", SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(keel_pipeline_lock(client.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(play(), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_int_eq(added, 0);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    END();
}
END_TEST

START_TEST(it_may_be_left_in_the_midst)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    BEGIN("", SAY("", FAULT_HANG));
    begin();
    while (!requests())
        ck_assert(go_on());
    curl_multi_remove_handle(multi, client.easy);
    end();
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.in_flight, 0);
    ck_assert_int_eq(keel_curl_multi_end(&transfer, NULL, NULL), KEEL_E_STATE);
    ck_assert_int_eq(keel_curl_multi_next(&transfer, NULL), KEEL_CURL_ENDED);
    END();
}
END_TEST

START_TEST(done_counts_once_and_only_for_what_is_under_way)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    BEGIN(QUICK "; timeout=60ms; retry.attempts=1", SAY("", FAULT_HANG));
    begin();
    keel_curl_multi_done(&transfer, CURLE_OK); /* nothing was added yet */
    ck_assert_int_eq(keel_curl_multi_next(&transfer, NULL), KEEL_CURL_ADD);
    curl_multi_add_handle(multi, client.easy);
    while (keel_curl_multi_next(&transfer, NULL) != KEEL_CURL_REMOVE)
        wait_until(keel_now(client.runtime) + MS);
    curl_multi_remove_handle(multi, client.easy);
    keel_curl_multi_done(&transfer, CURLE_OK); /* keel's verdict came first */
    keel_curl_multi_done(&transfer, CURLE_OK);
    ck_assert_int_eq(keel_curl_multi_next(&transfer, NULL), KEEL_CURL_ENDED);
    ck_assert_int_eq(end(), KEEL_TIMEOUT);
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.calls, 1);
    ck_assert_uint_eq(stats.failures, 1);
    END();
}
END_TEST

/* Calls that may be hedged, and so save up for a copy. */
static void save_up(void)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_call call;

    for (int i = 0; i < 3; i++) {
        keel_call_begin(&call, client.pipeline, &options);
        ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
        keel_call_report(&call, KEEL_OK);
        keel_call_end(&call, NULL);
    }
}

START_TEST(one_handle_is_never_asked_for_a_copy_nor_goes_to_an_endpoint)
{
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_endpoint_stats endpoint = { .size = sizeof endpoint };

    BEGIN(
        QUICK
        "; hedge=0; hedge.budget=100%; retry.attempts=3; endpoints=http://a, http://b",
        SAY(SICK, FAULT_KEEP), SAY(SICK, FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    save_up();
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(play(), KEEL_OK);
    ck_assert_int_eq(added, 3);
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.hedges_total, 0);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(keel_pipeline_endpoint_look(client.pipeline, i, &endpoint),
                         KEEL_OK);
        ck_assert_uint_eq(endpoint.failures, 0);
    }
    END();
}
END_TEST

START_TEST(disabled_it_is_the_plain_transfer)
{
    static const char *const environment[] = { "KEEL_DISABLED=on", NULL };
    static const fault_step steps[] = { SAY(SICK, FAULT_KEEP) };

    ck_assert(fault_start(&server, steps, 1));
    curl_client_open_in(&client, environment, QUICK, server.port, "/");
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(play(), KEEL_FAILED);
    ck_assert_int_eq(added, 1);
    ck_assert_int_eq(curl_client_response(&client), 503);
    END();
}
END_TEST

START_TEST(a_missing_argument_is_said_to_be_missing)
{
    keel_curl_transfer t;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    WITHOUT(keel_curl_multi_start, transfer,
            keel_curl_multi_start(NULL, client.pipeline, client.easy, NULL, NULL) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_curl_multi_start, pipeline,
            keel_curl_multi_start(&t, NULL, client.easy, NULL, NULL) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_curl_multi_start, easy,
            keel_curl_multi_start(&t, client.pipeline, NULL, NULL, NULL) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_curl_multi_start, options,
            keel_curl_multi_start(&t, client.pipeline, client.easy, NULL,
                                  &client.why) == KEEL_OK);
    WITHOUT(keel_curl_multi_next, wake_at_ns,
            keel_curl_multi_next(&t, NULL) == KEEL_CURL_ADD);
    WITHOUT(keel_curl_multi_end, curl_code,
            keel_curl_multi_end(&t, NULL, &client.why) == KEEL_IGNORED);
    WITHOUT(keel_curl_multi_start, why,
            keel_curl_multi_start(&t, client.pipeline, client.easy, NULL, NULL) ==
                KEEL_OK);
    WITHOUT(keel_curl_multi_end, why,
            keel_curl_multi_end(&t, &client.code, NULL) == KEEL_CANCELLED);
    WITHOUT(keel_curl_multi_next, transfer,
            keel_curl_multi_next(NULL, NULL) == KEEL_CURL_ENDED);
    WITHOUT(keel_curl_multi_done, transfer, RETURNS(keel_curl_multi_done(NULL, 0)));
    WITHOUT(keel_curl_multi_end, transfer,
            keel_curl_multi_end(NULL, NULL, NULL) == KEEL_E_ARGUMENT);
    client.options.size = 0;
    ck_assert_int_eq(
        keel_curl_multi_start(&t, client.pipeline, client.easy, &client.options, NULL),
        KEEL_E_ARGUMENT);
    END();
}
END_TEST

SUITE("curl_multi", 20, ONE(a_transfer_goes_through_the_authors_multi_handle),
      ONE(a_503_is_asked_again_where_the_sink_can_be_emptied),
      ONE(without_that_it_is_the_answer),
      ONE(a_sink_that_cannot_be_emptied_after_all_ends_the_call),
      ONE(when_its_time_is_up_the_handle_is_to_be_taken_out),
      ONE(a_token_ends_it_at_the_next_look),
      ONE(an_open_breaker_never_asks_for_the_handle), ONE(it_may_be_left_in_the_midst),
      ONE(done_counts_once_and_only_for_what_is_under_way),
      ONE(one_handle_is_never_asked_for_a_copy_nor_goes_to_an_endpoint),
      ONE(disabled_it_is_the_plain_transfer),
      ONE(a_missing_argument_is_said_to_be_missing))
