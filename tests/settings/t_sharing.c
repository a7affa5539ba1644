/* SPDX-License-Identifier: MIT */
/*
 * The settings of sharing: which board and which Redis, and who counts together where
 * they are there and where they are not. Neither is opened here.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "support/settled.h"
#include "support/suite.h"

#define BOARD "KEEL_BOARD=/run/keel/orders.board"
#define REDIS "KEEL_REDIS=redis://cache:6379/0"

/* ---- process-wide variables ------------------------------------------------------ */

START_TEST(without_variables_nothing_is_shared_and_defaults_hold)
{
    const keel_process_settings *process;
    settled s;

    settle(&s, NO_ENV, NULL);
    process = keel_config_process(s.config);
    ck_assert_ptr_null(process->board);
    ck_assert_ptr_null(process->redis);
    ck_assert_ptr_null(process->redis_password_file);
    ck_assert_uint_eq(process->redis_timeout_ns, 100 * KEEL_MILLISECOND);
    ck_assert_str_eq(process->name_space, "default");
    settled_cleanup(&s);
}
END_TEST

START_TEST(the_variables_of_sharing_are_read_and_belong_to_keel)
{
    const keel_process_settings *process;
    settled s;

    settle(&s,
           ENV("KEEL_STRICT=on", BOARD, REDIS, "KEEL_REDIS_PASSWORD_FILE=password",
               "KEEL_REDIS__TIMEOUT=250ms", "KEEL_NAMESPACE=Eu-1.orders_2"),
           NULL);
    ck_assert_msg(s.status == KEEL_OK, "%s", s.why.text);
    process = keel_config_process(s.config);
    ck_assert_str_eq(process->board, "/run/keel/orders.board");
    ck_assert_str_eq(process->redis, "redis://cache:6379/0");
    ck_assert_str_eq(process->redis_password_file, "password");
    ck_assert_uint_eq(process->redis_timeout_ns, 250 * KEEL_MILLISECOND);
    ck_assert_str_eq(process->name_space, "Eu-1.orders_2");
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

START_TEST(the_environment_may_change_behind_what_was_read)
{
    char board[] = BOARD, redis[] = REDIS;
    const keel_process_settings *process;
    settled s;

    settle(&s, ENV(board, redis), NULL);
    memset(board, 'x', sizeof board - 1);
    memset(redis, 'x', sizeof redis - 1);
    process = keel_config_process(s.config);
    ck_assert_str_eq(process->board, "/run/keel/orders.board");
    ck_assert_str_eq(process->redis, "redis://cache:6379/0");
    settled_cleanup(&s);
}
END_TEST

#define A63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *why;
    const char *variable;
    const char *words; /* NULL: nothing is wrong */
} mistakes[] = {
    { "another folder for each process", "KEEL_BOARD=orders.board",
      "KEEL_BOARD col 1: \"orders.board\" not understood; allowed: a path that begins "
      "with \"/\"; ignored" },
    { "a secret at the wrong name", "KEEL_BOARD=redis://:secret@h",
      "KEEL_BOARD col 1: \"redis://" },
    { "the least", "KEEL_REDIS__TIMEOUT=10ms", NULL },
    { "less", "KEEL_REDIS__TIMEOUT=9ms",
      "KEEL_REDIS__TIMEOUT col 1: \"9ms\" out of range; allowed: a duration, 10ms to "
      "10s; ignored" },
    { "the most", "KEEL_REDIS__TIMEOUT=10s", NULL },
    { "more", "KEEL_REDIS__TIMEOUT=10001ms", "\"10001ms\" out of range" },
    { "milliseconds, by habit", "KEEL_REDIS__TIMEOUT=100", "\"100\" needs a unit" },
    { "as long as can be", "KEEL_NAMESPACE=" A63 "b", NULL },
    { "longer", "KEEL_NAMESPACE=" A63 "bc", "KEEL_NAMESPACE col 1: " },
    { "a digit first", "KEEL_NAMESPACE=7", NULL },
    { "a joint first", "KEEL_NAMESPACE=.hidden",
      "KEEL_NAMESPACE col 1: \".hidden\" not understood; allowed: letters and digits, "
      "and behind the first also \".\", \"_\" and \"-\"; 64 at most; ignored" },
    { "what splits a key", "KEEL_NAMESPACE=eu:orders", "\"eu:orders\" not understood" },
    { "what chooses a slot", "KEEL_NAMESPACE=a{b}", "\"a{b}\" not understood" },
    { "one underscore for two", "KEEL_REDIS_TIMEOUT=50ms",
      "KEEL_REDIS_TIMEOUT: unknown variable, did you mean KEEL_REDIS__TIMEOUT?" },
    { "a slip behind the two", "KEEL_REDIS__TIMOUT=50ms",
      "did you mean KEEL_REDIS__TIMEOUT?" },
    { "the password itself", "KEEL_REDIS_PASSWORD=secret",
      "did you mean KEEL_REDIS_PASSWORD_FILE?" },
    { "others' word", "KEEL_REDIS_URL=redis://:secret@h", "did you mean KEEL_REDIS?" },
    { "two letters swapped", "KEEL_REDSI=redis://:secret@h",
      "did you mean KEEL_REDIS?" },
    { "a pipeline's key of that form", "KEEL_ORDERS__TIMEOUT=1s", NULL },
    { "one underscore short, of a pipeline's", "KEEL_READS_TIMEOUT=1s", NULL },
    { "two words for one", "KEEL_NAME_SPACE=eu", "did you mean KEEL_NAMESPACE?" },
    { "others' word for it", "KEEL_BOARD_FILE=/x", "did you mean KEEL_BOARD?" },
};

START_TEST(a_wrong_variable_of_sharing_is_told_of_and_not_used)
{
    const char *environment[] = { mistakes[_i].variable, NULL };
    const keel_process_settings *process;
    settled s;

    settle(&s, environment, NULL);
    ck_assert_int_eq(s.status, KEEL_OK);
    process = keel_config_process(s.config);
    if (mistakes[_i].words) {
        ck_assert_msg(settled_warned(&s, mistakes[_i].words), "%s", mistakes[_i].why);
        ck_assert(!process->board && !process->redis && !process->redis_password_file);
        ck_assert_uint_eq(process->redis_timeout_ns, 100 * KEEL_MILLISECOND);
        ck_assert_str_eq(process->name_space, "default");
    }
    ck_assert_uint_eq(settled_warnings(&s), mistakes[_i].words != NULL);
    ck_assert(!settled_warned(&s, "secret"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(strict_mode_refuses_a_wrong_variable_of_sharing)
{
    const char *environment[] = { "KEEL_STRICT=on", mistakes[_i].variable, NULL };
    settled s;

    settle(&s, environment, NULL);
    ck_assert_int_eq(s.status, mistakes[_i].words ? KEEL_E_CONFIG : KEEL_OK);
    settled_cleanup(&s);
}
END_TEST

static const struct {
    const char *why;
    const char *redis;
    bool has_password;
} urls[] = {
    { "of a user", "redis://orders:hunter2@cache:6379/0", true },
    { "of nobody", "rediss://:hunter2@cache", true },
    { "before several hosts", "redis+sentinel://:hunter2@a:1,b:2/main", true },
    { "before a socket", "unix://:hunter2@/run/redis.sock", true },
    { "none", "redis://cache:6379/0", false },
    { "a user alone", "redis://orders@cache:6379", false },
    { "an empty one", "redis://orders:@cache:6379", false },
    { "what looks so behind the hosts", "redis://cache:6379/a:b@c", false },
    { "no URL", "unix:/run/redis.sock", false },
};

START_TEST(a_password_in_the_url_works_and_is_warned_of_once_without_a_letter_of_it)
{
    char variable[96];
    settled s;

    snprintf(variable, sizeof variable, "KEEL_REDIS=%s", urls[_i].redis);
    settle(&s, ENV("KEEL_STRICT=on", variable), NULL);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert_str_eq(keel_config_process(s.config)->redis, urls[_i].redis);
    ck_assert_msg(settled_warnings(&s) == urls[_i].has_password, "%s", urls[_i].why);
    if (urls[_i].has_password)
        ck_assert(settled_warned(&s, "KEEL_REDIS: whoever sees the environment sees "
                                     "the password in it; KEEL_REDIS_PASSWORD_FILE "
                                     "names a file for it"));
    ck_assert(!settled_warned(&s, "hunter"));
    settled_cleanup(&s);
}
END_TEST

/* ---- who shares ------------------------------------------------------------------ */

START_TEST(a_count_is_the_process_s_own_and_a_trip_the_window_s_unless_named)
{
    settled s;

    settle(&s, ENV(BOARD, REDIS), NULL);
    ck_assert_int_eq(s.policy.bulkhead_scope, KEEL_SCOPE_PROCESS);
    ck_assert_int_eq(s.policy.rate_scope, KEEL_SCOPE_PROCESS);
    ck_assert(!s.policy.share_trip_any);
    ck_assert_uint_eq(s.policy.share_reporters, 1);
    settled_cleanup(&s);
}
END_TEST

START_TEST(each_key_of_sharing_reaches_its_field)
{
    settled s;

    settle(&s, ENV(BOARD, REDIS),
           "share=host; share.trip=any; share.reporters=3; bulkhead.scope=host;"
           "bulkhead.queue=5; bulkhead.wait=1s; rate=5/s; rate.scope=fleet");
    ck_assert_int_eq(s.policy.share, KEEL_SCOPE_HOST);
    ck_assert(s.policy.share_trip_any);
    ck_assert_uint_eq(s.policy.share_reporters, 3);
    ck_assert_int_eq(s.policy.bulkhead_scope, KEEL_SCOPE_HOST);
    ck_assert_int_eq(s.policy.rate_scope, KEEL_SCOPE_FLEET);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

/* Which variables are set, what is wished for, what it comes to. */
typedef struct reach_case {
    const char *why;
    const char *first, *second; /* variables; NULL: none */
    const char *code;
    const char *key;
    const char *value;
    const char *words; /* NULL: no warning */
} reach_case;

#define NEEDS_REDIS "needs KEEL_REDIS, which is not set; "
#define NEEDS_BOARD "needs KEEL_BOARD, which is not set; "

static const reach_case reaches[] = {
    { "nothing to share by", NULL, NULL, NULL, "share", "off", NULL },
    { "a board", BOARD, NULL, NULL, "share", "host", NULL },
    { "a Redis", REDIS, NULL, NULL, "share", "fleet", NULL },
    { "both", BOARD, REDIS, NULL, "share", "fleet", NULL },
    { "a board that is none", "KEEL_BOARD=x", NULL, NULL, "share", "off",
      "KEEL_BOARD" },
    { "less than could be", BOARD, REDIS, "share=host", "share", "host", NULL },
    { "nothing, though it could", BOARD, REDIS, "share=off", "share", "off", NULL },
    { "a fleet without Redis is a host", BOARD, NULL, "share=fleet", "share", "host",
      "payments: code col 1: share=fleet " NEEDS_REDIS "host holds" },
    { "and without a board nothing", NULL, NULL, "share=fleet", "share", "off",
      "payments: code col 1: share=fleet " NEEDS_REDIS "off holds" },
    { "a host without a board", NULL, NULL, "share=host", "share", "off",
      "payments: code col 1: share=host " NEEDS_BOARD "off holds" },
    { "and a Redis is none", REDIS, NULL, "share=host", "share", "off",
      "share=host " NEEDS_BOARD "off holds" },
    { "places of a fleet", BOARD, REDIS, "bulkhead.scope=fleet", "bulkhead.scope",
      "fleet", NULL },
    { "a queue before them is allowed", REDIS, NULL,
      "bulkhead.queue=9; bulkhead.wait=1s; bulkhead.scope=fleet", "bulkhead.scope",
      "fleet", NULL },
    { "and before those of a host", BOARD, NULL,
      "bulkhead.queue=9; bulkhead.wait=1s; bulkhead.scope=host", "bulkhead.scope",
      "host", NULL },
    { "places without Redis", BOARD, NULL, "bulkhead.scope=fleet", "bulkhead.scope",
      "host", "bulkhead.scope=fleet " NEEDS_REDIS "host holds" },
    { "places without either", NULL, NULL, "bulkhead.scope=fleet", "bulkhead.scope",
      "process", "bulkhead.scope=fleet " NEEDS_REDIS "process holds" },
    { "places without a board", REDIS, NULL, "bulkhead.scope=host", "bulkhead.scope",
      "process", "bulkhead.scope=host " NEEDS_BOARD "process holds" },
    { "a rate without Redis", BOARD, NULL, "rate=5/s; rate.scope=fleet", "rate.scope",
      "host", "code col 11: rate.scope=fleet " NEEDS_REDIS "host holds" },
    { "a rate without a board", NULL, NULL, "rate=5/s; rate.scope=host", "rate.scope",
      "process", "rate.scope=host " NEEDS_BOARD "process holds" },
    { "a bulkhead that is off has nothing to share", "KEEL_PAYMENTS=bulkhead=off", NULL,
      "bulkhead.scope=fleet", "bulkhead.scope", "process", NULL },
    /* switch and layers, as of any other policy */
    { "the operator over the author", REDIS, "KEEL_PAYMENTS__SHARE=off", "share=fleet",
      "share", "off", NULL },
    { "all pipelines over the author", BOARD, "KEEL_DEFAULT=share=off", "share=host",
      "share", "off", NULL },
    { "a key turns on what could be shared", REDIS, "KEEL_PAYMENTS=share.trip=any",
      "share=off", "share", "fleet", NULL },
    { "a key of all pipelines does not", REDIS, "KEEL_DEFAULT=share.trip=any",
      "share=off", "share", "off", NULL },
    { "a key of what cannot be shared", "KEEL_PAYMENTS=share.reporters=2", NULL, NULL,
      "share", "off", "share.reporters has no effect without share" },
    { "no preset unshares", REDIS, NULL, "none; breaker=on", "share", "fleet", NULL },
};

START_TEST(a_scope_is_as_wide_as_wished_and_no_wider_than_can_be)
{
    const reach_case *row = &reaches[_i];
    const char *environment[] = { row->first, row->second, NULL };
    settled s;

    settle(&s, row->first ? environment : NO_ENV, row->code);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_msg(!strcmp(settled_origin(&s, row->key)->value, row->value),
                  "%s: %s is %s", row->why, row->key,
                  settled_origin(&s, row->key)->value);
    if (row->words)
        ck_assert_msg(settled_warned(&s, row->words), "%s", row->why);
    ck_assert_msg(settled_warnings(&s) == (row->words != NULL), "%s", row->why);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_scope_that_cannot_be_had_is_no_error_in_strict_mode)
{
    settled s;

    settle(&s, ENV("KEEL_STRICT=on"), "share=fleet; bulkhead.scope=host");
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_uint_eq(keel_config_mistakes(s.config), 0);
    ck_assert_uint_eq(settled_warnings(&s), 2);
    ck_assert_int_eq(s.policy.share, KEEL_SCOPE_PROCESS);
    ck_assert_int_eq(s.policy.bulkhead_scope, KEEL_SCOPE_PROCESS);
    settled_cleanup(&s);
}
END_TEST

START_TEST(explain_tells_where_a_scope_comes_from)
{
    settled s;

    settle(&s, ENV(BOARD), "bulkhead.scope=fleet");
    ck_assert_str_eq(settled_origin(&s, "share")->layer, "built-in");
    ck_assert_str_eq(settled_origin(&s, "share")->note,
                     "fleet where KEEL_REDIS is set, else host where KEEL_BOARD is, "
                     "else off");
    ck_assert_str_eq(settled_origin(&s, "bulkhead.scope")->note,
                     "code col 1 wished for fleet");
    settled_cleanup(&s);
}
END_TEST

SUITE("sharing", 10, ONE(without_variables_nothing_is_shared_and_defaults_hold),
      ONE(the_variables_of_sharing_are_read_and_belong_to_keel),
      ONE(the_environment_may_change_behind_what_was_read),
      ROWS(a_wrong_variable_of_sharing_is_told_of_and_not_used, mistakes),
      ROWS(strict_mode_refuses_a_wrong_variable_of_sharing, mistakes),
      ROWS(a_password_in_the_url_works_and_is_warned_of_once_without_a_letter_of_it,
           urls),
      ONE(a_count_is_the_process_s_own_and_a_trip_the_window_s_unless_named),
      ONE(each_key_of_sharing_reaches_its_field),
      ROWS(a_scope_is_as_wide_as_wished_and_no_wider_than_can_be, reaches),
      ONE(a_scope_that_cannot_be_had_is_no_error_in_strict_mode),
      ONE(explain_tells_where_a_scope_comes_from))
