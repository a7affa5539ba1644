/* SPDX-License-Identifier: MIT */
/*
 * The open files behind boards, known to fork. A lock belongs to an open file, and a child
 * shares its parent's: one that never uses keel would keep what its parent had locked when
 * it was killed. So a child has open files of its own at once, at the same descriptors.
 *
 * Not for children made without fork's handlers: those must exec, or use keel.
 */
#ifndef KEEL_BOARD_OPEN_FILES_H
#define KEEL_BOARD_OPEN_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* False: there are too many, or no memory; a child of now shares it. */
bool keel_open_files_add(int fd);

/* Before it is closed. One that was not added is fine. */
void keel_open_files_remove(int fd);

/* Whether what is there was opened by this process or, when it was forked, for it. */
bool keel_open_files_is_own(int fd);

#endif
