/* SPDX-License-Identifier: MIT */
/* The board's journal. Not for what is worth a record: that is call/tell.c. */
#include "board/journal.h"

#include <string.h>

#include "base/seed.h"

static uint64_t check_of(uint64_t position, const uint64_t words[KEEL_JOURNAL_WORDS])
{
    uint64_t check = position;

    for (int i = 0; i < KEEL_JOURNAL_WORDS; i++)
        check = keel_mix(check ^ words[i]);
    return check;
}

void keel_journal_put(keel_journal *journal, const keel_journal_record *record)
{
    uint64_t position =
        atomic_fetch_add_explicit(&journal->head, 1, memory_order_relaxed);
    keel_journal_cell *cell = &journal->cells[position % KEEL_JOURNAL_CELLS];
    uint64_t words[KEEL_JOURNAL_WORDS];

    memcpy(words, record, sizeof words);
    atomic_store_explicit(&cell->turn, 0, memory_order_relaxed);
    /* release pairs with the acquire below: who sees a word sees the old turn gone */
    for (int i = 0; i < KEEL_JOURNAL_WORDS; i++)
        atomic_store_explicit(&cell->words[i], words[i], memory_order_release);
    atomic_store_explicit(&cell->check, check_of(position, words),
                          memory_order_release);
    atomic_store_explicit(&cell->turn, position + 1, memory_order_release);
}

uint64_t keel_journal_end(keel_journal *journal)
{
    return atomic_load_explicit(&journal->head, memory_order_acquire);
}

/* A cell may be written while we read it, by one who was stopped for a whole lap even:
 * then turn or check disagree. */
static bool read_cell(keel_journal_cell *cell, uint64_t position,
                      uint64_t words[KEEL_JOURNAL_WORDS])
{
    uint64_t check;

    if (atomic_load_explicit(&cell->turn, memory_order_acquire) != position + 1)
        return false;
    for (int i = 0; i < KEEL_JOURNAL_WORDS; i++)
        words[i] = atomic_load_explicit(&cell->words[i], memory_order_acquire);
    check = atomic_load_explicit(&cell->check, memory_order_acquire);
    return atomic_load_explicit(&cell->turn, memory_order_relaxed) == position + 1 &&
           check == check_of(position, words);
}

keel_journal_found keel_journal_get(keel_journal *journal, uint64_t position,
                                    keel_journal_record *record)
{
    uint64_t words[KEEL_JOURNAL_WORDS];
    uint64_t end = keel_journal_end(journal);

    if (position < end &&
        read_cell(&journal->cells[position % KEEL_JOURNAL_CELLS], position, words)) {
        memcpy(record, words, sizeof *record);
        return KEEL_JOURNAL_READ;
    }
    return position + KEEL_JOURNAL_CELLS < end ? KEEL_JOURNAL_GONE : KEEL_JOURNAL_NONE;
}
