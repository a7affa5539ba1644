/* SPDX-License-Identifier: MIT */
/* The event ring: in order, bounded, and nobody waits for anybody. */
#include <pthread.h>
#include <string.h>

#include "board/event_ring.h"
#include "support/suite.h"

static keel_event_ring ring;
static keel_event_record record;
static uint64_t sequence;

static bool put(uint32_t generation)
{
    return keel_event_ring_put(&ring, &(keel_event_record){ .generation = generation });
}

static void begin(void)
{
    memset(&ring, 0, sizeof ring);
}

START_TEST(zero_memory_is_an_empty_ring)
{
    begin();
    ck_assert(keel_event_ring_is_empty(&ring));
    ck_assert(keel_event_ring_is_waiting(&ring));
    ck_assert(!keel_event_ring_get(&ring, &record, &sequence));
}
END_TEST

START_TEST(what_is_put_is_got_in_order_over_many_laps)
{
    uint32_t next = 0;

    begin();
    for (uint32_t i = 0; i < 5 * KEEL_EVENT_CELLS; i++) {
        ck_assert(put(i));
        while (i % 1000 > 990 && keel_event_ring_get(&ring, &record, &sequence)) {
            ck_assert_uint_eq(record.generation, next);
            ck_assert_uint_eq(sequence, next++);
        }
    }
    while (keel_event_ring_get(&ring, &record, &sequence))
        ck_assert_uint_eq(record.generation, next++);
    ck_assert_uint_eq(next, 5 * KEEL_EVENT_CELLS);
    ck_assert(keel_event_ring_is_empty(&ring));
}
END_TEST

START_TEST(a_full_ring_keeps_the_old_and_counts_the_lost)
{
    begin();
    for (uint32_t i = 0; i < KEEL_EVENT_CELLS; i++)
        ck_assert(put(i));
    ck_assert(!put(9999));
    ck_assert(!put(9999));
    ck_assert_uint_eq(ring.lost, 2);
    ck_assert(keel_event_ring_get(&ring, &record, &sequence));
    ck_assert_uint_eq(record.generation, 0);
    ck_assert(put(KEEL_EVENT_CELLS));
    ck_assert(!put(9999));
}
END_TEST

START_TEST(a_writer_that_stopped_half_way_is_waited_for_by_nobody)
{
    begin();
    atomic_fetch_add(&ring.head, 1); /* it has its place, and no more */
    ck_assert(put(1));
    ck_assert(!keel_event_ring_is_empty(&ring));
    ck_assert(keel_event_ring_is_waiting(&ring));
    ck_assert(!keel_event_ring_get(&ring, &record, &sequence));
    atomic_store(&ring.cells[0].turn, 1); /* and now it is done */
    ck_assert(!keel_event_ring_is_waiting(&ring));
    ck_assert(keel_event_ring_get(&ring, &record, &sequence));
    ck_assert(keel_event_ring_get(&ring, &record, &sequence));
    ck_assert_uint_eq(record.generation, 1);
}
END_TEST

enum { WRITERS = 3, EACH = 30000 };

static pthread_barrier_t start;
static _Atomic unsigned done;

static void *write_many(void *ctx)
{
    uint32_t writer = *(uint32_t *)ctx;

    pthread_barrier_wait(&start);
    for (uint32_t i = 0; i < EACH; i++)
        keel_event_ring_put(
            &ring, &(keel_event_record){ .pipeline = writer, .generation = i });
    done++;
    return NULL;
}

START_TEST(writers_together_keep_their_order_and_each_event_is_got_or_lost)
{
    pthread_t threads[WRITERS];
    uint32_t numbers[WRITERS] = { 0, 1, 2 };
    int64_t last[WRITERS] = { -1, -1, -1 };
    uint64_t got = 0;

    begin();
    pthread_barrier_init(&start, NULL, WRITERS + 1);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_many, &numbers[i]);
    pthread_barrier_wait(&start);
    for (bool all_done = false; !all_done;) {
        all_done = done == WRITERS; /* read before the last look */
        while (keel_event_ring_get(&ring, &record, &sequence)) {
            ck_assert_int_gt((int64_t)record.generation, last[record.pipeline]);
            last[record.pipeline] = record.generation;
            ck_assert_uint_eq(sequence, got++);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(got + ring.lost, (uint64_t)WRITERS * EACH);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE("event_ring", 60, ONE(zero_memory_is_an_empty_ring),
      ONE(what_is_put_is_got_in_order_over_many_laps),
      ONE(a_full_ring_keeps_the_old_and_counts_the_lost),
      ONE(a_writer_that_stopped_half_way_is_waited_for_by_nobody),
      ONE(writers_together_keep_their_order_and_each_event_is_got_or_lost))
