/* SPDX-License-Identifier: MIT */
/*
 * What a board looks like in memory, and, where it is a file, byte by byte: keel-board(5)
 * describes it. Numbers are the machine's own; a reader checks magic, version and size.
 *
 *   head       what this is and how much of it is in use
 *   owners     a slot for each process that maps the file
 *   directory  blocks by name, kind and geometry
 *   journal    what happened last (journal.h)
 *   blocks
 *
 * A private board has head and directory in the heap, and no owners.
 */
#ifndef KEEL_BOARD_LAYOUT_H
#define KEEL_BOARD_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

#include "board/board.h"
#include "board/journal.h"

#define KEEL_BOARD_MAGIC 0x6472616f426c656bu /* "kelBoard" */

enum { KEEL_BOARD_VERSION = 1, KEEL_BOARD_FILE_SIZE = 16 << 20 };

/* Immutable once the file has its name, but for the last four. */
typedef struct keel_board_head {
    uint64_t magic;
    uint32_t version;
    uint32_t spare;
    uint64_t size;           /* of the file */
    uint64_t boot[2];        /* instants are of this boot's clock, */
    uint64_t time_namespace; /* as seen from here */
    uint64_t pid_namespace;  /* where the owners' numbers mean something */
    uint64_t created_s;      /* wall time, for people */
    _Atomic uint32_t block_count;
    _Atomic uint32_t owner_count; /* slots that were ever taken are below it */
    uint64_t used;                /* bytes of blocks */
    _Atomic uint64_t buried_at;   /* when somebody last looked for dead owners */
    _Atomic uint64_t led_at;      /* when the one who speaks for all last did */
    uint64_t spare_words[4];
} keel_board_head;

/* process: pid 22 | start time 42 (clock ticks since boot); 0: free. id: random, 56 bits */
typedef struct keel_board_owner {
    _Atomic uint64_t process;
    _Atomic uint64_t id;
    uint64_t spare[6];
} keel_board_owner;

typedef struct keel_board_entry {
    char name[KEEL_BLOCK_NAME_SIZE];
    uint32_t kind;
    uint32_t size;
    uint64_t width;
    uint32_t count;
    uint32_t spare;
    uint64_t offset; /* from the start of the blocks */
    /* which owners use it, a bit each; of a lent block: by nobody, it may be handed on */
    uint64_t users[(KEEL_BOARD_OWNERS + 63) / 64];
} keel_board_entry;

typedef struct keel_board_layout {
    keel_board_head head;
    keel_board_owner owners[KEEL_BOARD_OWNERS];
    keel_board_entry directory[KEEL_BOARD_BLOCKS];
    keel_journal journal;
    _Alignas(64) char blocks[];
} keel_board_layout;

_Static_assert(sizeof(keel_board_head) == 128, "the head is 128 bytes for good");
_Static_assert(sizeof(keel_board_owner) == 64, "an owner slot is a cache line");
_Static_assert(sizeof(keel_board_entry) == 144, "an entry is 144 bytes for good");

#endif
