/* SPDX-License-Identifier: MIT */
/* New settings for pipelines that are at work: what follows them, what stays. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call/pipeline.h"
#include "board/board.h"
#include "support/opened.h"
#include "support/suite.h"

static opened o;
static char path[64];
static char variable[128];
static const char *environment[4];

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* Every test is a process of its own, which its number names. */
static void setup_in(opened_clock clock, const char *file, const char *settings,
                     const char *more)
{
    snprintf(path, sizeof path, "t_reload.%d.conf", (int)getpid());
    snprintf(variable, sizeof variable, "KEEL_CONFIG_FILE=%s", path);
    environment[0] = variable;
    environment[1] = more;
    write_file(file);
    opened_init(&o, clock, environment, settings);
}

static void setup(const char *file, const char *settings)
{
    setup_in(OPENED_VIRTUAL, file, settings, NULL);
}

static void teardown(void)
{
    unlink(path);
    opened_cleanup(&o);
}

static void reload(const char *file)
{
    write_file(file);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
}

START_TEST(calls_under_way_keep_the_settings_they_began_with)
{
    keel_call call;

    setup("payments = timeout=1s", NULL);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    reload("payments = timeout=300ms; breaker=off; bulkhead=off");
    ck_assert_uint_eq(keel_call_timeout_ns(&call), KEEL_S);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 300 * KEEL_MS);
    vclock_advance(&o.clock, 500 * KEEL_MS);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    teardown();
}
END_TEST

START_TEST(state_window_and_lock_are_kept)
{
    keel_pipeline_stats before, after;

    setup("payments = timeout=1s", "breaker.min_calls=4; retry.attempts=1");
    opened_calls(&o, KEEL_FAILED, 3);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OBSERVE, 0), KEEL_OK);
    before = opened_look(&o);
    reload("payments = timeout=2s; breaker.open=1s");
    after = opened_look(&o);
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_int_eq(keel_pipeline_unlock(o.pipeline), KEEL_OK);
    opened_calls(&o, KEEL_FAILED, 1); /* the fourth, counted with the first three */
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    reload("payments = timeout=3s");
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    teardown();
}
END_TEST

START_TEST(old_settings_are_given_back_when_the_last_call_with_them_has_ended)
{
    keel_call call;
    long rest;

    setup("", NULL);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    rest = o.memory.live;
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_eq(o.memory.live, rest); /* nobody was under way */
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_gt(o.memory.live, rest);
    keel_call_end(&call, NULL);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_eq(o.memory.live, rest);
    teardown();
}
END_TEST

START_TEST(a_permit_holds_its_settings_too)
{
    keel_permit permit;
    long rest;

    setup("", NULL);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    rest = o.memory.live;
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_gt(o.memory.live, rest);
    keel_permit_end(&permit, KEEL_FAILED);
    ck_assert_uint_eq(opened_look(&o).failures, 1);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_eq(o.memory.live, rest);
    teardown();
}
END_TEST

/* ---- overrides ------------------------------------------------------------------- */

static keel_status note_timeout(const keel_attempt *attempt, keel_outcome *outcome,
                                void *ctx)
{
    (void)outcome;
    *(uint64_t *)ctx = attempt->timeout_ns;
    return KEEL_OK;
}

static uint64_t timeout_of_run(void)
{
    uint64_t timeout = 0;

    ck_assert_int_eq(keel_run(o.pipeline, note_timeout, &timeout, NULL, NULL), KEEL_OK);
    return timeout;
}

static void use_call(void)
{
    opened_calls(&o, KEEL_OK, 1);
}

static void use_run(void)
{
    timeout_of_run();
}

static void use_permit(void)
{
    keel_permit permit;

    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
}

static void (*const uses[])(void) = { use_call, use_run, use_permit };

/* Each asks in its own way whether the override holds: 100 ms, one place. */

static bool a_call_is_overridden(void)
{
    return opened_timeout(o.pipeline) == 100 * KEEL_MS;
}

static bool a_run_is_overridden(void)
{
    return timeout_of_run() == 100 * KEEL_MS;
}

static bool a_permit_is_overridden(void)
{
    keel_permit permit;

    if (keel_permit_take(o.pipeline, &permit, NULL) == KEEL_REJECTED_BULKHEAD_FULL)
        return true;
    keel_permit_end(&permit, KEEL_OK);
    return false;
}

static const struct {
    bool (*is_overridden)(void);
    const char *settings;
} asked[] = {
    { a_call_is_overridden, "timeout=1s" },
    { a_run_is_overridden, "timeout=1s" },
    { a_permit_is_overridden, "timeout=1s" },
    /* a breaker alone has quick ways of its own */
    { a_call_is_overridden, "none; breaker=on; timeout=1s" },
    { a_run_is_overridden, "none; breaker=on; timeout=1s" },
    { a_permit_is_overridden, "none; breaker=on; timeout=1s" },
};

START_TEST(an_override_holds_above_all_and_not_a_moment_longer_whoever_comes)
{
    keel_permit holder;

    setup("payments = deadline=1m", asked[_i].settings);
    ck_assert(!asked[_i].is_overridden());
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=100ms; bulkhead=1",
                                            500 * KEEL_MS, NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    ck_assert(a_permit_is_overridden());
    keel_permit_end(&holder, KEEL_OK);
    reload("payments = deadline=2m"); /* it stays above a new file */
    ck_assert(a_call_is_overridden());
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    vclock_advance(&o.clock, 500 * KEEL_MS - 1);
    ck_assert(a_permit_is_overridden());
    vclock_advance(&o.clock, 1);
    ck_assert(!asked[_i].is_overridden());
    keel_permit_end(&holder, KEEL_OK);
    teardown();
}
END_TEST

static const char *const nothing[] = { NULL, "" };

START_TEST(an_override_is_lifted_by_one_that_says_nothing)
{
    setup("", "timeout=1s");
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "timeout=100ms", KEEL_NEVER, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=200ms", KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 200 * KEEL_MS);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, nothing[_i], 0, NULL), KEEL_OK);
    ck_assert_uint_eq(opened_timeout(o.pipeline), KEEL_S);
    teardown();
}
END_TEST

static const struct {
    const char *text;
    const char *words;
} unfit[] = {
    { "timeout=100ms; deadline=off", "override col 16: deadline can be off only with" },
    { "timeout=100ms; chaos.rate=100%", "override col 16: chaos.rate is refused" },
    { "timeout=100ms; retry.attempts=9",
      "override col 16: retry.attempts=9 is beyond" },
};

START_TEST(an_override_that_could_not_be_followed_whole_is_not_followed_at_all)
{
    keel_detail why = KEEL_DETAIL_INIT;

    setup("", "timeout=1s; retry.attempts<=5");
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, unfit[_i].text, KEEL_S, &why),
                     KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, unfit[_i].words));
    ck_assert_uint_eq(opened_timeout(o.pipeline), KEEL_S);
    teardown();
}
END_TEST

START_TEST(an_override_that_makes_no_sense_is_followed_and_warned_of)
{
    char warning[256];

    setup("", "timeout=1s");
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=20s", KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 10 * KEEL_S); /* the deadline's */
    ck_assert(keel_runtime_warning(o.rt, 0, warning, sizeof warning));
    ck_assert_ptr_nonnull(strstr(warning, "timeout 20s is longer than the deadline"));
    teardown();
}
END_TEST

START_TEST(a_wrong_override_changes_nothing)
{
    keel_detail why = KEEL_DETAIL_INIT;

    setup("", "timeout=1s");
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=300ms", KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=5", KEEL_S, &why),
                     KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "col 9"));
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=5s", 0, &why),
                     KEEL_E_ARGUMENT);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 300 * KEEL_MS);
    teardown();
}
END_TEST

/* ---- asking for a reload ----------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    keel_reload_request(o.rt);
}

/* Refused by a breaker that is open: the one who reloads to end an outage is heard, too. */
static void be_refused_in_an_outage(void)
{
    keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, KEEL_S);
    (void)keel_run(o.pipeline, note_timeout, &(uint64_t){ 0 }, NULL, NULL);
    keel_pipeline_reset(o.pipeline);
}

static const struct {
    void (*end)(void);
    const char *settings;
} ends[] = {
    { use_call, NULL },
    { use_run, NULL },
    { use_permit, NULL },
    { be_refused_in_an_outage, NULL },
    { use_permit, "none; breaker=on" },
    { be_refused_in_an_outage, "none; breaker=on" },
};

START_TEST(a_reload_asked_for_in_a_signal_handler_is_done_by_whoever_comes)
{
    struct sigaction action = { .sa_handler = on_signal }, before;

    setup("payments = timeout=1s", ends[_i].settings);
    ck_assert_int_eq(sigaction(SIGHUP, &action, &before), 0);
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        uses[i](); /* the first success of a bucket takes the long way by itself */
    write_file("payments = timeout=300ms");
    ck_assert_int_eq(raise(SIGHUP), 0);
    ck_assert_int_eq(sigaction(SIGHUP, &before, NULL), 0);
    ends[_i].end();
    ck_assert_uint_eq(opened_timeout(o.pipeline), 300 * KEEL_MS);
    teardown();
}
END_TEST

static const char *const gates[] = { "none; breaker=on", "none; bulkhead=1",
                                     "none; rate=1/s", "bulkhead=1" };

START_TEST(the_end_of_a_permit_taken_before_the_request_will_do)
{
    keel_permit permit;

    setup("payments = timeout=1s", gates[_i]);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    write_file("payments = timeout=300ms");
    keel_reload_request(o.rt);
    keel_permit_end(&permit, KEEL_OK);
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 300 * KEEL_MS);
    teardown();
}
END_TEST

START_TEST(a_token_given_back_at_another_rate_shuts_nobody_out)
{
    keel_permit permit;

    setup("payments = rate=10/s", "none");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    reload("payments = rate=1/h");
    keel_permit_end(&permit, KEEL_CANCELLED);
    vclock_advance(&o.clock, 7200 * KEEL_S);
    use_permit();
    teardown();
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------- */

START_TEST(under_strict_a_file_with_a_mistake_changes_no_pipeline)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_pipeline *other;

    setup_in(OPENED_VIRTUAL, "payments = timeout=1s", NULL, "KEEL_STRICT=on");
    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "search", "timeout=2s", NULL),
                     KEEL_OK);
    write_file("payments = timeout=300ms\nsearch = timeout=5\n");
    ck_assert_int_eq(keel_reload(o.rt, &why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, ":2"));
    ck_assert_uint_eq(opened_timeout(o.pipeline), KEEL_S);
    ck_assert_uint_eq(opened_timeout(other), 2 * KEEL_S);
    reload("payments = timeout=300ms\nsearch = timeout=400ms\n");
    ck_assert_uint_eq(opened_timeout(o.pipeline), 300 * KEEL_MS);
    ck_assert_uint_eq(opened_timeout(other), 400 * KEEL_MS);
    keel_pipeline_close(other);
    teardown();
}
END_TEST

START_TEST(a_mistake_is_a_warning_and_the_layer_below_stays)
{
    char warning[256];

    setup("payments = timeout=1s", "timeout=2s");
    reload("payments = timeout=5");
    ck_assert_uint_eq(opened_timeout(o.pipeline), 2 * KEEL_S);
    ck_assert(keel_runtime_warning(o.rt, 0, warning, sizeof warning));
    ck_assert_ptr_nonnull(strstr(warning, "timeout"));
    teardown();
}
END_TEST

static keel_status reloaded_as;

static void note_reload(const keel_event *event, void *ctx)
{
    (void)ctx;
    if (event->type == KEEL_EVENT_RELOADED)
        reloaded_as = event->status;
}

START_TEST(a_reload_that_passes_over_a_mistake_says_so)
{
    keel_detail why = KEEL_DETAIL_INIT;

    setup("payments = timeout=1s", NULL);
    reloaded_as = KEEL_FAILED;
    ck_assert_int_eq(keel_events_listen(o.rt, note_reload, NULL), KEEL_OK);
    write_file("payments = timeout=88\nsearch = timeout=2s");
    ck_assert_int_eq(keel_reload(o.rt, &why), KEEL_OK);
    ck_assert_int_eq(reloaded_as, KEEL_OK);
    ck_assert_ptr_nonnull(strstr(why.text, "reloaded; 2 mistakes, the first: "));
    ck_assert_ptr_nonnull(strstr(why.text, ":1 col 20: timeout \"88\" needs a unit"));
    write_file("payments = timeout=2s");
    ck_assert_int_eq(keel_reload(o.rt, &why), KEEL_OK);
    ck_assert_str_eq(why.text, "reloaded");
    teardown();
}
END_TEST

static char spoken[4][512];
static keel_log_level spoken_at[4];

static void note_line(keel_log_level level, const char *subsystem, const char *message,
                      void *ctx)
{
    unsigned *lines = ctx;

    if (strcmp(subsystem, "operator") != 0)
        return;
    spoken_at[*lines % 4] = level;
    snprintf(spoken[(*lines)++ % 4], sizeof spoken[0], "%s", message);
}

START_TEST(what_came_of_a_reload_that_was_asked_for_is_in_the_log)
{
    unsigned lines = 0;
    keel_options options = { .size = sizeof options,
                             .log = note_line,
                             .log_ctx = &lines,
                             .environment = environment };
    keel_runtime *rt;

    setup("payments = timeout=1s", NULL);
    ck_assert_int_eq(keel_open(&rt, &options, NULL), KEEL_OK);
    write_file("DEFAULT = timeout=88");
    ck_assert_int_eq(keel_reload(rt, NULL), KEEL_OK);
    unlink(path);
    ck_assert_int_eq(keel_reload(rt, NULL), KEEL_E_CONFIG);
    ck_assert_uint_eq(lines, 2);
    ck_assert_int_eq(spoken_at[0], KEEL_LOG_INFO);
    ck_assert_ptr_nonnull(strstr(spoken[0], "reload=KEEL_OK reloaded; 1 mistake: "));
    ck_assert_int_eq(spoken_at[1], KEEL_LOG_WARNING);
    ck_assert_ptr_nonnull(strstr(spoken[1], "reload=KEEL_E_CONFIG KEEL_CONFIG_FILE: "));
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    teardown();
}
END_TEST

START_TEST(a_file_that_is_gone_changes_nothing)
{
    keel_detail why = KEEL_DETAIL_INIT;

    setup("payments = timeout=1s", NULL);
    unlink(path);
    ck_assert_int_eq(keel_reload(o.rt, &why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "cannot be opened"));
    ck_assert_uint_eq(opened_timeout(o.pipeline), KEEL_S);
    teardown();
}
END_TEST

START_TEST(a_reload_without_a_file_is_fine)
{
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    why.code = KEEL_FAILED;
    ck_assert_int_eq(keel_reload(o.rt, &why), KEEL_OK);
    ck_assert_int_eq(why.code, KEEL_OK);
    ck_assert_ptr_nonnull(strstr(why.text, "nothing to read: KEEL_CONFIG_FILE named"));
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_reload_with_the_nth_allocation_missing_is_followed_by_all_or_none)
{
    keel_pipeline *other;
    long n = 0;
    keel_status status;

    setup("payments = timeout=1s\nsearch = timeout=1s\n", NULL);
    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "search", NULL, NULL), KEEL_OK);
    write_file("payments = timeout=300ms\nsearch = timeout=300ms\n");
    do {
        uint64_t expected;

        o.memory.calls = 0;
        o.memory.fail_at = ++n;
        status = keel_reload(o.rt, NULL);
        o.memory.fail_at = 0;
        expected = status == KEEL_OK ? 300 * KEEL_MS : KEEL_S;
        ck_assert(status == KEEL_OK || status == KEEL_E_NOMEM);
        ck_assert_uint_eq(opened_timeout(o.pipeline), expected);
        ck_assert_uint_eq(opened_timeout(other), expected);
    } while (status != KEEL_OK);
    ck_assert_int_gt(n, 4);
    keel_pipeline_close(other);
    teardown();
}
END_TEST

/* ---- threads ----------------------------------------------------------------------- */

enum { CALLERS = 2, CALLS = 3000, RELOADS = 100 };

static void *call_all_the_time(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < CALLS; i++)
        uses[i % 3]();
    return NULL;
}

static const char *const windows[] = { "10s", "20s; breaker.buckets=40", "50calls" };

START_TEST(a_call_under_way_counts_in_the_window_of_now)
{
    char settings[100];
    keel_call good, bad;

    setup("payments = breaker.window=10s", NULL);
    opened_calls(&o, KEEL_OK, 1); /* there is a bucket to count in */
    keel_call_begin(&good, o.pipeline, NULL);
    keel_call_begin(&bad, o.pipeline, NULL);
    ck_assert(keel_call_next(&good));
    ck_assert(keel_call_next(&bad));
    snprintf(settings, sizeof settings, "payments = breaker.window=%s", windows[_i]);
    reload(settings);
    keel_call_report(&good, KEEL_OK);
    keel_call_report(&bad, KEEL_FAILED);
    keel_call_end(&good, NULL);
    keel_call_end(&bad, NULL);
    ck_assert_uint_ge(opened_look(&o).calls, 2); /* other widths begin anew */
    ck_assert_uint_eq(opened_look(&o).failures, 1);
    teardown();
}
END_TEST

static void count_wake(void *ctx)
{
    ++*(unsigned *)ctx;
}

/* A polled call that waits for its place. */
static void queue_up(keel_call *call, unsigned *wakes)
{
    const keel_call_options options = { .size = sizeof options,
                                        .wake = count_wake,
                                        .wake_ctx = wakes };

    keel_call_begin(call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(call, NULL, NULL), KEEL_STEP_WAIT);
}

static void come_to_turn(keel_call *call, const unsigned *wakes)
{
    ck_assert_uint_eq(*wakes, 1);
    ck_assert_int_eq(keel_call_poll(call, NULL, NULL), KEEL_STEP_ATTEMPT);
    keel_call_report(call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(call, NULL), KEEL_OK);
}

static const char *const queues[] = { "0", "1", "2" };

START_TEST(whoever_leaves_by_older_settings_serves_those_who_wait_by_newer_ones)
{
    char settings[100];
    keel_permit holder;
    keel_call first, second;
    unsigned first_wakes = 0, second_wakes = 0;

    snprintf(settings, sizeof settings,
             "payments = none; bulkhead=1; bulkhead.wait=10s; bulkhead.queue=%s",
             queues[_i]);
    setup(settings, NULL);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    reload("payments = none; bulkhead=1; bulkhead.wait=10s; bulkhead.queue=5");
    queue_up(&first, &first_wakes);
    reload("payments = none; bulkhead=1; bulkhead.wait=10s; bulkhead.queue=7");
    queue_up(&second, &second_wakes);
    keel_permit_end(&holder, KEEL_OK);
    come_to_turn(&first, &first_wakes);
    come_to_turn(&second, &second_wakes);
    teardown();
}
END_TEST

START_TEST(without_a_bulkhead_any_more_nobody_waits_for_a_place)
{
    keel_permit holder;
    keel_call call;
    unsigned wakes = 0;

    setup("payments = none; bulkhead=1; bulkhead.wait=10s; bulkhead.queue=2", NULL);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &holder, NULL), KEEL_OK);
    queue_up(&call, &wakes);
    reload("payments = none");
    come_to_turn(&call, &wakes);
    keel_permit_end(&holder, KEEL_OK);
    reload("payments = none; bulkhead=1");
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    teardown();
}
END_TEST

/* The window that the quick way of permits goes by is there whatever window is next. */
START_TEST(permits_at_the_gate_outlive_their_window)
{
    keel_permit permit;

    setup("payments = breaker.window=10s", "none; breaker=on");
    use_permit();
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    reload("payments = breaker.window=50calls");
    ck_assert_ptr_nonnull(atomic_load(&o.pipeline->gate.window));
    keel_permit_end(&permit, KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).calls, 1);
    teardown();
}
END_TEST

START_TEST(a_timed_permit_ends_whatever_is_watched_by_then)
{
    keel_permit permit;

    setup("payments = breaker.slow_call=1s", "none; breaker=on");
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    reload("payments = none; breaker=on");
    keel_permit_end(&permit, KEEL_OK);
    reload(
        "payments = breaker.slow_call=1s; breaker.min_calls=1; breaker.slow_rate=1%");
    vclock_advance(&o.clock, 2 * KEEL_S); /* its start is not there any more */
    use_permit();
    use_permit();
    ck_assert_uint_eq(opened_look(&o).calls, 3);
    teardown();
}
END_TEST

START_TEST(a_place_goes_back_whatever_the_settings_are_by_then)
{
    static const char *const later[] = { "none", "none; breaker=on",
                                         "none; bulkhead=1; bulkhead.queue=1",
                                         "none; bulkhead=1; deadline=1s" };
    keel_permit permit, other;

    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        char file[100];

        setup("payments = bulkhead=1", "none");
        ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
        ck_assert_int_eq(keel_permit_take(o.pipeline, &other, NULL),
                         KEEL_REJECTED_BULKHEAD_FULL);
        snprintf(file, sizeof file, "payments = %s", later[i]);
        reload(file);
        keel_permit_end(&permit, i % 2 ? KEEL_OK : KEEL_FAILED);
        keel_permit_end(&permit, KEEL_OK);
        ck_assert_uint_eq(opened_look(&o).permits_ended_twice, 1);
        reload("payments = bulkhead=1");
        ck_assert_uint_eq(opened_look(&o).in_flight, 0);
        use_permit();
        teardown();
    }
}
END_TEST

START_TEST(a_request_whose_reload_fails_leaves_the_quick_ways_open)
{
    setup("payments = breaker.window=10s", "none; breaker=on");
    ck_assert_uint_ne(atomic_load(&o.pipeline->gate.bits), 0);
    unlink(path);
    keel_reload_request(o.rt);
    ck_assert_uint_eq(atomic_load(&o.pipeline->gate.bits), 0);
    use_permit();
    ck_assert_uint_ne(atomic_load(&o.pipeline->gate.bits), 0);
    teardown();
}
END_TEST

START_TEST(threads_call_while_another_reloads)
{
    static const char *const settings[] = { "timeout=500ms; breaker.window=5s",
                                            "none; breaker=on", "rate=1000000/s",
                                            "bulkhead.queue=8; bulkhead.wait=1s" };
    pthread_t callers[CALLERS];
    long rest;

    setup_in(OPENED_REAL, "", NULL, NULL);
    for (int i = 0; i < 8; i++) /* all geometries once */
        keel_pipeline_override(o.pipeline, settings[i % 4], KEEL_NEVER, NULL);
    keel_pipeline_override(o.pipeline, NULL, 0, NULL);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    rest = o.memory.live;
    for (int i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call_all_the_time, NULL), 0);
    for (int i = 0; i < RELOADS; i++) {
        ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
        ck_assert_int_eq(
            keel_pipeline_override(o.pipeline, settings[i % 4], KEEL_NEVER, NULL),
            KEEL_OK);
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, NULL, 0, NULL), KEEL_OK);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_int_eq(o.memory.live, rest);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    teardown();
}
END_TEST

/* Windows by time and by count, and leases; one more of each with every round. */
static void follow_other_sizes(unsigned round)
{
    char settings[120];

    snprintf(settings, sizeof settings,
             "breaker.window=%u%s; breaker.half_open_permits=%u", 60 + round,
             round % 2 ? "s" : "calls", 4 + round % 200);
    ck_assert_msg(keel_pipeline_override(o.pipeline, settings, KEEL_S, &o.why) ==
                      KEEL_OK,
                  "%u: %s", round, o.why.text);
}

START_TEST(any_number_of_sizes_may_follow_one_another)
{
    uint64_t bytes;

    setup("", NULL);
    follow_other_sizes(0);
    bytes = opened_look(&o).board_bytes;
    for (unsigned round = 1; round <= KEEL_BOARD_BLOCKS; round++)
        follow_other_sizes(round);
    follow_other_sizes(0);
    ck_assert_uint_eq(opened_look(&o).board_bytes, bytes);
    teardown();
}
END_TEST

SUITE("reload", 60, ONE(calls_under_way_keep_the_settings_they_began_with),
      ONE(state_window_and_lock_are_kept),
      ONE(old_settings_are_given_back_when_the_last_call_with_them_has_ended),
      ONE(a_permit_holds_its_settings_too),
      ROWS(an_override_holds_above_all_and_not_a_moment_longer_whoever_comes, asked),
      ROWS(an_override_is_lifted_by_one_that_says_nothing, nothing),
      ONE(a_wrong_override_changes_nothing),
      ROWS(an_override_that_could_not_be_followed_whole_is_not_followed_at_all, unfit),
      ONE(an_override_that_makes_no_sense_is_followed_and_warned_of),
      ROWS(the_end_of_a_permit_taken_before_the_request_will_do, gates),
      ONE(a_token_given_back_at_another_rate_shuts_nobody_out),
      ROWS(a_reload_asked_for_in_a_signal_handler_is_done_by_whoever_comes, ends),
      ONE(under_strict_a_file_with_a_mistake_changes_no_pipeline),
      ONE(a_mistake_is_a_warning_and_the_layer_below_stays),
      ONE(a_reload_that_passes_over_a_mistake_says_so),
      ONE(what_came_of_a_reload_that_was_asked_for_is_in_the_log),
      ONE(a_file_that_is_gone_changes_nothing), ONE(a_reload_without_a_file_is_fine),
      ONE(a_reload_with_the_nth_allocation_missing_is_followed_by_all_or_none),
      ROWS(a_call_under_way_counts_in_the_window_of_now, windows),
      ROWS(whoever_leaves_by_older_settings_serves_those_who_wait_by_newer_ones,
           queues),
      ONE(without_a_bulkhead_any_more_nobody_waits_for_a_place),
      ONE(permits_at_the_gate_outlive_their_window),
      ONE(a_timed_permit_ends_whatever_is_watched_by_then),
      ONE(a_place_goes_back_whatever_the_settings_are_by_then),
      ONE(a_request_whose_reload_fails_leaves_the_quick_ways_open),
      ONE(any_number_of_sizes_may_follow_one_another),
      ONE(threads_call_while_another_reloads))
