/* SPDX-License-Identifier: MIT */
/* keel_curl_perform is curl_easy_perform where nothing is wrong, and refuses what it
 * must. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "support/opened.h"
#include "support/without.h"

/* ---- as libcurl does it ---------------------------------------------------------- */

START_TEST(an_answer_comes_through_as_from_libcurl)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(keel_curl_perform(client.pipeline, client.easy), CURLE_OK);
    ck_assert_int_eq(curl_client_response(&client), 200);
    ck_assert_str_eq(client.sink, "fine");
    END();
}
END_TEST

START_TEST(the_detail_tells_attempts_and_effect)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_YES);
    ck_assert_int_eq(client.why.system_errno, CURLE_OK);
    END();
}
END_TEST

START_TEST(connections_are_kept_from_call_to_call)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(requests(), 3);
    ck_assert_int_eq(connections(), 1);
    END();
}
END_TEST

START_TEST(connections_are_kept_from_handle_to_handle)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    curl_easy_cleanup(client.easy);
    client.easy = curl_client_handle(&client);
    curl_client_aim(&client, "http", server.port, "/");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(connections(), 1);
    END();
}
END_TEST

START_TEST(the_handle_works_with_plain_libcurl_before_and_after)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_easy_perform(client.easy), CURLE_OK);
    ck_assert_int_eq(keel_curl_perform(client.pipeline, client.easy), CURLE_OK);
    ck_assert_int_eq(curl_easy_perform(client.easy), CURLE_OK);
    ck_assert_str_eq(client.sink, "finefinefine");
    END();
}
END_TEST

START_TEST(errno_is_left_alone)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    errno = EXDEV;
    ck_assert_int_eq(keel_curl_perform(client.pipeline, client.easy), CURLE_OK);
    ck_assert_int_eq(errno, EXDEV);
    END();
}
END_TEST

/* ---- the caller's own callbacks -------------------------------------------------- */

static size_t refuse_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes, (void)size, (void)count, (void)ctx;
    return 0;
}

START_TEST(a_sink_that_refuses_is_neutral_and_not_retried)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_WRITEFUNCTION, refuse_bytes);
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_IGNORED);
    ck_assert_int_eq(client.code, CURLE_WRITE_ERROR);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

static int stop(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)ctx, (void)a, (void)b, (void)c, (void)d;
    return 1;
}

START_TEST(a_progress_callback_can_stop_the_transfer)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(client.easy, CURLOPT_XFERINFOFUNCTION, stop);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_IGNORED);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    END();
}
END_TEST

static int inner_code, same_handle_code;

static size_t call_again(char *bytes, size_t size, size_t count, void *ctx)
{
    CURL *inner = curl_client_handle(ctx);
    char url[64];

    (void)bytes;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)server.port);
    curl_easy_setopt(inner, CURLOPT_URL, url);
    inner_code = keel_curl_perform(client.pipeline, inner);
    same_handle_code = keel_curl_perform(client.pipeline, client.easy);
    curl_easy_cleanup(inner);
    return size * count;
}

START_TEST(a_callback_may_call_the_same_pipeline_but_not_with_its_own_handle)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_WRITEFUNCTION, call_again);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(inner_code, CURLE_OK);
    ck_assert_str_eq(client.sink, "fine");
    ck_assert_int_eq(same_handle_code, CURLE_BAD_FUNCTION_ARGUMENT);
    ck_assert_int_eq(requests(), 2);
    END();
}
END_TEST

static volatile sig_atomic_t sigpipes;

static void count_sigpipe(int number)
{
    (void)number;
    sigpipes++;
}

static size_t write_to_nobody(char *bytes, size_t size, size_t count, void *ctx)
{
    int ends[2];

    (void)ctx;
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], bytes, 1), -1);
    close(ends[1]);
    return size * count;
}

START_TEST(no_sigpipe_comes_out_of_a_transfer)
{
    struct sigaction action = { .sa_handler = count_sigpipe };
    sigset_t mask;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    sigaction(SIGPIPE, &action, NULL);
    curl_easy_setopt(client.easy, CURLOPT_WRITEFUNCTION, write_to_nobody);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGPIPE), 0);
    ck_assert_int_eq(sigpipes, 0);
    END();
}
END_TEST

/* ---- refusals -------------------------------------------------------------------- */

START_TEST(a_pipeline_held_open_refuses_without_touching_the_network)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(keel_pipeline_lock(client.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_int_eq(client.code, CURLE_ABORTED_BY_CALLBACK);
    ck_assert_int_eq(connections(), 0);
    END();
}
END_TEST

START_TEST(an_open_breaker_is_not_waited_for_by_a_first_attempt)
{
    BEGIN(QUICK "; breaker.consecutive=1; breaker.open=1s; retry.attempts=3",
          SAY(SICK, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    client.options.safety = KEEL_CURL_IDEMPOTENT;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(requests(), 1);
    END();
}
END_TEST

START_TEST(a_deadline_that_is_past_leaves_no_time_to_call)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    client.call.deadline_at_ns = 1;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_REJECTED_DEADLINE);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    ck_assert_int_eq(connections(), 0);
    END();
}
END_TEST

START_TEST(a_handle_in_another_multi_is_refused_and_can_be_used_later)
{
    CURLM *theirs = curl_multi_init();
    keel_pipeline_stats stats = { .size = sizeof stats };

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    curl_multi_add_handle(theirs, client.easy);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_E_ARGUMENT);
    ck_assert_int_eq(client.code, CURLE_BAD_FUNCTION_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.in_flight, 0);
    curl_multi_remove_handle(theirs, client.easy);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    curl_multi_cleanup(theirs);
    END();
}
END_TEST

START_TEST(connecting_only_is_refused_for_the_connection_could_not_stay)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_CONNECT_ONLY, 1L);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_E_UNSUPPORTED);
    ck_assert_int_eq(client.code, CURLE_NOT_BUILT_IN);
    ck_assert_ptr_nonnull(strstr(client.why.text, "CURLOPT_CONNECT_ONLY"));
    ck_assert_int_eq(requests(), 0);
    ck_assert_int_eq(keel_pipeline_look(client.pipeline, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.in_flight, 0);
    curl_easy_setopt(client.easy, CURLOPT_CONNECT_ONLY, 0L);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    END();
}
END_TEST

START_TEST(nothing_is_not_a_handle_nor_a_pipeline)
{
    const keel_curl_options options = { .size = sizeof options };
    keel_detail why = KEEL_DETAIL_INIT;
    int code = CURLE_OK;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    WITHOUT(keel_curl_perform, pipeline,
            keel_curl_perform(NULL, client.easy) == CURLE_BAD_FUNCTION_ARGUMENT);
    WITHOUT(keel_curl_perform, easy,
            keel_curl_perform(client.pipeline, NULL) == CURLE_BAD_FUNCTION_ARGUMENT);
    WITHOUT(keel_curl_perform_with, pipeline,
            keel_curl_perform_with(NULL, client.easy, &options, &code, &why) ==
                KEEL_E_ARGUMENT);
    ck_assert_int_eq(code, CURLE_BAD_FUNCTION_ARGUMENT);
    ck_assert_int_eq(why.code, KEEL_E_ARGUMENT);
    code = CURLE_OK;
    WITHOUT(keel_curl_perform_with, easy,
            keel_curl_perform_with(client.pipeline, NULL, &options, &code, &why) ==
                KEEL_E_ARGUMENT);
    ck_assert_int_eq(code, CURLE_BAD_FUNCTION_ARGUMENT);
    ck_assert_int_eq(keel_curl_perform_with(NULL, NULL, NULL, NULL, NULL),
                     KEEL_E_ARGUMENT);
    ck_assert_int_eq(requests(), 0);
    END();
}
END_TEST

START_TEST(options_code_and_detail_may_be_left_out)
{
    const keel_curl_options options = { .size = sizeof options };
    keel_detail why = KEEL_DETAIL_INIT;
    int code = CURLE_BAD_FUNCTION_ARGUMENT;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    WITHOUT(keel_curl_perform_with, options,
            keel_curl_perform_with(client.pipeline, client.easy, NULL, &code, &why) ==
                KEEL_OK);
    ck_assert_int_eq(code, CURLE_OK);
    WITHOUT(keel_curl_perform_with, curl_code,
            keel_curl_perform_with(client.pipeline, client.easy, &options, NULL,
                                   &why) == KEEL_OK);
    WITHOUT(keel_curl_perform_with, why,
            keel_curl_perform_with(client.pipeline, client.easy, &options, &code,
                                   NULL) == KEEL_OK);
    END();
}
END_TEST

START_TEST(options_may_be_older_but_not_newer)
{
    struct {
        keel_curl_options known;
        int unknown;
    } newer = { .known.size = sizeof newer, .unknown = 1 };
    keel_curl_options older = { .size = offsetof(keel_curl_options, safety) };
    int code;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(
        keel_curl_perform_with(client.pipeline, client.easy, &older, &code, NULL),
        KEEL_OK);
    ck_assert_int_eq(
        keel_curl_perform_with(client.pipeline, client.easy, &newer.known, &code, NULL),
        KEEL_E_ARGUMENT);
    ck_assert_int_eq(code, CURLE_BAD_FUNCTION_ARGUMENT);
    END();
}
END_TEST

/* ---- threads and processes ------------------------------------------------------- */

enum { THREADS = 4, CALLS = 50 };

static void *call_often(void *failures)
{
    CURL *easy = curl_easy_init();
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)server.port);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    for (int i = 0; i < CALLS; i++)
        if (keel_curl_perform(client.pipeline, easy) != CURLE_OK)
            atomic_fetch_add((atomic_int *)failures, 1);
    curl_easy_cleanup(easy);
    return NULL;
}

START_TEST(threads_share_a_pipeline_and_its_connections)
{
    pthread_t threads[THREADS];
    atomic_int failures = 0;

    BEGIN("timeout=30s; deadline=60s",
          SAY("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP));
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &failures), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&failures), 0);
    ck_assert_int_eq(requests(), THREADS * CALLS);
    ck_assert_int_le(connections(), THREADS);
    END();
}
END_TEST

/* Exit status of a child that makes one call with a handle of its own. */
static int call_in_child(void)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        curl_easy_cleanup(client.easy); /* not used across fork, only let go */
        client.easy = curl_client_handle(&client);
        curl_client_aim(&client, "http", server.port, "/");
        _exit(curl_client_perform(&client) == KEEL_OK ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return status;
}

START_TEST(a_child_gets_connections_of_its_own_and_the_parent_keeps_his)
{
    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(call_in_child(), 0);
    ck_assert_int_eq(connections(), 2);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(connections(), 2);
    END();
}
END_TEST

START_TEST(a_child_may_close_what_its_parent_opened)
{
    pid_t child;
    int status = -1;

    BEGIN(QUICK, SAY(GOOD, FAULT_KEEP));
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    child = fork();
    if (child == 0) {
        keel_pipeline_close(client.pipeline);
        _exit(0);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(connections(), 1);
    END();
}
END_TEST

static void count_warnings(keel_log_level level, const char *subsystem,
                           const char *message, void *ctx)
{
    unsigned *warnings = ctx;

    (void)subsystem;
    *warnings += level == KEEL_LOG_WARNING && strstr(message, "no effect");
}

START_TEST(settings_without_effect_on_a_handle_are_told_once_each)
{
    static const fault_step good = SAY(GOOD, FAULT_KEEP);
    unsigned warnings = 0;
    CURL *easy = curl_easy_init();
    char url[64], settings[128];
    opened o;

    ck_assert(fault_start(&server, &good, 1));
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server.port);
    snprintf(settings, sizeof settings, "none; hedge=1s; endpoints=%s", url);
    opened_init_with_log(&o, OPENED_REAL, NULL, settings, count_warnings, &warnings);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(keel_curl_perform(o.pipeline, easy), CURLE_OK);
    ck_assert_uint_eq(warnings, 2);
    curl_easy_cleanup(easy);
    opened_cleanup(&o);
    fault_stop(&server);
}
END_TEST

START_TEST(what_a_url_comes_to_counts_for_no_endpoint)
{
    keel_endpoint_stats stats = { .size = sizeof stats };

    BEGIN(QUICK "; endpoints=http://a.invalid, http://b.invalid", SAY(SICK, FAULT_KEEP),
          SAY(GOOD, FAULT_KEEP));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(keel_curl_perform(client.pipeline, client.easy), CURLE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(keel_pipeline_endpoint_look(client.pipeline, i, &stats),
                         KEEL_OK);
        ck_assert_uint_eq(stats.successes + stats.failures, 0);
    }
    END();
}
END_TEST

SUITE("http/curl", 60, ONE(an_answer_comes_through_as_from_libcurl),
      ONE(the_detail_tells_attempts_and_effect),
      ONE(connections_are_kept_from_call_to_call),
      ONE(connections_are_kept_from_handle_to_handle),
      ONE(the_handle_works_with_plain_libcurl_before_and_after),
      ONE(errno_is_left_alone), ONE(a_sink_that_refuses_is_neutral_and_not_retried),
      ONE(a_progress_callback_can_stop_the_transfer),
      ONE(a_callback_may_call_the_same_pipeline_but_not_with_its_own_handle),
      ONE(no_sigpipe_comes_out_of_a_transfer),
      ONE(a_pipeline_held_open_refuses_without_touching_the_network),
      ONE(an_open_breaker_is_not_waited_for_by_a_first_attempt),
      ONE(a_deadline_that_is_past_leaves_no_time_to_call),
      ONE(a_handle_in_another_multi_is_refused_and_can_be_used_later),
      ONE(connecting_only_is_refused_for_the_connection_could_not_stay),
      ONE(settings_without_effect_on_a_handle_are_told_once_each),
      ONE(what_a_url_comes_to_counts_for_no_endpoint),
      ONE(nothing_is_not_a_handle_nor_a_pipeline),
      ONE(options_code_and_detail_may_be_left_out),
      ONE(options_may_be_older_but_not_newer),
      ONE(threads_share_a_pipeline_and_its_connections),
      ONE(a_child_gets_connections_of_its_own_and_the_parent_keeps_his),
      ONE(a_child_may_close_what_its_parent_opened))
