/* SPDX-License-Identifier: MIT */
/*
 * Two options are set on a caller's handle, and no other: this program stands between
 * keel and libcurl's curl_easy_setopt and writes down what passes. It can also take
 * libcurl's interface to headers away, as a build without it does.
 */
#include <dlfcn.h>
#include <stdarg.h>

#include "fixture.h"

typedef CURLcode setopt_fn(CURL *easy, CURLoption option, ...);

enum { SEEN_MAX = 16 };

static struct {
    CURLoption option;
    long value;
} seen[SEEN_MAX];
static int seen_count;
static bool watching;

/* in parentheses, for libcurl has a macro of the same name; long and pointer travel
 * the same way */
__attribute__((visibility("default")))
CURLcode(curl_easy_setopt)(CURL *easy, CURLoption option, ...)
{
    setopt_fn *real = NULL;
    va_list args;
    void *value;

    *(void **)&real = dlsym(RTLD_NEXT, "curl_easy_setopt");
    va_start(args, option);
    value = va_arg(args, void *);
    va_end(args);
    if (watching && seen_count < SEEN_MAX) {
        seen[seen_count].option = option;
        seen[seen_count].value = (long)value;
        seen_count++;
    }
    return real(easy, option, value);
}

static bool headerless;

__attribute__((visibility("default"))) CURLHcode
curl_easy_header(CURL *easy, const char *name, size_t index, unsigned origin,
                 int request, struct curl_header **out)
{
    CURLHcode (*real)(CURL *, const char *, size_t, unsigned, int,
                      struct curl_header **) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "curl_easy_header");
    return headerless ? CURLHE_NOT_BUILT_IN
                      : real(easy, name, index, origin, request, out);
}

static keel_status perform_watched(void)
{
    keel_status status;

    watching = true;
    status = curl_client_perform(&client);
    watching = false;
    return status;
}

START_TEST(exactly_two_options_are_set_for_each_attempt)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(perform_watched(), KEEL_OK);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(seen_count, 4);
    for (int i = 0; i < seen_count; i++) {
        ck_assert_int_eq(seen[i].option, i % 2 ? CURLOPT_QUICK_EXIT : CURLOPT_NOSIGNAL);
        ck_assert_int_eq(seen[i].value, 1);
    }
    END();
}
END_TEST

START_TEST(none_is_set_on_a_handle_that_is_refused)
{
    CURLM *theirs = curl_multi_init();

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    curl_multi_add_handle(theirs, client.easy);
    ck_assert_int_eq(perform_watched(), KEEL_E_ARGUMENT);
    ck_assert_int_eq(seen_count, 0);
    curl_multi_remove_handle(theirs, client.easy);
    curl_multi_cleanup(theirs);
    END();
}
END_TEST

START_TEST(none_is_set_when_the_breaker_refuses)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(keel_pipeline_lock(client.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(perform_watched(), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_int_eq(seen_count, 0);
    END();
}
END_TEST

START_TEST(none_is_set_when_keel_is_disabled)
{
    static const char *const disabled[] = { "KEEL_DISABLED=on", NULL };
    static const fault_step steps[] = { SAY(SICK, FAULT_KEEP) };

    ck_assert(fault_start(&server, steps, 1));
    curl_client_open_in(&client, disabled, QUICK, server.port, "/");
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(perform_watched(), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(requests(), 1);
    ck_assert_int_eq(seen_count, 0);
    END();
}
END_TEST

START_TEST(a_libcurl_that_does_not_tell_of_requests_is_not_taken_to_resend)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    headerless = true;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    headerless = false;
    ck_assert_ptr_null(strstr(client.why.text, "again"));
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.resends_total, 0);
    END();
}
END_TEST

SUITE("http/curl_options", 60, ONE(exactly_two_options_are_set_for_each_attempt),
      ONE(none_is_set_on_a_handle_that_is_refused),
      ONE(none_is_set_when_the_breaker_refuses), ONE(none_is_set_when_keel_is_disabled),
      ONE(a_libcurl_that_does_not_tell_of_requests_is_not_taken_to_resend))
