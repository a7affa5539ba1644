/* SPDX-License-Identifier: MIT */
/*
 * The service's own health: what its checks and pipelines come to, as JSON to the byte,
 * and what a service manager is told on a real socket.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "call/health.h"
#include "support/latch.h"
#include "support/opened.h"
#include "support/suite.h"
#include "support/without.h"

#define BREAKER                                                                        \
    "none; breaker=on; breaker.min_calls=2; breaker.open=10s; breaker.open_jitter=0;"  \
    "breaker.half_open_permits=2"
#define RAMP BREAKER "; breaker.ramp_up=10s"

static opened o;
static char text[1024];
static keel_health_report report;

static void set_up(void)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, BREAKER);
}

static void tear_down(void)
{
    opened_cleanup(&o);
}

/* A check that says what its test wants, and counts how often it was asked. */
typedef struct scripted {
    keel_health_state state;
    const char *says;
    int runs;
} scripted;

static keel_health_state say(char *to, size_t size, void *ctx)
{
    scripted *s = ctx;

    s->runs++;
    snprintf(to, size, "%s", s->says);
    return s->state;
}

static void add(const char *name, scripted *s, const keel_health_options *options)
{
    keel_detail why = KEEL_DETAIL_INIT;

    ck_assert_msg(keel_health_add(o.rt, name, say, s, options, &why) == KEEL_OK, "%s",
                  why.text);
}

static const keel_health_options critical = { .size = sizeof critical,
                                              .critical = true };
static const keel_health_watch_options watched_critical = { .size =
                                                                sizeof watched_critical,
                                                            .critical = true };

static keel_health_state ask(void)
{
    report = (keel_health_report){ .size = sizeof report };
    ck_assert_int_eq(keel_health_ready(o.rt, text, sizeof text, &report), KEEL_OK);
    ck_assert_uint_eq(report.length, strlen(text));
    return report.state;
}

/* The instants of the wall clock, which is no test's to know. */
static void blank_times(void)
{
    for (char *at = text; (at = strstr(at, "\"time\":\"")); at++)
        memset(at + 8, '0', strlen("2026-11-21T03:15:02Z"));
}

/* ---- JSON --------------------------------------------------------------------------- */

START_TEST(nothing_was_added_and_all_is_well)
{
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS);
    ck_assert_str_eq(text, "{\"checks\":{},\"status\":\"pass\"}");
    ck_assert_int_eq(report.http_status, 200);
}
END_TEST

START_TEST(checks_and_pipelines_are_rendered_to_the_byte)
{
    scripted disk = { KEEL_HEALTH_WARN, "90% \"full\"\n", 0 };
    scripted queue = { KEEL_HEALTH_PASS, "ignored where it is well", 0 };

    add("disk", &disk, NULL);
    add("queue", &queue, &critical);
    ck_assert_int_eq(keel_health_watch(o.pipeline, &watched_critical, NULL), KEEL_OK);
    opened_calls(&o, KEEL_FAILED, 2);
    ck_assert_int_eq(ask(), KEEL_HEALTH_FAIL);
    ck_assert_int_eq(report.http_status, 503);
    blank_times();
    ck_assert_str_eq(
        text, "{\"checks\":{"
              "\"disk\":[{\"componentType\":\"component\",\"status\":\"warn\","
              "\"time\":\"00000000000000000000\",\"output\":\"90% \\\"full\\\"?\"}],"
              "\"queue\":[{\"componentType\":\"component\",\"status\":\"pass\","
              "\"time\":\"00000000000000000000\"}],"
              "\"payments:breaker\":[{\"componentType\":\"component\","
              "\"observedValue\":\"open\",\"status\":\"fail\","
              "\"time\":\"00000000000000000000\",\"output\":\"calls are refused\"}]"
              "},\"status\":\"fail\"}");
}
END_TEST

/* Whatever a check writes, and however small the buffer: a reader can read it. */
START_TEST(every_size_is_whole_json_and_counts_all_checks)
{
    scripted odd = { KEEL_HEALTH_FAIL, "\x01\xff\"\\\xe2\x82\xac\xe2\x82", 0 };
    char name[16];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "check-%d", i);
        add(name, &odd, i == 4 ? &critical : NULL);
    }
    for (size_t size = 128; size <= sizeof text; size++) {
        json_error_t error;
        json_t *root;

        memset(text, '#', sizeof text);
        report = (keel_health_report){ .size = sizeof report };
        ck_assert_int_eq(keel_health_ready(o.rt, text, size, &report), KEEL_OK);
        ck_assert_int_eq(report.state, KEEL_HEALTH_FAIL);
        ck_assert_uint_lt(report.length, size);
        root = json_loads(text, 0, &error);
        ck_assert_msg(root != NULL, "%zu: %s: %s", size, error.text, text);
        ck_assert(json_object_size(json_object_get(root, "checks")) == 5 ||
                  json_array_size(json_object_get(root, "notes")) == 1);
        json_decref(root);
    }
    ck_assert_int_eq(keel_health_ready(o.rt, text, 127, NULL), KEEL_E_LIMIT);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(keel_health_ready(o.rt, NULL, 0, &report), KEEL_OK);
    ck_assert_int_eq(report.state, KEEL_HEALTH_FAIL);
}
END_TEST

START_TEST(to_live_needs_no_dependency)
{
    scripted dead = { KEEL_HEALTH_FAIL, "gone", 0 };

    add("database", &dead, &critical);
    opened_calls(&o, KEEL_FAILED, 2);
    keel_health_watch(o.pipeline, &watched_critical, NULL);
    report = (keel_health_report){ .size = sizeof report };
    ck_assert_int_eq(keel_health_live(o.rt, text, sizeof text, &report), KEEL_OK);
    ck_assert_str_eq(text, "{\"status\":\"pass\"}");
    ck_assert_int_eq(report.http_status, 200);
    ck_assert_int_eq(dead.runs, 0);
}
END_TEST

/* ---- pipelines ---------------------------------------------------------------------- */

static void trip(void)
{
    opened_calls(&o, KEEL_FAILED, 2);
}

static void lock_open(void)
{
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0);
}

static void trip_and_lock_closed(void)
{
    trip();
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0);
}

static void trip_and_wait(void)
{
    trip();
    vclock_advance(&o.clock, 10 * KEEL_S);
}

static void trip_and_probe(void)
{
    trip_and_wait();
    opened_calls(&o, KEEL_OK, 1);
}

static void trip_and_recover(void)
{
    trip_and_wait();
    opened_calls(&o, KEEL_OK, 2);
}

static void nothing(void)
{
}

static void ramp(void)
{
    opened_cleanup(&o);
    opened_init(&o, OPENED_VIRTUAL, NULL, RAMP);
    trip_and_recover();
    vclock_advance(&o.clock, 10 * KEEL_S - 1);
}

static void ramp_and_lock_closed(void)
{
    ramp();
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0);
}

static void ramp_to_its_end(void)
{
    ramp();
    vclock_advance(&o.clock, 1); /* no call has come to see it */
}

static void one_endpoint_is_ill(void)
{
    opened_cleanup(&o);
    opened_init(&o, OPENED_VIRTUAL, NULL, BREAKER "; endpoints=a:1, b:1");
    keel_pipeline_say_health(o.pipeline, "a:1", false);
}

static void all_endpoints_are_ill(void)
{
    one_endpoint_is_ill();
    keel_pipeline_say_health(o.pipeline, "b:1", false);
}

static const struct {
    const char *why;
    void (*happens)(void);
    keel_health_state as_critical;
    keel_health_state otherwise;
} turns[] = {
    { "closed", nothing, KEEL_HEALTH_PASS, KEEL_HEALTH_PASS },
    { "open", trip, KEEL_HEALTH_FAIL, KEEL_HEALTH_WARN },
    { "locked open", lock_open, KEEL_HEALTH_FAIL, KEEL_HEALTH_WARN },
    { "an operator lets all through", trip_and_lock_closed, KEEL_HEALTH_PASS,
      KEEL_HEALTH_PASS },
    { "without requests no probe would ever be sent", trip_and_wait, KEEL_HEALTH_WARN,
      KEEL_HEALTH_WARN },
    { "half-open", trip_and_probe, KEEL_HEALTH_WARN, KEEL_HEALTH_WARN },
    { "closed again", trip_and_recover, KEEL_HEALTH_PASS, KEEL_HEALTH_PASS },
    { "but calls are still refused", ramp, KEEL_HEALTH_WARN, KEEL_HEALTH_WARN },
    { "which an operator ends", ramp_and_lock_closed, KEEL_HEALTH_PASS,
      KEEL_HEALTH_PASS },
    { "or the time", ramp_to_its_end, KEEL_HEALTH_PASS, KEEL_HEALTH_PASS },
    { "one endpoint is ill", one_endpoint_is_ill, KEEL_HEALTH_PASS, KEEL_HEALTH_PASS },
    { "all are", all_endpoints_are_ill, KEEL_HEALTH_WARN, KEEL_HEALTH_WARN },
};

START_TEST(a_watched_breaker_counts_as_the_author_says)
{
    turns[_i].happens();
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS); /* nobody asked for it to count */
    ck_assert_int_eq(keel_health_watch(o.pipeline, NULL, NULL), KEEL_OK);
    ck_assert_msg(ask() == turns[_i].otherwise, "%s: %s", turns[_i].why, text);
    ck_assert_int_eq(keel_health_watch(o.pipeline, &watched_critical, NULL), KEEL_OK);
    ck_assert_msg(ask() == turns[_i].as_critical, "%s: %s", turns[_i].why, text);
    ck_assert_int_eq(keel_health_unwatch(o.pipeline), KEEL_OK);
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS);
}
END_TEST

START_TEST(a_closed_pipeline_counts_no_more_until_it_is_opened_anew)
{
    keel_pipeline *other;

    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "search", BREAKER, NULL),
                     KEEL_OK);
    keel_health_watch(other, &watched_critical, NULL);
    keel_pipeline_lock(other, KEEL_LOCK_OPEN, 0);
    ck_assert_int_eq(ask(), KEEL_HEALTH_FAIL);
    keel_pipeline_close(other);
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS);
    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "search", BREAKER, NULL),
                     KEEL_OK);
    ck_assert_int_eq(ask(), KEEL_HEALTH_FAIL);
    keel_pipeline_close(other);
}
END_TEST

/* ---- checks ------------------------------------------------------------------------- */

START_TEST(a_result_is_kept_for_its_time)
{
    const keel_health_options slow = { .size = sizeof slow, .cache_ns = 5 * KEEL_S };
    scripted s = { KEEL_HEALTH_PASS, "", 0 };

    add("disk", &s, &slow);
    ask();
    ask();
    vclock_advance(&o.clock, 5 * KEEL_S - 1);
    ask();
    ck_assert_int_eq(s.runs, 1);
    vclock_advance(&o.clock, 1);
    ask();
    ck_assert_int_eq(s.runs, 2);
}
END_TEST

START_TEST(a_failure_that_is_not_critical_is_a_warning)
{
    scripted s = { KEEL_HEALTH_FAIL, "no", 0 };

    add("cache", &s, NULL);
    ck_assert_int_eq(ask(), KEEL_HEALTH_WARN);
    ck_assert_int_eq(report.http_status, 200);
    ck_assert_ptr_nonnull(strstr(text, "\"status\":\"fail\"")); /* its own */
    add("main", &s, &critical);
    ck_assert_int_eq(ask(), KEEL_HEALTH_FAIL);
}
END_TEST

START_TEST(a_state_that_is_none_is_a_failure)
{
    scripted s = { (keel_health_state)77, "", 0 };

    add("disk", &s, &critical);
    ck_assert_int_eq(ask(), KEEL_HEALTH_FAIL);
}
END_TEST

static const struct {
    const char *why;
    const char *name;
    keel_status status;
} names[] = {
    { "like a pipeline's", "disk-space.main", KEEL_OK },
    { "a colon parts a name from what was measured", "disk:main", KEEL_E_CONFIG },
    { "none at all", "", KEEL_E_CONFIG },
    { "it is taken", "taken", KEEL_E_CONFIG },
    { "a pipeline of that name is another thing", "payments", KEEL_OK },
};

START_TEST(a_check_has_a_name_of_its_own)
{
    scripted s = { KEEL_HEALTH_PASS, "", 0 };

    add("taken", &s, NULL);
    keel_health_watch(o.pipeline, NULL, NULL);
    ck_assert_msg(keel_health_add(o.rt, names[_i].name, say, &s, NULL, NULL) ==
                      names[_i].status,
                  "%s", names[_i].why);
    ck_assert_int_eq(keel_health_remove(o.rt, "taken"), KEEL_OK);
    ck_assert_int_eq(keel_health_remove(o.rt, "taken"), KEEL_E_STATE);
}
END_TEST

/* A check that hangs until its test lets it go. */
static latch in = LATCH_INIT, out = LATCH_INIT;
static _Atomic int hangs;

#define E10                                                                            \
    "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9" /* 20 bytes */

static keel_health_state hang(char *to, size_t size, void *ctx)
{
    (void)ctx;
    snprintf(to, size, "answer %d " E10 E10 E10 E10, ++hangs);
    latch_hit(&in);
    latch_await(&out, (unsigned)hangs);
    return KEEL_HEALTH_PASS;
}

static bool is_json(const char *what)
{
    json_t *root = json_loads(what, 0, NULL);
    bool is = root != NULL;

    json_decref(root);
    return is;
}

static void *ask_from_a_thread(void *ctx)
{
    (void)ctx;
    keel_health_ready(o.rt, NULL, 0, NULL);
    return NULL;
}

START_TEST(a_check_that_hangs_keeps_nobody_else_waiting)
{
    pthread_t thread;

    ck_assert_int_eq(keel_health_add(o.rt, "db", hang, NULL, &critical, NULL), KEEL_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_from_a_thread, NULL), 0);
    latch_await(&in, 1);
    ck_assert_int_eq(ask(), KEEL_HEALTH_FAIL); /* nobody knows yet */
    ck_assert_int_eq(keel_health_remove(o.rt, "db"), KEEL_E_BUSY);
    latch_hit(&out);
    pthread_join(thread, NULL);
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS);

    vclock_advance(&o.clock, KEEL_S); /* it is asked again */
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_from_a_thread, NULL), 0);
    latch_await(&in, 2);
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS); /* what it said last, for its timeout */
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_int_eq(ask(), KEEL_HEALTH_WARN);
    ck_assert_ptr_nonnull(strstr(text, "no answer for 1s"));
    ck_assert_ptr_nonnull(strstr(text, "before: answer 1 \u00e9"));
    ck_assert_msg(is_json(text), "%s", text); /* no character was cut in two */
    ck_assert_int_eq(hangs, 2);               /* never two at once */
    latch_hit(&out);
    pthread_join(thread, NULL);
    ck_assert_int_eq(ask(), KEEL_HEALTH_PASS);
    ck_assert_int_eq(keel_health_remove(o.rt, "db"), KEEL_OK);
}
END_TEST

/* ---- a service manager -------------------------------------------------------------- */

static int manager; /* its socket */
static char variable[160];

/* Listens there, and opens a runtime that was told so. */
static void open_with_manager(bool is_abstract)
{
    static const char *environment[] = { variable, NULL };
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int length = snprintf(at.sun_path, sizeof at.sun_path, "%skeel-test-%d",
                          is_abstract ? "@" : "/tmp/", (int)getpid());

    snprintf(variable, sizeof variable, "NOTIFY_SOCKET=%s", at.sun_path);
    if (is_abstract)
        at.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(
        bind(manager, (struct sockaddr *)&at,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
        0);
    opened_cleanup(&o);
    opened_init(&o, OPENED_VIRTUAL, environment, BREAKER);
}

static void close_manager(void)
{
    close(manager);
    if (strchr(variable, '/'))
        unlink(strchr(variable, '/'));
}

static void expect_told(keel_notice_kind kind, const char *message)
{
    char told[512] = "";

    ck_assert_int_eq(keel_health_notify(o.rt, kind), KEEL_OK);
    ck_assert_int_gt(recv(manager, told, sizeof told - 1, 0), 0);
    ck_assert_str_eq(told, message);
}

static const bool are_abstract[] = { false, true };

START_TEST(a_manager_is_told_what_it_knows_how_to_read)
{
    keel_pipeline *other;
    char told[512] = "", status[32] = "";
    unsigned long long usec = 0;

    open_with_manager(are_abstract[_i]);
    expect_told(KEEL_NOTIFY_READY, "READY=1\nSTATUS=0 of 1 open\n");
    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "search", BREAKER, NULL),
                     KEEL_OK);
    keel_pipeline_lock(other, KEEL_LOCK_OPEN, 0);
    expect_told(KEEL_NOTIFY_STATUS, "STATUS=1 of 2 open: search\n");
    opened_calls(&o, KEEL_FAILED, 2);
    expect_told(KEEL_NOTIFY_STOPPING,
                "STOPPING=1\nSTATUS=2 of 2 open: payments, search\n");
    keel_pipeline_close(other);
    expect_told(KEEL_NOTIFY_STATUS, "STATUS=1 of 1 open: payments\n");
    expect_told(KEEL_NOTIFY_WATCHDOG, "WATCHDOG=1\n");
    ck_assert_int_eq(keel_health_notify(o.rt, KEEL_NOTIFY_RELOADING), KEEL_OK);
    ck_assert_int_gt(recv(manager, told, sizeof told - 1, 0), 0);
    ck_assert_int_eq(sscanf(told, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=%31[^\n]",
                            &usec, status),
                     2);
    ck_assert_uint_le(usec * 1000, keel_clock_real_now());
    ck_assert_uint_gt(usec * 1000, keel_clock_real_now() - 60 * KEEL_S);
    close_manager();
}
END_TEST

START_TEST(so_many_names_that_they_do_not_fit_are_counted)
{
    keel_pipeline *others[60];
    char told[512] = "", name[32];

    open_with_manager(false);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "dependency-number-%d", i);
        ck_assert_int_eq(keel_pipeline_open(&others[i], o.rt, name, BREAKER, NULL),
                         KEEL_OK);
        keel_pipeline_lock(others[i], KEEL_LOCK_OPEN, 0);
    }
    ck_assert_int_eq(keel_health_notify(o.rt, KEEL_NOTIFY_STATUS), KEEL_OK);
    ck_assert_int_gt(recv(manager, told, sizeof told - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(told, "STATUS=60 of 61 open: dependency-number-0, "));
    ck_assert_ptr_nonnull(strstr(told, " and "));
    ck_assert_ptr_nonnull(strstr(told, " more\n"));
    for (int i = 0; i < 60; i++)
        keel_pipeline_close(others[i]);
    close_manager();
}
END_TEST

START_TEST(a_manager_that_does_not_read_is_not_waited_for)
{
    keel_status status = KEEL_OK;

    open_with_manager(false);
    for (int i = 0; i < 100000 && status == KEEL_OK; i++)
        status = keel_health_notify(o.rt, KEEL_NOTIFY_WATCHDOG);
    ck_assert_int_eq(status, KEEL_FAILED);
    close_manager();
    errno = 7;
    ck_assert_int_eq(keel_health_notify(o.rt, KEEL_NOTIFY_STATUS), KEEL_FAILED);
    ck_assert_int_eq(errno, 7);
}
END_TEST

START_TEST(nobody_is_told_who_did_not_ask)
{
    ck_assert_int_eq(keel_health_notify(o.rt, KEEL_NOTIFY_READY), KEEL_E_STATE);
    ck_assert_int_eq(keel_health_notify(o.rt, (keel_notice_kind)5), KEEL_E_ARGUMENT);
}
END_TEST

/* ---- what must be there ------------------------------------------------------------- */

START_TEST(null_and_no_size_are_refused)
{
    keel_detail why = KEEL_DETAIL_INIT;
    const keel_health_options no_size = { .size = 0 };
    const keel_health_watch_options no_watch_size = { .size = 0 };
    keel_health_report no_report_size = { .size = 0 };

    WITHOUT(keel_health_add, runtime,
            keel_health_add(NULL, "a", say, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_add, name,
            keel_health_add(o.rt, NULL, say, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_add, fn,
            keel_health_add(o.rt, "a", NULL, NULL, NULL, &why) == KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_health_add(o.rt, "a", say, NULL, &no_size, NULL),
                     KEEL_E_ARGUMENT);
    WITHOUT(keel_health_remove, runtime,
            keel_health_remove(NULL, "a") == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_remove, name,
            keel_health_remove(o.rt, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_watch, pipeline,
            keel_health_watch(NULL, NULL, &why) == KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_health_watch(o.pipeline, &no_watch_size, NULL),
                     KEEL_E_ARGUMENT);
    WITHOUT(keel_health_unwatch, pipeline,
            keel_health_unwatch(NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_check, pipeline,
            keel_health_check(NULL, say, NULL, &why) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_check, fn,
            keel_health_check(o.pipeline, NULL, NULL, &why) == KEEL_OK);
    WITHOUT(keel_health_ready, runtime,
            keel_health_ready(NULL, text, sizeof text, &report) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_ready, json,
            keel_health_ready(o.rt, NULL, 1, &report) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_ready, report,
            keel_health_ready(o.rt, text, sizeof text, NULL) == KEEL_OK);
    ck_assert_int_eq(keel_health_ready(o.rt, text, sizeof text, &no_report_size),
                     KEEL_E_ARGUMENT);
    WITHOUT(keel_health_live, runtime,
            keel_health_live(NULL, text, sizeof text, &report) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_live, json,
            keel_health_live(o.rt, NULL, 1, &report) == KEEL_E_ARGUMENT);
    WITHOUT(keel_health_live, report,
            keel_health_live(o.rt, text, sizeof text, NULL) == KEEL_OK);
    WITHOUT(keel_health_notify, runtime,
            keel_health_notify(NULL, KEEL_NOTIFY_READY) == KEEL_E_ARGUMENT);
}
END_TEST

START_TEST(other_pointers_may_be_missing)
{
    scripted s = { KEEL_HEALTH_PASS, "", 0 };

    add("b", &s, NULL);
    WITHOUT(keel_health_add, ctx,
            keel_health_add(o.rt, "c", hang, NULL, NULL, NULL) == KEEL_OK);
    WITHOUT(keel_health_add, options,
            keel_health_add(o.rt, "d", say, &s, NULL, NULL) == KEEL_OK);
    WITHOUT(keel_health_add, why,
            keel_health_add(o.rt, "e", say, &s, NULL, NULL) == KEEL_OK);
    WITHOUT(keel_health_watch, options,
            keel_health_watch(o.pipeline, NULL, NULL) == KEEL_OK);
    WITHOUT(keel_health_watch, why,
            keel_health_watch(o.pipeline, &watched_critical, NULL) == KEEL_OK);
    WITHOUT(keel_health_check, ctx,
            keel_health_check(o.pipeline, NULL, NULL, NULL) == KEEL_OK);
    WITHOUT(keel_health_check, why,
            keel_health_check(o.pipeline, NULL, NULL, NULL) == KEEL_OK);
}
END_TEST

SUITE_IN("report", 20, set_up, tear_down, ONE(nothing_was_added_and_all_is_well),
         ONE(checks_and_pipelines_are_rendered_to_the_byte),
         ONE(every_size_is_whole_json_and_counts_all_checks),
         ONE(to_live_needs_no_dependency),
         ROWS(a_watched_breaker_counts_as_the_author_says, turns),
         ONE(a_closed_pipeline_counts_no_more_until_it_is_opened_anew),
         ONE(a_result_is_kept_for_its_time),
         ONE(a_failure_that_is_not_critical_is_a_warning),
         ONE(a_state_that_is_none_is_a_failure),
         ROWS(a_check_has_a_name_of_its_own, names),
         ONE(a_check_that_hangs_keeps_nobody_else_waiting),
         ROWS(a_manager_is_told_what_it_knows_how_to_read, are_abstract),
         ONE(so_many_names_that_they_do_not_fit_are_counted),
         ONE(a_manager_that_does_not_read_is_not_waited_for),
         ONE(nobody_is_told_who_did_not_ask), ONE(null_and_no_size_are_refused),
         ONE(other_pointers_may_be_missing))
