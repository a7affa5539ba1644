/* SPDX-License-Identifier: MIT */
/*
 * Calls of a pipeline with endpoints: where their attempts go, and what is told of it.
 * Which endpoint is next and who is ejected is policy/t_endpoint_choice.c's and
 * policy/t_outlier.c's.
 */
#include <stdio.h>
#include <string.h>

#include "support/opened.h"
#include "support/suite.h"

#define THREE                                                                          \
    "none; timeout=2s; deadline=1h; endpoints=a.test:1, b.test:2 zone=z, c.test:3; "

static opened o;
static keel_call call;

static const keel_call_options idempotent = { .size = sizeof idempotent,
                                              .idempotent = true };

static keel_endpoint endpoint_of(uint32_t attempt)
{
    keel_endpoint endpoint = { .size = sizeof endpoint };

    ck_assert_int_eq(keel_call_endpoint(&call, attempt, &endpoint), KEEL_OK);
    return endpoint;
}

static void report(uint32_t attempt, keel_status status)
{
    const keel_outcome outcome = { .size = sizeof outcome, .status = status };

    keel_call_report_attempt(&call, attempt, &outcome);
}

START_TEST(an_attempt_knows_where_it_goes)
{
    keel_endpoint endpoint;

    opened_init(&o, OPENED_BY_HAND, NULL, THREE);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert_int_eq(keel_call_endpoint(&call, 0, &(keel_endpoint){ .size = 8 }),
                     KEEL_E_STATE);
    ck_assert(keel_call_next(&call));
    endpoint = endpoint_of(1);
    ck_assert_uint_lt(endpoint.index, 3);
    ck_assert_str_eq(endpoint.zone, endpoint.index == 1 ? "z" : "");
    ck_assert_ptr_nonnull(strstr(endpoint.name, ".test:"));
    ck_assert_uint_eq(endpoint_of(0).index, endpoint.index);
    ck_assert_int_eq(keel_call_endpoint(&call, 2, &endpoint), KEEL_E_STATE);
    keel_call_report(&call, KEEL_OK);
    ck_assert_uint_eq(endpoint_of(1).index, endpoint.index); /* who has answered */
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_int_eq(keel_call_endpoint(&call, 1, &endpoint), KEEL_E_STATE);
    opened_cleanup(&o);
}
END_TEST

START_TEST(where_an_attempt_went_is_known_when_no_other_is_let_through)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; endpoints=a.test:1, b.test:2; endpoints.choice=round_robin; "
                "retry.attempts=3; retry.backoff=0; retry.budget=off; eject=off; "
                "breaker.consecutive=1; breaker.min_calls=1000");
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0), KEEL_OK);
    keel_call_begin(&call, o.pipeline, &idempotent);
    for (int i = 0; i < 2; i++) {
        ck_assert(keel_call_next(&call));
        keel_call_report(&call, KEEL_FAILED);
    }
    ck_assert_int_eq(keel_pipeline_unlock(o.pipeline), KEEL_OK);
    ck_assert(!keel_call_next(&call));
    ck_assert_uint_eq(keel_call_attempt(&call), 2);
    ck_assert_str_eq(endpoint_of(2).name, "b.test:2");
    ck_assert_int_eq(keel_call_end(&call, &o.why), KEEL_FAILED);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_OPEN);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_retry_goes_to_another_as_long_as_there_is_one)
{
    uint32_t seen = 0;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                THREE "retry.attempts=4; retry.backoff=0; retry.budget=off; eject=off");
    keel_call_begin(&call, o.pipeline, &idempotent);
    for (uint32_t attempt = 1; keel_call_next(&call); attempt++) {
        seen |= 1u << endpoint_of(attempt).index;
        if (attempt == 3)
            ck_assert_uint_eq(seen, 7);
        keel_call_report(&call, KEEL_FAILED);
    }
    ck_assert_int_eq(keel_call_end(&call, &o.why), KEEL_FAILED);
    ck_assert_uint_eq(o.why.attempts, 4);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_copy_goes_to_another)
{
    opened_init(&o, OPENED_BY_HAND, NULL, THREE "hedge=0; hedge.budget=100%");
    for (uint32_t i = 0; i < 100; i++) {
        keel_call_begin(&call, o.pipeline, &idempotent);
        ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
        ck_assert_int_eq(keel_call_poll(&call, NULL, NULL), KEEL_STEP_ATTEMPT);
        ck_assert_uint_ne(endpoint_of(1).index, endpoint_of(2).index);
        report(i % 2 + 1, KEEL_OK);
        ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    }
    opened_cleanup(&o);
}
END_TEST

START_TEST(calls_of_the_same_affinity_go_to_the_same_endpoint)
{
    keel_call_options options = idempotent;
    uint32_t seen = 0;

    opened_init(&o, OPENED_BY_HAND, NULL, THREE "endpoints.choice=sticky");
    for (uint64_t user = 1; user < 50; user++) {
        uint32_t first = 3;

        options.affinity = user * 0x9e3779b97f4a7c15u;
        for (int i = 0; i < 5; i++) {
            keel_call_begin(&call, o.pipeline, &options);
            ck_assert(keel_call_next(&call));
            if (first == 3)
                first = endpoint_of(1).index;
            ck_assert_uint_eq(endpoint_of(1).index, first);
            keel_call_report(&call, KEEL_OK);
            ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
        }
        seen |= 1u << first;
    }
    ck_assert_uint_eq(seen, 7);
    opened_cleanup(&o);
}
END_TEST

/* What the listener heard, by type. */
static unsigned heard[KEEL_EVENT_CALM + 1];
static char last_endpoint[64];

static void listen(const keel_event *event, void *ctx)
{
    (void)ctx;
    heard[event->type]++;
    if (event->type == KEEL_EVENT_EJECTED ||
        event->type == KEEL_EVENT_ENDPOINT_TRANSITION)
        snprintf(last_endpoint, sizeof last_endpoint, "%s", event->endpoint);
}

/* One call, whose attempts fail where bad is, a bit for each endpoint. */
static keel_status one_call(uint32_t bad)
{
    keel_call_begin(&call, o.pipeline, &idempotent);
    while (keel_call_next(&call))
        keel_call_report(&call,
                         1u << endpoint_of(0).index & bad ? KEEL_FAILED : KEEL_OK);
    return keel_call_end(&call, &o.why);
}

static keel_status collect_endpoint(const keel_attempt *attempt, keel_outcome *outcome,
                                    void *ctx)
{
    (void)outcome;
    *(uint32_t *)ctx |= 1u << attempt->endpoint->index;
    return KEEL_OK;
}

START_TEST(runs_of_the_same_affinity_go_to_the_same_endpoint)
{
    const keel_call_options with = { .size = sizeof with, .affinity = 4711 };
    const keel_run_options options = { .size = sizeof options, .call = &with };
    uint32_t seen = 0;

    opened_init(&o, OPENED_BY_HAND, NULL, THREE "endpoints.choice=sticky");
    for (int i = 0; i < 20; i++) {
        o.draw = i * 0.05;
        ck_assert_int_eq(keel_run(o.pipeline, collect_endpoint, &seen, &options, NULL),
                         KEEL_OK);
    }
    ck_assert_int_eq(__builtin_popcount(seen), 1);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_bad_endpoint_is_ejected_and_no_caller_sees_an_error)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                THREE "retry.attempts=2; retry.backoff=0; retry.budget=off; "
                      "eject.consecutive=5; eject.time=30s; eject.jitter=0");
    memset(heard, 0, sizeof heard);
    keel_events_listen(o.rt, listen, NULL);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(one_call(2), KEEL_OK);
    ck_assert_uint_eq(heard[KEEL_EVENT_EJECTED], 1);
    ck_assert_str_eq(last_endpoint, "b.test:2");
    ck_assert_uint_eq(opened_look(&o).retries_total, 5);
    vclock_advance(&o.clock, 31 * KEEL_S); /* it is back, and still bad */
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(one_call(2), KEEL_OK);
    ck_assert_uint_eq(heard[KEEL_EVENT_EJECTED], 2);
    keel_events_listen(o.rt, NULL, NULL);
    opened_cleanup(&o);
}
END_TEST

START_TEST(where_every_breaker_is_open_a_call_is_refused_until_the_first_may_be_probed)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                THREE "eject=off; breaker.consecutive=2; breaker.min_calls=1000; "
                      "breaker.open=5s; breaker.open_jitter=0");
    memset(heard, 0, sizeof heard);
    keel_events_listen(o.rt, listen, NULL);
    /* of the dependency none: its own breaker is held closed */
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0), KEEL_OK);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(one_call(7), KEEL_FAILED);
    ck_assert_int_eq(keel_pipeline_unlock(o.pipeline), KEEL_OK);
    ck_assert_int_eq(one_call(7), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_OPEN);
    ck_assert_uint_eq(o.why.retry_after_ns, 5 * KEEL_S);
    ck_assert_uint_eq(o.why.attempts, 0);
    ck_assert_uint_eq(heard[KEEL_EVENT_ENDPOINT_TRANSITION], 3);
    ck_assert_uint_eq(heard[KEEL_EVENT_TRANSITION], 0);
    vclock_advance(&o.clock, 5 * KEEL_S);
    ck_assert_int_eq(one_call(0), KEEL_OK);
    keel_events_listen(o.rt, NULL, NULL);
    opened_cleanup(&o);
}
END_TEST

/* "Never again" is about that request, not about all others. */
START_TEST(an_endpoint_that_says_never_is_probed_like_any_other)
{
    const keel_outcome never = { .size = sizeof never,
                                 .status = KEEL_FAILED,
                                 .retry_after_ns = UINT64_MAX };

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; endpoints=a.test:1; eject=off; breaker.consecutive=1; "
                "breaker.min_calls=1000; breaker.open=5s..60s; breaker.open_jitter=0");
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0), KEEL_OK);
    keel_call_begin(&call, o.pipeline, &idempotent);
    ck_assert(keel_call_next(&call));
    keel_call_report_attempt(&call, 1, &never);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_FAILED);
    ck_assert_int_eq(keel_pipeline_unlock(o.pipeline), KEEL_OK);
    ck_assert_int_eq(one_call(0), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(o.why.retry_after_ns, 5 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

START_TEST(what_is_refused_further_in_goes_back_further_out)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                THREE "eject=off; bulkhead=1; breaker.consecutive=1; "
                      "breaker.min_calls=1000; breaker.open=5s");
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0), KEEL_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(one_call(7), KEEL_FAILED);
    ck_assert_int_eq(keel_pipeline_unlock(o.pipeline), KEEL_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(one_call(7), KEEL_REJECTED_OPEN); /* not: bulkhead full */
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}
END_TEST

START_TEST(keel_run_goes_to_endpoints_too)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, THREE);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(keel_run(o.pipeline, opened_succeed, NULL, NULL, NULL),
                         KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_call_keeps_the_endpoints_it_began_with)
{
    keel_endpoint endpoint;

    opened_init(&o, OPENED_BY_HAND, NULL, THREE);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    endpoint = endpoint_of(1);
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "endpoints=d.test:4", KEEL_S, NULL),
        KEEL_OK);
    ck_assert_str_eq(endpoint_of(1).name, endpoint.name);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    ck_assert_str_eq(endpoint_of(1).name, "d.test:4");
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(calls_one_after_the_other_take_no_memory_anew)
{
    long before;

    opened_init(&o, OPENED_VIRTUAL, NULL, THREE);
    ck_assert_int_eq(one_call(0), KEEL_OK);
    before = atomic_load(&o.memory.calls);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(one_call(0), KEEL_OK);
    ck_assert_int_eq(atomic_load(&o.memory.calls), before);
    opened_cleanup(&o);
}
END_TEST

START_TEST(without_memory_for_its_endpoints_a_call_says_so)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, THREE "bulkhead=1");
    o.memory.fail_at = atomic_load(&o.memory.calls) + 1;
    ck_assert_int_eq(one_call(0), KEEL_E_NOMEM);
    ck_assert_int_eq(one_call(0), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_lock_that_lets_calls_through_lets_them_through_to_endpoints)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                THREE "eject=off; breaker.consecutive=1; breaker.min_calls=1000; "
                      "breaker.open=1h");
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_CLOSED, 0), KEEL_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(one_call(7), KEEL_FAILED);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(one_call(0),
                         KEEL_OK); /* whatever the endpoints' breakers say */
    ck_assert_int_eq(keel_pipeline_unlock(o.pipeline), KEEL_OK);
    ck_assert_int_eq(one_call(0), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(keel_pipeline_reset(o.pipeline), KEEL_OK); /* of endpoints, too */
    ck_assert_int_eq(one_call(0), KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

static keel_status note_endpoint(const keel_attempt *attempt, keel_outcome *outcome,
                                 void *ctx)
{
    char *name = ctx;

    (void)outcome;
    strcpy(name, attempt->endpoint ? attempt->endpoint->name : "none");
    return KEEL_OK;
}

static const bool run_ways[] = { false, true };

START_TEST(a_callback_is_told_where_to_go)
{
    const keel_run_options options = { .size = sizeof options, .detach = run_ways[_i] };
    char name[64] = "";

    opened_init(&o, OPENED_REAL, NULL, THREE);
    ck_assert_int_eq(keel_run(o.pipeline, note_endpoint, name, &options, NULL),
                     KEEL_OK);
    ck_assert_ptr_nonnull(strstr(name, ".test:"));
    opened_cleanup(&o);
    opened_init(&o, OPENED_REAL, NULL, "none");
    ck_assert_int_eq(keel_run(o.pipeline, note_endpoint, name, &options, NULL),
                     KEEL_OK);
    ck_assert_str_eq(name, "none");
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_plain_call_goes_to_the_first_of_the_list)
{
    static const char *const disabled[] = { "KEEL_DISABLED=on", NULL };
    keel_endpoint endpoint = { .size = sizeof endpoint };

    opened_init(&o, OPENED_VIRTUAL, disabled, THREE);
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert_int_eq(keel_call_endpoint(&call, 0, &endpoint), KEEL_E_STATE);
    ck_assert(keel_call_next(&call));
    ck_assert_str_eq(endpoint_of(1).name, "a.test:1");
    ck_assert_uint_eq(endpoint_of(0).index, 0);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    ck_assert_int_eq(keel_call_endpoint(&call, 1, &endpoint), KEEL_E_STATE);
    opened_cleanup(&o);
}
END_TEST

SUITE("call_endpoint", 30,
      ONE(a_lock_that_lets_calls_through_lets_them_through_to_endpoints),
      ROWS(a_callback_is_told_where_to_go, run_ways),
      ONE(a_plain_call_goes_to_the_first_of_the_list),
      ONE(an_attempt_knows_where_it_goes),
      ONE(where_an_attempt_went_is_known_when_no_other_is_let_through),
      ONE(a_retry_goes_to_another_as_long_as_there_is_one), ONE(a_copy_goes_to_another),
      ONE(calls_of_the_same_affinity_go_to_the_same_endpoint),
      ONE(runs_of_the_same_affinity_go_to_the_same_endpoint),
      ONE(a_bad_endpoint_is_ejected_and_no_caller_sees_an_error),
      ONE(where_every_breaker_is_open_a_call_is_refused_until_the_first_may_be_probed),
      ONE(an_endpoint_that_says_never_is_probed_like_any_other),
      ONE(what_is_refused_further_in_goes_back_further_out),
      ONE(keel_run_goes_to_endpoints_too),
      ONE(a_call_keeps_the_endpoints_it_began_with),
      ONE(calls_one_after_the_other_take_no_memory_anew),
      ONE(without_memory_for_its_endpoints_a_call_says_so))
