/* SPDX-License-Identifier: MIT */
/* What is doubtful in a spec, and what is wrong in one that nobody opens. */
#include <string.h>

#include "bag/check.h"
#include "settings/config.h"
#include "support/allocator.h"
#include "support/opened.h"
#include "support/suite.h"

static keel_config *config;
static keel_log quiet = { .level = -1 };
static keel_warnings warnings;
static keel_detail why = KEEL_DETAIL_INIT;

static void check(const char *const *environment, const char *spec)
{
    static const char *const none[] = { NULL };

    ck_assert_int_eq(keel_warnings_init(&warnings, NULL, &quiet), KEEL_OK);
    ck_assert_int_eq(keel_config_open(&config, NULL, &warnings,
                                      environment ? environment : none, &why),
                     KEEL_OK);
    ck_assert_int_eq(keel_bag_check(config, NULL, "shop", spec, &why), KEEL_OK);
}

static void end(void)
{
    keel_config_close(config);
    keel_warnings_cleanup(&warnings);
}

/* The warning of that number; "": there is none. */
static const char *warning(size_t number)
{
    static char text[KEEL_WARNING_SIZE];

    if (!keel_warnings_read(&warnings, number, text, sizeof text))
        text[0] = '\0';
    return text;
}

#define REDIS "resilient(redis://h)"

/* said: NULL: nothing is */
static const struct {
    const char *spec;
    const char *said;
} doubts[] = {
    { "file:///s", NULL },
    { "memory://", NULL },
    { REDIS, NULL },
    { "redis:///run/redis.sock", NULL },
    { "redis://h", "shop col 1: redis is a server, and nothing gives it a timeout" },
    { "log(redis://h)", "shop col 5: log.source is a server" },
    { "cache(memory://, redis://h)", "shop col 18: cache.source is a server" },
    { "cache(redis://other, " REDIS ")", NULL },
    { "failover{journal=/j}(redis://h, file:///s)", NULL },

    { "resilient(redis://u:sesame@h)",
      "shop col 11: the password of resilient.source stands in its URL" },
    { "resilient(redis://u@h)", NULL },

    { "resilient{timeout=off}(file:///s)",
      "shop col 1: resilient tries again and has no timeout" },
    { "resilient{preset=none; retry.attempts=2}(file:///s)",
      "shop col 1: resilient tries again and has no timeout" },
    { "resilient{timeout=off; retry.attempts=1}(file:///s)", NULL },
    { "resilient{preset=none}(file:///s)", NULL },

    { "resilient(log(" REDIS "))",
      "shop col 15: resilient.source.source tries again, and so does resilient" },
    { "resilient{retry.attempts=1}(" REDIS ")", NULL },
    { "resilient(resilient{retry.attempts=1}(redis://h))", NULL },

    { "cache{ttl=1m}(memory://, cache{ttl=2m}(memory://, file:///s))",
      "shop col 26: cache.source keeps items for 2m: after its 60s cache asks" },
    { "cache{ttl=1m}(memory://, cache{ttl=1m}(memory://, file:///s))", NULL },
    { "cache{ttl=1m}(cache{ttl=2m}(memory://, memory://), file:///s)", NULL },

    { "hedge(" REDIS ", " REDIS ")", NULL },
    { "hedge(file:///a, memory://)", NULL },
    { "hedge(redis://h)", "shop col 7: hedge.source is a server" },
    { "hedge(memory://, " REDIS ")",
      "shop col 7: hedge.source is the process's own memory: it has no slow reads" },
    { "hedge{retry.attempts=2}(" REDIS ")",
      "shop col 25: hedge.source tries again, and so does hedge" },
    { "hedge{timeout=1s}(resilient{timeout=2s}(redis://h))",
      "shop col 19: hedge.source has timeout=2s, and hedge leaves it 1s" },
    { "failover{journal=/j}(file:///a, hedge(memory://))",
      "shop col 39: failover.standby.source is the process's own memory" },

    { "cache(memory://, memory://)",
      "shop col 18: cache.source forgets, and cache has no other copy" },
    { "failover{journal=/j}(resilient(memcached://h), file:///s)",
      "shop col 32: failover.primary.source forgets, and failover has no" },
    { "failover(file:///s, memory://)", NULL },
    { "failover(file:///s, log(file:///t))",
      "shop col 1: failover has no journal: after a restart nobody carries back what "
      "failover.standby has taken" },
    { "failover(file:///s, readonly(file:///t))", NULL },
    { "failover(file:///s, memory://, readonly{on=off}(file:///t))",
      "shop col 1: failover has no journal" },

    { "failover{journal=/j}(" REDIS ", log(redis://h))",
      "shop col 48: failover.primary.source and failover.standby.source are in one" },
    { "failover{journal=/j}(file:///s, file:///s?sync=data)",
      "shop col 33: failover.primary and failover.standby are in one place" },
    { "failover{journal=/j}(memory://?max=1m, file:///s)",
      "shop col 22: failover.primary forgets" },
    { "failover{journal=/j}(" REDIS ", redis://h/1)", NULL },
    { "cache(redis://h, resilient(redis://h))",
      "shop col 1: cache.cache and cache.source.source are one store" },
    { "cache(redis://h?prefix=c, resilient(redis://h?prefix=s))", NULL },
    { "cache(file:///s, readonly(file:///s))",
      "shop col 1: cache.cache and cache.source.source are one store" },

    { "failover{journal=/j; timeout=1s}(resilient{timeout=2s}(redis://h), file:///s)",
      "shop col 34: failover.primary has timeout=2s, and failover leaves it 1s" },
    { "resilient{timeout=1s}(failover{journal=/j; timeout=1s}(file:///a, file:///b))",
      "shop col 23: resilient.source has timeout=1s, and resilient leaves it 1s: no" },
    { "resilient{timeout=1s}(failover{journal=/j; timeout=500ms}(file:///a, "
      "file:///b))",
      NULL },
    { "cache{timeout=10ms}(resilient{timeout=1s}(redis://h), file:///s)",
      "shop col 21: cache.cache has timeout=1s, and cache leaves it 10ms" },
    { "cache{timeout=10ms}(memory://, resilient{timeout=1s}(redis://h))", NULL },

    { "cache{revalidate=stale}(memory://, file:///s)",
      "shop col 1: cache: revalidate=stale without stale" },
    { "cache{revalidate=stale; stale=1m}(memory://, file:///s)", NULL },
    { "failover{journal=/j; tries=1}(file:///a, file:///b)",
      "shop col 1: failover: tries=1" },
    { "fault{p=0}(file:///s)", "shop col 1: fault: p=0" },
    { "resilient{set_retry=off; lost_update_window=1s}(file:///s)",
      "shop col 1: resilient: lost_update_window with set_retry=off" },
};

START_TEST(what_is_doubtful_is_told_and_nothing_else)
{
    check(NULL, doubts[_i].spec);
    if (doubts[_i].said)
        ck_assert_msg(strstr(warning(0), doubts[_i].said) == warning(0), "%s: \"%s\"",
                      doubts[_i].spec, warning(0));
    ck_assert_msg(!*warning(doubts[_i].said ? 1 : 0), "%s: \"%s\"", doubts[_i].spec,
                  warning(doubts[_i].said ? 1 : 0));
    ck_assert_uint_eq(keel_config_mistakes(config), 0);
    end();
}
END_TEST

/* ---- what is wrong ------------------------------------------------------------------- */

static const struct {
    const char *spec;
    const char *said;
} mistakes[] = {
    { NULL, "shop: KEEL_BAG_SHOP is not set, and there is no spec in code" },
    { "memry://", "shop col 1: there is no store \"memry\"; did you mean \"memory\"?" },
    { "cache(memory://)", "shop col 1: cache is made of 2: cache|source" },
    { "log(file:///nowhere/at/all?snc=full)",
      "shop col 28: there is no option \"snc\"" },
    { "$OTHER", "KEEL_BAG_OTHER col 9: expected \",\" or \")\"" },
    { "resilient{timeot=1s}(file:///s)",
      "shop col 11: there is no option \"timeot\"; did you mean \"timeout\"?" },
    { "hedge{dela=1s}(file:///s)",
      "shop col 7: there is no option \"dela\"; did you mean \"delay\"?" },
    { "hedge{delay=soon}(file:///s)",
      "shop col 1: hedge: delay is a time, or a quantile as p95 or p95@50ms, not "
      "\"soon\"" },
    { "hedge(sorce=file:///s)",
      "shop col 7: expected the role \"source\" (hedge is made of source|*), not "
      "\"sorce\"; did you mean \"source\"?" },
    { "resilient{name=Shop}(file:///s)", "shop col 1: \"Shop\" is no name" },
};

START_TEST(what_is_wrong_is_told_without_opening_anything)
{
    static const char *const environment[] = { "KEEL_BAG_OTHER=log(x://", NULL };

    check(environment, mistakes[_i].spec);
    ck_assert_uint_ge(keel_config_mistakes(config), 1);
    ck_assert_msg(strstr(warning(0), mistakes[_i].said) == warning(0), "\"%s\"",
                  warning(0));
    end();
}
END_TEST

/* Each way in doubles the parts. */
START_TEST(references_do_not_multiply_for_ever)
{
    static const char *const environment[] = {
        "KEEL_BAG_A=failover(primary=$B,standby=$B,c=$B,d=$B,e=$B,f=$B)",
        "KEEL_BAG_B=failover(primary=$C,standby=$C,c=$C,d=$C,e=$C,f=$C)",
        "KEEL_BAG_C=failover(primary=$D,standby=$D,c=$D,d=$D,e=$D,f=$D)",
        "KEEL_BAG_D=failover(primary=$E,standby=$E,c=$E,d=$E,e=$E,f=$E)",
        "KEEL_BAG_E=memory://",
        NULL
    };

    check(environment, "$A");
    ck_assert_msg(strstr(warning(0), "a bag has 1024 parts at most") != NULL, "%s",
                  warning(0));
    end();
}
END_TEST

/* The same at opening, where a doubt never is a refusal. */
START_TEST(doubts_are_warnings_of_an_opening_even_where_it_is_strict)
{
    static const char *const environment[] = {
        "KEEL_STRICT=on", "KEEL_BAG_SHOP=cache(memory://, memory://)", NULL
    };
    keel_bag *bag;
    char text[KEEL_WARNING_SIZE] = "";
    opened o;

    opened_init(&o, OPENED_VIRTUAL, environment, NULL);
    ck_assert_int_eq(keel_bag_open(&bag, o.rt, "shop", NULL, &why), KEEL_OK);
    ck_assert(keel_runtime_warning(o.rt, 0, text, sizeof text));
    ck_assert_msg(strstr(text, "KEEL_BAG_SHOP col 18: cache.source forgets") == text,
                  "%s", text);
    keel_bag_close(bag);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_check_survives_each_allocation_that_fails)
{
    failing_allocator memory;

    check(NULL, "memory://");
    failing_allocator_init(&memory, 0);
    for (long n = 1; n == 1 || memory.failed; n++) {
        memory.failed = false;
        memory.fail_at = memory.calls + n;
        ck_assert_int_eq(keel_bag_check(config, &memory.allocator, "shop",
                                        "cache(memory://?max=1m, " REDIS ")", &why),
                         memory.failed ? KEEL_E_NOMEM : KEEL_OK);
        ck_assert_int_eq(memory.live, 0);
    }
    end();
}
END_TEST

SUITE("bag/lint", 30, ROWS(what_is_doubtful_is_told_and_nothing_else, doubts),
      ROWS(what_is_wrong_is_told_without_opening_anything, mistakes),
      ONE(references_do_not_multiply_for_ever),
      ONE(doubts_are_warnings_of_an_opening_even_where_it_is_strict),
      ONE(a_check_survives_each_allocation_that_fails))
