/* SPDX-License-Identifier: MIT */
/*
 * The board: the memory that holds all policy state which outlives a call. It contains
 * no pointers, only lock-free words, and every block's first state is all zero. So it
 * can be anonymous memory that the kernel empties in a forked child, as here, or later
 * a file that several processes map, without a change to any policy.
 *
 *   header     what this is and how much of it is in use
 *   owners     one slot per process that uses the board
 *   directory  blocks by name, kind and geometry
 *   blocks     shared ones and those of one owner
 *   events     a ring of what happened (event_ring.h)
 *
 * Header, owners and directory are not emptied by fork: the child finds its blocks at
 * the same places, empty.
 */
#ifndef KEEL_BOARD_BOARD_H
#define KEEL_BOARD_BOARD_H

#include <stdatomic.h>

#include <keel/runtime.h>

#define KEEL_LINE 64 /* a cache line; blocks start on one */

enum { KEEL_BOARD_OWNERS = 256, KEEL_BOARD_BLOCKS = 4096, KEEL_BLOCK_NAME_SIZE = 80 };

typedef struct keel_board keel_board;

/* What a block is; stored, so the numbers never change. */
typedef enum keel_block_kind {
    KEEL_BLOCK_BREAKER = 1,
    KEEL_BLOCK_LEASES = 2,
    KEEL_BLOCK_TIME_WINDOW = 3,
    KEEL_BLOCK_COUNT_WINDOW = 4,
    KEEL_BLOCK_RATE = 5,
    /* of one owner */
    KEEL_BLOCK_STRIPES = 16,
    KEEL_BLOCK_STARTS = 17,
    KEEL_BLOCK_BULKHEAD = 18,
    KEEL_BLOCK_QUEUE = 19,
    KEEL_BLOCK_BUDGET = 20,
    KEEL_BLOCK_COUNTERS = 21
} keel_block_kind;

/*
 * A block is found by all of this; other geometry, other block.
 * width, count  what makes two blocks of a kind and name different (bucket width in ns
 *               and number of buckets, say); 0 where one is enough
 */
typedef struct keel_block_key {
    const char *name; /* the pipeline's */
    keel_block_kind kind;
    uint64_t width;
    uint32_t count;
} keel_block_key;

/* KEEL_E_NOMEM; KEEL_E_SYSTEM: no memory map to be had. */
keel_status keel_board_open(keel_board **out, const keel_allocator *memory);
void keel_board_close(keel_board *board);

/* In a forked child, before anything else: the lock may be a lost thread's. */
void keel_board_forked(keel_board *board);

/*
 * Finds or makes a block, zeroed when new, aligned to a cache line, never moved. NULL:
 * the board is full. Threads  any; takes a mutex, so not for the hot path
 *
 * keel_board_block  one that stays as long as the board is open
 * keel_board_lend   one that somebody uses for a time, with others of the same key, and
 *                   each gives back once. Unused it is kept as it is, for who comes back
 *                   to that key, until another key of its kind wants the memory.
 *
 * Memory is handed on within a kind only: who reads a block of atomic words a moment too
 * late reads words of the same meaning.
 */
void *keel_board_block(keel_board *board, const keel_block_key *key, size_t size);
void *keel_board_lend(keel_board *board, const keel_block_key *key, size_t size);
void keel_board_give_back(keel_board *board, const void *block);

/* Bytes of all blocks of a name that are in use. */
size_t keel_board_used_by(keel_board *board, const char *name);

/* The memory of the event ring. */
void *keel_board_events(keel_board *board);

#endif
