/* SPDX-License-Identifier: MIT */
/* libcurl's own second sending, when a kept connection turns out dead. */
#include <sys/socket.h>

#include "fixture.h"

START_TEST(libcurl_resends_a_get_on_a_dead_connection_and_keel_says_so)
{
    keel_pipeline_stats stats;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE), SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_ptr_null(strstr(client.why.text, "again"));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(requests(), 3);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_ptr_nonnull(strstr(client.why.text, "again"));
    stats.size = sizeof stats;
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.resends_total, 1);
    END();
}
END_TEST

START_TEST(a_request_declared_unsafe_is_never_resent)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE), SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_UNKNOWN);
    ck_assert_int_eq(client.code, CURLE_GOT_NOTHING);
    ck_assert_int_eq(connections(), 2);
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

START_TEST(the_connection_of_an_unsafe_request_is_not_kept_for_the_next)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    client.options.safety = KEEL_CURL_UNSAFE;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(connections(), 3);
    END();
}
END_TEST

START_TEST(a_request_refused_after_libcurl_resent_it_may_have_left)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    /* sent on the kept connection, which dies; the fresh one finds nobody listening */
    shutdown(server.listener, SHUT_RD);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_UNKNOWN);
    ck_assert_int_eq(client.code, CURLE_COULDNT_CONNECT);
    ck_assert_int_eq(client.why.attempts, 1);
    END();
}
END_TEST

#define MOVED "HTTP/1.1 307 Go\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"

/* The connection of a redirect's first request is reused by its second. */
START_TEST(an_unsafe_request_that_was_resent_after_a_redirect_may_have_happened_twice)
{
    BEGIN(QUICK, SAY(MOVED, FAULT_KEEP), SAY("", FAULT_CLOSE), SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    curl_easy_setopt(client.easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(client.easy, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(requests(), 3);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(client.why.text, "again"));
    END();
}
END_TEST

START_TEST(a_redirect_alone_is_no_second_sending)
{
    BEGIN(QUICK, SAY(MOVED, FAULT_KEEP), SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_FOLLOWLOCATION, 1L);
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_YES);
    ck_assert_ptr_null(strstr(client.why.text, "again"));
    END();
}
END_TEST

START_TEST(what_an_attempt_before_may_have_done_is_not_forgotten)
{
    BEGIN(QUICK "; retry.attempts=2", SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    /* sent on the kept connection, which dies; then nobody listens any more */
    shutdown(server.listener, SHUT_RD);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_COULDNT_CONNECT);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_UNKNOWN);
    END();
}
END_TEST

static keel_status stand_in(const keel_detail *why, void *ctx)
{
    (void)why, (void)ctx;
    return KEEL_OK;
}

START_TEST(a_fallbacks_success_is_not_told_as_the_resent_requests)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE), SAY(SICK, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    client.call.fallback = stand_in;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(requests(), 3);
    ck_assert(client.why.fallback);
    ck_assert_int_eq(client.why.code, KEEL_FAILED);
    ck_assert_ptr_null(strstr(client.why.text, "again"));
    END();
}
END_TEST

SUITE("http/curl_resend", 60,
      ONE(libcurl_resends_a_get_on_a_dead_connection_and_keel_says_so),
      ONE(a_request_declared_unsafe_is_never_resent),
      ONE(the_connection_of_an_unsafe_request_is_not_kept_for_the_next),
      ONE(a_request_refused_after_libcurl_resent_it_may_have_left),
      ONE(an_unsafe_request_that_was_resent_after_a_redirect_may_have_happened_twice),
      ONE(a_redirect_alone_is_no_second_sending),
      ONE(what_an_attempt_before_may_have_done_is_not_forgotten),
      ONE(a_fallbacks_success_is_not_told_as_the_resent_requests))
