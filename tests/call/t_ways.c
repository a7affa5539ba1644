/* SPDX-License-Identifier: MIT */
/*
 * keel_run has a quick way for what nearly always happens. Whatever happens, it must
 * tell the same story as the general way and as the loop written by hand: same detail,
 * same figures, same events.
 */
#include <string.h>

#include "support/opened.h"
#include "support/suite.h"

enum { STEPS_MAX = 4, EVENTS_MAX = 16 };

/* What one attempt comes to, and how long it takes. */
typedef struct step {
    keel_outcome outcome;
    uint64_t takes_ns;
} step;

typedef struct way_script {
    const char *why;
    const char *settings;
    bool idempotent;
    step steps[STEPS_MAX];
} way_script;

#define COMES(s, ...)                                                                  \
    {                                                                                  \
        .outcome = {.size = sizeof(keel_outcome), .status = s, __VA_ARGS__ }           \
    }

static const char plain[] = "retry.jitter=none; retry.backoff=100ms; timeout=1s; "
                            "deadline=10s";

static const way_script scripts[] = {
    { "a success", plain, false, { COMES(KEEL_OK) } },
    { "a success that tells what it did",
      plain,
      false,
      { COMES(KEEL_OK, .applied = KEEL_APPLIED_YES, .system_errno = 7) } },
    { "a success without any policy", "none", false, { COMES(KEEL_OK) } },
    { "a success in a bulkhead with a queue",
      "bulkhead.queue=4; bulkhead.wait=1s",
      false,
      { COMES(KEEL_OK) } },
    { "a slow success",
      "breaker.slow_call=10ms; timeout=1s",
      false,
      { { .outcome = { .status = KEEL_OK }, .takes_ns = 20 * KEEL_MS } } },
    { "a success of a breaker that counts calls",
      "breaker.window=10calls",
      false,
      { COMES(KEEL_OK) } },
    { "a success that takes a token", "rate=10/s", false, { COMES(KEEL_OK) } },
    { "a failure that is not repeated", plain, false, { COMES(KEEL_FAILED) } },
    { "a client error", plain, true, { COMES(KEEL_CLIENT_ERROR) } },
    { "a neutral end", plain, true, { COMES(KEEL_IGNORED) } },
    { "a failure, then a success",
      plain,
      true,
      { COMES(KEEL_FAILED), COMES(KEEL_OK) } },
    { "one that never left is repeated in any case",
      plain,
      false,
      { COMES(KEEL_FAILED, .never_sent = true), COMES(KEEL_OK) } },
    { "failures until none is left",
      plain,
      true,
      { COMES(KEEL_FAILED), COMES(KEEL_UNKNOWN), COMES(KEEL_FAILED) } },
    { "throttled, with a hint",
      plain,
      true,
      { COMES(KEEL_THROTTLED, .retry_after_ns = 2 * KEEL_S), COMES(KEEL_OK) } },
    { "throttled for good",
      plain,
      true,
      { COMES(KEEL_THROTTLED, .retry_after_ns = UINT64_MAX) } },
    { "an answer later than the timeout",
      plain,
      false,
      { { .outcome = { .status = KEEL_OK }, .takes_ns = 1500 * KEEL_MS } } },
    { "a failure later than the timeout, repeated",
      plain,
      true,
      { { .outcome = { .status = KEEL_FAILED }, .takes_ns = 1500 * KEEL_MS },
        COMES(KEEL_OK) } },
    { "a failure later than the deadline",
      "deadline=1s; timeout=off",
      true,
      { { .outcome = { .status = KEEL_FAILED }, .takes_ns = 1500 * KEEL_MS } } },
    { "a failure that opens the breaker",
      "breaker.consecutive=1; breaker.open_jitter=0",
      false,
      { COMES(KEEL_FAILED) } },
    { "no time for an attempt", "none; deadline=100us", false, { COMES(KEEL_OK) } },
};

typedef enum call_way { BY_RUN, BY_THE_GENERAL_RUN, BY_HAND, WAYS } call_way;

typedef struct story {
    keel_status status;
    keel_detail why;
    keel_pipeline_stats stats;
    keel_event events[EVENTS_MAX];
    unsigned event_count;
} story;

typedef struct actor {
    opened o;
    const way_script *script;
    unsigned at;
} actor;

static void take_event(const keel_event *event, void *ctx)
{
    story *s = ctx;

    ck_assert_uint_lt(s->event_count, EVENTS_MAX);
    s->events[s->event_count] = *event;
    s->events[s->event_count++].pipeline = "";
}

static keel_outcome act(actor *a)
{
    const step *now = &a->script->steps[a->at++];
    keel_outcome outcome = now->outcome;

    ck_assert_uint_le(a->at, STEPS_MAX);
    outcome.size = sizeof outcome;
    vclock_advance(&a->o.clock, now->takes_ns);
    return outcome;
}

static keel_status act_in_run(const keel_attempt *attempt, keel_outcome *outcome,
                              void *ctx)
{
    actor *a = ctx;

    ck_assert_uint_eq(attempt->number, a->at + 1);
    *outcome = act(a);
    return outcome->status;
}

static keel_status go_by_hand(actor *a, const keel_call_options *options,
                              keel_detail *why)
{
    keel_call call;

    keel_call_begin(&call, a->o.pipeline, options);
    while (keel_call_next(&call)) {
        keel_outcome outcome = act(a);

        keel_call_report_attempt(&call, 0, &outcome);
    }
    return keel_call_end(&call, why);
}

/* A token that nobody fires keeps keel_run from its quick way. */
static keel_status go(actor *a, call_way way, keel_detail *why)
{
    keel_cancel token = KEEL_CANCEL_INIT;
    keel_call_options call = { .size = sizeof call,
                               .idempotent = a->script->idempotent };
    keel_run_options options = { .size = sizeof options, .call = &call };

    if (way == BY_HAND)
        return go_by_hand(a, &call, why);
    if (way == BY_THE_GENERAL_RUN)
        call.cancel = &token;
    return keel_run(a->o.pipeline, act_in_run, a, &options, why);
}

/* The first success of a bucket takes the long way by itself: it is made beforehand. */
static void setup(actor *a, const way_script *script)
{
    a->script = script;
    a->at = 0;
    opened_init(&a->o, OPENED_VIRTUAL, NULL, script->settings);
    keel_run(a->o.pipeline, opened_succeed, NULL, NULL, NULL);
}

static story tell(const way_script *script, call_way way)
{
    static actor a;
    story s = { .why = KEEL_DETAIL_INIT };

    setup(&a, script);
    ck_assert_int_eq(keel_events_listen(a.o.rt, take_event, &s), KEEL_OK);
    s.status = go(&a, way, &s.why);
    s.stats = opened_look(&a.o);
    ck_assert_int_eq(keel_events_listen(a.o.rt, NULL, NULL), KEEL_OK);
    opened_cleanup(&a.o);
    return s;
}

static void same_detail(const way_script *c, const keel_detail *a, const keel_detail *b)
{
    ck_assert_msg(a->code == b->code && a->reason == b->reason, "%s: code, reason",
                  c->why);
    ck_assert_msg(a->attempts == b->attempts, "%s: attempts", c->why);
    ck_assert_msg(a->applied == b->applied && a->system_errno == b->system_errno,
                  "%s: applied, errno", c->why);
    ck_assert_msg(a->fallback == b->fallback, "%s: fallback", c->why);
    ck_assert_msg(a->elapsed_ns == b->elapsed_ns, "%s: elapsed", c->why);
    ck_assert_msg(a->retry_after_ns == b->retry_after_ns, "%s: retry_after", c->why);
    ck_assert_str_eq(a->text, b->text);
}

static void same_story(const way_script *c, const story *a, const story *b)
{
    ck_assert_msg(a->status == b->status, "%s: %s, %s", c->why,
                  keel_status_name(a->status), keel_status_name(b->status));
    same_detail(c, &a->why, &b->why);
    ck_assert_msg(!memcmp(&a->stats, &b->stats, sizeof a->stats), "%s: figures",
                  c->why);
    ck_assert_msg(a->event_count == b->event_count, "%s: %u and %u events", c->why,
                  a->event_count, b->event_count);
    for (unsigned i = 0; i < a->event_count; i++) {
        keel_event x = a->events[i], y = b->events[i];

        ck_assert_msg(x.type == y.type && x.at_ns == y.at_ns &&
                          x.sequence == y.sequence && x.from == y.from &&
                          x.to == y.to && x.cause == y.cause && x.reason == y.reason &&
                          x.status == y.status && x.attempt == y.attempt &&
                          x.generation == y.generation &&
                          x.duration_ns == y.duration_ns,
                      "%s: event %u, %s", c->why, i, keel_event_type_name(x.type));
    }
}

START_TEST(all_ways_of_a_call_tell_the_same_story)
{
    const way_script *c = &scripts[_i];
    story first = tell(c, BY_RUN);

    for (int way = BY_RUN + 1; way < WAYS; way++) {
        story other = tell(c, (call_way)way);

        same_story(c, &first, &other);
    }
}
END_TEST

START_TEST(the_figures_are_the_same_where_nobody_asks_for_the_story)
{
    const way_script *c = &scripts[_i];
    keel_pipeline_stats stats[WAYS];

    for (int way = 0; way < WAYS; way++) {
        static actor a;

        setup(&a, c);
        go(&a, (call_way)way, NULL);
        stats[way] = opened_look(&a.o);
        ck_assert_msg(!memcmp(&stats[0], &stats[way], sizeof stats[0]), "%s", c->why);
        opened_cleanup(&a.o);
    }
}
END_TEST

SUITE("ways", 30, ROWS(all_ways_of_a_call_tell_the_same_story, scripts),
      ROWS(the_figures_are_the_same_where_nobody_asks_for_the_story, scripts))
