/* SPDX-License-Identifier: MIT */
/* A path for a board of a test's own, in a directory of its own that goes with it. */
#ifndef KEEL_TESTS_SUPPORT_BOARD_FILE_H
#define KEEL_TESTS_SUPPORT_BOARD_FILE_H

typedef struct board_file {
    char directory[64];
    char path[96];
    char variable[112];         /* "KEEL_BOARD=path" */
    const char *environment[4]; /* the variable, and room for two more */
} board_file;

void board_file_init(board_file *file);

/* Fails the test if anything but the board is in the directory. */
void board_file_cleanup(board_file *file);

#endif
