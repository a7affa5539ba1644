/* SPDX-License-Identifier: MIT */
/* From what libcurl and HTTP say to what the policies hear. */

#include "http/classify.h"
#include "support/suite.h"

typedef struct status_row {
    const char *why;
    keel_http_facts facts;
    keel_status status;
} status_row;

static const status_row status_rows[] = {
    { "an answer", { .response = 200 }, KEEL_OK },
    { "no HTTP at all, such as file://", { .response = 0 }, KEEL_OK },
    { "a redirect nobody followed", { .response = 302 }, KEEL_OK },
    { "the last good code", { .response = 399 }, KEEL_OK },
    { "the first bad one is the caller's", { .response = 400 }, KEEL_CLIENT_ERROR },
    { "not found", { .response = 404 }, KEEL_CLIENT_ERROR },
    { "request timeout is the server's", { .response = 408 }, KEEL_FAILED },
    { "too early", { .response = 425 }, KEEL_FAILED },
    { "too many requests", { .response = 429 }, KEEL_THROTTLED },
    { "the last of the 4xx", { .response = 499 }, KEEL_CLIENT_ERROR },
    { "server error", { .response = 500 }, KEEL_FAILED },
    { "not implemented stays so", { .response = 501 }, KEEL_CLIENT_ERROR },
    { "bad gateway", { .response = 502 }, KEEL_FAILED },
    { "unavailable, without a word when", { .response = 503 }, KEEL_FAILED },
    { "unavailable, asking for less",
      { .response = 503, .asked_to_wait = true },
      KEEL_THROTTLED },
    { "only 503 is changed by the wish",
      { .response = 500, .asked_to_wait = true },
      KEEL_FAILED },
    { "gateway timeout", { .response = 504 }, KEEL_FAILED },
    { "HTTP version not supported", { .response = 505 }, KEEL_CLIENT_ERROR },
    { "the answer behind CURLOPT_FAILONERROR",
      { .code = CURLE_HTTP_RETURNED_ERROR, .response = 429 },
      KEEL_THROTTLED },
    { "the same for a client error",
      { .code = CURLE_HTTP_RETURNED_ERROR, .response = 404 },
      KEEL_CLIENT_ERROR },

    { "refused", { .code = CURLE_COULDNT_CONNECT }, KEEL_FAILED },
    { "no such host", { .code = CURLE_COULDNT_RESOLVE_HOST }, KEEL_FAILED },
    { "TLS did not come about", { .code = CURLE_SSL_CONNECT_ERROR }, KEEL_FAILED },
    { "a refused certificate",
      { .code = CURLE_PEER_FAILED_VERIFICATION },
      KEEL_CLIENT_ERROR },
    { "time was up",
      { .code = CURLE_OPERATION_TIMEDOUT, .request_begun = true },
      KEEL_TIMEOUT },
    { "a read that broke off",
      { .code = CURLE_RECV_ERROR, .request_begun = true, .repeatable = true },
      KEEL_FAILED },
    { "a write that broke off may have happened",
      { .code = CURLE_RECV_ERROR, .request_begun = true },
      KEEL_UNKNOWN },
    { "an empty answer to a write, too",
      { .code = CURLE_GOT_NOTHING, .request_begun = true },
      KEEL_UNKNOWN },
    { "a truncated answer to a read",
      { .code = CURLE_PARTIAL_FILE, .response = 200, .repeatable = true },
      KEEL_FAILED },
    { "the caller's callback said stop",
      { .code = CURLE_ABORTED_BY_CALLBACK },
      KEEL_IGNORED },
    { "the caller's sink is full", { .code = CURLE_WRITE_ERROR }, KEEL_IGNORED },
    { "not a URL", { .code = CURLE_URL_MALFORMAT }, KEEL_IGNORED },
    { "no such file at the server",
      { .code = CURLE_REMOTE_FILE_NOT_FOUND },
      KEEL_CLIENT_ERROR },
};

START_TEST(an_end_is_classified_as_the_contract_says)
{
    const status_row *row = &status_rows[_i];

    ck_assert_msg(keel_http_classify(&row->facts) == row->status, "%s: %s", row->why,
                  keel_status_name(keel_http_classify(&row->facts)));
}
END_TEST

typedef struct repeat_row {
    const char *why;
    keel_http_facts facts;
    bool sink, rewind;
    bool may;
    keel_bar bar;
} repeat_row;

static const repeat_row repeat_rows[] = {
    { "refused: it never left, whatever it is",
      { .code = CURLE_COULDNT_CONNECT },
      false,
      false,
      true,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "time was up while connecting",
      { .code = CURLE_OPERATION_TIMEDOUT },
      false,
      false,
      true,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "time was up after sending",
      { .code = CURLE_OPERATION_TIMEDOUT, .request_begun = true },
      false,
      false,
      false,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "refused on the second try, after libcurl had sent it on a kept connection",
      { .code = CURLE_COULDNT_CONNECT, .request_begun = true },
      false,
      false,
      false,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "a broken read with nothing delivered",
      { .code = CURLE_RECV_ERROR, .request_begun = true, .repeatable = true },
      false,
      false,
      true,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "a header was delivered",
      { .response = 503, .request_begun = true, .repeatable = true, .received = true },
      false,
      false,
      false,
      KEEL_BAR_ANSWERED },
    { "and can be forgotten",
      { .response = 503, .request_begun = true, .repeatable = true, .received = true },
      true,
      false,
      true,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "a body was read",
      { .code = CURLE_SEND_ERROR,
        .request_begun = true,
        .repeatable = true,
        .consumed = true },
      true,
      false,
      false,
      KEEL_BAR_BODY_READ },
    { "and can be read again",
      { .code = CURLE_SEND_ERROR,
        .request_begun = true,
        .repeatable = true,
        .consumed = true },
      false,
      true,
      true,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "both happened, one can be undone",
      { .response = 500,
        .request_begun = true,
        .repeatable = true,
        .received = true,
        .consumed = true },
      false,
      true,
      false,
      KEEL_BAR_ANSWERED },
    { "no help makes a write repeatable",
      { .code = CURLE_RECV_ERROR, .request_begun = true },
      true,
      true,
      false,
      KEEL_BAR_NOT_IDEMPOTENT },
    { "send errors prove nothing, even with nothing counted as sent",
      { .code = CURLE_SEND_ERROR },
      true,
      true,
      false,
      KEEL_BAR_NOT_IDEMPOTENT },
};

START_TEST(only_what_is_safe_may_be_repeated)
{
    const repeat_row *row = &repeat_rows[_i];

    keel_bar bar = KEEL_BAR_NOT_IDEMPOTENT;

    ck_assert_msg(keel_http_may_repeat(&row->facts, row->sink, row->rewind, &bar) ==
                      row->may,
                  "%s", row->why);
    ck_assert_msg(bar == row->bar, "%s: barred by %d", row->why, (int)bar);
}
END_TEST

typedef struct method_row {
    const char *method;
    bool idempotent;
} method_row;

static const method_row method_rows[] = {
    { "GET", true },  { "HEAD", true },     { "OPTIONS", true }, { "TRACE", true },
    { "PUT", true },  { "DELETE", true },   { "POST", false },   { "PATCH", false },
    { "get", false }, { "GETAWAY", false }, { "", false },       { NULL, false },
};

START_TEST(idempotent_are_the_methods_of_the_rfc_and_no_others)
{
    const method_row *row = &method_rows[_i];

    ck_assert_int_eq(keel_http_method_is_idempotent(row->method), row->idempotent);
}
END_TEST

START_TEST(applied_is_claimed_only_where_it_is_known)
{
    const keel_http_facts refused = { .code = CURLE_COULDNT_CONNECT };
    const keel_http_facts answered = { .response = 204, .request_begun = true };
    const keel_http_facts broken = { .code = CURLE_RECV_ERROR, .request_begun = true };
    const keel_http_facts sick = { .response = 500, .request_begun = true };

    ck_assert_int_eq(keel_http_applied(&refused), KEEL_APPLIED_NO);
    ck_assert_int_eq(keel_http_applied(&answered), KEEL_APPLIED_YES);
    ck_assert_int_eq(keel_http_applied(&broken), KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(keel_http_applied(&sick), KEEL_APPLIED_UNKNOWN);
}
END_TEST

SUITE("http/classify", 10, ROWS(an_end_is_classified_as_the_contract_says, status_rows),
      ROWS(only_what_is_safe_may_be_repeated, repeat_rows),
      ROWS(idempotent_are_the_methods_of_the_rfc_and_no_others, method_rows),
      ONE(applied_is_claimed_only_where_it_is_known))
