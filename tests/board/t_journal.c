/* SPDX-License-Identifier: MIT */
/* The journal: many writers, any number of readers, and never half a record. */
#include <pthread.h>
#include <string.h>

#include "board/journal.h"
#include "support/suite.h"

enum { WRITERS = 4, READERS = 2, EACH = 20000 };

static keel_journal journal;

static void empty_journal(void)
{
    memset(&journal, 0, sizeof journal);
}

/* A record all of whose fields tell its number. */
static keel_journal_record numbered(uint32_t n)
{
    return (keel_journal_record){ .at_ns = n,
                                  .wall_ms = n * UINT64_C(3),
                                  .pipeline = n,
                                  .pid = ~n,
                                  .generation = n * 5,
                                  .total = n * 7,
                                  .failed = n * 11,
                                  .status = (uint16_t)n,
                                  .type = (uint8_t)n };
}

static bool is_numbered(const keel_journal_record *record)
{
    keel_journal_record whole = numbered(record->pipeline);

    return memcmp(record, &whole, sizeof whole) == 0;
}

static void put(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        keel_journal_record record = numbered(first + i);

        keel_journal_put(&journal, &record);
    }
}

static keel_journal_found get(uint64_t position)
{
    keel_journal_record record = { .at_ns = 0 };
    keel_journal_found found = keel_journal_get(&journal, position, &record);

    if (found == KEEL_JOURNAL_READ)
        ck_assert(is_numbered(&record));
    return found;
}

START_TEST(records_are_read_in_the_order_in_which_they_were_put)
{
    keel_journal_record record;

    ck_assert_uint_eq(keel_journal_end(&journal), 0);
    put(100, 3);
    ck_assert_uint_eq(keel_journal_end(&journal), 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(keel_journal_get(&journal, i, &record), KEEL_JOURNAL_READ);
        ck_assert_uint_eq(record.pipeline, 100 + i);
    }
    ck_assert_int_eq(get(1), KEEL_JOURNAL_READ); /* nothing is consumed */
}
END_TEST

START_TEST(what_is_not_written_yet_is_not_there)
{
    ck_assert_int_eq(get(0), KEEL_JOURNAL_NONE);
    put(0, 1);
    ck_assert_int_eq(get(1), KEEL_JOURNAL_NONE);
    ck_assert_int_eq(get(KEEL_JOURNAL_CELLS), KEEL_JOURNAL_NONE);
}
END_TEST

START_TEST(the_newest_take_the_places_of_the_oldest)
{
    put(0, KEEL_JOURNAL_CELLS + 2);
    ck_assert_int_eq(get(0), KEEL_JOURNAL_GONE);
    ck_assert_int_eq(get(1), KEEL_JOURNAL_GONE);
    for (uint32_t i = 2; i < KEEL_JOURNAL_CELLS + 2; i++)
        ck_assert_int_eq(get(i), KEEL_JOURNAL_READ);
}
END_TEST

/* ---- a writer who was killed, by the words he left ------------------------------------ */

/* The first of so many stores of one who has this position: turn, words, check. */
static void begin_to_put(uint64_t position, int stores)
{
    keel_journal_cell *cell = &journal.cells[position % KEEL_JOURNAL_CELLS];
    keel_journal_record record = numbered(4711);
    uint64_t words[KEEL_JOURNAL_WORDS];

    memcpy(words, &record, sizeof words);
    if (stores > 0)
        atomic_store(&cell->turn, 0);
    for (int i = 0; i < KEEL_JOURNAL_WORDS && i < stores - 1; i++)
        atomic_store(&cell->words[i], words[i]);
}

static const int stores[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

START_TEST(a_writer_who_was_killed_leaves_out_one_record)
{
    put(0, KEEL_JOURNAL_CELLS);
    begin_to_put(atomic_fetch_add(&journal.head, 1), stores[_i]);
    put(KEEL_JOURNAL_CELLS + 1, 1);
    ck_assert_int_eq(get(0), stores[_i] ? KEEL_JOURNAL_GONE : KEEL_JOURNAL_READ);
    ck_assert_int_eq(get(1), KEEL_JOURNAL_GONE);
    ck_assert_int_eq(get(KEEL_JOURNAL_CELLS), KEEL_JOURNAL_NONE);
    ck_assert_int_eq(get(KEEL_JOURNAL_CELLS + 1), KEEL_JOURNAL_READ);
}
END_TEST

/* Stopped for a whole lap, with these stores still to come: others wrote there since. */
START_TEST(a_writer_who_comes_back_too_late_is_noticed)
{
    put(0, KEEL_JOURNAL_CELLS + 1);
    begin_to_put(0, KEEL_JOURNAL_WORDS + 1);
    atomic_store(&journal.cells[0].turn, 1);
    ck_assert_int_eq(get(0), KEEL_JOURNAL_GONE);
    atomic_store(&journal.cells[0].turn, KEEL_JOURNAL_CELLS + 1);
    ck_assert_int_eq(get(KEEL_JOURNAL_CELLS), KEEL_JOURNAL_NONE);
    put(0, KEEL_JOURNAL_CELLS); /* and the next lap is whole again */
    ck_assert_int_eq(get(2 * (uint64_t)KEEL_JOURNAL_CELLS), KEEL_JOURNAL_READ);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------- */

static pthread_barrier_t start;
static _Atomic int writing = WRITERS;

static void *write_all(void *ctx)
{
    uint32_t first = (uint32_t)(uintptr_t)ctx * EACH;

    pthread_barrier_wait(&start);
    put(first, EACH);
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

/* Follows the end, as `keel events` does; what it reads is whole and in a writer's order. */
static void *read_all(void *ctx)
{
    uint32_t last[WRITERS] = { 0 };
    uint64_t at = 0;
    uint64_t *seen = ctx;

    pthread_barrier_wait(&start);
    while (atomic_load(&writing) > 0 || at < keel_journal_end(&journal)) {
        keel_journal_record record;
        uint32_t writer;

        if (at >= keel_journal_end(&journal))
            continue;
        if (keel_journal_get(&journal, at++, &record) != KEEL_JOURNAL_READ)
            continue;
        writer = record.pipeline / EACH;
        ck_assert(is_numbered(&record) && writer < WRITERS);
        ck_assert_uint_ge(record.pipeline % EACH, last[writer]);
        last[writer] = record.pipeline % EACH;
        ++*seen;
    }
    return NULL;
}

START_TEST(what_many_readers_read_of_many_writers_is_whole_and_in_order)
{
    pthread_t writers[WRITERS], readers[READERS];
    uint64_t seen[READERS] = { 0 };

    ck_assert_int_eq(pthread_barrier_init(&start, NULL, WRITERS + READERS), 0);
    for (uintptr_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_all, (void *)i), 0);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_all, &seen[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        ck_assert_uint_gt(seen[i], 0);
    }
    ck_assert_uint_eq(keel_journal_end(&journal), WRITERS * EACH);
    pthread_barrier_destroy(&start);
}
END_TEST

SUITE_IN("journal", 60, empty_journal, NULL,
         ONE(records_are_read_in_the_order_in_which_they_were_put),
         ONE(what_is_not_written_yet_is_not_there),
         ONE(the_newest_take_the_places_of_the_oldest),
         ROWS(a_writer_who_was_killed_leaves_out_one_record, stores),
         ONE(a_writer_who_comes_back_too_late_is_noticed),
         ONE(what_many_readers_read_of_many_writers_is_whole_and_in_order))
