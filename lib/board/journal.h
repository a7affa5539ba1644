/* SPDX-License-Identifier: MIT */
/*
 * The journal of a board: what happened last, for people and tools that look from
 * outside (`keel events`, a look at the file after a crash). Many writers, any number of
 * readers, nobody waits and nothing is consumed: the newest record takes the place of the
 * oldest. Not for listeners of this process: that is event_ring.h.
 *
 * A record is whole when its turn says its position and its check agrees; a writer who
 * was killed or stopped half-way leaves one that is not, and readers pass over it.
 */
#ifndef KEEL_BOARD_JOURNAL_H
#define KEEL_BOARD_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { KEEL_JOURNAL_CELLS = 4096, KEEL_JOURNAL_WORDS = 6 };

/* What happened, in 48 bytes. */
typedef struct keel_journal_record {
    uint64_t at_ns;    /* on the board's clock */
    uint64_t wall_ms;  /* since 1970 */
    uint32_t pipeline; /* its block's number in the directory */
    uint32_t pid;
    union {
        uint32_t generation;
        uint32_t out_ms; /* of an ejection: how long */
    };
    uint32_t total; /* in the window; where probes ended a round, of them */
    uint32_t failed;
    uint16_t status;
    uint8_t type; /* a keel_event_type */
    uint8_t from;
    uint8_t to;
    uint8_t cause;
    uint8_t lock;
    uint8_t note; /* of a lock: its number in the pipeline's notice; 0: none */
    /* of a lock: what the note was, which may be another one's by now; else the lower half
     * of an endpoint's hash, 0: of none */
    uint32_t about;
} keel_journal_record;

typedef struct keel_journal_cell {
    _Atomic uint64_t turn; /* its position plus 1; 0: empty, or being written */
    _Atomic uint64_t words[KEEL_JOURNAL_WORDS];
    _Atomic uint64_t check;
} keel_journal_cell;

typedef struct keel_journal {
    _Alignas(64) _Atomic uint64_t head; /* the next position */
    _Alignas(64) keel_journal_cell cells[KEEL_JOURNAL_CELLS];
} keel_journal;

_Static_assert(sizeof(keel_journal_record) == KEEL_JOURNAL_WORDS * sizeof(uint64_t),
               "a record fills its words");
_Static_assert(sizeof(keel_journal_cell) == 64, "a cell is a cache line");

void keel_journal_put(keel_journal *journal, const keel_journal_record *record);

/* The position that will be written next; those before it can be read. */
uint64_t keel_journal_end(keel_journal *journal);

typedef enum keel_journal_found {
    KEEL_JOURNAL_READ, /* *record is whole */
    KEEL_JOURNAL_GONE, /* overwritten */
    KEEL_JOURNAL_NONE  /* not there: its writer is at it, or was killed there */
} keel_journal_found;

keel_journal_found keel_journal_get(keel_journal *journal, uint64_t position,
                                    keel_journal_record *record);

#endif
