/* SPDX-License-Identifier: MIT */
/* Protocols other than HTTP: what libcurl does not count for them is not claimed. */
#include "fixture.h"
#include "lines.h"

static line_server ftp;

/* DELE is a command of the author's; QUIT is libcurl's own when it closes. */
static line_rule rules[] = {
    { .begins = "USER", .reply = "230 in\r\n" },
    { .begins = "PWD", .reply = "257 \"/\"\r\n" },
    { .begins = "DELE silent", .reply = NULL },
    { .begins = "DELE gone", .reply = "550 no such file\r\n" },
    { .begins = "QUIT", .reply = NULL },
    { .begins = "", .reply = "200 fine\r\n" },
};

enum { SILENT = 2, QUIT = 4 };

static struct curl_slist *commands;

static void begin(const char *settings, CURLoption when, const char *command)
{
    ck_assert(line_start(&ftp, rules));
    curl_client_open(&client, settings, ftp.port, "/");
    curl_client_aim(&client, "ftp", ftp.port, "/");
    curl_easy_setopt(client.easy, CURLOPT_NOBODY, 1L);
    if (!command)
        return;
    commands = curl_slist_append(NULL, command);
    curl_easy_setopt(client.easy, when, commands);
}

static void end(void)
{
    curl_client_close(&client);
    line_stop(&ftp);
    curl_slist_free_all(commands);
}

START_TEST(a_command_that_may_have_left_is_sent_once)
{
    begin(QUICK "; timeout=1s; retry.attempts=3", CURLOPT_QUOTE, "DELE silent");
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(atomic_load(&rules[SILENT].seen), 1);
    end();
}
END_TEST

START_TEST(where_no_connection_came_about_it_is_tried_again)
{
    begin(QUICK "; retry.attempts=2", CURLOPT_QUOTE, "DELE silent");
    curl_client_aim(&client, "ftp", 1, "/");
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_COULDNT_CONNECT);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

START_TEST(a_response_code_of_ftp_is_not_one_of_http)
{
    /* an asterisk: libcurl goes on where the command fails */
    begin(QUICK, CURLOPT_POSTQUOTE, "*DELE gone");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.code, CURLE_OK);
    ck_assert_int_eq(curl_client_response(&client), 550);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_YES);
    end();
}
END_TEST

/* libcurl waits two minutes for the reply to QUIT, libcheck not so long. */
START_TEST(a_goodbye_that_is_not_answered_holds_neither_call_nor_close)
{
    begin("timeout=10s; deadline=10s", CURLOPT_QUOTE, NULL);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    client.options.safety = KEEL_CURL_UNSAFE;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    end();
    ck_assert_int_eq(atomic_load(&rules[QUIT].seen), 0);
}
END_TEST

START_TEST(connecting_only_is_refused_whatever_the_protocol)
{
    begin(QUICK, CURLOPT_QUOTE, NULL);
    curl_easy_setopt(client.easy, CURLOPT_CONNECT_ONLY, 1L);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_E_UNSUPPORTED);
    end();
}
END_TEST

START_TEST(a_file_is_read_as_ever)
{
    begin(QUICK, CURLOPT_QUOTE, NULL);
    curl_easy_setopt(client.easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(client.easy, CURLOPT_URL, "file:///proc/self/comm");
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_uint_gt(client.sink_length, 0);
    end();
}
END_TEST

SUITE("http/curl_schemes", 20, ONE(a_command_that_may_have_left_is_sent_once),
      ONE(where_no_connection_came_about_it_is_tried_again),
      ONE(a_response_code_of_ftp_is_not_one_of_http),
      ONE(a_goodbye_that_is_not_answered_holds_neither_call_nor_close),
      ONE(connecting_only_is_refused_whatever_the_protocol),
      ONE(a_file_is_read_as_ever))
