/* SPDX-License-Identifier: MIT */
/*
 * The board: the memory that holds all policy state which outlives a call. It contains
 * no pointers, only lock-free words, and every block's first state is all zero. So it
 * can be anonymous memory, which the kernel empties in a forked child, or a file that
 * all processes of a service map (KEEL_BOARD). A process with such a file has both: its
 * own board for what it counts alone, and the shared one.
 *
 * layout.h draws it. What knows blocks by key is the same for both; file.h is for how
 * the file comes to be, owners.h for the processes that map it.
 */
#ifndef KEEL_BOARD_BOARD_H
#define KEEL_BOARD_BOARD_H

#include <stdatomic.h>

#include <keel/runtime.h>

#define KEEL_LINE 64 /* a cache line; blocks start on one */

enum {
    KEEL_BOARD_OWNERS = 255,
    KEEL_BOARD_NOBODY = 255, /* the slot of a process that has none */
    KEEL_BOARD_BLOCKS = 4096,
    KEEL_BLOCK_NAME_SIZE = 80
};

/* After a pipeline's name, before that of a part of it; in no pipeline's name. */
#define KEEL_BLOCK_PART_MARK '#'

typedef struct keel_board keel_board;

/* What a block is; stored, so the numbers never change. */
typedef enum keel_block_kind {
    KEEL_BLOCK_BREAKER = 1,
    KEEL_BLOCK_LEASES = 2,
    KEEL_BLOCK_TIME_WINDOW = 3,
    KEEL_BLOCK_COUNT_WINDOW = 4,
    KEEL_BLOCK_RATE = 5,
    KEEL_BLOCK_LINES = 6,    /* which stripes count for a shared window, by owner */
    KEEL_BLOCK_PLACES = 7,   /* of a bulkhead that a host shares */
    KEEL_BLOCK_PIPELINE = 8, /* what is told of a pipeline from outside */
    KEEL_BLOCK_FLEET = 9,    /* what the fleet says of a breaker */
    KEEL_BLOCK_HISTORY = 10, /* its last minute */
    KEEL_BLOCK_FLEET_PLACES = 11, /* leased of a fleet's bulkhead */
    KEEL_BLOCK_FLEET_TOKENS = 12, /* leased of a fleet's rate limit */
    KEEL_BLOCK_ENDPOINTS = 13,    /* of a set of endpoints */
    KEEL_BLOCK_ENDPOINT = 14,     /* one of them, its breaker included */
    KEEL_BLOCK_HEALTH = 15,       /* what active checks have found */
    KEEL_BLOCK_FOUND = 35,        /* what each process has found out for itself */
    /* never shared */
    KEEL_BLOCK_STRIPES = 16,
    KEEL_BLOCK_STARTS = 17,
    KEEL_BLOCK_BULKHEAD = 18,
    KEEL_BLOCK_QUEUE = 19,
    KEEL_BLOCK_BUDGET = 20,
    KEEL_BLOCK_COUNTERS = 21,
    KEEL_BLOCK_OWN_LINES = 22, /* where this process's part of LINES is */
    KEEL_BLOCK_ADAPTIVE = 23,
    KEEL_BLOCK_THROTTLE = 24,
    KEEL_BLOCK_THROTTLE_LINES = 25,
    KEEL_BLOCK_HEDGE = 26,
    KEEL_BLOCK_LATENCY = 27,
    KEEL_BLOCK_ENDPOINTS_OWN = 32,
    KEEL_BLOCK_ENDPOINT_OWN = 33,
    KEEL_BLOCK_ENDPOINT_STARTS = 34
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

/* A private one. KEEL_E_NOMEM; KEEL_E_SYSTEM: no memory map to be had. */
keel_status keel_board_open(keel_board **out, const keel_allocator *memory);

/*
 * The one in a file. may_make: if it is not there, or of an earlier boot; who only looks
 * makes none, and may be root where it is another user's. KEEL_E_NOMEM; KEEL_E_SYSTEM: it
 * cannot be used, why says what is wrong.
 */
keel_status keel_board_map(keel_board **out, const keel_allocator *memory,
                           const char *path, bool may_make, keel_detail *why);

/* What a mapped one holds stays; the owner's slot is free again. NULL is fine. */
void keel_board_close(keel_board *board);

/* In a forked child, before anything else: the locks may be a lost thread's. The child of
 * one that had joined has not. */
void keel_board_forked(keel_board *board);

/*
 * Owners: processes that have joined a mapped board. Their slots are numbered; what one
 * of them held when it died is told by it.
 *
 * keel_board_join   takes a slot; true also if there is one. False: there is none to be
 *                   had, or the lock is not
 * keel_board_bury   gives the slots of those who died to others, after `bury` has put in
 *                   order what is theirs (in atomic words alone: a lock is held). Waits
 *                   for nobody: who has the lock buries them, or the next one does
 * keel_board_bury_is_due  true to one of all processes, once in a while of every_ns
 * keel_board_leave  gives the slot back, for who is about to close the board; with it all
 *                   that was lent, so that he waits for no lock. NULL is fine
 * keel_board_self   the word of this process: slot 8 | id 56; 0: it has not joined, as
 *                   a forked child that finds the word so
 */
typedef void keel_board_bury_fn(keel_board *board, uint32_t slot, void *ctx);
bool keel_board_join(keel_board *board, keel_board_bury_fn *bury, void *ctx);
void keel_board_leave(keel_board *board);
void keel_board_bury(keel_board *board, keel_board_bury_fn *bury, void *ctx);
bool keel_board_bury_is_due(keel_board *board, uint64_t now, uint64_t every_ns);
const _Atomic uint64_t *keel_board_self(const keel_board *board);

/*
 * Of all processes one leads: it speaks to others for all. Kept until it closes the board
 * or dies. False: another one does.
 */
bool keel_board_lead(keel_board *board);
_Atomic uint64_t *keel_board_led_at(keel_board *board);

/* How many slots were ever taken at a time. */
uint32_t keel_board_owner_count(const keel_board *board);

/* Whether the file is still where it was mapped from: who comes now maps the same one. */
bool keel_board_is_in_place(const keel_board *board);

/*
 * Finds or makes a block, zeroed when new, aligned to a cache line, never moved. NULL:
 * the board is full. Threads  any; takes a mutex, so not for the hot path
 *
 * keel_board_block  one that stays as long as the board is open
 * keel_board_lend   one that somebody uses for a time, with others of the same key, and
 *                   each gives back once. Unused it is kept as it is, for who comes back
 *                   to that key, until another key of its kind wants the memory; on a
 *                   shared board, which processes come back to, not before it is half full
 *
 * Memory is handed on within a kind only: who reads a block of atomic words a moment too
 * late reads words of the same meaning.
 */
void *keel_board_block(keel_board *board, const keel_block_key *key, size_t size);
void *keel_board_lend(keel_board *board, const keel_block_key *key, size_t size);
void keel_board_give_back(keel_board *board, const void *block);

/* Bytes of all blocks of a name, and of its parts, that are in use. */
size_t keel_board_used_by(keel_board *board, const char *name);

/* A block's number in the directory. */
uint32_t keel_board_number(keel_board *board, const void *block);

/*
 * For those who look at all of a board and trust nothing in the file.
 *
 * keel_board_entry_at  a copy of the number-th entry, with a name that ends; *block NULL:
 *                      where it says it lies is not on the board. False: there are no more
 * keel_board_owner_at  who has a slot: the process and its start, in clock ticks since
 *                      the machine's. False: nobody, or one who is gone. Some system calls
 */
struct keel_board_entry;
bool keel_board_entry_at(const keel_board *board, uint32_t number,
                         struct keel_board_entry *entry, void **block);
bool keel_board_owner_at(keel_board *board, uint32_t slot, uint32_t *pid,
                         uint64_t *start_ticks);

/*
 * Memory beside the blocks, for what a block grows by; found by its offset, which is no
 * pointer. False: full. NULL: not on the board.
 */
bool keel_board_take(keel_board *board, size_t size, uint64_t *offset);
void *keel_board_at(const keel_board *board, uint64_t offset, size_t size);

/* Whether another process uses a block of a mapped board too. */
bool keel_board_has_other_users(keel_board *board, const void *block);

/* The ring of events of a private board, the journal of a mapped one. */
void *keel_board_events(keel_board *board);
struct keel_journal *keel_board_journal(keel_board *board);

#endif
