/* SPDX-License-Identifier: MIT */
/*
 * The S3 store against s3rver, which heeds no conditions and checks no signatures, and
 * against a server that does both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/web_objects.h"
#include "support/fault.h"
#include "support/suite.h"

enum { SPEC_SIZE = 512 };

static node_server server;
static proxy *between;
static char spec[SPEC_SIZE];
static web_bag w;

static void write_spec(const node_server *n, const char *bucket, const char *key_id,
                       const char *secret, const char *more)
{
    char path[SPAWNED_PATH_SIZE];

    ck_assert(node_server_write(n, "secret", secret, path));
    snprintf(spec, sizeof spec,
             "s3://us-east-1/%s?endpoint=http://127.0.0.1:%%u&access_key=%s&"
             "secret_file=%s%s",
             bucket, key_id, path, more);
}

static void setup(void)
{
    ck_assert(node_server_start(&server, NODE_OBJECTS_S3));
    write_spec(&server, "bucket/some/prefix", "id", "secret", "");
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
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
    write_spec(&server, "bucket/some/prefix", "id", "secret", "&allow_flush=on");
    ck_assert(web_conforms(spec, server.port));
}
END_TEST

START_TEST(it_conforms_on_s3rver_without_conditions)
{
    node_server other;

    ck_assert(node_server_start(&other, NODE_S3RVER));
    write_spec(&other, "keel-test/p", "S3RVER", "S3RVER",
               "&allow_flush=on&conditions=off");
    ck_assert(web_conforms(spec, other.port));
    node_server_cleanup(&other);
}
END_TEST

START_TEST(a_server_deaf_to_conditions_is_found_out)
{
    node_server other;
    web_bag deaf;

    ck_assert(node_server_start(&other, NODE_S3RVER));
    write_spec(&other, "keel-test/p", "S3RVER", "S3RVER", "");
    web_open(&deaf, spec, other.port);
    ck_assert_int_eq(web_set(&deaf, "key", "x"), KEEL_OK);
    ck_assert_int_eq(web_add(&deaf, "other", "x"), KEEL_E_UNSUPPORTED);
    ck_assert_msg(strstr(deaf.why.text, "does not heed If-Match"), "%s", deaf.why.text);
    ck_assert_int_eq(web_get_within(&deaf, "other", 5000), KEEL_NOT_FOUND);
    web_close(&deaf);
    node_server_cleanup(&other);
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

START_TEST(several_keys_are_asked_for_at_once)
{
    web_check_many(&w, between, &server);
}
END_TEST

START_TEST(what_is_told_without_memory_is_true)
{
    web_check_memory(&w);
}
END_TEST

START_TEST(a_killed_server_is_used_again_when_it_is_back)
{
    web_check_killed(spec, &server);
}
END_TEST

START_TEST(an_add_and_a_cas_are_settled_by_reading_whose_write_it_is)
{
    web_check_read_back(spec, &server);
}
END_TEST

START_TEST(what_is_made_of_get_and_cas_is_in_doubt_where_the_cas_is)
{
    web_check_lost_cas(&w, &server);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------ */

static const web_refusal refusals[] = {
    { "it asks for less",
      "{\"method\":\"PUT\",\"status\":503,\"code\":\"SlowDown\",\"retryAfter\":2}",
      KEEL_THROTTLED, KEEL_APPLIED_NO, false, "SlowDown" },
    { "and need not say for how long",
      "{\"method\":\"PUT\",\"status\":503,\"code\":\"SlowDown\"}", KEEL_THROTTLED,
      KEEL_APPLIED_NO, false, "SlowDown" },
    { "another writes that very object",
      "{\"method\":\"PUT\",\"status\":409,\"code\":\"ConditionalRequestConflict\"}",
      KEEL_THROTTLED, KEEL_APPLIED_NO, false, "Conflict" },
    { "the body never came",
      "{\"method\":\"PUT\",\"status\":400,\"code\":\"RequestTimeout\"}", KEEL_FAILED,
      KEEL_APPLIED_NO, false, "RequestTimeout" },
    { "it fails, and has done it",
      "{\"method\":\"PUT\",\"status\":500,\"code\":\"InternalError\",\"applied\":true}",
      KEEL_UNKNOWN, KEEL_APPLIED_UNKNOWN, true, "InternalError" },
    { "the bucket is in another region",
      "{\"method\":\"PUT\",\"status\":301,\"code\":\"PermanentRedirect\"}", KEEL_FAILED,
      KEEL_APPLIED_NO, false, "PermanentRedirect" },
    { "a reset after it was done",
      "{\"method\":\"PUT\",\"applied\":true,\"reset\":true}", KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN, true, "" },
};

START_TEST(a_refusal_is_told_as_what_it_means)
{
    web_check_refusal(&w, &server, &refusals[_i]);
}
END_TEST

typedef struct wrong_asker {
    const char *bucket, *key_id, *secret, *said;
} wrong_asker;

static const wrong_asker wrong_askers[] = {
    { "bucket/p", "id", "another", "SignatureDoesNotMatch" },
    { "bucket/p", "nobody", "secret", "InvalidAccessKeyId" },
    { "elsewhere/p", "id", "secret", "NoSuchBucket" },
};

START_TEST(who_asks_wrongly_is_told_so_and_not_that_there_is_nothing)
{
    const wrong_asker *a = &wrong_askers[_i];
    web_bag asking;

    write_spec(&server, a->bucket, a->key_id, a->secret, "");
    web_open(&asking, spec, server.port);
    ck_assert_int_eq(web_get_within(&asking, "key", 5000), KEEL_FAILED);
    ck_assert_msg(strstr(asking.why.text, a->said), "%s", asking.why.text);
    ck_assert_int_eq(web_set(&asking, "key", "x"), KEEL_FAILED);
    ck_assert_int_eq(asking.why.applied, KEEL_APPLIED_NO);
    web_close(&asking);
}
END_TEST

/* ---- what is S3's alone -------------------------------------------------------------- */

START_TEST(a_delete_is_marked_as_unverified)
{
    uint32_t marks = 0;
    const keel_bag_options options = { .size = sizeof options, .marks = &marks };

    ck_assert_int_eq(web_set(&w, "key", "x"), KEEL_OK);
    ck_assert_int_eq(keel_bag_delete(w.bag, "key", &options, &w.why), KEEL_OK);
    ck_assert_uint_eq(marks, KEEL_BAG_UNVERIFIED);
    ck_assert_int_eq(keel_bag_delete(w.bag, "key", NULL, &w.why), KEEL_NOT_FOUND);
}
END_TEST

static bool count(const char *key, void *ctx)
{
    (void)key;
    ++*(unsigned *)ctx;
    return true;
}

/* Other people's objects below the same prefix, more than a page of them. */
START_TEST(a_scan_passes_by_what_is_not_keels)
{
    keel_bag_cursor cursor = { .length = 0 };
    unsigned keys = 0;
    web_bag below;
    char key[16];

    write_spec(&server, "bucket/some/prefix/aaa", "id", "secret", "");
    web_open(&below, spec, server.port);
    for (unsigned i = 0; i < 150; i++) {
        snprintf(key, sizeof key, "%u", i);
        ck_assert_int_eq(web_set(&below, key, "x"), KEEL_OK);
    }
    ck_assert_int_eq(web_set(&w, "zzz", "x"), KEEL_OK);
    while (!cursor.is_at_end)
        ck_assert_int_eq(keel_bag_scan(w.bag, &cursor, count, &keys, NULL, &w.why),
                         KEEL_OK);
    ck_assert_uint_eq(keys, 1);
    web_close(&below);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(it_conforms),
        ONE(it_conforms_on_s3rver_without_conditions),
        ONE(a_server_deaf_to_conditions_is_found_out),
        ROWS(a_fault_is_told_as_it_is, web_faults),
        ONE(a_server_that_stands_still_leaves_a_write_unknown),
        ONE(several_keys_are_asked_for_at_once),
        ONE(what_is_told_without_memory_is_true),
        ONE(a_killed_server_is_used_again_when_it_is_back),
        ONE(an_add_and_a_cas_are_settled_by_reading_whose_write_it_is),
        ONE(what_is_made_of_get_and_cas_is_in_doubt_where_the_cas_is),
        ROWS(a_refusal_is_told_as_what_it_means, refusals),
        ROWS(who_asks_wrongly_is_told_so_and_not_that_there_is_nothing, wrong_askers),
        ONE(a_delete_is_marked_as_unverified),
        ONE(a_scan_passes_by_what_is_not_keels),
    };

    if (!node_server_is_installed(NODE_S3RVER))
        return 77;
    return suite_run_in("s3", 120, setup, teardown, tests,
                        sizeof tests / sizeof tests[0]);
}
