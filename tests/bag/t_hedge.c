/* SPDX-License-Identifier: MIT */
/*
 * hedge(...) over stores that hang until they are let go: who is asked, who answers, what
 * becomes of those that lose. When a copy is due, and what it may cost, are the call's,
 * and told in tests/call/t_hedge.c.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "bag/staged.h"
#include "bag/wrap/hedge.h"
#include "base/clock.h"
#include "base/process.h"
#include "call/runtime.h"
#include "support/latch.h"
#include "support/suite.h"

#define NOW "delay=0; hedge.budget=100%"

static staged s;
static latch entered = LATCH_INIT, let_go = LATCH_INIT, left = LATCH_INIT;
static pthread_t caller;
static atomic_uint by_caller; /* operations that he has made himself */

/* ---- stores that are slow ------------------------------------------------------------ */

static void note_thread(void *ctx)
{
    (void)ctx;
    by_caller += pthread_equal(pthread_self(), caller) ? 1 : 0;
}

static void hang(void *ctx)
{
    (void)ctx;
    latch_hit(&entered);
    latch_await(&let_go, 1);
    latch_hit(&left);
}

static keel_hedge *hedge_of(void)
{
    return s.bag.root.state;
}

static keel_pipeline_stats look(void)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    ck_assert_int_eq(keel_pipeline_look(hedge_of()->pipeline, &stats), KEEL_OK);
    return stats;
}

static bool has_workers(void)
{
    return atomic_load(&s.o.rt->workers) != NULL;
}

/* From now on reads go to workers, as after one that was not quick. */
static void be_watchful(void)
{
    keel_hedge_note(hedge_of(), KEEL_NEVER);
}

static void open_over(const char *roles, const char *options)
{
    staged_init_real(&s, roles);
    ck_assert_msg(staged_open(&s, &keel_wrap_hedge, options) == KEEL_OK, "%s",
                  s.why.text);
    caller = pthread_self();
}

/* Both have the key; the first one hangs, and is not waited for. */
static void open_hanging(const char *options)
{
    open_over("source|other", options);
    staged_put(&s, 0, "k", "first");
    staged_put(&s, 1, "k", "second");
    s.stores[0].before = hang;
    be_watchful();
}

static keel_bag_item item;
static char value[64];

static keel_status get_with(const char *key, const keel_bag_options *options)
{
    item = (keel_bag_item){ .size = sizeof item,
                            .buffer = value,
                            .capacity = sizeof value - 1 };
    s.why = (keel_detail)KEEL_DETAIL_INIT;
    memset(value, 0, sizeof value);
    return keel_bag_get(&s.bag, key, &item, options, &s.why);
}

static keel_status get(const char *key)
{
    return get_with(key, NULL);
}

/* ---- quick reads --------------------------------------------------------------------- */

START_TEST(quick_reads_are_the_callers_and_cost_no_memory_and_no_thread)
{
    long calls;

    staged_init(&s, "source|other", NULL);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, NOW), KEEL_OK);
    caller = pthread_self();
    s.stores[0].before = note_thread;
    staged_put(&s, 0, "k", "v");
    ck_assert_int_eq(get("k"), KEEL_OK);
    calls = s.o.memory.calls;
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_int_eq(s.o.memory.calls, calls);
    ck_assert_uint_eq(by_caller, 101);
    ck_assert_uint_eq(s.stores[1].asked, 0);
    ck_assert(!has_workers());
    ck_assert_uint_eq(look().hedges_total, 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(after_a_slow_read_workers_read_until_a_thousand_were_quick)
{
    const staged_fault slow = { .takes_ns = KEEL_HEDGE_QUICK_NS };

    staged_init_by_hand(&s, "source");
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, "delay=1h"), KEEL_OK);
    caller = pthread_self();
    s.stores[0].before = note_thread;
    staged_put(&s, 0, "k", "v");
    staged_fail(&s.stores[0], slow, 1);
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert(!has_workers());
    for (int i = 0; i < KEEL_HEDGE_QUICK_READS; i++)
        ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert(has_workers());
    ck_assert_uint_eq(by_caller, 1);
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_uint_eq(by_caller, 2);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_quick_failure_is_asked_again_of_the_next)
{
    const staged_fault refused = STAGED_REFUSED;

    staged_init_by_hand(&s, "source|other");
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, "delay=1h; hedge.budget=100%"),
                     KEEL_OK);
    staged_put(&s, 1, "k", "second");
    staged_fail(&s.stores[0], refused, 1);
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_str_eq(value, "second");
    ck_assert_uint_eq(item.marks, KEEL_BAG_FROM_STANDBY);
    ck_assert_uint_eq(look().hedges_won_total, 1);
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_may_be_tried_once_is)
{
    const keel_bag_options once = { .size = sizeof once, .wishes = KEEL_BAG_NO_RETRY };
    const staged_fault refused = STAGED_REFUSED;

    open_over("source|other", NOW);
    be_watchful();
    staged_fail(&s.stores[0], refused, 1);
    ck_assert_int_eq(get_with("k", &once), KEEL_FAILED);
    ck_assert_str_eq(s.why.text, "top.first: staged");
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(s.stores[1].asked, 0);
    ck_assert(!has_workers());
    staged_cleanup(&s);
}
END_TEST

/* ---- slow reads ---------------------------------------------------------------------- */

START_TEST(a_read_that_hangs_is_answered_by_the_next)
{
    open_hanging(NOW);
    errno = EDOM;
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_int_eq(errno, EDOM);
    ck_assert_str_eq(value, "second");
    ck_assert_uint_eq(item.length, strlen("second"));
    ck_assert_uint_eq(item.marks, KEEL_BAG_FROM_STANDBY);
    ck_assert_uint_eq(look().hedges_total, 1);
    ck_assert_uint_eq(look().hedges_won_total, 1);
    latch_hit(&let_go);
    staged_cleanup(&s);
}
END_TEST

/* Of two attempts one hangs. */
static void hang_once(void *ctx)
{
    static atomic_flag has_hung = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&has_hung))
        hang(ctx);
}

START_TEST(one_bag_alone_is_asked_twice)
{
    open_over("source", NOW);
    staged_put(&s, 0, "k", "v");
    s.stores[0].before = hang_once;
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_str_eq(value, "v");
    ck_assert_uint_eq(item.marks, 0);
    ck_assert_uint_eq(look().hedges_total, 1);
    latch_hit(&let_go);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_token_comes_from_the_bag_that_writes_go_to)
{
    const keel_bag_options wish = { .size = sizeof wish,
                                    .wishes = KEEL_BAG_WANT_TOKEN };

    open_over("source|other", NOW);
    staged_put(&s, 0, "k", "first");
    staged_put(&s, 1, "k", "second");
    s.stores[0].before = hang_once;
    be_watchful();
    ck_assert_int_eq(get_with("k", &wish), KEEL_OK);
    ck_assert_str_eq(value, "first");
    ck_assert_uint_eq(s.stores[1].asked, 0);
    ck_assert_uint_eq(look().hedges_total, 1);
    latch_hit(&let_go);
    ck_assert_int_eq(keel_bag_cas(&s.bag, "k", &item.token, "new", 3, NULL, &s.why),
                     KEEL_OK);
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_does_not_fit_is_an_answer)
{
    open_hanging(NOW);
    staged_put(&s, 1, "k", "a longer one");
    item = (keel_bag_item){ .size = sizeof item, .buffer = value, .capacity = 4 };
    memcpy(value, "old", 4);
    ck_assert_int_eq(keel_bag_get(&s.bag, "k", &item, NULL, &s.why), KEEL_E_BUFFER);
    ck_assert_uint_eq(item.length, strlen("a longer one"));
    ck_assert_str_eq(value, "old");
    item = (keel_bag_item){ .size = sizeof item }; /* its value is not wanted */
    ck_assert_int_eq(keel_bag_get(&s.bag, "k", &item, NULL, &s.why), KEEL_OK);
    ck_assert_uint_eq(item.length, strlen("a longer one"));
    latch_hit(&let_go);
    staged_cleanup(&s);
}
END_TEST

START_TEST(writes_go_to_the_first_alone)
{
    uint64_t number;

    open_over("source|other", NOW);
    be_watchful();
    ck_assert_int_eq(staged_set(&s, "k", "7"), KEEL_OK);
    ck_assert_int_eq(keel_bag_incr(&s.bag, "k", 1, &number, NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_touch(&s.bag, "k", NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_delete(&s.bag, "k", NULL, &s.why), KEEL_OK);
    ck_assert_uint_eq(s.stores[0].writes, 4);
    ck_assert_uint_eq(s.stores[1].asked, 0);
    ck_assert(!has_workers());
    staged_cleanup(&s);
}
END_TEST

/* ---- not found ----------------------------------------------------------------------- */

static atomic_bool is_over;

/* Until the other one's answer has been taken, or the read is over without this one. */
static void hang_until_ignored(void *ctx)
{
    (void)ctx;
    while (!look().ignored_total && !is_over)
        keel_clock_pause_ms(1);
}

START_TEST(a_miss_of_another_waits_for_the_first)
{
    open_over("source|other", NOW);
    staged_put(&s, 0, "k", "first");
    s.stores[0].before = hang_until_ignored;
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_str_eq(value, "first");
    ck_assert_uint_eq(look().hedges_won_total, 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_miss_is_an_answer_where_the_author_says_so)
{
    open_over("source|other", NOW "; miss=answer");
    staged_put(&s, 0, "k", "first");
    s.stores[0].before = hang_until_ignored;
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(item.marks, KEEL_BAG_FROM_STANDBY);
    is_over = true;
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_miss_that_waited_is_the_answer_when_the_first_fails)
{
    const staged_fault refused = STAGED_REFUSED;

    open_over("source|other", NOW);
    staged_fail(&s.stores[0], refused, 1);
    s.stores[0].before = hang_until_ignored;
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(item.marks, KEEL_BAG_FROM_STANDBY);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_miss_of_the_first_is_one)
{
    open_over("source|other", "delay=1h");
    staged_put(&s, 1, "k", "not any more");
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(item.marks, 0);
    staged_cleanup(&s);
}
END_TEST

/* ---- failures ------------------------------------------------------------------------ */

static void wait_for_the_other(void *ctx)
{
    (void)ctx;
    while (!s.stores[1].asked)
        keel_clock_pause_ms(1);
}

START_TEST(a_copy_that_fails_does_not_beat_the_first)
{
    open_over("source|other", NOW);
    staged_put(&s, 0, "k", "first");
    s.stores[1].is_down = true;
    s.stores[0].before = wait_for_the_other;
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_str_eq(value, "first");
    staged_cleanup(&s);
}
END_TEST

START_TEST(damage_does_not_beat_what_is_whole)
{
    const staged_fault damaged = { .status = KEEL_CORRUPT, .applied = KEEL_APPLIED_NO };

    open_over("source|other", NOW);
    staged_put(&s, 1, "k", "whole");
    staged_fail(&s.stores[0], damaged, 2);
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_str_eq(value, "whole");
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_str_eq(value, "whole");
    staged_cleanup(&s);
}
END_TEST

START_TEST(where_all_fail_the_first_tells_of_it)
{
    const staged_fault damaged = { .status = KEEL_CORRUPT, .applied = KEEL_APPLIED_NO };

    open_over("source|other", NOW);
    s.stores[1].is_down = true;
    staged_fail(&s.stores[0], damaged, 2);
    ck_assert_int_eq(get("k"), KEEL_CORRUPT);
    ck_assert_str_eq(s.why.text, "top.first: staged");
    ck_assert_int_eq(s.why.code, KEEL_CORRUPT);
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_CORRUPT);
    ck_assert_str_eq(s.why.text, "top.first: staged");
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_pipeline_that_refuses_asks_nobody)
{
    keel_pipeline *p;

    open_over("source|other", "delay=0; breaker=on");
    ck_assert_int_eq(keel_pipeline_open(&p, s.o.rt, "test.top", NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_transition(p, KEEL_BREAKER_OPEN, 0), KEEL_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(get("k"), KEEL_REJECTED_OPEN);
        ck_assert_ptr_nonnull(strstr(s.why.text, "top: "));
        ck_assert_uint_gt(s.why.retry_after_ns, 0);
        be_watchful();
    }
    ck_assert_uint_eq(s.stores[0].asked + s.stores[1].asked, 0);
    keel_pipeline_close(p);
    staged_cleanup(&s);
}
END_TEST

/* ---- ends ---------------------------------------------------------------------------- */

START_TEST(the_deadline_ends_what_all_hang_in)
{
    keel_bag_options options = { .size = sizeof options };

    open_hanging(NOW);
    s.stores[1].before = hang;
    options.deadline_at_ns = keel_now(s.o.rt) + 500 * KEEL_MS;
    ck_assert_int_eq(get_with("k", &options), KEEL_DEADLINE);
    ck_assert_ptr_nonnull(strstr(s.why.text, "top: "));
    latch_hit(&let_go);
    staged_close(&s);
    ck_assert_uint_eq(s.stores[0].deadline_at_ns, options.deadline_at_ns);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_timeout_of_its_own_ends_an_attempt)
{
    open_hanging("delay=1h; timeout=500ms; hedge.budget=100%");
    ck_assert_int_eq(get("k"), KEEL_OK); /* of the copy that took its place */
    ck_assert_str_eq(value, "second");
    latch_hit(&let_go);
    staged_cleanup(&s);
}
END_TEST

static keel_cancel token;

static void *cancel_when_both_hang(void *ctx)
{
    latch_await(&entered, 2);
    keel_cancel_fire(&token);
    return ctx;
}

START_TEST(a_token_ends_it_at_once)
{
    const keel_bag_options options = { .size = sizeof options, .cancel = &token };
    pthread_t thread;

    open_hanging(NOW);
    s.stores[1].before = hang;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_both_hang, NULL), 0);
    ck_assert_int_eq(get_with("k", &options), KEEL_CANCELLED);
    pthread_join(thread, NULL);
    latch_hit(&let_go);
    staged_cleanup(&s);
}
END_TEST

static void *let_it_go(void *ctx)
{
    latch_hit(&let_go);
    return ctx;
}

START_TEST(a_bag_that_is_closed_waits_for_losers)
{
    pthread_t thread;

    open_hanging(NOW);
    ck_assert_int_eq(get("k"), KEEL_OK);
    latch_await(&entered, 1);
    ck_assert_int_eq(keel_close(s.o.rt, 0), KEEL_E_BUSY);
    ck_assert_int_eq(pthread_create(&thread, NULL, let_it_go, NULL), 0);
    staged_close(&s);
    ck_assert_uint_eq(latch_count(&left), 1);
    pthread_join(thread, NULL);
    staged_cleanup(&s);
}
END_TEST

/* ---- several keys -------------------------------------------------------------------- */

enum { KEYS = 3 };

static const char *const keys[KEYS] = { "a", "b", "c" };
static char values[KEYS][16];
static keel_bag_item items[KEYS];
static keel_status statuses[KEYS];

static keel_status get_many(void)
{
    for (int i = 0; i < KEYS; i++) {
        memset(values[i], 0, sizeof values[i]);
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] - 1 };
    }
    s.why = (keel_detail)KEEL_DETAIL_INIT;
    return keel_bag_get_many(&s.bag, keys, items, statuses, KEYS, NULL, &s.why);
}

static void put_in(size_t store, const char *a, const char *b)
{
    staged_put(&s, store, "a", a);
    staged_put(&s, store, "b", b);
}

START_TEST(a_batch_that_hangs_is_answered_by_the_next)
{
    open_hanging(NOW "; miss=answer");
    put_in(1, "A", "B");
    ck_assert_int_eq(get_many(), KEEL_OK);
    ck_assert_int_eq(statuses[0], KEEL_OK);
    ck_assert_str_eq(values[0], "A");
    ck_assert_str_eq(values[1], "B");
    ck_assert_int_eq(statuses[2], KEEL_NOT_FOUND);
    ck_assert_uint_eq(items[1].marks, KEEL_BAG_FROM_STANDBY);
    latch_hit(&let_go);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_batch_with_a_miss_waits_for_the_first)
{
    open_over("source|other", NOW);
    put_in(0, "a", "b");
    put_in(1, "A", "B");
    staged_put(&s, 0, "c", "c");
    s.stores[0].before = hang_until_ignored;
    be_watchful();
    ck_assert_int_eq(get_many(), KEEL_OK);
    ck_assert_str_eq(values[0], "a");
    ck_assert_str_eq(values[2], "c");
    staged_cleanup(&s);
}
END_TEST

/* Quick or on workers, what some of a batch were answered is not lost. */
START_TEST(of_batches_that_fail_the_fuller_one_is_given)
{
    static const staged_fault one_of_three[] = { STAGED_REFUSED,
                                                 STAGED_REFUSED,
                                                 { .status = KEEL_OK } };
    static const staged_fault two_of_three[] = { { .status = KEEL_OK },
                                                 STAGED_REFUSED,
                                                 { .status = KEEL_OK } };

    open_over("source|other", NOW);
    staged_put(&s, 0, "c", "c");
    staged_put(&s, 1, "a", "A");
    staged_put(&s, 1, "c", "C");
    for (int i = 0; i < 2; i++) {
        staged_play(&s.stores[0], one_of_three, 3);
        staged_play(&s.stores[1], two_of_three, 3);
        ck_assert_int_eq(get_many(), KEEL_PARTIAL);
        ck_assert_int_eq(statuses[0], KEEL_OK);
        ck_assert_int_eq(statuses[1], KEEL_FAILED);
        ck_assert_str_eq(values[0], "A");
        ck_assert_str_eq(values[2], "C");
        ck_assert_ptr_nonnull(strstr(s.why.text, "staged"));
        be_watchful();
    }
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_batch_that_nobody_answers_says_so_of_each)
{
    open_over("source|other", NOW);
    s.stores[0].is_down = s.stores[1].is_down = true;
    be_watchful();
    ck_assert_int_eq(get_many(), KEEL_FAILED);
    for (int i = 0; i < KEYS; i++)
        ck_assert_int_eq(statuses[i], KEEL_FAILED);
    staged_cleanup(&s);
}
END_TEST

/* ---- settings ------------------------------------------------------------------------ */

static void be_slow(void *ctx)
{
    (void)ctx;
    keel_clock_pause_ms(1);
}

START_TEST(copies_stay_within_the_budget)
{
    enum { READS = 100 };

    open_over("source|other", "delay=0; hedge.budget=10%");
    staged_put(&s, 0, "k", "v");
    s.stores[0].before = be_slow;
    for (int i = 0; i < READS; i++) {
        be_watchful();
        ck_assert_int_eq(get("k"), KEEL_OK);
    }
    ck_assert_uint_gt(look().hedges_total, 0);
    ck_assert_uint_le(look().hedges_total, READS / 10 + 10);
    staged_cleanup(&s);
}
END_TEST

START_TEST(an_operator_reaches_it_by_name)
{
    static const char *const environment[] = { "KEEL_TEST_TOP__HEDGE=off", NULL };

    staged_init(&s, "source|other", environment);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, NOW), KEEL_OK);
    staged_put(&s, 0, "k", "v");
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert(!has_workers()); /* no worker where there is no copy */
    staged_cleanup(&s);
}
END_TEST

START_TEST(disabled_it_hands_on)
{
    static const char *const environment[] = { "KEEL_DISABLED=on", NULL };

    staged_init(&s, "source|other", environment);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, NOW), KEEL_OK);
    s.stores[0].is_down = true;
    be_watchful();
    ck_assert_int_eq(get("k"), KEEL_FAILED);
    ck_assert_uint_eq(s.stores[1].asked, 0);
    staged_cleanup(&s);
}
END_TEST

static const struct {
    const char *options;
    const char *said;
} wrong[] = {
    { "delay=soon",
      "top: delay is a time, or a quantile as p95 or p95@50ms, not \"soon\"" },
    { "delay=p95@",
      "top: delay is a time, or a quantile as p95 or p95@50ms, not \"p95@\"" },
    { "timeot=1s", "there is no option \"timeot\"; did you mean \"timeout\"?" },
    { "miss=maybe", "miss" },
    { "name=Upper", "" },
};

START_TEST(mistakes_are_told_of)
{
    staged_init(&s, "source", NULL);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, wrong[_i].options),
                     KEEL_E_CONFIG);
    ck_assert_msg(strstr(s.why.text, wrong[_i].said) != NULL, "%s", s.why.text);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_delay_is_one_setting)
{
    keel_bag_value given[3] = { { .text = NULL },
                                { .text = "1ms; timeout=1s" },
                                { .number = 0 } };
    const keel_bag_setup setup = { .size = sizeof setup,
                                   .bag = "test",
                                   .path = "top",
                                   .values = given,
                                   .settings = "" };
    keel_bag_setup whole = setup;
    void *state = NULL;

    staged_init(&s, "source", NULL);
    whole.runtime = s.o.rt;
    whole.children = &s.stores[0].child;
    whole.child_count = 1;
    ck_assert_int_eq(keel_wrap_hedge.open(&state, &whole, &s.why), KEEL_E_CONFIG);
    ck_assert_str_eq(
        s.why.text,
        "top: delay is a time, or a quantile as p95 or p95@50ms, not \"1ms; "
        "timeout=1s\"");
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_a_read_tells_all_of_them_can)
{
    const uint32_t lost = KEEL_CAN_FLAGS | KEEL_CAN_CAS;
    const keel_bag_abilities *a = &s.bag.root.abilities;

    staged_init(&s, "source|other", NULL);
    s.stores[1].child.abilities.native &= ~lost;
    s.stores[1].child.abilities.effective &= ~lost;
    s.stores[1].child.abilities.ttl_step_ms = 1000;
    ck_assert_int_eq(staged_open(&s, &keel_wrap_hedge, NOW), KEEL_OK);
    ck_assert_uint_eq(a->effective & lost, KEEL_CAN_CAS);
    ck_assert_uint_eq(a->ttl_step_ms, 1000);
    staged_cleanup(&s);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------- */

static size_t reads_on_workers(void)
{
    keel_hedge *h = hedge_of();
    size_t reads;

    pthread_mutex_lock(&h->reads_mu);
    reads = h->reads;
    pthread_mutex_unlock(&h->reads_mu);
    return reads;
}

/* Every allocation of a read fails once: it is answered all the same, or says why. */
START_TEST(without_memory_a_read_says_so)
{
    bool has_failed = true;

    open_over("source|other", NOW);
    staged_put(&s, 0, "k", "first");
    staged_put(&s, 1, "k", "second");
    be_watchful();
    for (long n = 1; has_failed; n++) {
        keel_status status;

        while (reads_on_workers()) /* what one still holds is no part of the next */
            keel_clock_pause_ms(1);
        s.o.memory.failed = false;
        s.o.memory.fail_at = s.o.memory.calls + n;
        status = n % 2 ? get("k") : get_many();
        has_failed = s.o.memory.failed;
        be_watchful();
        ck_assert_msg(status == KEEL_OK || status == KEEL_E_NOMEM, "%ld: %d", n,
                      status);
        ck_assert(has_failed || status == KEEL_OK);
    }
    staged_cleanup(&s);
}
END_TEST

SUITE("bag_hedge", 60,
      ONE(quick_reads_are_the_callers_and_cost_no_memory_and_no_thread),
      ONE(after_a_slow_read_workers_read_until_a_thousand_were_quick),
      ONE(a_quick_failure_is_asked_again_of_the_next), ONE(what_may_be_tried_once_is),
      ONE(a_read_that_hangs_is_answered_by_the_next), ONE(one_bag_alone_is_asked_twice),
      ONE(a_token_comes_from_the_bag_that_writes_go_to),
      ONE(what_does_not_fit_is_an_answer), ONE(writes_go_to_the_first_alone),
      ONE(a_miss_of_another_waits_for_the_first),
      ONE(a_miss_is_an_answer_where_the_author_says_so),
      ONE(a_miss_that_waited_is_the_answer_when_the_first_fails),
      ONE(a_miss_of_the_first_is_one), ONE(a_copy_that_fails_does_not_beat_the_first),
      ONE(damage_does_not_beat_what_is_whole),
      ONE(where_all_fail_the_first_tells_of_it),
      ONE(a_pipeline_that_refuses_asks_nobody), ONE(the_deadline_ends_what_all_hang_in),
      ONE(a_timeout_of_its_own_ends_an_attempt), ONE(a_token_ends_it_at_once),
      ONE(a_bag_that_is_closed_waits_for_losers),
      ONE(a_batch_that_hangs_is_answered_by_the_next),
      ONE(a_batch_with_a_miss_waits_for_the_first),
      ONE(of_batches_that_fail_the_fuller_one_is_given),
      ONE(a_batch_that_nobody_answers_says_so_of_each),
      ONE(copies_stay_within_the_budget), ONE(an_operator_reaches_it_by_name),
      ONE(disabled_it_hands_on), ROWS(mistakes_are_told_of, wrong),
      ONE(a_delay_is_one_setting), ONE(what_a_read_tells_all_of_them_can),
      ONE(without_memory_a_read_says_so))
