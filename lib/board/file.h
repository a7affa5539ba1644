/* SPDX-License-Identifier: MIT */
/*
 * The file behind a shared board: made, checked, mapped, locked. Not for what is in it.
 *
 * A file is made whole under another name and then linked to its own, so nobody ever
 * maps a half-made one; it keeps its size for life. One of an earlier boot is replaced,
 * because its instants mean nothing now; anything else that is not right is refused.
 */
#ifndef KEEL_BOARD_FILE_H
#define KEEL_BOARD_FILE_H

#include "board/layout.h"

typedef struct keel_board_file {
    int fd;
    uint64_t device, inode;    /* what the descriptor was opened on */
    keel_board_layout *layout; /* NULL: not mapped */
    char *path;
} keel_board_file;

/* KEEL_E_SYSTEM with a sentence, KEEL_E_NOMEM. may_make: where there is none, or one of
 * an earlier boot. */
keel_status keel_board_file_open(keel_board_file *file, const keel_allocator *memory,
                                 const char *path, bool may_make, keel_detail *why);
void keel_board_file_close(keel_board_file *file, const keel_allocator *memory);

/*
 * Whether it could be opened, made or replaced by this user, as far as can be told without
 * doing it, and in the same words: KEEL_E_SYSTEM. A full disk is found only by making one.
 * path: absolute
 */
keel_status keel_board_file_check(const char *path, keel_detail *why);

/* Whether its path still leads to it. */
bool keel_board_file_is_in_place(const keel_board_file *file);

/*
 * Locks belong to an open file, and a forked child shares its parent's; so in a child the
 * file is opened anew, unless fork has seen to it (open_files.h): by now the child may
 * have given up the right to. A daemon may have closed the descriptor, or have something
 * else there. False: it could not be; locking fails from now on.
 */
bool keel_board_file_reopen(keel_board_file *file);

/*
 * Locks between processes, given back by the kernel when their holder dies. Number 0 is
 * that of the directory, 1 and above those of the owners' slots.
 * keel_board_file_lock     waits for so many milliseconds at most: false, somebody was
 *                          stopped with it, or there is no lock to be had
 * keel_board_file_is_held  whether another open file holds it
 */
bool keel_board_file_lock(keel_board_file *file, uint32_t number, int most_ms);
bool keel_board_file_try_lock(keel_board_file *file, uint32_t number);
void keel_board_file_unlock(keel_board_file *file, uint32_t number);
bool keel_board_file_is_held(keel_board_file *file, uint32_t number);

#endif
