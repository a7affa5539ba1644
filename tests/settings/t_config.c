/* SPDX-License-Identifier: MIT */
/* Environment, file, code and presets laid over one another. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/name.h"
#include "settings/config_file.h"
#include "settings/keys.h"
#include "settings/value.h"
#include "support/allocator.h"
#include "support/settled.h"

#define ROWS(table) (int)(sizeof(table) / sizeof *(table))

/* ---- the table ------------------------------------------------------------------ */

START_TEST(each_default_in_the_table_is_a_value_of_its_key)
{
    const keel_key *key = &keel_keys[_i];
    char written[KEEL_VALUE_SIZE];
    keel_value value, back;

    ck_assert_int_eq(key->id, _i);
    if (key->computed) {
        ck_assert_str_eq(key->standard, "");
        return;
    }
    ck_assert_int_eq(keel_value_parse(key, keel_text_of(key->standard), &value),
                     KEEL_PARSE_OK);
    keel_value_write(key, &value, written);
    ck_assert_int_eq(keel_value_parse(key, keel_text_of(written), &back),
                     KEEL_PARSE_OK);
    ck_assert_mem_eq(&value, &back, sizeof value);
}
END_TEST

/* A unit stands in what is allowed ("a duration") or, of a count, in the sentence. */
START_TEST(each_key_has_one_sentence_a_range_and_a_default)
{
    const keel_key *key = &keel_keys[_i];
    char allowed[KEEL_ALLOWED_SIZE];
    size_t length = strlen(key->meaning);

    keel_key_allowed(key, allowed);
    ck_assert_msg(length > 10 && key->meaning[length - 1] == '.', "%s", key->name);
    for (const char *end = key->meaning; (end = strstr(end, ". ")); end++)
        ck_assert_msg(end[2] == '.' || end[-1] == '.', "%s: two sentences", key->name);
    ck_assert_msg(strlen(allowed) < KEEL_ALLOWED_SIZE - 1, "%s: cut", key->name);
    ck_assert_msg(key->computed ? *key->computed : *key->standard, "%s", key->name);
    if (key->type != KEEL_TYPE_BOOL && key->type != KEEL_TYPE_WORD &&
        key->type != KEEL_TYPE_RATE && key->type != KEEL_TYPE_CHECK &&
        key->type != KEEL_TYPE_ADDRESS)
        ck_assert_msg(strstr(allowed, " to "), "%s: no range", key->name);
}
END_TEST

START_TEST(each_key_is_found_by_name_and_by_variable)
{
    const keel_key *key = &keel_keys[_i];
    keel_folded folded;

    keel_name_fold(folded, keel_text_of(key->name));
    ck_assert_ptr_eq(keel_key_find(keel_text_of(key->name)), key);
    ck_assert_ptr_eq(keel_key_find_folded(keel_text_of(folded)), key);
}
END_TEST

static const struct {
    const char *why;
    const char *key;
    const char *text;
    keel_parse parse;
} values[] = {
    { "no call could be made", "deadline", "0", KEEL_PARSE_RANGE },
    { "curl's users take 0 for none", "timeout", "0", KEEL_PARSE_RANGE },
    { "the largest", "timeout", "1000000h", KEEL_PARSE_OK },
    { "one more", "timeout", "1000000h1ns", KEEL_PARSE_RANGE },
    { "at least one attempt", "retry.attempts", "0", KEEL_PARSE_RANGE },
    { "the largest", "retry.attempts", "1000000", KEEL_PARSE_OK },
    { "one more", "retry.attempts", "1000001", KEEL_PARSE_RANGE },
    { "no wait", "retry.backoff", "0", KEEL_PARSE_OK },
    { "shrinking waits", "retry.multiplier", "0.9", KEEL_PARSE_RANGE },
    { "a word", "retry.jitter", "decorrelated", KEEL_PARSE_OK },
    { "or a ratio", "retry.jitter", "25%", KEEL_PARSE_OK },
    { "more than all of it", "retry.jitter", "101%", KEEL_PARSE_RANGE },
    { "no such word", "retry.jitter", "some", KEEL_PARSE_FORM },
    { "a share", "retry.budget", "20%", KEEL_PARSE_OK },
    { "tokens", "retry.budget", "tokens:500", KEEL_PARSE_OK },
    { "no token, no retry: that is attempts=1", "retry.budget", "tokens:0",
      KEEL_PARSE_RANGE },
    { "gRPC's", "retry.budget", "grpc:10@0.1", KEEL_PARSE_OK },
    { "the refund may exceed 1", "retry.budget", "grpc:10@2.5", KEEL_PARSE_OK },
    { "gRPC's without a refund", "retry.budget", "grpc:10", KEEL_PARSE_FORM },
    { "of those in flight", "retry.budget", "inflight:20%", KEEL_PARSE_OK },
    { "no such kind", "retry.budget", "leaky:3", KEEL_PARSE_FORM },
    { "off", "retry.budget", "off", KEEL_PARSE_OK },
    { "a bool has its switch elsewhere", "breaker", "maybe", KEEL_PARSE_FORM },
    { "calls", "breaker.window", "100calls", KEEL_PARSE_OK },
    { "no calls", "breaker.window", "0calls", KEEL_PARSE_RANGE },
    { "more cells than sane", "breaker.window", "100001calls", KEEL_PARSE_RANGE },
    { "a bucket of no length", "breaker.window", "999ns", KEEL_PARSE_RANGE },
    { "a bare number", "breaker.window", "100", KEEL_PARSE_UNIT },
    { "a threshold of nothing", "breaker.failure_rate", "0%", KEEL_PARSE_RANGE },
    { "a threshold of nothing", "breaker.slow_rate", "0", KEEL_PARSE_RANGE },
    { "a threshold of nothing", "breaker.min_calls", "0", KEEL_PARSE_RANGE },
    { "the smallest", "breaker.failure_rate", "0.0001%", KEEL_PARSE_OK },
    { "0 is off here", "breaker.slow_call", "0", KEEL_PARSE_OK },
    { "never open", "breaker.open", "0", KEEL_PARSE_RANGE },
    { "never open at first", "breaker.open", "0..1s", KEEL_PARSE_RANGE },
    { "half a byte too many", "breaker.half_open_permits", "256", KEEL_PARSE_RANGE },
    { "32 bits", "bulkhead", "4294967295", KEEL_PARSE_OK },
    { "more than 32 bits", "bulkhead", "4294967296", KEEL_PARSE_RANGE },
    { "a bulkhead that admits nobody", "bulkhead", "0", KEEL_PARSE_RANGE },
    { "off", "bulkhead", "off", KEEL_PARSE_OK },
    { "a rate of nothing", "rate", "0/s", KEEL_PARSE_RANGE },
    { "one a nanosecond", "rate", "1000000000/s", KEEL_PARSE_OK },
    { "no time between two", "rate", "1000000001/s", KEEL_PARSE_RANGE },
    { "the longest queue", "bulkhead.queue", "10000", KEEL_PARSE_OK },
    { "one that each call would walk along", "bulkhead.queue", "10001",
      KEEL_PARSE_RANGE },
    { "a span of counts", "adaptive.limit", "4..256", KEEL_PARSE_OK },
    { "one count for both", "adaptive.limit", "20", KEEL_PARSE_OK },
    { "the wrong way round", "adaptive.limit", "9..8", KEEL_PARSE_ORDER },
    { "a limit that lets nobody through", "adaptive.limit", "0..9", KEEL_PARSE_RANGE },
    { "the largest", "adaptive.limit", "1..1000000", KEEL_PARSE_OK },
    { "one more", "adaptive.limit", "1..1000001", KEEL_PARSE_RANGE },
    { "half a span", "adaptive.limit", "4..", KEEL_PARSE_FORM },
    { "of durations", "adaptive.limit", "4s..5s", KEEL_PARSE_FORM },
    { "a rule", "adaptive", "gradient2", KEEL_PARSE_OK },
    { "none", "adaptive", "off", KEEL_PARSE_OK },
    { "which one?", "adaptive", "on", KEEL_PARSE_FORM },
    { "fewer than are accepted", "throttle.k", "0.9", KEEL_PARSE_RANGE },
    { "just as many", "throttle.k", "1", KEEL_PARSE_OK },
    { "0 is off here too", "breaker.ramp_up", "0", KEEL_PARSE_OK },
    { "an outcome", "chaos.fail", "throttled", KEEL_PARSE_OK },
    { "not an outcome", "chaos.fail", "explode", KEEL_PARSE_FORM },
    { "a quantile", "deadline.infeasible", "p99.9", KEEL_PARSE_OK },
    { "off", "deadline.infeasible", "off", KEEL_PARSE_OK },
    { "nobody needs less", "deadline.infeasible", "p0", KEEL_PARSE_RANGE },
    { "all of them is no quantile", "deadline.infeasible", "p100", KEEL_PARSE_RANGE },
    { "a form", "deadline.header", "grpc", KEEL_PARSE_OK },
    { "on is no form", "deadline.header", "on", KEEL_PARSE_FORM },
    { "none", "deadline.allowance", "0", KEEL_PARSE_OK },
    { "serving nothing", "stale", "0", KEEL_PARSE_RANGE },
    { "for good it is not", "stale", "on", KEEL_PARSE_FORM },
    { "less than one answer", "stale.size", "4095B", KEEL_PARSE_RANGE },
    { "the largest", "stale.size", "1024GiB", KEEL_PARSE_OK },
    { "a trip that nobody reports", "share.reporters", "0", KEEL_PARSE_RANGE },
    { "the largest", "share.reporters", "10000", KEEL_PARSE_OK },
    { "one more", "share.reporters", "10001", KEEL_PARSE_RANGE },
    { "on is no scope", "share", "on", KEEL_PARSE_FORM },
    { "a word", "health", "tcp", KEEL_PARSE_OK },
    { "a path of HTTP", "health", "http:/healthz?full=1", KEEL_PARSE_OK },
    { "HTTP without a path", "health", "http", KEEL_PARSE_FORM },
    { "a path begins with a slash", "health", "http:healthz", KEEL_PARSE_FORM },
    { "what would be two lines of a request", "health", "http:/a b", KEEL_PARSE_FORM },
    { "what no server is sent", "health", "http:/a#b", KEEL_PARSE_FORM },
    { "a path of no HTTP", "health", "tcp:/healthz", KEEL_PARSE_FORM },
    { "a login", "health", "sql", KEEL_PARSE_OK },
    { "of a user", "health", "sql:watch", KEEL_PARSE_OK },
    { "without a name", "health", "sql:", KEEL_PARSE_FORM },
    { "a name with a blank", "health", "sql:a b", KEEL_PARSE_FORM },
    { "a statement is for code", "health", "postgres", KEEL_PARSE_FORM },
    { "not at all", "health", "off", KEEL_PARSE_OK },
    { "a host and a port", "health.target", "db-1.local:5432", KEEL_PARSE_OK },
    { "an address of IPv6", "health.target", "[::1]:80", KEEL_PARSE_OK },
    { "one that is none", "health.target", "[1:2]:80", KEEL_PARSE_FORM },
    { "without its brackets", "health.target", "::1", KEEL_PARSE_FORM },
    { "a URL", "health.target", "https://api.example:8443/v1", KEEL_PARSE_OK },
    { "of a scheme that others speak", "health.target", "mysql://db:3306",
      KEEL_PARSE_OK },
    { "of no scheme at all", "health.target", "://x", KEEL_PARSE_FORM },
    { "a socket's path", "health.target", "/run/redis.sock", KEEL_PARSE_OK },
    { "no place for a password", "health.target", "http://u:p@x", KEEL_PARSE_FORM },
    { "nor in a path", "health.target", "http://x/u@y", KEEL_PARSE_FORM },
    { "no host", "health.target", ":80", KEEL_PARSE_FORM },
    { "no port", "health.target", "x:", KEEL_PARSE_FORM },
    { "a port beyond all", "health.target", "x:65536", KEEL_PARSE_FORM },
    { "brackets that do not end", "health.target", "[::1", KEEL_PARSE_FORM },
    { "as often as a clock ticks", "health.interval", "1ms", KEEL_PARSE_RANGE },
    { "no answer is none", "health.rise", "0", KEEL_PARSE_RANGE },
    { "a count cannot be off", "rate.scope", "off", KEEL_PARSE_FORM },
    { "not every key can be off", "retry.backoff", "off", KEEL_PARSE_FORM },
};

START_TEST(each_key_keeps_its_range)
{
    const keel_key *key = keel_key_find(keel_text_of(values[_i].key));
    keel_value value;
    keel_parse parse = keel_value_parse(key, keel_text_of(values[_i].text), &value);

    ck_assert_msg(parse == values[_i].parse, "%s: %s=%s: %s", values[_i].why,
                  values[_i].key, values[_i].text, keel_parse_reason(parse));
}
END_TEST

static const char *const later_keys[] = {
    "priority",
    "shard",
};

START_TEST(a_key_of_a_later_version_is_unknown_rather_than_idle)
{
    ck_assert_ptr_null(keel_key_find(keel_text_of(later_keys[_i])));
}
END_TEST

/* ---- what texts come to ------------------------------------------------------------
 */

/* One text in code or in KEEL_PAYMENTS, and the value and layer of one key. */
typedef struct origin_case {
    const char *why;
    const char *const *environment;
    const char *code;
    const char *key;
    const char *value;
    const char *layer;
} origin_case;

static const origin_case *origin_cases(int *count)
{
    static const char *const none[] = { NULL };
    static const char *const name[] = { "KEEL_PAYMENTS=timeout=3s", NULL };
    static const char *const name_key[] = { "KEEL_PAYMENTS__TIMEOUT=4s",
                                            "KEEL_PAYMENTS=timeout=3s", NULL };
    static const char *const all[] = { "KEEL_DEFAULT=timeout=3s", NULL };
    static const char *const all_key[] = { "KEEL_DEFAULT__TIMEOUT=4s",
                                           "KEEL_DEFAULT=timeout=3s", NULL };
    static const char *const both[] = { "KEEL_DEFAULT__TIMEOUT=3s",
                                        "KEEL_PAYMENTS=timeout=4s", NULL };
    static const char *const empty[] = { "KEEL_PAYMENTS=", "KEEL_PAYMENTS__TIMEOUT=",
                                         NULL };
    static const char *const wrong[] = { "KEEL_PAYMENTS=timeout=3; timeout.connect=1ms",
                                         NULL };
    static const char *const patient[] = { "KEEL_PAYMENTS=patient", NULL };
    static const char *const patient_all[] = { "KEEL_DEFAULT=patient",
                                               "KEEL_PAYMENTS=careful", NULL };
    static const char *const idle[] = { "KEEL_PAYMENTS=breaker=off", NULL };
    static const char *const idle_key[] = { "KEEL_PAYMENTS__BREAKER=off", NULL };
    static const char *const tuned[] = { "KEEL_PAYMENTS=breaker.open=1s", NULL };
    static const char *const tuned_all[] = { "KEEL_DEFAULT=breaker.open=1s",
                                             "KEEL_DEFAULT__BREAKER_STABLE=1s", NULL };
    static const char *const on_all[] = { "KEEL_DEFAULT=breaker=on", NULL };
    static const char *const mixed[] = { "KEEL_PAYMENTS=breaker=off; breaker.open=1s",
                                         NULL };
    static const char *const limited[] = { "KEEL_PAYMENTS=rate.burst=5", NULL };
    static const char *const backed[] = { "KEEL_PAYMENTS=retry.backoff=1s", NULL };
    static const char *const queued[] = { "KEEL_PAYMENTS=bulkhead=off",
                                          "KEEL_PAYMENTS__BULKHEAD_QUEUE=5", NULL };
    static const char *const long_one[] = { "KEEL_PAYMENTS=timeout=9s; deadline=1m",
                                            NULL };
    static const char *const timeless[] = { "KEEL_PAYMENTS=timeout=off", NULL };
    static const char *const slow[] = { "KEEL_PAYMENTS=breaker.open=1s..9s", NULL };
    static const origin_case cases[] = {
        /* precedence */
        { "nothing named", none, NULL, "timeout", "2s", "built-in" },
        { "the author's", none, "timeout=1s", "timeout", "1s", "code" },
        { "all pipelines over code", all, "timeout=1s", "timeout", "3s",
          "KEEL_DEFAULT" },
        { "one key over the text", all_key, NULL, "timeout", "4s",
          "KEEL_DEFAULT__KEY" },
        { "the name over all", both, NULL, "timeout", "4s", "KEEL_<NAME>" },
        { "the name over code", name, "timeout=1s", "timeout", "3s", "KEEL_<NAME>" },
        { "one key over all", name_key, NULL, "timeout", "4s", "KEEL_<NAME>__KEY" },
        { "empty is unset", empty, "timeout=1s", "timeout", "1s", "code" },
        { "a wrong value leaves the one below", wrong, "timeout=1s", "timeout", "1s",
          "code" },
        { "and the rest of its text", wrong, NULL, "timeout.connect", "1ms",
          "KEEL_<NAME>" },
        /* presets */
        { "a preset of the operator leaves the author's", patient,
          "careful; timeout=1s", "timeout", "1s", "code" },
        { "and fills the rest", patient, "careful; timeout=1s", "deadline", "5m",
          "preset" },
        { "the preset of the highest layer holds alone", patient_all, NULL, "deadline",
          "10s", "built-in" },
        { "none turns off", none, "none", "bulkhead", "off", "preset" },
        { "none has no deadline", none, "none", "deadline", "off", "preset" },
        { "none may say so again", none, "none; deadline=off", "deadline", "off",
          "code" },
        { "no other preset is without deadline", none, "careful; deadline=off",
          "deadline", "10s", "built-in" },
        /* switches */
        { "the highest switch decides", idle, "breaker=on", "breaker", "off",
          "KEEL_<NAME>" },
        { "a key below it does not", idle_key, "breaker.open=1s", "breaker", "off",
          "KEEL_<NAME>__KEY" },
        { "a key above it turns on", tuned, "breaker=off", "breaker", "on",
          "KEEL_<NAME>" },
        { "a key beside it turns on", mixed, NULL, "breaker", "on", "KEEL_<NAME>" },
        { "a default's key never does", tuned_all, "breaker=off", "breaker", "off",
          "code" },
        { "a default's switch does", on_all, "breaker=off", "breaker", "on",
          "KEEL_DEFAULT" },
        { "a probe may last as long as an attempt", none, "timeout=3s", "breaker.lease",
          "3s", "built-in" },
        { "or as long as the call that is judged", none,
          "timeout=3s; breaker.per_call=on; deadline=7s", "breaker.lease", "7s",
          "built-in" },
        { "without endpoints attempts are judged", none, "timeout=3s",
          "breaker.per_call", "off", "built-in" },
        { "with endpoints calls are", none, "endpoints=a:1", "breaker.per_call", "on",
          "built-in" },
        { "unless somebody says otherwise", none, "endpoints=a:1; breaker.per_call=off",
          "breaker.per_call", "off", "code" },
        { "and a probe is then a call", none, "endpoints=a:1; deadline=7s",
          "breaker.lease", "7s", "built-in" },
        { "naming a key of what none left off", none, "none; retry.backoff=1s",
          "retry.attempts", "3", "code" },
        { "the others stay off", none, "none; retry.backoff=1s", "breaker", "off",
          "preset" },
        { "a connect timeout wants a timeout", none, "none; timeout.connect=1s",
          "timeout", "2s", "code" },
        { "on again with the author's value", queued, "bulkhead=16", "bulkhead", "16",
          "KEEL_<NAME>__KEY" },
        { "one attempt is a choice, not a switch", backed, "retry.attempts=1",
          "retry.attempts", "1", "code" },
        { "a key of the adaptive limit turns its own rule on", none,
          "adaptive.limit=4..9", "adaptive", "gradient2", "code" },
        { "another rule is named", none, "adaptive=vegas; adaptive.limit=4..9",
          "adaptive", "vegas", "code" },
        { "a key of the throttle turns it on", none, "none; throttle.k=3", "throttle",
          "on", "code" },
        { "a fence on both ends of a span of counts", none,
          "adaptive=aimd; adaptive.limit<=4..100", "adaptive.limit", "4..100",
          "fence" },
        { "there is no rate to turn on", limited, NULL, "rate", "off", "built-in" },
        /* fences */
        { "a fence clamps the operator", long_one, "timeout<=3s", "timeout", "3s",
          "fence" },
        { "and what nobody named", none, "deadline<=5s", "deadline", "5s", "fence" },
        { "from below too", name, "timeout>=5s", "timeout", "5s", "fence" },
        { "inside it nothing changes", name, "timeout<=5s", "timeout", "3s",
          "KEEL_<NAME>" },
        { "no limit is above any fence", timeless, "timeout<=3s", "timeout", "3s",
          "fence" },
        { "both ends of a span", slow, "breaker.open<=5s", "breaker.open", "1s..5s",
          "fence" },
        { "each end by its own", slow, "breaker.open<=500ms..5s", "breaker.open",
          "500ms..5s", "fence" },
        { "a limit on what was unlimited", none, "rate<=6/m", "rate", "6/m", "fence" },
        { "computed values follow the fence", long_one, "timeout<=1s",
          "timeout.connect", "500ms", "built-in" },
        { "computed values are fenced", none, "timeout.connect<=100ms",
          "timeout.connect", "100ms", "fence" },
        { "only ends of an order can be fenced", none, "retry.jitter<=10%",
          "retry.jitter", "full", "built-in" },
    };

    *count = ROWS(cases);
    return cases;
}

START_TEST(the_highest_layer_has_the_last_word)
{
    int count;
    const origin_case *row = &origin_cases(&count)[_i];
    const keel_origin *origin;
    settled s;

    settle(&s, row->environment, row->code);
    ck_assert_int_eq(s.status, KEEL_OK);
    origin = settled_origin(&s, row->key);
    ck_assert_msg(
        !strcmp(origin->value, row->value) && !strcmp(origin->layer, row->layer),
        "%s: %s is %s by %s", row->why, row->key, origin->value, origin->layer);
    settled_cleanup(&s);
}
END_TEST

START_TEST(an_override_wins_over_every_variable)
{
    keel_policy policy;
    settled s;

    settle(&s, ENV("KEEL_PAYMENTS__TIMEOUT=4s"), NULL);
    ck_assert_int_eq(keel_config_resolve(s.config, "payments", NULL, "timeout=300ms",
                                         &policy, NULL, &s.why),
                     KEEL_OK);
    ck_assert_uint_eq(policy.timeout_ns, 300 * KEEL_MILLISECOND);
    settled_cleanup(&s);
}
END_TEST

START_TEST(the_standard_policy_is_the_documented_one)
{
    settled s;

    settle(&s, NO_ENV, NULL);
    ck_assert_uint_eq(s.policy.deadline_ns, 10 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.connect_timeout_ns, KEEL_SECOND);
    ck_assert(s.policy.retry);
    ck_assert_uint_eq(s.policy.retry_attempts, 3);
    ck_assert_uint_eq(s.policy.backoff.base_ns, 50 * KEEL_MILLISECOND);
    ck_assert_uint_eq(s.policy.backoff.cap_ns, 2 * KEEL_SECOND);
    ck_assert(s.policy.backoff.multiplier == 2.0);
    ck_assert_int_eq(s.policy.backoff.jitter, KEEL_JITTER_FULL);
    ck_assert_int_eq(s.policy.budget_mode, KEEL_BUDGET_RATIO);
    ck_assert_uint_eq(s.policy.budget_ratio_ppm, 200000);
    ck_assert_uint_eq(s.policy.budget_floor.count, 1);
    ck_assert(s.policy.breaker);
    ck_assert_uint_eq(s.policy.window_ns, 10 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.stable_ns, 10 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.half_open_failures, 1);
    ck_assert_uint_eq(s.policy.half_open_slow, 2);
    ck_assert_uint_eq(s.policy.lease_ns, 2 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.bulkhead, 64);
    ck_assert_uint_eq(s.policy.rate.count, 0);
    ck_assert_uint_eq(s.policy.chaos_rate_ppm, 0);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

START_TEST(each_key_reaches_its_field)
{
    settled s;

    settle(&s, ENV("KEEL_CHAOS=allow"),
           "deadline=9s; timeout=3s; timeout.connect=700ms; retry.attempts=2;"
           "retry.backoff=1ms..4ms; retry.multiplier=1.5; retry.jitter=25%;"
           "retry.throttle_backoff=2s; retry.after_cap=9s; retry.budget=grpc:10@2.5;"
           "retry.budget_floor=6/m; retry.on_local=on; breaker.window=50calls;"
           "breaker.buckets=5; breaker.min_calls=60; breaker.failure_rate=33.3333%;"
           "breaker.slow_call=1s; breaker.slow_rate=40%; breaker.slow_is_failure=on;"
           "breaker.consecutive=7; breaker.open=2s; breaker.open_multiplier=3;"
           "breaker.open_jitter=5%; breaker.half_open_permits=6;"
           "breaker.early_decision=off; breaker.half_open_max_wait=8s;"
           "breaker.half_open_after_wait=closed; breaker.per_call=on; bulkhead=8;"
           "bulkhead.queue=3; bulkhead.wait=1s; bulkhead.order=lifo; rate=100/s;"
           "rate.wait=2s; deadline.infeasible=p50; deadline.header=envoy;"
           "deadline.allowance=2ms; coalesce=on; stale=10m; stale.size=1MiB;"
           "chaos.rate=1%; chaos.fail=throttled; chaos.latency=5ms");
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    ck_assert_uint_eq(s.policy.connect_timeout_ns, 700 * KEEL_MILLISECOND);
    ck_assert(s.policy.backoff.multiplier == 1.5);
    ck_assert_int_eq(s.policy.backoff.jitter, KEEL_JITTER_RATIO);
    ck_assert_uint_eq(s.policy.backoff.jitter_ppm, 250000);
    ck_assert_uint_eq(s.policy.throttle_base_ns, 2 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.throttle_cap_ns, 2 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.after_cap_ns, 9 * KEEL_SECOND);
    ck_assert_int_eq(s.policy.budget_mode, KEEL_BUDGET_GRPC);
    ck_assert_uint_eq(s.policy.budget_tokens, 10);
    ck_assert_uint_eq(s.policy.budget_refund_micro, 2500000);
    ck_assert_uint_eq(s.policy.budget_floor.period_ns, KEEL_MINUTE);
    ck_assert(s.policy.retry_on_local);
    ck_assert_uint_eq(s.policy.window_ns, 0);
    ck_assert_uint_eq(s.policy.window_calls, 50);
    ck_assert_uint_eq(s.policy.window_buckets, 5);
    ck_assert_uint_eq(s.policy.min_calls, 50); /* clamped to the window */
    ck_assert_uint_eq(s.policy.failure_rate_ppm, 333333);
    ck_assert_uint_eq(s.policy.slow_call_ns, KEEL_SECOND);
    ck_assert_uint_eq(s.policy.slow_rate_ppm, 400000);
    ck_assert(s.policy.slow_is_failure);
    ck_assert_uint_eq(s.policy.consecutive, 7);
    ck_assert_uint_eq(s.policy.open_first_ns, 2 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.open_longest_ns, 2 * KEEL_SECOND);
    ck_assert(s.policy.open_multiplier == 3.0);
    ck_assert_uint_eq(s.policy.open_jitter_ppm, 50000);
    ck_assert_uint_eq(s.policy.stable_ns, 2 * KEEL_SECOND); /* a count window is 0 */
    ck_assert_uint_eq(s.policy.half_open_failures, 1);      /* ceil(1.999998) - 1 */
    ck_assert_uint_eq(s.policy.half_open_slow, 2);          /* ceil(2.4) - 1 */
    ck_assert(!s.policy.early_decision);
    ck_assert_uint_eq(s.policy.half_open_max_wait_ns, 8 * KEEL_SECOND);
    ck_assert(s.policy.half_open_then_closed);
    ck_assert_uint_eq(s.policy.lease_ns, s.policy.deadline_ns); /* of the whole call */
    ck_assert(s.policy.per_call);
    ck_assert_uint_eq(s.policy.bulkhead, 8);
    ck_assert_uint_eq(s.policy.bulkhead_queue, 3);
    ck_assert_uint_eq(s.policy.bulkhead_wait_ns, KEEL_SECOND);
    ck_assert(s.policy.bulkhead_lifo);
    ck_assert_uint_eq(s.policy.rate.count, 100);
    ck_assert_uint_eq(s.policy.rate_burst, 100);
    ck_assert_uint_eq(s.policy.rate_wait_ns, 2 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.infeasible_ppm, 500000);
    ck_assert_int_eq(s.policy.deadline_header, KEEL_HEADER_ENVOY);
    ck_assert_uint_eq(s.policy.deadline_allowance_ns, 2 * KEEL_MILLISECOND);
    ck_assert(s.policy.coalesce);
    ck_assert_uint_eq(s.policy.stale_ns, 10 * KEEL_MINUTE);
    ck_assert_uint_eq(s.policy.stale_bytes, 1 << 20);
    ck_assert_uint_eq(s.policy.chaos_rate_ppm, 10000);
    ck_assert_int_eq(s.policy.chaos_fail, KEEL_THROTTLED);
    ck_assert_uint_eq(s.policy.chaos_latency_ns, 5 * KEEL_MILLISECOND);
    settled_cleanup(&s);
}
END_TEST

START_TEST(none_leaves_nothing_on)
{
    settled s;

    settle(&s, NO_ENV, "none");
    ck_assert_uint_eq(s.policy.deadline_ns, 0);
    ck_assert_uint_eq(s.policy.timeout_ns, 0);
    ck_assert_uint_eq(s.policy.connect_timeout_ns, 0);
    ck_assert(!s.policy.retry);
    ck_assert_uint_eq(s.policy.retry_attempts, 1);
    ck_assert(!s.policy.breaker);
    ck_assert_uint_eq(s.policy.bulkhead, 0);
    ck_assert_uint_eq(s.policy.infeasible_ppm, 0);
    ck_assert_int_eq(s.policy.deadline_header, KEEL_HEADER_OFF);
    ck_assert(!s.policy.coalesce);
    ck_assert_uint_eq(s.policy.stale_ns, 0);
    ck_assert_uint_eq(s.policy.lease_ns, 30 * KEEL_SECOND); /* half_open_max_wait */
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

START_TEST(explain_says_why_a_preset_did_not_come_through)
{
    const keel_origin *origin;
    settled s;

    settle(&s, ENV("KEEL_PAYMENTS=patient"), "careful; timeout=1s");
    origin = settled_origin(&s, "timeout");
    ck_assert_str_eq(s.explanation.preset, "patient");
    ck_assert_str_eq(origin->source, "code col 10");
    ck_assert_str_eq(origin->note,
                     "KEEL_PAYMENTS col 1 names the preset patient (60s), which only "
                     "fills the preset layer");
    ck_assert_str_eq(settled_origin(&s, "deadline")->source, "preset patient");
    settled_cleanup(&s);
}
END_TEST

/* ---- warnings ---------------------------------------------------------------------
 */

typedef struct warning_case {
    const char *why;
    const char *variable;
    const char *code;
    const char *words; /* NULL: no warning at all */
} warning_case;

static const warning_case mistakes[] = {
    { "a misspelt key, with its column", "KEEL_PAYMENTS=careful; timeot=1s", NULL,
      "KEEL_PAYMENTS col 10: unknown setting \"timeot\", did you mean \"timeout\"?" },
    { "a key in capitals", "KEEL_PAYMENTS=TIMEOUT=1s", NULL,
      "unknown setting \"TIMEOUT\", did you mean \"timeout\"? ignored" },
    { "a short key in capitals", "KEEL_PAYMENTS=Rate=1/s", NULL,
      "unknown setting \"Rate\", did you mean \"rate\"?" },
    { "a key in another spelling", "KEEL_PAYMENTS=retry-attempts=3", NULL,
      "did you mean \"retry.attempts\"?" },
    { "a policy for its switch", "KEEL_PAYMENTS=retry=off", NULL,
      "unknown setting \"retry\", did you mean \"retry.attempts\"?" },
    { "others' word for it", "KEEL_PAYMENTS=retries=3", NULL,
      "did you mean \"retry.attempts\"?" },
    { "a colon", "KEEL_PAYMENTS=timeout:1s", NULL,
      "\"timeout:1s\" is neither preset nor setting: a setting is written key=value; "
      "ignored" },
    { "a comma behind a preset", "KEEL_PAYMENTS=careful,timeout=1s", NULL,
      "unknown setting \"careful,timeout\": settings are separated by \";\"" },
    { "a comma behind a value", "KEEL_PAYMENTS=timeout=1s,deadline=3s", NULL,
      "timeout \"1s,deadline=3s\" not understood: settings are separated by \";\"; "
      "allowed: a duration" },
    { "a comma for a point", "KEEL_PAYMENTS=timeout=1,5s", NULL,
      "timeout \"1,5s\" not understood; allowed: a duration" },
    { "no value", "KEEL_PAYMENTS=timeout=", NULL,
      "timeout \"\" not understood: there is no value; allowed: a duration" },
    { "a password where there is no place for one",
      "KEEL_PAYMENTS=health.target=u:p@ss@db:80", NULL,
      "health.target \"db:80\" not understood; allowed:" },
    { "a value in quotes", "KEEL_PAYMENTS=timeout=\"1s\"", NULL,
      "not understood: leave the quotation marks out; allowed:" },
    { "all of it in quotes", "KEEL_PAYMENTS='timeout=1s'", NULL,
      "unknown setting \"'timeout\": leave the quotation marks out; ignored" },
    { "no deadline, in one step", "KEEL_PAYMENTS=deadline=0", NULL,
      "deadline \"0\" out of range; allowed: a duration, 1ns to 1000000h, or off with "
      "the preset none; ignored" },
    { "a key of a variable in lower case", "KEEL_PAYMENTS__timeout=1s", NULL,
      "KEEL_PAYMENTS__timeout: variables are upper case" },
    { "a variable in lower case", "KEEL_payments=timeout=1s", NULL,
      "KEEL_payments: variables are upper case, and every character but letters and "
      "digits is \"_\"; ignored" },
    { "all of it", "keel_payments=timeout=1s", NULL,
      "keel_payments: variables are upper case" },
    { "a name as it stands in code", "KEEL_PAYMENTS-API=secret", NULL,
      "KEEL_PAYMENTS-API: variables are upper case" },
    { "a bare number, with what is allowed", "KEEL_PAYMENTS=timeout=800", NULL,
      "KEEL_PAYMENTS col 9: timeout \"800\" needs a unit; allowed: a duration, 1ns to "
      "1000000h, or off" },
    { "out of range", "KEEL_PAYMENTS=retry.attempts=0", NULL,
      "\"0\" out of range; allowed: a count, 1 to 1000000" },
    { "a key of a variable", "KEEL_PAYMENTS__TIMEOT=1s", NULL,
      "KEEL_PAYMENTS__TIMEOT: unknown setting, did you mean "
      "\"KEEL_PAYMENTS__TIMEOUT\"?" },
    { "a value of a variable", "KEEL_PAYMENTS__TIMEOUT=1", NULL,
      "KEEL_PAYMENTS__TIMEOUT col 1: timeout \"1\" needs a unit" },
    { "a default is checked too", "KEEL_DEFAULT=timeot=1s", NULL,
      "KEEL_DEFAULT col 1: unknown setting \"timeot\"" },
    { "a misspelt preset", "KEEL_PAYMENTS=carefull", NULL,
      "KEEL_PAYMENTS col 1: unknown preset \"carefull\", did you mean \"careful\"?" },
    { "a preset that comes late", "KEEL_PAYMENTS=timeout=1s; careful", NULL,
      "KEEL_PAYMENTS col 13: \"careful\" is no setting" },
    { "the author is told too", NULL, "timeot=1s",
      "payments: code col 1: unknown setting \"timeot\"" },
    { "a later version's key", "KEEL_PAYMENTS=fuse=p95", NULL,
      "unknown setting \"fuse\"" },
    { "a misspelt process-wide name, at once", "KEEL_STRIKT=on", NULL,
      "KEEL_STRIKT: unknown variable, did you mean KEEL_STRICT?" },
    { "a misspelt default, at once", "KEEL_DEFUALT=timeout=1s", NULL,
      "did you mean KEEL_DEFAULT?" },
    { "one more letter", "KEEL_LOGS=warning", NULL,
      "KEEL_LOGS: unknown variable, did you mean KEEL_LOG? ignored" },
    { "a letter for another", "KEEL_LOGG=warning", NULL, "did you mean KEEL_LOG?" },
    { "one word more", "KEEL_LOG_LEVEL=debug", NULL, "did you mean KEEL_LOG?" },
    { "one word less", "KEEL_CONFIG=/etc/keel.conf", NULL,
      "did you mean KEEL_CONFIG_FILE?" },
    { "a letter less", "KEEL_DISABLE=on", NULL,
      "KEEL_DISABLE: unknown variable, did you mean KEEL_DISABLED? ignored" },
    { "a letter more", "KEEL_BOARDS=/run/secret", NULL,
      "KEEL_BOARDS: unknown variable, did you mean KEEL_BOARD? ignored" },
    { "no name at all", "KEEL_=3", NULL, "\"KEEL_\": no name of a variable; ignored" },
    { "a process-wide value", "KEEL_LOG=loud", NULL,
      "KEEL_LOG col 1: \"loud\" not understood; allowed: error, warning, info or "
      "debug; warning holds" },
    { "a level cut short", "KEEL_LOG=warn", NULL,
      "KEEL_LOG col 1: \"warn\" not understood, did you mean \"warning\"? allowed: "
      "error, warning, info or debug; warning holds" },
    { "a level in capitals", "KEEL_LOG=INFO", NULL, NULL },
    { "a misspelt level", "KEEL_LOG=warnign", NULL, "did you mean \"warning\"?" },
    { "a switch in others' words", "KEEL_DISABLED=1", NULL,
      "KEEL_DISABLED col 1: \"1\" not understood, did you mean \"on\"? allowed: on or "
      "off; ignored" },
    { "the other way", "KEEL_DISABLED=False", NULL, "did you mean \"off\"?" },
    { "no switch at all", "KEEL_DISABLED=maybe", NULL,
      "\"maybe\" not understood; allowed: on or off; ignored" },
    { "leave that is not given", "KEEL_CHAOS=on", NULL,
      "KEEL_CHAOS col 1: \"on\" not understood; allowed: allow; ignored" },
    { "a later version's variable, without its value", "KEEL_ADMIN=unix:/run/secret",
      NULL, "KEEL_ADMIN: not in this version" },
    { "an operator cannot fence", "KEEL_PAYMENTS=timeout<=1s", NULL,
      "KEEL_PAYMENTS col 1: a fence on timeout; fences stand in code only" },
    { "the fence held", "KEEL_PAYMENTS=timeout=5s", "timeout<=3s",
      "payments: KEEL_PAYMENTS col 1: timeout=5s is beyond the fence in code "
      "(timeout<=3s); 3s holds" },
    { "a longer queue than there is", "KEEL_PAYMENTS=bulkhead.queue=5000000", NULL,
      "bulkhead.queue \"5000000\" out of range; allowed: a count, 0 to 10000; "
      "ignored" },
    { "an author's fence on a default is no news", NULL, "deadline<=9s", NULL },
    { "chaos needs leave", "KEEL_PAYMENTS=chaos.rate=10%", NULL,
      "chaos.rate is refused: KEEL_CHAOS=allow is not set" },
    { "connecting cannot outlast the attempt", NULL, "timeout=1s; timeout.connect=1s",
      "payments: code col 13: timeout.connect=1s must be below timeout; 500ms holds" },
    { "a round needs one good probe", NULL,
      "breaker.half_open_permits=2; breaker.half_open_failures=2",
      "must be below breaker.half_open_permits; 1 holds" },
    { "a deadline is kept", NULL, "deadline=off",
      "deadline can be off only with the preset none" },
    { "a name that would be two lines", "KEEL_A\nFAKE level=error", NULL,
      "\"KEEL_A\\x0aFAKE level\": no name of a variable" },
    { "a name that would colour a terminal", "KEEL_A\033[31mB=1", NULL,
      "\"KEEL_A\\x1b[31mB\": no name of a variable" },
    { "nothing of keel's", "KEELHAUL=1", NULL, NULL },
    { "empty is unset", "KEEL_STRICT=", NULL, NULL },
};

START_TEST(what_is_wrong_is_said_with_place_text_and_what_is_allowed)
{
    const warning_case *row = &mistakes[_i];
    const char *environment[] = { row->variable, NULL };
    settled s;

    settle(&s, environment, row->code);
    ck_assert_int_eq(s.status, KEEL_OK);
    if (row->words)
        ck_assert_msg(settled_warned(&s, row->words), "%s", row->why);
    else
        ck_assert_msg(settled_warnings(&s) == 0, "%s", row->why);
    ck_assert(!settled_warned(&s, "secret"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(strict_mode_makes_each_such_mistake_an_error)
{
    const warning_case *row = &mistakes[_i];
    const char *environment[] = { "KEEL_STRICT=on", row->variable, NULL };
    settled s;

    settle(&s, environment, row->code);
    ck_assert_int_eq(s.status, row->words ? KEEL_E_CONFIG : KEEL_OK);
    if (row->words)
        ck_assert_msg(strlen(s.why.text) > 10, "%s: %s", row->why, s.why.text);
    ck_assert_msg(!strstr(s.why.text, "ignored"), "%s: %s", row->why, s.why.text);
    settled_cleanup(&s);
}
END_TEST

START_TEST(opening_again_does_not_repeat_a_warning)
{
    keel_policy policy;
    size_t before;
    settled s;

    settle(&s, ENV("KEEL_PAYMENTS=timeot=1s"), "timeout=9s; deadline=3s");
    before = settled_warnings(&s);
    ck_assert_uint_gt(before, 1);
    ck_assert_int_eq(keel_config_resolve(s.config, "payments",
                                         "timeout=9s; deadline=3s", NULL, &policy, NULL,
                                         NULL),
                     KEEL_OK);
    ck_assert_uint_eq(settled_warnings(&s), before);
    settled_cleanup(&s);
}
END_TEST

START_TEST(verify_names_what_nobody_claimed_once_and_never_its_value)
{
    settled s;

    settle(&s,
           ENV("KEEL_PAYMENTZ__TIMEOUT=hunter2", "KEEL_PAYMENTS=timeout=1s",
               "KEEL_ORDERS=timeout=1s"),
           NULL);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert(settled_warned(&s, "KEEL_PAYMENTZ__TIMEOUT: no pipeline is called "
                                 "PAYMENTZ, did you mean PAYMENTS? ignored"));
    ck_assert(settled_warned(&s, "KEEL_ORDERS: no pipeline is called ORDERS; ignored"));
    ck_assert(!settled_warned(&s, "hunter2"));
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert_uint_eq(settled_warnings(&s), 2);
    settled_cleanup(&s);
}
END_TEST

START_TEST(verify_suggests_two_underscores_for_one)
{
    settled s;

    settle(&s,
           ENV("KEEL_PAYMENTS_TIMEOUT=1s", "KEEL_A_B_BREAKER_OPEN=1s",
               "KEEL_A_TIMEOUT_CONNECT=1s", "KEEL_TIMEOUT=1s", "KEEL_NOTIMEOUT=1s"),
           NULL);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert(settled_warned(&s, "KEEL_PAYMENTS_TIMEOUT: no pipeline is called "
                                 "PAYMENTS_TIMEOUT, did you mean "
                                 "KEEL_PAYMENTS__TIMEOUT (two underscores)? ignored"));
    ck_assert(settled_warned(&s, "did you mean KEEL_A_B__BREAKER_OPEN (two"));
    ck_assert(settled_warned(&s, "did you mean KEEL_A__TIMEOUT_CONNECT (two"));
    ck_assert(settled_warned(&s, "did you mean KEEL_DEFAULT__TIMEOUT (two"));
    ck_assert(settled_warned(&s, "no pipeline is called NOTIMEOUT; ignored"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_slip_in_ones_own_name_is_told_without_verify)
{
    settled s;

    settle(&s,
           ENV("KEEL_PAYMENTS_TIMEOUT=1s", "KEEL_PAYMENTS_EU=timeout=1s",
               "KEEL_OTHERS_TIMEOUT=1s"),
           NULL);
    keel_config_warn_of_slips(s.config, "payments");
    ck_assert_uint_eq(settled_warnings(&s), 1);
    ck_assert(settled_warned(&s, "did you mean KEEL_PAYMENTS__TIMEOUT"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(verify_in_strict_mode_ignores_nothing)
{
    settled s;

    settle(&s, ENV("KEEL_STRICT=on", "KEEL_PAYMENT=timeout=1s"), NULL);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_E_CONFIG);
    ck_assert_str_eq(s.why.text, "KEEL_PAYMENT: no pipeline is called PAYMENT, did you "
                                 "mean PAYMENTS?");
    ck_assert(!settled_warned(&s, "ignored"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(of_two_equal_names_the_first_holds)
{
    settled s;

    settle(&s,
           ENV("KEEL_LOG=info", "KEEL_LOG=debug", "KEEL_DISABLED=off",
               "KEEL_DISABLED=on", "KEEL_PAYMENTS=timeout=1s",
               "KEEL_PAYMENTS=timeout=2s"),
           NULL);
    ck_assert_int_eq(keel_config_process(s.config)->log_level, KEEL_LOG_INFO);
    ck_assert(!keel_config_process(s.config)->disabled);
    ck_assert_uint_eq(s.policy.timeout_ns, KEEL_SECOND);
    settled_cleanup(&s);
}
END_TEST

START_TEST(who_asks_for_a_log_in_a_wrong_word_gets_one)
{
    settled s;

    settle(&s, ENV("KEEL_LOG=verbose"), NULL);
    ck_assert_int_eq(keel_config_process(s.config)->log_level, KEEL_LOG_WARNING);
    settled_cleanup(&s);
    settle(&s, ENV("KEEL_LOG=Debug"), NULL);
    ck_assert_int_eq(keel_config_process(s.config)->log_level, KEEL_LOG_DEBUG);
    settled_cleanup(&s);
}
END_TEST

START_TEST(verify_suggests_a_process_wide_name_and_the_defaults)
{
    settled s;

    settle(
        &s,
        ENV("KEEL_LOGS=timeout=1s", "KEEL_BOARDS=patient", "KEEL_DEFUALT__TIMEOUT=1s"),
        NULL);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert(settled_warned(&s, "KEEL_LOGS: no pipeline is called LOGS, did you mean "
                                 "KEEL_LOG? ignored"));
    ck_assert(settled_warned(&s, "did you mean KEEL_BOARD? ignored"));
    ck_assert(settled_warned(&s,
                             "KEEL_DEFUALT__TIMEOUT: no pipeline is called DEFUALT, "
                             "did you mean DEFAULT? ignored"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(what_was_told_at_once_is_not_told_again)
{
    settled s;

    settle(&s, ENV("KEEL_LOGG=info"), NULL);
    ck_assert_uint_eq(settled_warnings(&s), 1);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert_uint_eq(settled_warnings(&s), 1);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_pipeline_may_have_a_name_near_a_process_wide_one)
{
    keel_policy policy;
    settled s;

    settle(&s, ENV("KEEL_STRICT=on", "KEEL_LOGS=timeout=1s"), NULL);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_int_eq(keel_config_claim(s.config, "logs", &s.why), KEEL_OK);
    ck_assert_int_eq(
        keel_config_resolve(s.config, "logs", NULL, NULL, &policy, NULL, &s.why),
        KEEL_OK);
    ck_assert_uint_eq(policy.timeout_ns, KEEL_SECOND);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_key_of_nobody_is_neither_a_default_nor_anybodys)
{
    keel_policy policy;
    settled s;

    settle(&s, ENV("KEEL___TIMEOUT=1s", "KEEL_DEFAULT=deadline=7s"), NULL);
    ck_assert_int_eq(
        keel_config_resolve(s.config, "", NULL, NULL, &policy, NULL, &s.why), KEEL_OK);
    ck_assert_uint_eq(policy.timeout_ns, 2 * KEEL_SECOND);
    ck_assert_uint_eq(policy.deadline_ns, 7 * KEEL_SECOND);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert(settled_warned(&s, "KEEL___TIMEOUT: no pipeline is called __TIMEOUT;"));
    settled_cleanup(&s);
}
END_TEST

/* Beside services called keel, keel-orders and keel-redis. */
static const char *const links[] = {
    "KEEL_SERVICE_HOST=10.0.0.1",
    "KEEL_SERVICE_HOST=fd00::1",
    "KEEL_SERVICE_PORT=80",
    "KEEL_SERVICE_PORT_HTTP=80",
    "KEEL_PORT=tcp://10.0.0.1:80",
    "KEEL_PORT_80_TCP=tcp://10.0.0.1:80",
    "KEEL_PORT_80_TCP_PROTO=tcp",
    "KEEL_PORT_80_TCP_PORT=80",
    "KEEL_PORT_80_TCP_ADDR=10.0.0.1",
    "KEEL_ORDERS_SERVICE_HOST=10.0.0.1",
    "KEEL_ORDERS_SERVICE_PORT=53",
    "KEEL_ORDERS_SERVICE_PORT_DNS=53",
    "KEEL_ORDERS_PORT=udp://10.0.0.1:53",
    "KEEL_ORDERS_PORT_53_UDP=udp://10.0.0.1:53",
    "KEEL_ORDERS_PORT_53_UDP_ADDR=fd00::1",
    "KEEL_ORDERS_PORT_5_SCTP_PROTO=sctp",
    "KEEL_REDIS_SERVICE_HOST=10.0.0.1",
};

START_TEST(a_service_link_of_kubernetes_is_left_alone)
{
    settled s;

    settle(&s, ENV("KEEL_STRICT=on", links[_i]), NULL);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_msg(keel_config_verify(s.config, &s.why) == KEEL_OK, "%s", s.why.text);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

/* Names that a link could have, with values that none has, or the other way round. */
static const char *const no_links[] = {
    "KEEL_MY_TCP_PROXY=timeout=1s",
    "KEEL_MY_UDP_PROXY=patient",
    "KEEL_PORT=timeout=1s",
    "KEEL_PORT_SCAN=timeout=1s",
    "KEEL_PORT_SCAN__TIMEOUT=1s",
    "KEEL_PORT_SCAN__RETRY_ATTEMPTS=5",
    "KEEL_ORDERS_SERVICE_PORT=bulkhead=5",
    "KEEL_ORDERS_SERVICE_HOST=orders.example",
    "KEEL_ORDERS_SERVICE_PORT_DNS=80ms",
    "KEEL_ORDERS=80",
    "KEEL_PORTAL=tcp://10.0.0.1:80",
};

START_TEST(what_only_resembles_a_service_link_is_not_lost_without_a_word)
{
    settled s;

    settle(&s, ENV(no_links[_i]), NULL);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert_msg(settled_warned(&s, ": no pipeline is called "), "%s", no_links[_i]);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_pipeline_claims_its_variable_from_the_service_links)
{
    keel_policy policy;
    settled s;

    settle(&s, ENV("KEEL_PORT_SCAN=80"), NULL);
    ck_assert_int_eq(keel_config_claim(s.config, "port-scan", &s.why), KEEL_OK);
    ck_assert_int_eq(
        keel_config_resolve(s.config, "port-scan", NULL, NULL, &policy, NULL, &s.why),
        KEEL_OK);
    ck_assert(settled_warned(&s, "KEEL_PORT_SCAN col 1: unknown preset \"80\""));
    settled_cleanup(&s);
}
END_TEST

START_TEST(verify_fails_in_strict_mode)
{
    settled s;

    settle(&s, ENV("KEEL_STRICT=on", "KEEL_ORDERS=timeout=1s"), NULL);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_E_CONFIG);
    settled_cleanup(&s);
}
END_TEST

START_TEST(the_process_wide_variables_are_read)
{
    const keel_process_settings *process;
    settled s;

    settle(&s, ENV("KEEL_LOG=info", "KEEL_DISABLED=on", "KEEL_CHAOS=allow"), NULL);
    process = keel_config_process(s.config);
    ck_assert_int_eq(process->log_level, KEEL_LOG_INFO);
    ck_assert(process->disabled && process->chaos_allowed && !process->strict);
    settled_cleanup(&s);
    settle(&s, NO_ENV, NULL);
    ck_assert_int_eq(keel_config_process(s.config)->log_level, -1);
    settled_cleanup(&s);
}
END_TEST

/* ---- names ------------------------------------------------------------------------
 */

static const struct {
    const char *why;
    const char *name;
    const char *words; /* NULL: fine */
} claims[] = {
    { "plain", "orders", NULL },
    { "claimed before", "payments", NULL },
    { "not a name", "Orders", "no name for a pipeline" },
    { "another name", "pay-ments", NULL },
    { "a reserved word", "default", "kept for keel's own" },
    { "a reserved first word", "log-shipper", "kept for keel's own" },
    { "only the whole word is reserved", "logs", NULL },
};

START_TEST(a_name_must_be_free_and_well_formed)
{
    keel_status status;
    settled s;

    settle(&s, NO_ENV, NULL);
    status = keel_config_claim(s.config, claims[_i].name, &s.why);
    ck_assert_int_eq(status, claims[_i].words ? KEEL_E_CONFIG : KEEL_OK);
    if (claims[_i].words)
        ck_assert_msg(strstr(s.why.text, claims[_i].words), "%s: %s", claims[_i].why,
                      s.why.text);
    settled_cleanup(&s);
}
END_TEST

START_TEST(two_names_of_one_variable_are_an_error_that_names_both)
{
    settled s;

    settle(&s, NO_ENV, NULL);
    ck_assert_int_eq(keel_config_claim(s.config, "a-b", &s.why), KEEL_OK);
    ck_assert_int_eq(keel_config_claim(s.config, "a.b", &s.why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(s.why.text, "\"a.b\" and \"a-b\""));
    ck_assert_ptr_nonnull(strstr(s.why.text, "KEEL_A_B"));
    settled_cleanup(&s);
}
END_TEST

/* ---- the file ---------------------------------------------------------------------
 */

static char path[64];

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_file(void)
{
    int fd;

    strcpy(path, "/tmp/keel-config-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

static void settle_file(settled *s, const char *variable, const char *code)
{
    char named[96];

    snprintf(named, sizeof named, "KEEL_CONFIG_FILE=%s", path);
    settle(s, ENV(named, variable), code);
}

START_TEST(the_file_lies_between_code_and_environment)
{
    settled s;

    write_file("# ours\nDEFAULT = timeout=3s; deadline=8s\r\n"
               "payments=timeout=4s # slow\n");
    settle_file(&s, "KEEL_PAYMENTS=deadline=7s", "timeout=1s; bulkhead=5");
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert_str_eq(settled_origin(&s, "timeout")->value, "4s");
    ck_assert_str_eq(settled_origin(&s, "timeout")->layer, "file");
    ck_assert_ptr_nonnull(strstr(settled_origin(&s, "timeout")->source, ":3 col 10"));
    ck_assert_str_eq(settled_origin(&s, "deadline")->value, "7s");
    ck_assert_str_eq(settled_origin(&s, "bulkhead")->value, "5");
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_mistake_in_the_file_has_line_and_column)
{
    settled s;

    write_file("\npayments=timeot=1s\nnonsense\npay ments=timeout=1s\n"
               "orders=timeout=1\n KEEL_PAYMENTS=deadline=1s\n");
    settle_file(&s, NULL, NULL);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert(settled_warned(&s, ":2 col 10: unknown setting \"timeot\""));
    ck_assert(settled_warned(&s, ":3 col 1: no NAME=settings"));
    ck_assert(settled_warned(&s, ":4 col 1: \"pay ments\" cannot be"));
    ck_assert(settled_warned(&s, ":5 col 16: timeout \"1\" needs a unit"));
    ck_assert(settled_warned(&s, ":6 col 2: \"KEEL_PAYMENTS\": names in a file stand "
                                 "without KEEL_"));
    ck_assert_int_eq(keel_config_verify(s.config, &s.why), KEEL_OK);
    ck_assert(settled_warned(&s, ":5: no pipeline is called ORDERS"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_missing_file_is_a_warning_and_in_strict_mode_an_error)
{
    settled s;

    unlink(path);
    errno = 4711;
    settle_file(&s, NULL, NULL);
    ck_assert_int_eq(errno, 4711);
    ck_assert_int_eq(s.status, KEEL_OK);
    ck_assert(settled_warned(&s, "cannot be opened: No such file or directory"));
    ck_assert(!settled_warned(&s, "ignored"));
    settled_cleanup(&s);
    settle_file(&s, "KEEL_STRICT=on", NULL);
    ck_assert_int_eq(s.status, KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(s.why.text, "KEEL_CONFIG_FILE: \"/tmp/keel-config-"));
    settled_cleanup(&s);
}
END_TEST

static const struct {
    const char *why;
    const char *path;
    const char *shown;
} paths[] = {
    { "a plain one", "/etc/keel.conf", "/etc/keel.conf" },
    { "one that would be two lines", "a\nb level=error", "a?b level=error" },
    { "one that would colour a terminal", "a\033[31mb", "a?[31mb" },
    { "the same in one byte",
      "a\x9b"
      "31mb",
      "a?31mb" },
    { "as long as fits", "012345678901234567890123456789012345678901234567890123456789",
      "012345678901234567890123456789012345678901234567890123456789" },
    { "the end of a longer one",
      "/012345678901234567890123456789012345678901234567890123456789",
      "...012345678901234567890123456789012345678901234567890123456789" },
};

START_TEST(a_path_in_a_message_is_short_and_prints)
{
    char shown[KEEL_CONFIG_PATH_SIZE];

    ck_assert_str_eq(keel_config_file_shown(shown, paths[_i].path), paths[_i].shown);
}
END_TEST

START_TEST(a_line_of_a_file_is_told_of_with_a_path_that_prints)
{
    keel_named_texts entries = { .first = NULL };
    keel_report report = { .subject = "" };

    ck_assert_int_eq(
        keel_config_file_parse(&entries, "a\nb\033c", "nonsense\n", false, &report),
        KEEL_OK);
    ck_assert_str_eq(report.first, "a?b?c:1 col 1: no NAME=settings");
    keel_named_texts_cleanup(&entries);
}
END_TEST

START_TEST(a_file_named_by_the_caller_takes_the_place_of_the_variables)
{
    settled s;

    write_file("payments=timeout=4s\n");
    settle(&s, ENV("KEEL_CONFIG_FILE=/no/such/file"), NULL);
    ck_assert_int_eq(keel_config_use_file(s.config, path, &s.why), KEEL_OK);
    ck_assert_int_eq(
        keel_config_resolve(s.config, "payments", NULL, NULL, &s.policy, NULL, &s.why),
        KEEL_OK);
    ck_assert_uint_eq(s.policy.timeout_ns, 4 * KEEL_SECOND);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_file_named_by_the_caller_is_named_when_it_cannot_be_read)
{
    size_t before;
    settled s;

    settle(&s, ENV("KEEL_CONFIG_FILE=/dev/null/other"), NULL);
    before = keel_config_mistakes(s.config);
    ck_assert_int_eq(keel_config_use_file(s.config, "/no/such", &s.why), KEEL_OK);
    ck_assert(
        settled_warned(&s, "/no/such: cannot be opened: No such file or directory"));
    ck_assert(!settled_warned(&s, "KEEL_CONFIG_FILE: \"/no/such\""));
    ck_assert_uint_eq(keel_config_mistakes(s.config), before + 1);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_device_is_no_configuration)
{
    settled s;

    settle(&s, ENV("KEEL_CONFIG_FILE=/dev/zero"), NULL);
    ck_assert(settled_warned(&s, "is not a plain file"));
    settled_cleanup(&s);
}
END_TEST

static uint64_t timeout_now(settled *s)
{
    keel_policy policy = { .timeout_ns = 0 };

    ck_assert_int_eq(
        keel_config_resolve(s->config, "payments", NULL, NULL, &policy, NULL, NULL),
        KEEL_OK);
    return policy.timeout_ns;
}

START_TEST(a_staged_file_holds_until_it_is_dropped_or_for_good)
{
    settled s;

    write_file("payments=timeout=3s\n");
    settle_file(&s, NULL, NULL);
    write_file("payments=timeout=4s\n");
    ck_assert_uint_eq(timeout_now(&s), 3 * KEEL_SECOND);
    ck_assert_int_eq(keel_config_stage(s.config, &s.why), KEEL_OK);
    ck_assert_uint_eq(timeout_now(&s), 4 * KEEL_SECOND);
    keel_config_drop(s.config);
    ck_assert_uint_eq(timeout_now(&s), 3 * KEEL_SECOND);
    ck_assert_int_eq(keel_config_stage(s.config, &s.why), KEEL_OK);
    keel_config_commit(s.config);
    ck_assert_uint_eq(timeout_now(&s), 4 * KEEL_SECOND);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_file_that_went_away_leaves_what_was_read)
{
    settled s;

    write_file("payments=timeout=3s\n");
    settle_file(&s, NULL, NULL);
    unlink(path);
    ck_assert_int_eq(keel_config_stage(s.config, &s.why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(s.why.text, "cannot be opened"));
    ck_assert_uint_eq(timeout_now(&s), 3 * KEEL_SECOND);
    settled_cleanup(&s);
}
END_TEST

static const char *reload(settled *s)
{
    ck_assert_int_eq(keel_config_stage(s->config, &s->why), KEEL_OK);
    timeout_now(s);
    keel_config_commit(s->config);
    ck_assert_int_eq(keel_config_tell_reload(s->config, &s->why), KEEL_OK);
    ck_assert_int_eq(s->why.code, KEEL_OK);
    return s->why.text;
}

/* Again each time, for whoever looks at the answer of the latest reload. */
START_TEST(a_reload_says_what_was_wrong_in_the_file_each_time)
{
    settled s;

    write_file("payments=timeout=3s\n");
    settle_file(&s, "KEEL_PAYMENTS=deadlin=1s", NULL);
    ck_assert_str_eq(reload(&s), "reloaded");
    write_file("payments=timeout=88; bulkhead=0\n");
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(strstr(reload(&s), "reloaded; 2 mistakes, the first: "));
        ck_assert_ptr_nonnull(strstr(s.why.text, ":1 col 18: timeout \"88\" needs a"));
    }
    write_file("payments=deadline=off\n"); /* wrong only with this preset */
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(strstr(reload(&s), "reloaded; 1 mistake: "));
        ck_assert_ptr_nonnull(strstr(s.why.text, ":1 col 10: deadline can be off"));
    }
    write_file("payments=timeout=4s\n");
    ck_assert_str_eq(reload(&s), "reloaded");
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_reload_without_a_file_says_that_there_is_none)
{
    settled s;

    settle(&s, ENV("KEEL_PAYMENTS=deadlin=1s"), NULL);
    ck_assert_str_eq(reload(&s), "nothing to read: KEEL_CONFIG_FILE named no file when "
                                 "the runtime was opened");
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_name_twice_is_told_of_with_both_lines_and_is_no_mistake)
{
    settled s;

    write_file("pay-roll=timeout=1s\n# orders=\nDEFAULT=retry.attempts=2\n"
               "  Pay_Roll=deadline=2s\ndefault=retry.attempts=4\n");
    settle_file(&s, "KEEL_STRICT=on", NULL);
    ck_assert_msg(s.status == KEEL_OK, "%s", s.why.text);
    ck_assert(settled_warned(&s, ":4 col 3: Pay_Roll stands here a second time; its "
                                 "settings are added to those of line 1"));
    ck_assert(settled_warned(&s, ":5 col 1: default stands here a second time; its "
                                 "settings are added to those of line 3"));
    ck_assert_uint_eq(settled_warnings(&s), 2);
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_byte_order_mark_is_no_part_of_the_first_name)
{
    settled s;

    write_file("\xef\xbb\xbfpayments=timeout=1s\n");
    settle_file(&s, NULL, NULL);
    ck_assert_uint_eq(s.policy.timeout_ns, KEEL_SECOND);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

static const struct {
    const char *why;
    const char *line;
    const char *words; /* NULL: nothing is wrong */
} lines[] = {
    { "a key behind the name", "payments.timeout=1s",
      ":1 col 1: a setting is written payments=timeout=VALUE; ignored" },
    { "a longer one", " payments.breaker.open=1s..5s",
      ":1 col 2: a setting is written payments=breaker.open=VALUE; ignored" },
    { "behind a name of two words", "eu.payments.timeout.connect=1s",
      ":1 col 1: a setting is written eu.payments=timeout.connect=VALUE; ignored" },
    { "a key alone", "deadline=2s",
      ":1 col 1: \"deadline\" is a setting: write NAME=deadline=VALUE, or "
      "DEFAULT=deadline=VALUE for all pipelines; ignored" },
    { "a pipeline of such a name", "breaker.open=timeout=1s", NULL },
    { "with a preset", "api.timeout=careful", NULL },
    { "a colon", "payments: timeout=1s",
      "\"payments: timeout\" cannot be a pipeline's name: a line is written "
      "NAME=settings; ignored" },
    { "a colon alone", "payments: careful", ":1 col 1: no NAME=settings; ignored" },
};

START_TEST(a_line_that_is_written_otherwise_is_told_how)
{
    settled s;

    write_file(lines[_i].line);
    settle_file(&s, NULL, NULL);
    if (lines[_i].words)
        ck_assert_msg(settled_warned(&s, lines[_i].words), "%s", lines[_i].why);
    ck_assert_uint_eq(settled_warnings(&s), lines[_i].words != NULL);
    settled_cleanup(&s);
}
END_TEST

START_TEST(the_first_reload_names_what_nobody_claimed)
{
    settled s;

    write_file("orders=timeout=3s\n");
    settle_file(&s, NULL, NULL);
    ck_assert_uint_eq(settled_warnings(&s), 0);
    ck_assert_int_eq(keel_config_stage(s.config, &s.why), KEEL_OK);
    keel_config_commit(s.config);
    ck_assert(settled_warned(&s, "no pipeline is called ORDERS"));
    settled_cleanup(&s);
}
END_TEST

/* ---- overrides ----------------------------------------------------------------- */

static const struct {
    const char *why;
    const char *code;
    const char *text;
    const char *words; /* NULL: it can be followed */
} overrides[] = {
    { "nothing", NULL, "", NULL },
    { "a preset", NULL, "none", NULL },
    { "settings", NULL, "timeout=1s; retry.attempts=2", NULL },
    { "no deadline where none is wanted", "none", "deadline=off", NULL },
    { "within the fence", "timeout<=3s", "timeout=3s", NULL },
    { "what makes no sense", NULL, "timeout=20s; retry.attempts=9", NULL },
    { "a mistake of somebody else's", "timeot=1s", "timeout=1s", NULL },
    { "an unknown key", NULL, "timeot=1s",
      "override col 1: unknown setting \"timeot\", did you mean \"timeout\"?" },
    { "a bad value", NULL, "breaker=off; timeout=1", "override col 22: timeout \"1\"" },
    { "a fence", NULL, "timeout<=1s", "fences stand in code only" },
    { "an unknown preset", NULL, "carefree", "unknown preset \"carefree\"" },
    { "no deadline where one is kept", NULL, "timeout=1s; deadline=off",
      "override col 13: deadline can be off only with the preset none" },
    { "chaos without leave", NULL, "chaos.rate=100%",
      "override col 1: chaos.rate is refused: KEEL_CHAOS=allow is not set" },
    { "beyond the fence", "timeout<=3s", "timeout=5s",
      "override col 1: timeout=5s is beyond the fence in code (timeout<=3s)" },
    { "what cannot be together", NULL, "timeout.connect=5s",
      "override col 1: timeout.connect=5s must be below timeout" },
};

START_TEST(an_override_is_followed_to_the_letter_or_refused)
{
    keel_status expected = overrides[_i].words ? KEEL_E_CONFIG : KEEL_OK;
    settled s;

    settle(&s, NO_ENV, NULL);
    ck_assert_int_eq(keel_config_check_override(s.config, "payments",
                                                overrides[_i].code, overrides[_i].text,
                                                &s.why),
                     expected);
    ck_assert_int_eq(s.why.code, expected);
    if (overrides[_i].words)
        ck_assert_msg(strstr(s.why.text, overrides[_i].words), "%s: %s",
                      overrides[_i].why, s.why.text);
    ck_assert_ptr_null(strstr(s.why.text, "ignored"));
    ck_assert_uint_eq(settled_warnings(&s), 0);
    settled_cleanup(&s);
}
END_TEST

/* ---- memory -----------------------------------------------------------------------
 */

static keel_status open_claim_resolve(failing_allocator *f, keel_warnings *warnings,
                                      const char *const *environment)
{
    keel_config *config;
    keel_explanation explanation = { .count = 0 };
    keel_policy policy;
    keel_status status =
        keel_config_open(&config, &f->allocator, warnings, environment, NULL);

    if (status)
        return status;
    status = keel_config_claim(config, "payments", NULL);
    if (!status)
        status = keel_config_resolve(config, "payments", NULL, NULL, &policy,
                                     &explanation, NULL);
    if (!status)
        status = keel_config_stage(config, NULL);
    if (!status)
        status = keel_config_use_file(config, path, NULL);
    if (!status)
        keel_config_commit(config);
    keel_explanation_free(&f->allocator, &explanation);
    keel_config_close(config);
    return status;
}

START_TEST(each_allocation_may_fail_and_nothing_is_lost)
{
    keel_log log = { .level = -1 };
    keel_warnings kept;
    failing_allocator f = { .fail_at = 0 };
    keel_status status;
    char named[96];
    long n;

    write_file("DEFAULT=timeout=3s\npayments=timeout=4s\n");
    snprintf(named, sizeof named, "KEEL_CONFIG_FILE=%s", path);
    ck_assert_int_eq(keel_warnings_init(&kept, NULL, &log), KEEL_OK);
    for (n = 1;; n++) {
        failing_allocator_init(&f, n);
        status = open_claim_resolve(
            &f, &kept,
            ENV(named, "KEEL_PAYMENTS=careful", "KEEL_DEFAULT__TIMEOUT=1s",
                "KEEL_BOARD=/run/board", "KEEL_REDIS=unix:/run/redis"));
        ck_assert_int_eq(f.live, 0);
        if (!f.failed)
            break;
        ck_assert_int_eq(status, KEEL_E_NOMEM);
    }
    ck_assert_int_eq(status, KEEL_OK);
    ck_assert_int_gt(n, 10);
    keel_warnings_cleanup(&kept);
}
END_TEST

static void add_layers(Suite *suite)
{
    TCase *layers = tcase_create("layers");
    int count;

    origin_cases(&count);
    tcase_add_loop_test(layers, the_highest_layer_has_the_last_word, 0, count);
    tcase_add_test(layers, an_override_wins_over_every_variable);
    tcase_add_test(layers, the_standard_policy_is_the_documented_one);
    tcase_add_test(layers, each_key_reaches_its_field);
    tcase_add_test(layers, none_leaves_nothing_on);
    tcase_add_test(layers, explain_says_why_a_preset_did_not_come_through);
    suite_add_tcase(suite, layers);
}

static void add_table(Suite *suite)
{
    TCase *table = tcase_create("table");

    tcase_add_loop_test(table, each_default_in_the_table_is_a_value_of_its_key, 0,
                        KEEL_KEYS);
    tcase_add_loop_test(table, each_key_has_one_sentence_a_range_and_a_default, 0,
                        KEEL_KEYS);
    tcase_add_loop_test(table, each_key_is_found_by_name_and_by_variable, 0, KEEL_KEYS);
    tcase_add_loop_test(table, each_key_keeps_its_range, 0, ROWS(values));
    tcase_add_loop_test(table, a_key_of_a_later_version_is_unknown_rather_than_idle, 0,
                        ROWS(later_keys));
    suite_add_tcase(suite, table);
}

static void add_warnings(Suite *suite)
{
    TCase *tcase = tcase_create("warnings");

    tcase_add_loop_test(tcase,
                        what_is_wrong_is_said_with_place_text_and_what_is_allowed, 0,
                        ROWS(mistakes));
    tcase_add_loop_test(tcase, strict_mode_makes_each_such_mistake_an_error, 0,
                        ROWS(mistakes));
    tcase_add_test(tcase, opening_again_does_not_repeat_a_warning);
    tcase_add_test(tcase, verify_names_what_nobody_claimed_once_and_never_its_value);
    tcase_add_test(tcase, verify_suggests_two_underscores_for_one);
    tcase_add_test(tcase, a_slip_in_ones_own_name_is_told_without_verify);
    tcase_add_test(tcase, verify_in_strict_mode_ignores_nothing);
    tcase_add_test(tcase, of_two_equal_names_the_first_holds);
    tcase_add_test(tcase, who_asks_for_a_log_in_a_wrong_word_gets_one);
    tcase_add_test(tcase, verify_suggests_a_process_wide_name_and_the_defaults);
    tcase_add_test(tcase, what_was_told_at_once_is_not_told_again);
    tcase_add_test(tcase, a_pipeline_may_have_a_name_near_a_process_wide_one);
    tcase_add_test(tcase, a_key_of_nobody_is_neither_a_default_nor_anybodys);
    tcase_add_loop_test(tcase, a_service_link_of_kubernetes_is_left_alone, 0,
                        ROWS(links));
    tcase_add_loop_test(tcase,
                        what_only_resembles_a_service_link_is_not_lost_without_a_word,
                        0, ROWS(no_links));
    tcase_add_test(tcase, a_pipeline_claims_its_variable_from_the_service_links);
    tcase_add_test(tcase, verify_fails_in_strict_mode);
    tcase_add_test(tcase, the_process_wide_variables_are_read);
    tcase_add_loop_test(tcase, a_name_must_be_free_and_well_formed, 0, ROWS(claims));
    tcase_add_test(tcase, two_names_of_one_variable_are_an_error_that_names_both);
    tcase_add_loop_test(tcase, an_override_is_followed_to_the_letter_or_refused, 0,
                        ROWS(overrides));
    suite_add_tcase(suite, tcase);
}

static void add_file(Suite *suite)
{
    TCase *file = tcase_create("file");

    tcase_add_checked_fixture(file, make_file, remove_file);
    tcase_add_test(file, the_file_lies_between_code_and_environment);
    tcase_add_test(file, a_mistake_in_the_file_has_line_and_column);
    tcase_add_test(file, a_missing_file_is_a_warning_and_in_strict_mode_an_error);
    tcase_add_loop_test(file, a_path_in_a_message_is_short_and_prints, 0, ROWS(paths));
    tcase_add_test(file, a_line_of_a_file_is_told_of_with_a_path_that_prints);
    tcase_add_test(file, a_file_named_by_the_caller_takes_the_place_of_the_variables);
    tcase_add_test(file, a_file_named_by_the_caller_is_named_when_it_cannot_be_read);
    tcase_add_test(file, a_device_is_no_configuration);
    tcase_add_test(file, a_staged_file_holds_until_it_is_dropped_or_for_good);
    tcase_add_test(file, a_file_that_went_away_leaves_what_was_read);
    tcase_add_test(file, a_reload_says_what_was_wrong_in_the_file_each_time);
    tcase_add_test(file, a_reload_without_a_file_says_that_there_is_none);
    tcase_add_test(file, a_name_twice_is_told_of_with_both_lines_and_is_no_mistake);
    tcase_add_test(file, a_byte_order_mark_is_no_part_of_the_first_name);
    tcase_add_loop_test(file, a_line_that_is_written_otherwise_is_told_how, 0,
                        ROWS(lines));
    tcase_add_test(file, the_first_reload_names_what_nobody_claimed);
    tcase_add_test(file, each_allocation_may_fail_and_nothing_is_lost);
    suite_add_tcase(suite, file);
}

int main(void)
{
    Suite *suite = suite_create("config");
    SRunner *runner;
    int failed;

    add_table(suite);
    add_layers(suite);
    add_warnings(suite);
    add_file(suite);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
