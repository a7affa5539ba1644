/* SPDX-License-Identifier: MIT */
/* KEEL_DISABLED=on: one attempt, no policy, no clock; every wrapper is the plain call. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/opened.h"
#include "support/suite.h"

static opened o;

/* Settings under which nothing would pass. */
static const char hostile[] =
    "deadline=1ns; timeout=1ns; rate=1/h; bulkhead=1; "
    "breaker.consecutive=1; breaker.open=1h; retry.attempts=5; "
    "chaos.rate=100%";

static void setup(void)
{
    static const char *const environment[] = { "KEEL_DISABLED=on", "KEEL_CHAOS=allow",
                                               NULL };

    opened_init(&o, OPENED_VIRTUAL, environment, hostile);
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0);
}

static void teardown(void)
{
    keel_pipeline_stats stats = opened_look(&o);

    ck_assert_uint_eq(stats.calls + stats.failures + stats.in_flight, 0);
    ck_assert_uint_eq(stats.rejected_total + stats.retries_total, 0);
    ck_assert_uint_eq(keel_now(o.rt), VCLOCK_START); /* nobody slept */
    opened_cleanup(&o);
}

static const keel_status statuses[] = { KEEL_OK, KEEL_FAILED, KEEL_CLIENT_ERROR,
                                        KEEL_THROTTLED };

START_TEST(the_loop_makes_one_attempt_and_returns_what_it_came_to)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_outcome outcome = { .size = sizeof outcome,
                             .status = statuses[_i],
                             .system_errno = 5,
                             .applied = KEEL_APPLIED_YES };
    keel_detail why = KEEL_DETAIL_INIT;
    unsigned attempts = 0;
    keel_call call;

    setup();
    for (int round = 0; round < 3; round++) {
        keel_call_begin(&call, o.pipeline, &options);
        while (keel_call_next(&call)) {
            attempts++;
            ck_assert_uint_eq(keel_call_attempt(&call), 1);
            ck_assert_uint_eq(keel_call_timeout_ns(&call), UINT64_MAX);
            ck_assert_int_eq(keel_call_timeout_ms(&call), INT32_MAX);
            keel_call_report_attempt(&call, 1, &outcome);
        }
        ck_assert_int_eq(keel_call_end(&call, &why), statuses[_i]);
        ck_assert_int_eq(why.code, statuses[_i]);
        ck_assert_int_eq(why.system_errno, 5);
        ck_assert_int_eq(why.applied, KEEL_APPLIED_YES);
        ck_assert_uint_eq(why.attempts, 1);
    }
    ck_assert_uint_eq(attempts, 3);
    teardown();
}
END_TEST

START_TEST(the_poll_says_attempt_wait_and_ended)
{
    uint64_t wake_at = 0;
    uint32_t attempt = 0;
    keel_call call;

    setup();
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, &wake_at), KEEL_STEP_ATTEMPT);
    ck_assert_uint_eq(attempt, 1);
    ck_assert_int_eq(keel_call_poll(&call, NULL, &wake_at), KEEL_STEP_WAIT);
    ck_assert_uint_eq(wake_at, UINT64_MAX);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    teardown();
}
END_TEST

static const struct {
    unsigned nexts; /* asked for, without a report */
    keel_status status;
} unreported[] = { { 0, KEEL_CANCELLED }, { 1, KEEL_IGNORED }, { 2, KEEL_IGNORED } };

/* The same as with policies, so that switching keel off changes no caller's branches. */
START_TEST(a_call_ended_without_a_report_is_abandoned_as_ever)
{
    const char *disabled = "KEEL_DISABLED=on";

    for (int round = 0; round < 2; round++) {
        const char *const environment[] = { round ? disabled : NULL, NULL };
        keel_detail why = KEEL_DETAIL_INIT;
        keel_call call;

        opened_init(&o, OPENED_VIRTUAL, environment, NULL);
        keel_call_begin(&call, o.pipeline, NULL);
        for (unsigned i = 0; i < unreported[_i].nexts; i++)
            ck_assert(keel_call_next(&call) == (i == 0));
        ck_assert_int_eq(keel_call_end(&call, &why), unreported[_i].status);
        ck_assert_uint_eq(why.attempts, unreported[_i].nexts > 0);
        ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_E_STATE);
        opened_cleanup(&o);
    }
}
END_TEST

static unsigned released;

static void on_released(void *ctx)
{
    (void)ctx;
    released++;
}

static keel_status answer(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    (void)outcome;
    ck_assert_uint_eq(attempt->number, 1);
    ck_assert_uint_eq(attempt->timeout_ns, UINT64_MAX);
    return *(const keel_status *)ctx;
}

START_TEST(keel_run_is_one_call_of_fn_on_the_callers_thread)
{
    keel_status status = statuses[_i];
    keel_call_options call = { .size = sizeof call, .idempotent = true };
    keel_run_options options = {
        .size = sizeof options, .call = &call, .detach = true, .released = on_released
    };

    setup();
    released = 0;
    ck_assert_int_eq(keel_run(o.pipeline, answer, &status, NULL, NULL), status);
    ck_assert_int_eq(keel_run(o.pipeline, answer, &status, &options, NULL), status);
    ck_assert_uint_eq(released, 1);
    teardown();
}
END_TEST

START_TEST(permits_are_given_to_all_and_count_for_nothing)
{
    keel_permit permits[5], waited;
    uint64_t retry_after = 1;

    setup();
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(keel_permit_take(o.pipeline, &permits[i], &retry_after),
                         KEEL_OK);
    ck_assert_uint_eq(retry_after, 0);
    ck_assert_int_eq(keel_permit_wait(o.pipeline, &waited, 0, NULL, NULL), KEEL_OK);
    for (int i = 0; i < 5; i++)
        keel_permit_end(&permits[i], KEEL_FAILED);
    keel_permit_end(&waited, KEEL_FAILED);
    teardown();
}
END_TEST

/* ---- words that switch nothing ----------------------------------------------------- */

/* Beside a word for the log that is none either: who asks for one, sees it. */
static const char *const misheard[][4] = {
    { "KEEL_DISABLED=1", "KEEL_LOG=verbose", NULL, "KEEL_DISABLED col 1: \"1\"" },
    { "KEEL_LOG=WARNING", "KEEL_STRICT=yes", NULL, "KEEL_STRICT col 1: \"yes\"" },
    { "KEEL_LOG=1", NULL, NULL, "KEEL_LOG col 1: \"1\" not understood" },
};

START_TEST(a_switch_in_a_wrong_word_is_told_of_on_standard_error)
{
    int ends[2], saved = dup(STDERR_FILENO);
    char spoken[1024] = "";

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    opened_init(&o, OPENED_VIRTUAL, misheard[_i], NULL);
    dup2(saved, STDERR_FILENO);
    ck_assert_int_gt(read(ends[0], spoken, sizeof spoken - 1), 0);
    ck_assert_msg(strstr(spoken, misheard[_i][3]), "%s", spoken);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    opened_cleanup(&o);
}
END_TEST

SUITE("disabled", 30,
      ROWS(a_switch_in_a_wrong_word_is_told_of_on_standard_error, misheard),
      ROWS(the_loop_makes_one_attempt_and_returns_what_it_came_to, statuses),
      ONE(the_poll_says_attempt_wait_and_ended),
      ROWS(a_call_ended_without_a_report_is_abandoned_as_ever, unreported),
      ROWS(keel_run_is_one_call_of_fn_on_the_callers_thread, statuses),
      ONE(permits_are_given_to_all_and_count_for_nothing))
