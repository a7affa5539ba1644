/* SPDX-License-Identifier: MIT */
/*
 * Everything that allocates is replayed with its first, second, third … allocation
 * failing: it says so, nothing is lost, nothing has changed, and the next try works.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/opened.h"
#include "support/suite.h"

#define PATIENT "timeout=60s; deadline=60s"
#define TIMEOUT (60 * KEEL_S)

static opened o;

START_TEST(keel_open_gives_all_back_and_says_what_was_missing)
{
    static const char *const environment[] = { "KEEL_PAYMENTS=timeout=1s",
                                               "KEEL_DEFAULT__RETRY_ATTEMPTS=2",
                                               "KEEL_CONFIG_FILE=/nonexistent", NULL };
    failing_allocator f = { .failed = true };
    long n;

    for (n = 1; f.failed; n++) {
        keel_options options = { .size = sizeof options,
                                 .allocator = &f.allocator,
                                 .environment = environment };
        keel_detail why = KEEL_DETAIL_INIT;
        keel_runtime *rt = (keel_runtime *)&why;
        keel_status status;

        failing_allocator_init(&f, n);
        status = keel_open(&rt, &options, &why);
        ck_assert_int_eq(why.code, status);
        if (f.failed) {
            ck_assert_int_eq(status, KEEL_E_NOMEM);
            ck_assert_ptr_null(rt);
        } else {
            ck_assert_int_eq(status, KEEL_OK);
            ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
        }
        ck_assert_int_eq(f.live, 0);
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

/* ---- in a runtime that is open ------------------------------------------------------- */

static keel_status open_another(keel_detail *why)
{
    keel_pipeline *other = o.pipeline;
    keel_status status = keel_pipeline_open(&other, o.rt, "search",
                                            "timeout=300ms; bulkhead.queue=4; "
                                            "bulkhead.wait=1s",
                                            why);

    if (status == KEEL_OK) {
        ck_assert_uint_eq(opened_timeout(other), 300 * KEEL_MS);
        keel_pipeline_close(other);
    } else {
        ck_assert_ptr_null(other);
    }
    return status;
}

/* New settings in code, after the last handle was closed. */
static keel_status open_anew(keel_detail *why)
{
    keel_pipeline *again;
    keel_status status;

    keel_pipeline_close(o.pipeline);
    status = keel_pipeline_open(&again, o.rt, "payments", "timeout=300ms", why);
    if (status != KEEL_OK)
        ck_assert_int_eq(keel_pipeline_open(&again, o.rt, "payments", PATIENT, NULL),
                         KEEL_OK);
    o.pipeline = again;
    ck_assert_uint_eq(opened_timeout(again),
                      status == KEEL_OK ? 300 * KEEL_MS : TIMEOUT);
    return status;
}

static keel_status override(keel_detail *why)
{
    keel_status status = keel_pipeline_override(
        o.pipeline, "timeout=300ms; bulkhead.queue=9", 3600 * KEEL_S, why);

    ck_assert_uint_eq(opened_timeout(o.pipeline),
                      status == KEEL_OK ? 300 * KEEL_MS : TIMEOUT);
    return status;
}

static keel_status reload(keel_detail *why)
{
    keel_status status = keel_reload(o.rt, why);

    ck_assert_uint_eq(opened_timeout(o.pipeline), TIMEOUT);
    return status;
}

static unsigned released, called;

static void on_released(void *ctx)
{
    (void)ctx;
    released++;
}

static keel_status count(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    (void)attempt;
    (void)outcome;
    (void)ctx;
    called++;
    return KEEL_OK;
}

static keel_status detach(keel_detail *why)
{
    keel_run_options options = { .size = sizeof options,
                                 .detach = true,
                                 .released = on_released };
    keel_status status;

    released = called = 0;
    status = keel_run(o.pipeline, count, NULL, &options, why);
    ck_assert_uint_eq(released, 1);
    ck_assert_uint_eq(called, status == KEEL_OK);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    ck_assert_uint_eq(opened_look(&o).failures, 0); /* no fault of the dependency's */
    return status;
}

static const struct {
    const char *name;
    keel_status (*act)(keel_detail *why);
    long least; /* so many allocations it makes, or more */
} acts[] = {
    { "keel_pipeline_open", open_another, 4 },
    { "keel_pipeline_open, again", open_anew, 2 },
    { "keel_pipeline_override", override, 2 },
    { "keel_reload", reload, 1 },
    { "keel_run with detach", detach, 4 },
};

START_TEST(what_fails_for_want_of_memory_changes_nothing_and_works_the_next_time)
{
    keel_status status;
    long n = 0;

    do {
        keel_detail why = KEEL_DETAIL_INIT;
        bool failed;

        opened_init(&o, OPENED_REAL, NULL, PATIENT);
        o.memory.calls = 0;
        o.memory.fail_at = ++n;
        status = acts[_i].act(&why);
        failed = o.memory.failed;
        o.memory.fail_at = 0;
        ck_assert_msg(status == (failed ? KEEL_E_NOMEM : KEEL_OK), "%s: %s at %ld",
                      acts[_i].name, keel_status_name(status), n);
        ck_assert_int_eq(why.code, status);
        ck_assert_str_ne(why.text, "");
        if (failed)
            ck_assert_int_eq(acts[_i].act(NULL), KEEL_OK);
        opened_calls(&o, KEEL_OK, 1);
        opened_cleanup(&o); /* nothing is left */
    } while (status != KEEL_OK);
    ck_assert_msg(n > acts[_i].least, "%s: %ld allocations", acts[_i].name, n - 1);
}
END_TEST

START_TEST(calls_permits_and_runs_allocate_nothing)
{
    keel_permit permit;
    keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_call call;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "bulkhead.queue=4; bulkhead.wait=1s; rate=1000/s; rate.wait=1s; "
                "breaker.slow_call=1s");
    o.memory.calls = 0;
    for (int i = 0; i < 50; i++) {
        keel_call_begin(&call, o.pipeline, &options);
        while (keel_call_next(&call))
            keel_call_report(&call, i % 2 ? KEEL_OK : KEEL_FAILED);
        keel_call_end(&call, NULL);
        keel_run(o.pipeline, count, NULL, NULL, NULL);
        if (keel_permit_take(o.pipeline, &permit, NULL) == KEEL_OK)
            keel_permit_end(&permit, KEEL_FAILED);
        opened_look(&o);
    }
    ck_assert_int_eq(o.memory.calls, 0);
    opened_cleanup(&o);
}
END_TEST

SUITE("nomem", 60, ONE(keel_open_gives_all_back_and_says_what_was_missing),
      ROWS(what_fails_for_want_of_memory_changes_nothing_and_works_the_next_time, acts),
      ONE(calls_permits_and_runs_allocate_nothing))
