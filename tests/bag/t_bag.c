/* SPDX-License-Identifier: MIT */
/* Bags from the outside: opening by name, what is refused before I/O, what is described. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <keel/keel.h>

#include "bag/bag.h"
#include "support/allocator.h"
#include "support/child.h"
#include "net/redis_tls.h"
#include "support/suite.h"

static keel_runtime *rt;
static keel_bag *bag;
static keel_detail why;
static failing_allocator memory;

static void open_runtime(const char *const *environment)
{
    static const char *const none[] = { NULL };
    const keel_options options = { .size = sizeof options,
                                   .allocator = &memory.allocator,
                                   .environment = environment ? environment : none };

    failing_allocator_init(&memory, 0);
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_open(&rt, &options, &why), KEEL_OK);
}

/* Everything was given back. */
static void end(void)
{
    keel_bag_close(bag);
    bag = NULL;
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    ck_assert_int_eq(memory.live, 0);
}

static keel_status open_bag(const char *spec)
{
    return keel_bag_open(&bag, rt, "sessions", spec, &why);
}

START_TEST(the_operators_spec_takes_the_place_of_the_authors)
{
    static const char *const environment[] = { "KEEL_BAG_SESSIONS=memory://?max=1MiB",
                                               NULL };
    char shown[64];

    open_runtime(environment);
    ck_assert_int_eq(open_bag("nothing://at-all"), KEEL_OK);
    ck_assert_uint_eq(keel_bag_describe(bag, shown, sizeof shown), 19);
    ck_assert_str_eq(shown, "memory:///?max=1MiB");
    ck_assert_int_eq(keel_runtime_verify(rt, &why), KEEL_OK);
    end();
}
END_TEST

#define TEN "cas|cas|cas|cas|cas|cas|cas|cas|cas|cas|"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG_VALUE "memory://?require=" HUNDRED HUNDRED HUNDRED "cas"

static const struct {
    const char *why;
    const char *variable; /* KEEL_BAG_SESSIONS; NULL: not set */
    const char *spec;
    keel_status status;
    const char *said;
} refused[] = {
    { "no spec at all", NULL, NULL, KEEL_E_CONFIG, "KEEL_BAG_SESSIONS is not set" },
    { "no such store", NULL, "memry://", KEEL_E_CONFIG,
      "column 1: there is no store \"memry\"; did you mean \"memory\"?" },
    { "no such decorator", NULL, "cash(memory://)", KEEL_E_CONFIG,
      "column 1: there is no decorator \"cash\"" },
    { "the variable is named", "KEEL_BAG_SESSIONS=memory://?mx=3", NULL, KEEL_E_CONFIG,
      "KEEL_BAG_SESSIONS column 11: there is no option \"mx\"" },
    { "and in what is wrong with its grammar", "KEEL_BAG_SESSIONS=x(", NULL,
      KEEL_E_CONFIG, "KEEL_BAG_SESSIONS column 3: expected" },
    { "a value of another kind", NULL, "memory://?max=much", KEEL_E_CONFIG,
      "column 11: max is a size" },
    { "a value without unit", NULL, "memory://?max=64", KEEL_E_CONFIG,
      "column 11: max is a size" },
    { "an ability that is none", NULL, "memory://?require=fly", KEEL_E_CONFIG,
      "column 11: there is no ability \"fly\"" },
    { "one after some that there are", NULL, "memory://?require=cas|cas|fly",
      KEEL_E_CONFIG, "column 11: there is no ability \"fly\"" },
    { "an ability that it lacks", NULL, "memory://?require=cas|durable",
      KEEL_E_UNSUPPORTED, "memory: it requires durable" },
    { "a reference to nothing", NULL, "$OTHER", KEEL_E_CONFIG,
      "column 1: KEEL_BAG_OTHER is not set" },
    { "a reference to itself", "KEEL_BAG_SESSIONS=$SESSIONS", NULL, KEEL_E_CONFIG,
      "KEEL_BAG_SESSIONS column 1: the reference leads back to itself" },
    { "a setting that is none", NULL, "resilient{timeot=1s}(memory://)", KEEL_E_CONFIG,
      "column 11: there is no option \"timeot\"; did you mean \"timeout\"?" },
    { "a slip in an option of its own", NULL, "hedge{dela=1s}(memory://)",
      KEEL_E_CONFIG, "column 7: there is no option \"dela\"; did you mean \"delay\"?" },
    { "one that is near to nothing", NULL, "log(hedge{timeout=1s; x=1}(memory://))",
      KEEL_E_CONFIG, "column 23: there is no option \"x\"" },
    { "and a value of another kind", NULL,
      "resilient{retry.attempts=2; timeout=soon}(memory://)", KEEL_E_CONFIG,
      "column 29: timeout \"soon\" not understood; allowed: a duration, 1ns to" },
    { "what may hold a password is not shown", NULL,
      "resilient{endpoints=\"http://u:p@x\"}(memory://)", KEEL_E_CONFIG,
      "column 11: endpoints not understood; allowed: 1 to 64 of URL" },
    { "a setting that the environment must allow", NULL,
      "resilient{chaos.rate=1%}(memory://)", KEEL_E_CONFIG,
      "column 1: in the settings of resilient, col 1: chaos" },
    { "a delay that is none", NULL, "hedge{delay=soon}(memory://)", KEEL_E_CONFIG,
      "column 1: hedge: delay is a time, or a quantile as p95 or p95@50ms, not "
      "\"soon\"" },
    { "two children of one role", NULL, "cache(cache=memory://, cache=memory://)",
      KEEL_E_CONFIG, "column 24: another child has the role \"cache\", too" },
    { "a role that is none", NULL, "cache(sorce=memory://, cash=memory://)",
      KEEL_E_CONFIG,
      "column 7: expected one of the roles of cache (cache|source), not \"sorce\"; did "
      "you mean \"source\"?" },
    { "in a URL between angle brackets", NULL, "log(<memory://?max=1m&mx=1>)",
      KEEL_E_CONFIG, "column 23: there is no option \"mx\"" },
    { "a slip in a short option", NULL, "cache{tll=1m}(memory://, memory://)",
      KEEL_E_CONFIG, "column 7: there is no option \"tll\"; did you mean \"ttl\"?" },
    { "a slip in one of every store", NULL, "memory://?emulat=on", KEEL_E_CONFIG,
      "column 11: there is no option \"emulat\"; did you mean \"emulate\"?" },
    { "an option twice", NULL, "memory://?max=1m&max=2m", KEEL_E_CONFIG,
      "column 18: max is given twice" },
    { "and of a decorator", NULL, "cache{ttl=1m; ttl=2m}(memory://, memory://)",
      KEEL_E_CONFIG, "column 15: ttl is given twice" },
    { "a secret by both of its options",
      "KEEL_BAG_SESSIONS=redis://h?"
      "password_env=KEEL_BAG_SESSIONS&password_file=/nowhere",
      NULL, KEEL_E_CONFIG, "KEEL_BAG_SESSIONS column 42: password is given twice" },
    { "a secret's file that is not there", NULL, "redis://h?password_file=/nowhere",
      KEEL_E_CONFIG, "column 11: password_file: the file it names cannot be read: No" },
    { "a secret in the place of its variable's name", NULL,
      "redis://h?password_env=sesame", KEEL_E_CONFIG,
      "column 11: password_env: it takes the name of a variable that begins with "
      "KEEL_, "
      "and this does not" },
    { "a secret's variable that is not set", NULL, "redis://h?password_env=KEEL_NONE",
      KEEL_E_CONFIG, "column 11: password_env: the variable that it names is not set" },
    { "a folder in none", NULL, "file:///nowhere/at/all", KEEL_E_SYSTEM,
      "column 1: file: its directory cannot be made: No such file or directory: "
      "/nowhere/at/all" },
    { "a later part is wrong", NULL, "cache(file:///nowhere/at/all, memory://?mx=1)",
      KEEL_E_CONFIG, "column 41: there is no option \"mx\"" },
    { "a role that is too long", NULL,
      "failover(memory://, memory://, "
      "a23456789012345678901234567890123456789012345678901234567890123456=memory://)",
      KEEL_E_CONFIG, "column 32: a role has 64 bytes at most" },
    { "a reference that is too long", NULL,
      "$A23456789012345678901234567890123456789012345678901234567890123456",
      KEEL_E_CONFIG, "column 1: a bag's name has 64 bytes at most" },
    { "a value that is too long", NULL, LONG_VALUE, KEEL_E_CONFIG,
      "column 11: the value of require is no text, or longer than 1023 bytes" },
    { "a fragment", NULL, "memory://h#x", KEEL_E_CONFIG, "column 1: \"#\" ends a URL" },
};

START_TEST(a_spec_that_is_wrong_is_refused_with_its_place)
{
    const char *environment[] = { refused[_i].variable, NULL };

    open_runtime(environment);
    ck_assert_int_eq(open_bag(refused[_i].spec), refused[_i].status);
    ck_assert_msg(strncmp(why.text, refused[_i].said, strlen(refused[_i].said)) == 0,
                  "%s", why.text);
    ck_assert_ptr_null(bag);
    end();
}
END_TEST

/* Older libraries of Redis know no TLS. */
START_TEST(where_there_is_no_tls_another_way_is_named)
{
    open_runtime(NULL);
    ck_assert_int_eq(open_bag("rediss://h"),
                     keel_redis_has_tls() ? KEEL_OK : KEEL_E_UNSUPPORTED);
    if (!bag)
        ck_assert_msg(strstr(why.text, "column 1: rediss:// needs") == why.text &&
                          strstr(why.text, "(redis:///run/redis.sock)"),
                      "%s", why.text);
    end();
}
END_TEST

START_TEST(a_reference_is_the_other_bags_spec)
{
    static const char *const environment[] = { "KEEL_BAG_SESSIONS=$FAST_ONE",
                                               "KEEL_BAG_FAST_ONE=memory://", NULL };
    char shown[64];

    open_runtime(environment);
    ck_assert_int_eq(open_bag(NULL), KEEL_OK);
    keel_bag_describe(bag, shown, sizeof shown);
    ck_assert_str_eq(shown, "memory:///");
    end();
}
END_TEST

START_TEST(after_three_slashes_comes_a_path_and_no_host)
{
    char shown[64];

    open_runtime(NULL);
    ck_assert_int_eq(open_bag("memory:///run/a%20b.sock?max=1MiB"), KEEL_OK);
    keel_bag_describe(bag, shown, sizeof shown);
    ck_assert_str_eq(shown, "memory:///run/a%20b.sock?max=1MiB");
    end();
}
END_TEST

static const struct {
    const char *why;
    const char *name;
    keel_status status;
} names[] = {
    { "no name", NULL, KEEL_E_ARGUMENT },
    { "upper case", "Sessions", KEEL_E_CONFIG },
    { "empty", "", KEEL_E_CONFIG },
    { "blanks", "my sessions", KEEL_E_CONFIG },
};

#define FIFTY "0123456789012345678901234567890123456789012345678/"
#define LONG                                                                           \
    FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY "more"

static const struct {
    const char *why;
    const char *spec;
    const char *shown;
} described[] = {
    { "roles by their places", "cache(memory://, memory://)",
      "cache(cache=memory:///, source=memory:///)" },
    { "options as they were written",
      "cache{ttl=60s ;negative_ttl=1s}(memory://,memory://)",
      "cache{ttl=60s; negative_ttl=1s}(cache=memory:///, source=memory:///)" },
    { "an ability that is required twice", "memory://?require=cas|cas",
      "memory:///?require=cas|cas" },
    { "a value as it is encoded", "memory://?max=1m&require=%63as%7Cttl",
      "memory:///?max=1m&require=%63as%7Cttl" },
    { "what needs angle brackets", "log(<memory:///a,b)?max=1m>)",
      "log(source=<memory:///a,b)?max=1m>)" },
    { "marks and escapes", "log(fault{keys=\"a;}\\\"\\\\*\"; p=5%}(memory://))",
      "log(source=fault{keys=\"a;}\\\"\\\\*\"; p=5%}(source=memory:///))" },
    { "roles of their own, and of any number",
      "failover(third=memory://,standby=memory://?max=1m, memory://, memory://)",
      "failover(primary=memory:///, standby=memory:///?max=1m, third=memory:///, "
      "memory=memory:///)" },
    { "roles the other way round", "cache(source=memory://?max=1m, cache=memory://)",
      "cache(cache=memory:///, source=memory:///?max=1m)" },
    { "one of them left out", "cache(source=memory://?max=1m, memory://)",
      "cache(cache=memory:///, source=memory:///?max=1m)" },
    { "several hosts", "<redis+cluster://a:1,b:2>", "<redis+cluster://a:1,b:2/>" },
    { "quotation marks", "cache{ttl=\"1m\"}(memory://?max=1m, memory://)",
      "cache{ttl=\"1m\"}(cache=memory:///?max=1m, source=memory:///)" },
    { "escaped values", "http://h/x?ca_file=/a%26b%20c",
      "http://h/x?ca_file=/a%26b%20c" },
    { "what would end a URL", "<http://h/x?ca_file=/a,b>",
      "<http://h/x?ca_file=/a,b>" },
    { "several hosts", "log(<redis+cluster://a:1,b:2>)",
      "log(source=<redis+cluster://a:1,b:2/>)" },
    { "more than 512 bytes of options", "http://h/x?ca_file=/" LONG "&connections=3",
      "http://h/x?ca_file=/" LONG "&connections=3" },
};

START_TEST(a_tree_is_described_as_a_spec_of_the_same)
{
    char shown[1024], again[1024];

    open_runtime(NULL);
    ck_assert_msg(open_bag(described[_i].spec) == KEEL_OK, "%s", why.text);
    keel_bag_describe(bag, shown, sizeof shown);
    ck_assert_str_eq(shown, described[_i].shown);
    keel_bag_close(bag);
    ck_assert_int_eq(open_bag(shown), KEEL_OK);
    keel_bag_describe(bag, again, sizeof again);
    ck_assert_str_eq(again, shown);
    end();
}
END_TEST

START_TEST(options_of_any_length_are_described)
{
    static const char spec[] = "memory://?require=" HUNDRED HUNDRED "cas";
    char shown[sizeof spec + 1];

    open_runtime(NULL);
    ck_assert_msg(open_bag(spec) == KEEL_OK, "%s", why.text);
    ck_assert_uint_eq(keel_bag_describe(bag, shown, sizeof shown), sizeof spec);
    ck_assert_str_eq(strstr(shown, "cas|"), strstr(spec, "cas|"));
    end();
}
END_TEST

START_TEST(where_a_secret_comes_from_is_described_as_one)
{
    static const char *const environment[] = { "KEEL_BAG_PASSWORD=sesame", NULL };
    char shown[128];

    open_runtime(environment);
    ck_assert_msg(open_bag("redis://u@h?password_env=KEEL_BAG_PASSWORD&prefix=a%3A") ==
                      KEEL_OK,
                  "%s", why.text);
    keel_bag_describe(bag, shown, sizeof shown);
    ck_assert_str_eq(shown, "redis://u@h/?password_env=***&prefix=a%3A");
    end();
}
END_TEST

#define ROLE "a234567890123456789012345678901234567890123456789012345678901234"

/* Deeper than any fixed size of a path would bear. */
START_TEST(a_part_is_told_and_found_by_its_path_whatever_its_length)
{
    static const char path[] = "failover." ROLE "." ROLE "." ROLE "." ROLE "." ROLE;
    char spec[1024] = "", answer[32];

    for (int i = 0; i < 5; i++)
        strcat(spec, "failover(memory://,memory://," ROLE "=");
    strcat(spec, "readonly(memory://))))))");
    open_runtime(NULL);
    ck_assert_msg(open_bag(spec) == KEEL_OK, "%s", why.text);
    ck_assert_int_eq(
        keel_bag_control(bag, path, "readonly", answer, sizeof answer, &why), KEEL_OK);
    ck_assert_str_eq(answer, "readonly=on");
    ck_assert_int_eq(keel_bag_control(bag, "failover." ROLE, "readonly", NULL, 0, &why),
                     KEEL_E_UNSUPPORTED);
    keel_bag_close(bag);
    bag = NULL;
    snprintf(spec + strlen(spec) - strlen("readonly(memory://))))))"), sizeof spec / 2,
             "memory://?require=durable)))))");
    ck_assert_int_eq(open_bag(spec), KEEL_E_UNSUPPORTED);
    ck_assert_msg(strstr(why.text, "failover." ROLE "." ROLE ".a234"), "%s", why.text);
    end();
}
END_TEST

START_TEST(a_variable_of_no_bag_is_told)
{
    static const char *const environment[] = { "KEEL_BAG_SESIONS=memory://", NULL };
    char text[200];

    open_runtime(environment);
    ck_assert_int_eq(open_bag("memory://"), KEEL_OK);
    ck_assert(!keel_runtime_warning(rt, 0, text, sizeof text));
    keel_runtime_verify(rt, &why);
    ck_assert(keel_runtime_warning(rt, 0, text, sizeof text));
    ck_assert_msg(strstr(text, "KEEL_BAG_SESIONS: no bag of that name") == text, "%s",
                  text);
    end();
}
END_TEST

START_TEST(a_bag_needs_a_name_like_a_pipelines)
{
    open_runtime(NULL);
    ck_assert_int_eq(keel_bag_open(&bag, rt, names[_i].name, "memory://", &why),
                     names[_i].status);
    ck_assert_int_eq(keel_bag_open(NULL, rt, "a", "memory://", &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_open(&bag, NULL, "a", "memory://", &why),
                     KEEL_E_ARGUMENT);
    end();
}
END_TEST

START_TEST(opening_survives_each_allocation_that_fails)
{
    long before;

    open_runtime(NULL);
    before = memory.live;
    for (long n = 1; n == 1 || memory.failed; n++) {
        memory.failed = false;
        memory.fail_at = memory.calls + n;
        ck_assert_int_eq(open_bag("memory://?max=1MiB&require=cas"),
                         memory.failed ? KEEL_E_NOMEM : KEEL_OK);
        keel_bag_close(bag);
        bag = NULL;
        ck_assert_int_eq(memory.live, before);
    }
    memory.fail_at = 0;
    end();
}
END_TEST

/* Pipelines stay with the runtime, so what is left is seen when that is closed. */
START_TEST(and_so_does_that_of_a_tree)
{
    long n;

    open_runtime(NULL);
    for (n = 1; n == 1 || memory.failed; n++) {
        memory.failed = false;
        memory.fail_at = memory.calls + n;
        ck_assert_int_eq(open_bag("failover{failures=2}(resilient{timeout=1s}"
                                  "(memory://), resilient{preset=careful}(memory://))"),
                         memory.failed ? KEEL_E_NOMEM : KEEL_OK);
        keel_bag_close(bag);
        bag = NULL;
    }
    ck_assert_int_gt(n, 15);
    memory.fail_at = 0;
    end();
}
END_TEST

START_TEST(what_cannot_be_is_refused_before_anything_is_sent)
{
    const keel_bag_options newer = { .size = 0 };
    keel_bag_item item = { .size = 0 };
    keel_bag_token token = { .length = 0 };

    open_runtime(NULL);
    ck_assert_int_eq(open_bag("memory://"), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(NULL, "k", "v", 1, NULL, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(keel_bag_set(bag, "k", NULL, 1, NULL, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &newer, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_cas(bag, "k", &token, "v", 1, NULL, &why),
                     KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_cas(bag, "k", NULL, "v", 1, NULL, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_get(bag, "k", NULL, NULL, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, NULL, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_scan(bag, NULL, NULL, NULL, NULL, &why), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_bag_flush(bag, NULL, &why), KEEL_E_UNSUPPORTED);
    ck_assert_str_eq(why.text, "memory: it cannot flush; a store that can does with "
                               "allow_flush=on in its URL alone");
    end();
}
END_TEST

START_TEST(a_null_detail_is_fine)
{
    open_runtime(NULL);
    ck_assert_int_eq(open_bag("memory://"), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(keel_bag_incr(bag, "k", 1, NULL, NULL, NULL), KEEL_NOT_NUMBER);
    ck_assert_int_eq(keel_bag_delete(bag, "k", NULL, NULL), KEEL_OK);
    ck_assert_int_eq(keel_bag_get(bag, "bad key", NULL, NULL, NULL), KEEL_E_ARGUMENT);
    end();
}
END_TEST

static void say_nothing(void *state, const keel_bag_op *op, const keel_bytes keys[],
                        keel_bag_item items[], keel_status statuses[], size_t count,
                        keel_detail *said)
{
    (void)state;
    (void)op;
    (void)keys;
    (void)items;
    (void)statuses;
    (void)count;
    (void)said;
}

START_TEST(a_key_that_nobody_answers_has_failed)
{
    const char *const keys[] = { "k" };
    keel_bag_item item = { .size = sizeof item };
    keel_status status = KEEL_OK;
    keel_bag_ops silent;

    open_runtime(NULL);
    ck_assert_int_eq(open_bag("memory://"), KEEL_OK);
    silent = *bag->root.ops;
    silent.get_many = say_nothing;
    bag->root.ops = &silent;
    ck_assert_int_eq(keel_bag_get_many(bag, keys, &item, &status, 1, NULL, &why),
                     KEEL_FAILED);
    ck_assert_int_eq(status, KEEL_FAILED);
    end();
}
END_TEST

static void use_in_child(void)
{
    CHILD(keel_bag_set(bag, "k", "v", 1, NULL, &why) == KEEL_E_STATE);
    CHILD(why.applied == KEEL_APPLIED_NO);
}

START_TEST(in_a_child_it_is_the_parents)
{
    open_runtime(NULL);
    ck_assert_int_eq(open_bag("memory://"), KEEL_OK);
    child_await(child_fork(use_in_child));
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, NULL, &why), KEEL_OK);
    end();
}
END_TEST

START_TEST(with_a_limit_the_longest_unused_go_first)
{
    char key[16], value[1024] = { 0 };
    keel_bag_item item = { .size = sizeof item };
    unsigned kept = 0;

    open_runtime(NULL);
    ck_assert_int_eq(open_bag("memory://?max=256KiB"), KEEL_OK);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%u", i);
        ck_assert_int_eq(keel_bag_set(bag, key, value, sizeof value, NULL, &why),
                         KEEL_OK);
    }
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%u", i);
        kept += keel_bag_get(bag, key, &item, NULL, NULL) == KEEL_OK;
    }
    ck_assert_uint_gt(kept, 100);
    ck_assert_uint_lt(kept, 257);
    ck_assert_int_eq(keel_bag_get(bag, "k1999", &item, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(keel_bag_get(bag, "k0", &item, NULL, NULL), KEEL_NOT_FOUND);
    end();
}
END_TEST

SUITE("bag", 30, ONE(the_operators_spec_takes_the_place_of_the_authors),
      ROWS(a_spec_that_is_wrong_is_refused_with_its_place, refused),
      ONE(where_there_is_no_tls_another_way_is_named),
      ONE(a_reference_is_the_other_bags_spec),
      ROWS(a_tree_is_described_as_a_spec_of_the_same, described),
      ONE(options_of_any_length_are_described),
      ONE(where_a_secret_comes_from_is_described_as_one),
      ONE(a_part_is_told_and_found_by_its_path_whatever_its_length),
      ONE(after_three_slashes_comes_a_path_and_no_host),
      ONE(a_variable_of_no_bag_is_told),
      ROWS(a_bag_needs_a_name_like_a_pipelines, names),
      ONE(opening_survives_each_allocation_that_fails), ONE(and_so_does_that_of_a_tree),
      ONE(what_cannot_be_is_refused_before_anything_is_sent),
      ONE(a_null_detail_is_fine), ONE(a_key_that_nobody_answers_has_failed),
      ONE(in_a_child_it_is_the_parents), ONE(with_a_limit_the_longest_unused_go_first))
