/* SPDX-License-Identifier: MIT */
/* The bulkhead and its queue: places are neither lost nor made, whatever races. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/bulkhead.h"
#include "support/suite.h"

enum { QUEUE = 8 };

static keel_bulkhead b;
static keel_bulkhead_words words;
static keel_waiter slots[2][QUEUE];
static keel_queue *sizes[2]; /* queues of two sizes */
static keel_bulkhead_common common;
static keel_starts_words starts;
static uint64_t now;
static unsigned wakes[QUEUE];

/* A bulkhead on the same words, as settings of another moment see it. */
static keel_bulkhead bulkhead_with(keel_queue *queue)
{
    return (keel_bulkhead){
        .words = &words, .common = &common, .queue = queue, .starts = { &starts }
    };
}

static keel_queue *add_queue(int which, uint32_t waiters)
{
    keel_queue *queue = sizes[which];

    if (!queue)
        queue = calloc(1, sizeof *queue + QUEUE * sizeof queue->hooks[0]);
    ck_assert_ptr_nonnull(queue);
    sizes[which] = queue;
    queue->limit = waiters;
    queue->waiters = slots[which];
    queue->next = common.queues;
    common.queues = queue;
    return queue;
}

static void begin(uint32_t limit, uint32_t waiters)
{
    ck_assert_uint_le(waiters, QUEUE);
    memset(&words, 0, sizeof words);
    memset(slots, 0, sizeof slots);
    memset(&starts, 0, sizeof starts);
    memset(wakes, 0, sizeof wakes);
    now = 1000 * KEEL_S;
    common.queues = NULL;
    b = bulkhead_with(waiters ? add_queue(0, waiters) : NULL);
    keel_bulkhead_set(&b, limit, false, now);
}

static void woken(void *ctx)
{
    ++*(unsigned *)ctx;
}

/* A polled caller that may queue for a second. */
static keel_entry enter(keel_place *place, unsigned *wake_count)
{
    return keel_bulkhead_enter(&b, place, now, now + KEEL_S, false, woken, wake_count);
}

static keel_entry enter_now(keel_place *place)
{
    return keel_bulkhead_enter(&b, place, now, 0, false, NULL, NULL);
}

static void assert_empty(void)
{
    ck_assert_uint_eq(keel_bulkhead_in_use(&b), 0);
    ck_assert_uint_eq(keel_bulkhead_waiting(&b), 0);
    ck_assert_uint_eq(words.unclaimed, 0);
    for (size_t i = 0; i < KEEL_STARTS; i++)
        ck_assert_uint_eq(starts.starts[i], 0);
}

static const uint32_t queue_sizes[] = { 0, 4 };

START_TEST(no_more_than_the_limit_are_inside)
{
    keel_place places[4];

    begin(3, queue_sizes[_i]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(enter_now(&places[i]), KEEL_ENTERED);
    ck_assert_int_eq(enter_now(&places[3]), KEEL_FULL);
    ck_assert_uint_eq(keel_bulkhead_in_use(&b), 3);
    keel_bulkhead_leave(&b, &places[1], now);
    keel_bulkhead_leave(&b, &places[1], now); /* once */
    ck_assert_uint_eq(keel_bulkhead_in_use(&b), 2);
    ck_assert_int_eq(enter_now(&places[3]), KEEL_ENTERED);
    for (int i = 0; i < 4; i++)
        keel_bulkhead_leave(&b, &places[i], now);
    assert_empty();
}
END_TEST

static const struct {
    bool lifo;
    int order[3];
} orders[] = { { false, { 0, 1, 2 } }, { true, { 2, 1, 0 } } };

START_TEST(places_are_handed_on_in_order)
{
    keel_place holder, waiters[3];

    begin(1, 4);
    common.lifo = orders[_i].lifo;
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(enter(&waiters[i], &wakes[i]), KEEL_QUEUED);
    ck_assert_uint_eq(keel_bulkhead_waiting(&b), 3);
    for (int i = 0; i < 3; i++) {
        int next = orders[_i].order[i];

        keel_bulkhead_leave(&b, &holder, now);
        ck_assert_uint_eq(wakes[next], 1); /* once, and nobody else */
        ck_assert_uint_eq(keel_bulkhead_in_use(&b), 1);
        for (int k = 0; k < 3; k++)
            if (k != next && waiters[k].ticket)
                ck_assert_int_eq(keel_bulkhead_check(&b, &waiters[k], now),
                                 KEEL_QUEUED);
        ck_assert_int_eq(keel_bulkhead_check(&b, &waiters[next], now), KEEL_ENTERED);
        holder = waiters[next];
        waiters[next].ticket = 0;
    }
    keel_bulkhead_leave(&b, &holder, now);
    assert_empty();
}
END_TEST

START_TEST(a_full_queue_refuses_at_once)
{
    keel_place holder, waiters[4], more;

    begin(1, 4);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(enter(&waiters[i], &wakes[i]), KEEL_QUEUED);
    ck_assert_int_eq(enter(&more, &wakes[4]), KEEL_FULL);
    for (int i = 0; i < 4; i++)
        keel_bulkhead_leave(&b, &waiters[i], now); /* withdrawn */
    keel_bulkhead_leave(&b, &holder, now);
    assert_empty();
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(wakes[i], 0);
}
END_TEST

START_TEST(a_wait_ends_at_its_instant_and_frees_its_slot)
{
    keel_place holder, waiter;

    begin(1, 1);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(enter(&waiter, &wakes[0]), KEEL_QUEUED);
        now += KEEL_S - 1;
        ck_assert_int_eq(keel_bulkhead_check(&b, &waiter, now), KEEL_QUEUED);
        now += 1;
        ck_assert_int_eq(keel_bulkhead_check(&b, &waiter, now), KEEL_FULL);
    }
    keel_bulkhead_leave(&b, &holder, now);
    ck_assert_uint_eq(wakes[0], 0);
    assert_empty();
}
END_TEST

START_TEST(a_grant_that_comes_with_the_end_of_the_wait_is_kept)
{
    keel_place holder, waiter;

    begin(1, 1);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    ck_assert_int_eq(enter(&waiter, &wakes[0]), KEEL_QUEUED);
    keel_bulkhead_leave(&b, &holder, now + KEEL_S - 1);
    ck_assert_int_eq(keel_bulkhead_check(&b, &waiter, now + KEEL_S), KEEL_ENTERED);
    keel_bulkhead_leave(&b, &waiter, now + KEEL_S);
    assert_empty();
}
END_TEST

START_TEST(a_grant_nobody_comes_for_is_handed_on)
{
    keel_place holder, gone, next;

    begin(1, 2);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    ck_assert_int_eq(enter(&gone, &wakes[0]), KEEL_QUEUED);
    now += KEEL_S / 2;
    ck_assert_int_eq(enter(&next, &wakes[1]), KEEL_QUEUED);
    keel_bulkhead_leave(&b, &holder, now);
    ck_assert_uint_eq(wakes[0], 1);
    now += KEEL_S / 2; /* its wait ends, and it has not polled */
    keel_bulkhead_set(&b, 1, false, now);
    ck_assert_uint_eq(wakes[1], 1);
    ck_assert_int_eq(keel_bulkhead_check(&b, &gone, now), KEEL_FULL);
    ck_assert_int_eq(keel_bulkhead_check(&b, &next, now), KEEL_ENTERED);
    keel_bulkhead_leave(&b, &next, now);
    assert_empty();
}
END_TEST

START_TEST(a_granted_caller_who_leaves_without_looking_hands_it_on)
{
    keel_place holder, first, second;

    begin(1, 2);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    ck_assert_int_eq(enter(&first, &wakes[0]), KEEL_QUEUED);
    ck_assert_int_eq(enter(&second, &wakes[1]), KEEL_QUEUED);
    keel_bulkhead_leave(&b, &holder, now);
    keel_bulkhead_leave(&b, &first, now); /* cancelled with the grant in its slot */
    ck_assert_uint_eq(wakes[1], 1);
    keel_bulkhead_leave(&b, &second, now);
    assert_empty();
}
END_TEST

START_TEST(who_does_not_wait_does_not_overtake_those_who_do)
{
    keel_place holder, waiter, hasty;

    begin(1, 2);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    ck_assert_int_eq(enter(&waiter, &wakes[0]), KEEL_QUEUED);
    keel_bulkhead_leave(&b, &holder, now);
    ck_assert_int_eq(enter_now(&hasty), KEEL_FULL);
    ck_assert_int_eq(keel_bulkhead_check(&b, &waiter, now), KEEL_ENTERED);
    keel_bulkhead_leave(&b, &waiter, now);
    assert_empty();
}
END_TEST

START_TEST(a_raised_limit_lets_waiters_in_at_once)
{
    keel_place holder, waiters[3];

    begin(1, 4);
    ck_assert_int_eq(enter(&holder, NULL), KEEL_ENTERED);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(enter(&waiters[i], &wakes[i]), KEEL_QUEUED);
    keel_bulkhead_set(&b, 3, false, now);
    ck_assert_uint_eq(wakes[0] + wakes[1] + wakes[2], 2);
    ck_assert_uint_eq(keel_bulkhead_in_use(&b), 3);
}
END_TEST

START_TEST(places_above_a_lowered_limit_are_not_handed_on)
{
    keel_place holders[4], waiter;

    begin(4, 2);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(enter(&holders[i], NULL), KEEL_ENTERED);
    ck_assert_int_eq(enter(&waiter, &wakes[0]), KEEL_QUEUED);
    keel_bulkhead_set(&b, 2, false, now);
    keel_bulkhead_leave(&b, &holders[0], now);
    keel_bulkhead_leave(&b, &holders[1], now);
    ck_assert_uint_eq(wakes[0], 0);
    ck_assert_uint_eq(keel_bulkhead_in_use(&b), 2);
    keel_bulkhead_leave(&b, &holders[2], now);
    ck_assert_uint_eq(wakes[0], 1);
    ck_assert_uint_eq(keel_bulkhead_in_use(&b), 2);
}
END_TEST

/* Whoever frees a place serves those who wait by other settings, too. */
START_TEST(waiters_of_queues_of_several_sizes_are_served_in_turn)
{
    keel_place holders[3], first, second, third;
    keel_bulkhead bigger, none = bulkhead_with(NULL);

    begin(3, 1);
    bigger = bulkhead_with(add_queue(1, 2));
    ck_assert_int_eq(enter(&holders[0], NULL), KEEL_ENTERED);
    ck_assert(keel_bulkhead_try(&none, &holders[1], now));
    ck_assert(keel_bulkhead_try(&none, &holders[2], now));
    ck_assert_int_eq(enter(&first, &wakes[0]), KEEL_QUEUED);
    ck_assert_int_eq(keel_bulkhead_enter(&bigger, &second, now, now + KEEL_S, false,
                                         woken, &wakes[1]),
                     KEEL_QUEUED);
    ck_assert_int_eq(keel_bulkhead_enter(&bigger, &third, now, now + KEEL_S, false,
                                         woken, &wakes[2]),
                     KEEL_QUEUED);
    keel_bulkhead_untake(&none, &holders[1]);
    ck_assert_uint_eq(wakes[0], 1);
    keel_bulkhead_leave(&b, &holders[0], now);
    ck_assert_uint_eq(wakes[1], 1);
    keel_bulkhead_leave(&none, &holders[2], now);
    ck_assert_uint_eq(wakes[2], 1);
    keel_bulkhead_leave(&b, &first, now);
    keel_bulkhead_leave(&bigger, &second, now);
    keel_bulkhead_leave(&bigger, &third, now);
    assert_empty();
}
END_TEST

/* ---- threads ---------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, LIMIT = 2 };

static pthread_barrier_t start;
static _Atomic int inside;
static _Atomic unsigned entered_count;

static void visit(uint32_t *seed)
{
    keel_place place;
    keel_entry entry;
    int patience = (int)((*seed = *seed * 1664525 + 1013904223) >> 28);

    /* a clock of one's own: it passes by looking */
    entry = keel_bulkhead_enter(&b, &place, now, now + 1 + (uint64_t)patience, false,
                                NULL, NULL);
    for (uint64_t t = now; entry == KEEL_QUEUED; t++) {
        if (patience % 5 == 0)
            break; /* gives up without looking again */
        entry = keel_bulkhead_check(&b, &place, t);
    }
    if (entry == KEEL_ENTERED) {
        ck_assert_int_le(atomic_fetch_add(&inside, 1) + 1, LIMIT);
        entered_count++;
        atomic_fetch_sub(&inside, 1);
    }
    keel_bulkhead_leave(&b, &place, now);
}

static void *visit_often(void *ctx)
{
    uint32_t seed = *(uint32_t *)ctx;

    pthread_barrier_wait(&start);
    for (int i = 0; i < ROUNDS; i++)
        visit(&seed);
    return NULL;
}

START_TEST(threads_that_enter_queue_give_up_and_leave_keep_every_place)
{
    pthread_t threads[THREADS];
    uint32_t seeds[THREADS] = { 1, 2, 3, 4 };

    begin(LIMIT, queue_sizes[_i]);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, visit_often, &seeds[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_gt(entered_count, 0);
    assert_empty();
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("bulkhead", 60, ROWS(no_more_than_the_limit_are_inside, queue_sizes),
      ROWS(places_are_handed_on_in_order, orders), ONE(a_full_queue_refuses_at_once),
      ONE(a_wait_ends_at_its_instant_and_frees_its_slot),
      ONE(a_grant_that_comes_with_the_end_of_the_wait_is_kept),
      ONE(a_grant_nobody_comes_for_is_handed_on),
      ONE(a_granted_caller_who_leaves_without_looking_hands_it_on),
      ONE(who_does_not_wait_does_not_overtake_those_who_do),
      ONE(a_raised_limit_lets_waiters_in_at_once),
      ONE(places_above_a_lowered_limit_are_not_handed_on),
      ONE(waiters_of_queues_of_several_sizes_are_served_in_turn),
      ROWS(threads_that_enter_queue_give_up_and_leave_keep_every_place, queue_sizes))
