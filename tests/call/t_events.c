/* SPDX-License-Identifier: MIT */
/* What the listener is told, when, and by whom. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "board/event_ring.h"
#include "support/latch.h"
#include "support/opened.h"
#include "support/pause.h"
#include "support/suite.h"

enum { KEPT = 64 };

static opened o;
static keel_event seen[KEPT];
static unsigned seen_count;

static void keep(const keel_event *event, void *ctx)
{
    ck_assert_ptr_eq(ctx, &o);
    ck_assert_uint_lt(seen_count, KEPT);
    ck_assert_uint_eq(event->size, sizeof *event);
    seen[seen_count++] = *event;
}

static void setup_in(const char *settings)
{
    seen_count = 0;
    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
    ck_assert_int_eq(keel_events_listen(o.rt, keep, &o), KEEL_OK);
}

static void refuse(unsigned count)
{
    keel_permit permit;

    while (count--)
        ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL),
                         KEEL_REJECTED_FORCED_OPEN);
}

/* ---- every type, once ---------------------------------------------------------------- */

static void trip(void)
{
    opened_call(&o, NULL, KEEL_FAILED, NULL);
}

static void be_rejected(void)
{
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 3 * KEEL_S);
    refuse(1);
}

static void retry(void)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };

    opened_call(&o, &options, KEEL_FAILED, NULL);
}

static void be_slow(void)
{
    keel_call call;

    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    vclock_advance(&o.clock, 20 * KEEL_MS);
    keel_call_report(&call, KEEL_OK);
    keel_call_end(&call, NULL);
}

static void be_late(void)
{
    keel_call call;

    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    keel_call_report(&call, KEEL_OK);
    keel_call_report(&call, KEEL_CLIENT_ERROR);
    keel_call_end(&call, NULL);
}

static void lock_it(void)
{
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_OBSERVE, 0);
}

static void watch_it_trip(void)
{
    keel_pipeline_lock(o.pipeline, KEEL_LOCK_OBSERVE, 0);
    trip();
}

/* An operator holds the breaker; that he locked it was told to nobody. */
static void setup_held_open(keel_event_fn *listener)
{
    setup_in("none; breaker=on");
    ck_assert_int_eq(keel_events_listen(o.rt, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_lock(o.pipeline, KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(keel_events_listen(o.rt, listener, &o), KEEL_OK);
}

/* Refused twice beside a place that will not come back; told once. */
static void leak(void (*be_refused)(void))
{
    keel_permit lost;

    ck_assert_int_eq(keel_permit_take(o.pipeline, &lost, NULL), KEEL_OK);
    vclock_advance(&o.clock, 11 * KEEL_S);
    be_refused();
    be_refused();
    keel_permit_end(&lost, KEEL_CANCELLED);
}

static void refused_call(void)
{
    ck_assert_int_eq(opened_call(&o, NULL, KEEL_OK, NULL), KEEL_REJECTED_BULKHEAD_FULL);
}

static void refused_permit(void)
{
    keel_permit permit;

    ck_assert_int_eq(keel_permit_take(o.pipeline, &permit, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
}

static void leak_beside_calls(void)
{
    leak(refused_call);
}

static void leak_beside_permits(void)
{
    leak(refused_permit);
}

static keel_status stand_in(const keel_detail *detail, void *ctx)
{
    (void)detail;
    (void)ctx;
    return KEEL_OK;
}

static void fall_back(void)
{
    keel_call_options options = { .size = sizeof options, .fallback = stand_in };

    ck_assert_int_eq(opened_call(&o, &options, KEEL_FAILED, NULL), KEEL_OK);
}

static void reload(void)
{
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
}

static const struct {
    const char *settings;
    void (*make)(void);
    keel_event expected; /* of its type there is one, and it says this */
} makers[] = {
    { "none; breaker=on; breaker.consecutive=1",
      trip,
      { .type = KEEL_EVENT_TRANSITION,
        .from = KEEL_BREAKER_CLOSED,
        .to = KEEL_BREAKER_OPEN,
        .cause = KEEL_CAUSE_CONSECUTIVE,
        .generation = 1 } },
    { "none; breaker=on",
      be_rejected,
      { .type = KEEL_EVENT_REJECTED,
        .reason = KEEL_REASON_FORCED_OPEN,
        .status = KEEL_REJECTED_FORCED_OPEN,
        .duration_ns = 3 * KEEL_S } },
    { "none; retry.attempts=2; retry.jitter=none; retry.backoff=70ms",
      retry,
      { .type = KEEL_EVENT_RETRY,
        .attempt = 1,
        .status = KEEL_FAILED,
        .duration_ns = 70 * KEEL_MS } },
    { "none; breaker=on; breaker.slow_call=10ms",
      be_slow,
      { .type = KEEL_EVENT_SLOW, .attempt = 1, .duration_ns = 20 * KEEL_MS } },
    { "none", be_late, { .type = KEEL_EVENT_LATE, .status = KEEL_CLIENT_ERROR } },
    { "none; retry.attempts=3; retry.backoff=0; retry.budget=0%; "
      "retry.budget_floor=0/s",
      retry,
      { .type = KEEL_EVENT_BUDGET, .attempt = 1, .status = KEEL_FAILED } },
    { "none; breaker=on; breaker.consecutive=1",
      watch_it_trip,
      { .type = KEEL_EVENT_WOULD_TRIP, .cause = KEEL_CAUSE_CONSECUTIVE } },
    { "none; deadline=1s; bulkhead=1",
      leak_beside_calls,
      { .type = KEEL_EVENT_PERMIT_LEAKED } },
    { "none; deadline=1s; bulkhead=1",
      leak_beside_permits,
      { .type = KEEL_EVENT_PERMIT_LEAKED } },
    { "none", fall_back, { .type = KEEL_EVENT_FALLBACK, .status = KEEL_FAILED } },
    { "none; breaker=on",
      lock_it,
      { .type = KEEL_EVENT_LOCKED, .lock = KEEL_LOCK_OBSERVE } },
    { "none", reload, { .type = KEEL_EVENT_RELOADED, .status = KEEL_OK } },
};

static void same_event(const keel_event *a, const keel_event *b)
{
    ck_assert_int_eq(a->from, b->from);
    ck_assert_int_eq(a->to, b->to);
    ck_assert_int_eq(a->cause, b->cause);
    ck_assert_int_eq(a->reason, b->reason);
    ck_assert_int_eq(a->status, b->status);
    ck_assert_uint_eq(a->attempt, b->attempt);
    ck_assert_uint_eq(a->generation, b->generation);
    ck_assert_uint_eq(a->duration_ns, b->duration_ns);
    ck_assert_int_eq(a->lock, b->lock);
}

START_TEST(each_type_of_event_is_told_once_with_its_fields_and_no_others)
{
    const keel_event *expected = &makers[_i].expected;
    const char *pipeline = expected->type == KEEL_EVENT_RELOADED ? "" : "payments";
    unsigned found = 0;

    setup_in(makers[_i].settings);
    makers[_i].make();
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].type != expected->type)
            continue;
        same_event(&seen[i], expected);
        ck_assert_str_eq(seen[i].pipeline, pipeline);
        ck_assert_uint_ge(seen[i].at_ns, VCLOCK_START);
        found++;
    }
    ck_assert_msg(found == 1, "%s: %u", keel_event_type_name(expected->type), found);
    opened_cleanup(&o);
}
END_TEST

/* ---- order ----------------------------------------------------------------------------- */

START_TEST(events_come_in_order_numbered_without_a_gap)
{
    setup_in("none; breaker=on; breaker.consecutive=1; breaker.open_jitter=0");
    trip();
    opened_call(&o, NULL, KEEL_OK, NULL);
    vclock_advance(&o.clock, 60 * KEEL_S);
    opened_call(&o, NULL, KEEL_FAILED, NULL);
    ck_assert_uint_eq(seen_count, 3);
    ck_assert_int_eq(seen[0].type, KEEL_EVENT_TRANSITION);
    ck_assert_int_eq(seen[1].type, KEEL_EVENT_REJECTED);
    ck_assert_int_eq(seen[2].to, KEEL_BREAKER_HALF_OPEN);
    for (unsigned i = 0; i < seen_count; i++) {
        ck_assert_uint_eq(seen[i].sequence, i);
        ck_assert(i == 0 || seen[i].at_ns >= seen[i - 1].at_ns);
    }
    opened_cleanup(&o);
}
END_TEST

static unsigned depth, deepest;

/* Makes two more events, while one is being told, until there are enough. */
static void call_keel(const keel_event *event, void *ctx)
{
    if (++depth > deepest)
        deepest = depth;
    keep(event, ctx);
    if (seen_count < 8)
        refuse(2);
    depth--;
}

START_TEST(a_listener_that_calls_keel_is_told_of_it_afterwards)
{
    depth = deepest = 0;
    setup_held_open(call_keel);
    refuse(1);
    ck_assert_uint_eq(deepest, 1);
    ck_assert_uint_eq(seen_count, 15); /* 1, and 2 for each of the first 7 */
    for (unsigned i = 0; i < seen_count; i++)
        ck_assert_uint_eq(seen[i].sequence, i);
    opened_cleanup(&o);
}
END_TEST

/* ---- removal ----------------------------------------------------------------------------- */

static void remove_myself(const keel_event *event, void *ctx)
{
    keep(event, ctx);
    ck_assert_int_eq(keel_events_listen(o.rt, NULL, NULL), KEEL_OK);
}

START_TEST(a_listener_may_remove_itself)
{
    setup_held_open(remove_myself);
    refuse(3);
    ck_assert_uint_eq(seen_count, 1);
    opened_cleanup(&o);
}
END_TEST

static latch inside = LATCH_INIT, removing = LATCH_INIT;
static atomic_bool is_inside;

static void stay_inside(const keel_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    atomic_store(&is_inside, true);
    latch_hit(&inside);
    latch_await(&removing, 1);
    pause_ns(10 * KEEL_MS); /* the other one could come back too early */
    atomic_store(&is_inside, false);
}

static void *refuse_once(void *ctx)
{
    (void)ctx;
    refuse(1);
    return NULL;
}

START_TEST(who_removes_a_listener_waits_until_it_has_come_back)
{
    pthread_t thread;

    setup_held_open(stay_inside);
    ck_assert_int_eq(pthread_create(&thread, NULL, refuse_once, NULL), 0);
    latch_await(&inside, 1);
    latch_hit(&removing);
    ck_assert_int_eq(keel_events_listen(o.rt, NULL, NULL), KEEL_OK);
    ck_assert(!atomic_load(&is_inside));
    refuse(2);
    ck_assert_uint_eq(latch_count(&inside), 1);
    pthread_join(thread, NULL);
    opened_cleanup(&o);
}
END_TEST

/* ---- too many ------------------------------------------------------------------------------ */

enum { TOO_MANY = 100 };

static unsigned told;

/* Refused one after the other, a nanosecond apart: an event's instant is its number. */
static void refuse_in_time(unsigned count)
{
    while (count--) {
        vclock_advance(&o.clock, 1);
        refuse(1);
    }
}

/* While it is told the first event, so many more come that not all can be kept. */
static void fall_behind(const keel_event *event, void *ctx)
{
    uint64_t number = event->at_ns - VCLOCK_START;

    (void)ctx;
    if (told++ == 0)
        refuse_in_time(KEEL_EVENT_CELLS + TOO_MANY);
    ck_assert_uint_eq(event->sequence, told - 1);
    ck_assert_uint_eq(number, told <= 1 + KEEL_EVENT_CELLS ? told : told + TOO_MANY);
}

static void setup_behind(void)
{
    told = 0;
    setup_held_open(fall_behind);
}

START_TEST(of_too_many_events_the_oldest_are_told_in_order_and_the_newest_are_lost)
{
    setup_behind();
    refuse_in_time(1);
    ck_assert_uint_eq(told, 1 + KEEL_EVENT_CELLS);
    refuse_in_time(3); /* there is room again */
    ck_assert_uint_eq(told, 4 + KEEL_EVENT_CELLS);
    ck_assert_uint_eq(opened_look(&o).events_lost, TOO_MANY);
    opened_cleanup(&o);
}
END_TEST

START_TEST(events_that_are_lost_are_counted_for_the_runtime_and_hold_nobody_up)
{
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_pipeline *other;

    setup_behind();
    ck_assert_int_eq(keel_pipeline_open(&other, o.rt, "other", NULL, NULL), KEEL_OK);
    refuse_in_time(1);
    ck_assert_uint_eq(opened_look(&o).rejected_total, 1 + KEEL_EVENT_CELLS + TOO_MANY);
    ck_assert_int_eq(keel_pipeline_look(other, &stats), KEEL_OK);
    ck_assert_uint_eq(stats.events_lost, TOO_MANY);
    keel_pipeline_close(other);
    opened_cleanup(&o);
}
END_TEST

START_TEST(where_nobody_listens_nothing_is_kept_and_nothing_is_lost)
{
    setup_held_open(NULL);
    refuse(KEEL_EVENT_CELLS + TOO_MANY);
    ck_assert_uint_eq(opened_look(&o).events_lost, 0);
    ck_assert_int_eq(keel_events_listen(o.rt, keep, &o), KEEL_OK);
    refuse(1);
    ck_assert_uint_eq(seen_count, 1); /* the news, and nothing from before */
    opened_cleanup(&o);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------- */

enum { TELLERS = 3, TOLD_EACH = 1000 };

static atomic_uint at_once;
static uint64_t next_sequence;
static unsigned told_of[TELLERS];

/* Each thread makes events of its own status, in the order of their attempts. */
static void listen_to_all(const keel_event *event, void *ctx)
{
    unsigned teller = event->attempt % TELLERS;

    (void)ctx;
    ck_assert_uint_eq(atomic_fetch_add(&at_once, 1), 0);
    ck_assert_int_eq(event->type, KEEL_EVENT_LATE);
    ck_assert_uint_eq(event->sequence, next_sequence++);
    ck_assert_uint_eq(event->attempt / TELLERS, told_of[teller] + 1);
    told_of[teller]++;
    atomic_fetch_sub(&at_once, 1);
}

/* Reports on attempts that are not under way: the number is told as it is. */
static void *tell_many(void *ctx)
{
    const unsigned *teller = ctx;
    keel_outcome outcome = { .size = sizeof outcome };
    keel_call call;

    for (unsigned i = 1; i <= TOLD_EACH; i++) {
        keel_call_begin(&call, o.pipeline, NULL);
        keel_call_report_attempt(&call, i * TELLERS + *teller, &outcome);
        keel_call_end(&call, NULL);
    }
    return NULL;
}

START_TEST(one_thread_at_a_time_tells_and_each_ones_events_keep_their_order)
{
    static unsigned numbers[TELLERS];
    pthread_t threads[TELLERS];
    unsigned all = 0;

    setup_in("none");
    ck_assert_int_eq(keel_events_listen(o.rt, listen_to_all, NULL), KEEL_OK);
    for (unsigned i = 0; i < TELLERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, tell_many, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < TELLERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < TELLERS; i++)
        all += told_of[i];
    ck_assert_uint_eq(all, TELLERS * TOLD_EACH);
    ck_assert_uint_eq(opened_look(&o).events_lost, 0);
    opened_cleanup(&o);
}
END_TEST

/* ---- names --------------------------------------------------------------------------------- */

START_TEST(every_name_is_known_and_what_is_beyond_is_a_question_mark)
{
    for (int i = KEEL_EVENT_TRANSITION; i <= KEEL_EVENT_HEALTH; i++)
        ck_assert_str_ne(keel_event_type_name((keel_event_type)i), "?");
    for (int i = 0; i <= KEEL_CAUSE_EXPIRED; i++)
        ck_assert_str_ne(keel_cause_name((keel_cause)i), "?");
    for (int i = 0; i <= KEEL_BREAKER_HALF_OPEN; i++)
        ck_assert_str_ne(keel_breaker_state_name((keel_breaker_state)i), "?");
    for (int i = 0; i <= KEEL_LOCK_OBSERVE; i++)
        ck_assert_str_ne(keel_lock_name((keel_lock)i), "?");
    ck_assert_str_eq(keel_event_type_name((keel_event_type)0), "?");
    ck_assert_str_eq(keel_event_type_name((keel_event_type)(KEEL_EVENT_HEALTH + 1)),
                     "?");
    ck_assert_str_eq(keel_cause_name((keel_cause)(KEEL_CAUSE_EXPIRED + 1)), "?");
    ck_assert_str_eq(keel_breaker_state_name((keel_breaker_state)3), "?");
    ck_assert_str_eq(keel_lock_name((keel_lock)-1), "?");
}
END_TEST

SUITE("events", 60,
      ROWS(each_type_of_event_is_told_once_with_its_fields_and_no_others, makers),
      ONE(events_come_in_order_numbered_without_a_gap),
      ONE(a_listener_that_calls_keel_is_told_of_it_afterwards),
      ONE(a_listener_may_remove_itself),
      ONE(who_removes_a_listener_waits_until_it_has_come_back),
      ONE(of_too_many_events_the_oldest_are_told_in_order_and_the_newest_are_lost),
      ONE(events_that_are_lost_are_counted_for_the_runtime_and_hold_nobody_up),
      ONE(where_nobody_listens_nothing_is_kept_and_nothing_is_lost),
      ONE(one_thread_at_a_time_tells_and_each_ones_events_keep_their_order),
      ONE(every_name_is_known_and_what_is_beyond_is_a_question_mark))
