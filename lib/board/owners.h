/* SPDX-License-Identifier: MIT */
/*
 * The processes that map a board: a slot each, so that what a process holds can be told
 * from what nobody holds any more. A slot's owner is gone when the process is (its
 * number and start time), or when it has given up the file without a word (its lock on
 * the slot: an exec).
 */
#ifndef KEEL_BOARD_OWNERS_H
#define KEEL_BOARD_OWNERS_H

#include "board/file.h"

static inline uint64_t keel_owner_word(uint32_t slot, uint64_t id)
{
    return (uint64_t)slot << 56 | id;
}

static inline uint32_t keel_owner_slot(uint64_t word)
{
    return (uint32_t)(word >> 56);
}

/* Takes a free slot for this process; its word, or 0: all are taken. */
uint64_t keel_owner_take_locked(keel_board_file *file);
void keel_owner_leave_locked(keel_board_file *file, uint64_t self);

/* Frees a slot whose owner is gone. */
void keel_owner_free_locked(keel_board_file *file, uint32_t slot);

/* Who has a slot, and since when, in clock ticks of the machine. False: nobody. */
bool keel_owner_read(const keel_board_file *file, uint32_t slot, uint32_t *pid,
                     uint64_t *start_ticks);

/* Whether a slot is taken by a process that is gone. self: whose is no question. Some
 * system calls; any thread */
bool keel_owner_slot_is_dead(keel_board_file *file, uint32_t slot, uint64_t self);

#endif
