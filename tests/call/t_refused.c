/* SPDX-License-Identifier: MIT */
/* What a call does that finds the breaker open: waits for probes, or is refused. */
#include "base/clock.h"
#include "support/opened.h"
#include "support/suite.h"

static const char *const settings =
    "none; deadline=10s; retry.attempts=3; retry.backoff=0; retry.budget=off; "
    "breaker=on; "
    "breaker.consecutive=1; breaker.open=5s; breaker.open_jitter=0; "
    "breaker.half_open_permits=1";

typedef struct refused_case {
    const char *why;
    bool idempotent;
    bool has_failed;      /* its own first attempt opened the breaker */
    uint64_t deadline_ns; /* 0: the pipeline's */
    uint64_t waited_ns;
    keel_status status;
    uint32_t attempts;
} refused_case;

static const refused_case refused_cases[] = {
    { "an undeclared call is refused at once", false, false, 0, 0, KEEL_REJECTED_OPEN,
      0 },
    { "a declared one waits until probes may pass", true, false, 0, 5 * KEEL_S, KEEL_OK,
      1 },
    { "not beyond its deadline", true, false, 5 * KEEL_S, 0, KEEL_REJECTED_OPEN, 0 },
    { "a retry waits too", true, true, 0, 5 * KEEL_S, KEEL_OK, 2 },
    { "a retry too late keeps its last real outcome", true, true, 4 * KEEL_S, 0,
      KEEL_FAILED, 1 },
};

static opened o;

START_TEST(an_open_breaker_is_waited_for_by_those_who_may)
{
    const refused_case *c = &refused_cases[_i];
    keel_call_options options = { .size = sizeof options, .idempotent = c->idempotent };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_call call;
    uint64_t began;
    bool fails = c->has_failed;

    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
    began = keel_now(o.rt);
    if (c->deadline_ns)
        options.deadline_at_ns = began + c->deadline_ns;
    if (!c->has_failed)
        keel_pipeline_transition(o.pipeline, KEEL_BREAKER_OPEN, 0);
    keel_call_begin(&call, o.pipeline, &options);
    while (keel_call_next(&call)) {
        keel_call_report(&call, fails ? KEEL_FAILED : KEEL_OK);
        fails = false;
    }
    ck_assert_msg(keel_call_end(&call, &why) == c->status, "%s: %s", c->why, why.text);
    ck_assert_msg(why.attempts == c->attempts, "%s: %u attempts", c->why, why.attempts);
    ck_assert_msg(keel_now(o.rt) - began == c->waited_ns, "%s: waited", c->why);
    if (c->status != KEEL_OK)
        ck_assert_int_eq(why.reason, KEEL_REASON_OPEN);
    if (c->status == KEEL_FAILED)
        ck_assert_str_eq(why.text,
                         "called and failed; not retried: the breaker has opened");
    opened_cleanup(&o);
}
END_TEST

/* Retry tries again until the deadline, in vain: what refused it, and until when. */
START_TEST(a_limiter_that_refused_to_the_end_is_named_with_its_hint)
{
    opened_init(&o, OPENED_VIRTUAL, NULL,
                "none; deadline=1s; rate=1/m; retry.attempts=3; retry.backoff=2s; "
                "retry.jitter=none; retry.on_local=on");
    ck_assert_int_eq(opened_play(&o, "o", NULL), KEEL_OK);
    ck_assert_int_eq(opened_play(&o, "o", NULL), KEEL_REJECTED_RATE_LIMITED);
    ck_assert_int_eq(o.why.reason, KEEL_REASON_RATE_LIMITED);
    ck_assert_uint_eq(o.why.retry_after_ns, 60 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

/* "Never again" is said to this request; the breaker asks for all others. */
START_TEST(never_again_keeps_the_breaker_open_no_longer_than_usual)
{
    const keel_outcome never = { .size = sizeof never,
                                 .status = KEEL_THROTTLED,
                                 .retry_after_ns = UINT64_MAX };
    keel_permit permit;

    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL), KEEL_OK);
    keel_permit_end_outcome(&permit, &never);
    ck_assert_uint_eq(opened_look(&o).open_left_ns, 5 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

SUITE("refused", 10,
      ROWS(an_open_breaker_is_waited_for_by_those_who_may, refused_cases),
      ONE(a_limiter_that_refused_to_the_end_is_named_with_its_hint),
      ONE(never_again_keeps_the_breaker_open_no_longer_than_usual))
