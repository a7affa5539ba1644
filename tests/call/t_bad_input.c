/* SPDX-License-Identifier: MIT */
/*
 * Every public function with arguments it should never get: NULL, structs that are too
 * short or too long, names and numbers that mean nothing, things ended twice. A status
 * comes back, nothing else happens, and errno is as it was.
 */
#include <errno.h>
#include <string.h>

#include "support/opened.h"
#include "support/suite.h"
#include "support/without.h"

/* No errno of this machine: whoever sets one changes it. */
enum { UNTOUCHED = 12345 };

static opened o;

static void setup(void)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, "bulkhead=4");
    errno = UNTOUCHED;
}

static void teardown(void)
{
    ck_assert_int_eq(errno, UNTOUCHED);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_calls(&o, KEEL_OK, 1); /* it works as before */
    opened_cleanup(&o);
}

/* A detail that holds what nobody wrote. */
static keel_detail stale(void)
{
    keel_detail old = KEEL_DETAIL_INIT;

    old.code = (keel_status)0x7ffe;
    old.attempts = 77;
    old.system_errno = 77;
    old.retry_after_ns = 77;
    old.text = "stale";
    return old;
}

static void said(const keel_detail *why, keel_status status)
{
    ck_assert_int_eq(why->code, status);
    ck_assert_uint_ne(why->attempts, 77);
    ck_assert_int_ne(why->system_errno, 77);
    ck_assert_uint_ne(why->retry_after_ns, 77);
    ck_assert_ptr_nonnull(why->text);
    ck_assert_str_ne(why->text, "stale");
    ck_assert_str_ne(why->text, "");
}

static keel_status succeed(const keel_attempt *attempt, keel_outcome *outcome,
                           void *ctx)
{
    (void)attempt;
    (void)outcome;
    (*(unsigned *)ctx)++;
    return KEEL_OK;
}

/* ---- NULL ------------------------------------------------------------------------ */

static keel_detail reason;

/* The detail of a function that refused(...) looks at. */
static keel_detail *asked(void)
{
    reason = stale();
    return &reason;
}

static bool refused(keel_status status)
{
    said(&reason, KEEL_E_ARGUMENT);
    return status == KEEL_E_ARGUMENT;
}

static keel_status never(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    (void)attempt;
    (void)outcome;
    (void)ctx;
    ck_abort_msg("must not run");
    return KEEL_OK;
}

static void never_told(const keel_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    ck_abort_msg("must not be told");
}

START_TEST(without_a_runtime_nothing_is_opened_read_or_told)
{
    keel_pipeline *pipeline = (keel_pipeline *)&reason;
    char text[] = "as it is";

    setup();
    WITHOUT(keel_open, out, refused(keel_open(NULL, NULL, asked())));
    WITHOUT(keel_close, runtime, keel_close(NULL, UINT64_MAX) == KEEL_OK);
    WITHOUT(keel_reload, runtime, refused(keel_reload(NULL, asked())));
    WITHOUT(keel_reload_request, runtime, RETURNS(keel_reload_request(NULL)));
    WITHOUT(keel_runtime_verify, runtime, refused(keel_runtime_verify(NULL, asked())));
    WITHOUT(keel_runtime_warning, runtime,
            !keel_runtime_warning(NULL, 0, text, sizeof text));
    ck_assert_str_eq(text, "as it is");
    WITHOUT(keel_events_listen, runtime,
            keel_events_listen(NULL, never_told, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_now, runtime, keel_now(NULL) == 0);
    WITHOUT(keel_pipeline_open, runtime,
            refused(keel_pipeline_open(&pipeline, NULL, "search", NULL, asked())));
    ck_assert_ptr_null(pipeline);
    teardown();
}
END_TEST

START_TEST(without_a_pipeline_nothing_is_looked_at_or_changed)
{
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_endpoint_stats endpoint_stats = { .size = sizeof endpoint_stats };
    keel_lock_state lock_state = { .size = sizeof lock_state };
    const keel_lock_options lock = { .size = sizeof lock };
    keel_pipeline *pipeline = (keel_pipeline *)&reason;

    setup();
    WITHOUT(keel_pipeline_open, out,
            refused(keel_pipeline_open(NULL, o.rt, "search", NULL, asked())));
    WITHOUT(keel_pipeline_open, name,
            refused(keel_pipeline_open(&pipeline, o.rt, NULL, NULL, asked())));
    ck_assert_ptr_null(pipeline);
    WITHOUT(keel_pipeline_close, pipeline, RETURNS(keel_pipeline_close(NULL)));
    WITHOUT(keel_pipeline_name, pipeline, strcmp(keel_pipeline_name(NULL), "") == 0);
    WITHOUT(keel_pipeline_lock, pipeline,
            keel_pipeline_lock(NULL, KEEL_LOCK_OPEN, 0) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_unlock, pipeline,
            keel_pipeline_unlock(NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_lock_as, pipeline,
            refused(keel_pipeline_lock_as(NULL, KEEL_LOCK_OPEN, &lock, asked())));
    WITHOUT(keel_pipeline_lock_as, options,
            keel_pipeline_lock_as(o.pipeline, KEEL_LOCK_NONE, NULL, asked()) ==
                KEEL_OK);
    WITHOUT(keel_pipeline_lock_as, why,
            keel_pipeline_lock_as(o.pipeline, KEEL_LOCK_NONE, &lock, NULL) == KEEL_OK);
    WITHOUT(keel_pipeline_lock_look, pipeline,
            keel_pipeline_lock_look(NULL, &lock_state) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_lock_look, state,
            keel_pipeline_lock_look(o.pipeline, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_reset, pipeline,
            keel_pipeline_reset(NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_transition, pipeline,
            keel_pipeline_transition(NULL, KEEL_BREAKER_OPEN, 0) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_override, pipeline,
            refused(keel_pipeline_override(NULL, "timeout=1s", 1, asked())));
    WITHOUT(keel_pipeline_look, pipeline,
            keel_pipeline_look(NULL, &stats) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_look, stats,
            keel_pipeline_look(o.pipeline, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_endpoint_look, pipeline,
            keel_pipeline_endpoint_look(NULL, 0, &endpoint_stats) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_endpoint_look, stats,
            keel_pipeline_endpoint_look(o.pipeline, 0, NULL) == KEEL_E_ARGUMENT);
    teardown();
}
END_TEST

START_TEST(without_a_pipeline_or_a_function_nothing_is_called)
{
    keel_permit permit;
    uint64_t retry_after;
    keel_call call;

    setup();
    WITHOUT(keel_run, pipeline, refused(keel_run(NULL, never, NULL, NULL, asked())));
    WITHOUT(keel_run, fn, refused(keel_run(o.pipeline, NULL, NULL, NULL, asked())));
    WITHOUT(keel_permit_take, pipeline,
            keel_permit_take(NULL, &permit, &retry_after) == KEEL_E_ARGUMENT);
    WITHOUT(keel_permit_take, permit,
            keel_permit_take(o.pipeline, NULL, &retry_after) == KEEL_E_ARGUMENT);
    WITHOUT(keel_permit_wait, pipeline,
            keel_permit_wait(NULL, &permit, 0, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_permit_wait, permit,
            keel_permit_wait(o.pipeline, NULL, 0, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_call_begin, pipeline, RETURNS(keel_call_begin(&call, NULL, NULL)));
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    ck_assert_uint_eq(keel_call_attempt(&call), 0);
    ck_assert_uint_eq(keel_call_timeout_ns(&call), UINT64_MAX);
    keel_call_report(&call, KEEL_OK);
    ck_assert(refused(keel_call_end(&call, asked())));
    teardown();
}
END_TEST

START_TEST(without_a_call_there_is_nothing_to_do)
{
    keel_outcome outcome = { .size = sizeof outcome };
    keel_endpoint endpoint = { .size = sizeof endpoint };
    keel_call call;
    uint32_t attempt = 9;
    uint64_t wake_at = 9;

    setup();
    WITHOUT(keel_call_begin, call, RETURNS(keel_call_begin(NULL, o.pipeline, NULL)));
    WITHOUT(keel_call_next, call, !keel_call_next(NULL));
    WITHOUT(keel_call_poll, call,
            keel_call_poll(NULL, &attempt, &wake_at) == KEEL_STEP_ENDED);
    ck_assert_uint_eq(attempt, 0);
    ck_assert_uint_eq(wake_at, UINT64_MAX);
    ck_assert_int_eq(keel_call_poll(NULL, NULL, NULL), KEEL_STEP_ENDED);
    WITHOUT(keel_call_timeout_ns, call, keel_call_timeout_ns(NULL) == UINT64_MAX);
    WITHOUT(keel_call_timeout_ms, call, keel_call_timeout_ms(NULL) == INT32_MAX);
    WITHOUT(keel_call_attempt, call, keel_call_attempt(NULL) == 0);
    WITHOUT(keel_call_attempt_is_open, call, !keel_call_attempt_is_open(NULL, 1));
    WITHOUT(keel_call_endpoint, call,
            keel_call_endpoint(NULL, 0, &endpoint) == KEEL_E_ARGUMENT);
    WITHOUT(keel_call_endpoint, out,
            keel_call_endpoint(&call, 0, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_call_report, call, RETURNS(keel_call_report(NULL, KEEL_OK)));
    WITHOUT(keel_call_report_attempt, call,
            RETURNS(keel_call_report_attempt(NULL, 1, &outcome)));
    WITHOUT(keel_call_end, call, refused(keel_call_end(NULL, asked())));
    WITHOUT(keel_call_cleanup, call, RETURNS(keel_call_cleanup(NULL)));
    teardown();
}
END_TEST

START_TEST(without_a_permit_or_a_token_nothing_ends)
{
    keel_outcome outcome = { .size = sizeof outcome };

    setup();
    WITHOUT(keel_permit_end, permit, RETURNS(keel_permit_end(NULL, KEEL_OK)));
    WITHOUT(keel_permit_end_outcome, permit,
            RETURNS(keel_permit_end_outcome(NULL, &outcome)));
    keel_permit_end_outcome(NULL, NULL);
    WITHOUT(keel_cancel_fire, cancel, RETURNS(keel_cancel_fire(NULL)));
    WITHOUT(keel_cancel_fired, cancel, !keel_cancel_fired(NULL));
    teardown();
}
END_TEST

/* ---- what may be left out -------------------------------------------------------- */

START_TEST(a_runtime_and_a_pipeline_open_without_options_settings_and_detail)
{
    keel_runtime *rt;
    keel_pipeline *pipeline;

    setup();
    WITHOUT(keel_open, options, keel_open(&rt, NULL, asked()) == KEEL_OK);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    WITHOUT(keel_open, why, keel_open(NULL, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_pipeline_open, settings,
            keel_pipeline_open(&pipeline, o.rt, "search", NULL, asked()) == KEEL_OK);
    keel_pipeline_close(pipeline);
    WITHOUT(keel_pipeline_open, why,
            keel_pipeline_open(&pipeline, o.rt, "a b", NULL, NULL) == KEEL_E_CONFIG);
    WITHOUT(keel_pipeline_override, why,
            keel_pipeline_override(o.pipeline, "timeout=5", 1, NULL) == KEEL_E_CONFIG);
    WITHOUT(keel_pipeline_override, settings,
            keel_pipeline_override(o.pipeline, NULL, 1, asked()) == KEEL_OK);
    WITHOUT(keel_reload, why, keel_reload(o.rt, NULL) == KEEL_OK);
    WITHOUT(keel_runtime_verify, why, keel_runtime_verify(o.rt, NULL) == KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&pipeline, o.rt, "wrong", "nonsense", NULL),
                     KEEL_OK);
    WITHOUT(keel_runtime_warning, text, !keel_runtime_warning(o.rt, 0, NULL, 80));
    keel_pipeline_close(pipeline);
    teardown();
}
END_TEST

START_TEST(a_call_is_made_without_options_context_and_detail)
{
    keel_run_options options = { .size = sizeof options };
    unsigned ran = 0;
    uint32_t attempt;
    uint64_t wake_at;
    keel_call call;

    setup();
    WITHOUT(keel_call_begin, options,
            RETURNS(keel_call_begin(&call, o.pipeline, NULL)));
    WITHOUT(keel_call_poll, attempt,
            keel_call_poll(&call, NULL, &wake_at) == KEEL_STEP_ATTEMPT);
    WITHOUT(keel_call_poll, wake_at_ns,
            keel_call_poll(&call, &attempt, NULL) == KEEL_STEP_WAIT);
    WITHOUT(keel_call_report_attempt, outcome,
            RETURNS(keel_call_report_attempt(&call, 1, NULL)));
    WITHOUT(keel_call_end, why, keel_call_end(&call, NULL) == KEEL_IGNORED);
    WITHOUT(keel_run, ctx,
            keel_run(o.pipeline, opened_succeed, NULL, &options, asked()) == KEEL_OK);
    WITHOUT(keel_run, options,
            keel_run(o.pipeline, succeed, &ran, NULL, asked()) == KEEL_OK);
    WITHOUT(keel_run, why,
            keel_run(o.pipeline, succeed, &ran, &options, NULL) == KEEL_OK);
    ck_assert_uint_eq(ran, 2);
    teardown();
}
END_TEST

START_TEST(a_permit_is_taken_and_a_listener_set_with_no_more_than_is_needed)
{
    keel_permit permit;
    uint64_t retry_after;
    keel_cancel token = KEEL_CANCEL_INIT;

    setup();
    WITHOUT(keel_permit_take, retry_after_ns,
            keel_permit_take(o.pipeline, &permit, NULL) == KEEL_OK);
    WITHOUT(keel_permit_end_outcome, outcome,
            RETURNS(keel_permit_end_outcome(&permit, NULL)));
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    WITHOUT(keel_permit_wait, cancel,
            keel_permit_wait(o.pipeline, &permit, 0, NULL, &retry_after) == KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    WITHOUT(keel_permit_wait, retry_after_ns,
            keel_permit_wait(o.pipeline, &permit, 0, &token, NULL) == KEEL_OK);
    keel_permit_end(&permit, KEEL_OK);
    WITHOUT(keel_events_listen, ctx,
            keel_events_listen(o.rt, never_told, NULL) == KEEL_OK);
    WITHOUT(keel_events_listen, fn, keel_events_listen(o.rt, NULL, &o) == KEEL_OK);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK); /* would be told */
    teardown();
}
END_TEST

/* ---- sized structs ---------------------------------------------------------------- */

/* Options as a newer keel has them, and as an older one had. */
static const struct {
    size_t less; /* than ours */
    size_t more;
    unsigned char tail;
    bool is_empty; /* size 0 */
    bool is_fine;
} sizes[] = {
    { .is_fine = true },
    { .is_empty = true },
    { .more = 16, .is_fine = true }, /* it asks for nothing we do not know */
    { .more = 16, .tail = 1 },
    { .less = sizeof(void *), .is_fine = true },
    { .less = 2 * sizeof(void *), .is_fine = true },
    { .more = 4096, .tail = 255 },
};

enum { ROOM = 8192 };

/* The options again, with the size and the tail of a row. */
static const void *resized(unsigned char *room, const void *options, size_t size, int i)
{
    size_t told = sizes[i].is_empty ? 0 : size - sizes[i].less + sizes[i].more;

    memset(room, 0, ROOM);
    memcpy(room, options, size);
    if (sizes[i].more)
        room[told - 1] = sizes[i].tail;
    memcpy(room, &told, sizeof told);
    return room;
}

START_TEST(options_of_another_keel_are_read_as_far_as_they_are_understood)
{
    static const char *const nothing[] = { NULL };
    _Alignas(max_align_t) unsigned char room[ROOM];
    keel_options opening = { .size = sizeof opening, .environment = nothing };
    keel_call_options calling = { .size = sizeof calling };
    keel_status expected = sizes[_i].is_fine ? KEEL_OK : KEEL_E_ARGUMENT;
    keel_detail why = stale();
    keel_runtime *rt;
    keel_call call;

    setup();
    ck_assert_int_eq(keel_open(&rt, resized(room, &opening, sizeof opening, _i), &why),
                     expected);
    said(&why, expected);
    ck_assert(sizes[_i].is_fine || !rt);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    keel_call_begin(&call, o.pipeline, resized(room, &calling, sizeof calling, _i));
    ck_assert(keel_call_next(&call) == sizes[_i].is_fine);
    keel_call_report(&call, KEEL_OK);
    why = stale();
    ck_assert_int_eq(keel_call_end(&call, &why), expected);
    said(&why, expected);
    teardown();
}
END_TEST

START_TEST(keel_run_reads_its_options_and_those_of_its_call_alike)
{
    _Alignas(max_align_t) unsigned char room[ROOM];
    keel_call_options calling = { .size = sizeof calling };
    keel_run_options running = { .size = sizeof running };
    keel_status expected = sizes[_i].is_fine ? KEEL_OK : KEEL_E_ARGUMENT;
    keel_detail why = stale();
    unsigned ran = 0;

    setup();
    ck_assert_int_eq(keel_run(o.pipeline, succeed, &ran,
                              resized(room, &running, sizeof running, _i), &why),
                     expected);
    said(&why, expected);
    running.call = resized(room, &calling, sizeof calling, _i);
    why = stale();
    ck_assert_int_eq(keel_run(o.pipeline, succeed, &ran, &running, &why), expected);
    said(&why, expected);
    ck_assert_uint_eq(ran, sizes[_i].is_fine ? 2 : 0);
    teardown();
}
END_TEST

START_TEST(an_outcome_of_another_keel_counts_if_it_is_understood)
{
    _Alignas(max_align_t) unsigned char room[ROOM];
    keel_outcome outcome = { .size = sizeof outcome, .status = KEEL_FAILED };
    keel_call call;

    setup();
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    keel_call_report_attempt(&call, 1, NULL);
    keel_call_report_attempt(&call, 1, resized(room, &outcome, sizeof outcome, _i));
    ck_assert_int_eq(keel_call_end(&call, NULL),
                     sizes[_i].is_fine ? KEEL_FAILED : KEEL_E_ARGUMENT);
    ck_assert_uint_eq(opened_look(&o).failures, sizes[_i].is_fine ? 1 : 0);
    teardown();
}
END_TEST

START_TEST(a_look_never_writes_past_the_callers_size)
{
    keel_pipeline_stats whole = { .size = sizeof whole };

    setup();
    opened_calls(&o, KEEL_FAILED, 2);
    ck_assert_int_eq(keel_pipeline_look(o.pipeline, &whole), KEEL_OK);
    for (size_t size = 0; size <= sizeof whole + 64; size++) {
        _Alignas(keel_pipeline_stats) unsigned char room[sizeof whole + 64];
        keel_pipeline_stats *part = (keel_pipeline_stats *)room;
        size_t given = size < sizeof whole ? size : sizeof whole;

        memset(room, 0xa5, sizeof room);
        memcpy(room, &size, sizeof size);
        if (size < sizeof size) {
            ck_assert_int_eq(keel_pipeline_look(o.pipeline, part), KEEL_E_ARGUMENT);
            continue;
        }
        ck_assert_int_eq(keel_pipeline_look(o.pipeline, part), KEEL_OK);
        ck_assert_uint_eq(part->size, size);
        ck_assert_mem_eq(room + sizeof size, (unsigned char *)&whole + sizeof size,
                         given - sizeof size);
        for (size_t i = given; i < sizeof room; i++)
            ck_assert_uint_eq(room[i], 0xa5);
    }
    teardown();
}
END_TEST

START_TEST(a_detail_is_never_written_past_the_callers_size)
{
    setup();
    for (size_t size = 0; size <= sizeof(keel_detail); size++) {
        _Alignas(keel_detail) unsigned char room[sizeof(keel_detail) + 64];
        keel_detail *why = (keel_detail *)room;

        memset(room, 0xa5, sizeof room);
        memcpy(room, &size, sizeof size);
        ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=5", 1, why),
                         KEEL_E_CONFIG); /* a sentence that is made for the occasion */
        for (size_t i = size > sizeof size ? size : sizeof size; i < sizeof room; i++)
            ck_assert_uint_eq(room[i], 0xa5);
        if (size >= offsetof(keel_detail, storage))
            ck_assert_uint_gt(strlen(why->text), 0);
    }
    teardown();
}
END_TEST

/* ---- names, numbers ---------------------------------------------------------------- */

static const char *const bad_names[] = {
    "",    " ",    "Payments",
    "1st", "a--b", "-a",
    "a-",  "a b",  "a/b",
    "a=b", "a\n",  "a\x80",
    "a.",  "_a",   "a23456789012345678901234567890123456789012345678901234567890123456",
};

START_TEST(a_name_that_is_not_valid_opens_nothing)
{
    keel_pipeline *pipeline = o.pipeline;
    keel_detail why = stale();

    setup();
    ck_assert_int_eq(keel_pipeline_open(&pipeline, o.rt, bad_names[_i], NULL, &why),
                     KEEL_E_CONFIG);
    said(&why, KEEL_E_CONFIG);
    ck_assert_ptr_null(pipeline);
    teardown();
}
END_TEST

START_TEST(names_of_64_bytes_open_and_those_that_share_a_variable_do_not)
{
    static const char longest[] =
        "a234567890123456789012345678901234567890123456789012345678901234";
    keel_pipeline *first, *second;

    setup();
    ck_assert_uint_eq(strlen(longest), 64);
    ck_assert_int_eq(keel_pipeline_open(&first, o.rt, longest, NULL, NULL), KEEL_OK);
    ck_assert_str_eq(keel_pipeline_name(first), longest);
    keel_pipeline_close(first);
    ck_assert_int_eq(keel_pipeline_open(&first, o.rt, "a-b", NULL, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&second, o.rt, "a.b", NULL, NULL),
                     KEEL_E_CONFIG);
    ck_assert_ptr_null(second);
    keel_pipeline_close(first);
    teardown();
}
END_TEST

START_TEST(numbers_that_mean_nothing_change_nothing)
{
    keel_pipeline_stats before, after;

    setup();
    before = opened_look(&o);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, (keel_lock)5, 0), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, (keel_lock)-1, 0), KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_lock_as(o.pipeline, (keel_lock)5, NULL, NULL),
                     KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_transition(o.pipeline, (keel_breaker_state)3, 0),
                     KEEL_E_ARGUMENT);
    ck_assert_int_eq(keel_pipeline_transition(o.pipeline, KEEL_BREAKER_HALF_OPEN, 0),
                     KEEL_E_STATE); /* it can only follow open */
    after = opened_look(&o);
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_str_eq(keel_status_name((keel_status)9999), "KEEL_?");
    ck_assert_str_eq(keel_status_text((keel_status)-1), "unknown status");
    ck_assert_str_eq(keel_reason_name((keel_reason)9999), "?");
    teardown();
}
END_TEST

/* Statuses no attempt has: whatever they are taken for, books are kept. */
static const struct {
    int status;
    keel_status ends_as;
    unsigned counted;
} odd_statuses[] = {
    /* those of another pipeline that the attempt went through */
    { KEEL_REJECTED_OPEN, KEEL_REJECTED_OPEN, 0 },
    { KEEL_E_NOMEM, KEEL_E_NOMEM, 0 },
    { 9999, KEEL_FAILED, 2 },
    { -1, KEEL_FAILED, 2 },
    { KEEL_STATUS_LAST_, KEEL_FAILED, 2 },
};

START_TEST(an_odd_status_is_neutral_and_an_unknown_one_a_failure)
{
    keel_status odd = (keel_status)odd_statuses[_i].status;
    keel_permit permit;
    keel_call call;

    setup();
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    keel_call_report(&call, odd);
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_end(&call, NULL), odd_statuses[_i].ends_as);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end(&permit, odd);
    ck_assert_uint_eq(opened_look(&o).failures, odd_statuses[_i].counted);
    ck_assert_uint_eq(opened_look(&o).ignored_total, 2 - odd_statuses[_i].counted);
    teardown();
}
END_TEST

START_TEST(a_half_given_clock_or_allocator_opens_nothing)
{
    keel_clock no_wait = { .now = o.clock.clock.now };
    keel_allocator half;
    keel_options options = { .size = sizeof options, .clock = &no_wait };
    keel_runtime *rt;

    setup();
    half = (keel_allocator){ .allocate = o.memory.allocator.allocate };
    ck_assert_int_eq(keel_open(&rt, &options, NULL), KEEL_E_SYSTEM);
    options.clock = NULL;
    options.allocator = &half;
    ck_assert_int_eq(keel_open(&rt, &options, NULL), KEEL_E_ARGUMENT);
    half = (keel_allocator){ .release = o.memory.allocator.release };
    ck_assert_int_eq(keel_open(&rt, &options, NULL), KEEL_E_ARGUMENT);
    ck_assert_ptr_null(rt);
    teardown();
}
END_TEST

/* ---- twice ------------------------------------------------------------------------- */

START_TEST(a_call_ends_once)
{
    keel_detail why = stale();
    keel_call call;

    setup();
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, &why), KEEL_E_STATE);
    said(&why, KEEL_E_STATE);
    ck_assert(!keel_call_next(&call));
    ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ENDED);
    keel_call_report(&call, KEEL_FAILED);
    keel_call_cleanup(&call);
    ck_assert_uint_eq(opened_look(&o).calls, 1);
    ck_assert_uint_eq(opened_look(&o).failures, 0);
    teardown();
}
END_TEST

START_TEST(memory_of_zeros_is_a_call_that_was_not_begun)
{
    keel_call call = { { 0 } };
    keel_permit permit = { { 0 } };

    setup();
    keel_call_cleanup(&call);
    keel_call_report(&call, KEEL_OK);
    ck_assert(!keel_call_next(&call));
    ck_assert_uint_eq(keel_call_attempt(&call), 0);
    ck_assert_uint_eq(keel_call_timeout_ns(&call), UINT64_MAX);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_E_STATE);
    keel_permit_end(&permit, KEEL_OK);
    teardown();
}
END_TEST

START_TEST(a_handle_may_be_closed_more_often_than_opened)
{
    keel_pipeline *again;

    setup();
    keel_pipeline_close(o.pipeline);
    keel_pipeline_close(o.pipeline);
    ck_assert_int_eq(keel_pipeline_open(&again, o.rt, "payments", "bulkhead=4", NULL),
                     KEEL_OK);
    ck_assert_ptr_eq(again, o.pipeline);
    ck_assert_int_eq(keel_close(o.rt, 0), KEEL_E_BUSY); /* one handle is open */
    teardown();
}
END_TEST

/* ---- errno ------------------------------------------------------------------------- */

static void spoil_errno(const keel_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    errno = 1;
}

static void spoil_in_log(keel_log_level level, const char *subsystem,
                         const char *message, void *ctx)
{
    (void)level;
    (void)subsystem;
    (void)message;
    (void)ctx;
    errno = 1;
}

static keel_status spoil_in_fallback(const keel_detail *detail, void *ctx)
{
    (void)detail;
    (void)ctx;
    errno = 1;
    return KEEL_OK;
}

/* The one that holds keel's errno says where it was lost. */
#define KEEPS_ERRNO(holds)                                                             \
    do {                                                                               \
        ck_assert(holds);                                                              \
        ck_assert_int_eq(errno, UNTOUCHED);                                            \
    } while (0)

/* One failure opens it; nonsense is warned of, and so is a file that is not there. */
static void open_with_spoilers(keel_runtime **rt, keel_pipeline **pipeline)
{
    static const char *const environment[] = { "KEEL_CONFIG_FILE=/nonexistent",
                                               "KEEL_NOBODY=timeout=1s", NULL };
    keel_options options = { .size = sizeof options,
                             .log = spoil_in_log,
                             .environment = environment };

    errno = UNTOUCHED;
    KEEPS_ERRNO(keel_open(rt, &options, NULL) == KEEL_OK);
    KEEPS_ERRNO(keel_pipeline_open(pipeline, *rt, "payments",
                                   "none; nonsense; breaker=on; breaker.consecutive=1",
                                   NULL) == KEEL_OK);
    KEEPS_ERRNO(keel_runtime_verify(*rt, NULL) == KEEL_OK); /* nobody is warned of */
    KEEPS_ERRNO(keel_events_listen(*rt, spoil_errno, NULL) == KEEL_OK);
}

START_TEST(errno_is_the_callers_whatever_hooks_do_to_it)
{
    keel_call_options calling = { .size = sizeof calling,
                                  .fallback = spoil_in_fallback };
    keel_pipeline *pipeline;
    keel_runtime *rt;
    keel_permit permit;
    keel_call call;

    open_with_spoilers(&rt, &pipeline);
    KEEPS_ERRNO(keel_permit_take(pipeline, &permit, NULL) == KEEL_OK);
    KEEPS_ERRNO(RETURNS(keel_permit_end(&permit, KEEL_FAILED))); /* it opens */
    KEEPS_ERRNO(keel_permit_take(pipeline, &permit, NULL) == KEEL_REJECTED_OPEN);
    KEEPS_ERRNO(RETURNS(keel_call_begin(&call, pipeline, &calling)));
    KEEPS_ERRNO(!keel_call_next(&call));
    KEEPS_ERRNO(keel_call_end(&call, NULL) == KEEL_OK);
    KEEPS_ERRNO(keel_reload(rt, NULL) == KEEL_E_CONFIG);
    KEEPS_ERRNO(keel_pipeline_reset(pipeline) == KEEL_OK);
    KEEPS_ERRNO(keel_pipeline_override(pipeline, "x", 1, NULL) == KEEL_E_CONFIG);
    KEEPS_ERRNO(RETURNS(keel_pipeline_close(pipeline)));
    KEEPS_ERRNO(keel_close(rt, 0) == KEEL_OK);
}
END_TEST

SUITE("bad input", 30, ONE(without_a_runtime_nothing_is_opened_read_or_told),
      ONE(without_a_pipeline_nothing_is_looked_at_or_changed),
      ONE(without_a_pipeline_or_a_function_nothing_is_called),
      ONE(without_a_call_there_is_nothing_to_do),
      ONE(without_a_permit_or_a_token_nothing_ends),
      ONE(a_runtime_and_a_pipeline_open_without_options_settings_and_detail),
      ONE(a_call_is_made_without_options_context_and_detail),
      ONE(a_permit_is_taken_and_a_listener_set_with_no_more_than_is_needed),
      ROWS(options_of_another_keel_are_read_as_far_as_they_are_understood, sizes),
      ROWS(keel_run_reads_its_options_and_those_of_its_call_alike, sizes),
      ROWS(an_outcome_of_another_keel_counts_if_it_is_understood, sizes),
      ONE(a_look_never_writes_past_the_callers_size),
      ONE(a_detail_is_never_written_past_the_callers_size),
      ROWS(a_name_that_is_not_valid_opens_nothing, bad_names),
      ONE(names_of_64_bytes_open_and_those_that_share_a_variable_do_not),
      ONE(numbers_that_mean_nothing_change_nothing),
      ROWS(an_odd_status_is_neutral_and_an_unknown_one_a_failure, odd_statuses),
      ONE(a_half_given_clock_or_allocator_opens_nothing), ONE(a_call_ends_once),
      ONE(memory_of_zeros_is_a_call_that_was_not_begun),
      ONE(a_handle_may_be_closed_more_often_than_opened),
      ONE(errno_is_the_callers_whatever_hooks_do_to_it))
