/* SPDX-License-Identifier: MIT */
/* Which requests keel_curl_perform sends again, against a server that misbehaves. */
#include <stdio.h>

#include "fixture.h"
#include "support/loopback.h"

/* ---- what is retried, and what is not -------------------------------------------- */

START_TEST(a_get_that_was_reset_is_retried)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(requests(), 2);
    ck_assert_str_eq(client.sink, "fine");
    END();
}
END_TEST

START_TEST(a_post_that_was_reset_is_not_retried_and_may_have_happened)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_UNKNOWN);
    ck_assert_int_eq(client.code, CURLE_RECV_ERROR);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(client.why.system_errno, CURLE_RECV_ERROR);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_post_that_never_left_is_retried)
{
    curl_client_open(&client, QUICK "; retry.attempts=3", loopback_free_port(), "/");
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_COULDNT_CONNECT);
    ck_assert_str_eq(client.why.text, "Couldn't connect to server: called and failed");
    ck_assert_int_eq(client.why.attempts, 3);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    curl_client_close(&client);
}
END_TEST

START_TEST(a_post_declared_idempotent_is_retried_with_its_body)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    client.options.safety = KEEL_CURL_IDEMPOTENT;
    client.options.body_rewind = curl_client_rewind;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(requests(), 2);
    ck_assert_int_eq(client.rewinds, 1);
    ck_assert(fault_saw(&server, "\r\n\r\ncard=1"));
    END();
}
END_TEST

START_TEST(a_get_declared_unsafe_is_not_retried)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_UNKNOWN);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_put_whose_body_was_read_is_not_retried)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    curl_client_put(&client, "all of it");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_put_whose_body_is_rewound_is_retried_in_full)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    curl_client_put(&client, "all of it");
    client.options.body_rewind = curl_client_rewind;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(requests(), 2);
    ck_assert(fault_saw(&server, "\r\n\r\nall of it"));
    END();
}
END_TEST

START_TEST(a_post_that_a_redirect_made_a_get_is_not_repeated)
{
    BEGIN(QUICK,
          SAY("HTTP/1.1 303 See\r\nLocation: /done\r\nContent-Length: 0\r\n\r\n",
              FAULT_KEEP),
          SAY("HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    curl_easy_setopt(client.easy, CURLOPT_FOLLOWLOCATION, 1L);
    client.options.sink_reset = curl_client_reset;
    client.options.body_rewind = curl_client_rewind;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

/* ---- what was delivered ---------------------------------------------------------- */

START_TEST(a_503_is_the_callers_answer)
{
    BEGIN(QUICK, SAY(SICK, FAULT_KEEP));
    ck_assert_int_eq(keel_curl_perform(client.pipeline, client.easy), CURLE_OK);
    ck_assert_int_eq(curl_client_response(&client), 503);
    ck_assert_str_eq(client.sink, "sick");
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(why_a_503_is_not_retried_is_said)
{
    BEGIN(QUICK, SAY(SICK, FAULT_KEEP));
    client.options.safety = KEEL_CURL_IDEMPOTENT;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_str_eq(client.why.text, "HTTP 503: called and failed; not retried: an "
                                      "answer had begun to arrive");
    END();
}
END_TEST

START_TEST(a_503_is_retried_where_its_body_can_be_forgotten)
{
    BEGIN(QUICK "; retry.attempts=3", SAY(SICK, FAULT_KEEP), SAY(SICK, FAULT_KEEP),
          SAY(GOOD, FAULT_KEEP));
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.resets, 2);
    ck_assert_str_eq(client.sink, "fine");
    END();
}
END_TEST

START_TEST(the_answer_of_the_last_attempt_is_kept)
{
    BEGIN(QUICK "; retry.attempts=2", SAY(SICK, FAULT_KEEP));
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(client.resets, 1);
    ck_assert_str_eq(client.sink, "sick");
    END();
}
END_TEST

START_TEST(a_truncated_body_is_not_retried_by_itself)
{
    BEGIN(QUICK, SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAULT_CLOSE),
          SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_PARTIAL_FILE);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_truncated_body_is_retried_where_it_can_be_forgotten)
{
    BEGIN(QUICK, SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAULT_CLOSE),
          SAY(GOOD, FAULT_KEEP));
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_str_eq(client.sink, "fine");
    END();
}
END_TEST

static int cannot(void *ctx)
{
    (void)ctx;
    return -1;
}

START_TEST(a_sink_that_cannot_forget_ends_the_call_with_what_was)
{
    BEGIN(QUICK, SAY(SICK, FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    client.options.sink_reset = cannot;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(client.why.code, KEEL_FAILED);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_int_eq(client.why.reason, KEEL_REASON_NOT_RETRYABLE);
    ck_assert_ptr_nonnull(strstr(client.why.text, "an answer had begun to arrive"));
    ck_assert_int_eq(curl_client_response(&client), 503);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_429_is_throttled_and_its_wish_is_handed_on)
{
    BEGIN(QUICK,
          SAY("HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
              FAULT_KEEP));
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_THROTTLED);
    ck_assert_uint_eq(client.why.retry_after_ns, 3600 * 1000 * MS);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_retry_does_not_come_before_the_server_wishes)
{
    BEGIN(QUICK,
          SAY("HTTP/1.1 503 Sick\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
              FAULT_KEEP),
          SAY(GOOD, FAULT_KEEP));
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_uint_ge(client.why.elapsed_ns, 1000 * MS);
    END();
}
END_TEST

/* ---- several attempts, one call --------------------------------------------------- */

static keel_status stand_in(const keel_detail *why, void *ctx)
{
    (void)why;
    ++*(int *)ctx;
    return KEEL_OK;
}

START_TEST(a_fallback_stands_in_where_a_sink_cannot_forget)
{
    int stood_in = 0;

    BEGIN(QUICK, SAY(SICK, FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    client.options.sink_reset = cannot;
    client.call.fallback = stand_in;
    client.call.fallback_ctx = &stood_in;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(stood_in, 1);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(an_attempt_a_hook_has_prevented_counts_for_nothing)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    BEGIN(QUICK, SAY(SICK, FAULT_KEEP));
    client.options.sink_reset = cannot;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.in_flight, 0);
    ck_assert_uint_eq(stats.calls, 1);
    ck_assert_uint_eq(stats.failures, 1);
    END();
}
END_TEST

static const keel_curl_safety safeties[] = { KEEL_CURL_BY_METHOD, KEEL_CURL_UNSAFE };

START_TEST(a_name_the_author_resolved_is_known_to_every_attempt)
{
    uint16_t port = loopback_free_port();
    struct curl_slist *names;
    char text[64];

    snprintf(text, sizeof text, "nowhere.invalid:%u:127.0.0.1", (unsigned)port);
    names = curl_slist_append(NULL, text);
    curl_client_open(&client, QUICK "; retry.attempts=3", port, "/");
    snprintf(text, sizeof text, "http://nowhere.invalid:%u/", (unsigned)port);
    curl_easy_setopt(client.easy, CURLOPT_URL, text);
    curl_easy_setopt(client.easy, CURLOPT_RESOLVE, names);
    client.options.safety = safeties[_i];
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.why.attempts, 3);
    ck_assert_int_eq(client.code, CURLE_COULDNT_CONNECT);
    curl_client_close(&client);
    curl_slist_free_all(names);
}
END_TEST

START_TEST(an_injected_failure_is_retried_where_the_request_may_be_repeated)
{
    static const char *const allowed[] = { "KEEL_CHAOS=allow", NULL };

    curl_client_open_in(&client, allowed,
                        QUICK "; retry.attempts=3; chaos.rate=100%; chaos.fail=fail",
                        loopback_free_port(), "/");
    client.options.safety = KEEL_CURL_IDEMPOTENT;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.why.attempts, 3);
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.why.attempts, 1);
    curl_client_close(&client);
}
END_TEST

SUITE("http/curl_retry", 60, ONE(a_get_that_was_reset_is_retried),
      ONE(a_post_that_was_reset_is_not_retried_and_may_have_happened),
      ONE(a_post_that_never_left_is_retried),
      ONE(a_post_declared_idempotent_is_retried_with_its_body),
      ONE(a_get_declared_unsafe_is_not_retried),
      ONE(a_put_whose_body_was_read_is_not_retried),
      ONE(a_put_whose_body_is_rewound_is_retried_in_full),
      ONE(a_post_that_a_redirect_made_a_get_is_not_repeated),
      ONE(a_503_is_the_callers_answer), ONE(why_a_503_is_not_retried_is_said),
      ONE(a_503_is_retried_where_its_body_can_be_forgotten),
      ONE(the_answer_of_the_last_attempt_is_kept),
      ONE(a_truncated_body_is_not_retried_by_itself),
      ONE(a_truncated_body_is_retried_where_it_can_be_forgotten),
      ONE(a_sink_that_cannot_forget_ends_the_call_with_what_was),
      ONE(a_429_is_throttled_and_its_wish_is_handed_on),
      ONE(a_retry_does_not_come_before_the_server_wishes),
      ONE(a_fallback_stands_in_where_a_sink_cannot_forget),
      ONE(an_attempt_a_hook_has_prevented_counts_for_nothing),
      ROWS(a_name_the_author_resolved_is_known_to_every_attempt, safeties),
      ONE(an_injected_failure_is_retried_where_the_request_may_be_repeated))
