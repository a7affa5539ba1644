/* SPDX-License-Identifier: MIT */
/* Copying plugins. Not for what is done with them. */
#include "support/plugins.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

void plugins_copy(const char *from, const char *to, mode_t mode)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct stat size;

    ck_assert_msg(in >= 0 && out >= 0, "%s cannot be copied to %s", from, to);
    ck_assert_int_eq(fstat(in, &size), 0);
    while (size.st_size > 0) {
        ssize_t copied = sendfile(out, in, NULL, (size_t)size.st_size);

        ck_assert_int_gt(copied, 0);
        size.st_size -= copied;
    }
    ck_assert_int_eq(fchmod(out, mode), 0);
    close(in);
    close(out);
}

void plugins_add(const spawned *folder, const char *from, const char *name)
{
    char file[64], path[SPAWNED_PATH_SIZE];

    snprintf(file, sizeof file, "keel_bag_%s.so", name);
    spawned_path(folder, file, path);
    plugins_copy(from, path, 0644);
}
