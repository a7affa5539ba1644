/* SPDX-License-Identifier: MIT */
/*
 * The inside of a board, for the files that make it: board.c opens, locks and joins one,
 * blocks.c has its directory.
 */
#ifndef KEEL_BOARD_INSIDE_H
#define KEEL_BOARD_INSIDE_H

#include <pthread.h>

#include "base/process.h"
#include "board/event_ring.h"
#include "board/file.h"
#include "board/layout.h"
#include "board/owners.h"

enum { KEEL_BOARD_PRIVATE_SPACE = 64 << 20 };

/* The part of a private board that a forked child keeps. */
typedef struct keel_private_head {
    keel_board_head head;
    keel_board_entry directory[KEEL_BOARD_BLOCKS];
} keel_private_head;

/* What a child finds empty. */
typedef struct keel_private_state {
    keel_event_ring events;
    _Alignas(KEEL_LINE) char blocks[];
} keel_private_state;

/*
 * directory_mu guards: head->block_count, used; directory; uses; cancel_state,
 * was_kept_waiting; between processes the file's lock does
 */
struct keel_board {
    const keel_allocator *memory;
    pthread_mutex_t directory_mu;
    int cancel_state;      /* of who holds it, from before */
    bool was_kept_waiting; /* in vain, for the file's lock, when last it was tried */
    bool is_left;          /* about to be closed: with the slot all use has ended */
    keel_board_head *head;
    keel_board_entry *directory;
    char *blocks;
    uint64_t space;
    keel_private_head *own;    /* of a private board */
    keel_process_memory state; /* a keel_private_state; of a mapped board its self */
    keel_board_file file;
    /* of each block in this process; 0: it may be handed on, if no other process uses it */
    uint32_t uses[KEEL_BOARD_BLOCKS];
};

static inline bool keel_board_is_mapped(const keel_board *board)
{
    return board->file.layout != NULL;
}

/* The owner that this process is; 0: none. */
static inline uint64_t keel_board_self_of(const keel_board *board)
{
    return keel_board_is_mapped(board)
               ? atomic_load_explicit(keel_board_self(board), memory_order_acquire)
               : 0;
}

/* No more than there can be: a file's number is not trusted. */
static inline uint32_t keel_board_block_count(const keel_board *board)
{
    uint32_t count =
        atomic_load_explicit(&board->head->block_count, memory_order_acquire);

    return count < KEEL_BOARD_BLOCKS ? count : KEEL_BOARD_BLOCKS;
}

/* For all to see, this process uses a block. */
static inline void keel_board_mark_used_locked(keel_board *board, keel_board_entry *e)
{
    uint64_t self = keel_board_self_of(board);
    uint32_t slot = keel_owner_slot(self);

    if (self)
        e->users[slot / 64] |= (uint64_t)1 << slot % 64;
}

/*
 * The directory's locks, in this process and between processes. False: somebody was
 * stopped with them. What is done under them is not cancelled.
 */
bool keel_directory_lock(keel_board *board);
void keel_directory_unlock(keel_board *board);

#endif
