/* SPDX-License-Identifier: MIT */
#include "support/board_file.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void board_file_init(board_file *file)
{
    snprintf(file->directory, sizeof file->directory, "/tmp/keel-board-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(file->directory));
    snprintf(file->path, sizeof file->path, "%s/board", file->directory);
    snprintf(file->variable, sizeof file->variable, "KEEL_BOARD=%s", file->path);
    file->environment[0] = file->variable;
    for (int i = 1; i < 4; i++)
        file->environment[i] = NULL;
}

void board_file_cleanup(board_file *file)
{
    unlink(file->path);
    ck_assert_msg(rmdir(file->directory) == 0, "something was left beside the board");
}
