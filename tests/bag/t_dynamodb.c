/* SPDX-License-Identifier: MIT */
/*
 * The DynamoDB store against dynalite, through a proxy that does wrong, and against
 * answers that dynalite never gives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/web.h"
#include "support/fault.h"
#include "support/suite.h"

enum { SPEC_SIZE = 512 };

static node_server server;
static proxy *between;
static char spec[SPEC_SIZE];
static web_bag w;

static void setup(void)
{
    char secret[SPAWNED_PATH_SIZE];

    ck_assert(node_server_start(&server, NODE_DYNALITE));
    ck_assert(node_server_write(&server, "secret", "secret", secret));
    web_make_table(&server);
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
    snprintf(spec, sizeof spec,
             "dynamodb://us-east-1/items?endpoint=http://127.0.0.1:%%u&access_key=id&"
             "secret_file=%s",
             secret);
    web_open(&w, spec, proxy_port(between));
}

static void teardown(void)
{
    web_close(&w);
    proxy_stop(between);
    node_server_cleanup(&server);
}

/* ---- the promises -------------------------------------------------------------------- */

START_TEST(it_conforms)
{
    char flushed[SPEC_SIZE];

    snprintf(flushed, sizeof flushed, "%.400s&allow_flush=on", spec);
    ck_assert(web_conforms(flushed, server.port));
}
END_TEST

START_TEST(a_fault_is_told_as_it_is)
{
    web_check_fault(&w, between, &web_faults[_i]);
}
END_TEST

START_TEST(a_server_that_stands_still_leaves_a_write_unknown)
{
    web_check_frozen(&w, &server);
}
END_TEST

START_TEST(what_is_told_without_memory_is_true)
{
    web_check_memory(&w);
}
END_TEST

START_TEST(a_killed_server_is_used_again_when_it_is_back)
{
    ck_assert_int_eq(web_set(&w, "key", "before"), KEEL_OK);
    node_server_stop(&server);
    ck_assert_int_ne(web_get_within(&w, "key", 300), KEEL_OK);
    ck_assert_int_eq(w.why.applied, KEEL_APPLIED_NO);
    ck_assert(node_server_start_again(&server));
    web_make_table(&server);
    ck_assert_msg(web_set(&w, "key", "after") == KEEL_OK, "%s", w.why.text);
}
END_TEST

START_TEST(a_cancelled_call_ends_at_once)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_bag_options options = { .size = sizeof options, .cancel = &cancel };

    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_bag_set(w.bag, "key", "x", 1, &options, &w.why),
                     KEEL_CANCELLED);
    ck_assert_int_eq(w.why.applied, KEEL_APPLIED_NO);
}
END_TEST

static bool count(const char *key, void *ctx)
{
    (void)key;
    ++*(unsigned *)ctx;
    return true;
}

START_TEST(what_has_expired_is_gone_though_the_table_has_it_still)
{
    const keel_bag_options gone = { .size = sizeof gone, .ttl = keel_ttl_for_ms(-1) };
    char said[4096];
    keel_bag_cursor cursor = { .length = 0 };
    unsigned keys = 0;

    ck_assert_int_eq(keel_bag_set(w.bag, "key", "x", 1, &gone, &w.why), KEEL_OK);
    ck_assert_int_eq(
        web_ask_table(&server, "Scan", "{\"TableName\":\"items\"}", said, sizeof said),
        200);
    ck_assert_ptr_nonnull(strstr(said, "\"Count\":1"));
    ck_assert_int_eq(web_get_within(&w, "key", 1000), KEEL_NOT_FOUND);
    ck_assert_int_eq(keel_bag_delete(w.bag, "key", NULL, &w.why), KEEL_NOT_FOUND);
    while (!cursor.is_at_end)
        ck_assert_int_eq(keel_bag_scan(w.bag, &cursor, count, &keys, NULL, &w.why),
                         KEEL_OK);
    ck_assert_uint_eq(keys, 0);
    ck_assert_int_eq(web_add(&w, "key", "y"), KEEL_OK);
    ck_assert(web_has(&w, "key", "y"));
}
END_TEST

/* 400 KB in all; what is larger never leaves. */
START_TEST(the_largest_item_fits_and_a_larger_one_is_refused_before)
{
    keel_bag_abilities abilities = { .size = sizeof abilities };
    char key[KEEL_BAG_KEY_MAX + 1], *value;

    ck_assert_int_eq(keel_bag_look(w.bag, &abilities), KEEL_OK);
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    value = calloc(1, abilities.value_max + 1);
    ck_assert_msg(keel_bag_set(w.bag, key, value, abilities.value_max, NULL, &w.why) ==
                      KEEL_OK,
                  "%s", w.why.text);
    proxy_do(between, PROXY_REFUSE);
    ck_assert_int_eq(
        keel_bag_set(w.bag, key, value, abilities.value_max + 1, NULL, &w.why),
        KEEL_E_TOO_LARGE);
    free(value);
}
END_TEST

/* ---- answers that dynalite never gives ----------------------------------------------- */

#define JSON(status, length, body)                                                     \
    "HTTP/1.1 " status "\r\nContent-Length: " length "\r\n\r\n" body
#define ERROR_OF(type) "{\"__type\":\"com.amazonaws.dynamodb.v20120810#" type "\"}"

typedef struct answer_case {
    const char *why;
    fault_step step;
    keel_status status; /* of a set */
    keel_applied applied;
    const char *said;
} answer_case;

static const answer_case answers[] = {
    { "throttling arrives as a 400",
      { JSON("400 Bad Request", "84",
             ERROR_OF("ProvisionedThroughputExceededException")),
        FAULT_KEEP, 0, false },
      KEEL_THROTTLED,
      KEEL_APPLIED_NO,
      "ProvisionedThroughput" },
    { "another kind of it",
      { JSON("400 Bad Request", "65", ERROR_OF("ThrottlingException")), FAULT_KEEP, 0,
        false },
      KEEL_THROTTLED,
      KEEL_APPLIED_NO,
      "Throttling" },
    { "a wrong signature is refused, and nothing more is quoted",
      { JSON("400 Bad Request", "72",
             "{\"__type\":\"x#InvalidSignatureException\","
             "\"message\":\"should have been ab\"}"),
        FAULT_KEEP, 0, false },
      KEEL_FAILED,
      KEEL_APPLIED_NO,
      "InvalidSignature" },
    { "its own failure may come after the write",
      { JSON("500 Oops", "0", ""), FAULT_KEEP, 0, false },
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      "500" },
    { "a wish to wait means that it did nothing",
      { "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP,
        0, false },
      KEEL_THROTTLED,
      KEEL_APPLIED_NO,
      "503" },
    { "a sum that does not fit",
      { "HTTP/1.1 200 OK\r\nx-amz-crc32: 1\r\nContent-Length: 2\r\n\r\n{}", FAULT_KEEP,
        0, false },
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      "damaged" },
    { "a sum that fits",
      { "HTTP/1.1 200 OK\r\nx-amz-crc32: 2745614147\r\nContent-Length: 2\r\n\r\n{}",
        FAULT_KEEP, 0, false },
      KEEL_OK,
      KEEL_APPLIED_YES,
      "" },
    { "no JSON",
      { JSON("200 OK", "2", "<>"), FAULT_KEEP, 0, false },
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      "not DynamoDB's" },
    { "a redirect is not followed",
      { "HTTP/1.1 307 Gone\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: "
        "0\r\n\r\n",
        FAULT_KEEP, 0, false },
      KEEL_FAILED,
      KEEL_APPLIED_NO,
      "307" },
};

START_TEST(an_answer_is_told_as_what_it_means)
{
    const answer_case *c = &answers[_i];
    fault_server mock;
    web_bag mocked;

    ck_assert(fault_start(&mock, &c->step, 1));
    web_open(&mocked, spec, mock.port);
    ck_assert_msg(web_set(&mocked, "key", "x") == c->status, "%s: %s", c->why,
                  mocked.why.text);
    ck_assert_int_eq(mocked.why.applied, c->applied);
    ck_assert_msg(strstr(mocked.why.text, c->said), "%s: %s", c->why, mocked.why.text);
    ck_assert_ptr_null(strstr(mocked.why.text, "should have been"));
    if (c->step.then == FAULT_KEEP && c->status == KEEL_THROTTLED &&
        strstr(c->step.send, "Retry-After"))
        ck_assert_uint_eq(mocked.why.retry_after_ns, 3 * KEEL_S);
    ck_assert_int_eq(atomic_load(&mock.requests), 1);
    web_close(&mocked);
    fault_stop(&mock);
}
END_TEST

/* ---- several keys -------------------------------------------------------------------- */

#define FOUND(key)                                                                     \
    "{\"k\":{\"B\":\"" key "\"},\"v\":{\"B\":\"eA==\"},\"f\":{\"N\":\"0\"},"           \
    "\"c\":{\"S\":\"30313233343536373839616263646566\"}}"
#define SOME(items) "{\"Responses\":{\"items\":[" items "]}"
#define LEFT(keys) ",\"UnprocessedKeys\":{\"items\":{\"Keys\":[" keys "]}}}"

/* Keys "a", "b", "a", "c" are asked for. */
typedef struct batch_case {
    const char *why;
    const char *answers[2];
    int requests;
    keel_status statuses[4];
} batch_case;

static const batch_case batches[] = {
    { "in any order, and one key twice",
      { SOME(FOUND("Yg==") "," FOUND("YQ==")) "}" },
      1,
      { KEEL_OK, KEEL_OK, KEEL_OK, KEEL_NOT_FOUND } },
    { "what was put off is asked for again",
      { SOME(FOUND("YQ==")) LEFT("{\"k\":{\"B\":\"Yg==\"}}"), SOME(FOUND("Yg==")) "}" },
      2,
      { KEEL_OK, KEEL_OK, KEEL_OK, KEEL_NOT_FOUND } },
    { "but not where all of it is put off again",
      { SOME(FOUND("YQ==")) LEFT("{\"k\":{\"B\":\"Yg==\"}}"),
        SOME("") LEFT("{\"k\":{\"B\":\"Yg==\"}}") },
      2,
      { KEEL_OK, KEEL_THROTTLED, KEEL_OK, KEEL_NOT_FOUND } },
    { "a damaged one is told by itself",
      { SOME("{\"k\":{\"B\":\"YQ==\"}}," FOUND("Yg==")) "}" },
      1,
      { KEEL_CORRUPT, KEEL_OK, KEEL_CORRUPT, KEEL_NOT_FOUND } },
    { "without answers there are none",
      { "<>" },
      1,
      { KEEL_FAILED, KEEL_FAILED, KEEL_FAILED, KEEL_FAILED } },
};

START_TEST(each_of_several_keys_has_its_answer)
{
    static const char *const keys[] = { "a", "b", "a", "c" };
    const batch_case *c = &batches[_i];
    char sent[2][1024];
    const fault_step steps[2] = { { sent[0], FAULT_KEEP, 0, false },
                                  { sent[1], FAULT_KEEP, 0, false } };
    keel_bag_item items[4];
    keel_status statuses[4];
    fault_server mock;
    web_bag mocked;

    for (int i = 0; i < 4; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i] };
    for (int i = 0; i < 2; i++)
        if (c->answers[i])
            snprintf(sent[i], sizeof sent[i],
                     "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(c->answers[i]), c->answers[i]);
    ck_assert(fault_start(&mock, steps, c->answers[1] ? 2 : 1));
    web_open(&mocked, spec, mock.port);
    (void)keel_bag_get_many(mocked.bag, keys, items, statuses, 4, NULL, &mocked.why);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(statuses[i] == c->statuses[i], "%s: %s is %d", c->why, keys[i],
                      (int)statuses[i]);
    ck_assert_int_eq(atomic_load(&mock.requests), c->requests);
    web_close(&mocked);
    fault_stop(&mock);
}
END_TEST

START_TEST(a_touch_of_a_damaged_item_says_that_it_was_touched)
{
    static const fault_step damaged = {
        JSON("200 OK", "33", "{\"Attributes\":{\"k\":{\"B\":\"YQ==\"}}}"), FAULT_KEEP,
        0, false
    };
    const keel_bag_options minute = { .size = sizeof minute,
                                      .ttl = keel_ttl_for_ms(60000) };
    keel_bag_item item = { .size = sizeof item };
    fault_server mock;
    web_bag mocked;

    ck_assert(fault_start(&mock, &damaged, 1));
    web_open(&mocked, spec, mock.port);
    ck_assert_msg(keel_bag_get_and_touch(mocked.bag, "a", &item, &minute,
                                         &mocked.why) == KEEL_CORRUPT,
                  "%s", mocked.why.text);
    ck_assert_int_eq(mocked.why.applied, KEEL_APPLIED_YES);
    web_close(&mocked);
    fault_stop(&mock);
}
END_TEST

START_TEST(requests_are_signed_and_carry_no_secret)
{
    static const fault_step fine = { JSON("200 OK", "2", "{}"), FAULT_KEEP, 0, false };
    fault_server mock;
    web_bag mocked;
    char described[SPEC_SIZE];

    ck_assert(fault_start(&mock, &fine, 1));
    web_open(&mocked, spec, mock.port);
    ck_assert_int_eq(web_set(&mocked, "key", "x"), KEEL_OK);
    ck_assert(fault_saw(&mock, "Authorization: AWS4-HMAC-SHA256 Credential=id/"));
    ck_assert(fault_saw(&mock, "/us-east-1/dynamodb/aws4_request, "
                               "SignedHeaders=host;x-amz-date;x-amz-target, "));
    ck_assert(fault_saw(&mock, "x-amz-target: DynamoDB_20120810.PutItem"));
    ck_assert(!fault_saw(&mock, "secret"));
    keel_bag_describe(mocked.bag, described, sizeof described);
    ck_assert_ptr_nonnull(strstr(described, "secret_file=***"));
    web_close(&mocked);
    fault_stop(&mock);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(it_conforms),
        ROWS(a_fault_is_told_as_it_is, web_faults),
        ONE(a_server_that_stands_still_leaves_a_write_unknown),
        ONE(what_is_told_without_memory_is_true),
        ONE(a_killed_server_is_used_again_when_it_is_back),
        ONE(a_cancelled_call_ends_at_once),
        ONE(what_has_expired_is_gone_though_the_table_has_it_still),
        ONE(the_largest_item_fits_and_a_larger_one_is_refused_before),
        ROWS(an_answer_is_told_as_what_it_means, answers),
        ROWS(each_of_several_keys_has_its_answer, batches),
        ONE(a_touch_of_a_damaged_item_says_that_it_was_touched),
        ONE(requests_are_signed_and_carry_no_secret),
    };

    if (!node_server_is_installed(NODE_DYNALITE))
        return 77;
    return suite_run_in("dynamodb", 120, setup, teardown, tests,
                        sizeof tests / sizeof tests[0]);
}
