/* SPDX-License-Identifier: MIT */
/*
 * A million short, seeded schedules: calls, permits, outcomes, the clock, locks and
 * reloads in any order, over settings of every kind. After each step the invariants:
 *
 *   never more attempts inside the bulkhead, or probes in a round, than permits
 *   no attempt after the deadline, nor with less than a millisecond left
 *   late outcomes change nothing; a second end changes nothing
 *   of several attempts of a call each is ended once, whoever wins
 *   the retry budget is never exceeded
 *   when all is ended nothing is held, and the breaker finds back to closed
 *
 * KEEL_SCHEDULES says how many (a million, fewer under a sanitizer). A failure names its seed: KEEL_SEED=n runs
 * that one alone. Threads are in t_threads.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "call/machine.h"
#include "support/opened.h"
#include "support/sanitizers.h"
#include "support/suite.h"

enum { CALLS = 4, PERMITS = 4, STEPS = 30, PER_RUNTIME = 500 };

#if HAS_SANITIZER
#define SCHEDULES 50000
#else
#define SCHEDULES 1000000
#endif

static const struct {
    const char *settings;
    unsigned places;   /* 0: no bulkhead */
    unsigned probes;   /* 0: no breaker */
    unsigned attempts; /* of one call, copies included */
    uint64_t deadline_ns;
    bool has_chaos; /* attempts that are held may end before they are made */
} kinds[] = {
    { "none; deadline=2s; timeout=500ms; retry.attempts=3; retry.budget=tokens:40; "
      "retry.backoff=50ms..1s; breaker.window=4calls; breaker.min_calls=2; "
      "breaker.open=1s..4s; breaker.half_open_permits=2; breaker.lease=1s; bulkhead=2",
      2, 2, 3, 2 * KEEL_S, false },
    { "none; deadline=3s; timeout=1s; retry.attempts=2; retry.budget=20%; "
      "retry.budget_floor=1/s; breaker.window=2s; breaker.buckets=4; "
      "breaker.min_calls=3; "
      "breaker.consecutive=2; breaker.open=500ms; breaker.half_open_permits=1; "
      "bulkhead=1; bulkhead.queue=2; bulkhead.wait=700ms",
      1, 1, 2, 3 * KEEL_S, false },
    { "none; deadline=2s; timeout=1s; breaker.window=1s; breaker.min_calls=2; "
      "breaker.slow_call=300ms; breaker.slow_rate=50%; breaker.open=300ms..2s; "
      "breaker.half_open_permits=3; breaker.half_open_max_wait=2s; rate=20/s; "
      "rate.burst=3; rate.wait=100ms; retry.attempts=4; retry.budget=grpc:10@0.1",
      0, 3, 4, 2 * KEEL_S, false },
    { "none; deadline=1s; breaker.window=3calls; breaker.min_calls=1; "
      "breaker.early_decision=off; breaker.half_open_permits=2; "
      "breaker.half_open_after_wait=closed; breaker.open=200ms; bulkhead=3; "
      "bulkhead.queue=4; bulkhead.wait=1s; bulkhead.order=lifo; retry.on_local=on; "
      "retry.attempts=3; retry.budget=inflight:20%",
      3, 2, 3, 1 * KEEL_S, false },
    { "none; timeout=400ms; deadline=2s; breaker.per_call=on; breaker.min_calls=2; "
      "breaker.window=2s; breaker.open=500ms; breaker.half_open_permits=2; "
      "breaker.lease=2s; bulkhead=2; retry.attempts=3; retry.budget=off",
      2, 2, 3, 2 * KEEL_S, false },
    { "none; timeout=600ms; deadline=2s; hedge=100ms; hedge.max=2; hedge.budget=100%; "
      "breaker.min_calls=3; breaker.window=2s; breaker.open=500ms; "
      "breaker.half_open_permits=2; bulkhead=3; retry.attempts=2; "
      "retry.budget=inflight:50%",
      3, 2, 4, 2 * KEEL_S, false },
    { "none; timeout=1s; deadline=3s; hedge=0; hedge.max=3; hedge.budget=100%; "
      "breaker.consecutive=4; breaker.open=300ms; breaker.half_open_permits=3; "
      "bulkhead=2; bulkhead.queue=2; bulkhead.wait=500ms; rate=50/s",
      2, 3, 4, 3 * KEEL_S, false },
    { "none; timeout=600ms; deadline=2s; hedge=100ms; hedge.max=2; hedge.budget=100%; "
      "breaker.min_calls=3; breaker.window=2s; breaker.open=500ms; "
      "breaker.half_open_permits=2; bulkhead=3; retry.attempts=2; "
      "retry.budget=inflight:50%; chaos.rate=50%; chaos.fail=ok; chaos.latency=250ms",
      3, 2, 4, 2 * KEEL_S, true },
};

typedef struct one_call {
    keel_call call;
    keel_cancel cancel;
    uint64_t deadline_at;
    unsigned attempts;
    unsigned inside; /* attempts under way */
    bool is_begun;
} one_call;

static struct {
    opened o;
    size_t kind;
    uint64_t seed, state;
    one_call calls[CALLS];
    keel_permit permits[PERMITS];
    bool is_taken[PERMITS];
} w;

static uint32_t draw(uint32_t below)
{
    w.state = w.state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w.state >> 33) % below;
}

/* Not ck_assert, which notes each time that it was here. */
#define HOLDS(condition)                                                               \
    do {                                                                               \
        if (!(condition))                                                              \
            ck_abort_msg("KEEL_SEED=%" PRIu64 ": %s", w.seed, #condition);             \
    } while (0)

static unsigned places_held(void)
{
    unsigned held = 0;

    for (int i = 0; i < CALLS; i++)
        held += w.calls[i].inside;
    for (int i = 0; i < PERMITS; i++)
        held += w.is_taken[i];
    return held;
}

static uint64_t now(void)
{
    return vclock_now(&w.o.clock);
}

static keel_status any_outcome(void)
{
    static const keel_status outcomes[] = {
        KEEL_OK,      KEEL_OK,        KEEL_FAILED,  KEEL_FAILED,      KEEL_TIMEOUT,
        KEEL_IGNORED, KEEL_THROTTLED, KEEL_UNKNOWN, KEEL_CLIENT_ERROR
    };

    return outcomes[draw(sizeof outcomes / sizeof outcomes[0])];
}

/* ---- steps ------------------------------------------------------------------------------ */

static void count_open(one_call *c)
{
    const keel_machine *m = keel_machine_of(&c->call);

    c->inside = 0;
    for (uint32_t number = 1; number <= c->attempts; number++)
        c->inside += keel_call_attempt_is_open(&c->call, number);
    HOLDS(!c->inside || m->phase == KEEL_PHASE_ATTEMPT);
    HOLDS(c->inside || m->phase != KEEL_PHASE_ATTEMPT || keel_machine_is_held(m));
}

static void step_call(one_call *c)
{
    keel_step step;
    uint32_t number;

    step = keel_call_poll(&c->call, &number, NULL);
    if (step == KEEL_STEP_ATTEMPT) {
        HOLDS(now() + KEEL_MS <= c->deadline_at);
        HOLDS(number == c->attempts + 1 ||
              (number > c->attempts && kinds[w.kind].has_chaos));
        HOLDS(number <= kinds[w.kind].attempts);
        HOLDS(keel_call_attempt_is_open(&c->call, number));
        c->attempts = number;
    }
    count_open(c);
}

static void begin_call(one_call *c)
{
    keel_call_options options = { .size = sizeof options,
                                  .idempotent = draw(3) > 0,
                                  .cancel = draw(3) ? NULL : &c->cancel };

    *c = (one_call){ .is_begun = true };
    c->deadline_at = now() + kinds[w.kind].deadline_ns;
    if (draw(3) == 0) {
        options.deadline_at_ns = now() + draw(1500) * KEEL_MS + 1;
        if (options.deadline_at_ns < c->deadline_at)
            c->deadline_at = options.deadline_at_ns;
    }
    keel_call_begin(&c->call, w.o.pipeline, &options);
    step_call(c);
}

static void report_call(one_call *c)
{
    keel_outcome outcome = { .size = sizeof outcome,
                             .status = any_outcome(),
                             .never_sent = draw(8) == 0 };

    if (draw(6) == 0)
        outcome.retry_after_ns = draw(4) ? draw(3000) * KEEL_MS : UINT64_MAX;
    keel_call_report_attempt(&c->call, draw(3) ? 0 : draw(5), &outcome);
    step_call(c);
}

static void end_call(one_call *c)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_call_end(&c->call, &why);

    HOLDS(why.attempts == c->attempts ||
          (why.attempts > c->attempts && kinds[w.kind].has_chaos));
    HOLDS(c->attempts == 0 || !keel_status_is_rejected(status));
    HOLDS(!keel_status_is_error(status));
    HOLDS(keel_call_end(&c->call, NULL) == KEEL_E_STATE);
    c->is_begun = false;
    c->inside = 0;
}

static void use_call(one_call *c)
{
    switch (draw(8)) {
    case 0:
        end_call(c);
        break;
    case 1:
        keel_cancel_fire(&c->cancel);
        step_call(c);
        break;
    case 2:
    case 3:
        step_call(c);
        break;
    default:
        report_call(c);
    }
}

static void use_permit(int i)
{
    if (w.is_taken[i])
        keel_permit_end(&w.permits[i], draw(6) ? any_outcome() : KEEL_CANCELLED);
    w.is_taken[i] = !w.is_taken[i] &&
                    keel_permit_take(w.o.pipeline, &w.permits[i], NULL) == KEEL_OK;
}

static void operate(void)
{
    static const keel_lock locks[] = { KEEL_LOCK_OPEN, KEEL_LOCK_CLOSED,
                                       KEEL_LOCK_DISABLED, KEEL_LOCK_OBSERVE };

    switch (draw(7)) {
    case 0:
        keel_pipeline_lock(w.o.pipeline, locks[draw(4)], draw(2) * 400 * KEEL_MS);
        break;
    case 1:
        keel_pipeline_transition(w.o.pipeline, (keel_breaker_state)draw(3),
                                 draw(2) * 300 * KEEL_MS);
        break;
    case 2:
        keel_pipeline_reset(w.o.pipeline);
        break;
    case 3: /* a reload costs more than all the rest */
        if (draw(20) == 0)
            HOLDS(keel_reload(w.o.rt, NULL) == KEEL_OK);
        break;
    default:
        keel_pipeline_unlock(w.o.pipeline);
    }
}

static void check_invariants(void)
{
    keel_pipeline_stats s = { .size = sizeof s };

    HOLDS(keel_pipeline_look(w.o.pipeline, &s) == KEEL_OK);
    HOLDS(s.permits <= kinds[w.kind].probes);
    HOLDS(s.state == KEEL_BREAKER_HALF_OPEN || s.permits == 0);
    if (!kinds[w.kind].places)
        return;
    HOLDS(s.in_flight <= kinds[w.kind].places);
    HOLDS(places_held() <= kinds[w.kind].places);
    HOLDS(s.in_flight >= places_held());
}

static void take_step(void)
{
    uint32_t what = draw(16);

    if (what < 7) {
        one_call *c = &w.calls[draw(CALLS)];

        if (c->is_begun)
            use_call(c);
        else
            begin_call(c);
    } else if (what < 11) {
        use_permit((int)draw(PERMITS));
    } else if (what < 15) {
        vclock_advance(&w.o.clock,
                       draw(4) ? draw(300) * KEEL_MS : draw(4000) * KEEL_MS);
    } else {
        operate();
    }
}

/* ---- ends ------------------------------------------------------------------------------- */

static void end_everything(void)
{
    keel_pipeline_stats s;

    keel_pipeline_unlock(w.o.pipeline);
    for (int i = 0; i < CALLS; i++)
        if (w.calls[i].is_begun)
            end_call(&w.calls[i]);
    for (int i = 0; i < PERMITS; i++)
        if (w.is_taken[i]) {
            keel_permit_end(&w.permits[i], KEEL_OK);
            w.is_taken[i] = false;
        }
    s = opened_look(&w.o);
    HOLDS(s.in_flight == 0);
    HOLDS(s.queued == 0);
}

/* From any state, with a peer that is well, calls are let through again in a while. */
static void find_back(void)
{
    keel_permit permit;
    unsigned passed = 0;

    for (int i = 0; i < 60 && passed < 4; i++) {
        if (keel_permit_take(w.o.pipeline, &permit, NULL) == KEEL_OK) {
            keel_permit_end(&permit, KEEL_OK);
            passed += opened_look(&w.o).state == KEEL_BREAKER_CLOSED;
        }
        vclock_advance(&w.o.clock, 300 * KEEL_MS);
    }
    HOLDS(passed == 4);
}

static void run(uint64_t seed)
{
    w.seed = seed;
    w.state = seed * 0x9e3779b97f4a7c15u + w.kind;
    w.o.draw = draw(100) / 100.0;
    for (int i = 0; i < STEPS; i++) {
        take_step();
        check_invariants();
    }
    end_everything();
    if (draw(16) == 0)
        find_back();
    keel_pipeline_reset(w.o.pipeline);
    vclock_advance(&w.o.clock, 20 * KEEL_S); /* budgets and limiters recover */
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_many(uint64_t first, uint64_t count)
{
    static const char *const environment[] = { "KEEL_CHAOS=allow", NULL };

    for (uint64_t seed = first; seed < first + count;) {
        w.kind = seed / PER_RUNTIME % (sizeof kinds / sizeof kinds[0]);
        opened_init(&w.o, OPENED_VIRTUAL, environment, kinds[w.kind].settings);
        do
            run(seed++);
        while (seed % PER_RUNTIME && seed < first + count);
        opened_cleanup(&w.o);
    }
}

START_TEST(whatever_the_order_every_invariant_holds)
{
    uint64_t seed = number_from("KEEL_SEED", UINT64_MAX);

    /* a schedule starts from what the one before it left: nothing but a clock */
    if (seed != UINT64_MAX)
        run_many(seed / PER_RUNTIME * PER_RUNTIME, seed % PER_RUNTIME + 1);
    else
        run_many(0, number_from("KEEL_SCHEDULES", SCHEDULES));
}
END_TEST

/* ---- the budget, over calls of one pipeline ---------------------------------------------- */

START_TEST(extra_attempts_never_exceed_the_budget)
{
    uint64_t rounds = number_from("KEEL_SCHEDULES", SCHEDULES) / 1000;

    for (uint64_t seed = 0; seed < rounds; seed++) {
        uint64_t calls = 0, extras = 0;

        w.seed = w.state = seed;
        opened_init(&w.o, OPENED_VIRTUAL, NULL,
                    "none; deadline=60s; retry.attempts=5; retry.backoff=0; "
                    "retry.budget=20%; retry.budget_floor=1/s");
        for (int i = 0; i < 100; i++) {
            opened_replay(&w.o, draw(2) ? "f" : "fo", 1);
            calls++;
            extras += w.o.why.attempts - 1;
            HOLDS(extras * 5 <= calls + 5 * 10);
        }
        opened_cleanup(&w.o);
    }
}
END_TEST

SUITE("schedules", 900, ONE(whatever_the_order_every_invariant_holds),
      ONE(extra_attempts_never_exceed_the_budget))
